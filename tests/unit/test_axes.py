"""The linear maps: principal axes and the axis of the gap."""

from __future__ import annotations

import numpy as np
import pytest

from syntic.errors import InputError, ShapeError
from syntic.evaluation.axes import gap_axes, principal_axes


def features(seed: int = 0, count: int = 60, width: int = 12) -> np.ndarray:
    generator = np.random.default_rng(seed)
    made = generator.normal(size=(count, width)) * np.linspace(2, 0.2, width) + generator.normal(size=width)
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


def test_principal_axes_are_those_of_the_singular_vectors():
    x = features()
    axes = principal_axes(x, 3)
    _, values, vectors = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    np.testing.assert_allclose(np.abs(np.sum(axes.directions * vectors[:3], axis=1)), 1, atol=1e-4)
    np.testing.assert_allclose(axes.explained, values[:3] ** 2 / np.sum(values**2), rtol=1e-4)
    np.testing.assert_allclose(axes.place(x).mean(axis=0), 0, atol=1e-5)


def test_along_the_gap_the_means_are_the_centroid_distance_apart():
    x, y = features(0), features(1)
    axes = gap_axes(x, y)
    apart = axes.place(x).mean(axis=0) - axes.place(y).mean(axis=0)
    np.testing.assert_allclose(apart, [np.linalg.norm(x.mean(axis=0) - y.mean(axis=0)), 0], atol=1e-5)
    np.testing.assert_allclose(axes.directions @ axes.directions.T, np.eye(2), atol=1e-5)


def test_what_has_no_axes_is_refused():
    x = features()
    with pytest.raises(InputError, match="no 13 principal axes"):
        principal_axes(x, 13)
    with pytest.raises(InputError, match="same mean"):
        gap_axes(x, x)
    with pytest.raises(ShapeError, match="width 12"):
        principal_axes(x, 2).place(np.ones((2, 5)))
