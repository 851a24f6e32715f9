"""Training runs that visitors start: queued, watched, stopped, resumed, downloaded and brought back."""

from .corpora import captions_drawn, validation_set
from .events import BudgetMeasured, Drawing, JobEvent, JobFailed, ValidationLeftOut
from .exchange import pack_decoder, unpack_decoder
from .hosted import RUN_PREFIX, HostedProfile
from .manager import Apart, JobManager
from .request import JobLimits, JobRequest
from .status import JobState, JobStatus
from .work import Work, carry_out, carry_out_apart

__all__ = [
    "RUN_PREFIX",
    "Apart",
    "BudgetMeasured",
    "Drawing",
    "HostedProfile",
    "JobEvent",
    "JobFailed",
    "JobLimits",
    "JobManager",
    "JobRequest",
    "JobState",
    "JobStatus",
    "ValidationLeftOut",
    "Work",
    "captions_drawn",
    "carry_out",
    "carry_out_apart",
    "pack_decoder",
    "unpack_decoder",
    "validation_set",
]
