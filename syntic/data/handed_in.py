"""Captions that people paste or upload: lines of text, CSV or JSON, read forgivingly, never from a path."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from ..errors import InputError
from .structured import CAPTION_COLUMNS
from .text_files import lines_of

MAX_WORDS = 77  # CLIP's context in tokens, and no word is shorter than a token
MAX_CHARACTERS = 1000
_UNWRITABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")  # JSON can spell halves of characters


@dataclass(frozen=True, kw_only=True)
class HandedIn:
    """Captions that a person pasted or uploaded.

    Attributes:
        captions: distinct, white space collapsed, in their order.
        doubles: how many were there already, and left out.
        too_long: how many had more than 77 words or 1000 characters, and left out.
    """

    captions: tuple[str, ...]
    doubles: int = 0
    too_long: int = 0


def parse_captions(content: str | bytes, name: str = "") -> HandedIn:
    """Read captions from what a person handed in: lines of text, CSV, or JSON.

    CSV is read from its column "caption" (or another of `CAPTION_COLUMNS`), or from its only column.
    JSON may be a list of captions or of objects that hold them, COCO's and Karpathy's files included.

    Args:
        content: pasted text, or the bytes of a file.
        name: of the file; its suffix says what it is. Without one it is text, one caption per line.

    Raises:
        InputError: if it is not UTF-8, not the kind of file that its name says, or holds no caption.
    """
    what = repr(Path(name).name) if name else "The text"
    text = content if isinstance(content, str) else _decode(content, what)
    suffix = Path(name).suffix.lower()
    if suffix == ".json":
        found = _from_json(text, what)
    elif suffix in (".csv", ".tsv"):
        found = _from_csv(text, what)
    else:
        found = iter(lines_of(text))
    captions: dict[str, None] = {}
    doubles = too_long = 0
    for caption in (_UNWRITABLE.sub("", " ".join(line.split())) for line in found):
        if len(caption) > MAX_CHARACTERS or caption.count(" ") >= MAX_WORDS:
            too_long += 1
        elif caption in captions:
            doubles += 1
        elif caption:
            captions[caption] = None
    if not captions:
        long = f" ({too_long} of its lines are longer than {MAX_WORDS} words)" if too_long else ""
        raise InputError(f"{what} holds no usable caption{long}; write one sentence per line.")
    return HandedIn(captions=tuple(captions), doubles=doubles, too_long=too_long)


def _decode(content: bytes, what: str) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{what} is not UTF-8 text (byte {error.start} cannot be read); save it as UTF-8 and try again."
        ) from error
    if "\0" in text:
        raise InputError(f"{what} is not a text file; give one with one caption per line, CSV or JSON.")
    return text


def _from_csv(text: str, what: str) -> Iterator[str]:
    head = text.partition("\n")[0]
    delimiter = max(",;\t", key=head.count)
    lines = StringIO(text, newline="")
    try:
        rows = [row for row in csv.reader(lines, delimiter=delimiter, strict=True) if row]
    except csv.Error as error:
        raise InputError(f"{what} is not valid CSV: {error}.") from error
    names = [cell.strip().lower() for cell in rows[0]] if rows else []
    column = next((names.index(name) for name in CAPTION_COLUMNS if name in names), None)
    if column is not None:
        del rows[0]
    elif len(names) > 1:
        raise InputError(
            f"{what} has no column named “caption”; its first line reads {', '.join(names)[:80]!r}."
        )
    return (row[column or 0] for row in rows if len(row) > (column or 0))


def _from_json(text: str, what: str) -> Iterator[str]:
    try:
        return iter(list(_strings(json.loads(text), is_caption=True)))
    except (json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"{what} is not valid JSON: {str(error)[:80]}.") from error


def _strings(value: Any, *, is_caption: bool) -> Iterator[str]:
    """Find the strings of lists, and those under a caption's name, however deep."""
    if isinstance(value, str):
        if is_caption:
            yield value
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item, is_caption=is_caption)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _strings(item, is_caption=key.lower() in CAPTION_COLUMNS)
