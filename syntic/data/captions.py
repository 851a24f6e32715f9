"""Text corpora: plain UTF-8 files with one caption per line."""

from __future__ import annotations

from pathlib import Path

from ..errors import DataError


def read_captions(path: str | Path, limit: int | None = None) -> list[str]:
    """Read a corpus: one caption per line, white space collapsed, empty lines left out.

    Args:
        path: a UTF-8 text file.
        limit: read only that many captions, from the start.

    Raises:
        DataError: if the file is missing, is not UTF-8 text, or holds no caption.
    """
    path = Path(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise DataError(f"There is no corpus at {path}; give a text file, one caption per line.") from error
    except IsADirectoryError as error:
        raise DataError(f"{path} is a folder; give a text file with one caption per line.") from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not UTF-8 text (byte {error.start} cannot be read); save it as UTF-8 and try again."
        ) from error
    if "\0" in text:
        raise DataError(f"{path} is not a text file; give one with one caption per line.")
    captions = [caption for line in text.splitlines() if (caption := " ".join(line.split()))]
    if not captions:
        raise DataError(f"{path} holds no caption; write one per line.")
    return captions[:limit]
