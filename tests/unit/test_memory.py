"""What services keep: made once, however many ask; what passes is forgotten in order of use."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from syntic.memory import Memory


def test_many_threads_get_one_result_that_was_made_once():
    memory, made, gate = Memory(), [], threading.Event()

    def make() -> object:
        gate.wait(5)
        made.append(object())
        return made[-1]

    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(memory.once, ("thing", 1), make) for _ in range(8)]
        gate.set()
        found = {id(one.result()) for one in waiting}
    assert found == {id(made[0])}
    assert len(made) == 1


def test_only_the_passing_kinds_are_forgotten_the_longest_unused_first():
    memory = Memory(frozenset({"moved"}), remembered=2)
    memory.keep(("sample",), "kept")
    memory.keep(("moved", 1), "one")
    memory.keep(("moved", 2), "two")
    assert memory.known(("moved", 1)) == "one"
    memory.keep(("moved", 3), "three")
    assert [memory.known(("moved", i)) for i in (1, 2, 3)] == ["one", None, "three"]
    assert memory.known(("sample",)) == "kept"


def test_an_error_is_not_kept():
    memory = Memory()

    def fail() -> str:
        raise ValueError("too large")

    with pytest.raises(ValueError, match="too large"):
        memory.once(("thing",), fail)
    assert memory.once(("thing",), lambda: "there") == "there"
