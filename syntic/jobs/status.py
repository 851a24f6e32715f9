"""How far a run is: the sum of its events, kept on disk and shown to its visitor."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any

from ..errors import DataError
from ..training import (
    Preparing,
    StepDone,
    TrainingFinished,
    TrainingStarted,
    Validated,
)
from .events import BudgetMeasured, Drawing, JobEvent, JobFailed, ValidationLeftOut

LOSSES_KEPT = 400
RATE_STEPS = 20  # the rate is that of the last so many steps


class JobState(StrEnum):
    """What a run is doing."""

    WAITING = "waiting"
    DRAWING = "drawing"
    PREPARING = "preparing"
    TRAINING = "training"
    STOPPED = "stopped"
    FINISHED = "finished"
    FAILED = "failed"

    @property
    def is_active(self) -> bool:
        """Whether the run waits for its turn or has it."""
        return self in (JobState.WAITING, JobState.DRAWING, JobState.PREPARING, JobState.TRAINING)


@dataclass(kw_only=True)
class JobStatus:
    """What a run has done so far.

    Attributes:
        name: of the run, which is also that of its corpus in a `HostedProfile`; it lets nobody
            control the run.
        label: what the visitor calls it.
        variant: name of the ablation.
        corpus: a corpus of the profile, or None for captions of one's own.
        captions: how many it learns from.
        draws: whether it draws their pictures itself; else they were drawn before.
        state: what it is doing.
        keep_going: whether it goes on while nobody looks.
        created: seconds since 1970.
        note: a sentence on why it is stopped or failed, or what to know about it; else "".
        ahead: runs that come first, while it waits.
        done: captions drawn, or work done of the stage that is prepared.
        total: of them.
        stage: "pictures", "refine", "project" or "tags" while it is prepared.
        steps: of the whole run; None until a budget in minutes is measured.
        step: done so far.
        losses: (step, loss), thinned.
        curve: (step, CIDEr x 100) of every validation.
        samples: (step, [(picture, caption), ...]) of every validation.
        reference: CIDEr of the decoder that the profile ships for the variant, where it has one.
        rate: steps per second lately, or None.
        remaining_seconds: estimate until the end of drawing or training, or None.
        seconds: of training so far, all turns together.
        version: grows with every change.
    """

    name: str
    label: str
    variant: str
    corpus: str | None
    captions: int
    draws: bool = False
    state: JobState = JobState.WAITING
    keep_going: bool = True
    created: float = field(default_factory=time.time)
    note: str = ""
    ahead: int = 0
    done: int = 0
    total: int = 0
    stage: str = ""
    steps: int | None = None
    step: int = 0
    losses: list[tuple[int, float]] = field(default_factory=list)
    curve: list[tuple[int, float]] = field(default_factory=list)
    samples: list[tuple[int, list[tuple[str, str]]]] = field(default_factory=list)
    reference: float | None = None
    rate: float | None = None
    remaining_seconds: float | None = None
    seconds: float = 0.0
    version: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> JobStatus:
        """Read what `to_dict` gave, or raise DataError."""
        try:
            values = {**raw, "state": JobState(raw["state"])}
            for name in ("losses", "curve"):
                values[name] = [(int(step), float(value)) for step, value in raw[name]]
            values["samples"] = [
                (int(step), [(str(picture), str(caption)) for picture, caption in pairs])
                for step, pairs in raw["samples"]
            ]
            return cls(**values)
        except (KeyError, TypeError, ValueError) as error:
            raise DataError("The record of a run is damaged; remove its folder.") from error


class Observer:
    """Adds a run's events up to its status.

    Args:
        status: changed in place.
    """

    def __init__(self, status: JobStatus) -> None:
        self.status = status
        self._times: deque[tuple[int, float]] = deque(maxlen=RATE_STEPS)
        self._first: tuple[int, float] = (0, 0.0)
        self._earlier = status.seconds
        self._left_out = ""

    def note(self, event: JobEvent) -> None:
        """Take one event in; how the turn ends is for `end` to say."""
        status, now = self.status, time.monotonic()
        status.version += 1
        if isinstance(event, Drawing):
            status.state = JobState.DRAWING
            status.done, status.total = event.done, event.total
            status.remaining_seconds = event.remaining_seconds
        elif isinstance(event, Preparing):
            status.state, status.stage = JobState.PREPARING, event.stage
            status.done, status.total, status.remaining_seconds = event.done, event.total, None
        elif isinstance(event, ValidationLeftOut):
            status.note = self._left_out = event.sentence
        elif isinstance(event, BudgetMeasured):
            status.steps = event.steps
        elif isinstance(event, TrainingStarted):
            status.state, status.steps, status.step = JobState.TRAINING, event.total, event.step
            self._first = (event.step, now)
        elif isinstance(event, StepDone):
            self._step(event, now)
        elif isinstance(event, Validated):
            status.curve.append((event.step, event.cider))
            status.samples.append((event.step, event.samples))

    def _step(self, event: StepDone, now: float) -> None:
        status = self.status
        status.step = event.step
        status.losses = _thinned([*status.losses, (event.step, event.loss)])
        self._times.append((event.step, now))
        first_step, started = self._first
        status.seconds = self._earlier + now - started
        pace = (now - started) / max(event.step - first_step, 1)  # with the validations in between
        status.remaining_seconds = pace * (event.total - event.step)
        (early, since), (late, until) = self._times[0], self._times[-1]
        status.rate = (late - early) / (until - since) if until > since else None

    def end(self, event: TrainingFinished | JobFailed | None, reason: str) -> None:
        """Take in how the turn ended; None is stopped, and `reason` says why."""
        status = self.status
        status.version += 1
        status.rate = status.remaining_seconds = None
        if isinstance(event, TrainingFinished):
            status.state, status.note = JobState.FINISHED, self._left_out
            status.curve, status.seconds = list(event.curve), event.seconds
        elif isinstance(event, JobFailed):
            status.state, status.note = JobState.FAILED, event.sentence
        else:
            status.state, status.note = JobState.STOPPED, reason


def _thinned(points: list[tuple[int, float]]) -> list[tuple[int, float]]:
    """Keep every other point once there are too many, the last one in any case."""
    return points if len(points) <= LOSSES_KEPT else [*points[:-1:2], points[-1]]
