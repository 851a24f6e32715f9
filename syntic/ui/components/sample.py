"""The sample at the head of the page: what runs, the rail of stages, and the caption."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from ...types import Stage
from .stage_card import StageState, rail


def sample(
    states: Mapping[Stage, StageState],
    *,
    picture: str | None = None,
    what: str = "",
    line: str = "Pick a picture or a sentence.",
    kind: str = "waiting",
    note: str = "",
) -> str:
    """Return the head of the page.

    Args:
        states: how far each stage is.
        picture: data URI of the picture in question, once there is one.
        what: what was asked for, the small line.
        line: the caption, or in its place what is going on.
        kind: "caption", "waiting" or "error".
        note: what has to be known of the picture, below it.
    """
    if picture:
        image = f'<img class="s-picture" src="{picture}" alt="The picture of this run">'
    else:
        image = '<div class="s-picture empty"></div>'
    extra = "" if kind == "caption" else f" {kind}"
    live = ' role="alert"' if kind == "error" else ' aria-live="polite"'
    return (
        f'<section class="s-sample" aria-label="Result">{image}<div><p class="s-what">{escape(what)}</p>'
        f'<p class="s-caption{extra}"{live}>{escape(line)}</p>'
        f"{f'<p class=s-outside>{escape(note)}</p>' if note else ''}</div>"
        f'<div style="grid-column:1/-1">{rail(states)}</div></section>'
    )
