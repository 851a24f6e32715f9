"""What Eq. 3 mixes, against a slow softmax."""

from __future__ import annotations

import numpy as np
import pytest

from syntic.evaluation.gap import measure, random_pairs
from syntic.evaluation.mixtures import mix, with_mixtures
from syntic.method import SupportSet

TEMPERATURE = 0.05


@pytest.fixture(scope="module")
def features() -> tuple[np.ndarray, np.ndarray]:
    return random_pairs(40, 16)


@pytest.fixture(scope="module")
def support(features) -> SupportSet:
    return SupportSet(features[1], [f"text {i}" for i in range(40)])


def slow_weights(images: np.ndarray, texts: np.ndarray) -> np.ndarray:
    odds = np.exp(images.astype(np.float64) @ texts.T / TEMPERATURE)
    return odds / odds.sum(axis=1, keepdims=True)


def test_effective_number_and_own_weight_are_those_of_the_softmax(features, support):
    images, texts = features
    found = mix(images[:10], support, temperature=TEMPERATURE, own_texts=texts[:10])
    weights = slow_weights(images[:10], texts)
    entropy = -(weights * np.log(weights)).sum(axis=1)
    np.testing.assert_allclose(found.effective_texts, np.exp(entropy), rtol=1e-4)
    np.testing.assert_allclose(found.own_weights, weights[range(10), range(10)], rtol=1e-3, atol=1e-9)
    mixture = weights @ texts
    np.testing.assert_allclose(
        found.projected, mixture / np.linalg.norm(mixture, axis=1, keepdims=True), atol=1e-5
    )


def test_a_text_itself_is_its_own_caption_and_a_test_picture_has_none(features, support):
    images, texts = features
    own = mix(texts, support, temperature=0.001, own_texts=texts)
    np.testing.assert_allclose(own.own_weights, 1, atol=1e-3)
    np.testing.assert_allclose(own.effective_texts, 1, atol=2e-3)
    assert mix(images, support, temperature=TEMPERATURE).own_weights is None


def test_measures_take_the_medians_of_the_rows_they_are_of(features, support):
    images, texts = features
    found = mix(images, support, temperature=TEMPERATURE, own_texts=texts)
    measures = measure(images, texts)
    assert measures.effective_texts is None
    assert measures.own_weight is None
    rows = np.array([1, 4, 8, 30])
    some = with_mixtures(measures, found, rows)
    assert some.effective_texts == pytest.approx(np.median(found.effective_texts[rows]))
    assert some.own_weight == pytest.approx(np.median(found.own_weights[rows]))
    assert with_mixtures(measures, found).own_weight == pytest.approx(np.median(found.own_weights))
    assert some.centroid_distance == measures.centroid_distance
