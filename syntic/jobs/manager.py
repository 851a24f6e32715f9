"""The runs of a host: one at a time, the others in a queue, each known only by its key.

A run goes on in the background. Its turn at the models is shared with the other visitors: between
any two of its small steps it lets everyone go first who waits for the models.
"""

from __future__ import annotations

import contextvars
import copy
import json
import logging
import math
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import BusyError, Cancelled, DataError, InputError, SynticError
from ..method.components import Components
from ..profiles import CorpusSettings, Profile
from ..runtime import ModelLock
from ..training import TrainingFinished
from .corpora import captions_drawn, captions_to_draw
from .events import BudgetMeasured, JobEvent, JobFailed
from .exchange import pack_decoder, unpack_decoder
from .files import JobFiles, name_of
from .registry import Job, JobRegistry
from .request import JobLimits, JobRequest, check_request
from .status import JobState, JobStatus, Observer
from .work import STOP_FILE, Work, carry_out

logger = logging.getLogger(__name__)

GONE_SECONDS = 90.0  # browsers let a hidden tab ask once a minute
KEPT_SECONDS = 5.0  # between two records of a run's status

Apart = Callable[[Work], Iterator[JobEvent]]
"""Carries a run out where this process has no device for it: see `carry_out_apart`."""


class JobManager:
    """The queue of training runs of one profile.

    Args:
        profile: the frozen models and the corpora, without any run.
        components: the profile's models in this process.
        turns: the lock around them.
        folder: where runs lie; None takes a temporary folder, which ends with the process.
        limits: what visitors may do.
        devices: what a run may be trained on, the first as default.
        apart: carries runs out in another process; None does it here.
    """

    def __init__(
        self,
        profile: Profile,
        components: Components,
        turns: ModelLock,
        *,
        folder: Path | None = None,
        limits: JobLimits | None = None,
        devices: Sequence[str] = ("cpu",),
        apart: Apart | None = None,
    ) -> None:
        self.profile = profile
        self.limits = limits or JobLimits()
        self.devices = tuple(devices)
        self._components = components
        self._turns = turns
        self._apart = apart
        self._files = JobFiles(folder)
        self._condition = threading.Condition()
        self._runs = JobRegistry(self._files)
        self._queue: list[str] = []  # its head has its turn
        self._worker: threading.Thread | None = None
        self._closed = False

    # -- what a visitor may do -----------------------------------------------------------------

    def submit(self, request: JobRequest) -> str:
        """Put a run into the queue and return its key, without which nobody can see or touch it.

        A corpus that the host has not drawn is drawn by the run, as far as captions of one's own would be.

        Raises:
            InputError: if the request cannot be used on this host.
            BusyError: if too many runs wait already.
            DataError: if the corpus is not there, or the disk is full.
        """
        request = check_request(request, self.profile, self.limits, self.devices)
        self._files.check_space()
        key = secrets.token_urlsafe(18)
        corpus = request.corpus
        if corpus is not None:
            request = replace(request, captions=captions_to_draw(self.profile, corpus, self.limits))
        captions = len(request.captions) if corpus is None or request.draws else self._corpus_size(corpus)
        status = JobStatus(
            name=name_of(key),
            label=request.label,
            variant=request.variant,
            corpus=corpus,
            captions=captions,
            draws=request.draws,
            keep_going=request.keep_going,
            steps=request.steps,
            reference=self._reference(corpus, request.variant),
        )
        with self._condition:
            self._enqueue(Job(request, status))
        self._make_room()
        return key

    def status(self, key: str) -> JobStatus:
        """Return how far a run is, and note that somebody looks at it.

        Raises:
            InputError: if there is no such run (any more).
        """
        with self._condition:
            job = self._runs.open(key)
            job.seen = time.monotonic()
            status = copy.deepcopy(job.status)
            if status.state is JobState.WAITING:
                status.ahead = self._queue.index(status.name)
            return status

    def stop(self, key: str) -> None:
        """Stop a run at its next step; it can be resumed. Raises InputError if there is none."""
        self._stop(self._find(key), "You stopped it.")

    def resume(self, key: str) -> None:
        """Put a stopped or failed run into the queue again; it continues where it was.

        Raises:
            InputError: if there is no such run, or it is neither stopped nor failed.
            BusyError: if too many runs wait already.
            DataError: if the disk is full.
        """
        job = self._find(key)
        self._files.check_space()
        with self._condition:
            if job.status.state not in (JobState.STOPPED, JobState.FAILED):
                raise InputError(f"The run is {job.status.state}; only a stopped run can be resumed.")
            job.stop, job.context = threading.Event(), contextvars.copy_context()
            self._enqueue(job)

    def keep_going(self, key: str, keep_going: bool) -> None:
        """Let a run go on while nobody looks at it, or not. Raises InputError if there is none."""
        job = self._find(key)
        with self._condition:
            job.status.keep_going = keep_going
            job.status.version += 1

    def remove(self, key: str) -> None:
        """Remove a run with all its files; one that is going on is refused.

        Raises:
            InputError: if there is no such run, or it is waiting or going on.
        """
        job = self._find(key)
        with self._condition:
            if job.status.state.is_active:
                raise InputError("The run is going on; stop it before you remove it.")
            self._runs.drop(job.status.name)
        self._clear([job.status.name])

    def pack(self, key: str, folder: Path) -> Path:
        """Write a finished run's decoder with its sidecar to a zip file in `folder` and return it.

        Raises:
            InputError: if there is no such run, or it is not finished.
        """
        job = self._find(key)
        if job.status.state is not JobState.FINISHED:
            raise InputError(f"The run is {job.status.state}; there is a decoder once it is finished.")
        variant = job.status.variant
        target = folder / f"{_file_name(job.status.label)}.zip"
        return pack_decoder(self._files.folder(job.status.name) / "decoder" / variant, target)

    def unpack(self, files: Sequence[Path]) -> str:
        """Take in a decoder that was downloaded before, and return the key of its finished run.

        Args:
            files: one zip, or the weights and the JSON file.

        Raises:
            CheckpointError: if it is damaged or belongs to other models.
            DataError: if no corpus is drawn, or the disk is full.
        """
        self._files.check_space()
        key = secrets.token_urlsafe(18)
        name = name_of(key)
        try:
            sidecar = unpack_decoder(files, self._components, self._files.folder(name) / "decoder")
            corpus, note = self._support_of(sidecar)
        except BaseException:
            self._files.remove(name)
            raise
        status = JobStatus(
            name=name,
            label=files[0].stem[:60],
            variant=sidecar["variant"],
            corpus=corpus,
            captions=self._corpus_size(corpus),
            state=JobState.FINISHED,
            note=note,
            reference=self._reference(corpus, sidecar["variant"]),
        )
        _take_history(status, sidecar)
        job = Job(JobRequest(corpus=corpus, variant=status.variant, steps=status.steps), status)
        with self._condition:
            self._runs.keep(job)
        self._make_room()
        return key

    def pictures(self, key: str, count: int) -> list[tuple[str, Path]]:
        """Return the newest pictures that a run drew, each with its caption."""
        job = self._find(key)
        paths = sorted((self._files.folder(job.status.name) / "pictures").glob("*.webp"))[-count:]
        return [(job.request.captions[int(path.stem)], path) for path in paths]

    def find_run(self, name: str) -> CorpusSettings | None:
        """Return where a finished run's features and decoder lie, for a `HostedProfile`."""
        with self._condition:
            if (job := self._runs.finished(name)) is None:
                return None
            request = job.request
        folder = self._files.folder(name)
        first = self.profile.corpus(request.corpus or next(iter(self.profile.corpora)))
        if not request.draws:
            return replace(first, decoders=folder / "decoder")
        return replace(first, captions=folder, features=folder / "features", decoders=folder / "decoder")

    def finished(self, name: str) -> JobStatus | None:
        """Return a finished run by its name, which gives no control over it, or None where there is none."""
        with self._condition:
            job = self._runs.finished(name)
            return None if job is None else copy.deepcopy(job.status)

    def close(self) -> None:
        """Stop what is going on and wait for it; it can be resumed when the app is there again."""
        with self._condition:
            self._closed = True
            for name in self._queue:
                self._runs[name].reason = "The app was stopped."
                self._runs[name].stop.set()
            self._condition.notify_all()
            worker = self._worker
        if worker is not None:
            worker.join()

    # -- the queue -----------------------------------------------------------------------------

    def _enqueue(self, job: Job) -> None:
        if self._closed:
            raise BusyError("The app is being stopped; please try again in a minute.")
        if len(self._queue) > self.limits.waiting:
            raise BusyError(
                f"{self.limits.waiting} runs are waiting already; please try again when one is done."
            )
        status = job.status
        status.state, status.note, job.reason = JobState.WAITING, "", ""
        status.version += 1
        job.seen = time.monotonic()
        self._queue.append(status.name)
        self._runs.keep(job)
        if self._worker is None:
            self._worker = threading.Thread(target=self._work, name="syntic-jobs", daemon=True)
            self._worker.start()
        self._condition.notify_all()

    def _work(self) -> None:
        while True:
            with self._condition:
                while not self._queue and not self._closed:
                    self._condition.wait()
                if not self._queue:
                    return
                job = self._runs[self._queue[0]]
            observer = Observer(job.status)
            ended = self._carry_out(job, observer)
            with self._condition:  # nobody sees it ended and still in the queue
                self._queue.remove(job.status.name)
                over = f"Its {self.limits.minutes:g} minutes on this host are over."
                observer.end(ended, job.reason or over)
                self._runs.keep(job)

    def _carry_out(self, job: Job, observer: Observer) -> TrainingFinished | JobFailed | None:
        ended: TrainingFinished | JobFailed | None = None
        kept = time.monotonic()
        try:
            for event in self._events(job):
                if isinstance(event, TrainingFinished | JobFailed):
                    ended = event
                    continue
                with self._condition:
                    observer.note(event)
                    if isinstance(event, BudgetMeasured) or time.monotonic() - kept > KEPT_SECONDS:
                        kept = time.monotonic()
                        self._runs.keep(job)
        except Cancelled:
            return None
        except Exception as error:
            return JobFailed(sentence=self._sentence(error))
        return ended

    def _events(self, job: Job) -> Iterator[JobEvent]:
        work = Work(
            profile=self.profile,
            request=job.request,
            folder=self._files.folder(job.status.name),
            cache=self._files.cache,
            steps=job.status.steps,
            minutes=self.limits.minutes,
            max_steps=self.limits.steps,
        )
        if self._apart is not None:
            yield from self._events_apart(job, work, self._apart)
            return
        with self._turns.hold(lambda: self._is_stopped(job), patient=True) as give_way:

            def should_stop() -> bool:
                with suppress(Cancelled):
                    give_way()
                return self._is_stopped(job)

            yield from carry_out(work, self._components, should_stop)

    def _events_apart(self, job: Job, work: Work, apart: Apart) -> Iterator[JobEvent]:
        """Let another process do it, on behalf of the visitor who asked for it; a file tells it to stop."""
        stop_file = work.folder / STOP_FILE
        stop_file.unlink(missing_ok=True)
        events = job.context.run(apart, work)
        while (event := job.context.run(next, events, None)) is not None:
            yield event
            if self._is_stopped(job):
                stop_file.touch()

    def _is_stopped(self, job: Job) -> bool:
        gone = time.monotonic() - job.seen > GONE_SECONDS
        if gone and not job.status.keep_going and not job.stop.is_set():
            self._stop(job, "Nobody was looking, so it was stopped.")
        return job.stop.is_set()

    def _stop(self, job: Job, reason: str) -> None:
        with self._condition:
            if not job.status.state.is_active:
                return
            job.reason = job.reason or reason
            job.stop.set()
            name = job.status.name
            if name in self._queue[1:]:
                self._queue.remove(name)
                job.status.state, job.status.note = JobState.STOPPED, job.reason
                job.status.version += 1
                self._runs.keep(job)

    def _make_room(self) -> None:
        with self._condition:
            dropped = self._runs.drop_oldest(self.limits)
        self._clear(dropped)

    def _clear(self, names: Sequence[str]) -> None:
        """Remove the files of runs and what was loaded of them.

        Without our lock: while the components load something, they ask us where it is.
        """
        for name in names:
            self._components.forget_folder(self._files.folder(name))
            self._files.remove(name)

    def _find(self, key: str) -> Job:
        with self._condition:
            return self._runs.open(key)

    # -- small things --------------------------------------------------------------------------

    def _sentence(self, error: Exception) -> str:
        if isinstance(error, SynticError):
            return error.detail.replace(f"{self._files.root}/", "")
        logger.exception("a training run failed", exc_info=error)
        return "Something went wrong inside the app; the log says what."

    def _corpus_size(self, corpus: str) -> int:
        return len(self._components.feature_store(corpus))

    def _support_of(self, sidecar: dict[str, Any]) -> tuple[str, str]:
        """Return the corpus whose texts Eq. 3 takes for a decoder, and what to know about that."""
        if (corpus := self._corpus_of(sidecar)) is not None:
            return corpus, ""
        drawn = (name for name, corpus in self.profile.corpora.items() if captions_drawn(corpus) is not None)
        if (corpus := next(drawn, None)) is None:
            raise DataError(
                "The captions it learned from are not here, and this host has drawn no corpus that Eq. 3 "
                "could take instead; draw one with `python -m syntic synthesize`."
            )
        return corpus, f"The captions it learned from are not here; Eq. 3 takes those of “{corpus}” instead."

    def _corpus_of(self, sidecar: dict[str, Any]) -> str | None:
        """Return the corpus of the profile that a decoder was trained on, or None where it was another."""
        fingerprint = sidecar["store"].get("fingerprint")
        for name in self.profile.corpora:
            with suppress(DataError):  # it is not drawn yet
                if self._components.feature_store(name).fingerprint == fingerprint:
                    return name
        return None

    def _reference(self, corpus: str | None, variant: str) -> float | None:
        """Return the last validation of the decoder that the profile ships."""
        settings = self.profile.corpus(corpus or next(iter(self.profile.corpora)))
        try:
            sidecar = json.loads((settings.decoders / f"{variant}.json").read_text(encoding="utf-8"))
            return float(sidecar["validation_curve"][-1][1])
        except (OSError, ValueError, KeyError, IndexError, TypeError):
            return None


def _take_history(status: JobStatus, sidecar: dict[str, Any]) -> None:
    """Show what the sidecar tells of the training, as far as it can be read."""
    with suppress(KeyError, TypeError, ValueError, OverflowError):
        status.steps = status.step = int(sidecar["steps"])
        status.curve = _points(sidecar["validation_curve"])
        status.losses = _points(sidecar["losses"])
        status.seconds = float(sidecar["seconds"])


def _points(raw: Any) -> list[tuple[int, float]]:
    points = [(int(step), float(value)) for step, value in raw[:1000]]
    return [(step, value) for step, value in points if math.isfinite(value)]


def _file_name(label: str) -> str:
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "+-_") else "-" for c in label)
    return "-".join(filter(None, kept.split("-"))) or "decoder"
