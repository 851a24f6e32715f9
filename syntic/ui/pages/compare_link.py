"""Links that restore the page "Compare": picture, systems, table, and two systems against each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from ...compare_service import PairView, PictureChoice, Source
from ...errors import InputError
from ...evaluation.results import EXPERIMENTS

_FILTERS = ("label", "count", "setting", "combination")
KEYS = ("test", "example", "set", "systems", "table", "first", "second", "on", *_FILTERS)


@dataclass(frozen=True, kw_only=True)
class CompareState:
    """What is on the page.

    Attributes:
        picture: None while none is chosen.
        systems: the keys of those that are ticked.
        table: the experiment that is shown.
        pair: None where nothing is committed to be set against each other.
    """

    picture: PictureChoice | None = None
    systems: tuple[str, ...] = ()
    table: str = "table4"
    pair: PairView | None = None


def write_compare_query(state: CompareState, standard: CompareState) -> str:
    """Return the query string of what is on the page; what is as on a first visit is left out.

    An upload has no link of its own: its picture stays away.
    """
    query: dict[str, Any] = {}
    picture = state.picture
    if picture is not None and picture.source is not Source.UPLOAD:
        query[picture.source.value] = picture.value
        if picture.test_set:
            query["set"] = picture.test_set
    if state.systems != standard.systems:
        query["systems"] = ",".join(state.systems)
    if state.table != standard.table:
        query["table"] = state.table
    pair, plain = state.pair, standard.pair
    if pair is not None and plain is not None and pair != plain:
        if (pair.first, pair.second, pair.test_set) != (plain.first, plain.second, plain.test_set):
            query |= {"first": pair.first, "second": pair.second, "on": pair.test_set}
        query |= {name: value for name in _FILTERS if (value := getattr(pair, name))}
    return f"?{urlencode(query)}" if query else ""


def read_compare_query(query: Mapping[str, str], standard: CompareState) -> CompareState:
    """Read what `write_compare_query` wrote; unknown keys are left alone, Gradio has some of its own.

    Raises:
        InputError: for a table that there is not, or a count that is no number.
    """
    state = standard
    if query.get("test"):
        state = replace(state, picture=PictureChoice(Source.TEST, query["test"], query.get("set", "")))
    elif query.get("example"):
        state = replace(state, picture=PictureChoice(Source.EXAMPLE, query["example"]))
    if "systems" in query:
        state = replace(state, systems=tuple(key for key in query["systems"].split(",") if key))
    if "table" in query:
        if query["table"] not in EXPERIMENTS:
            known = ", ".join(EXPERIMENTS)
            raise InputError(f"The link's table must be one of {known} but is {query['table'][:40]!r}.")
        state = replace(state, table=query["table"])
    if state.pair is not None:
        state = replace(state, pair=_read_pair(query, state.pair))
    return state


def names_comparison(query: Mapping[str, str]) -> bool:
    """Say whether an address asks for anything of this page."""
    return bool(query.keys() & set(KEYS))


def _read_pair(query: Mapping[str, str], standard: PairView) -> PairView:
    changes: dict[str, Any] = {
        name: query[key]
        for name, key in (
            ("first", "first"),
            ("second", "second"),
            ("test_set", "on"),
            ("label", "label"),
            ("setting", "setting"),
            ("combination", "combination"),
        )
        if query.get(key)
    }
    if query.get("count"):
        if not query["count"].isdigit():
            raise InputError(f"The link's count must be a whole number but is {query['count'][:40]!r}.")
        changes["count"] = int(query["count"])
    return replace(standard, **changes)
