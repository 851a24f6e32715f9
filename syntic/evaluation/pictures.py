"""Real pictures as the decoders see them: CLIP features and tags, computed once for all variants."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from PIL import Image
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..baselines import decode_pictures
from ..data.atomic import write_atomically
from ..data.coco import TestSet
from ..data.features import fingerprint_model
from ..data.images import load_image
from ..data.tags import MAX_TAGS, TextEncoder, unique_tags
from ..method import CaptionModel, SupportSet
from ..profiles import Profile
from ..types import Detection

logger = logging.getLogger(__name__)

_BATCH = 32


class PictureEncoder(TextEncoder, Protocol):
    """What is needed of CLIP: both sides."""

    def encode_images(self, images: list[Image.Image]) -> Tensor:
        """Return (B, D), unit norm."""


class ObjectDetector(Protocol):
    """What is needed of the detector."""

    def detect(self, images: list[Image.Image]) -> list[list[Detection]]:
        """Return the objects in each image."""


class TokenDecoder(Protocol):
    """What is needed of the tokenizer."""

    def decode(self, ids: list[int]) -> str:
        """Return the text of token ids."""


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Features of real pictures. They are captioned and scored; no optimiser ever sees them.

    Attributes:
        names: B names.
        features: (B, D) CLIP image features, unit norm.
        tags: the distinct labels found in each, best first.
    """

    names: list[str]
    features: Tensor
    tags: list[list[str]]

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.names)


def encode_pictures(
    images: Sequence[Image.Image | Path],
    encoder: PictureEncoder,
    detector: ObjectDetector,
    *,
    names: Sequence[str] | None = None,
    on_batch: Callable[[int, int], None] = lambda done, total: None,
) -> Pictures:
    """Encode pictures and detect their tags.

    Args:
        images: pictures or their files.
        encoder: CLIP.
        detector: the detector.
        names: of the pictures; None numbers them.
        on_batch: called with the pictures done and their total.
    """
    features, tags = [], []
    for start in range(0, len(images), _BATCH):
        batch = [
            image if isinstance(image, Image.Image) else load_image(image)
            for image in images[start : start + _BATCH]
        ]
        features.append(encoder.encode_images(batch).float().cpu())
        tags += [unique_tags(found)[0] for found in detector.detect(batch)]
        on_batch(min(start + _BATCH, len(images)), len(images))
    return Pictures(
        names=list(names) if names is not None else [str(index) for index in range(len(images))],
        features=torch.cat(features) if features else torch.zeros(0, encoder.width),
        tags=tags,
    )


def encode_test_set(
    test_set: TestSet,
    profile: Profile,
    encoder: PictureEncoder,
    detector: ObjectDetector,
    *,
    cache: Path | None = None,
    on_batch: Callable[[int, int], None] = lambda done, total: None,
) -> Pictures:
    """Encode a test set, or read from `cache` what an earlier run with the same models made.

    The cache is keyed by the weights of both models and by the pictures' bytes.
    """
    if cache is None:
        return encode_pictures(test_set.images, encoder, detector, names=test_set.names, on_batch=on_batch)
    path = cache / f"pictures-{_key(test_set, profile)}.safetensors"
    if path.exists():
        try:
            with safe_open(path, framework="pt") as file:
                tags = json.loads(file.metadata()["tags"])
                return Pictures(names=test_set.names, features=file.get_tensor("features"), tags=tags)
        except (SafetensorError, OSError, KeyError, TypeError, ValueError):
            logger.warning("%s is damaged and will be made again", path)
    pictures = encode_pictures(test_set.images, encoder, detector, names=test_set.names, on_batch=on_batch)
    write_atomically(
        path,
        lambda temporary: save_file(
            {"features": pictures.features.contiguous()},
            temporary,
            metadata={"tags": json.dumps(pictures.tags)},
        ),
    )
    return pictures


def caption_pictures(
    model: CaptionModel,
    pictures: Pictures,
    *,
    tokenizer: TokenDecoder,
    text_encoder: TextEncoder,
    support: SupportSet | None,
    temperature: float = 0.01,
    decoding: str = "greedy",
    beam_size: int = 5,
    max_tags: int = MAX_TAGS,
) -> list[str]:
    """Caption pictures in batches, each as the paper does: encode, project, attend to tags, decode.

    Args:
        model: a trained variant, in evaluation mode.
        pictures: from `encode_pictures`.
        tokenizer: that the model was trained with.
        text_encoder: CLIP, for the tags.
        support: text features of the corpus; used where the variant projects.
        temperature: of Eq. 3.
        decoding: "greedy" or "beam".
        beam_size: of "beam".
        max_tags: tags per picture, best first.
    """
    captions: list[str] = []
    for decoded, _ in decode_pictures(
        model,
        pictures,
        support=support,
        temperature=temperature,
        text_encoder=text_encoder,
        max_tags=max_tags,
        decoding=decoding,
        beam_size=beam_size,
        evidence=0,
    ):
        captions += [_text(result.tokens, model.config.end_id, tokenizer) for result in decoded]
    return captions


def _text(tokens: list[int], end_id: int, tokenizer: TokenDecoder) -> str:
    return tokenizer.decode([token for token in tokens if token != end_id]).strip()


def _key(test_set: TestSet, profile: Profile) -> str:
    digest = hashlib.sha256()
    for model, revision in (
        (profile.encoder.model, profile.encoder.revision),
        (str(profile.encoder.pretrained), None),
        (profile.detector.model, profile.detector.revision),
    ):
        digest.update(fingerprint_model(model, revision).encode())
    digest.update(str(profile.detector.threshold).encode())
    for path in test_set.images:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]
