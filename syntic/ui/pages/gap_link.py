"""Links that restore the page "Modality gap": the query string names everything that is on it."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any
from urllib.parse import urlencode

import numpy as np

from ...errors import InputError
from ...evaluation.controls import Control
from ...evaluation.map import Kind
from ...gap_service import GapView, Layout

_OF_THE_VIEW = ("pictures", "layout", "dimensions", "control")
KEYS = ("corpus", *_OF_THE_VIEW, "value", "selection", "shown", "thumbnails", "focus", "heatmap")


@dataclass(frozen=True, kw_only=True)
class Marks:
    """How the map is drawn, which is the browser's own business until a link is made.

    Attributes:
        shown: the kinds that are on it.
        thumbnails: pictures as marks.
        focus: the point whose neighbours are listed, or None.
        heatmap: the step of the heatmap.
    """

    shown: tuple[Kind, ...] = tuple(Kind)
    thumbnails: bool = False
    focus: tuple[Kind, int] | None = None
    heatmap: str = "generated"


def write_gap_query(view: GapView, marks: Marks, standard_view: Callable[[str], GapView]) -> str:
    """Return the query string of what is on the page; what is as on a first visit is left out.

    Args:
        view: what is on the page.
        marks: how its map is drawn.
        standard_view: corpus -> what a first visit to it shows; "" is the profile's first.
    """
    plain, standard = Marks(), standard_view(view.corpus)
    query: dict[str, Any] = {}
    if view.corpus != standard_view("").corpus:
        query["corpus"] = view.corpus
    for name in _OF_THE_VIEW:
        if getattr(view, name) is not None and getattr(view, name) != getattr(standard, name):
            query[name] = getattr(view, name)
    if view.value != standard.value or view.control != standard.control:
        query["value"] = f"{view.value:g}"
    if view.selection:
        query["selection"] = pack(view.selection)
    if marks.shown != plain.shown:
        query["shown"] = ",".join(marks.shown)
    if marks.thumbnails:
        query["thumbnails"] = 1
    if marks.focus is not None:
        query["focus"] = f"{marks.focus[0]},{marks.focus[1]}"
    if marks.heatmap != plain.heatmap:
        query["heatmap"] = marks.heatmap
    return f"?{urlencode(query)}" if query else ""


def read_gap_query(
    query: Mapping[str, str],
    standard_view: Callable[[str], GapView],
    standard_value: Callable[[str, Control], float],
) -> tuple[GapView, Marks]:
    """Read what `write_gap_query` wrote; unknown keys are left alone, Gradio has some of its own.

    Args:
        query: the parameters of the address.
        standard_view: corpus -> what the link does not name; "" is the profile's first corpus.
        standard_value: corpus and control -> the value where the link names none.

    Raises:
        InputError: for a value that cannot be one, or whatever `standard_view` says of a corpus. Whether
            there is such an item or heatmap is for the explorer to say.
    """
    standard = standard_view(query.get("corpus", ""))
    changes: dict[str, Any] = {"pictures": query["pictures"]} if query.get("pictures") else {}
    changes["layout"] = _one_of(Layout, query.get("layout", standard.layout), "layout")
    changes["control"] = _one_of(Control, query.get("control", standard.control), "control")
    changes["dimensions"] = _whole(query.get("dimensions", str(standard.dimensions)), "dimensions")
    if "value" in query:
        changes["value"] = _number(query["value"], "value")
    else:
        changes["value"] = standard_value(standard.corpus, changes["control"])
    if query.get("selection"):
        changes["selection"] = unpack(query["selection"])
    marks = Marks(thumbnails=query.get("thumbnails") == "1", heatmap=query.get("heatmap", "generated"))
    if "shown" in query:
        names = [name for name in query["shown"].split(",") if name]
        marks = replace(marks, shown=tuple(_one_of(Kind, name, "shown") for name in names))
    if query.get("focus"):
        kind, _, item = query["focus"].partition(",")
        marks = replace(marks, focus=(_one_of(Kind, kind, "focus"), _whole(item, "focus")))
    return replace(standard, **changes), marks


def names_gap(query: Mapping[str, str]) -> bool:
    """Say whether an address asks for anything of this page."""
    return bool(query.keys() & set(KEYS))


def pack(items: tuple[int, ...]) -> str:
    """Write items as a set of bits in URL-safe base64: 750 points take at most 125 letters."""
    bits = np.zeros(max(items) + 1, dtype=np.uint8)
    bits[list(items)] = 1
    return base64.urlsafe_b64encode(np.packbits(bits).tobytes()).decode().rstrip("=")


def unpack(text: str) -> tuple[int, ...]:
    """Read what `pack` wrote.

    Raises:
        InputError: if it is not that.
    """
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError as error:
        raise InputError("The link's selection is damaged; copy the whole link.") from error
    return tuple(np.flatnonzero(np.unpackbits(np.frombuffer(data, dtype=np.uint8))).tolist())


def _one_of(kind: type[StrEnum], value: str, name: str) -> Any:
    try:
        return kind(value)
    except ValueError:
        known = ", ".join(kind)
        raise InputError(f"The link's {name} must be one of {known} but is {value[:40]!r}.") from None


def _number(value: str, name: str) -> float:
    try:
        number = float(value)
        int(number)  # neither infinite nor not a number
    except (ValueError, OverflowError):
        raise InputError(f"The link's {name} must be a number but is {value[:40]!r}.") from None
    return number


def _whole(value: str, name: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise InputError(f"The link's {name} must be a whole number but is {value[:40]!r}.") from None
