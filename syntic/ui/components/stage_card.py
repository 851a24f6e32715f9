"""The head of a stage card, and the rail of all stages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

from ...types import Stage
from ..explanations import STAGE_TEXTS

SHORT_NAMES: dict[Stage, str] = {
    Stage.GENERATE: "Generate",
    Stage.ENCODE: "Encode",
    Stage.REFINE: "Refine",
    Stage.PROJECT: "Project",
    Stage.DETECT: "Detect",
    Stage.ATTEND: "Attend",
    Stage.DECODE: "Write",
}


@dataclass(frozen=True)
class StageState:
    """How far a stage is.

    Attributes:
        name: waiting, running, done, left-out or stopped; also the CSS class.
        step: steps done while it runs.
        total: steps in all, or None where it has none.
        seconds: how long it took, once done.
    """

    name: str = "waiting"
    step: int = 0
    total: int | None = None
    seconds: float | None = None


def head(stage: Stage, state: StageState) -> str:
    """Return the number, name and state of a stage."""
    number = list(Stage).index(stage) + 1
    return (
        f'<h3 class="s-title"><span class="s-number">{number}</span>{escape(STAGE_TEXTS[stage].name)}</h3>'
        f'<div class="s-state {state.name}" role="status">{_describe(state)}</div>'
    )


def rail(states: Mapping[Stage, StageState]) -> str:
    """Return the row of all stages, each a link to its card."""
    items = "".join(
        f'<li class="{states[stage].name}"><a href="#{card_id(stage)}" '
        f'title="{escape(STAGE_TEXTS[stage].name)}: {states[stage].name.replace("-", " ")}">'
        f"{SHORT_NAMES[stage]}</a></li>"
        for stage in Stage
    )
    return f'<ol class="s-rail" aria-label="Stages">{items}</ol>'


def card_id(stage: Stage) -> str:
    """Return the id of a stage's card on the page."""
    return f"stage-{stage.value}"


def empty(text: str) -> str:
    """Return a quiet box with one sentence where a figure will be, or would have been."""
    return f'<div class="s-empty">{escape(text)}</div>'


def seconds_text(seconds: float) -> str:
    """Write a duration as people say it: `12 ms`, `0.43 s`, `7.5 s`."""
    if seconds < 0.1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.2f} s" if seconds < 1 else f"{seconds:.1f} s"


def _describe(state: StageState) -> str:
    if state.name == "running":
        if state.total:
            bar = f'<progress value="{state.step}" max="{state.total}"></progress>'
            return f"step {state.step} of {state.total} {bar}"
        return "running …"
    if state.name == "done":
        return f"done in {seconds_text(state.seconds or 0.0)}"
    return {"waiting": "not run yet", "left-out": "left out", "stopped": "stopped"}[state.name]
