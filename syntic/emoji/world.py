"""Builds what ships of the emoji world: text corpora, picture sets, a gallery; and pre-training data."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from itertools import cycle
from pathlib import Path

import numpy as np

from ..data.atomic import write_text_atomically
from .captions import write_captions
from .catalogue import LABELS
from .cells import CELL_CHANNELS, GRID
from .reading import aspects, names_several
from .rendering import SIZE_PX, Renderer, Rendering
from .scenes import GROUP_SHARES, Hand, Scene, Split, sample_scene
from .tidy import TIDY_SIZE_PX

logger = logging.getLogger(__name__)

REFERENCES = 5
CORPUS_SIZES: dict[Hand, int] = {"everyday": 10_000, "people": 6_000, "web": 8_000}
"""Captions of each corpus, which has the name of the hand that writes it."""

DOMAIN_STYLES: dict[Hand, str] = {"everyday": "fluent", "people": "noto"}
"""Hand and sprite set of the domains that there are pictures of."""

STYLE_SHARES = {"fluent": 0.48, "noto": 0.4, "twemoji": 0.12}
HAND_SHARES: dict[Hand, float] = {"everyday": 0.5, "people": 0.3, "web": 0.2}
"""Sprite sets and hands of the pre-training pictures."""

_STREAMS: dict[str, tuple[int, Split]] = {
    "train": (0, "train"),
    "validation": (1, "validation"),
    "test": (5, "test"),
    "gallery": (3, "test"),
}
"""Independent sequences of scenes, each with its number and its split.

The test pictures were drawn anew, as number 5, when all frozen models were done: none was chosen by them.
"""

_REWRITINGS = 40
"""Times that a scene is told anew until its captions can be references."""

_PRETRAINING_STREAM = 4
PRETRAINING_PARTS = 16
"""Parts of the pre-training pictures, each a sequence of its own that is rendered whole or not at all."""


def described_scenes(stream: str, hand: Hand, seed: int = 0) -> Iterator[tuple[Scene, list[str]]]:
    """Yield scenes of a stream with their captions, for ever and always the same for a hand and a seed."""
    number, split = _STREAMS[stream]
    yield from _describe(np.random.default_rng([seed, number, list(GROUP_SHARES).index(hand)]), split, hand)


def _describe(
    rng: np.random.Generator, split: Split, hand: Hand, kinds: int = 3
) -> Iterator[tuple[Scene, list[str]]]:
    while True:
        scene = sample_scene(rng, split, hand, kinds)
        yield scene, write_captions(scene, rng, REFERENCES, hand)


def picture_scenes(
    stream: str,
    hand: Hand,
    seed: int = 0,
    corpora: Collection[str] = frozenset(),
    shown: set[Scene] | None = None,
) -> Iterator[tuple[Scene, list[str]]]:
    """Yield the scenes of a picture set with their captions, for ever and always the same.

    No two show the same composition, and the captions of one differ in what they mention. Every other picture
    of several kinds of things shows held-out pairs, which no text names together; the rest are like the
    scenes of the corpus, but not told in the same words.

    Args:
        stream: "train", "validation", "test" or "gallery".
        hand: chooses the scenes and writes.
        seed: of everything drawn by chance.
        corpora: captions that no picture has if they name two things or more.
        shown: compositions that other pictures show; those of these pictures are added to it.
    """
    described = described_scenes(stream, hand, seed)
    if stream == "train":
        yield from described
        return
    number, _ = _STREAMS[stream]
    rng = np.random.default_rng([seed, number, list(GROUP_SHARES).index(hand), 1])
    kinds = 2 if hand == "people" else 3  # as many as in the held-out scenes
    shown = set() if shown is None else shown
    for source in cycle((described, _describe(rng, "train", hand, kinds))):
        scene, captions = next(
            (scene, references)
            for scene, captions in source
            if scene.composition not in shown
            and (references := _as_references(captions, scene, hand, corpora)) is not None
        )
        shown.add(scene.composition)
        yield scene, captions


def _as_references(
    captions: list[str], scene: Scene, hand: Hand, corpora: Collection[str]
) -> list[str] | None:
    """Return the captions or others of the scene that can be references; None where there seem to be none.

    They differ, also in what they mention, and none that names two things or more is in a corpus.
    """
    rng = np.random.default_rng(scene.seed)
    for _ in range(_REWRITINGS):
        differ = len(set(captions)) == REFERENCES and len({aspects(caption) for caption in captions}) > 1
        if differ and not any(caption in corpora and names_several(caption) for caption in captions):
            return captions
        captions = write_captions(scene, rng, REFERENCES, hand)
    return None


def write_corpus(path: Path, count: int, hand: Hand = "everyday", seed: int = 0) -> int:
    """Write `count` different captions of training scenes, one per line; no picture is drawn."""
    captions: dict[str, None] = {}
    for _, written in described_scenes("train", hand, seed):
        captions.update(dict.fromkeys(written))
        if len(captions) >= count:
            break
    lines = list(captions)[:count]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return len(lines)


def write_picture_set(
    folder: Path,
    stream: str,
    count: int,
    hands: Sequence[Hand] = ("everyday",),
    seed: int = 0,
    corpora: Collection[str] = frozenset(),
    shown: set[Scene] | None = None,
) -> None:
    """Render `count` pictures with five references and exact boxes, in COCO's JSON format.

    Args:
        folder: where the pictures and `annotations.json` go.
        stream: "train", "validation", "test" or "gallery".
        count: how many pictures.
        hands: domains, which take turns.
        seed: of everything drawn by chance.
        corpora: see `picture_scenes`.
        shown: see `picture_scenes`.
    """
    shown = set() if shown is None else shown
    domains = [
        (hand, Renderer(DOMAIN_STYLES[hand]), picture_scenes(stream, hand, seed, corpora, shown))
        for hand in hands
    ]
    folder.mkdir(parents=True, exist_ok=True)
    categories = [{"id": i, "name": label} for i, label in enumerate(LABELS)]
    images, annotations = [], []
    number = {label: i for i, label in enumerate(LABELS)}
    for image_id in range(count):
        hand, renderer, described = domains[image_id % len(domains)]
        scene, captions = next(described)
        rendering = renderer.render(scene)
        name = f"{image_id:04d}.webp"
        rendering.image.save(folder / name, quality=92, method=6)
        image = {"id": image_id, "file_name": name, "width": SIZE_PX, "height": SIZE_PX}
        images.append(image | {"hand": hand, "scene": asdict(scene), "combination": scene.combination})
        for label, left, top, right, bottom in rendering.boxes:
            box = [left, top, right - left, bottom - top]
            annotations.append({"image_id": image_id, "category_id": number[label], "bbox": box})
        annotations += [{"image_id": image_id, "caption": caption} for caption in captions]
    for i, annotation in enumerate(annotations):
        annotation["id"] = i
    content = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "annotations.json").write_text(json.dumps(content), encoding="utf-8")


def write_pretraining(
    folder: Path, count: int, seed: int = 0, workers: int = 2, *, tidy: bool = False
) -> None:
    """Render the pictures that the frozen models are pre-trained on; tidy ones in Fluent 3D only.

    Writes `images.npy` (count, S, S, 3) uint8, with `tidy` `cells.npy` (count, C, G, G) float16 (cells.py),
    `scenes.jsonl` with captions (the first says everything), boxes, style, setting and the
    hand that chose the scene and wrote, and `labels.json`.

    Parts that are done stay done: the same call goes on where it was stopped.
    """
    folder.mkdir(parents=True, exist_ok=True)
    plan, asked = folder / "rendering.json", {"count": count, "seed": seed, "tidy": tidy}
    if not plan.is_file() or json.loads(plan.read_text(encoding="utf-8")) != asked:
        _begin_pretraining(folder, count, tidy=tidy)
        write_text_atomically(plan, json.dumps(asked))
    bounds = np.linspace(0, count, PRETRAINING_PARTS + 1, dtype=int).tolist()
    jobs = [(folder, a, b, seed, tidy) for a, b in zip(bounds[:-1], bounds[1:], strict=True) if b > a]
    missing = [job for job in jobs if not _part_path(folder, job[1]).is_file()]
    left = sum(job[2] - job[1] for job in missing)
    rendered, started = 0, time.monotonic()
    with ProcessPoolExecutor(workers) as pool:
        for done in pool.map(_render_part, missing):
            rendered += done
            minutes = (time.monotonic() - started) / rendered * (left - rendered) / 60
            logger.info(
                "rendered %d of %d pictures, about %.0f minutes left", count - left + rendered, count, minutes
            )
    parts = [_part_path(folder, job[1]) for job in jobs]
    write_text_atomically(
        folder / "scenes.jsonl", "".join(part.read_text(encoding="utf-8") for part in parts)
    )
    for path in (plan, *parts):
        path.unlink()


def _begin_pretraining(folder: Path, count: int, *, tidy: bool) -> None:
    """Make room for all pictures; nothing of another rendering stays."""
    for path in folder.glob("scenes*.jsonl"):
        path.unlink()
    (folder / "labels.json").write_text(json.dumps(list(LABELS)), encoding="utf-8")
    size = TIDY_SIZE_PX if tidy else SIZE_PX
    for name, dtype, shape in (
        ("images.npy", np.uint8, (size, size, 3)),
        ("cells.npy", np.float16, (CELL_CHANNELS, GRID, GRID)),
    ):
        np.lib.format.open_memmap(folder / name, mode="w+", dtype=dtype, shape=(count, *shape)).flush()


def _part_path(folder: Path, start: int) -> Path:
    return folder / f"scenes-{start:06d}.jsonl"


def _render_part(job: tuple[Path, int, int, int, bool]) -> int:
    """Render pictures start to end, write the part's lines once all are stored, and return their number."""
    folder, start, end, seed, tidy = job
    images = np.load(folder / "images.npy", mmap_mode="r+")
    cells = np.load(folder / "cells.npy", mmap_mode="r+")
    rng = np.random.default_rng([seed, _PRETRAINING_STREAM, start])
    shares = {"fluent": 1.0} if tidy else STYLE_SHARES
    renderers = {style: Renderer(style, tidy=tidy) for style in shares}
    lines = []
    for index in range(start, end):
        hand: Hand = rng.choice(list(HAND_SHARES), p=list(HAND_SHARES.values())).item()
        scene = sample_scene(rng, "train", hand)
        style = str(rng.choice(list(shares), p=list(shares.values())))
        rendering: Rendering = renderers[style].render(scene)
        images[index] = np.asarray(rendering.image)
        cells[index] = rendering.cells
        record = {
            "captions": write_captions(scene, rng, REFERENCES, hand),
            "boxes": rendering.boxes,
            "style": style,
            "setting": scene.setting,
            "hand": hand,
        }
        lines.append(json.dumps(record) + "\n")
    images.flush()
    cells.flush()
    write_text_atomically(_part_path(folder, start), "".join(lines))
    return len(lines)
