"""Real pictures as the decoders see them: CLIP features and tags, computed once for all variants."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..baselines import NO_VIEWS, View, decode_pictures
from ..data.atomic import write_atomically, write_text_atomically
from ..data.coco import TestSet
from ..data.fingerprints import fingerprint_model
from ..data.images import load_image
from ..data.tags import MAX_TAGS, TextEncoder, unique_tags
from ..method import CaptionModel, SupportSet
from ..models import Regions
from ..profiles import Profile
from ..types import Detection

logger = logging.getLogger(__name__)

PART = 5000  # pictures whose features are in memory at a time, and that a kill may lose
TAGS = "tags.json"
_BATCH = 32


class PictureEncoder(TextEncoder, Protocol):
    """What is needed of CLIP: both sides."""

    def encode_images(self, images: list[Image.Image]) -> Tensor:
        """Return (B, D), unit norm."""

    def encode_grids(self, images: list[Image.Image]) -> Tensor:
        """Return (B, G, W), what the image tower pools."""


class ObjectDetector(Protocol):
    """What is needed of the detector."""

    def detect(self, images: list[Image.Image]) -> list[list[Detection]]:
        """Return the objects in each image."""

    def regions(self, images: list[Image.Image]) -> Regions:
        """Return the embeddings of what it looked at."""


class TokenDecoder(Protocol):
    """What is needed of the tokenizer."""

    def decode(self, ids: list[int]) -> str:
        """Return the text of token ids."""


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Features of real pictures, to be captioned and scored.

    None reaches an optimiser unless it is put into a type that says so, see `syntic.baselines.real`.

    Attributes:
        names: B names.
        features: (B, D) CLIP image features, unit norm.
        tags: the distinct labels found in each, best first.
        grids: (B, G, W) float16, CLIP's features before pooling; None where they were not asked for.
        regions: (B, R, W) float16, the detector's embeddings; None where they were not asked for.
    """

    names: list[str]
    features: Tensor
    tags: list[list[str]]
    grids: Tensor | None = None
    regions: Tensor | None = None

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.names)


def encode_pictures(
    images: Sequence[Image.Image | Path],
    encoder: PictureEncoder,
    detector: ObjectDetector,
    *,
    names: Sequence[str] | None = None,
    views: frozenset[View] = NO_VIEWS,
    on_batch: Callable[[int, int], None] = lambda done, total: None,
) -> Pictures:
    """Encode pictures and detect their tags.

    Args:
        images: pictures or their files.
        encoder: CLIP.
        detector: the detector.
        names: of the pictures; None numbers them.
        views: what else to compute; a system names what it looks at.
        on_batch: called with the pictures done and their total.
    """
    features, tags = [], []
    grids: list[Tensor] = []
    regions: list[Tensor] = []
    for start in range(0, len(images), _BATCH):
        batch = [
            image if isinstance(image, Image.Image) else load_image(image)
            for image in images[start : start + _BATCH]
        ]
        features.append(encoder.encode_images(batch).float().cpu())
        tags += [unique_tags(found)[0] for found in detector.detect(batch)]
        if View.GRIDS in views:
            grids.append(encoder.encode_grids(batch).half().cpu())
        if View.REGIONS in views:
            regions.append(detector.regions(batch).features.half().cpu())
        on_batch(min(start + _BATCH, len(images)), len(images))
    return Pictures(
        names=list(names) if names is not None else [str(index) for index in range(len(images))],
        features=torch.cat(features) if features else torch.zeros(0, encoder.width),
        tags=tags,
        grids=torch.cat(grids) if grids else None,
        regions=torch.cat(regions) if regions else None,
    )


def encode_test_set(
    test_set: TestSet,
    profile: Profile,
    encoder: PictureEncoder,
    detector: ObjectDetector,
    *,
    cache: Path | None = None,
    views: frozenset[View] = NO_VIEWS,
    on_batch: Callable[[int, int], None] = lambda done, total: None,
) -> Pictures:
    """Encode a test set, see `encode_files`."""
    return encode_files(
        test_set.images,
        profile,
        encoder,
        detector,
        names=test_set.names,
        cache=cache,
        views=views,
        on_batch=on_batch,
    )


def encode_files(
    images: Sequence[Path],
    profile: Profile,
    encoder: PictureEncoder,
    detector: ObjectDetector,
    *,
    names: Sequence[str] | None = None,
    cache: Path | None = None,
    views: frozenset[View] = NO_VIEWS,
    on_batch: Callable[[int, int], None] = lambda done, total: None,
) -> Pictures:
    """Encode pictures, or read from `cache` what an earlier run with the same models made.

    The cache is keyed by the weights of both models, by the pictures' bytes and by the views. More than PART
    pictures are encoded part by part: a run that is killed loses at most the part it was in, and what is
    kept of each part lies in files that are mapped, so that memory does not grow with the pictures.

    Args:
        images: their files.
        profile: of both models.
        encoder: CLIP.
        detector: the detector.
        names: of the pictures; None numbers them.
        cache: folder for the result, or None.
        views: what else to compute than features and tags.
        on_batch: called with the pictures done and their total.
    """
    if cache is None:
        return encode_pictures(images, encoder, detector, names=names, views=views, on_batch=on_batch)
    named = list(names) if names is not None else [str(index) for index in range(len(images))]
    starts = range(0, len(images), PART)
    keys = [_key(images[start : start + PART], profile, views) for start in starts]

    def encode_part(start: int, key: str) -> Pictures:
        return _encode_once(
            images[start : start + PART],
            cache / f"pictures-{key}.safetensors",
            encoder,
            detector,
            views,
            lambda done, _: on_batch(start + done, len(images)),
        )

    if len(keys) <= 1:
        return replace(encode_part(0, "".join(keys) or _key([], profile, views)), names=named)
    folder = cache / f"pictures-{hashlib.sha256(''.join(keys).encode()).hexdigest()[:16]}"
    if not (folder / TAGS).exists():
        _join([partial(encode_part, *each) for each in zip(starts, keys, strict=True)], len(images), folder)
        for key in keys:
            (cache / f"pictures-{key}.safetensors").unlink(missing_ok=True)
    tensors = {path.stem: torch.from_numpy(_map(path)) for path in folder.glob("*.npy")}
    return Pictures(names=named, tags=json.loads((folder / TAGS).read_text(encoding="utf-8")), **tensors)


def _encode_once(
    images: Sequence[Path],
    path: Path,
    encoder: PictureEncoder,
    detector: ObjectDetector,
    views: frozenset[View],
    on_batch: Callable[[int, int], None],
) -> Pictures:
    """Encode pictures, or read what an earlier run kept at `path`; numbers are their names."""
    if path.exists():
        try:
            with safe_open(path, framework="pt") as file:
                tags = json.loads(file.metadata()["tags"])
                known = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
                return Pictures(names=[str(i) for i in range(len(images))], tags=tags, **known)
        except (SafetensorError, OSError, KeyError, TypeError, ValueError):
            logger.warning("%s is damaged and will be made again", path)
    pictures = encode_pictures(images, encoder, detector, views=views, on_batch=on_batch)
    write_atomically(
        path,
        lambda temporary: save_file(
            {name: value.contiguous() for name, value in _tensors(pictures).items()},
            temporary,
            metadata={"tags": json.dumps(pictures.tags)},
        ),
    )
    return pictures


def _join(parts: Sequence[Callable[[], Pictures]], rows: int, folder: Path) -> None:
    """Write the features of all parts into one file for each kind, part by part; the tags come last."""
    folder.mkdir(parents=True, exist_ok=True)
    tags: list[list[str]] = []
    files: dict[str, np.memmap[Any, Any]] = {}
    for make in parts:
        part = make()
        for name, value in _tensors(part).items():
            if name not in files:
                files[name] = np.lib.format.open_memmap(
                    folder / f"{name}.npy",
                    mode="w+",
                    dtype=value.numpy().dtype,
                    shape=(rows, *value.shape[1:]),
                )
            files[name][len(tags) : len(tags) + len(part)] = value.numpy()
        tags += part.tags
    for file in files.values():
        file.flush()
    write_text_atomically(folder / TAGS, json.dumps(tags))


def _map(path: Path) -> np.ndarray:
    """Map an array; copied on write, so that torch takes it and nothing reaches the file."""
    return cast(np.ndarray, np.load(path, mmap_mode="c", allow_pickle=False))


def _tensors(pictures: Pictures) -> dict[str, Tensor]:
    tensors = {"features": pictures.features, "grids": pictures.grids, "regions": pictures.regions}
    return {name: value for name, value in tensors.items() if value is not None}


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


def _key(images: Sequence[Path], profile: Profile, views: frozenset[View]) -> str:
    digest = hashlib.sha256()
    for model, revision in (
        (profile.encoder.model, profile.encoder.revision),
        (str(profile.encoder.pretrained), None),
        (profile.detector.model, profile.detector.revision),
    ):
        digest.update(fingerprint_model(model, revision).encode())
    digest.update(str(profile.detector.threshold).encode())
    digest.update(",".join(sorted(views)).encode())
    for path in images:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]
