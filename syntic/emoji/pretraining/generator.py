"""The emoji world's text-to-image model: latent flow matching in a `StableDiffusionPipeline`.

A small UNet works on the codec's 8x8 latents. It learns the straight path from noise to latents (flow
matching; Lipman et al. 2023, with the logit-normal noise levels of Esser et al. 2024), which diffusers'
`DPMSolverMultistepScheduler` follows in 20 steps as `flow_prediction`. The text encoder starts as the text
tower of the emoji CLIP and learns on.

Time is short on one core. So the latents say what a cell shows as well as how it looks (codec.py); the loss
counts cells that hold a thing more than the backdrop, which is learned in minutes; and the model learns from
tidy scenes (rendering.py), where things stand in few places, in few sizes, looking one way.
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
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPTextConfig, CLIPTextModel, PreTrainedTokenizerFast

from syntic.emoji.cells import COVERAGE, GRID
from syntic.emoji.pretraining.codec import LinearCodec, encode_scenes
from syntic.emoji.pretraining.data import EpochSampler, SceneData, save_sheet
from syntic.emoji.pretraining.export import MAX_SHARD_SIZE, replaced_folder
from syntic.emoji.pretraining.tokenizer import CONTEXT_LENGTH

NOISE_LEVELS = 1000
STEPS, GUIDANCE_SCALE = 20, 3.0
SHEET_SIZE = 24


@dataclass(frozen=True, kw_only=True)
class GeneratorSettings:
    """Sizes and the loss.

    Attributes:
        channels: of the UNet at 8x8 and 4x4.
        layers_per_block: residual blocks per level.
        attends_at_8: whether the 8x8 level attends to the text too, or only the 4x4 level.
        heads: of every attention.
        drop_caption: how often the caption is left out, for classifier-free guidance.
        full_caption_share: how often a picture comes with the caption that says everything.
        thing_weight: how much more a cell with a thing counts in the loss than backdrop.
        text_learning_rate_scale: on the text encoder, which is trained already.
    """

    channels: tuple[int, int] = (160, 256)
    layers_per_block: int = 1
    attends_at_8: bool = False
    heads: int = 4
    drop_caption: float = 0.1
    full_caption_share: float = 0.7
    thing_weight: float = 2.0
    text_learning_rate_scale: float = 0.3


class GeneratorParts(nn.Module):
    """What is trained: the UNet and the text encoder.

    Args:
        unet: predicts noise minus latents.
        text_encoder: captions to token features.
    """

    def __init__(self, unet: UNet2DConditionModel, text_encoder: CLIPTextModel) -> None:
        super().__init__()
        self.unet = unet
        self.text_encoder = text_encoder


def build_unet(settings: GeneratorSettings, latent_channels: int, text_width: int) -> UNet2DConditionModel:
    """Make an untrained UNet."""
    outer = "CrossAttn" if settings.attends_at_8 else ""
    return UNet2DConditionModel(
        sample_size=GRID,
        in_channels=latent_channels,
        out_channels=latent_channels,
        block_out_channels=settings.channels,
        layers_per_block=settings.layers_per_block,
        down_block_types=(f"{outer}DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", f"{outer}UpBlock2D"),
        cross_attention_dim=text_width,
        attention_head_dim=settings.heads,  # diffusers reads this as the number of heads
        norm_num_groups=16,
        resnet_time_scale_shift="scale_shift",
    )


def text_encoder_from_clip(folder: Path) -> CLIPTextModel:
    """The text tower of an open_clip model as a transformers model.

    Args:
        folder: with open_clip_config.json and open_clip_model.safetensors.

    Returns:
        The same transformer; its token features are those before CLIP's text projection.
    """
    sizes = json.loads((folder / "open_clip_config.json").read_text(encoding="utf-8"))["model_cfg"][
        "text_cfg"
    ]
    weights = load_file(folder / "open_clip_model.safetensors")
    text = {name.removeprefix("text."): w.float() for name, w in weights.items() if name.startswith("text.")}
    model = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=sizes["vocab_size"],
            hidden_size=sizes["width"],
            intermediate_size=4 * sizes["width"],
            num_hidden_layers=sizes["layers"],
            num_attention_heads=sizes["heads"],
            max_position_embeddings=sizes["context_length"],
            hidden_act="gelu",
            pad_token_id=0,
            bos_token_id=2,
            eos_token_id=sizes["vocab_size"] - 1,
        )
    )
    model.load_state_dict(_rename_text_weights(text, sizes["layers"]))
    return model


def _rename_text_weights(text: dict[str, Tensor], layers: int) -> dict[str, Tensor]:
    """From open_clip's names to transformers'; open_clip keeps query, key and value in one matrix."""
    renamed = {
        "embeddings.token_embedding.weight": text["token_embedding.weight"],
        "embeddings.position_embedding.weight": text["positional_embedding"],
    }
    for kind in ("weight", "bias"):
        renamed[f"final_layer_norm.{kind}"] = text[f"ln_final.{kind}"]
    for layer in range(layers):
        old, new = f"transformer.resblocks.{layer}", f"encoder.layers.{layer}"
        for kind in ("weight", "bias"):
            parts = text[f"{old}.attn.in_proj_{kind}"].chunk(3)
            for name, part in zip(("q_proj", "k_proj", "v_proj"), parts, strict=True):
                renamed[f"{new}.self_attn.{name}.{kind}"] = part.clone()
            renamed[f"{new}.self_attn.out_proj.{kind}"] = text[f"{old}.attn.out_proj.{kind}"]
            renamed[f"{new}.layer_norm1.{kind}"] = text[f"{old}.ln_1.{kind}"]
            renamed[f"{new}.layer_norm2.{kind}"] = text[f"{old}.ln_2.{kind}"]
            renamed[f"{new}.mlp.fc1.{kind}"] = text[f"{old}.mlp.c_fc.{kind}"]
            renamed[f"{new}.mlp.fc2.{kind}"] = text[f"{old}.mlp.c_proj.{kind}"]
    return renamed


class GeneratorTask:
    """Predict the direction from latents to noise.

    Args:
        data: the scenes.
        styles: sprite sets to train and to measure on.
        codec: pictures to latents.
        tokenizer: of the emoji world.
        text_encoder: where the text encoder starts.
        settings: sizes and the loss.
        batch_size: latents per step.
    """

    def __init__(
        self,
        data: SceneData,
        styles: list[str],
        codec: LinearCodec,
        tokenizer: PreTrainedTokenizerFast,
        text_encoder: CLIPTextModel,
        settings: GeneratorSettings,
        batch_size: int,
    ) -> None:
        self.data = data
        self.codec = codec
        self.tokenizer = tokenizer
        self.settings = settings
        train, self.held_out = data.split(styles)
        self.sampler = EpochSampler(train, batch_size)
        self.batch_size = self.sampler.batch_size
        self.learning_rate_scales = {"text_encoder": settings.text_learning_rate_scale}
        unet = build_unet(settings, codec.channels, text_encoder.config.hidden_size)
        self.model: nn.Module = GeneratorParts(unet.to(memory_format=torch.channels_last), text_encoder)

    def loss(self, step: int, random: np.random.Generator) -> tuple[Tensor, dict[str, float]]:
        """Flow matching with logit-normal noise levels; things count more."""
        indices = self.sampler.batch(step)
        clean = encode_scenes(self.codec, self.data, indices)  # (B, C, 8, 8)
        things = self.data.cells(indices)[:, COVERAGE].unsqueeze(1) > 0  # (B, 1, 8, 8)
        captions = [self._draw_caption(index, random) for index in indices]
        sigma = torch.sigmoid(torch.randn(len(indices)))
        errors = self._squared_errors(cast(GeneratorParts, self.model), clean, captions, sigma)
        weights = 1 + self.settings.thing_weight * things
        loss = (errors * weights).mean() / weights.mean()
        return loss, {"plain": float(errors.detach().mean())}

    def _draw_caption(self, index: int, random: np.random.Generator) -> str:
        scene = self.data.scenes[index]
        if random.random() < self.settings.drop_caption:
            return ""
        if random.random() < self.settings.full_caption_share:
            return scene.full_caption
        return scene.captions[random.integers(len(scene.captions))]

    def _squared_errors(
        self, parts: GeneratorParts, clean: Tensor, captions: list[str], sigma: Tensor
    ) -> Tensor:
        """(B, C, 8, 8) squared errors at noise levels sigma (B,) in 0..1."""
        noise = torch.randn_like(clean)
        level = sigma.view(-1, 1, 1, 1)
        noisy = (1 - level) * clean + level * noise
        tokens = self.tokenizer(
            captions, padding="max_length", truncation=True, max_length=CONTEXT_LENGTH, return_tensors="pt"
        ).input_ids
        text = parts.text_encoder(tokens).last_hidden_state  # (B, L, W)
        predicted = parts.unet(noisy, sigma * NOISE_LEVELS, text).sample
        return cast(Tensor, (predicted - (noise - clean)).square())

    def report(self, average: nn.Module, folder: Path) -> dict[str, float]:
        """The loss on held-out scenes at fixed noise, and a sheet of samples for held-out captions."""
        parts = cast(GeneratorParts, average)
        indices = self.held_out[:192]
        captions = [self.data.scenes[index].full_caption for index in indices]
        with torch.random.fork_rng():
            torch.manual_seed(0)
            losses = []
            for first in range(0, len(indices), 32):
                part = slice(first, first + 32)
                clean = encode_scenes(self.codec, self.data, indices[part])
                sigma = torch.linspace(0.02, 0.98, len(clean))
                losses.append(self._squared_errors(parts, clean, captions[part], sigma).mean((1, 2, 3)))
        prompts = captions[:SHEET_SIZE]
        pictures = self.codec.decode(sample_latents(self.pipeline(parts), prompts))
        save_sheet(
            folder / "samples.png", F.interpolate(pictures, scale_factor=2.0), columns=8, captions=prompts
        )
        return {"held_out_loss": float(torch.cat(losses).mean())}

    def pipeline(
        self, parts: GeneratorParts, autoencoder: AutoencoderKL | None = None
    ) -> StableDiffusionPipeline:
        """The pipeline of these parts, in memory; without an autoencoder it ends at the latents."""
        pipeline = StableDiffusionPipeline(
            vae=autoencoder,
            text_encoder=parts.text_encoder,
            tokenizer=self.tokenizer,
            unet=parts.unet,
            scheduler=build_scheduler(),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
        pipeline.set_progress_bar_config(disable=True)
        return pipeline


def build_scheduler() -> DPMSolverMultistepScheduler:
    """The solver of the learned flow: second order, from pure noise to none in equal steps."""
    return DPMSolverMultistepScheduler(
        num_train_timesteps=NOISE_LEVELS,
        prediction_type="flow_prediction",
        use_flow_sigmas=True,
        flow_shift=1.0,
        steps_offset=1,  # plays no part in a flow; the pipeline warns of any other value
    )


def sample_latents(pipeline: StableDiffusionPipeline, prompts: list[str], seed: int = 0) -> Tensor:
    """(B, C, 8, 8) latents, picture i from seed + i."""
    generators = [torch.Generator().manual_seed(seed + i) for i in range(len(prompts))]
    result = pipeline(
        prompts,
        num_inference_steps=STEPS,
        guidance_scale=GUIDANCE_SCALE,
        generator=generators,
        output_type="latent",
    )
    return cast(Tensor, result.images)


def export_generator(task: GeneratorTask, average: nn.Module, autoencoder: AutoencoderKL, out: Path) -> None:
    """Save the averaged model as a pipeline folder, weights in half precision.

    Args:
        task: with the tokenizer.
        average: GeneratorParts.
        autoencoder: of these latents.
        out: the folder to replace.
    """
    pipeline = task.pipeline(deepcopy(cast(GeneratorParts, average)), autoencoder)
    for part in (pipeline.unet, pipeline.vae, pipeline.text_encoder):
        part.to(torch.float16)
    with replaced_folder(out) as folder:
        pipeline.save_pretrained(folder, max_shard_size=MAX_SHARD_SIZE)
        path = folder / "text_encoder" / "config.json"
        config = json.loads(path.read_text(encoding="utf-8")) | {"dtype": "float32"}
        path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
