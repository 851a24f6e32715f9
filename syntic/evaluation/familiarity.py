"""Is a picture of the world that the decoders know? Two distances to the pictures they learned from.

A decoder captions whatever it is given, also a photo of what it never saw. Two measures say so, because
each misses what the other finds. The cosine to the nearest drawn picture is small for what looks like nothing
known, noise or a photo; the Mahalanobis distance (Lee et al., "A Simple Unified Framework for
Detecting Out-of-Distribution Samples", NeurIPS 2018, with one class) is large for what mixes features as no
known picture does, a plain colour for example. What is usual is read off pictures of the world itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

USUAL = 0.975  # the share of the world's own pictures that each measure lets pass
SHRINKAGE = 0.005  # of the mean variance, added to the covariance, whose small eigenvalues are noise
_SAMPLE = 20_000  # rows that the covariance is taken from
_OWN_SAMPLE = 1_000
_ROWS = 2**15  # compared at once


@dataclass(frozen=True, kw_only=True)
class Familiarity:
    """How far a picture is from the known ones.

    Attributes:
        similarity: cosine to the nearest of them.
        usual_similarity: at least this have 97.5 % of the world's own pictures.
        distance: Mahalanobis distance to their distribution.
        usual_distance: at most this have 97.5 % of them.
    """

    similarity: float
    usual_similarity: float
    distance: float
    usual_distance: float

    @property
    def is_outside(self) -> bool:
        """Whether one of the two is beyond what is usual."""
        return self.similarity < self.usual_similarity or self.distance > self.usual_distance


@dataclass(frozen=True, eq=False)
class KnownWorld:
    """The pictures that a decoder learned from, as features, and what is usual among them.

    Attributes:
        features: (M, D) unit norm.
        mean: (D,) of them.
        precision: (D, D) inverse of their shrunk covariance.
        usual_similarity: lowest cosine that is usual.
        usual_distance: largest Mahalanobis distance that is usual.
    """

    features: np.ndarray
    mean: np.ndarray
    precision: np.ndarray
    usual_similarity: float = -1.0
    usual_distance: float = float("inf")

    @classmethod
    def learn(cls, features: np.ndarray, own: np.ndarray | None = None) -> KnownWorld:
        """Learn what is usual.

        Args:
            features: (M, D) of the pictures that were learned from, unit norm.
            own: (n, D) of other pictures of the same world; None takes some of the features, each compared
                with all others.
        """
        features = np.asarray(features, dtype=np.float32)
        random = np.random.default_rng(0)
        sample = features[np.sort(random.permutation(len(features))[:_SAMPLE])].astype(np.float64)
        covariance = (
            np.atleast_2d(np.cov(sample.T)) if len(sample) > 1 else np.zeros((features.shape[1],) * 2)
        )
        shrunk = covariance + (SHRINKAGE * np.trace(covariance) / len(covariance) + 1e-9) * np.eye(
            len(covariance)
        )
        world = cls(features, sample.mean(axis=0), np.linalg.inv(shrunk))
        rows = None
        if own is None or not len(own):
            rows = np.sort(random.permutation(len(features))[:_OWN_SAMPLE])
            own = features[rows]
        own = np.asarray(own, dtype=np.float32)
        return cls(
            features,
            world.mean,
            world.precision,
            float(np.quantile(world.similarities(own, leave_out=rows), 1 - USUAL)),
            float(np.quantile(world.distances(own), USUAL)),
        )

    def measure(self, feature: np.ndarray) -> Familiarity:
        """Return how far one feature (D,) is."""
        row = np.asarray(feature, dtype=np.float32)[None]
        return Familiarity(
            similarity=float(self.similarities(row)[0]),
            usual_similarity=self.usual_similarity,
            distance=float(self.distances(row)[0]),
            usual_distance=self.usual_distance,
        )

    def similarities(self, rows: np.ndarray, *, leave_out: np.ndarray | None = None) -> np.ndarray:
        """Return the cosine (n,) of each row (n, D) to its nearest feature, but the one to leave out."""
        best = np.full(len(rows), -1.0, dtype=np.float32)
        for start in range(0, len(self.features), _ROWS):
            cosines = rows @ self.features[start : start + _ROWS].T  # (n, m)
            if leave_out is not None:
                inside = (leave_out >= start) & (leave_out < start + _ROWS)
                cosines[np.flatnonzero(inside), leave_out[inside] - start] = -1.0
            best = np.maximum(best, cosines.max(axis=1))
        return best

    def distances(self, rows: np.ndarray) -> np.ndarray:
        """Return the Mahalanobis distance (n,) of each row (n, D) to the features' distribution."""
        centred = rows.astype(np.float64) - self.mean
        squares = np.einsum("nd,de,ne->n", centred, self.precision, centred)
        distances: np.ndarray = np.sqrt(np.maximum(squares, 0.0))
        return distances
