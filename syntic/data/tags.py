"""Tags: the distinct labels found in a picture, and their CLIP text features (Eq. 4)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import torch
from torch import Tensor

from ..types import Detection


class TextEncoder(Protocol):
    """What is needed of CLIP here."""

    @property
    def width(self) -> int:
        """The feature width D."""

    def encode_texts(self, texts: list[str]) -> Tensor:
        """Return (B, D), unit norm."""


MAX_TAGS = 8  # distinct labels of a picture that Eq. 5 attends to, best first


def unique_tags(detections: Iterable[Detection]) -> tuple[list[str], list[float]]:
    """Reduce detections to distinct labels with their best scores, best first."""
    best: dict[str, float] = {}
    for detection in detections:
        best[detection.label] = max(detection.score, best.get(detection.label, 0.0))
    ordered = sorted(best.items(), key=lambda item: (-item[1], item[0]))
    return [label for label, _ in ordered], [score for _, score in ordered]


class TagTable:
    """CLIP text features of all labels that occur, each encoded once (Eq. 4).

    Args:
        encoder: CLIP.
        tag_lists: the labels of each picture; the raw label is the text, as the detector names it.
        max_tags: labels kept per picture, from the front.
    """

    def __init__(
        self, encoder: TextEncoder, tag_lists: Sequence[list[str]], max_tags: int = MAX_TAGS
    ) -> None:
        self.labels = sorted({label for tags in tag_lists for label in tags})
        self.max_tags = max_tags
        none = torch.zeros(1, encoder.width)
        known = encoder.encode_texts(self.labels).float().cpu() if self.labels else none[:0]
        self.features = torch.cat([known, none])  # (labels + 1, D); the last row stands for no tag
        self._positions = {label: position for position, label in enumerate(self.labels)}

    def positions(self, tag_lists: Sequence[list[str]]) -> Tensor:
        """Return (B, K) rows of `features`, K = `max_tags`; the last row of it where there is no tag."""
        nothing = len(self.labels)
        rows = [[self._positions[label] for label in tags[: self.max_tags]] for tags in tag_lists]
        return torch.tensor([row + [nothing] * (self.max_tags - len(row)) for row in rows], dtype=torch.long)

    def gather(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Return the features (B, K, D) and the mask (B, K), True = a tag, of some `positions`."""
        return self.features[positions], positions < len(self.labels)
