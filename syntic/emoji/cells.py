"""What stands where in a picture, as numbers on a coarse grid: the generator learns them with the pixels.

A text-to-image model learns faster when it denoises what the picture means together with how it looks
(ReDi; Kouzelis et al. 2025, "Boosting generative image modeling via joint image-feature synthesis", with
features of DINOv2). An emoji scene knows what it means, so no features need to be computed: every cell of
a 6x6 grid says which sprite it shows, which part of it, and how large it is.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

GRID = 6
CODE_SIZE = 16
CELL_CHANNELS = CODE_SIZE + 4
COVERAGE, ACROSS, DOWN, SIZE = range(CODE_SIZE, CELL_CHANNELS)
MIN_COVERAGE = 0.06  # of a cell; less is backdrop

Rectangle = tuple[float, float, float, float]


@lru_cache(maxsize=4096)
def look_code(look: str) -> NDArray[np.float32]:
    """A fixed random direction for a sprite and its colour, (16,) of length 4: entries of about one.

    Args:
        look: "SPRITE/COLOUR", the colour may be empty. Looks of one sprite have similar codes.
    """
    sprite, _, colour = look.partition("/")
    code = _direction(sprite) + (0.6 * _direction(colour) if colour else 0)
    code *= np.sqrt(CODE_SIZE) / np.linalg.norm(code)
    return code.astype(np.float32)


def _direction(name: str) -> NDArray[np.float64]:
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    direction: NDArray[np.float64] = np.random.default_rng(seed).standard_normal(CODE_SIZE)
    return direction / np.linalg.norm(direction)


def describe_cells(
    owner: NDArray[np.int16], looks: list[str], rectangles: list[Rectangle]
) -> NDArray[np.float32]:
    """Describe the thing that shows most in each cell.

    Args:
        owner: (S, S) which thing is seen at a pixel, -1 for the backdrop; S >= 6, and what a
            division by 6 leaves over is cut off.
        looks: T of "SPRITE/COLOUR".
        rectangles: T x (left, top, right, bottom) of the whole sprites in pixels, also of hidden parts.

    Returns:
        (20, 6, 6): code of the sprite, share of the cell that things cover (times 2), how far right and
        down of the sprite's middle the cell lies (-1 to 1 within it), binary logarithm of its height over
        0.4 of the picture. All 0 where there is only backdrop.
    """
    size = len(owner)
    step = size // GRID
    pixels = (
        owner[: GRID * step, : GRID * step]
        .reshape(GRID, step, GRID, step)
        .transpose(0, 2, 1, 3)
        .reshape(GRID, GRID, -1)
    )
    counts = np.stack([(pixels == thing).mean(-1) for thing in range(len(looks))], axis=-1)  # (6, 6, T)
    cells = np.zeros((CELL_CHANNELS, GRID, GRID), np.float32)
    for row, column in np.argwhere(counts.sum(-1) >= MIN_COVERAGE):
        thing = int(counts[row, column].argmax())
        left, top, right, bottom = rectangles[thing]
        cell = cells[:, row, column]
        cell[:CODE_SIZE] = look_code(looks[thing])
        cell[COVERAGE] = 2 * counts[row, column].sum()
        cell[ACROSS] = _relative((column + 0.5) * step, left, right)
        cell[DOWN] = _relative((row + 0.5) * step, top, bottom)
        cell[SIZE] = np.log2((bottom - top) / size / 0.4)
    return cells


def _relative(at: float, low: float, high: float) -> float:
    return float(np.clip((2 * at - low - high) / (high - low), -1.5, 1.5))
