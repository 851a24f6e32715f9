"""The similarity heatmap and the clusters that order it."""

from __future__ import annotations

import numpy as np
import pytest

from syntic.errors import ShapeError
from syntic.evaluation.heatmap import order_by_clusters, similarity_heatmap


def clustered() -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Images, texts and captions of three things, shuffled."""
    generator = np.random.default_rng(0)
    things = generator.permutation(np.repeat([0, 1, 2], 6))
    names = ["a red car and a lake", "one sleepy cat and a lake", "an old boat and a lake"]
    base = np.eye(8)[things]

    def around() -> np.ndarray:
        made = base + 0.1 * generator.normal(size=base.shape)
        return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)

    return around(), around(), [names[thing] for thing in things]


def test_similar_captions_become_neighbours_and_get_their_word():
    _, texts, captions = clustered()
    clusters = order_by_clusters(texts, captions, 3)
    assert sorted(clusters.order.tolist()) == list(range(18))
    assert clusters.starts == [0, 6, 12]
    ordered = [captions[i] for i in clusters.order]
    assert all(len(set(ordered[start : start + 6])) == 1 for start in clusters.starts)
    for start, word in zip(clusters.starts, clusters.words, strict=True):
        assert word in ordered[start]
        assert word != "lake", "a word that all clusters have tells none of them"


def test_the_matrix_is_the_cosines_and_the_means_are_those_of_its_quadrants():
    images, texts, captions = clustered()
    order = order_by_clusters(texts, captions).order
    heatmap = similarity_heatmap(images, texts, order)
    both = [images[i] for i in order] + [texts[i] for i in order]
    n, expected = len(order), np.array([[float(a @ b) for b in both] for a in both])
    np.testing.assert_allclose(heatmap.similarities, expected, atol=1e-5)
    others = [(i, j) for i in range(n) for j in range(n) if i != j]
    assert heatmap.image_image == pytest.approx(np.mean([expected[i, j] for i, j in others]), abs=1e-5)
    assert heatmap.text_text == pytest.approx(np.mean([expected[n + i, n + j] for i, j in others]), abs=1e-5)
    assert heatmap.image_text == pytest.approx(np.mean([expected[i, n + j] for i, j in others]), abs=1e-5)
    assert heatmap.pairs == pytest.approx(np.mean([expected[i, n + i] for i in range(n)]), abs=1e-5)


def test_what_does_not_pair_is_refused():
    images, texts, captions = clustered()
    with pytest.raises(ShapeError, match="at least 2 captions"):
        order_by_clusters(texts[:1], captions[:1])
    with pytest.raises(ShapeError, match="at least 2 pairs"):
        similarity_heatmap(images, texts[:-1], np.arange(18))
