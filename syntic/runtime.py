"""Threads, device and the one lock around the models: decided in one place and logged.

OpenMP's default of one spinning thread per core is a trap on small machines whose cores are shared:
every parallel region then costs milliseconds (GroupNorm over 164k values: 20 ms with two threads,
0.6 ms with one, on a two-thread virtual core). So every entry point calls `set_threads` first.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING, TypeVar

from .errors import BusyError, Cancelled, InputError

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

T = TypeVar("T")

THREADS_VARIABLE = "SYNTIC_THREADS"
_SPEED_UP_WORTH_A_THREAD = 1.3  # a second thread must pay for itself under load, too

_threads_note = "not set yet"


def set_threads(threads: int | None = None) -> int:
    """Fix the number of threads of torch and OpenMP for this process.

    Args:
        threads: the number to use; None takes the environment variable SYNTIC_THREADS, and where
            that is not set either, a measurement of about a tenth of a second decides.

    Returns:
        The number in use, which is also logged.

    Raises:
        InputError: for a number below one or a SYNTIC_THREADS that is no number.
    """
    global _threads_note
    late = "torch" in sys.modules and "OMP_WAIT_POLICY" not in os.environ
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read once, when torch loads OpenMP
    reason = "as asked"
    if threads is None:
        threads = _threads_from_environment()
        reason = f"from {THREADS_VARIABLE}"
    if threads is not None and threads < 1:
        raise InputError(f"The number of threads must be at least 1 but is {threads}.")
    if threads is None:
        threads, reason = _measure_threads()
    import torch

    torch.set_num_threads(threads)
    policy = os.environ["OMP_WAIT_POLICY"] if not late else "set after torch was loaded"
    _threads_note = f"{threads} thread{'s' if threads > 1 else ''} ({reason}; OpenMP wait policy: {policy})"
    logger.info("torch runs with %s", _threads_note)
    return threads


def describe_threads() -> str:
    """Say how many threads are in use and why, for logs and `doctor`."""
    return _threads_note


def pick_device() -> torch.device:
    """Return the first CUDA device where there is one, else the CPU; the choice is logged."""
    import torch

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else describe_threads()
    logger.info("models run on %s: %s", device, name)
    return device


@dataclass(frozen=True)
class Waiting:
    """A run waits for the models; `ahead` runs come first."""

    ahead: int


class ModelLock:
    """One run at a time through the models, with a bounded queue in order of arrival.

    Gradio frees a slot as soon as a visitor cancels, while the work behind it may still run, so
    the models need a lock of their own.

    Args:
        capacity: how many may wait; the next one is refused.
    """

    def __init__(self, capacity: int = 16) -> None:
        self.capacity = capacity
        self._condition = threading.Condition()
        self._queue: list[object] = []  # its head holds the lock

    @contextmanager
    def hold(
        self,
        should_stop: Callable[[], bool] = lambda: False,
        on_wait: Callable[[int], None] = lambda ahead: None,
        *,
        patient: bool = False,
    ) -> Iterator[Callable[[], None]]:
        """Wait for a turn, hold the models, and hand them on.

        A long run calls what this yields between its steps: if others wait, they all go first, so
        nobody waits longer for it than one of its steps takes.

        Args:
            should_stop: asked while waiting; True gives the place in the queue up.
            on_wait: told how many are ahead, at first and whenever that changes.
            patient: wait however many are ahead, as a run does that its owner need not watch.

        Yields:
            A function that gives way to whoever waits and returns when it is this run's turn again.

        Raises:
            BusyError: if `capacity` runs wait already.
            Cancelled: if `should_stop` said so.
        """
        ticket = object()
        with self._condition:
            if len(self._queue) > self.capacity and not patient:
                raise BusyError(
                    f"{self.capacity} runs are waiting for the models already; please try again in a minute."
                )
            self._queue.append(ticket)
        try:
            self._wait_for_turn(ticket, should_stop, on_wait)
            yield lambda: self._give_way(ticket, should_stop, on_wait)
        finally:
            with self._condition:
                self._queue.remove(ticket)
                self._condition.notify_all()

    def _give_way(
        self, ticket: object, should_stop: Callable[[], bool], on_wait: Callable[[int], None]
    ) -> None:
        with self._condition:
            if len(self._queue) == 1:
                return
            self._queue.remove(ticket)
            self._queue.append(ticket)
            self._condition.notify_all()
        self._wait_for_turn(ticket, should_stop, on_wait)

    def _wait_for_turn(
        self, ticket: object, should_stop: Callable[[], bool], on_wait: Callable[[int], None]
    ) -> None:
        told = 0
        while True:
            with self._condition:
                ahead = self._queue.index(ticket)
                if ahead and ahead == told:
                    self._condition.wait(timeout=0.2)
                    ahead = self._queue.index(ticket)
            if should_stop():
                raise Cancelled("The run was stopped while it waited for the models.")
            if ahead == 0:
                return
            if ahead != told:
                told = ahead
                on_wait(ahead)


def in_turn(
    turns: ModelLock,
    work: Callable[[Callable[[T], None], Callable[[], bool]], None],
    should_stop: Callable[[], bool] = lambda: False,
) -> Generator[T | Waiting]:
    """Do work under the lock, in a worker thread, and hand over what it says as it says it.

    Closing the generator stops the work at the next moment that it asks, and waits for its end.

    Args:
        turns: the lock.
        work: called with a function that hands something over, and one that says whether to stop.
        should_stop: True ends the work as well; it is asked from the worker thread.

    Yields:
        `Waiting` while others are ahead, then what the work hands over. Its exceptions are raised here.
    """
    closed = threading.Event()
    said: SimpleQueue[T | Waiting | BaseException | None] = SimpleQueue()

    def stopped() -> bool:
        return closed.is_set() or should_stop()

    def run() -> None:
        try:
            with turns.hold(stopped, lambda ahead: said.put(Waiting(ahead))):
                work(said.put, stopped)
        except BaseException as error:  # carried over to the reader's thread
            said.put(error)
        finally:
            said.put(None)

    worker = threading.Thread(target=run, name="syntic-turn", daemon=True)
    worker.start()
    try:
        while (one := said.get()) is not None:
            if isinstance(one, BaseException):
                raise one
            yield one
    finally:
        closed.set()
        worker.join()


def _threads_from_environment() -> int | None:
    value = os.environ.get(THREADS_VARIABLE, "").strip()
    if not value:
        return None
    if not value.isdigit():
        raise InputError(f"{THREADS_VARIABLE} must be a whole number of threads but is {value!r}.")
    return int(value)


def _measure_threads() -> tuple[int, str]:
    """Time many short parallel regions, the case that suffers most, with one thread and with more."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    best, best_seconds = 1, _time_short_regions(1)
    for threads in (2, 4, 8):
        if threads > cores:
            break
        seconds = _time_short_regions(threads)
        if seconds * _SPEED_UP_WORTH_A_THREAD > best_seconds:
            break
        best, best_seconds = threads, seconds
    return best, f"measured on {cores} core{'s' if cores > 1 else ''}"


def _time_short_regions(threads: int) -> float:
    import torch
    from torch.nn import functional as F

    torch.set_num_threads(threads)
    x = torch.randn(1, 128, 16, 16)
    weight = torch.randn(128, 128, 3, 3)
    seconds = []
    with torch.inference_mode():
        for _ in range(8):  # the first is a warm-up; the fastest is the least disturbed
            start = time.perf_counter()
            F.group_norm(F.conv2d(x, weight, padding=1), 32)
            seconds.append(time.perf_counter() - start)
    return min(seconds[1:])
