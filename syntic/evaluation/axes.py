"""Linear maps of features into the plane or into space: principal axes, and the axis of the gap itself.

Unlike UMAP they keep directions and distances, as far as so few dimensions can, and place any new
feature by a product.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import InputError, ShapeError


@dataclass(frozen=True, eq=False, kw_only=True)
class Axes:
    """An orthogonal projection.

    Attributes:
        origin: (D,) what goes to zero.
        directions: (d, D) orthonormal.
        explained: (d,) the share of the variance along each direction.
    """

    origin: np.ndarray
    directions: np.ndarray
    explained: np.ndarray

    def place(self, features: np.ndarray) -> np.ndarray:
        """Return the coordinates (n, d) of features (n, D)."""
        if features.ndim != 2 or features.shape[1] != len(self.origin):
            raise ShapeError(
                f"The axes are of width {len(self.origin)}; features (n, D) have shape {features.shape}."
            )
        placed: np.ndarray = (features - self.origin) @ self.directions.T
        return placed


def principal_axes(features: np.ndarray, count: int) -> Axes:
    """Return the `count` directions of largest variance of features (n, D), largest first (PCA).

    Each direction points to where its largest entry is positive, so that the map does not flip.

    Raises:
        InputError: if there are not that many directions.
    """
    if not 1 <= count <= min(features.shape):
        raise InputError(f"{features.shape} features have no {count} principal axes.")
    origin = features.mean(axis=0)
    covariance = np.cov((features - origin).T.astype(np.float64), bias=True)  # (D, D)
    values, vectors = np.linalg.eigh(covariance)
    directions = vectors.T[::-1][:count]  # (d, D)
    signs = np.sign(directions[np.arange(count), np.abs(directions).argmax(axis=1)])
    return Axes(
        origin=origin,
        directions=(directions * signs[:, None]).astype(np.float32),
        explained=np.maximum(values[::-1][:count], 0) / max(float(values.sum()), 1e-12),
    )


def gap_axes(image_features: np.ndarray, text_features: np.ndarray) -> Axes:
    """Return a plane that shows the gap: along the means' difference, and the largest variance across it.

    The first coordinate runs from the texts' mean to the images', so on it the means are exactly the
    centroid distance apart; the origin is halfway.

    Raises:
        InputError: if the two means are the same, so that there is no such direction.
    """
    difference = image_features.mean(axis=0) - text_features.mean(axis=0)  # (D,)
    distance = float(np.linalg.norm(difference))
    if distance < 1e-6:
        raise InputError("The two sets have the same mean; there is no direction of the gap.")
    along = difference / distance
    both = np.concatenate([image_features, text_features])
    origin = (image_features.mean(axis=0) + text_features.mean(axis=0)) / 2
    centred = both - origin
    across = principal_axes(centred - np.outer(centred @ along, along), 1).directions[0]
    directions = np.stack([along, across])  # (2, D)
    variance = np.square(centred @ directions.T).mean(axis=0)
    return Axes(
        origin=origin,
        directions=directions.astype(np.float32),
        explained=variance / np.square(centred).sum(axis=1).mean(),
    )
