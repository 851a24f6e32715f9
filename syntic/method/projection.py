"""Eq. 3, feature projection (FP): express an image feature by the texts of a corpus.

    v = sum_k w_k t_k,    w_k = exp(f_sim(s, t_k) / tau) / sum_l exp(f_sim(s, t_l) / tau)

The support set holds the text feature of every caption of the corpus, so v lies among texts and
the modality gap closes. The result is brought back to unit norm (A, as DeCap does): otherwise its
length would tell how many captions share the weight.

The softmax is taken while the support set is read once, chunk by chunk, with a running maximum
(online softmax). That is exact, and the memory it needs does not grow with the support set.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError, ShapeError
from .similarity import require_same_width, unit_norm

QUERY_BLOCK = 256
TEXT_VALUES = 2**22  # 16 MiB of float32: small enough to be still in cache when it is read again
WEIGHT_VALUES = 2**20  # 4 MiB for the weights of a block, of which there are a few copies


class TextIndex(Protocol):
    """What finds the texts nearest to a picture; `syntic.method.neighbours.NeighbourIndex` is one."""

    def search(self, queries: Tensor) -> Tensor:
        """Return (B, K) positions of texts for (B, D) queries; -1 where fewer were found."""


class SupportSet:
    """The text features that images are projected onto.

    Args:
        features: (M, D) text features; brought to unit norm where they are not.
        captions: the M captions they belong to.
        index: finds the nearest texts, and Eq. 3 then weighs those alone; None weighs all.

    Raises:
        ShapeError: if the two differ in number.
        InputError: if a feature is not finite.
    """

    def __init__(
        self, features: Tensor | np.ndarray, captions: Sequence[str], index: TextIndex | None = None
    ) -> None:
        self.features = unit_norm(features, "support features")
        self.captions = captions
        self.index = index
        if len(self.features) != len(captions):
            raise ShapeError(f"There are {len(self.features)} support features but {len(captions)} captions.")

    def __len__(self) -> int:
        return len(self.features)

    def to(self, device: torch.device) -> SupportSet:
        """Return the same support set with its features on `device`."""
        if self.features.device == device:
            return self
        return SupportSet(self.features.to(device), self.captions, self.index)


@dataclass(frozen=True, kw_only=True)
class Projection:
    """What Eq. 3 made of B image features.

    Attributes:
        features: (B, D) the projected features v, unit norm.
        top_indices: (B, k) positions in the support set of the largest weights, largest first.
        top_weights: (B, k) those weights.
        top_similarities: (B, k) the cosines they come from.
        entropy: (B,) of all M weights, in nats.
    """

    features: Tensor
    top_indices: Tensor
    top_weights: Tensor
    top_similarities: Tensor
    entropy: Tensor

    @property
    def effective_captions(self) -> Tensor:
        """(B,) exp(entropy): how many captions the weight is spread over, 1 to M."""
        return self.entropy.exp()


@torch.no_grad()
def project_onto_support(
    image_features: Tensor | np.ndarray,
    support: SupportSet,
    *,
    temperature: float = 0.01,
    top_k: int = 10,
    own_indices: Tensor | None = None,
) -> Projection:
    """Move image features into the text space of the support set (SynTIC, Eq. 3).

    Args:
        image_features: (B, D).
        support: M text features.
        temperature: tau of Eq. 3, > 0; smaller keeps fewer captions. The paper takes 1/100 for
            MSCOCO and SS1M, 1/80 for Flickr30k.
        top_k: how many of the largest weights to report, at most M.
        own_indices: (B,) position of each row's own caption, which then gets no weight. The paper
            keeps it; with a few thousand captions it would take nearly all the weight in training.

    Returns:
        Projection on the support set's device.

    Raises:
        ShapeError: if D differs from the support set's, or `own_indices` does not fit.
        InputError: if the temperature is not above 0 or a feature is not finite.
    """
    queries = unit_norm(image_features, "image_features").to(support.features.device)
    require_same_width(queries, support.features, ("image_features", "support features"))
    if not (math.isfinite(temperature) and temperature > 0):
        raise InputError(f"`temperature` of Eq. 3 must be above 0 but is {temperature}.")
    if top_k < 1:
        raise InputError(f"`top_k` must be at least 1 but is {top_k}.")
    if own_indices is not None:
        own_indices = _checked_own_indices(own_indices, len(queries), support)
    if support.index is not None:
        blocks = _project_onto_nearest(queries, support, support.index, temperature, top_k, own_indices)
    else:
        blocks = [
            _project_block(
                queries[start : start + QUERY_BLOCK],
                support.features,
                temperature,
                min(top_k, len(support) - (own_indices is not None)),
                None if own_indices is None else own_indices[start : start + QUERY_BLOCK],
            )
            for start in range(0, len(queries), QUERY_BLOCK)
        ]
    features, indices, weights, similarities, entropy = map(torch.cat, zip(*blocks, strict=True))
    return Projection(
        features=features,
        top_indices=indices,
        top_weights=weights,
        top_similarities=similarities,
        entropy=entropy,
    )


def _project_onto_nearest(
    queries: Tensor,
    support: SupportSet,
    index: TextIndex,
    temperature: float,
    top_k: int,
    own: Tensor | None,
) -> list[tuple[Tensor, Tensor, Tensor, Tensor, Tensor]]:
    """Eq. 3 row by row, each over the texts that the index finds for it; positions are the support set's."""
    found = [row[row >= 0].to(queries.device) for row in index.search(queries)]  # B of (K,)
    top_k = min(top_k, min(map(len, found)) - (own is not None))
    blocks = []
    for number, rows in enumerate(found):
        column = None
        if own is not None:
            here = (rows == own[number]).nonzero().flatten()
            column = here if len(here) else rows.new_tensor([-1])
        features, places, *rest = _project_block(
            queries[number : number + 1], support.features[rows], temperature, top_k, column
        )
        weights, similarities, entropy = rest
        blocks.append((features, rows[places], weights, similarities, entropy))
    return blocks


def _project_block(
    queries: Tensor, support: Tensor, temperature: float, top_k: int, own: Tensor | None
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Eq. 3 for up to QUERY_BLOCK rows; sums are kept relative to the running maximum of the logits."""
    rows, width = queries.shape
    # (D, B), so that logits are (C, B): BLAS multiplies tall by narrow half as fast again as the other way.
    scaled = (queries / temperature).T.contiguous()
    maximum = queries.new_full((rows,), torch.finfo(queries.dtype).min)
    total = queries.new_zeros(rows)  # sum of exp(logit - maximum)
    mixture = queries.new_zeros(rows, width)  # sum of exp(logit - maximum) * t
    best = _Best(queries, top_k)
    size = max(1, min(TEXT_VALUES // width, WEIGHT_VALUES // rows))
    for start in range(0, len(support), size):
        texts = support[start : start + size]  # (C, D)
        logits = texts @ scaled  # (C, B)
        if own is not None:
            logits[_own_places(own - start, len(texts))] = -math.inf
        highest = logits.amax(dim=0)  # (B,); -inf where there is nothing but the own caption
        best.update(logits, highest, start)

        raised = torch.maximum(maximum, highest)
        scale = (maximum - raised).exp()
        weights = logits.sub_(raised).exp_()
        total = scale * total + weights.sum(dim=0)
        mixture = torch.addmm(mixture.mul_(scale[:, None]), weights.T, texts)
        maximum = raised
    mixture /= total[:, None]
    # -sum w log w = log total + maximum - sum w logit; the mean of the logits is the logit of the mean text.
    above_mean = torch.linalg.vecdot(support[best.indices[:, 0]] - mixture, scaled.T)
    entropy = (total.log() + above_mean).clamp(min=0)
    projected = torch.nn.functional.normalize(mixture, dim=1)
    top_weights = (best.logits - maximum[:, None]).exp() / total[:, None]
    return projected, best.indices, top_weights, best.logits * temperature, entropy


class _Best:
    """The largest logits seen so far, of each of B rows, largest first.

    A chunk is sorted only for rows in which something is larger than the smallest of these. With texts
    in no order that is soon the exception.
    """

    def __init__(self, queries: Tensor, top_k: int) -> None:
        self.logits = queries.new_full((len(queries), top_k), -math.inf)  # (B, k)
        self.indices = torch.full((len(queries), top_k), -1, dtype=torch.long, device=queries.device)

    def update(self, logits: Tensor, highest: Tensor, start: int) -> None:
        """Take in a chunk: (C, B) logits of the texts from `start` on, and their (B,) maxima."""
        rows = (highest > self.logits[:, -1]).nonzero().flatten()
        if not len(rows):
            return
        count = min(self.logits.shape[1], len(logits))
        values, places = logits.index_select(1, rows).T.topk(count, dim=1)
        values, kept = torch.cat([self.logits[rows], values], dim=1).topk(self.logits.shape[1], dim=1)
        self.logits[rows] = values
        self.indices[rows] = torch.cat([self.indices[rows], places + start], dim=1).gather(1, kept)


def _own_places(own: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the places (text, query) in (C, B) of the own captions that lie among so many texts."""
    inside = ((own >= 0) & (own < count)).nonzero().flatten()
    return own[inside], inside


def _checked_own_indices(own: Tensor, rows: int, support: SupportSet) -> Tensor:
    own = torch.as_tensor(own).to(support.features.device)
    if own.shape != (rows,):
        raise ShapeError(f"`own_indices` must have shape ({rows},) but has {tuple(own.shape)}.")
    if len(support) < 2:
        raise ShapeError("With the own caption masked the support set must hold at least 2 captions.")
    if int(own.min()) < 0 or int(own.max()) >= len(support):
        raise ShapeError(f"`own_indices` must lie in 0..{len(support) - 1}.")
    return own
