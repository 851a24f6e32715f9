"""Workers for `synthesize --engine ray` that die or dawdle; a module of its own, as workers import it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pyarrow as pa

from syntic.commands.synthesize import MakerOfProfile
from syntic.data.synthesis import Batch
from syntic.profiles import load_profile


def die() -> None:
    """End this process as a machine without memory does."""
    os.kill(os.getpid(), signal.SIGKILL)


class DyingMaker:
    """Makes rows like any other worker, but the first ones to see a certain batch kill their process.

    Args:
        profile_path: of the models.
        died: folder for a file per death.
        deaths: how often.
    """

    def __init__(self, profile_path: Path, died: Path, deaths: int = 1) -> None:
        self.profile_path = profile_path
        self.died = died
        self.deaths = deaths

    def __call__(self) -> DyingMaker:
        self.maker = MakerOfProfile(load_profile(self.profile_path), 0, None)()
        return self

    def make(self, batch: Batch) -> pa.Table:
        self.died.mkdir(exist_ok=True)
        if batch.rows.start == 4 and len(list(self.died.iterdir())) < self.deaths:
            (self.died / str(os.getpid())).touch()
            die()
        return self.maker.make(batch)


class DawdlingMaker(DyingMaker):
    """Makes rows like any other worker, but waits with the first batch until it may go on.

    Args:
        profile_path: of the models.
        allowed: file that says it may.
    """

    def __init__(self, profile_path: Path, allowed: Path) -> None:
        super().__init__(profile_path, allowed.with_suffix(".died"), deaths=0)
        self.allowed = allowed

    def make(self, batch: Batch) -> pa.Table:
        ends = time.monotonic() + 120
        while batch.rows.start == 0 and not self.allowed.exists() and time.monotonic() < ends:
            time.sleep(0.1)
        return super().make(batch)
