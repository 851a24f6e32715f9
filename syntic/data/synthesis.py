"""From captions to training data: generate an image per caption, encode both, detect tags.

Resumable by batch: a killed run loses at most the batch it was in, and two processes may share the
work with `part`. Results do not depend on how the work was split, because each caption has its own seed.
What makes the batches is an engine: this process, or the workers of `ray_engine`. All else is the same.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import torch
from PIL import Image

from ..errors import Cancelled, InputError
from ..profiles import Profile
from ..types import Detection
from .features import FeatureRows, FeatureWriter, StoreHeader
from .fingerprints import fingerprint_model, hash_captions
from .tags import unique_tags

logger = logging.getLogger(__name__)


class ImageGenerator(Protocol):
    """What `synthesize` needs of a text-to-image model."""

    def generate(self, texts: list[str], seeds: list[int]) -> list[Image.Image]:
        """Return one image per text."""


class FeatureEncoder(Protocol):
    """What `synthesize` needs of CLIP."""

    @property
    def width(self) -> int:
        """The feature width D."""

    def encode_images(self, images: list[Image.Image]) -> torch.Tensor:
        """Return (B, D), unit norm."""

    def encode_texts(self, texts: list[str]) -> torch.Tensor:
        """Return (B, D), unit norm."""


class TagDetector(Protocol):
    """What `synthesize` needs of a detector."""

    def detect(self, images: list[Image.Image]) -> list[list[Detection]]:
        """Return the objects in each image."""


@dataclass(frozen=True, kw_only=True)
class SynthesisSettings:
    """How the work is cut up; only `seed` and `shard_size` are part of the store's identity.

    Attributes:
        seed: one number that all per-caption seeds follow from.
        batch_size: captions per forward pass.
        shard_size: captions per file.
        part: (k, n): make only every n-th shard, from the k-th, k in 1..n.
        keep_images: folder for the generated pictures as WebP, or None to drop them.
    """

    seed: int = 0
    batch_size: int = 16
    shard_size: int = 250
    part: tuple[int, int] = (1, 1)
    keep_images: Path | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        number, parts = self.part
        if not 1 <= number <= parts:
            raise InputError(f"`part` must be K/N with K from 1 to N, but is {number}/{parts}.")
        if self.batch_size < 1 or self.shard_size < 1:
            raise InputError("`batch_size` and `shard_size` must be at least 1.")


@dataclass(frozen=True, kw_only=True)
class SynthesisProgress:
    """A batch is done.

    Attributes:
        done: captions of this part that are finished, those of earlier runs included.
        total: captions of this part.
        captions_per_second: rate of this run so far.
        remaining_seconds: estimate for the rest of this part.
    """

    done: int
    total: int
    captions_per_second: float
    remaining_seconds: float


def caption_seed(seed: int, index: int) -> int:
    """Return the seed of caption number `index`, the same on every machine and in every split."""
    digest = hashlib.sha256(f"{seed}:{index}".encode()).digest()
    return int.from_bytes(digest[:4], "little") & 0x7FFFFFFF


def make_header(
    profile: Profile, captions: Sequence[str], width: int, settings: SynthesisSettings
) -> StoreHeader:
    """Describe the store that `profile` makes of `captions`."""
    generator = profile.generator
    return StoreHeader(
        profile=profile.name,
        models={
            "generator": fingerprint_model(generator.model, generator.revision),
            "encoder": fingerprint_model(profile.encoder.model, profile.encoder.revision),
            "detector": fingerprint_model(profile.detector.model, profile.detector.revision),
        },
        settings={
            "seed": settings.seed,
            "pretrained": profile.encoder.pretrained,
            "steps": generator.steps,
            "guidance_scale": generator.guidance_scale,
            "height_px": generator.height_px,
            "width_px": generator.width_px,
            "enlargement": generator.enlargement,
            "detector_threshold": profile.detector.threshold,
            # Named only where it is chosen, so that stores made before there was a choice are still known.
            **({} if generator.precision == "auto" else {"precision": generator.precision}),
            **({} if generator.variant is None else {"variant": generator.variant}),
        },
        captions=len(captions),
        captions_hash=hash_captions(captions),
        feature_width=width,
        shard_size=settings.shard_size,
    )


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Captions to be worked on together; all of one shard.

    Attributes:
        rows: their numbers in the corpus.
        captions: the texts.
    """

    rows: range
    captions: list[str]


@dataclass(frozen=True, kw_only=True)
class RowMaker:
    """The frozen models that turn captions into rows of a store.

    Attributes:
        generator: captions and seeds -> images.
        encoder: CLIP; its features are stored with unit norm.
        detector: its distinct labels become the tags of Eq. 4.
        seed: see `SynthesisSettings`.
        keep_images: see `SynthesisSettings`.
    """

    generator: ImageGenerator
    encoder: FeatureEncoder
    detector: TagDetector
    seed: int = 0
    keep_images: Path | None = None

    def make(self, batch: Batch) -> pa.Table:
        """Generate, encode and detect; return the rows as they are stored."""
        texts = batch.captions
        seeds = [caption_seed(self.seed, row) for row in batch.rows]
        images = self.generator.generate(texts, seeds)
        if self.keep_images is not None:
            self.keep_images.mkdir(parents=True, exist_ok=True)
            for row, image in zip(batch.rows, images, strict=True):
                image.save(self.keep_images / f"{row:07d}.webp", quality=90)
        found = [unique_tags(detections) for detections in self.detector.detect(images)]
        return FeatureRows(
            captions=texts,
            seeds=seeds,
            text_features=self.encoder.encode_texts(texts).cpu().numpy(),  # (B, D)
            image_features=self.encoder.encode_images(images).cpu().numpy(),  # (B, D)
            tags=[labels for labels, _ in found],
            tag_scores=[scores for _, scores in found],
        ).to_table()


Engine = Callable[[list[Batch]], Iterator[tuple[range, pa.Table]]]
"""Makes batches, in any order: (numbers of the rows, the rows)."""


def synthesize(
    captions: Sequence[str],
    folder: str | Path,
    *,
    header: StoreHeader,
    generator: ImageGenerator,
    encoder: FeatureEncoder,
    detector: TagDetector,
    settings: SynthesisSettings | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[SynthesisProgress]:
    """Make what is missing of a feature store in this process, see `synthesize_with`.

    Args:
        captions: the whole corpus.
        folder: the store; one that is there is continued.
        header: from `make_header`.
        generator: captions and seeds -> images.
        encoder: CLIP; its features are stored with unit norm.
        detector: its distinct labels become the tags of Eq. 4.
        settings: how to cut up the work.
        should_stop: asked before every batch; finished batches stay.
    """
    settings = settings or SynthesisSettings()
    maker = RowMaker(
        generator=generator,
        encoder=encoder,
        detector=detector,
        seed=settings.seed,
        keep_images=settings.keep_images,
    )
    return synthesize_with(
        lambda batches: ((batch.rows, maker.make(batch)) for batch in batches),
        captions,
        folder,
        header=header,
        settings=settings,
        should_stop=should_stop,
    )


def synthesize_with(
    engine: Engine,
    captions: Sequence[str],
    folder: str | Path,
    *,
    header: StoreHeader,
    settings: SynthesisSettings,
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[SynthesisProgress]:
    """Make what is missing of a feature store, yielding after every batch.

    Args:
        engine: makes the batches.
        captions: the whole corpus.
        folder: the store; one that is there is continued.
        header: from `make_header`.
        settings: how to cut up the work.
        should_stop: asked before every batch; finished batches stay.

    Yields:
        SynthesisProgress.

    Raises:
        DataError: if the folder holds a store made from something else.
        Cancelled: when `should_stop` said so.
    """
    writer = FeatureWriter(folder, header)
    number, parts = settings.part
    mine = range(number - 1, header.shards, parts)
    total = sum(len(header.rows(shard)) for shard in mine)
    batches = [
        Batch(rows=rows, captions=[captions[row] for row in rows])
        for missing in writer.missing_rows(captions, mine)
        for rows in _cut(missing, settings.batch_size)
    ]
    done = already = total - sum(len(batch.rows) for batch in batches)
    if not batches:
        return
    started = time.monotonic()
    results = engine(batches)
    for _ in batches:
        if should_stop():
            raise Cancelled(f"Stopped after {done} of {total} captions; run it again to continue.")
        rows, table = next(results)
        writer.add(rows, table)
        done += len(rows)
        rate = (done - already) / max(time.monotonic() - started, 1e-9)
        remaining = (total - done) / rate
        logger.info("%d of %d captions, %.1f per second, %.0f s left", done, total, rate, remaining)
        yield SynthesisProgress(done=done, total=total, captions_per_second=rate, remaining_seconds=remaining)


def _cut(rows: range, size: int) -> list[range]:
    """Cut rows into batches."""
    return [range(start, min(start + size, rows.stop)) for start in range(rows.start, rows.stop, size)]
