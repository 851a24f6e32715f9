"""The generator's autoencoder: 64x64 pictures <-> 8x8 latents, a diffusers `AutoencoderKL`.

The latents' prior is asked for by their moments, not by a divergence: every channel has mean 0 and deviation 1 over
the data, and the decoder sees latents with a little noise added, which makes it bear with what a generator gets
slightly wrong. A linear probe on the latents names the things in every cell, which keeps what a caption speaks of
easy to read in the latents; diffusion learns such latents sooner (Yao et al. 2025, "Reconstruction vs. generation").
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn
from torch.nn import functional as F

from syntic.emoji.pretraining.data import EpochSampler, SceneData, save_sheet
from syntic.emoji.pretraining.export import replaced_folder, save_diffusers_half


@dataclass(frozen=True, kw_only=True)
class AutoencoderSettings:
    """Sizes and weights of the loss.

    Attributes:
        latent_channels: of the 8x8 latents.
        channels: at 64, 32, 16 and 8 px.
        noise: the largest deviation of the noise on the latents in training.
        moment_weight: of the penalty on the latents' means and deviations.
        gradient_weight: of the loss on the differences of neighbouring pixels.
        probe_weight: of the probe that names the things in each cell.
        thing_weight: how much more a pixel inside a box counts than one outside.
    """

    latent_channels: int = 16
    channels: tuple[int, ...] = (16, 48, 96, 160)
    noise: float = 0.1
    moment_weight: float = 0.1
    gradient_weight: float = 0.5
    probe_weight: float = 0.1
    thing_weight: float = 2.0


def build_autoencoder(settings: AutoencoderSettings) -> AutoencoderKL:
    """Make an untrained autoencoder."""
    levels = len(settings.channels)
    return AutoencoderKL(
        block_out_channels=settings.channels,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        latent_channels=settings.latent_channels,
        layers_per_block=1,
        norm_num_groups=8,
        mid_block_add_attention=False,
        use_quant_conv=False,
        use_post_quant_conv=False,
    )


class ProbedAutoencoder(nn.Module):
    """The autoencoder with the linear probe that is trained beside it."""

    def __init__(self, settings: AutoencoderSettings, labels: int) -> None:
        super().__init__()
        self.autoencoder = build_autoencoder(settings)
        self.probe = nn.Conv2d(settings.latent_channels, labels, 1)
        nn.init.constant_(self.probe.bias, -4.0)  # most cells hold none of the classes

    def encode(self, pictures: Tensor) -> Tensor:
        """(B, 3, 64, 64) in -1..1 -> the latents' means (B, C, 8, 8)."""
        moments = self.autoencoder.encoder(pictures)
        return cast(Tensor, moments[:, : self.autoencoder.config["latent_channels"]])

    def decode(self, latents: Tensor) -> Tensor:
        """(B, C, 8, 8) -> (B, 3, 64, 64)."""
        return cast(Tensor, self.autoencoder.decoder(latents))


class AutoencoderTask:
    """Reconstruct pictures through latents of unit variance.

    Args:
        data: the scenes, all styles.
        settings: sizes and weights of the loss.
        batch_size: pictures per step.
    """

    def __init__(self, data: SceneData, settings: AutoencoderSettings, batch_size: int) -> None:
        self.data = data
        self.settings = settings
        train, self.held_out = data.split()
        self.sampler = EpochSampler(train, batch_size)
        self.batch_size = self.sampler.batch_size
        self.learning_rate_scales: dict[str, float] = {}
        self.model: nn.Module = ProbedAutoencoder(settings, len(data.labels))

    def loss(self, step: int, random: np.random.Generator) -> tuple[Tensor, dict[str, float]]:
        """Reconstruction at three scales, differences of neighbours, the latents' moments, the probe."""
        settings = self.settings
        model = cast(ProbedAutoencoder, self.model)
        indices = self.sampler.batch(step)
        flips = random.random(len(indices)) < 0.5
        target = halve(self.data.pictures(indices, flips)) * 2 - 1  # (B, 3, 64, 64)
        things = self.data.thing_cells(indices, flips)  # (B, K, 8, 8)
        weights = 1 + settings.thing_weight * things.amax(1, keepdim=True)
        weights = F.interpolate(weights / weights.mean(), scale_factor=8)  # (B, 1, 64, 64)
        latents = model.encode(target)
        sigma = torch.rand(len(indices), 1, 1, 1) * settings.noise
        output = model.decode(latents + sigma * torch.randn_like(latents))
        pixels = reconstruction_loss(output, target, weights)
        edges = gradient_loss(output, target)
        moments = moment_penalty(latents)
        named = F.binary_cross_entropy_with_logits(model.probe(latents), things) * len(self.data.labels)
        loss = (
            pixels
            + settings.gradient_weight * edges
            + settings.moment_weight * moments
            + settings.probe_weight * named
        )
        mse = F.mse_loss(output.detach().clamp(-1, 1), target) / 4
        values = {"psnr": -10 * float(mse.log10()), "edges": float(edges.detach())}
        return loss, values | {"moments": float(moments.detach()), "probe": float(named.detach())}

    def report(self, average: nn.Module, folder: Path) -> dict[str, float]:
        """PSNR on held-out pictures; `reconstructions.png` shows originals above reconstructions."""
        model = cast(ProbedAutoencoder, average)
        target = halve(self.data.pictures(self.held_out[:128])) * 2 - 1
        latents = model.encode(target)
        output = model.decode(latents).clamp(-1, 1)
        psnr = -10 * (F.mse_loss(output, target, reduction="none").mean((1, 2, 3)) / 4).log10()
        rows = [picture for row in range(0, min(32, len(target)), 8) for picture in (target[row : row + 8], output[row : row + 8])]
        save_sheet(folder / "reconstructions.png", torch.cat(rows) / 2 + 0.5, columns=8)
        return {
            "held_out_psnr": float(psnr.mean()),
            "latent_deviation": float(latents.std()),
            "channel_deviation_min": float(latents.std((0, 2, 3)).min()),
            "channel_deviation_max": float(latents.std((0, 2, 3)).max()),
        }


def halve(pictures: Tensor) -> Tensor:
    """Pictures at half size, 64 px: what the encoder reads."""
    return F.avg_pool2d(pictures, 2).contiguous(memory_format=torch.channels_last)


def reconstruction_loss(output: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """Mean absolute error at full, half and quarter size, the first weighted by pixel."""
    loss = ((output - target).abs() * weights).mean()
    for scale in (2, 4):
        loss = loss + 0.5 * F.l1_loss(F.avg_pool2d(output, scale), F.avg_pool2d(target, scale))
    return loss


def gradient_loss(output: Tensor, target: Tensor) -> Tensor:
    """Mean absolute error of the differences between neighbouring pixels, which keeps outlines sharp."""
    difference = output - target
    return difference.diff(dim=2).abs().mean() + difference.diff(dim=3).abs().mean()


def moment_penalty(latents: Tensor) -> Tensor:
    """How far the channels are from mean 0 and deviation 1, over the batch: mean(m^2 + log(s)^2)."""
    mean = latents.mean((0, 2, 3))
    deviation = latents.std((0, 2, 3)) + 1e-4
    return (mean.square() + deviation.log().square()).mean()


def export_autoencoder(average: nn.Module, data: SceneData, out: Path) -> None:
    """Save the averaged autoencoder in half precision.

    Its `scaling_factor` is measured, so that scaled latents have unit variance.

    Args:
        average: a ProbedAutoencoder.
        data: the scenes to measure on.
        out: the folder to replace.
    """
    model = cast(ProbedAutoencoder, average)
    _, held_out = data.split()
    with torch.no_grad():
        latents = model.encode(halve(data.pictures(held_out[:512])) * 2 - 1)
        last = model.autoencoder.encoder.conv_out
        channels = latents.shape[1]
        last.weight[channels:] = 0
        last.bias[channels:] = -20.0  # log variance: samples equal the means
    model.autoencoder.register_to_config(scaling_factor=round(1 / float(latents.std()), 4))
    with replaced_folder(out) as folder:
        save_diffusers_half(model.autoencoder, folder)
