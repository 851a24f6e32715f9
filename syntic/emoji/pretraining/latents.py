"""Latents of all training pictures, computed once and memory-mapped: the generator never sees a pixel."""

from __future__ import annotations

import hashlib
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderTiny
from torch import Tensor

from syntic.emoji.pretraining.autoencoder import halve
from syntic.emoji.pretraining.data import SceneData

GRID = 8  # latents are GRID x GRID
CHUNK = 64


@dataclass(frozen=True, kw_only=True)
class Latents:
    """Scaled latents of some scenes.

    Attributes:
        indices: (N,) the scenes' numbers.
        values: (N, 2, C, 8, 8) float16 of unit variance; second axis: as rendered, mirrored.
        objects: (N, 8, 8) float32, the part of each cell that boxes cover.
    """

    indices: np.ndarray
    values: np.ndarray
    objects: np.ndarray

    def batch(self, rows: np.ndarray, flips: np.ndarray) -> tuple[Tensor, Tensor]:
        """Latents (B, C, 8, 8) and object masks (B, 1, 8, 8) of some rows, mirrored where `flips` says so."""
        values = np.stack([self.values[row, int(flip)] for row, flip in zip(rows, flips, strict=True)])
        objects = self.objects[rows]
        objects[flips] = objects[flips, :, ::-1]
        latents = torch.from_numpy(values).float().contiguous(memory_format=torch.channels_last)
        return latents, torch.from_numpy(objects)[:, None]


def load_or_compute_latents(
    data: SceneData, indices: np.ndarray, autoencoder: AutoencoderTiny, folder: Path
) -> Latents:
    """Latents of the given scenes, from the folder's cache where it fits.

    Args:
        data: the scenes.
        indices: which of them.
        autoencoder: its encoder and `scaling_factor` are used.
        folder: of the cache; the file's name is made of everything that the latents depend on.

    Returns:
        The latents.
    """
    path = folder / f"latents-{_fingerprint(data, indices, autoencoder)}.npy"
    if not path.exists():
        _compute(data, indices, autoencoder, path)
    objects = np.stack([cell_coverage(data, index) for index in indices])
    return Latents(indices=indices, values=np.load(path, mmap_mode="r"), objects=objects)


def _fingerprint(data: SceneData, indices: np.ndarray, autoencoder: AutoencoderTiny) -> str:
    digest = hashlib.sha256(np.ascontiguousarray(indices).tobytes())
    digest.update(data.images[indices[:: max(1, len(indices) // 16)]].tobytes())
    digest.update(str(autoencoder.config.scaling_factor).encode())
    for value in autoencoder.encoder.state_dict().values():
        digest.update(value.numpy().tobytes())
    return digest.hexdigest()[:12]


@torch.no_grad()
def _compute(data: SceneData, indices: np.ndarray, autoencoder: AutoencoderTiny, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".part")
    shape = (len(indices), 2, autoencoder.config.latent_channels, GRID, GRID)
    values = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.float16, shape=shape)
    start = said = time.monotonic()
    for first in range(0, len(indices), CHUNK):
        pictures = halve(data.pictures(indices[first : first + CHUNK])) * 2 - 1
        for side, view in enumerate((pictures, pictures.flip(3))):
            latents = autoencoder.encoder(view) * autoencoder.config.scaling_factor
            values[first : first + CHUNK, side] = latents.half().numpy()
        if time.monotonic() - said > 20:
            said = time.monotonic()
            done = first + CHUNK
            sys.stdout.write(f"latents {done} of {len(indices)}, {done / (said - start):.0f} pictures/s\n")
            sys.stdout.flush()
    values.flush()
    temporary.replace(path)


def cell_coverage(data: SceneData, index: int) -> np.ndarray:
    """(8, 8) float32: which part of each latent cell the scene's boxes cover, counting overlaps once."""
    fine = np.zeros((data.size_px, data.size_px), np.float32)
    for _, left, top, right, bottom in data.scenes[index].boxes:
        fine[round(top) : round(bottom), round(left) : round(right)] = 1
    cell = data.size_px // GRID
    return fine.reshape(GRID, cell, GRID, cell).mean((1, 3))
