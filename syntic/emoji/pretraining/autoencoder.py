"""The generator's autoencoder: 64x64 pictures <-> 8x8 latents, a diffusers `AutoencoderTiny`.

`AutoencoderTiny` has no normalisation layers and decodes in some 10 ms on one core. Its latents are plain outputs
of the encoder, so what a variational autoencoder gets from its prior is asked for in the loss here: every channel
has mean 0 and deviation 1, and the decoder sees latents with a little noise added, which makes it bear with what a
generator gets slightly wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from diffusers import AutoencoderTiny
from diffusers.models.unets.unet_2d_blocks import AutoencoderTinyBlock
from torch import Tensor, nn
from torch.nn import functional as F

from syntic.emoji.pretraining.data import EpochSampler, SceneData, save_sheet
from syntic.emoji.pretraining.export import replaced_folder, save_diffusers_half


@dataclass(frozen=True, kw_only=True)
class AutoencoderSettings:
    """Sizes; every level of `AutoencoderTiny` must have the same channels.

    Attributes:
        latent_channels: of the 8x8 latents.
        encoder_channels, decoder_channels: width of all levels.
        encoder_blocks: residual blocks at 64, 32, 16 and 8 px.
        decoder_blocks: residual blocks at 8, 16, 32 and 64 px.
        noise: the largest deviation of the noise on the latents in training.
        moment_weight: of the penalty on the latents' means and deviations.
        gradient_weight: of the loss on the differences of neighbouring pixels.
    """

    latent_channels: int = 16
    encoder_channels: int = 48
    decoder_channels: int = 48
    encoder_blocks: tuple[int, ...] = (0, 1, 2, 3)
    decoder_blocks: tuple[int, ...] = (4, 3, 1, 0)
    noise: float = 0.2
    moment_weight: float = 0.1
    gradient_weight: float = 0.5


def build_autoencoder(settings: AutoencoderSettings) -> AutoencoderTiny:
    """Make an untrained autoencoder whose signals keep their variance."""
    model = AutoencoderTiny(
        encoder_block_out_channels=(settings.encoder_channels,) * len(settings.encoder_blocks),
        decoder_block_out_channels=(settings.decoder_channels,) * len(settings.decoder_blocks),
        num_encoder_blocks=settings.encoder_blocks,
        num_decoder_blocks=settings.decoder_blocks,
        latent_channels=settings.latent_channels,
    )
    _initialise(model)
    return model


def _initialise(model: nn.Module) -> None:
    """Variance-preserving kernels, and residual branches that start at zero.

    PyTorch's default lets the signal shrink by 0.6 per convolution, and there is no normalisation to undo it.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="linear")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for module in model.modules():
        if isinstance(module, AutoencoderTinyBlock):
            first, _, second, _, last = module.conv
            nn.init.kaiming_normal_(first.weight, nonlinearity="relu")
            nn.init.kaiming_normal_(second.weight, nonlinearity="relu")
            nn.init.zeros_(last.weight)


class AutoencoderTask:
    """Reconstruct pictures through latents of unit variance.

    Args:
        data: the scenes, all styles.
        settings: sizes and weights of the loss.
        batch_size: pictures per step.
        freeze_encoder: train the decoder only, so that latents computed before stay valid.
    """

    def __init__(
        self, data: SceneData, settings: AutoencoderSettings, batch_size: int, *, freeze_encoder: bool = False
    ) -> None:
        self.data = data
        self.settings = settings
        train, self.held_out = data.split()
        self.sampler = EpochSampler(train, batch_size)
        self.batch_size = self.sampler.batch_size
        self.learning_rate_scales = {"encoder": 0.0} if freeze_encoder else {}
        self.model: nn.Module = build_autoencoder(settings).to(memory_format=torch.channels_last)

    def loss(self, step: int, random: np.random.Generator) -> tuple[Tensor, dict[str, float]]:
        """Reconstruction at three scales, differences of neighbours, and the latents' moments."""
        indices = self.sampler.batch(step)
        target = halve(self.data.pictures(indices, random.random(len(indices)) < 0.5)) * 2 - 1  # (B, 3, 64, 64)
        model = cast(AutoencoderTiny, self.model)
        latents = model.encoder(target)  # (B, C, 8, 8)
        sigma = torch.rand(len(indices), 1, 1, 1) * self.settings.noise
        output = model.decoder(latents + sigma * torch.randn_like(latents))
        pixels = reconstruction_loss(output, target)
        edges = gradient_loss(output, target)
        moments = moment_penalty(latents)
        loss = pixels + self.settings.gradient_weight * edges + self.settings.moment_weight * moments
        mse = F.mse_loss(output.detach().clamp(-1, 1), target) / 4
        return loss, {"psnr": -10 * float(mse.log10()), "edges": float(edges.detach()), "moments": float(moments.detach())}

    def report(self, average: nn.Module, folder: Path) -> dict[str, float]:
        """PSNR on held-out pictures; `reconstructions.png` shows originals above reconstructions."""
        model = cast(AutoencoderTiny, average)
        target = halve(self.data.pictures(self.held_out[:128])) * 2 - 1
        latents = model.encoder(target)
        output = model.decoder(latents).clamp(-1, 1)
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


def reconstruction_loss(output: Tensor, target: Tensor) -> Tensor:
    """Mean absolute error at full, half and quarter size."""
    loss = F.l1_loss(output, target)
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
        average: an AutoencoderTiny.
        data: the scenes to measure on.
        out: the folder to replace.
    """
    model = cast(AutoencoderTiny, average)
    _, held_out = data.split()
    with torch.no_grad():
        latents = model.encoder(halve(data.pictures(held_out[:512])) * 2 - 1)
    model.register_to_config(scaling_factor=round(1 / float(latents.std()), 4))
    with replaced_folder(out) as folder:
        save_diffusers_half(model, folder)
