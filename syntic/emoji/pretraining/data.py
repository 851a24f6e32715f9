"""Rendered scenes as training data: pictures, captions and boxes in one folder.

images.npy    (N, S, S, 3) uint8, read through a memory map
cells.npy     (N, C, G, G) float16, what stands where (emoji/cells.py), read through a memory map; 0 where
              scenes are not tidy
scenes.jsonl  one object a line: captions, boxes [[label, x0, y0, x1, y1], ...] in pixels, style, setting
labels.json   the detector's class names
"""

from __future__ import annotations

import json
import textwrap
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

from syntic.errors import DataError

HELD_OUT_EVERY = 50  # scene 7, 57, 107 ... is never trained on, however many scenes are added later
HELD_OUT_OFFSET = 7

Box = tuple[str, float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What is known about one picture.

    Attributes:
        captions: three to five sentences; the first says everything, the others more or less of it.
        boxes: (label, left, top, right, bottom) in pixels.
        style: the sprite set, "fluent", "noto" or "twemoji".
    """

    captions: list[str]
    boxes: list[Box]
    style: str

    @property
    def full_caption(self) -> str:
        """The caption that says most."""
        return self.captions[0]


@dataclass(frozen=True, kw_only=True)
class SceneData:
    """All scenes of a folder.

    Attributes:
        images: (N, H, W, 3) uint8, memory-mapped.
        cell_codes: (N, C, G, G) float16, memory-mapped.
        scenes: N scenes.
        labels: the detector's class names.
    """

    images: np.ndarray
    cell_codes: np.ndarray
    scenes: list[Scene]
    labels: list[str]

    @classmethod
    def open(cls, folder: Path) -> SceneData:
        """Open a folder of rendered scenes.

        Raises:
            DataError: if a file is missing or the files do not belong together.
        """
        try:
            images = np.load(folder / "images.npy", mmap_mode="r")
            cell_codes = np.load(folder / "cells.npy", mmap_mode="r")
            lines = (folder / "scenes.jsonl").read_text(encoding="utf-8").splitlines()
            labels = json.loads((folder / "labels.json").read_text(encoding="utf-8"))
            scenes = [_parse_scene(line) for line in lines]
        except (OSError, ValueError, KeyError) as error:
            raise DataError(
                f"The scenes in {folder} cannot be read ({error}); "
                "render them with `python -m syntic emoji scenes --pretraining 60000`."
            ) from error
        if not len(images) == len(cell_codes) == len(scenes) or images.dtype != np.uint8 or images.ndim != 4:
            raise DataError(
                f"In {folder}, images.npy is {images.dtype} of shape {images.shape}, cells.npy of shape "
                f"{cell_codes.shape}, and scenes.jsonl has {len(scenes)} lines; render the scenes again with "
                "`python -m syntic emoji scenes`."
            )
        return cls(images=images, cell_codes=cell_codes, scenes=scenes, labels=labels)

    @property
    def size_px(self) -> int:
        """Width and height of the pictures."""
        return int(self.images.shape[1])

    def split(self, styles: list[str] | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Indices for training and for measuring.

        Args:
            styles: sprite sets to keep; None keeps all.

        Returns:
            Two increasing index arrays without a common element.

        Raises:
            DataError: if no scene has one of these styles.
        """
        kept = np.array([i for i, scene in enumerate(self.scenes) if styles is None or scene.style in styles])
        if not len(kept):
            known = sorted({scene.style for scene in self.scenes})
            raise DataError(f"No scene has a style of {styles}; the data has {known}.")
        is_held_out = kept % HELD_OUT_EVERY == HELD_OUT_OFFSET
        return kept[~is_held_out], kept[is_held_out]

    def pictures(self, indices: np.ndarray, flips: np.ndarray | None = None) -> torch.Tensor:
        """Read pictures.

        Args:
            indices: B scene numbers.
            flips: (B,) bool, which to mirror; None mirrors none.

        Returns:
            (B, 3, H, W) float32 in 0..1, channels last in memory.
        """
        batch = np.stack([self.images[i] for i in indices])  # (B, H, W, 3)
        if flips is not None:
            batch[flips] = batch[flips, :, ::-1]
        pixels = torch.from_numpy(batch).permute(0, 3, 1, 2)  # (B, 3, H, W), channels last
        return pixels.float().div_(255).contiguous(memory_format=torch.channels_last)

    def cells(self, indices: np.ndarray) -> torch.Tensor:
        """(B, C, G, G) float32, which part of which sprite shows where (emoji/cells.py)."""
        return torch.from_numpy(np.stack([self.cell_codes[i] for i in indices])).float()


def _parse_scene(line: str) -> Scene:
    raw = json.loads(line)
    boxes: list[Box] = [(str(label), *map(float, corners)) for label, *corners in raw["boxes"]]  # type: ignore[misc]
    return Scene(captions=raw["captions"], boxes=boxes, style=raw["style"])


class EpochSampler:
    """Batches that visit every index once per epoch, as a pure function of the step.

    Args:
        indices: what to draw from.
        batch_size: per step, at most len(indices).
        seed: of the permutations.
    """

    def __init__(self, indices: np.ndarray, batch_size: int, seed: int = 0) -> None:
        self.indices = indices
        self.batch_size = min(batch_size, len(indices))
        self.seed = seed
        self._epoch = -1
        self._order = indices

    def batch(self, step: int) -> np.ndarray:
        """The indices of one step."""
        steps_per_epoch = len(self.indices) // self.batch_size
        epoch, position = divmod(step, steps_per_epoch)
        if epoch != self._epoch:
            self._order = np.random.default_rng((self.seed, epoch)).permutation(self.indices)
            self._epoch = epoch
        return self._order[position * self.batch_size : (position + 1) * self.batch_size]


def save_sheet(path: Path, pictures: torch.Tensor, columns: int, captions: list[str] | None = None) -> None:
    """Write pictures side by side as one PNG.

    Args:
        path: the file.
        pictures: (B, 3, H, W) in 0..1.
        columns: pictures per row.
        captions: B lines to print under the pictures, shortened to fit.
    """
    pixels = pictures.detach().clamp(0, 1).mul(255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    height, width = pixels.shape[1:3]
    line_px = 12 if captions else 0
    rows = -(-len(pixels) // columns)
    sheet = Image.new("RGB", (columns * width, rows * (height + 3 * line_px)), "white")
    draw = ImageDraw.Draw(sheet)
    for number, picture in enumerate(pixels):
        left, top = number % columns * width, number // columns * (height + 3 * line_px)
        sheet.paste(Image.fromarray(picture), (left, top))
        if captions:
            lines = textwrap.wrap(captions[number], max(1, width // 6))[:3]
            corner = (left + 1, top + height)
            draw.multiline_text(corner, "\n".join(lines), fill="black", spacing=1, font_size=10)
    temporary = path.with_name(path.name + ".part")
    sheet.save(temporary, format="PNG")
    temporary.replace(path)
