"""What every compared system is: pictures in, captions with their evidence out.

The protocol says nothing of how a caption comes about, so SynTIC's own variants, a nearest neighbour and
gradient steps on a language model all fit it, and whoever evaluates needs to know this file alone. What a
system may learn from is a type: `TextOnly` for those that never see a picture before the test,
`FeatureStore` for SynTIC, which adds pictures generated from the texts. Neither has a place for a real one.
The types that have, for the systems that may, are in `real`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from ..data.features import FeatureStore
from ..data.tags import TextEncoder
from ..errors import DataError
from ..method import SupportSet, Variant
from ..method.search import OnToken
from ..types import CaptionTrace

BATCH = 32  # pictures captioned at once


class View(StrEnum):
    """What else a system may look at in a picture than its CLIP feature and its tags."""

    GRIDS = "grids"
    REGIONS = "regions"


NO_VIEWS: frozenset[View] = frozenset()


class EncodedPictures(Protocol):
    """Pictures as the frozen models see them; `syntic.evaluation.Pictures` is one."""

    @property
    def features(self) -> Tensor:
        """(B, D) CLIP image features, unit norm."""

    @property
    def tags(self) -> list[list[str]]:
        """The distinct labels found in each picture, best first."""

    @property
    def grids(self) -> Tensor | None:
        """(B, G, W) CLIP's features before pooling, where a system asked for them."""

    @property
    def regions(self) -> Tensor | None:
        """(B, R, W) the detector's embeddings of what it looked at, where a system asked for them."""


@dataclass(frozen=True, kw_only=True)
class SupportText:
    """A caption of the corpus that a result rests on.

    Attributes:
        caption: the text.
        similarity: its cosine to the picture's feature.
        weight: its share, 0..1: of Eq. 3's softmax, or 1 for the caption that was retrieved.
    """

    caption: str
    similarity: float
    weight: float


@dataclass(frozen=True, kw_only=True)
class Captioned:
    """A caption and why it is that one.

    Attributes:
        trace: the caption with its tokens, what else was probable, and the other beams; a system that
            retrieves has no tokens.
        support: texts of the corpus it rests on, largest weight first; empty where there are none.
        similarity: CLIP cosine of the caption and the picture, where the system looked at it.
    """

    trace: CaptionTrace
    support: list[SupportText] = field(default_factory=list)
    similarity: float | None = None

    @property
    def text(self) -> str:
        """The caption alone."""
        return self.trace.text


class Captioner(Protocol):
    """One system, ready to caption."""

    @property
    def name(self) -> str:
        """The name of the registry."""

    @property
    def trains_on(self) -> type:
        """The type of what it learns from: TextOnly, FeatureStore, UnpairedPictures or RealPairs."""

    @property
    def views(self) -> frozenset[View]:
        """What it needs of each picture beside feature and tags."""

    @property
    def decoding(self) -> str:
        """How words are chosen: "greedy", "beam", or the system's own search."""

    def caption(self, pictures: EncodedPictures, on_token: OnToken | None = None) -> list[Captioned]:
        """Caption B pictures, in their order.

        Args:
            pictures: encoded with its `views`.
            on_token: called before each token is chosen; what it raises ends the work.
        """


@dataclass(frozen=True)
class TextOnly:
    """A corpus as CLIP's text side sees it: all that a text-only system may learn from.

    Made by `of_store` or `encode`, which read texts and nothing else.

    Attributes:
        captions: N texts.
        features: (N, D) their CLIP text features, unit norm.

    Raises:
        DataError: if it holds no caption, or not one feature for each.
    """

    captions: list[str]
    features: Tensor

    def __post_init__(self) -> None:
        """Refuse what is not a corpus."""
        if not self.captions or self.features.ndim != 2 or len(self.features) != len(self.captions):
            raise DataError(
                f"A text corpus needs one feature for each caption, but has {len(self.captions)} captions "
                f"and features of shape {tuple(self.features.shape)}; encode its captions again."
            )

    def __len__(self) -> int:
        """Return the number of captions N."""
        return len(self.captions)

    @classmethod
    def of_store(cls, store: FeatureStore) -> TextOnly:
        """Return the text side of a feature store; its generated pictures stay behind."""
        return cls(store.captions, torch.from_numpy(np.asarray(store.text_features)))

    @classmethod
    def encode(cls, captions: Sequence[str], encoder: TextEncoder) -> TextOnly:
        """Encode captions with CLIP's text side."""
        texts = list(captions)
        return cls(texts, encoder.encode_texts(texts).float().cpu())

    def support_set(self, device: torch.device) -> SupportSet:
        """Return the texts as what Eq. 3 projects onto."""
        return SupportSet(self.features.to(device), self.captions)


@dataclass(frozen=True, kw_only=True)
class TextRecipe:
    """What makes a system's decoder its own while it is trained on texts.

    Training is otherwise the same for all: the profile's decoder, its optimiser, the same order of captions.

    Attributes:
        name: of its checkpoint.
        variant: what the decoder gets at inference: the picture's feature, projected ("fp") or as it is
            ("baseline").
        training_features: from the text features (B, D) of a batch to what the decoder gets for them
            (B, D); called anew at every step, with the random numbers of that step.
        is_captioner: whether the decoder alone captions a picture, and so can be validated on some.
        revision: counts what changed in `training_features`; decoders of an earlier one are trained again.
    """

    name: str
    variant: Variant
    training_features: Callable[[Tensor], Tensor]
    is_captioner: bool = True
    revision: int = 1
