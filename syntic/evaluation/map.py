"""The map of the modality gap: texts, generated, refined, projected and real features in plane and space.

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
        space: (n, 3) where they lie on the map of three dimensions, or None where there is none.
        own_texts: (n, D) text features of the labels where the map's texts are others, else None.
    """

    features: np.ndarray
    coordinates: np.ndarray
    labels: list[str]
    space: np.ndarray | None = None
    own_texts: np.ndarray | None = None

    def at(self, dimensions: int) -> np.ndarray | None:
        """Return the coordinates (n, dimensions) of the map of two or three dimensions."""
        return self.coordinates if dimensions == 2 else self.space


@dataclass(frozen=True, eq=False)
class GapMap:
    """A fitted map; two are equal only if they are the same object.

    Attributes:
        points: the features of each kind, with their coordinates.
        settings: how it was fitted: corpus, profile, fingerprints, UMAP's parameters.
    """

    points: Mapping[Kind, MapPoints]
    settings: Mapping[str, Any]

    def place(self, features: np.ndarray, kind: Kind | None = None, *, dimensions: int = 2) -> np.ndarray:
        """Find where new features lie on the map.

        As UMAP's own transform does before its optimisation: a feature goes to the mean of its
        nearest neighbours' coordinates, weighted by exp(-distance / sigma), where sigma makes the
        weights sum to log2(k) (McInnes et al. 2018, Algorithm 3; umap-learn's `init_transform`).
        A feature that is on the map already goes exactly to its place. Deterministic.

        Without the optimisation: umap-learn's keeps more neighbours, but takes many seconds to import and to
        take over a shipped map, seconds more for the points that a slider moves, and gives a point a place
        that depends on the points that it comes with.

        Args:
            features: (n, D) or (D,), unit norm.
            kind: look for neighbours among this kind only; None looks among all.
            dimensions: 2 or 3.

        Returns:
            (n, dimensions) coordinates, one row for a single feature.

        Raises:
            ShapeError: if D is not the map's.
            DataError: if the map has not that many dimensions.
        """
        kinds = list(self.points) if kind is None else [kind]
        known = np.concatenate([self.points[k].features for k in kinds])  # (m, D)
        parts = [place for k in kinds if (place := self.points[k].at(dimensions)) is not None]
        if len(parts) < len(kinds):
            raise DataError(f"This map has no layout of {dimensions} dimensions; run `emoji export` again.")
        coordinates = np.concatenate(parts)  # (m, dimensions)
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
            if points.space is not None:
                tensors[f"{kind}.space"] = points.space.astype(np.float32)
            if points.own_texts is not None:
                tensors[f"{kind}.own_texts"] = points.own_texts.astype(np.float16)
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
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                points = {
                    Kind(name): MapPoints(
                        features=_normalise(tensors[f"{name}.features"]),
                        coordinates=tensors[f"{name}.coordinates"],
                        labels=labels[name],
                        space=tensors.get(f"{name}.space"),
                        own_texts=(
                            None if (own := tensors.get(f"{name}.own_texts")) is None else _normalise(own)
                        ),
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
    own_texts: Mapping[Kind, np.ndarray] | None = None,
    seed: int = 0,
    min_dist: float = 0.15,
    settings: Mapping[str, Any] | None = None,
) -> GapMap:
    """Lay features of all kinds out together with UMAP, in the plane and in space.

    Args:
        features: per kind (n, D), unit norm.
        labels: per kind n texts.
        own_texts: text features (n, D) of the labels, for the kinds whose texts are not the map's.
        seed: of UMAP; the same seed and features give the same map.
        min_dist: UMAP's: how close points may lie.
        settings: kept with the map, beside UMAP's own.
    """
    kinds = list(features)
    stacked = np.concatenate([features[kind] for kind in kinds]).astype(np.float32)
    ends = np.cumsum([len(features[kind]) for kind in kinds])[:-1]
    plane, space = (
        np.split(lay_out(stacked, dimensions, seed=seed, min_dist=min_dist), ends) for dimensions in (2, 3)
    )
    points = {
        kind: MapPoints(
            features=_normalise(features[kind]),
            coordinates=plane[i],
            labels=list(labels[kind]),
            space=space[i],
            own_texts=(own_texts or {}).get(kind),
        )
        for i, kind in enumerate(kinds)
    }
    neighbours = min(NEIGHBOURS, len(stacked) - 1)
    method = {"method": "umap", "neighbours": neighbours, "min_dist": min_dist, "seed": seed}
    return GapMap(points, {**method, **(settings or {})})


def lay_out(features: np.ndarray, dimensions: int, *, seed: int = 0, min_dist: float = 0.15) -> np.ndarray:
    """Lay features (n, D) out with UMAP: cosine distance, a fixed seed.

    Returns:
        (n, dimensions), centred and scaled to fit a circle or ball of radius about one.
    """
    import umap

    reducer = umap.UMAP(
        n_components=dimensions,
        n_neighbors=min(NEIGHBOURS, len(features) - 1),
        min_dist=min_dist,
        metric="cosine",
        random_state=seed,
        n_jobs=1,
    )
    coordinates = np.asarray(reducer.fit_transform(features), dtype=np.float32)
    coordinates -= coordinates.mean(axis=0)
    scaled: np.ndarray = coordinates / np.quantile(np.linalg.norm(coordinates, axis=1), 0.99)
    return scaled


def pictures_path(map_path: Path) -> Path:
    """Return where the contact sheet of a map's generated pictures lies: beside it."""
    return map_path.with_suffix(".webp")


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
