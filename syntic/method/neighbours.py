"""Eq. 3 on the nearest texts alone, for support sets too large to read whole for every picture.

At the paper's temperature nearly all weight lies on few texts, so the softmax over the K nearest ones is
almost the softmax over all. FAISS finds them: an inverted file over half-precision copies. Their cosines
are then computed anew from the features themselves, so what is approximate is only which texts take part;
`weight_recall` measures how much of the exact weight those hold.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError, MissingToolError
from ..profiles.profile import ProjectionSettings
from .projection import SupportSet, project_onto_support

logger = logging.getLogger(__name__)

_TRAINING_ROWS = 64  # texts per list that its centre is learned from


class NeighbourIndex:
    """The nearest texts of a picture, by FAISS.

    Args:
        features: (M, D) float32 text features, unit norm; kept, for the exact cosines.
        neighbours: K, texts that take part in Eq. 3.
        probes: lists that are searched, of about 4 sqrt(M).

    Raises:
        MissingToolError: if FAISS is not installed.
    """

    def __init__(self, features: Tensor, *, neighbours: int = 1024, probes: int = 64) -> None:
        faiss = _import_faiss()
        rows, width = features.shape
        self.neighbours = min(neighbours, rows)
        lists = max(1, min(int(4 * math.sqrt(rows)), rows // 39))  # fewer than 39 texts a list, FAISS warns
        faiss.omp_set_num_threads(torch.get_num_threads())
        self._index = faiss.index_factory(width, f"IVF{lists},SQfp16", faiss.METRIC_INNER_PRODUCT)
        self._index.nprobe = min(probes, lists)
        array = np.ascontiguousarray(features.cpu().numpy())
        sample = np.random.default_rng(0).permutation(rows)[: lists * _TRAINING_ROWS]
        self._index.train(array[np.sort(sample)])
        for start in range(0, rows, 2**16):
            self._index.add(array[start : start + 2**16])

    def search(self, queries: Tensor) -> Tensor:
        """Return (B, K) positions of the nearest texts; -1 where fewer were found."""
        _, indices = self._index.search(queries.cpu().numpy(), self.neighbours)
        return torch.from_numpy(indices).to(queries.device)


def make_support_set(
    features: Tensor | np.ndarray, captions: Sequence[str], settings: ProjectionSettings
) -> SupportSet:
    """Make the support set of a corpus, with an index where the settings call for one.

    Args:
        features: (M, D) text features.
        captions: the M captions.
        settings: "exact", "faiss", or "auto": FAISS above `exact_limit` texts, where it is installed.
    """
    support = SupportSet(features, captions)
    wanted = settings.engine == "faiss" or (settings.engine == "auto" and len(support) > settings.exact_limit)
    if not wanted:
        return support
    try:
        index = NeighbourIndex(support.features, neighbours=settings.neighbours, probes=settings.probes)
    except MissingToolError:
        if settings.engine == "faiss":
            raise
        logger.warning("FAISS is not installed: Eq. 3 reads all %d texts for every batch", len(support))
        return support
    return SupportSet(support.features, captions, index=index)


def weight_recall(queries: Tensor, support: SupportSet, index: NeighbourIndex, temperature: float) -> Tensor:
    """Return (B,) the share of the exact weights of Eq. 3 that the found texts hold, 0 to 1.

    Args:
        queries: (B, D) image features, unit norm.
        support: all texts.
        index: over the same texts.
        temperature: of Eq. 3.

    Raises:
        InputError: for no query.
    """
    if not len(queries):
        raise InputError("The recall needs at least one query.")
    exact = SupportSet(support.features, support.captions)
    top = project_onto_support(queries, exact, temperature=temperature, top_k=1)
    shares = []
    for row, found in enumerate(index.search(queries)):
        found = found[found >= 0].to(support.features.device)
        logits = (support.features[found] @ queries[row].to(found.device)) / temperature  # (K,)
        best = top.top_similarities[row, 0] / temperature
        shares.append((logits - best).exp().sum() * top.top_weights[row, 0])
    return torch.stack(shares).clamp(max=1)


def _import_faiss() -> Any:
    try:
        import faiss
    except ImportError as error:
        raise MissingToolError(
            "FAISS is not installed; run `pip install -r requirements-scale.txt`, or set "
            '`engine = "exact"` in the [projection] section of the profile.'
        ) from error
    return faiss
