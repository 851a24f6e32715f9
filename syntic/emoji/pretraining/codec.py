"""The generator's latents: what a 6x6 grid of cells shows, and how it looks.

How it looks: principal components of the pixels' 16x16 patches. That encoder needs no training, latents are
one matrix product, and the planner, the UNet and the decoder learn from the same ones. Cells with a thing
count more than backdrop when the components are found. Components are scaled to the fourth root of their
variance, between nature (a few components carry nearly everything, and noise drowns the details) and
whitening (all count alike, and the details drown the rest).

What it shows: which part of which sprite (cells.py). The generator denoises both together; the decoder draws
from both, sharper than the components alone could.

Two more channels hold every cell's own place, across and down, always the same. The decoder's upsampling
copies a cell into its four quarters, which a convolution cannot tell apart where neighbours look alike; from
the ramps it can (Liu et al. 2018, CoordConv).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F

from syntic.emoji.cells import CELL_CHANNELS, COVERAGE, GRID
from syntic.emoji.pretraining.data import SceneData

PATCH_PX = 16
PLACE_CHANNELS = 2
FITTED_PICTURES = 4000
THING_WEIGHT = 3.0  # how much more a cell with a thing counts in the components


@dataclass(frozen=True)
class LinearCodec:
    """Pictures and cells <-> latents (B, C, 6, 6): P components, 20 channels of cells, 2 of places.

    Attributes:
        mean: (768,) of all patches.
        encoder: (P, 768) rows that make components of unit variance overall.
        decoder: (768, P) its pseudo-inverse.
    """

    mean: Tensor
    encoder: Tensor
    decoder: Tensor

    @property
    def channels(self) -> int:
        """C, of the latents."""
        return len(self.encoder) + CELL_CHANNELS + PLACE_CHANNELS

    @classmethod
    def fit(cls, data: SceneData, components: int = 96, seed: int = 0) -> LinearCodec:
        """Principal components of the patches of some training pictures."""
        train, _ = data.split()
        chosen = np.sort(np.random.default_rng(seed).permutation(train)[:FITTED_PICTURES])
        parts = np.array_split(chosen, max(1, len(chosen) // 200))
        patches = torch.cat([_patches(data.pictures(part)).transpose(1, 2).flatten(0, 1) for part in parts])
        things = torch.cat([(data.cells(part)[:, COVERAGE] > 0).flatten() for part in parts])  # (N * 36,)
        weights = 1 + THING_WEIGHT * things
        weights = weights / weights.sum()
        mean = weights @ patches  # (768,)
        centred = patches - mean
        variances, vectors = torch.linalg.eigh((centred * weights[:, None]).T @ centred)
        variances, vectors = variances.flip(0)[:components], vectors.flip(1)[:, :components]
        scales = variances.pow(-0.25)  # deviation s -> s^(1/2)
        scales = scales / (variances * scales.square()).mean().sqrt()
        return cls(mean, (vectors * scales).T.contiguous(), (vectors / scales).contiguous())

    def encode(self, pictures: Tensor, cells: Tensor) -> Tensor:
        """(B, 3, 96, 96) in 0..1 and (B, 20, 6, 6) -> (B, C, 6, 6)."""
        components = self.encoder @ (_patches(pictures) - self.mean[:, None])  # (B, P, 36)
        components = components.reshape(len(pictures), -1, GRID, GRID)
        return torch.cat([components, cells, _places().expand(len(pictures), -1, -1, -1)], dim=1)

    def decode(self, latents: Tensor) -> Tensor:
        """(B, C, 6, 6) -> (B, 3, 96, 96) in about 0..1: what the projection kept."""
        components = latents[:, : len(self.encoder)].flatten(2)  # (B, P, 36)
        patches = self.decoder @ components + self.mean[:, None]
        return F.fold(patches, (GRID * PATCH_PX, GRID * PATCH_PX), PATCH_PX, stride=PATCH_PX)

    def save(self, path: Path) -> None:
        """Write the three tensors."""
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file({"mean": self.mean, "encoder": self.encoder, "decoder": self.decoder}, path)

    @classmethod
    def load(cls, path: Path) -> LinearCodec:
        """Read what `save` wrote."""
        tensors = load_file(path)
        return cls(tensors["mean"], tensors["encoder"], tensors["decoder"])


def load_or_fit_codec(data: SceneData, path: Path) -> LinearCodec:
    """The codec of a file, fitted and written there first if it is not."""
    if not path.exists():
        LinearCodec.fit(data).save(path)
    return LinearCodec.load(path)


def encode_scenes(codec: LinearCodec, data: SceneData, indices: np.ndarray) -> Tensor:
    """(B, C, 6, 6) latents of some scenes."""
    return codec.encode(data.pictures(indices), data.cells(indices))


def _places() -> Tensor:
    """(2, 6, 6): how far right and how far down each cell is, of unit variance."""
    ramp = torch.linspace(-1.5, 1.5, GRID)
    return torch.stack(torch.meshgrid(ramp, ramp, indexing="xy"))


def _patches(pictures: Tensor) -> Tensor:
    return F.unfold(pictures.contiguous(), PATCH_PX, stride=PATCH_PX)  # (B, 768, 36)
