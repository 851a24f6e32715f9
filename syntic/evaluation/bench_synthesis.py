"""Whether `synthesize` takes time in proportion to its captions and the same memory for any number.

Tiny real models of the three libraries, with random weights, stand for the profile's: what is measured is
what lies around them, the engine, the batches' way to it and back, and the store. Memory is that of this
process and of all that it started, Ray's among them, with shared pages counted once.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import torch

from ..data.ray_engine import RaySettings, ray_engine
from ..data.synthesis import Batch, Engine, RowMaker, SynthesisSettings, make_header, synthesize_with
from ..models import ClipEncoder, Detector, Generator
from ..models.tiny import save_clip_folder, save_detector_folder, save_generator_folder
from ..profiles import Profile, load_profile

ANIMALS = ("dog", "cat", "bird", "horse", "cow", "sheep", "bear", "zebra", "giraffe", "elephant")
PLACES = ("park", "street", "beach", "kitchen", "field", "forest", "city", "garden", "river", "mountain")
SAMPLE_SECONDS = 0.2
_PROFILE = """
name = "tiny"

[generator]
model = "./generator"
steps = 1
guidance_scale = 0.0
height_px = 32
width_px = 32

[encoder]
model = "local-dir:clip"

[detector]
model = "./detector"
threshold = 0.25
"""


@dataclass(frozen=True, kw_only=True)
class SynthesisTiming:
    """A store of one size.

    Attributes:
        rows: captions.
        seconds: between the first and the last batch: without starting the engine and loading models.
        start_seconds: until the first batch was stored.
        rows_per_second: over `seconds`.
        own_megabytes: this process's memory at the highest point.
        all_megabytes: that of all processes together.
    """

    rows: int
    seconds: float
    start_seconds: float
    rows_per_second: float
    own_megabytes: float
    all_megabytes: float


@dataclass(frozen=True)
class TinyMaker:
    """Loads the tiny models where it is called: in a worker."""

    profile: Profile

    def __call__(self) -> RowMaker:
        """Load them on the CPU."""
        cpu = torch.device("cpu")
        return RowMaker(
            generator=Generator.from_settings(self.profile.generator, cpu),
            encoder=ClipEncoder.from_settings(self.profile.encoder, cpu),
            detector=Detector.from_settings(self.profile.detector, cpu),
        )


def measure_synthesis_run(
    rows: int, *, engine: str = "ray", workers: int = 1, batch_size: int = 32, shard_size: int = 1000
) -> SynthesisTiming:
    """Synthesize made-up captions into a store that is thrown away.

    Args:
        rows: captions; more than a batch holds.
        engine: "ray" or "local".
        workers: of Ray.
        batch_size: captions at a time.
        shard_size: captions per file.
    """
    captions = [_caption(row) for row in range(rows)]
    settings = SynthesisSettings(batch_size=batch_size, shard_size=shard_size)
    with tempfile.TemporaryDirectory() as folder, _watched_memory() as peaks:
        profile = save_tiny_profile(Path(folder))
        maker = TinyMaker(profile)
        header = make_header(profile, captions, maker().encoder.width, settings)
        chosen = _local(maker()) if engine == "local" else ray_engine(maker, RaySettings(workers=workers))
        started = time.perf_counter()
        first: tuple[float, int] | None = None
        for progress in synthesize_with(
            chosen, captions, Path(folder) / "store", header=header, settings=settings
        ):
            now = time.perf_counter()
            if first is None:
                first = now, progress.done
        assert first is not None
    seconds = max(now - first[0], 1e-9)
    return SynthesisTiming(
        rows=rows,
        seconds=seconds,
        start_seconds=first[0] - started,
        rows_per_second=(rows - first[1]) / seconds,
        own_megabytes=peaks[0] / 2**20,
        all_megabytes=peaks[1] / 2**20,
    )


def save_tiny_profile(folder: Path) -> Profile:
    """Write a profile with tiny models to a folder."""
    words = ["a", "in", "the", *ANIMALS, *PLACES, *map(str, range(10))]
    save_generator_folder(folder / "generator", words)
    save_clip_folder(folder / "clip", words)
    save_detector_folder(folder / "detector")
    path = folder / "tiny.toml"
    path.write_text(_PROFILE, encoding="utf-8")
    return load_profile(path)


def _caption(row: int) -> str:
    digits = " ".join(str(row))
    return f"a {ANIMALS[row % len(ANIMALS)]} in the {PLACES[row // len(ANIMALS) % len(PLACES)]} {digits}"


def _local(maker: RowMaker) -> Engine:
    def run(batches: list[Batch]) -> Iterator[tuple[range, pa.Table]]:
        return ((batch.rows, maker.make(batch)) for batch in batches)

    return run


@contextmanager
def _watched_memory() -> Iterator[list[int]]:
    """Yield the highest bytes of this process and of it with all that it started; set when the block ends."""
    peaks, ended = [0, 0], threading.Event()

    def watch() -> None:
        while not ended.wait(SAMPLE_SECONDS):
            sizes = _memory()
            peaks[0] = max(peaks[0], sizes.get(os.getpid(), 0))
            peaks[1] = max(peaks[1], sum(sizes.values()))

    thread = threading.Thread(target=watch, name="watch-memory", daemon=True)
    thread.start()
    try:
        yield peaks
    finally:
        ended.set()
        thread.join()


def _memory() -> dict[int, int]:
    """Return the bytes of this process and its descendants by number; empty where there is no /proc."""
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:  # it has ended
            continue
        parents[int(path.parent.name)] = int(text.rpartition(")")[2].split()[1])
    mine = {os.getpid()}
    while grown := {child for child, parent in parents.items() if parent in mine} - mine:
        mine |= grown
    sizes = {}
    for process in mine:
        try:
            lines = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii").splitlines()
        except OSError:
            continue
        shares = (int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
        sizes[process] = next(shares, 0)
    return sizes
