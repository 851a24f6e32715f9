"""Training the caption decoder on synthetic pairs, text only, and the systems it is compared with."""

from ..profiles import OptimizerSettings
from .events import (
    Preparing,
    StepDone,
    TrainEvent,
    TrainingFinished,
    TrainingPaused,
    TrainingStarted,
    Validated,
)
from .loop import train
from .pictures import train_on_pictures
from .processes import Processes
from .runs import make_validator, train_from_profile
from .settings import RunSettings, ValidationSettings, load_run
from .validation import Validator

__all__ = [
    "OptimizerSettings",
    "Preparing",
    "Processes",
    "RunSettings",
    "StepDone",
    "TrainEvent",
    "TrainingFinished",
    "TrainingPaused",
    "TrainingStarted",
    "Validated",
    "ValidationSettings",
    "Validator",
    "load_run",
    "make_validator",
    "train",
    "train_from_profile",
    "train_on_pictures",
]
