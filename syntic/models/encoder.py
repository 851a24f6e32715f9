"""CLIP by open_clip: pictures and texts to features, frozen.

open_clip does not normalise by default. Here every feature has unit norm, which makes Eq. 1 a product.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import open_clip
import torch
from huggingface_hub import hf_hub_download, snapshot_download
from open_clip.factory import parse_model_name
from PIL import Image
from torch import Tensor

from ..errors import CheckpointError
from ..profiles.profile import EncoderSettings
from .loading import LOADING_ERRORS, explain

IMAGE_BATCH = 64
TEXT_BATCH = 256
TREE_SHARE = 2  # texts go through the tower as a tree where that has this many times fewer tokens


class CaptionTokenizer(Protocol):
    """The tokenizer of CLIP's text tower, which the caption decoder shares.

    Attributes:
        start_id: mark before a caption.
        end_id: mark after it.
        pad_id: what fills a row after the end mark; it may equal `end_id`.
        vocabulary_size: V.
    """

    start_id: int
    end_id: int
    pad_id: int
    vocabulary_size: int

    def encode(self, text: str) -> list[int]:
        """Return the token ids of a text, without marks."""

    def decode(self, ids: list[int]) -> str:
        """Return the text of token ids; marks among them are left out."""


class BytePairTokenizer:
    """CLIP's own tokenizer (`open_clip.SimpleTokenizer`), for the paper's profile."""

    def __init__(self, tokenizer: open_clip.SimpleTokenizer) -> None:
        self._tokenizer = tokenizer
        self.start_id: int = tokenizer.sot_token_id
        self.end_id: int = tokenizer.eot_token_id
        self.pad_id: int = tokenizer.eot_token_id  # CLIP pads with 0, which is a word here
        self.vocabulary_size: int = tokenizer.vocab_size
        self._marks = set(tokenizer.all_special_ids)

    def encode(self, text: str) -> list[int]:
        """Return the token ids of a text, without marks."""
        return list(self._tokenizer.encode(text))

    def decode(self, ids: list[int]) -> str:
        """Return the text of token ids; marks among them are left out."""
        return str(self._tokenizer.decode([token for token in ids if token not in self._marks])).strip()


class FolderTokenizer:
    """A tokenizer of transformers (`open_clip.tokenizer.HFTokenizer`), for CLIP models with their own.

    Raises:
        CheckpointError: if it has no mark for start or end.
    """

    def __init__(self, tokenizer: open_clip.tokenizer.HFTokenizer) -> None:
        self._clean = tokenizer.clean_fn
        self._tokenizer = inner = tokenizer.tokenizer
        start = inner.bos_token_id if inner.bos_token_id is not None else inner.cls_token_id
        end = inner.eos_token_id if inner.eos_token_id is not None else inner.sep_token_id
        if start is None or end is None:
            raise CheckpointError(
                "The CLIP tokenizer has no mark for start or end; give it `bos_token` and `eos_token`."
            )
        self.start_id: int = start
        self.end_id: int = end
        self.pad_id: int = inner.pad_token_id if inner.pad_token_id is not None else end
        self.vocabulary_size: int = len(inner)

    def encode(self, text: str) -> list[int]:
        """Return the token ids of a text, without marks."""
        return list(self._tokenizer.encode(self._clean(text), add_special_tokens=False))

    def decode(self, ids: list[int]) -> str:
        """Return the text of token ids; marks among them are left out."""
        return str(self._tokenizer.decode(ids, skip_special_tokens=True)).strip()


class ClipEncoder:
    """Frozen CLIP.

    Attributes:
        model: the open_clip model, in float32.
        preprocess: its transform from a PIL image to a tensor.
        tokenizer: ids of captions, shared with the decoder.
        tokenize: texts to the rows of ids (B, context) that its text tower reads.
        width: D.
    """

    def __init__(self, model: Any, preprocess: Any, tokenize: Any, device: torch.device) -> None:
        self.model = model.eval().requires_grad_(False).to(device)
        self.preprocess = preprocess
        self.device = device
        self.tokenize = tokenize
        kind = BytePairTokenizer if isinstance(tokenize, open_clip.SimpleTokenizer) else FolderTokenizer
        self.tokenizer: CaptionTokenizer = kind(tokenize)
        self.width = int(self.encode_texts([""]).shape[1])

    @classmethod
    def from_settings(cls, settings: EncoderSettings, device: torch.device) -> ClipEncoder:
        """Load the model that a profile names.

        Raises:
            CheckpointError: if it is not there or cannot be loaded; the cause is named.
            ResourceError: if memory is short.
        """
        options = _loading_options(settings)
        try:
            name = settings.model
            if settings.revision is not None:
                name, options = _at_revision(settings, options)
            model, _, preprocess = open_clip.create_model_and_transforms(
                name, device=device, weights_only=True, **options
            )
            tokenize = open_clip.get_tokenizer(name)
        except LOADING_ERRORS as error:
            raise explain(error, "CLIP", settings.model, settings.revision) from error
        return cls(model, preprocess, tokenize, device)

    @classmethod
    def with_random_weights(cls, settings: EncoderSettings, device: torch.device) -> ClipEncoder:
        """Return the model that a profile names with weights drawn at random: for timings, offline."""
        schema, identifier = parse_model_name(settings.model)
        if schema is not None:
            return cls.from_settings(settings, device)
        model, _, preprocess = open_clip.create_model_and_transforms(identifier, device=device)
        return cls(model, preprocess, open_clip.get_tokenizer(identifier), device)

    @torch.no_grad()
    def encode_images(self, images: list[Image.Image]) -> Tensor:
        """Return (B, D) float32 features of unit norm, on the encoder's device."""
        return self._encode(
            [images[i : i + IMAGE_BATCH] for i in range(0, len(images), IMAGE_BATCH)],
            lambda batch: torch.stack([self.preprocess(image) for image in batch]),
            type(self.model).encode_image,
        )

    @torch.no_grad()
    def encode_grids(self, images: list[Image.Image]) -> Tensor:
        """Return (B, G, W) float32: the image tower's last feature map, as it is before CLIP pools it.

        Of a vision transformer the patch tokens of the last block after its final norm; of a ResNet the
        positions of the last stage before the attention pool. G positions, row by row; not unit norm.

        Raises:
            CheckpointError: if the model's image tower cannot be looked into.
        """
        tower = self.model.visual
        if not hasattr(tower, "forward_intermediates"):
            raise CheckpointError(
                f"The CLIP model's image tower, {type(tower).__name__}, has no grid of features; "
                "use one with a vision transformer or a ResNet."
            )
        grids = []
        for start in range(0, max(len(images), 1), IMAGE_BATCH):  # no pictures still give the width
            batch = images[start : start + IMAGE_BATCH] or [Image.new("RGB", (32, 32))]
            pixels = torch.stack([self.preprocess(image) for image in batch]).to(self.device)
            (grid,) = tower.forward_intermediates(
                pixels, indices=1, normalize_intermediates=True, intermediates_only=True
            )["image_intermediates"]
            grids.append(grid.flatten(2).transpose(1, 2).float())  # (B, W, h, w) to (B, G, W)
        return torch.cat(grids)[: len(images)]

    @torch.no_grad()
    def encode_texts(self, texts: list[str]) -> Tensor:
        """Return (B, D) float32 features of unit norm, on the encoder's device.

        What is longer than CLIP's context is cut.
        """
        return self._encode(
            [texts[i : i + TEXT_BATCH] for i in range(0, len(texts), TEXT_BATCH)],
            self.tokenize,
            encode_tree if reads_forward(self.model) else type(self.model).encode_text,
        )

    def _encode(self, batches: list[Any], prepare: Callable[[Any], Tensor], tower: Any) -> Tensor:
        features = [
            tower(self.model, prepare(batch).to(self.device), normalize=True).float() for batch in batches
        ]
        return torch.cat(features) if features else torch.zeros(0, self.width, device=self.device)


def reads_forward(model: Any) -> bool:
    """Whether the text tower looks back only and is read at the end mark, so that padding changes nothing."""
    tower = getattr(model, "text", model)
    pool = getattr(tower, "text_pool_type", getattr(tower, "pool_type", ""))
    mask = getattr(tower, "attn_mask", None)
    return pool == "argmax" and mask is not None and getattr(tower, "cls_emb", None) is None


def encode_tokens(model: Any, tokens: Tensor, *, normalize: bool = False) -> Tensor:
    """Encode texts as open_clip's `encode_text` does, but for the padding behind the longest of them.

    open_clip computes the full context, of which captions fill a seventh (77 positions) to a third (32).

    Args:
        model: an open_clip model that `reads_forward`.
        tokens: (B, context) ids; the end mark has the highest.
        normalize: to unit norm.

    Returns:
        (B, D) features.
    """
    tower = getattr(model, "text", model)
    ends = tokens.argmax(dim=1)  # (B,)
    length = int(ends.max()) + 1
    hidden = _transform(tower, tokens[:, :length], slice(length), tower.attn_mask[:length, :length])
    return _project(tower, hidden[torch.arange(len(tokens), device=tokens.device), ends], normalize)


def encode_tree(model: Any, tokens: Tensor, *, normalize: bool = False) -> Tensor:
    """Encode texts as `encode_tokens` does, but each beginning once where many begin alike.

    The texts form a tree of N tokens. All go through the tower as one text, in which a token attends to
    itself and to what it follows in the tree, and stands at its depth. Equal to rounding; arguments and
    features (B, D) are those of `encode_tokens`.
    """
    lengths = (tokens.argmax(dim=1) + 1).tolist()
    numbers: dict[tuple[int, int], int] = {}  # (what it follows, token) -> place in the tree
    follows: list[int] = []
    depths: list[int] = []
    ends: list[int] = []
    for row, length in zip(tokens.tolist(), lengths, strict=True):
        place = -1
        for depth, token in enumerate(row[:length]):
            before, place = place, numbers.setdefault((place, token), len(numbers))
            if place == len(follows):
                follows.append(before)
                depths.append(depth)
        ends.append(place)
    if TREE_SHARE * len(follows) > sum(lengths):
        return encode_tokens(model, tokens, normalize=normalize)
    seen = np.eye(len(follows), dtype=bool)  # (N, N) what each attends to
    for place, before in enumerate(follows):
        if before >= 0:
            seen[place] |= seen[before]
    tower, device = getattr(model, "text", model), tokens.device
    ids = torch.tensor([[token for _, token in numbers]], device=device)  # (1, N)
    mask = torch.zeros(seen.shape, device=device).masked_fill(~torch.from_numpy(seen).to(device), -torch.inf)
    return _project(tower, _transform(tower, ids, depths, mask)[0, ends], normalize)


def _transform(tower: Any, ids: Tensor, places: slice | list[int], mask: Tensor) -> Tensor:
    """Run a text tower on ids (B, L) at their places in a text, with an additive mask (L, L): (B, L, W)."""
    dtype = tower.transformer.get_cast_dtype()
    hidden = tower.token_embedding(ids).to(dtype) + tower.positional_embedding[places].to(dtype)
    result: Tensor = tower.ln_final(tower.transformer(hidden, attn_mask=mask))
    return result


def _project(tower: Any, features: Tensor, normalize: bool) -> Tensor:
    """Map what a text tower read at the end marks (B, W) to CLIP's features (B, D)."""
    project = tower.text_projection
    if project is not None:
        features = project(features) if isinstance(project, torch.nn.Linear) else features @ project
    return torch.nn.functional.normalize(features, dim=-1) if normalize else features


def _loading_options(settings: EncoderSettings) -> dict[str, Any]:
    """Say what open_clip would otherwise guess, and refuse what it would load without weights."""
    schema, identifier = parse_model_name(settings.model)
    if schema == "local-dir":
        folder = Path(identifier)
        if not (folder / "open_clip_config.json").is_file() or not any(folder.glob("*.safetensors")):
            raise CheckpointError(
                f"There is no CLIP model at {folder}, which needs open_clip_config.json and a .safetensors "
                "file; for the emoji profile run `python -m syntic emoji pretrain clip`."
            )
        return {}
    if schema is None and not settings.pretrained:
        raise CheckpointError(
            f"The profile names CLIP model {settings.model!r} but no weights; set `pretrained` in [encoder]."
        )
    tag = open_clip.get_pretrained_cfg(settings.model, settings.pretrained or "")
    return {"pretrained": settings.pretrained, "force_quick_gelu": bool(tag.get("quick_gelu", False))}


def _at_revision(settings: EncoderSettings, options: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Fetch weights of one revision, which open_clip's own loader cannot name, and say how to load them."""
    schema, identifier = parse_model_name(settings.model)
    if schema == "hf-hub":
        folder = snapshot_download(
            identifier,
            revision=settings.revision,
            allow_patterns=["*.json", "*.txt", "*.model", "*.safetensors"],
        )
        return f"local-dir:{folder}", options
    tag = open_clip.get_pretrained_cfg(settings.model, settings.pretrained or "")
    repository, _, file = str(tag.get("hf_hub", "")).rpartition("/")
    if not repository:
        raise CheckpointError(
            f"CLIP {settings.model!r} with {settings.pretrained!r} is not from the hub and has no revisions; "
            "leave `revision` out of [encoder]."
        )
    weights = hf_hub_download(repository, file or "open_clip_model.safetensors", revision=settings.revision)
    picture = {
        f"image_{name}": tag[name] for name in ("mean", "std", "interpolation", "resize_mode") if name in tag
    }
    return settings.model, options | picture | {"pretrained": weights}
