"""Where runs lie: one folder each, named by a hash, so that the names give no one control over a run."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import shutil
import tempfile
import weakref
from dataclasses import asdict
from pathlib import Path

from ..data.atomic import write_text_atomically
from ..errors import DataError
from .hosted import RUN_PREFIX
from .request import JobRequest
from .status import JobStatus

logger = logging.getLogger(__name__)

RECORD_FILE = "job.json"
FREE_MEGABYTES = 200
_NAME = re.compile(rf"{RUN_PREFIX}[0-9a-f]{{24}}")


def name_of(key: str) -> str:
    """Return the name of the run that a key opens."""
    return RUN_PREFIX + hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()[:24]


def is_name(name: str) -> bool:
    """Say whether this is the name of a run, and so can be no other path."""
    return _NAME.fullmatch(name) is not None


class JobFiles:
    """The folders of all runs.

    Args:
        root: where they lie; made where it is missing. None takes a temporary folder, which is removed
            with this object.
    """

    def __init__(self, root: Path | None = None) -> None:
        self._root = root

    @property
    def root(self) -> Path:
        """Where the runs lie."""
        if self._root is None:
            self._root = Path(tempfile.mkdtemp(prefix="syntic-runs-"))
            weakref.finalize(self, shutil.rmtree, self._root, ignore_errors=True)
        return self._root

    @property
    def cache(self) -> Path:
        """What runs share and can be made again."""
        return self.root / "cache"

    def folder(self, name: str) -> Path:
        """Return the folder of a run."""
        assert is_name(name), name
        return self.root / name

    def check_space(self) -> None:
        """Raise DataError where a run would soon fill the disk."""
        self.root.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self.root).free // 1_000_000
        if free < FREE_MEGABYTES:
            raise DataError(
                f"The disk of this host is full: {free} MB are free and a run needs {FREE_MEGABYTES} MB; "
                "tell whoever runs it."
            )

    def write(self, request: JobRequest, status: JobStatus) -> None:
        """Keep what a run is and how far it came."""
        record = {"request": asdict(request), "status": status.to_dict()}
        write_text_atomically(self.folder(status.name) / RECORD_FILE, json.dumps(record))

    def read_all(self) -> dict[str, tuple[JobRequest, JobStatus]]:
        """Return the runs of an earlier process by name, oldest first; damaged records are left out."""
        found: dict[str, tuple[JobRequest, JobStatus]] = {}
        if self._root is None:
            return found
        for path in sorted(self.root.glob(f"{RUN_PREFIX}*/{RECORD_FILE}")):
            if not is_name(path.parent.name):
                continue
            try:
                raw = json.loads(path.read_text(encoding="utf-8"))
                request = {**raw["request"], "captions": tuple(raw["request"]["captions"])}
                status = JobStatus.from_dict(raw["status"])
                if status.name == path.parent.name:
                    found[status.name] = (JobRequest(**request), status)
            except (OSError, ValueError, KeyError, TypeError, DataError):
                logger.warning("%s is damaged and will be left alone", path)
        return dict(sorted(found.items(), key=lambda item: item[1][1].created))

    def megabytes(self, name: str) -> float:
        """Return the size of a run's folder."""
        files = [path for path in self.folder(name).rglob("*") if path.is_file()]
        return sum(path.stat().st_size for path in files) / 1e6

    def remove(self, name: str) -> None:
        """Remove a run's folder."""
        shutil.rmtree(self.folder(name), ignore_errors=True)
