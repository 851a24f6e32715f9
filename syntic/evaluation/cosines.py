"""How the directions of features spread: any two of them, and a feature among the texts of a set."""

from __future__ import annotations

import numpy as np


def cosines_of_any_two(features: np.ndarray) -> np.ndarray:
    """Return the n (n - 1) / 2 cosines of different features (n, D) of unit norm.

    Independent directions in D dimensions have cosines around 0 with standard deviation 1 / sqrt(D);
    features that keep to a narrow cone have larger ones.
    """
    rows, columns = np.triu_indices(len(features), k=1)
    cosines: np.ndarray = (features @ features.T)[rows, columns]
    return cosines


def own_first(queries: np.ndarray, texts: np.ndarray) -> float:
    """Return the share of queries (n, D) whose nearest text (n, D) is their own: R@1 over the set.

    A text that is there twice, word for word, counts as the same text.
    """
    cosines = queries @ texts.T  # (n, n)
    return float((cosines.diagonal() >= cosines.max(axis=1) - 1e-6).mean())
