"""What a visitor's run tells besides the events of training."""

from __future__ import annotations

from dataclasses import dataclass

from ..training import TrainEvent


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """Pictures are generated for captions that have none, and encoded.

    Attributes:
        done: captions that have their picture.
        total: all of them.
        remaining_seconds: estimate for the rest.
    """

    done: int
    total: int
    remaining_seconds: float


@dataclass(frozen=True, kw_only=True)
class BudgetMeasured:
    """A budget in minutes became a number of steps.

    Attributes:
        steps: that fit into the budget.
        seconds_per_step: as measured.
        validation_seconds: of captioning and scoring the validation pictures once.
    """

    steps: int
    seconds_per_step: float
    validation_seconds: float


@dataclass(frozen=True, kw_only=True)
class ValidationLeftOut:
    """The run goes without validation.

    Attributes:
        sentence: why, for the visitor.
    """

    sentence: str


@dataclass(frozen=True, kw_only=True)
class JobFailed:
    """The run ended with an error.

    Attributes:
        sentence: for the visitor.
    """

    sentence: str


JobEvent = Drawing | ValidationLeftOut | BudgetMeasured | JobFailed | TrainEvent
