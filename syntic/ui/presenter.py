"""From the service's events to what stands on the page: markup by slot, no widget in sight.

A slot is the name of a place on the page: `sample`, `head-STAGE`, `figure-STAGE`, `map`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np

from ..evaluation.familiarity import Familiarity
from ..evaluation.map import Kind
from ..method.variant import Variant
from ..runtime import Waiting
from ..service import WalkEvent
from ..types import Finished, Stage, StageFinished, StageProgress, StageStarted, Trace, TraceSettings
from .components import stages as figures
from .components.pictures import data_uri
from .components.sample import sample
from .components.stage_card import StageState, empty, head, seconds_text
from .explanations import left_out

PROGRESS_INTERVAL_SECONDS = 0.12  # steps without a preview are not shown more often than this
FRAME_SIDE_PX = 128

_DOING: dict[Stage, str] = {
    Stage.GENERATE: "Drawing the picture …",
    Stage.ENCODE: "Encoding the picture …",
    Stage.REFINE: "Refining the feature …",
    Stage.PROJECT: "Projecting onto the texts …",
    Stage.DETECT: "Looking for objects …",
    Stage.ATTEND: "Attending to the tags …",
    Stage.DECODE: "Writing the caption …",
}
_NOT_YET: dict[Stage, str] = {
    Stage.GENERATE: "The picture will appear here, step by step, for a sentence.",
    Stage.ENCODE: "The feature will appear here as a row of colours.",
    Stage.REFINE: "The loss will appear here, for a sentence.",
    Stage.PROJECT: "The texts that the picture is made of will appear here.",
    Stage.DETECT: "The objects found will appear here.",
    Stage.ATTEND: "The weight of each tag will appear here.",
    Stage.DECODE: "The caption will appear here, word by word.",
}

Slots = dict[str, str]


@dataclass
class WalkView:
    """What one run has put on the page so far.

    Attributes:
        settings: of the run.
        what: the small line over the caption: what was asked for.
        from_text: whether the input is a sentence.
        corpus_size: number of texts that Eq. 3 weighs, known once the models are loaded.
        path: features (D,) of this sample by kind, for the map.
        places_drawn: how many places of `path` the map shows.
        trace: the newest trace.
        known: how far a picture that was handed in is from those that the decoder learned from.
    """

    settings: TraceSettings
    what: str
    from_text: bool
    corpus_size: int = 0
    path: dict[Kind, np.ndarray] = field(default_factory=dict)
    places_drawn: int = 0
    trace: Trace | None = None
    known: Familiarity | None = None

    def __post_init__(self) -> None:
        variant = Variant.parse(self.settings.variant)
        steps = self.settings.refinement_steps
        self._left_out = {
            stage: left_out(stage, variant, from_text=self.from_text, refinement_steps=steps)
            for stage in Stage
        }
        self._states = {
            s: StageState("left-out" if reason else "waiting") for s, reason in self._left_out.items()
        }
        self._frames: list[tuple[int, str]] = []
        self._picture: str | None = None  # the newest preview, in the end the picture itself
        self._has_picture = False
        self._line, self._kind = "Loading what is needed …", "waiting"
        self._last_progress = 0.0

    def start(self) -> Slots:
        """Return the whole page at the start of a run."""
        slots = {"sample": self._sample()}
        for stage in Stage:
            slots[f"head-{stage}"] = head(stage, self._states[stage])
            slots[f"figure-{stage}"] = empty(self._left_out[stage] or _NOT_YET[stage])
        return slots

    def apply(self, event: WalkEvent) -> Slots:
        """Return the slots that an event changes; none where it comes too soon after the last."""
        if isinstance(event, Waiting):
            runs = "one run is" if event.ahead == 1 else f"{event.ahead} runs are"
            self._line = f"Waiting for the models: {runs} ahead …"
            return {"sample": self._sample()}
        if isinstance(event, StageStarted):
            return self._begin(event)
        if isinstance(event, StageProgress):
            return self._advance(event)
        if isinstance(event, StageFinished):
            return self._finish_stage(event)
        assert isinstance(event, Finished)
        return self._finish(event.trace)

    def stop(self, sentence: str, *, failed: bool) -> Slots:
        """Return the page after a run ended early: stopped by a person, or by an error."""
        slots: Slots = {}
        for stage, state in self._states.items():
            if state.name == "running":
                self._states[stage] = StageState("stopped")
                slots[f"head-{stage}"] = head(stage, self._states[stage])
        self._line, self._kind = sentence, "error" if failed else "waiting"
        return {**slots, "sample": self._sample()}

    def _begin(self, event: StageStarted) -> Slots:
        self._states[event.stage] = StageState("running", total=event.total)
        self._line = _DOING[event.stage]
        return {f"head-{event.stage}": self._head(event.stage), "sample": self._sample()}

    def _advance(self, event: StageProgress) -> Slots:
        self._states[event.stage] = StageState("running", step=event.step, total=event.total)
        now = time.monotonic()
        if event.preview is None and now - self._last_progress < PROGRESS_INTERVAL_SECONDS:
            return {}
        self._last_progress = now
        slots = {f"head-{event.stage}": self._head(event.stage)}
        if event.preview is not None:
            uri = data_uri(event.preview, side_px=FRAME_SIDE_PX, quality=80)
            self._frames.append((event.step, uri))
            self._picture = uri
            slots[f"figure-{event.stage}"] = figures.film(self._frames, None, event.total)
            slots["sample"] = self._sample()
        return slots

    def _finish_stage(self, event: StageFinished) -> Slots:
        stage, self.trace = event.stage, event.trace
        slots: Slots = {}
        if not self._left_out[stage]:
            self._states[stage] = StageState("done", seconds=event.seconds)
            slots[f"head-{stage}"] = self._head(stage)
        figure = self._figure(stage, event.trace)
        if figure is not None:
            slots[f"figure-{stage}"] = figure
        if not self._has_picture and event.trace.image is not None:
            self._has_picture, self._picture = True, data_uri(event.trace.image, side_px=296)
            if not self.from_text:
                reason = self._left_out[Stage.GENERATE] or ""
                slots[f"figure-{Stage.GENERATE}"] = figures.given_picture(event.trace.image, reason)
        return {**slots, "sample": self._sample()}

    def _finish(self, trace: Trace) -> Slots:
        self.trace = trace
        total = seconds_text(sum(trace.seconds.values()))
        self.what = f"{self.what} · {self.settings.variant} · {total}"
        self._line, self._kind = trace.caption.text if trace.caption else "", "caption"
        return {"sample": self._sample()}

    def _figure(self, stage: Stage, trace: Trace) -> str | None:
        if self._left_out[stage]:
            return None
        if stage is Stage.GENERATE and trace.image is not None:
            total = self._states[stage].total or len(self._frames)
            return figures.film(self._frames, data_uri(trace.image), total)
        if stage is Stage.ENCODE and trace.image_feature is not None:
            kind = Kind.GENERATED if self.from_text else Kind.REAL
            self.path[kind] = trace.image_feature
            return figures.encoding(trace.image_feature, kind, self.known)
        if stage is Stage.REFINE and trace.refinement is not None and trace.image_feature is not None:
            self.path[Kind.REFINED] = trace.refinement.feature
            return figures.refinement(trace.image_feature, trace.refinement)
        if stage is Stage.PROJECT and trace.projection is not None:
            self.path[Kind.PROJECTED] = trace.projection.feature
            return figures.projection_bars(trace.projection, self.corpus_size)
        if stage is Stage.DETECT and trace.detections is not None and trace.image is not None:
            return figures.detections(
                trace.image, trace.detections, used=self._left_out[Stage.ATTEND] is None
            )
        if stage is Stage.ATTEND and trace.attention is not None:
            return figures.attention(trace.attention)
        if stage is Stage.DECODE and trace.caption is not None:
            return figures.caption(trace.caption)
        return None

    def _head(self, stage: Stage) -> str:
        return head(stage, self._states[stage])

    def _sample(self) -> str:
        note = figures.outside_words(self.known) if self.known and self.known.is_outside else ""
        return sample(
            self._states, picture=self._picture, what=self.what, line=self._line, kind=self._kind, note=note
        )


def idle_slots() -> Slots:
    """Return the page before anything ran."""
    waiting = {stage: StageState() for stage in Stage}
    slots = {"sample": sample(waiting)}
    for stage in Stage:
        slots[f"head-{stage}"] = head(stage, waiting[stage])
        slots[f"figure-{stage}"] = empty(_NOT_YET[stage])
    return slots
