"""What a long-lived service computed once and keeps, for many threads; each thing is made by one of them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

Key = tuple[Any, ...]


class Memory:
    """Results by key; the first entry of a key says what kind of thing it is.

    Args:
        passing: the kinds that are made again when they were forgotten; all others are kept for ever.
        remembered: how many of the passing ones are kept, those used last.
    """

    def __init__(self, passing: frozenset[str] = frozenset(), remembered: int = 96) -> None:
        self.passing = passing
        self.remembered = remembered
        self._lock = threading.RLock()
        self._lasting: dict[Key, Any] = {}
        self._passing: OrderedDict[Key, Any] = OrderedDict()  # the latest is last
        self._pending: dict[Key, threading.Lock] = {}

    def known(self, key: Key) -> Any:
        """Return what is kept, or None."""
        with self._lock:
            if key in self._passing:
                self._passing.move_to_end(key)
                return self._passing[key]
            return self._lasting.get(key)

    def keep(self, key: Key, value: T) -> T:
        """Keep a value, and return it."""
        with self._lock:
            if key[0] not in self.passing:
                self._lasting[key] = value
                return value
            self._passing[key] = value
            while len(self._passing) > self.remembered:
                self._passing.popitem(last=False)
        return value

    def once(self, key: Key, make: Callable[[], T]) -> T:
        """Return what is kept, or make it once however many ask at the same time; an error is not kept."""
        with self._lock:
            mine = self._pending.setdefault(key, threading.Lock())
        with mine:
            found = self.known(key)
            made: T = found if found is not None else self.keep(key, make())
        with self._lock:
            self._pending.pop(key, None)
        return made
