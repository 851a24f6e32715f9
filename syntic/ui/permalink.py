"""Links that restore the page: the query string names the input and every setting that is not standard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import urlencode

from ..errors import InputError
from ..types import TraceSettings

_KINDS = {f.name: f.type for f in fields(TraceSettings)}


@dataclass(frozen=True)
class Choice:
    """What a visitor chose to run on.

    Attributes:
        kind: "text", "example" (a picture of the gallery, by name) or "upload" (a file's path).
        value: the sentence, the name, or the path on the server.
    """

    kind: str
    value: str


def write_query(choice: Choice | None, settings: TraceSettings) -> str:
    """Return the query string for a choice and its settings; an upload has no link of its own."""
    query: dict[str, Any] = {}
    if choice is not None and choice.kind in ("text", "example"):
        query[choice.kind] = choice.value
    standard = TraceSettings()
    for name in _KINDS:
        value = getattr(settings, name)
        if value is not None and value != getattr(standard, name):
            query[name] = value
    return "?" + urlencode(query)


def read_query(query: Mapping[str, str]) -> tuple[Choice | None, TraceSettings]:
    """Read what `write_query` wrote; unknown keys are left alone, Gradio has some of its own.

    Raises:
        InputError: for a setting that is no number where one is needed.
    """
    choice = None
    for kind in ("text", "example"):
        if query.get(kind):
            choice = Choice(kind, query[kind])
    values: dict[str, Any] = {}
    for name, kind in _KINDS.items():
        if name not in query:
            continue
        raw = query[name]
        try:
            values[name] = raw if kind == "str" else int(raw) if kind == "int" else float(raw)
        except ValueError:
            raise InputError(f"The link's {name} must be a number but is {raw[:40]!r}.") from None
    return choice, TraceSettings(**values)
