"""The exceptions people may see, each one sentence long.

SynticError
├── InputError        what a visitor or a script handed in cannot be used (picture, text, option)
├── ShapeError        tensors that do not fit together
├── DataError         a corpus, a feature store or a test set is missing, empty or damaged
├── CheckpointError   weights are missing, damaged or belong to another profile
├── MissingToolError  a program that a feature needs is not installed (Java, a sprite package)
├── ResourceError     the machine is too small: memory, disk
├── BusyError         the models are in use and the queue is full
└── Cancelled         the person stopped the run
"""


class SynticError(Exception):
    """Base of every error that SynTIC raises on purpose.

    Args:
        detail: one sentence: what is wrong, with what value, and what to do.
        title: two or three words for the head of a message box.
    """

    title = "Something is wrong"

    def __init__(self, detail: str, *, title: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        if title is not None:
            self.title = title


class InputError(SynticError):
    """A picture, a text or an option that cannot be used."""

    title = "Please check the input"


class ShapeError(SynticError):
    """Tensors that do not fit together."""

    title = "Shapes do not match"


class DataError(SynticError):
    """A corpus, a feature store or a test set that is missing, empty or damaged."""

    title = "Data cannot be read"


class CheckpointError(SynticError):
    """Weights that are missing, damaged or made for another profile."""

    title = "Checkpoint cannot be used"


class MissingToolError(SynticError):
    """A program or package that a feature needs and that is not installed."""

    title = "A tool is missing"


class ResourceError(SynticError):
    """The machine has too little memory or disk for what was asked."""

    title = "The machine is too small"


class BusyError(SynticError):
    """The models are in use and the queue is full."""

    title = "Busy"


class Cancelled(SynticError):
    """The person stopped the run."""

    title = "Stopped"
