"""The emoji world's text-to-image model: latent flow matching in a `StableDiffusionPipeline`.

A small UNet works on the codec's 6x6 latents. It learns the straight path from noise to latents (flow
matching; Lipman et al. 2023, with the logit-normal noise levels of Esser et al. 2024), which diffusers'
`DPMSolverMultistepScheduler` follows. The text encoder has planned the picture already (planner.py), cell by
cell, and stays as it is; the UNet attends to the plan.

Time is short on one core. So the latents say what a cell shows as well as how it looks (codec.py); the loss
counts cells that hold a thing more than the backdrop, which is learned in minutes; and the model learns from
tidy scenes (tidy.py). It predicts the clean latents, and noise levels are shifted to the high ones: what a
picture shows is settled there, since latents say the same in many channels and cells.
"""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from diffusers import (
    AutoencoderKL,
    DPMSolverMultistepScheduler,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from torch import Tensor, nn
from transformers import CLIPTextModel, PreTrainedTokenizerFast

from syntic.emoji.cells import COVERAGE, GRID
from syntic.emoji.pretraining.codec import LinearCodec, encode_scenes
from syntic.emoji.pretraining.data import EpochSampler, SceneData, save_sheet
from syntic.emoji.pretraining.export import MAX_SHARD_SIZE, replaced_folder
from syntic.emoji.pretraining.loop import normalise_in_float32
from syntic.emoji.pretraining.planner import PlannerSettings, draw_caption, plan_tokens

NOISE_LEVELS = 1000
STEPS = 5
SHEET_SIZE = 24


@dataclass(frozen=True, kw_only=True)
class GeneratorSettings:
    """Sizes and the loss.

    Attributes:
        channels: of the UNet, which has one level.
        layers_per_block: residual blocks, each with a transformer block.
        heads: of every attention.
        noise_shift: how far noise levels lean to the high ones, in training and in the solver.
        thing_weight: how much more a cell with a thing counts in the loss than backdrop.
        captions: how they are drawn.
    """

    channels: int = 160
    layers_per_block: int = 1
    heads: int = 5
    noise_shift: float = 4.0
    thing_weight: float = 3.0
    captions: PlannerSettings = PlannerSettings(drop_caption=0.05)


def build_unet(settings: GeneratorSettings, latent_channels: int, text_width: int) -> UNet2DConditionModel:
    """Make an untrained UNet."""
    return UNet2DConditionModel(
        sample_size=GRID,
        in_channels=latent_channels,
        out_channels=latent_channels,
        block_out_channels=(settings.channels,),
        layers_per_block=settings.layers_per_block,
        down_block_types=("CrossAttnDownBlock2D",),
        up_block_types=("CrossAttnUpBlock2D",),
        cross_attention_dim=text_width,
        attention_head_dim=settings.heads,  # diffusers reads this as the number of heads
        norm_num_groups=16,
        resnet_time_scale_shift="scale_shift",
    )


class GeneratorTask:
    """Predict clean latents from noisy ones and a plan.

    Args:
        data: tidy scenes.
        codec: pictures to latents.
        tokenizer: that pads captions for the planner.
        text_encoder: the planner, which stays as it is.
        settings: sizes and the loss.
        batch_size: latents per step.
    """

    def __init__(
        self,
        data: SceneData,
        codec: LinearCodec,
        tokenizer: PreTrainedTokenizerFast,
        text_encoder: CLIPTextModel,
        settings: GeneratorSettings,
        batch_size: int,
    ) -> None:
        self.data = data
        self.codec = codec
        self.tokenizer = tokenizer
        self.text_encoder = text_encoder.float().eval().requires_grad_(False)
        self.settings = settings
        train, self.held_out = data.split()
        self.sampler = EpochSampler(train, batch_size)
        self.batch_size = self.sampler.batch_size
        self.learning_rate_scales: dict[str, float] = {}
        unet = build_unet(settings, codec.channels, text_encoder.config.hidden_size)
        self.model: nn.Module = normalise_in_float32(unet).to(memory_format=torch.channels_last)

    def loss(self, step: int, random: np.random.Generator) -> tuple[Tensor, dict[str, float]]:
        """Squared error of the clean latents at logit-normal noise levels; things count more."""
        indices = self.sampler.batch(step)
        clean = encode_scenes(self.codec, self.data, indices)  # (B, C, 6, 6)
        things = self.data.cells(indices)[:, COVERAGE].unsqueeze(1) > 0  # (B, 1, 6, 6)
        captions = [
            draw_caption(self.data.scenes[i].captions, self.settings.captions, random) for i in indices
        ]
        sigma = self._shifted(torch.sigmoid(torch.randn(len(indices))))
        unet = cast(UNet2DConditionModel, self.model)
        errors = self._squared_errors(unet, clean, captions, sigma)
        weights = 1 + self.settings.thing_weight * things
        loss = (errors * weights).mean() / weights.mean()
        return loss, {"plain": float(errors.detach().mean())}

    def _shifted(self, sigma: Tensor) -> Tensor:
        shift = self.settings.noise_shift
        return shift * sigma / (1 + (shift - 1) * sigma)

    def predict(
        self, unet: UNet2DConditionModel, noisy: Tensor, captions: list[str], sigma: Tensor
    ) -> Tensor:
        """What the UNet makes of noisy latents (B, C, 6, 6) at noise levels (B,) in 0..1: clean ones."""
        with torch.no_grad():
            text = self.text_encoder(plan_tokens(self.tokenizer, captions)).last_hidden_state  # (B, L, W)
        return cast(Tensor, unet(noisy, sigma * NOISE_LEVELS, text).sample)

    def _squared_errors(
        self, unet: UNet2DConditionModel, clean: Tensor, captions: list[str], sigma: Tensor
    ) -> Tensor:
        """(B, C, 6, 6) at noise levels sigma (B,) in 0..1."""
        level = sigma.view(-1, 1, 1, 1)
        noisy = (1 - level) * clean + level * torch.randn_like(clean)
        return (self.predict(unet, noisy, captions, sigma) - clean).square()

    def report(self, average: nn.Module, folder: Path) -> dict[str, float]:
        """The loss on held-out scenes at fixed noise, and a sheet of samples for held-out captions."""
        unet = cast(UNet2DConditionModel, average)
        indices = self.held_out[:192]
        captions = [self.data.scenes[index].full_caption for index in indices]
        with torch.random.fork_rng():
            torch.manual_seed(0)
            losses = []
            for first in range(0, len(indices), 32):
                part = slice(first, first + 32)
                clean = encode_scenes(self.codec, self.data, indices[part])
                sigma = torch.linspace(0.02, 0.98, len(clean))
                losses.append(self._squared_errors(unet, clean, captions[part], sigma).mean((1, 2, 3)))
        prompts = captions[:SHEET_SIZE]
        latents = sample_latents(self.pipeline(unet), prompts)
        save_sheet(folder / "samples.png", self.codec.decode(latents), columns=8, captions=prompts)
        return {"held_out_loss": float(torch.cat(losses).mean())}

    def pipeline(
        self, unet: UNet2DConditionModel, autoencoder: AutoencoderKL | None = None
    ) -> StableDiffusionPipeline:
        """The pipeline of these parts, in memory; without an autoencoder it ends at the latents."""
        pipeline = StableDiffusionPipeline(
            vae=autoencoder,
            text_encoder=self.text_encoder,
            tokenizer=self.tokenizer,
            unet=unet,
            scheduler=build_scheduler(self.settings.noise_shift),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
        pipeline.set_progress_bar_config(disable=True)
        return pipeline


def build_scheduler(noise_shift: float) -> DPMSolverMultistepScheduler:
    """The solver of the learned flow: second order, from pure noise to none."""
    return DPMSolverMultistepScheduler(
        num_train_timesteps=NOISE_LEVELS,
        prediction_type="sample",
        use_flow_sigmas=True,
        flow_shift=noise_shift,
        steps_offset=1,  # plays no part in a flow; the pipeline warns of any other value
    )


def sample_latents(pipeline: StableDiffusionPipeline, prompts: list[str], seed: int = 0) -> Tensor:
    """(B, C, 6, 6) latents, picture i from seed + i."""
    generators = [torch.Generator().manual_seed(seed + i) for i in range(len(prompts))]
    result = pipeline(
        prompts,
        num_inference_steps=STEPS,
        guidance_scale=1.0,
        generator=generators,
        output_type="latent",
    )
    return cast(Tensor, result.images)


def export_generator(task: GeneratorTask, average: nn.Module, autoencoder: AutoencoderKL, out: Path) -> None:
    """Save the averaged model as a pipeline folder, weights in half precision.

    Args:
        task: with the tokenizer and the text encoder.
        average: a UNet2DConditionModel.
        autoencoder: of these latents.
        out: the folder to replace.
    """
    unet = cast(UNet2DConditionModel, average)
    pipeline = task.pipeline(deepcopy(unet), deepcopy(autoencoder))
    pipeline.text_encoder = deepcopy(task.text_encoder)
    for part in (pipeline.unet, pipeline.vae, pipeline.text_encoder):
        part.to(torch.float16)
    with replaced_folder(out) as folder:
        pipeline.save_pretrained(folder, max_shard_size=MAX_SHARD_SIZE)
        path = folder / "text_encoder" / "config.json"
        config = json.loads(path.read_text(encoding="utf-8")) | {"dtype": "float32"}
        path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
