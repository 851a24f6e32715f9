"""The similarities of some pairs as one matrix: image-image, text-text and image-text quadrants.

After Humer et al., "Amumo: Understanding and Comparing Latent Space Characteristics of Multi-Modal
Models": rows and columns are the images and then the texts, both in the order of the same clusters, so
that clusters are squares along each quadrant's diagonal and a modality gap is a pale image-text quadrant.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import ShapeError

CLUSTERS = 8
_WORD = re.compile(r"[a-z]{3,}")
_EMPTY_WORDS = {"and", "are", "for", "front", "her", "his", "near", "next", "one", "some", "that", "the"}
_EMPTY_WORDS |= {"there", "this", "two", "three", "with", "its", "from", "stands", "standing", "beside"}


@dataclass(frozen=True, kw_only=True)
class Clusters:
    """An order of n captions in which similar ones are neighbours.

    Attributes:
        order: (n,) which caption comes at each place.
        starts: (k,) the places at which a cluster begins, the first 0.
        words: k words, each the one that tells its cluster best from the others.
    """

    order: np.ndarray
    starts: list[int]
    words: list[str]


@dataclass(frozen=True, kw_only=True)
class Heatmap:
    """Cosines of n pairs in the order of their clusters.

    Attributes:
        similarities: (2n, 2n) the images first, then the texts.
        image_image: mean cosine of different images.
        text_text: mean cosine of different texts.
        image_text: mean cosine of images with the texts of others.
        pairs: mean cosine of images with their own texts.
    """

    similarities: np.ndarray
    image_image: float
    text_text: float
    image_text: float
    pairs: float


def order_by_clusters(text_features: np.ndarray, captions: Sequence[str], count: int = CLUSTERS) -> Clusters:
    """Order captions by average-linkage clustering of their features (cosine distance).

    Args:
        text_features: (n, D) unit norm.
        captions: n texts, for the clusters' words.
        count: of clusters at most.

    Raises:
        ShapeError: for fewer than 2 captions.
    """
    from scipy.cluster.hierarchy import fcluster, leaves_list, linkage
    from scipy.spatial.distance import squareform

    if len(text_features) < 2 or len(text_features) != len(captions):
        raise ShapeError(f"Clusters need at least 2 captions with a feature each but got {len(captions)}.")
    distances = 1 - text_features @ text_features.T  # (n, n)
    np.fill_diagonal(distances, 0)
    condensed = squareform(np.maximum((distances + distances.T) / 2, 0), checks=False)
    tree = linkage(condensed, "average", optimal_ordering=True)
    order = leaves_list(tree)
    members = fcluster(tree, count, "maxclust")[order]
    starts = [0, *(np.flatnonzero(np.diff(members)) + 1).tolist()]
    groups = np.split(order, starts[1:])
    return Clusters(
        order=order, starts=starts, words=_telling_words([[captions[i] for i in g] for g in groups])
    )


def similarity_heatmap(image_features: np.ndarray, text_features: np.ndarray, order: np.ndarray) -> Heatmap:
    """Return all cosines of n pairs, images and texts each in the given order.

    Raises:
        ShapeError: if the two are not paired, or fewer than 2.
    """
    n = len(image_features)
    if image_features.shape != text_features.shape or n < 2 or len(order) != n:
        raise ShapeError(
            f"The heatmap needs at least 2 pairs but got {image_features.shape} and {text_features.shape}."
        )
    both = np.concatenate([image_features[order], text_features[order]])
    similarities = (both @ both.T).astype(np.float32)
    apart = ~np.eye(n, dtype=bool)
    return Heatmap(
        similarities=similarities,
        image_image=float(similarities[:n, :n][apart].mean()),
        text_text=float(similarities[n:, n:][apart].mean()),
        image_text=float(similarities[:n, n:][apart].mean()),
        pairs=float(similarities[:n, n:].diagonal().mean()),
    )


def _telling_words(groups: Sequence[Sequence[str]]) -> list[str]:
    """Return for each group the word that most of its captions have and few others do."""
    counts = [
        Counter(w for text in g for w in set(_WORD.findall(text.lower())) - _EMPTY_WORDS) for g in groups
    ]
    total = Counter[str]()
    for count in counts:
        total.update(count)
    return [
        max(count, key=lambda word: (count[word] ** 2 / total[word] / len(group), word), default="")
        for count, group in zip(counts, groups, strict=True)
    ]
