"""Links that restore the page: the query string names the input and the settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

from ..errors import InputError
from ..method.variant import Variant
from ..types import TraceSettings
from .scene_link import FIELDS, scene_of_link

_NUMBERS: dict[str, type[int] | type[float]] = {
    "temperature": float,
    "refinement_steps": int,
    "beam_size": int,
    "seed": int,
}


@dataclass(frozen=True)
class Choice:
    """What a visitor chose to run on.

    Attributes:
        kind: "text", "example" (a picture of the gallery, by name), "scene" (a composed one) or "upload" (a
            file's path).
        value: the sentence, the name, the fields of the scene as a query, or the path on the server.
    """

    kind: str
    value: str


def write_query(choice: Choice, settings: TraceSettings) -> str:
    """Return the query string for a choice and its settings; an upload has no link of its own."""
    query: dict[str, Any] = {}
    if choice.kind == "scene":
        query = dict(parse_qsl(choice.value))
    elif choice.kind != "upload":
        query = {choice.kind: choice.value}
    for name in (f.name for f in fields(TraceSettings)):
        value = getattr(settings, name)
        if value is not None and not (name == "beam_size" and settings.decoding != "beam"):
            query[name] = f"{value:g}" if isinstance(value, float) else value
    return "?" + urlencode(query)


def walk_query(**settings: str) -> str:
    """Return the query string of the first page with some settings and no input."""
    return "?" + urlencode(settings)


def write_train_query(key: str) -> str:
    """Return the query string that shows a training run; whoever has it may do everything with the run."""
    return "?" + urlencode({"run": key})


def read_train_query(query: Mapping[str, str]) -> tuple[str | None, dict[str, Any]]:
    """Read the key of a run, or settings for a new one: corpus, variant, and steps or minutes.

    Raises:
        InputError: for a budget that is no number, or a variant that there is not.
    """
    if query.get("run"):
        return query["run"], {}
    values: dict[str, Any] = {name: query[name] for name in ("corpus", "name") if name in query}
    if "variant" in query:
        values["variant"] = Variant.parse(query["variant"]).name
    for budget in ("steps", "minutes"):
        if budget in query:
            try:
                values |= {"budget": budget, budget: float(query[budget])}
            except ValueError:
                raise InputError(
                    f"The link's {budget} must be a number but is {query[budget][:40]!r}."
                ) from None
    return None, values


def names_anything(query: Mapping[str, str]) -> bool:
    """Say whether an address asks for anything of ours."""
    return bool(query.keys() & {"text", "example", *FIELDS, *(f.name for f in fields(TraceSettings))})


def read_query(query: Mapping[str, str], standard: TraceSettings) -> tuple[Choice | None, TraceSettings]:
    """Read what `write_query` wrote; unknown keys are left alone, Gradio has some of its own.

    Args:
        query: the parameters of the address.
        standard: for the settings that the link does not name.

    Raises:
        InputError: for a setting that is no number where one is needed.
    """
    choice = None
    for kind in ("text", "example"):
        if query.get(kind):
            choice = Choice(kind, query[kind])
    if scene := scene_of_link(query):
        choice = Choice("scene", scene)
    values: dict[str, Any] = {}
    for name in (f.name for f in fields(TraceSettings) if f.name in query):
        try:
            values[name] = _NUMBERS.get(name, str)(query[name])
        except ValueError:
            raise InputError(f"The link's {name} must be a number but is {query[name][:40]!r}.") from None
    return choice, replace(standard, **values)
