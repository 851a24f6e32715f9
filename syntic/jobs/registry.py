"""The runs that a host knows, in memory and on disk."""

from __future__ import annotations

import contextvars
import logging
import threading
import time
from dataclasses import dataclass, field

from ..errors import InputError, SynticError
from .files import JobFiles, name_of
from .request import JobLimits, JobRequest
from .status import JobState, JobStatus

logger = logging.getLogger(__name__)


@dataclass
class Job:
    """One run in this process.

    Attributes:
        request: what the visitor asked for.
        status: how far it is.
        seen: when somebody looked at it last, on the monotonic clock.
        stop: set to stop it at its next step.
        reason: why it was stopped.
        context: of the request that started or resumed it, on whose behalf it runs.
    """

    request: JobRequest
    status: JobStatus
    seen: float = 0.0
    stop: threading.Event = field(default_factory=threading.Event)
    reason: str = ""
    context: contextvars.Context = field(default_factory=contextvars.copy_context)


class JobRegistry:
    """Runs by name; those of an earlier process are taken up, as stopped where they were going on.

    Not safe for several threads: `JobManager` holds its lock around every call.

    Args:
        files: the runs' folders.
    """

    def __init__(self, files: JobFiles) -> None:
        self.files = files
        self._jobs: dict[str, Job] = {}
        for name, (request, status) in files.read_all().items():
            if status.state.is_active:
                status.state, status.note = JobState.STOPPED, "The app was started anew in the meantime."
            self._jobs[name] = Job(request, status)

    def __len__(self) -> int:
        """Return the number of runs."""
        return len(self._jobs)

    def __getitem__(self, name: str) -> Job:
        """Return the run of that name, which must be there."""
        return self._jobs[name]

    def open(self, key: str) -> Job:
        """Return the run that a key opens, or raise InputError."""
        job = self._jobs.get(name_of(key))
        if job is None:
            raise InputError("There is no such run on this host any more; start a new one.")
        return job

    def finished(self, name: str) -> Job | None:
        """Return the run of that name if it is there and finished."""
        job = self._jobs.get(name)
        return job if job is not None and job.status.state is JobState.FINISHED else None

    def keep(self, job: Job) -> None:
        """Add a run, or write down how far it is."""
        self._jobs[job.status.name] = job
        try:
            self.files.write(job.request, job.status)
        except SynticError as error:  # the run itself says what the disk lacks
            logger.warning("%s", error.detail)

    def drop(self, name: str) -> None:
        """Forget a run; its files are still there."""
        del self._jobs[name]

    def drop_oldest(self, limits: JobLimits) -> list[str]:
        """Forget what is too old, too many or too large, the oldest first; never what waits or goes on.

        Returns:
            The names, whose files are still there.
        """
        dropped = []
        idle = [name for name, job in self._jobs.items() if not job.status.state.is_active]
        idle.sort(key=lambda name: self._jobs[name].status.created)
        sizes = {name: self.files.megabytes(name) for name in self._jobs}
        oldest = time.time() - 86_400 * limits.days
        for name in idle:
            too_many = len(self._jobs) > limits.kept or sum(sizes.values()) > limits.megabytes
            if too_many or self._jobs[name].status.created < oldest:
                del sizes[name]
                self.drop(name)
                dropped.append(name)
        return dropped
