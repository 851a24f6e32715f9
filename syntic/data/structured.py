"""Captions in JSON, JSON lines and CSV files, Karpathy's splits and COCO's annotations among them."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from ..errors import DataError
from .karpathy import is_karpathy, read_karpathy_captions, splits_of
from .text_files import lines_of, read_json, read_text

CAPTION_COLUMNS = ("caption", "captions", "text", "texts", "sentence", "sentences", "raw", "description")
"""Where captions are looked for, best first."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What of a file is wanted.

    Attributes:
        column: where the captions are; None takes the first of CAPTION_COLUMNS that is there.
        split: for files that hold several; a row without one is always taken.
    """

    column: str | None = None
    split: str = "train"

    def column_of(self, names: list[str], where: str) -> str:
        """Return the column with the captions, or raise DataError with the columns there are."""
        wanted = CAPTION_COLUMNS if self.column is None else (self.column,)
        for name in wanted:
            if name in names:
                return name
        raise DataError(
            f"{where} has no column {' or '.join(map(repr, wanted))}, only {', '.join(names) or 'none'}; "
            "name the one with the captions as `column`."
        )

    def takes(self, row: Mapping[str, Any]) -> bool:
        """Say whether a row belongs to the split."""
        return not isinstance(row.get("split"), str) or row["split"] in splits_of(self.split)


def read_json_captions(path: Path, selection: Selection) -> Iterator[str]:
    """Yield the captions of a JSON file: Karpathy's, COCO's, a list, or an object of id -> captions."""
    raw = read_json(path, "a JSON file with captions")
    if is_karpathy(raw):
        yield from read_karpathy_captions(path, raw, selection.split)
    elif isinstance(raw, dict) and isinstance(raw.get("annotations"), list):
        rows = [row for row in raw["annotations"] if not isinstance(row, dict) or "caption" in row]
        yield from _entries(rows, f"{path}, `annotations`", selection)
    elif isinstance(raw, dict):
        for key, value in raw.items():
            yield from texts_in(value, f"{path}, {key!r}")
    elif isinstance(raw, list):
        yield from _entries(raw, str(path), selection)
    else:
        raise DataError(f"{path} holds a single {type(raw).__name__}; give a list of captions.")


def read_json_lines(path: Path, selection: Selection) -> Iterator[str]:
    """Yield the captions of a file with one JSON value per line."""
    for number, line in enumerate(lines_of(read_text(path, "a file of JSON lines")), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(f"{path} is not valid JSON in line {number}: {error.msg}.") from error
        yield from _of_row(row, f"{path}, line {number},", selection)


def read_table(path: Path, selection: Selection) -> Iterator[str]:
    """Yield the captions of a CSV or TSV file with a head line."""
    text = read_text(path, "a CSV file with a head line")
    tabs = path.suffix.lower() == ".tsv"
    reader = csv.DictReader(
        StringIO(text, newline=""),
        delimiter="\t" if tabs else ",",
        quoting=csv.QUOTE_NONE if tabs else csv.QUOTE_MINIMAL,
        strict=True,
    )
    try:
        column = selection.column_of(list(reader.fieldnames or []), f"{path}, line 1,")
        for row in reader:
            if row[column] is None or None in row:
                cells = sum(value is not None for value in row.values())
                raise DataError(
                    f"{path}, line {reader.line_num}, has "
                    f"{'more' if None in row else cells} cells where the head line has "
                    f"{len(reader.fieldnames or [])}; put captions with commas into quotes."
                )
            if selection.takes(row):
                yield row[column]
    except csv.Error as error:
        lines = len(StringIO(text, newline="").readlines())
        line = min(reader.line_num + 1, lines)  # the reader counts what it has finished
        raise DataError(f"{path}, line {line}, cannot be read: {error}.") from error


def texts_in(value: Any, where: str) -> Iterator[str]:
    """Yield the captions in a cell: a text, a list of them, or Karpathy's `{"raw": text}`."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict) and any(isinstance(value.get(name), str) for name in CAPTION_COLUMNS):
        yield next(value[name] for name in CAPTION_COLUMNS if isinstance(value.get(name), str))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from texts_in(item, where)
    else:
        raise DataError(f"{where} holds {str(value)[:40]!r} where a caption should be.")


def _entries(rows: list[Any], where: str, selection: Selection) -> Iterator[str]:
    for number, row in enumerate(rows, start=1):
        yield from _of_row(row, f"{where}, entry {number},", selection)


def _of_row(row: Any, where: str, selection: Selection) -> Iterator[str]:
    if not isinstance(row, dict):
        yield from texts_in(row, where)
    elif selection.takes(row):
        yield from texts_in(row[selection.column_of(list(row), where)], where)
