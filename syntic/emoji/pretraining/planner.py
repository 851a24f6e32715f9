"""The generator's text encoder: it reads a caption and plans the picture, cell by cell.

A `CLIPTextModel` with more positions than a caption has tokens: the last 36 see only padding, and each
stands for one cell of the grid. Attention is causal, so a cell's token sees the whole caption and the cells
before it. In training a linear head reads each cell's latents off its token. Learning the layout and the
looks this way, without noise and without a UNet, takes a fraction of the samples: the UNet, which attends
to the tokens, only has to make one picture of the plan. Tidy scenes follow from their full captions, so
there is little to average.

`StableDiffusionPipeline` pads a caption to the tokenizer's full length, so it loads and runs this model
like any other text encoder.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPTextConfig, CLIPTextModel, PreTrainedTokenizerFast

from syntic.emoji.cells import CODE_SIZE, COVERAGE, GRID
from syntic.emoji.pretraining.codec import PLACE_CHANNELS, LinearCodec, encode_scenes
from syntic.emoji.pretraining.data import EpochSampler, SceneData, save_sheet
from syntic.emoji.pretraining.export import replaced_folder, save_transformers_half
from syntic.emoji.pretraining.tokenizer import CONTEXT_LENGTH

CELLS = GRID * GRID
PLAN_LENGTH = CONTEXT_LENGTH + CELLS  # what a caption is padded to
MEASURED_SCENES = 512
SHEET_SIZE = 24


@dataclass(frozen=True, kw_only=True)
class PlannerSettings:
    """Sizes and the loss.

    Attributes:
        width, layers, heads: of the transformer.
        full_caption_share: how often a picture comes with the caption that says everything. drop_caption:
        how often the caption is left out, for classifier-free guidance. overflow_share: how often words
        follow that do not fit: what a caption says after `CONTEXT_LENGTH` tokens
            lands on the cells' positions, and the plan shall not suffer from it.
        thing_weight: how much more a cell with a thing counts in the loss than backdrop.
    """

    width: int = 256
    layers: int = 6
    heads: int = 4
    full_caption_share: float = 0.75
    drop_caption: float = 0.02
    overflow_share: float = 0.03
    thing_weight: float = 3.0


class Planner(nn.Module):
    """The text encoder, and the head that only training needs.

    Args:
        settings: sizes.
        vocabulary_size: of the tokenizer.
        latent_channels: C, of the codec.
    """

    def __init__(self, settings: PlannerSettings, vocabulary_size: int, latent_channels: int) -> None:
        super().__init__()
        self.text_encoder = CLIPTextModel(
            CLIPTextConfig(
                vocab_size=vocabulary_size,
                hidden_size=settings.width,
                intermediate_size=4 * settings.width,
                num_hidden_layers=settings.layers,
                num_attention_heads=settings.heads,
                max_position_embeddings=PLAN_LENGTH,
                hidden_act="gelu",
                pad_token_id=0,
                bos_token_id=2,
                eos_token_id=vocabulary_size - 1,
            )
        )
        self.head = nn.Linear(settings.width, latent_channels - PLACE_CHANNELS)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, L) token ids to latents (B, C - 2, 6, 6), all but the places."""
        hidden = self.text_encoder(tokens).last_hidden_state[:, -CELLS:]  # (B, 36, W)
        return cast(Tensor, self.head(hidden).transpose(1, 2).unflatten(2, (GRID, GRID)))


def draw_caption(captions: list[str], settings: PlannerSettings, random: np.random.Generator) -> str:
    """One caption of a picture to learn from, the first of which says everything; at times none."""
    if random.random() < settings.drop_caption:
        return ""
    if random.random() < settings.full_caption_share:
        return captions[0]
    return captions[random.integers(len(captions))]


def plan_tokens(tokenizer: PreTrainedTokenizerFast, captions: list[str]) -> Tensor:
    """(B, L) token ids, padded as `StableDiffusionPipeline` does."""
    encoded = tokenizer(
        captions, padding="max_length", truncation=True, max_length=PLAN_LENGTH, return_tensors="pt"
    )
    return cast(Tensor, encoded.input_ids)


class PlannerTask:
    """Tell from a caption what every cell of its picture shows.

    Args:
        data: tidy scenes.
        codec: pictures to latents.
        tokenizer: of the emoji world.
        settings: sizes and the loss.
        batch_size: captions per step.
    """

    def __init__(
        self,
        data: SceneData,
        codec: LinearCodec,
        tokenizer: PreTrainedTokenizerFast,
        settings: PlannerSettings,
        batch_size: int,
    ) -> None:
        self.data = data
        self.codec = codec
        self.tokenizer = tokenizer
        self.settings = settings
        train, self.held_out = data.split()
        self.sampler = EpochSampler(train, batch_size)
        self.batch_size = self.sampler.batch_size
        self.learning_rate_scales: dict[str, float] = {}
        self.model: nn.Module = Planner(settings, len(tokenizer), codec.channels)

    def loss(self, step: int, random: np.random.Generator) -> tuple[Tensor, dict[str, float]]:
        """Squared error of every cell's latents; things count more."""
        indices = self.sampler.batch(step)
        captions = [draw_caption(self.data.scenes[i].captions, self.settings, random) for i in indices]
        tokens = plan_tokens(self.tokenizer, captions)
        overflows = torch.from_numpy(random.random(len(tokens)) < self.settings.overflow_share)
        tokens[overflows, CONTEXT_LENGTH:] = tokens.roll(1, 0)[overflows, 1 : 1 + CELLS]
        clean = self._latents(indices)  # (B, C - 2, 6, 6)
        errors = (self.model(tokens) - clean).square()
        weights = 1 + self.settings.thing_weight * (self._coverage(clean) > 0)
        return (errors * weights).mean() / weights.mean(), {"plain": float(errors.detach().mean())}

    def _latents(self, indices: np.ndarray) -> Tensor:
        return encode_scenes(self.codec, self.data, indices)[:, :-PLACE_CHANNELS]

    def _coverage(self, latents: Tensor) -> Tensor:
        return latents[:, len(self.codec.encoder) + COVERAGE].unsqueeze(1)  # (B, 1, 6, 6)

    def report(self, average: nn.Module, folder: Path) -> dict[str, float]:
        """How much of held-out pictures their full captions tell; `plans.png` shows what the codec makes of
        it.

        Returns:
            thing_codes_told: share of the cells with a thing whose code is nearest to the right one;
            codes_variance_told, geometry_told, looks_told: share of the variance there, of the codes, of
            where and how large, and of the components.
        """
        indices = self.held_out[:MEASURED_SCENES]
        captions = [self.data.scenes[index].full_caption for index in indices]
        told = torch.cat(
            [average(plan_tokens(self.tokenizer, captions[i : i + 64])) for i in range(0, len(captions), 64)]
        )
        clean = self._latents(indices)
        components = len(self.codec.encoder)
        is_thing = self._coverage(clean).squeeze(1) > 0  # (B, 6, 6)
        truth, guess = (x.permute(0, 2, 3, 1)[is_thing] for x in (clean, told))  # (T, C - 2)
        codes = truth[:, components : components + CODE_SIZE]
        guessed = guess[:, components : components + CODE_SIZE]
        known, numbers = codes.round(decimals=3).unique(dim=0, return_inverse=True)
        nearest = (F.normalize(guessed, dim=1) @ known.T).argmax(1)
        missed = (truth - guess).square().sum(0)
        spread = (truth - truth.mean(0)).square().sum(0)
        pictures = self.codec.decode(told[:SHEET_SIZE])
        save_sheet(folder / "plans.png", pictures, columns=8, captions=captions[:SHEET_SIZE])

        def told_of(channels: slice) -> float:
            return 1 - float(missed[channels].sum() / spread[channels].sum())

        return {
            "thing_codes_told": float((nearest == numbers).float().mean()),
            "codes_variance_told": told_of(slice(components, components + CODE_SIZE)),
            "geometry_told": told_of(slice(components + CODE_SIZE, None)),
            "looks_told": told_of(slice(components)),
            "held_out_error": float((told - clean).square().mean()),
        }


@dataclass(frozen=True)
class PlanReader:
    """Reads latents off a trained planner's tokens, with the best linear head there is.

    Attributes:
        text_encoder: the planner.
        tokenizer: that pads captions for it.
        weights: (W + 1, C - 2), the last row added to every cell.
    """

    text_encoder: CLIPTextModel
    tokenizer: PreTrainedTokenizerFast
    weights: Tensor

    @classmethod
    @torch.no_grad()
    def fit(
        cls,
        text_encoder: CLIPTextModel,
        tokenizer: PreTrainedTokenizerFast,
        data: SceneData,
        codec: LinearCodec,
        scenes: int = 1500,
    ) -> PlanReader:
        """Least squares over the cells of some training scenes and their full captions.

        The planner is saved without the head it was trained with, which only measuring and the decoder need.
        """
        text_encoder = text_encoder.float().eval().requires_grad_(False)
        chosen = data.split()[0][:scenes]
        tokens, cells = [], []
        for part in np.array_split(chosen, max(1, len(chosen) // 50)):
            captions = [data.scenes[index].full_caption for index in part]
            hidden = text_encoder(plan_tokens(tokenizer, captions)).last_hidden_state[:, -CELLS:]
            tokens.append(hidden.flatten(0, 1))  # (B * 36, W)
            latents = encode_scenes(codec, data, part)[:, :-PLACE_CHANNELS]
            cells.append(latents.flatten(2).transpose(1, 2).flatten(0, 1))  # (B * 36, C - 2)
        seen = F.pad(torch.cat(tokens), (0, 1), value=1.0)
        return cls(text_encoder, tokenizer, torch.linalg.lstsq(seen, torch.cat(cells)).solution)

    @torch.no_grad()
    def latents(self, captions: list[str]) -> Tensor:
        """(B, C - 2, 6, 6) that the captions tell, all but the places."""
        hidden = self.text_encoder(plan_tokens(self.tokenizer, captions)).last_hidden_state[:, -CELLS:]
        told = F.pad(hidden, (0, 1), value=1.0) @ self.weights  # (B, 36, C - 2)
        return cast(Tensor, told.float().transpose(1, 2).unflatten(2, (GRID, GRID)))


def export_planner(average: nn.Module, tokenizer: PreTrainedTokenizerFast, out: Path) -> None:
    """Save the averaged text encoder with its tokenizer, whose texts are padded to `PLAN_LENGTH`.

    Args:
        average: a Planner.
        tokenizer: of the emoji world.
        out: the folder to replace; the encoder goes to text_encoder/, the tokenizer to tokenizer/.
    """
    longer = deepcopy(tokenizer)
    longer.model_max_length = PLAN_LENGTH
    with replaced_folder(out) as folder:
        save_transformers_half(cast(Planner, average).text_encoder, folder / "text_encoder")
        longer.save_pretrained(folder / "tokenizer")


def load_planner(folder: Path) -> tuple[CLIPTextModel, PreTrainedTokenizerFast]:
    """Read what `export_planner` wrote."""
    tokenizer: PreTrainedTokenizerFast = PreTrainedTokenizerFast.from_pretrained(folder / "tokenizer")
    return CLIPTextModel.from_pretrained(folder / "text_encoder"), tokenizer
