"""The emoji world's CLIP: an open_clip model of its own, a small copy of CLIP's ResNet variant.

The folder it is saved to (configuration, weights, tokenizer) loads with
`open_clip.create_model_and_transforms("local-dir:FOLDER")`."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import open_clip
import torch
from open_clip import CustomTextCLIP
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedTokenizerFast

from syntic.emoji.catalogue import LABELS, PROMPTS
from syntic.emoji.pretraining.data import EpochSampler, SceneData
from syntic.emoji.pretraining.export import replaced_folder
from syntic.emoji.pretraining.tokenizer import CONTEXT_LENGTH, TOKENIZER_FILES
from syntic.models.encoder import encode_tokens

MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
WEIGHTS = "open_clip_model.safetensors"
_PROMPTED = {prompt.format(label): label for label in LABELS for prompt in PROMPTS}
LARGEST_LOGIT_SCALE = 100.0  # CLIP's own limit (Radford et al. 2021, section 2.5)


@dataclass(frozen=True, kw_only=True)
class ClipSettings:
    """Sizes and augmentation.

    Attributes:
        image_size_px: what pictures are scaled to.
        embedding_width: D, of the shared space.
        vision_layers: bottleneck blocks per stage of CLIP's modified ResNet, which ends in attention pooling.
        vision_width: channels of its first stage, times 4; twice as many in each next stage.
        text_width, text_layers, text_heads: of the text transformer.
        smallest_crop: side of the random crop as a part of the picture.
        jitter: largest change of brightness and of contrast.
        full_caption_share: how often a picture comes with the caption that says everything.
        prompt_share: how often it comes with no more than the name of one thing in it, as many pictures of
            the web do; else a text without a place is no text that the model knows.
        logit_scale: fixed from the first step; None learns it from 1 / 0.07, as CLIP does, to end at 100.
            A low scale at first pulls pictures and texts together, and little is left of the modality gap
            that CLIP's long training keeps (Liang et al. 2022, section 4).
    """

    image_size_px: int = 96
    embedding_width: int = 256
    vision_layers: tuple[int, ...] = (1, 1, 1, 1)
    vision_width: int = 24
    text_width: int = 192
    text_layers: int = 3
    text_heads: int = 4
    smallest_crop: float = 0.85
    jitter: float = 0.15
    full_caption_share: float = 0.3
    prompt_share: float = 0.3
    logit_scale: float | None = LARGEST_LOGIT_SCALE


def model_configuration(settings: ClipSettings, vocabulary_size: int) -> dict[str, Any]:
    """The `model_cfg` of open_clip_config.json."""
    return {
        "embed_dim": settings.embedding_width,
        "custom_text": True,
        "vision_cfg": {
            "layers": list(settings.vision_layers),
            "width": settings.vision_width,
            "image_size": settings.image_size_px,
        },
        "text_cfg": {
            "context_length": CONTEXT_LENGTH,
            "vocab_size": vocabulary_size,
            "hf_tokenizer_name": ".",  # any name: from a local-dir open_clip reads the tokenizer in it
            "width": settings.text_width,
            "heads": settings.text_heads,
            "layers": settings.text_layers,
        },
    }


def build_clip(settings: ClipSettings, vocabulary_size: int) -> CustomTextCLIP:
    """Make an untrained model."""
    configuration = model_configuration(settings, vocabulary_size)
    del configuration["custom_text"]
    model = CustomTextCLIP(**configuration)
    if settings.logit_scale is not None:
        nn.init.constant_(model.logit_scale, math.log(settings.logit_scale))
        model.logit_scale.requires_grad_(False)
    return model


class ClipTask:
    """Match pictures with their captions.

    Args:
        data: the scenes, all styles.
        tokenizer: of the emoji world.
        settings: sizes and augmentation.
        batch_size: pairs per step.
    """

    def __init__(
        self, data: SceneData, tokenizer: PreTrainedTokenizerFast, settings: ClipSettings, batch_size: int
    ) -> None:
        self.data = data
        self.tokenizer = tokenizer
        self.settings = settings
        train, self.held_out = data.split()
        self.sampler = EpochSampler(train, batch_size)
        self.batch_size = self.sampler.batch_size
        self.learning_rate_scales: dict[str, float] = {}
        self.model: nn.Module = build_clip(settings, len(tokenizer)).to(memory_format=torch.channels_last)

    def loss(self, step: int, random: np.random.Generator) -> tuple[Tensor, dict[str, float]]:
        """The symmetric contrastive loss; what is as true of another picture of the batch is no mismatch."""
        model = cast(CustomTextCLIP, self.model)
        indices = self.sampler.batch(step)
        pictures = self.data.pictures(indices, random.random(len(indices)) < 0.5)
        captions = [self._draw_caption(index, random) for index in indices]
        crops = augment(pictures, self.settings, random)
        image_features = model.encode_image(crops, normalize=True)  # (B, D)
        text_features = encode_tokens(model, self.tokens(captions), normalize=True)  # (B, D)
        scale = model.logit_scale.exp().clamp(max=LARGEST_LOGIT_SCALE)
        with torch.autocast("cpu", enabled=False):  # a hundred times what bfloat16 rounds is no similarity
            logits = scale * image_features.float() @ text_features.float().T  # (B, B)
            loss = matching_loss(logits, captions, self._true_elsewhere(indices, captions))
        is_hit = logits.detach().argmax(1) == torch.arange(len(captions))
        return loss, {"in_batch_recall": float(is_hit.float().mean()), "scale": float(scale.detach())}

    def _draw_caption(self, index: int, random: np.random.Generator) -> str:
        scene = self.data.scenes[index]
        if scene.boxes and random.random() < self.settings.prompt_share:
            label = scene.boxes[random.integers(len(scene.boxes))][0]
            return PROMPTS[random.integers(len(PROMPTS))].format(label)
        if random.random() < self.settings.full_caption_share:
            return scene.full_caption
        return scene.captions[random.integers(len(scene.captions))]

    def _true_elsewhere(self, indices: np.ndarray, captions: list[str]) -> Tensor:
        """(B, B), pictures by captions: whether a caption only names a thing, and the picture shows one."""
        pictures = [{label for label, *_ in self.data.scenes[index].boxes} for index in indices]
        return torch.tensor(
            [[_PROMPTED.get(caption) in labels for caption in captions] for labels in pictures]
        )

    def tokens(self, captions: list[str]) -> Tensor:
        """(B, L) token ids, L as long as the longest needs."""
        encoded = self.tokenizer(
            captions, padding="longest", truncation=True, max_length=CONTEXT_LENGTH, return_tensors="pt"
        )
        return cast(Tensor, encoded.input_ids)

    def report(self, average: nn.Module, folder: Path) -> dict[str, float]:
        """Recall at 1 and 5 among 500 held-out pictures and their full captions, and the gap between both."""
        model = cast(CustomTextCLIP, average)
        indices = self.held_out[:500]
        captions = [self.data.scenes[index].full_caption for index in indices]
        images = [
            model.encode_image(prepare(self.data.pictures(part), self.settings.image_size_px), normalize=True)
            for part in np.array_split(indices, max(1, len(indices) // 100))
        ]
        image_features = torch.cat(images)  # (N, D)
        text_features = encode_tokens(model, self.tokens(captions), normalize=True)
        similarities = image_features @ text_features.T  # (N, N)
        best = similarities.topk(min(5, len(captions)), dim=1).indices.tolist()
        hits = [[captions[other] == captions[row] for other in others] for row, others in enumerate(best)]
        return {
            "image_to_text_recall_1": float(np.mean([row[0] for row in hits])),
            "image_to_text_recall_5": float(np.mean([any(row) for row in hits])),
            "cosine_of_pairs": float(similarities.diagonal().mean()),
            "centroid_distance": float((image_features.mean(0) - text_features.mean(0)).norm()),
        }


def prepare(pictures: Tensor, size_px: int) -> Tensor:
    """Scale and normalise (B, 3, H, W) pictures in 0..1 as the exported preprocessing does."""
    if pictures.shape[-1] != size_px:
        pictures = F.interpolate(pictures, size=(size_px, size_px), mode="bilinear", antialias=True)
    mean, std = torch.tensor(MEAN).view(3, 1, 1), torch.tensor(STD).view(3, 1, 1)
    return ((pictures - mean) / std).contiguous(memory_format=torch.channels_last)


def augment(pictures: Tensor, settings: ClipSettings, random: np.random.Generator) -> Tensor:
    """A random crop, the same size for the whole batch, and brightness and contrast per picture."""
    count, _, height, width = pictures.shape
    side = round(height * random.uniform(settings.smallest_crop, 1))
    corners = random.integers(0, height - side + 1, (count, 2))
    cut = zip(pictures, corners, strict=True)
    crops = torch.stack([picture[:, y : y + side, x : x + side] for picture, (y, x) in cut])
    changes = torch.from_numpy(random.uniform(-settings.jitter, settings.jitter, (2, count, 1, 1, 1))).float()
    centre = crops.mean((1, 2, 3), keepdim=True)
    crops = (crops - centre) * (1 + changes[0]) + centre * (1 + changes[1])
    return prepare(crops.clamp_(0, 1), settings.image_size_px)


def matching_loss(logits: Tensor, captions: list[str], is_true: Tensor | None = None) -> Tensor:
    """Cross-entropy over rows and columns; pairs with equal captions share the target.

    A caption that is true of other pictures, too, has all of them as its targets; such a picture keeps its
    own caption, and the other is left out of its choice. Else "a photo of a person" would be pushed away from
    every picture of people but one.

    Args:
        logits: (B, B), pictures by captions.
        captions: B texts.
        is_true: (B, B) bool, which captions are true of which pictures besides their own; None: none.
    """
    numbers = {caption: number for number, caption in enumerate(captions)}
    group = torch.tensor([numbers[caption] for caption in captions])
    is_own = group[:, None] == group[None, :]  # (B, B), symmetric
    others = torch.zeros_like(is_own) if is_true is None else is_true & ~is_own
    by_picture = logits.masked_fill(others, -torch.inf).log_softmax(1).masked_fill(others, 0)
    by_caption = logits.log_softmax(0)
    own, true = is_own.float(), (is_own | others).float()
    losses = (own / own.sum(1, keepdim=True) * by_picture).sum(1), (true / true.sum(0) * by_caption).sum(0)
    return -(losses[0].mean() + losses[1].mean()) / 2


def load_clip(folder: Path) -> CustomTextCLIP:
    """Read what `export_clip` wrote."""
    model, _, _ = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    return cast(CustomTextCLIP, model)


def export_clip(average: nn.Module, settings: ClipSettings, tokenizer_folder: Path, out: Path) -> None:
    """Save the model for `open_clip.create_model_and_transforms("local-dir:...")`, weights in half precision.

    Args:
        average: a CustomTextCLIP.
        settings: what it was built from.
        tokenizer_folder: where the tokenizer is; may be `out`.
        out: the folder to replace.
    """
    model = cast(CustomTextCLIP, average)
    size = settings.image_size_px
    configuration = {
        "model_cfg": model_configuration(settings, model.text.vocab_size),
        "preprocess_cfg": {
            "size": [size, size],
            "mode": "RGB",
            "mean": list(MEAN),
            "std": list(STD),
            "interpolation": "bilinear",
            "resize_mode": "squash",
            "fill_color": 0,
        },
        "training": asdict(settings),
    }
    weights = {
        name: value.half().contiguous() if value.is_floating_point() else value
        for name, value in model.state_dict().items()
    }
    with replaced_folder(out) as folder:
        for name in TOKENIZER_FILES:
            if (tokenizer_folder / name).exists():
                shutil.copy2(tokenizer_folder / name, folder / name)
        save_file(weights, folder / WEIGHTS)
        text = json.dumps(configuration, indent=2) + "\n"
        (folder / "open_clip_config.json").write_text(text, encoding="utf-8")
