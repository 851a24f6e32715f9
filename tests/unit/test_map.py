"""The map: placing features, files, and the fit."""

from __future__ import annotations

import numpy as np
import pytest

from syntic.errors import DataError, ShapeError
from syntic.evaluation.map import GapMap, Kind, MapPoints, fit_map

WIDTH = 16


def clusters(seed: int, count: int = 30) -> np.ndarray:
    """Unit features around three directions, `count` of each."""
    generator = np.random.default_rng(seed)
    centres = np.eye(WIDTH)[:3]
    features = np.repeat(centres, count, axis=0) + 0.08 * generator.normal(size=(3 * count, WIDTH))
    return (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def gap_map() -> GapMap:
    """Texts on the left, pictures on the right; each cluster at its own height."""
    heights = np.repeat([0.0, 1.0, 2.0], 30)[:, None]
    texts, pictures = clusters(0), -clusters(1)
    labels = [f"label {i}" for i in range(90)]
    return GapMap(
        {
            Kind.TEXT: MapPoints(
                features=texts, coordinates=np.hstack([heights * 0 - 1, heights]), labels=labels
            ),
            Kind.REAL: MapPoints(
                features=pictures, coordinates=np.hstack([heights * 0 + 1, heights]), labels=labels
            ),
        },
        {"method": "by hand"},
    )


def test_a_feature_of_the_map_goes_exactly_to_its_place(gap_map):
    for points in gap_map.points.values():
        np.testing.assert_allclose(gap_map.place(points.features), points.coordinates, atol=1e-4)


def test_a_new_feature_goes_among_its_neighbours(gap_map):
    new = clusters(7, count=5)
    placed = gap_map.place(new)
    np.testing.assert_allclose(placed[:, 0], -1, atol=1e-6)
    np.testing.assert_allclose(placed[:, 1], np.repeat([0.0, 1.0, 2.0], 5), atol=0.05)


def test_neighbours_can_be_of_one_kind_only(gap_map):
    placed = gap_map.place(clusters(7, count=2), Kind.REAL)
    np.testing.assert_allclose(placed[:, 0], 1, atol=1e-6)


def test_one_feature_needs_no_batch(gap_map):
    assert gap_map.place(clusters(3)[0]).shape == (1, 2)


def test_close_neighbours_weigh_more(gap_map):
    between = clusters(0)[0] * 0.8 + clusters(0)[30] * 0.2
    height = gap_map.place(between / np.linalg.norm(between))[0, 1]
    assert 0 <= height < 0.5


def test_another_width_is_refused(gap_map):
    with pytest.raises(ShapeError, match="width 16"):
        gap_map.place(np.ones((1, 8), np.float32))


def test_a_map_survives_its_file(gap_map, tmp_path):
    gap_map.save(tmp_path / "maps" / "map.safetensors")
    loaded = GapMap.load(tmp_path / "maps" / "map.safetensors")
    assert dict(loaded.settings) == {"method": "by hand"}
    for kind, points in gap_map.points.items():
        assert loaded.points[kind].labels == points.labels
        np.testing.assert_allclose(loaded.points[kind].features, points.features, atol=1e-3)
        np.testing.assert_allclose(np.linalg.norm(loaded.points[kind].features, axis=1), 1, atol=1e-6)
    new = clusters(9)
    np.testing.assert_allclose(loaded.place(new), gap_map.place(new), atol=0.02)


def test_a_missing_or_damaged_file_is_named(tmp_path):
    path = tmp_path / "map.safetensors"
    with pytest.raises(DataError, match="emoji export"):
        GapMap.load(path)
    path.write_bytes(b"not a map at all")
    with pytest.raises(DataError, match="damaged"):
        GapMap.load(path)


def test_the_fit_keeps_clusters_and_kinds_apart_and_repeats():
    labels = [f"label {i}" for i in range(90)]
    features = {Kind.TEXT: clusters(0), Kind.REAL: -clusters(1)}
    fitted = fit_map(features, {kind: labels for kind in features}, seed=3)
    assert fitted.settings["method"] == "umap"
    again = fit_map(features, {kind: labels for kind in features}, seed=3)
    for kind in features:
        coordinates = fitted.points[kind].coordinates
        np.testing.assert_array_equal(coordinates, again.points[kind].coordinates)
        centres = coordinates.reshape(3, 30, 2).mean(axis=1)
        spread = np.linalg.norm(coordinates.reshape(3, 30, 2) - centres[:, None], axis=2).mean()
        gaps = [np.linalg.norm(centres[a] - centres[b]) for a, b in ((0, 1), (0, 2), (1, 2))]
        assert min(gaps) > 2 * spread


def test_the_export_puts_every_kind_on_the_map(tiny_syntic):
    from syntic.evaluation.map_command import export_map

    made = export_map(tiny_syntic.components, "everyday", texts=20, pictures=3)
    assert {kind: len(points.labels) for kind, points in made.points.items()} == {
        Kind.TEXT: 20,
        Kind.GENERATED: 20,
        Kind.REFINED: 20,
        Kind.PROJECTED: 20,
        Kind.REAL: 3,
    }
    assert made.settings["corpus"] == "everyday"
    feature = tiny_syntic(text=made.points[Kind.TEXT].labels[0]).image_feature
    assert np.isfinite(made.place(feature)).all()
