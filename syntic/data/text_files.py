"""Text files that people bring: read as UTF-8, or refused with the line that is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..errors import DataError


def read_text(path: Path, what: str) -> str:
    """Return the text of a file, without a byte order mark.

    Args:
        path: the file.
        what: what it should hold, for the message: "a text file, one caption per line".

    Raises:
        DataError: if it is missing, a folder, or not UTF-8 text; the line is named.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise DataError(f"There is no corpus at {path}; give {what}.") from error
    except IsADirectoryError as error:
        raise DataError(f"{path} is a folder; give {what}.") from error
    except PermissionError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}; change its permissions.") from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path} is not UTF-8 text (line {line}, byte {error.start}, cannot be read); save it as UTF-8 "
            "and try again."
        ) from error
    if "\0" in text:
        raise DataError(f"{path} is not a text file (line {line_of(text, text.index(chr(0)))}); give {what}.")
    return text


def read_json(path: Path, what: str) -> Any:
    """Return what a JSON file holds.

    Raises:
        DataError: as for `read_text`, and if it is not JSON; the line is named.
    """
    text = read_text(path, what)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path} is not valid JSON in line {error.lineno}, column {error.colno}: {error.msg}; "
            "download it again."
        ) from error


def lines_of(text: str) -> list[str]:
    r"""Return the lines of a text, from ends at ``\n`` or ``\r\n`` alone.

    `str.splitlines` also cuts at form feeds, U+0085, U+2028 and more, which captions and JSON may hold
    inside a line.
    """
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]


def line_of(text: str, position: int) -> int:
    """Return the number of the line, from 1, that a position lies in."""
    return text.count("\n", 0, position) + 1
