"""What one run gave, in a file of its own, so that no finished run is done again."""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
import zlib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..data.atomic import write_atomically
from .plans import Run

logger = logging.getLogger(__name__)

SUFFIX = ".json.gz"
REVISION = 1
"""Part of every key; raised when captions or scores are made in another way."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """One run: captions, scores, and everything that decides them.

    Attributes:
        key: a hash of `described`.
        run: what was asked for.
        described: every setting and fingerprint that the result depends on.
        decoding: how words were chosen.
        scores: metric x 100, None where it was not measured.
        cider_each: CIDEr x 100 of each picture, in the captions' order.
        captions: picture -> caption.
        training: of the decoder: checkpoint, steps, seconds, digest of its weights; empty without one.
        seconds: for captioning.
        date: UTC.
    """

    key: str
    run: dict[str, Any]
    described: dict[str, Any]
    decoding: str
    scores: dict[str, float | None]
    cider_each: list[float]
    captions: dict[str, str]
    training: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    date: str = ""


def digest(value: Any) -> str:
    """Return a hash of JSON values."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]


def record_path(folder: Path, run: Run, key: str) -> Path:
    """Return where the record of a run lies."""
    return folder / f"{run.system}-{run.corpus}-{run.test_set}-{run.seed}-{key}{SUFFIX}"


def load_record(path: Path) -> Record | None:
    """Return the record at a path, or None where there is none or it is damaged."""
    try:
        return Record(**json.loads(gzip.decompress(path.read_bytes())))
    except FileNotFoundError:
        return None
    except (OSError, EOFError, ValueError, TypeError, zlib.error):
        logger.warning("%s is damaged and will be made again", path)
        return None


def save_record(folder: Path, record: Record) -> None:
    """Write a record, whole or not at all, in place of older ones of the same run."""
    run = Run(**record.run)
    path = record_path(folder, run, record.key)
    packed = gzip.compress(json.dumps(asdict(record), ensure_ascii=False).encode(), mtime=0)
    write_atomically(path, lambda temporary: temporary.write_bytes(packed))
    for other in folder.glob(record_path(folder, run, "*").name):
        known = load_record(other) if other != path else None
        if known is not None and Run(**known.run) == run:
            other.unlink()
