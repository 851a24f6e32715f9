"""A composed scene as flat fields: as the form holds it, the endpoint takes it and a link names it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

from ..emoji.composition import MOST_PARTS, Composition, Part
from ..errors import InputError

_PART_FIELDS = {"thing": "what", "count": "count", "colour": "colour", "size": "scale"}
_SCENE_FIELDS = {
    "setting": "setting",
    "time": "time",
    "weather": "weather",
    "relation": "relation",
    "sprites": "style",
    "arrangement": "arrangement",
}
NUMBERS = range(1, MOST_PARTS + 1)


def field(name: str, number: int) -> str:
    """Return the field of one of the things: "thing", "thing_2", "thing_3"."""
    return name if number == 1 else f"{name}_{number}"


FIELDS: tuple[str, ...] = (
    "setting",
    "time",
    "weather",
    *(field(name, number) for number in NUMBERS for name in _PART_FIELDS),
    "relation",
    "sprites",
    "arrangement",
)


def to_fields(composition: Composition) -> dict[str, Any]:
    """Return every field of a composition; the places of things that there are not are empty."""
    values: dict[str, Any] = {name: getattr(composition, own) for name, own in _SCENE_FIELDS.items()}
    parts = [*composition.parts, *[Part(what="")] * MOST_PARTS][:MOST_PARTS]
    for number, part in zip(NUMBERS, parts, strict=True):
        values |= {field(name, number): getattr(part, own) for name, own in _PART_FIELDS.items()}
    return {name: values[name] for name in FIELDS}


def from_fields(values: Mapping[str, Any], standard: Composition) -> Composition:
    """Read fields, of which numbers may be words; places of things that are empty are passed over.

    Args:
        values: by name; unknown ones are left alone, empty ones take the standard.
        standard: for the fields of the scene that are not named.

    Raises:
        InputError: for a number that is none.
    """
    given = {name: value for name, value in values.items() if value not in (None, "", [])}
    parts = []
    for number in NUMBERS:
        if what := given.get(field("thing", number)):
            name = field("count", number)
            parts.append(
                Part(
                    what=str(what),
                    count=_whole(name, given.get(name, 1)),
                    colour=str(given.get(field("colour", number), "")),
                    scale=str(given.get(field("size", number), "")),
                )
            )
    return Composition(
        setting=str(given.get("setting", standard.setting)),
        time=str(given.get("time", standard.time)),
        weather=str(given.get("weather", "")).removeprefix("fair"),
        parts=tuple(parts),
        relation=str(given.get("relation", "")),
        style=str(given.get("sprites", standard.style)),
        arrangement=_whole("arrangement", given.get("arrangement", 0)),
    )


def write_scene(composition: Composition) -> str:
    """Return the query of a composition without its question mark; what says nothing is left out."""
    fields = to_fields(composition)
    for number in NUMBERS:
        if fields[field("count", number)] == 1:
            fields[field("count", number)] = ""
    return urlencode({name: value for name, value in fields.items() if value != ""})


def read_scene(query: str, standard: Composition) -> Composition:
    """Read what `write_scene` wrote.

    Raises:
        InputError: for a number that is none.
    """
    return from_fields(dict(parse_qsl(query)), standard)


def scene_of_link(query: Mapping[str, str]) -> str:
    """Return the part of a link that names a scene, or "" where none does."""
    return urlencode({name: query[name] for name in FIELDS if name in query})


def _whole(name: str, value: Any) -> int:
    try:
        if float(value) == int(float(value)):
            return int(float(value))
    except (TypeError, ValueError, OverflowError):
        pass
    raise InputError(f"The scene's {name} must be a whole number but is {str(value)[:40]!r}.")
