"""The map of the modality gap: texts, generated, refined, projected and real features in the plane.

UMAP is fitted once, offline, on a sample of the corpus; the file keeps the features beside their
coordinates, so that a new feature is placed among them without UMAP, numba or any fit.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np

from ..data.atomic import write_atomically
from ..errors import DataError, ShapeError

NEIGHBOURS = 15  # UMAP's default, for the fit and for placing
_SAME_POINT = 1e-6  # cosine distance below which a feature is the map's own


class Kind(StrEnum):
    """What a feature on the map is the feature of; also the order in which they are drawn."""

    TEXT = "text"
    GENERATED = "generated"
    REFINED = "refined"
    PROJECTED = "projected"
    REAL = "real"


@dataclass(frozen=True, kw_only=True)
class MapPoints:
    """The features of one kind.

    Attributes:
        features: (n, D) float32, unit norm.
        coordinates: (n, 2) where they lie on the map.
        labels: n texts to show on hover.
    """

    features: np.ndarray
    coordinates: np.ndarray
    labels: list[str]


@dataclass(frozen=True, eq=False)
class GapMap:
    """A fitted map; two are equal only if they are the same object.

    Attributes:
        points: the features of each kind, with their coordinates.
        settings: how it was fitted: corpus, profile, fingerprints, UMAP's parameters.
    """

    points: Mapping[Kind, MapPoints]
    settings: Mapping[str, Any]

    def place(self, features: np.ndarray, kind: Kind | None = None) -> np.ndarray:
        """Find where new features lie on the map.

        As UMAP's own transform does before its optimisation: a feature goes to the mean of its
        nearest neighbours' coordinates, weighted by exp(-distance / sigma), where sigma makes the
        weights sum to log2(k) (McInnes et al. 2018, Algorithm 3; umap-learn's `init_transform`).
        A feature that is on the map already goes exactly to its place. Deterministic.

        Args:
            features: (n, D) or (D,), unit norm.
            kind: look for neighbours among this kind only; None looks among all.

        Returns:
            (n, 2) coordinates, (1, 2) for a single feature.

        Raises:
            ShapeError: if D is not the map's.
        """
        kinds = list(self.points) if kind is None else [kind]
        known = np.concatenate([self.points[k].features for k in kinds])  # (m, D)
        coordinates = np.concatenate([self.points[k].coordinates for k in kinds])  # (m, 2)
        features = np.atleast_2d(np.asarray(features, dtype=np.float32))
        if features.shape[1] != known.shape[1]:
            raise ShapeError(
                f"The map was made of features of width {known.shape[1]}, these have {features.shape[1]}; "
                "run `python -m syntic emoji export` again."
            )
        k = min(NEIGHBOURS, len(known))
        distances = np.clip(1.0 - features @ known.T, 0.0, 2.0)  # (n, m)
        nearest = np.argpartition(distances, k - 1, axis=1)[:, :k]
        near = np.take_along_axis(distances, nearest, axis=1)  # (n, k)
        weights = _membership(near)
        here = near < _SAME_POINT
        on_map = here.any(axis=1)
        weights[on_map] = here[on_map] / here[on_map].sum(axis=1, keepdims=True)
        placed: np.ndarray = np.einsum("nk,nkd->nd", weights, coordinates[nearest])
        return placed

    def save(self, path: Path) -> None:
        """Write it as safetensors: features in half precision, labels and settings as metadata."""
        from safetensors.numpy import save_file

        tensors: dict[str, np.ndarray] = {}
        for kind, points in self.points.items():
            tensors[f"{kind}.features"] = points.features.astype(np.float16)
            tensors[f"{kind}.coordinates"] = points.coordinates.astype(np.float32)
        metadata = {
            "settings": json.dumps(dict(self.settings)),
            "labels": json.dumps({str(kind): points.labels for kind, points in self.points.items()}),
        }
        write_atomically(path, lambda temporary: save_file(tensors, temporary, metadata=metadata))

    @classmethod
    def load(cls, path: Path) -> GapMap:
        """Read what `save` wrote.

        Raises:
            DataError: if the file is missing or damaged.
        """
        from safetensors import SafetensorError, safe_open

        if not path.is_file():
            raise DataError(f"There is no map at {path}; make it with `python -m syntic emoji export`.")
        try:
            with safe_open(path, framework="numpy") as file:
                metadata = file.metadata()
                labels = json.loads(metadata["labels"])
                points = {
                    Kind(name): MapPoints(
                        features=_normalise(file.get_tensor(f"{name}.features")),
                        coordinates=file.get_tensor(f"{name}.coordinates"),
                        labels=labels[name],
                    )
                    for name in labels
                }
            return cls(points, json.loads(metadata["settings"]))
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"The map {path} is damaged ({type(error).__name__}); make it again with "
                "`python -m syntic emoji export`."
            ) from error


def fit_map(
    features: Mapping[Kind, np.ndarray],
    labels: Mapping[Kind, Sequence[str]],
    *,
    seed: int = 0,
    min_dist: float = 0.15,
    settings: Mapping[str, Any] | None = None,
) -> GapMap:
    """Lay features of all kinds out together with UMAP (cosine distance, fixed seed).

    Args:
        features: per kind (n, D), unit norm.
        labels: per kind n texts.
        seed: of UMAP; the same seed and features give the same map.
        min_dist: UMAP's: how close points may lie.
        settings: kept with the map, beside UMAP's own.

    Returns:
        The map, coordinates centred and scaled to fit a circle of radius about one.
    """
    import umap

    kinds = list(features)
    stacked = np.concatenate([features[kind] for kind in kinds]).astype(np.float32)
    neighbours = min(NEIGHBOURS, len(stacked) - 1)
    reducer = umap.UMAP(
        n_neighbors=neighbours, min_dist=min_dist, metric="cosine", random_state=seed, n_jobs=1
    )
    coordinates = np.asarray(reducer.fit_transform(stacked), dtype=np.float32)
    coordinates -= coordinates.mean(axis=0)
    coordinates /= np.quantile(np.linalg.norm(coordinates, axis=1), 0.99)
    ends = np.cumsum([len(features[kind]) for kind in kinds])[:-1]
    points = {
        kind: MapPoints(features=_normalise(features[kind]), coordinates=part, labels=list(labels[kind]))
        for kind, part in zip(kinds, np.split(coordinates, ends), strict=True)
    }
    method = {"method": "umap", "neighbours": neighbours, "min_dist": min_dist, "seed": seed}
    return GapMap(points, {**method, **(settings or {})})


def _membership(distances: np.ndarray, iterations: int = 32) -> np.ndarray:
    """Turn distances (n, k) into weights (n, k) that sum to one: UMAP's smooth nearest neighbours.

    Sigma is found by bisection so that sum_j exp(-d_j / sigma) over all but the nearest neighbour is
    log2(k), as umap-learn's `smooth_knn_dist` does with a local connectivity of zero.
    """
    ordered = np.sort(distances, axis=1).astype(np.float64)
    target = np.log2(distances.shape[1])
    low, high = np.zeros(len(ordered)), np.full(len(ordered), 1e3)
    for _ in range(iterations):
        sigma = (low + high) / 2
        total = np.exp(-ordered[:, 1:] / np.maximum(sigma, 1e-12)[:, None]).sum(axis=1)
        low, high = np.where(total < target, sigma, low), np.where(total < target, high, sigma)
    # umap-learn's floor, so that one close neighbour does not take everything
    sigma = np.maximum((low + high) / 2, 1e-3 * ordered.mean(axis=1))
    shifted = distances - ordered[:, :1]  # the same after normalisation, and safe from underflow
    weights = np.exp(-shifted / np.maximum(sigma, 1e-12)[:, None])
    total_weights: np.ndarray = weights / weights.sum(axis=1, keepdims=True)
    return total_weights


def _normalise(features: np.ndarray) -> np.ndarray:
    features = np.asarray(features, dtype=np.float32)
    normalised: np.ndarray = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    return normalised
