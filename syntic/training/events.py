"""What a training run tells whoever watches it: the command line, the app, the tests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Preparing:
    """Features are being made ready; `stage` is "refine", "project" or "tags"."""

    stage: str
    done: int
    total: int


@dataclass(frozen=True, kw_only=True)
class TrainingStarted:
    """The first step is next.

    Attributes:
        step: steps already done by an earlier, interrupted run.
        total: steps of the whole run.
        steps_per_epoch: steps of one pass over the corpus.
        parameters: number of trained parameters.
    """

    step: int
    total: int
    steps_per_epoch: int
    parameters: int


@dataclass(frozen=True, kw_only=True)
class StepDone:
    """One optimiser step, counted from 1."""

    step: int
    total: int
    loss: float
    learning_rate: float


@dataclass(frozen=True, kw_only=True)
class Validated:
    """The decoder captioned the validation pictures.

    Attributes:
        step: after that many steps.
        cider: CIDEr x 100.
        samples: a few (picture name, caption) pairs.
    """

    step: int
    cider: float
    samples: list[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class TrainingPaused:
    """The run was stopped or its minutes are over; started again, it continues from `step`."""

    step: int
    total: int


@dataclass(frozen=True, kw_only=True)
class TrainingFinished:
    """The checkpoint is written.

    Attributes:
        checkpoint: its path without suffix.
        curve: (step, CIDEr x 100) of every validation.
        seconds: of all sessions of the run together.
    """

    checkpoint: Path
    curve: list[tuple[int, float]]
    seconds: float


TrainEvent = Preparing | TrainingStarted | StepDone | Validated | TrainingPaused | TrainingFinished
