"""The generator's autoencoder: 96x96 pictures <-> 6x6 latents, a diffusers `AutoencoderKL`.

The latents are the codec's (codec.py). The decoder learns to draw them, sharper than the projection alone
could, and from less than it is given: a generator says well what each cell shows and less well how that
looks, so in training the components are blurred and noisy, and the decoder learns to trust the cells. Half
of the pictures it draws from what the planner tells of them, more or less, since that is what the UNet
makes. Beside pixels it is to match what CLIP's first layers see, as LPIPS has it (Zhang et al. 2018). The
encoder learns to read latents off a picture beside it, now and then: text-to-image does not need it, but
the format has one, and it should do what it says.

At three quarters of the world's pictures: a decoder for 128 pixels learns more slowly on a CPU, and what it
draws stays blurred. Whoever shows a picture enlarges it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from diffusers import AutoencoderKL
from open_clip import CustomTextCLIP
from open_clip.modified_resnet import ModifiedResNet
from torch import Tensor, nn
from torch.nn import functional as F

from syntic.emoji.cells import COVERAGE, GRID
from syntic.emoji.pretraining.clip import prepare
from syntic.emoji.pretraining.codec import PLACE_CHANNELS, LinearCodec, encode_scenes
from syntic.emoji.pretraining.data import EpochSampler, SceneData, save_sheet
from syntic.emoji.pretraining.export import replaced_folder, save_diffusers_half
from syntic.emoji.pretraining.loop import normalise_in_float32
from syntic.emoji.pretraining.planner import PlanReader


@dataclass(frozen=True, kw_only=True)
class AutoencoderSettings:
    """Sizes and weights of the loss.

    Attributes:
        channels: at 96, 48, 24, 12 and 6 px.
        noise: the largest deviation of the noise on the cells in training.
        component_noise: the same of the noise on the components.
        component_blur: how much they are blurred at most, 0..1.
        planned_share: how many pictures are drawn from a mixture with the planner's latents instead.
        gradient_weight: of the loss on the differences of neighbouring pixels.
        perception_weight: of the loss on what CLIP's first layers see.
        thing_weight: how much more a pixel inside a box counts than one outside.
        encode_every: steps between two updates of the encoder.
    """

    channels: tuple[int, ...] = (16, 24, 64, 128, 192)
    noise: float = 0.1
    component_noise: float = 0.2
    component_blur: float = 0.3
    planned_share: float = 0.5
    gradient_weight: float = 0.5
    perception_weight: float = 0.1
    thing_weight: float = 3.0
    encode_every: int = 16


def build_autoencoder(settings: AutoencoderSettings, latent_channels: int) -> AutoencoderKL:
    """Make an untrained autoencoder."""
    levels = len(settings.channels)
    return AutoencoderKL(
        block_out_channels=settings.channels,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        latent_channels=latent_channels,
        layers_per_block=1,
        norm_num_groups=8,
        mid_block_add_attention=False,
        use_quant_conv=False,
        use_post_quant_conv=False,
        scaling_factor=1.0,
    )


class AutoencoderTask:
    """Draw pictures from the codec's latents.

    Args:
        data: the scenes, of the kind that the generator learns from.
        codec: pictures to latents.
        settings: sizes and weights of the loss.
        batch_size: pictures per step.
        plans: tells latents from captions; None draws from true and disturbed ones alone.
        perception: CLIP's image side, whose first layers compare pictures; None compares pixels alone.
    """

    def __init__(
        self,
        data: SceneData,
        codec: LinearCodec,
        settings: AutoencoderSettings,
        batch_size: int,
        plans: PlanReader | None = None,
        perception: Perception | None = None,
    ) -> None:
        self.data = data
        self.codec = codec
        self.settings = settings
        self.plans = plans
        self.perception = perception
        train, self.held_out = data.split()
        self.sampler = EpochSampler(train, batch_size)
        self.batch_size = self.sampler.batch_size
        self.learning_rate_scales: dict[str, float] = {}
        model = build_autoencoder(settings, codec.channels)
        self.model: nn.Module = normalise_in_float32(model).to(memory_format=torch.channels_last)

    def loss(self, step: int, random: np.random.Generator) -> tuple[Tensor, dict[str, float]]:
        """Reconstruction at three scales and differences of neighbours; at times the encoder's error."""
        settings = self.settings
        model = cast(AutoencoderKL, self.model)
        indices = self.sampler.batch(step)
        target = self.data.pictures(indices) * 2 - 1  # (B, 3, 96, 96)
        latents = encode_scenes(self.codec, self.data, indices)  # (B, C, 6, 6)
        things = self.data.cells(indices)[:, COVERAGE].unsqueeze(1) > 0  # (B, 1, 6, 6)
        weights = 1 + settings.thing_weight * things
        weights = F.interpolate(weights / weights.mean(), scale_factor=target.shape[-1] / GRID)
        captions = [self.data.scenes[index].full_caption for index in indices]
        output = model.decoder(self._disturb(self._planned(latents, captions))).float()
        edges = gradient_loss(output, target)
        loss = reconstruction_loss(output, target, weights) + settings.gradient_weight * edges
        values = {}
        if self.perception is not None:
            seen = self.perception.distance(output, target)
            loss = loss + settings.perception_weight * seen
            values["seen"] = float(seen.detach())
        if step % settings.encode_every == 0:
            loss = loss + F.mse_loss(model.encoder(target)[:, : self.codec.channels], latents)
        mse = F.mse_loss(output.detach().clamp(-1, 1), target) / 4
        return loss, {"psnr": -10 * float(mse.log10()), "edges": float(edges.detach()), **values}

    def _planned(self, latents: Tensor, captions: list[str]) -> Tensor:
        """Latents (B, C, 6, 6), some of them moved toward what the planner tells of their captions."""
        if self.plans is None:
            return latents
        chosen = torch.rand(len(latents)) < self.settings.planned_share
        if not chosen.any():
            return latents
        told = self.plans.latents([captions[row] for row in chosen.nonzero().flatten().tolist()])
        mixed = latents.clone()
        own = latents[chosen, : told.shape[1]]
        mixed[chosen, : told.shape[1]] = torch.lerp(own, told, torch.rand(len(told), 1, 1, 1))
        return mixed

    def _disturb(self, latents: Tensor) -> Tensor:
        """What a generator might make of latents (B, C, 6, 6): each picture's are worse by another amount."""
        components = len(self.codec.encoder)
        amount = torch.rand(len(latents), 1, 1, 1)
        looks, cells = latents[:, :components], latents[:, components:]
        blurred = F.avg_pool2d(F.pad(looks, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
        looks = torch.lerp(looks, blurred, self.settings.component_blur * amount)
        looks = looks + self.settings.component_noise * amount * torch.randn_like(looks)
        return torch.cat([looks, cells + self.settings.noise * amount * torch.randn_like(cells)], dim=1)

    def report(self, average: nn.Module, folder: Path) -> dict[str, float]:
        """PSNR on held-out pictures, from true and from disturbed latents.

        `reconstructions.png` shows originals above what is drawn from disturbed latents.
        """
        model = cast(AutoencoderKL, average)
        pictures = self.data.pictures(self.held_out[:64])
        latents = encode_scenes(self.codec, self.data, self.held_out[:64])
        exact = model.decoder(latents).clamp(-1, 1) / 2 + 0.5
        with torch.random.fork_rng():
            torch.manual_seed(0)
            output = model.decoder(self._disturb(latents)).clamp(-1, 1) / 2 + 0.5
        linear = self.codec.decode(latents).clamp(0, 1)
        told: dict[str, float] = {}
        if self.plans is not None:
            captions = [self.data.scenes[index].full_caption for index in self.held_out[:64]]
            planned = torch.cat([self.plans.latents(captions), latents[:, -PLACE_CHANNELS:]], dim=1)
            drawn = model.decoder(planned).clamp(-1, 1) / 2 + 0.5
            save_sheet(folder / "from_captions.png", drawn[:32], columns=8, captions=captions[:32])
            told["planned_psnr"] = _psnr(drawn, pictures)
        rows = [
            p
            for row in range(0, min(32, len(pictures)), 8)
            for p in (pictures[row : row + 8], output[row : row + 8])
        ]
        save_sheet(folder / "reconstructions.png", torch.cat(rows), columns=8)
        encoded = model.encoder(pictures * 2 - 1)[:, : self.codec.channels]
        return {
            "held_out_psnr": _psnr(exact, pictures),
            "disturbed_psnr": _psnr(output, pictures),
            "linear_psnr": _psnr(linear, pictures),
            "encoder_error": float(F.mse_loss(encoded, latents)),
            **told,
        }


class Perception:
    """What CLIP's first layers see of a picture; stays as it is.

    Args:
        clip: the emoji world's own, with a modified ResNet.
    """

    def __init__(self, clip: CustomTextCLIP) -> None:
        self.visual = cast(ModifiedResNet, clip.visual).float().eval().requires_grad_(False)
        self.size_px = int(cast(int, self.visual.image_size))

    def distance(self, drawn: Tensor, target: Tensor) -> Tensor:
        """Mean absolute difference in the stem and the first two stages, each over what the target has there.

        Args:
            drawn, target: (B, 3, H, W) in -1..1.
        """
        with torch.no_grad():
            wanted = self._layers(target)
        seen = self._layers(drawn)
        parts = [(a - b).abs().mean() / b.abs().mean() for a, b in zip(seen, wanted, strict=True)]
        return torch.stack([part.float() for part in parts]).mean()

    def _layers(self, pictures: Tensor) -> list[Tensor]:
        stem = self.visual.stem(prepare(pictures / 2 + 0.5, self.size_px))
        first = self.visual.layer1(stem)
        return [stem, first, self.visual.layer2(first)]


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


def _psnr(output: Tensor, target: Tensor) -> float:
    return float(-10 * F.mse_loss(output, target, reduction="none").mean((1, 2, 3)).log10().mean())


def export_autoencoder(average: nn.Module, out: Path) -> None:
    """Save the averaged autoencoder in half precision.

    Args:
        average: an AutoencoderKL.
        out: the folder to replace.
    """
    model = cast(AutoencoderKL, average)
    last = model.encoder.conv_out
    channels = model.config["latent_channels"]
    with torch.no_grad():
        last.weight[channels:] = 0
        last.bias[channels:] = -20.0  # log variance: samples equal the means
    with replaced_folder(out) as folder:
        save_diffusers_half(model, folder)
