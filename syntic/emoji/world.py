"""Builds what ships of the emoji world: a text corpus, picture sets, a gallery; and pre-training data."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path

import numpy as np

from .captions import write_captions
from .catalogue import LABELS
from .cells import CELL_CHANNELS, GRID
from .rendering import SIZE_PX, Renderer, Rendering
from .scenes import Scene, Split, sample_scene
from .tidy import TIDY_SIZE_PX

logger = logging.getLogger(__name__)

REFERENCES = 5
STYLE_SHARES = {"fluent": 0.48, "noto": 0.4, "twemoji": 0.12}
"""Styles of the pre-training pictures; the domain `everyday` is Fluent 3D, `people` Noto."""

_STREAMS = {"train": 0, "validation": 1, "test": 2, "gallery": 3, "pretraining": 4}


def described_scenes(
    stream: str, split: Split, seed: int = 0
) -> Iterator[tuple[Scene, list[str], np.random.Generator]]:
    """Yield scenes of a split with their captions, for ever and always the same for a seed."""
    rng = np.random.default_rng([seed, _STREAMS[stream]])
    while True:
        scene = sample_scene(rng, split)
        yield scene, write_captions(scene, rng, REFERENCES), rng


def write_corpus(path: Path, count: int, seed: int = 0) -> int:
    """Write `count` different captions of training scenes, one per line; no picture is drawn."""
    captions: dict[str, None] = {}
    for _, written, _ in described_scenes("train", "train", seed):
        captions.update(dict.fromkeys(written))
        if len(captions) >= count:
            break
    lines = list(captions)[:count]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return len(lines)


def write_picture_set(folder: Path, split: Split, count: int, style: str = "fluent", seed: int = 0) -> None:
    """Render `count` pictures with five references and exact boxes, in COCO's JSON format."""
    renderer = Renderer(style)
    folder.mkdir(parents=True, exist_ok=True)
    categories = [{"id": i, "name": label} for i, label in enumerate(LABELS)]
    images, annotations = [], []
    number = {label: i for i, label in enumerate(LABELS)}
    stream = "gallery" if folder.name == "gallery" else split
    for image_id, (scene, captions, _) in zip(
        range(count), described_scenes(stream, split, seed), strict=False
    ):
        rendering = renderer.render(scene)
        name = f"{image_id:04d}.webp"
        rendering.image.save(folder / name, quality=92, method=6)
        images.append(
            {"id": image_id, "file_name": name, "width": SIZE_PX, "height": SIZE_PX, "scene": asdict(scene)}
        )
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
    `scenes.jsonl` with captions (the first says everything), boxes, style and setting, and `labels.json`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "labels.json").write_text(json.dumps(list(LABELS)), encoding="utf-8")
    size = TIDY_SIZE_PX if tidy else SIZE_PX
    for name, dtype, shape in (
        ("images.npy", np.uint8, (size, size, 3)),
        ("cells.npy", np.float16, (CELL_CHANNELS, GRID, GRID)),
    ):
        np.lib.format.open_memmap(folder / name, mode="w+", dtype=dtype, shape=(count, *shape)).flush()
    bounds = np.linspace(0, count, workers * 8 + 1, dtype=int)
    jobs = [
        (folder, int(a), int(b), seed, tidy) for a, b in zip(bounds[:-1], bounds[1:], strict=True) if b > a
    ]
    with ProcessPoolExecutor(workers) as pool:
        parts = []
        for done, lines in enumerate(pool.map(_render_part, jobs), 1):
            parts.append(lines)
            logger.info("rendered %d of %d pictures", jobs[done - 1][2], count)
    temporary = folder / "scenes.jsonl.tmp"
    temporary.write_text("".join(parts), encoding="utf-8")
    os.replace(temporary, folder / "scenes.jsonl")


def _render_part(job: tuple[Path, int, int, int, bool]) -> str:
    folder, start, end, seed, tidy = job
    images = np.load(folder / "images.npy", mmap_mode="r+")
    cells = np.load(folder / "cells.npy", mmap_mode="r+")
    rng = np.random.default_rng([seed, _STREAMS["pretraining"], start])
    shares = {"fluent": 1.0} if tidy else STYLE_SHARES
    renderers = {style: Renderer(style, tidy=tidy) for style in shares}
    lines = []
    for index in range(start, end):
        scene = sample_scene(rng, "train")
        style = str(rng.choice(list(shares), p=list(shares.values())))
        rendering: Rendering = renderers[style].render(scene)
        images[index] = np.asarray(rendering.image)
        cells[index] = rendering.cells
        record = {
            "captions": write_captions(scene, rng, REFERENCES),
            "boxes": rendering.boxes,
            "style": style,
            "setting": scene.setting,
        }
        lines.append(json.dumps(record) + "\n")
    images.flush()
    cells.flush()
    return "".join(lines)
