"""Latents of all training pictures, computed once and memory-mapped: the generator never sees a pixel."""

from __future__ import annotations

import hashlib
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor

from syntic.emoji.pretraining.autoencoder import halve
from syntic.emoji.pretraining.data import SceneData

GRID = 8  # latents are GRID x GRID
CHUNK = 32


@dataclass(frozen=True, kw_only=True)
class Latents:
    """Scaled latents of some scenes, every other one mirrored.

    Attributes:
        indices: (N,) the scenes' numbers.
        values: (N, C, 8, 8) float16 of unit variance.
        things: (N, 8, 8) bool, the cells whose centre lies in a box.
    """

    indices: np.ndarray
    values: np.ndarray
    things: np.ndarray

    def batch(self, rows: np.ndarray) -> tuple[Tensor, Tensor]:
        """Latents (B, C, 8, 8) and masks of things (B, 1, 8, 8), both float32."""
        latents = torch.from_numpy(np.stack([self.values[row] for row in rows])).float()
        things = torch.from_numpy(self.things[rows]).float()[:, None]
        return latents.contiguous(memory_format=torch.channels_last), things


def load_or_compute_latents(
    data: SceneData, indices: np.ndarray, autoencoder: AutoencoderKL, folder: Path
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
    things = [data.thing_cells(part, mirrored(part), GRID).amax(1).bool().numpy() for part in _chunks(indices)]
    return Latents(indices=indices, values=np.load(path, mmap_mode="r"), things=np.concatenate(things))


def mirrored(indices: np.ndarray) -> np.ndarray:
    """Which scenes are seen mirrored: about half, always the same ones."""
    return (indices * 2654435761 >> 16) % 2 == 1


def _chunks(indices: np.ndarray) -> list[np.ndarray]:
    return [indices[first : first + CHUNK] for first in range(0, len(indices), CHUNK)]


def _fingerprint(data: SceneData, indices: np.ndarray, autoencoder: AutoencoderKL) -> str:
    digest = hashlib.sha256(np.ascontiguousarray(indices).tobytes())
    for index in indices[:: max(1, len(indices) // 16)]:
        digest.update(data.images[index].tobytes())
    digest.update(str(autoencoder.config["scaling_factor"]).encode())
    for value in autoencoder.encoder.state_dict().values():
        digest.update(value.numpy().tobytes())
    return digest.hexdigest()[:12]


@torch.no_grad()
def _compute(data: SceneData, indices: np.ndarray, autoencoder: AutoencoderKL, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".part")
    shape = (len(indices), autoencoder.config["latent_channels"], GRID, GRID)
    values = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.float16, shape=shape)
    start = said = time.monotonic()
    done = 0
    for part in _chunks(indices):
        pictures = halve(data.pictures(part, mirrored(part))) * 2 - 1  # (B, 3, 64, 64)
        latents = autoencoder.encode(pictures).latent_dist.mode() * autoencoder.config["scaling_factor"]
        values[done : done + len(part)] = latents.half().numpy()
        done += len(part)
        if time.monotonic() - said > 20:
            said = time.monotonic()
            sys.stdout.write(f"latents {done} of {len(indices)}, {done / (said - start):.0f} pictures/s\n")
            sys.stdout.flush()
    values.flush()
    temporary.replace(path)
