"""Links that restore the page "Learn": the query string names the step and what is turned in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from ...errors import InputError
from ...lesson_service import LOOKS_AT_ONE, LessonView, Reads, Step

KEYS = ("step", "corpus", "value", "picture", "reads", "without")


def write_lesson_query(view: LessonView, standard: LessonView) -> str:
    """Return the query string of a view; what is as on a first visit to its step is left out.

    Args:
        view: with its value filled in.
        standard: the first view of the same step, on the profile's first corpus.
    """
    query: dict[str, Any] = {"step": view.step}
    if view.corpus != standard.corpus:
        query["corpus"] = view.corpus
    if view.value is not None and view.value != standard.value:
        query["value"] = f"{view.value:g}"
    if view.step in LOOKS_AT_ONE and view.picture != standard.picture:
        query["picture"] = view.picture
    if view.step is Step.TEXTS and view.reads != standard.reads:
        query["reads"] = view.reads
    if view.step is Step.TAGS and view.without:
        query["without"] = ",".join(view.without)
    return f"?{urlencode(query)}"


def read_lesson_query(query: Mapping[str, str], corpus: str) -> LessonView:
    """Read what `write_lesson_query` wrote; unknown keys are left alone, Gradio has some of its own.

    Args:
        query: the parameters of the address.
        corpus: where the link names none.

    Raises:
        InputError: for a value that cannot be one.
    """
    step = query.get("step", Step.CLIP)
    reads = query.get("reads", Reads.PICTURE)
    if step not in list(Step):
        raise InputError(f"The link's step must be one of {', '.join(Step)} but is {step[:40]!r}.")
    if reads not in list(Reads):
        raise InputError(f"The link's reads must be one of {', '.join(Reads)} but is {reads[:40]!r}.")
    value = query.get("value")
    return LessonView(
        step=Step(step),
        corpus=query.get("corpus") or corpus,
        value=None if value is None else _number(value, "value"),
        picture=int(_number(query.get("picture", "1"), "picture")),
        reads=Reads(reads),
        without=tuple(tag for tag in query.get("without", "").split(",") if tag),
    )


def names_lesson(query: Mapping[str, str]) -> bool:
    """Say whether an address asks for anything of this page."""
    return bool(query.keys() & set(KEYS))


def _number(value: str, name: str) -> float:
    try:
        number = float(value)
        int(number)  # neither infinite nor not a number
    except (ValueError, OverflowError):
        raise InputError(f"The link's {name} must be a number but is {value[:40]!r}.") from None
    return number
