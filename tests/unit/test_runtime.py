"""Threads and the lock around the models."""

from __future__ import annotations

import threading

import pytest
import torch

from syntic import runtime
from syntic.errors import BusyError, Cancelled, InputError
from syntic.runtime import ModelLock


@pytest.fixture(autouse=True)
def _no_asked_threads(monkeypatch):
    monkeypatch.delenv("SYNTIC_THREADS", raising=False)


def test_threads_as_asked():
    assert runtime.set_threads(1) == 1
    assert torch.get_num_threads() == 1
    assert "1 thread (as asked" in runtime.describe_threads()


def test_threads_from_the_environment(monkeypatch):
    monkeypatch.setenv("SYNTIC_THREADS", "2")
    assert runtime.set_threads() == 2
    assert torch.get_num_threads() == 2
    assert "from SYNTIC_THREADS" in runtime.describe_threads()


def test_threads_are_measured_otherwise():
    threads = runtime.set_threads()
    assert torch.get_num_threads() == threads >= 1
    assert "measured on" in runtime.describe_threads()


@pytest.mark.parametrize("value", ["two", "0", "-1", "1.5"])
def test_a_number_of_threads_that_is_none_is_refused(monkeypatch, value):
    monkeypatch.setenv("SYNTIC_THREADS", value)
    with pytest.raises(InputError, match="must be"):
        runtime.set_threads()


class Runner:
    """A thread that takes a turn and keeps it until it is told to leave."""

    def __init__(self, lock: ModelLock, order: list[str], name: str) -> None:
        self.leave, self.stop = threading.Event(), threading.Event()
        self.inside, self.waiting = threading.Event(), threading.Event()
        self.ahead: list[int] = []
        self.error: Exception | None = None
        self._order, self._name, self._lock = order, name, lock
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        try:
            with self._lock.hold(self.stop.is_set, self._wait):
                self._order.append(self._name)
                self.inside.set()
                self.leave.wait(10)
        except (BusyError, Cancelled) as error:
            self.error = error

    def _wait(self, ahead: int) -> None:
        self.ahead.append(ahead)
        self.waiting.set()


def test_runs_take_turns_in_order_of_arrival_and_hear_how_many_are_ahead():
    lock, order = ModelLock(capacity=4), []
    first = Runner(lock, order, "first")
    assert first.inside.wait(5)
    second = Runner(lock, order, "second")
    assert second.waiting.wait(5)
    third = Runner(lock, order, "third")
    assert third.waiting.wait(5)
    assert not second.inside.is_set()
    for runner in (first, second, third):
        assert runner.inside.wait(5)
        runner.leave.set()
        runner.thread.join(5)
    assert order == ["first", "second", "third"]
    assert first.ahead == []
    assert second.ahead == [1]
    assert third.ahead[0] == 2


def test_a_full_queue_refuses_the_next():
    lock, order = ModelLock(capacity=1), []
    first = Runner(lock, order, "first")
    assert first.inside.wait(5)
    second = Runner(lock, order, "second")
    assert second.waiting.wait(5)
    with pytest.raises(BusyError, match="1 runs are waiting"), lock.hold():
        pass
    for runner in (first, second):
        runner.leave.set()
        runner.thread.join(5)


def test_who_stops_waiting_leaves_the_queue():
    lock, order = ModelLock(), []
    first = Runner(lock, order, "first")
    assert first.inside.wait(5)
    second = Runner(lock, order, "second")
    assert second.waiting.wait(5)
    second.stop.set()
    second.thread.join(5)
    assert isinstance(second.error, Cancelled)
    third = Runner(lock, order, "third")
    assert third.waiting.wait(5)
    assert third.ahead == [1]
    first.leave.set()
    assert third.inside.wait(5)
    third.leave.set()
    third.thread.join(5)
    assert order == ["first", "third"]


def test_an_error_inside_hands_the_turn_on():
    lock = ModelLock()
    with pytest.raises(ZeroDivisionError), lock.hold():
        _ = 1 / 0
    with lock.hold():
        pass


def test_a_long_run_gives_way_to_whoever_waits_and_goes_on_afterwards():
    lock, order = ModelLock(capacity=1), []
    with lock.hold() as give_way:
        give_way()
        order.append("nobody waits")
        first = Runner(lock, order, "first")
        assert first.waiting.wait(5)
        first.leave.set()
        give_way()
        assert order == ["nobody waits", "first"]
        second = Runner(lock, order, "second")
        assert second.waiting.wait(5)
    second.leave.set()
    for runner in (first, second):
        runner.thread.join(5)
    assert order[-1] == "second"


def test_a_patient_run_waits_in_a_full_queue():
    lock, order = ModelLock(capacity=0), []
    first = Runner(lock, order, "first")
    assert first.inside.wait(5)
    with pytest.raises(BusyError), lock.hold():
        pass
    ahead: list[int] = []

    def leave(number: int) -> None:
        ahead.append(number)
        first.leave.set()

    with lock.hold(on_wait=leave, patient=True):
        order.append("patient")
    first.thread.join(5)
    assert (order, ahead) == (["first", "patient"], [1])


def test_who_is_stopped_while_giving_way_hears_it_and_leaves_the_queue():
    lock, order = ModelLock(), []
    stop = threading.Event()
    with lock.hold(stop.is_set) as give_way:
        other = Runner(lock, order, "other")
        assert other.waiting.wait(5)
        stop.set()
        with pytest.raises(Cancelled):
            give_way()
    other.leave.set()
    other.thread.join(5)
    with lock.hold():
        pass
