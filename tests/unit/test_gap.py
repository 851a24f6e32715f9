import math
from dataclasses import asdict

import numpy as np
import pytest

from syntic.errors import InputError, ShapeError
from syntic.evaluation import gap


def make_pairs(
    n: int = 40, width: int = 16, offset: float = 1.0, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return paired features whose modalities lie `offset` apart along one direction."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(n, width))
    direction = np.zeros(width)
    direction[0] = offset * math.sqrt(width)
    x = shared + 0.3 * rng.normal(size=(n, width)) + direction
    y = shared + 0.3 * rng.normal(size=(n, width)) - direction
    return (
        (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32),
        (y / np.linalg.norm(y, axis=1, keepdims=True)).astype(np.float32),
    )


def test_every_measure_equals_its_formula_written_as_loops() -> None:
    x, y = make_pairs()
    n = len(x)
    others = [(i, j) for i in range(n) for j in range(n) if i != j]

    def distance(cosine: float) -> float:
        return (1 - cosine) / 2

    pairs = np.mean([distance(float(x[i] @ y[i])) for i in range(n)])
    images = np.mean([distance(float(x[i] @ x[j])) for i, j in others])
    texts = np.mean([distance(float(y[i] @ y[j])) for i, j in others])
    expected = {
        "centroid_distance": np.linalg.norm(np.mean(x, axis=0) - np.mean(y, axis=0)),
        "relative_modality_gap": pairs / (pairs + 0.5 * (images + texts)),
        "alignment": np.mean([np.sum((x[i] - y[i]) ** 2) for i in range(n)]),
        "image_uniformity": math.log(np.mean([math.exp(-2 * np.sum((x[i] - x[j]) ** 2)) for i, j in others])),
        "text_uniformity": math.log(np.mean([math.exp(-2 * np.sum((y[i] - y[j]) ** 2)) for i, j in others])),
        "image_cone": np.mean([x[i] @ x[j] for i, j in others]),
        "text_cone": np.mean([y[i] @ y[j] for i, j in others]),
        "pair_cosine": np.mean([x[i] @ y[i] for i in range(n)]),
    }
    measured = asdict(gap.measure(x, y))
    for name, value in expected.items():
        assert measured[name] == pytest.approx(float(value), rel=1e-5), name


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = make_pairs()
    whole, loss = gap.measure(x, y), gap.contrastive_loss(x, y)
    monkeypatch.setattr(gap, "_CHUNK", 7)
    assert asdict(gap.measure(x, y)) == pytest.approx(asdict(whole))
    assert gap.contrastive_loss(x, y) == pytest.approx(loss)


def test_separability_is_certain_across_a_gap_and_a_guess_without() -> None:
    assert gap.measure(*make_pairs(200, offset=1.0)).linear_separability == 1.0
    assert gap.measure(*make_pairs(200, offset=0.0)).linear_separability == pytest.approx(0.5, abs=0.12)


def test_equal_modalities_have_no_gap() -> None:
    x, _ = make_pairs()
    measured = gap.measure(x, x)
    assert measured.centroid_distance == 0
    assert measured.alignment == 0
    assert measured.relative_modality_gap == pytest.approx(0, abs=1e-6)
    assert measured.image_uniformity == measured.text_uniformity


def test_the_shift_closes_and_widens_the_gap() -> None:
    x, y = make_pairs()
    distance = {
        amount: gap.measure(*gap.shift_gap(x, y, amount)).centroid_distance
        for amount in (-0.5, 0.0, 0.5, 1.0)
    }
    assert distance[-0.5] > distance[0.0] > distance[0.5] > distance[1.0]
    assert distance[1.0] < 0.1 * distance[0.0]
    np.testing.assert_allclose(gap.shift_gap(x, y, 0)[0], x, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(gap.shift_gap(x, y, 0.7)[1], axis=1), 1, atol=1e-5)


def test_the_contrastive_loss_equals_the_written_out_one() -> None:
    x, y = make_pairs(12)
    logits = x.astype(np.float64) @ y.astype(np.float64).T / 0.1
    rows = [-math.log(math.exp(logits[i, i]) / np.exp(logits[i]).sum()) for i in range(12)]
    columns = [-math.log(math.exp(logits[i, i]) / np.exp(logits[:, i]).sum()) for i in range(12)]
    assert gap.contrastive_loss(x, y, 0.1) == pytest.approx((np.mean(rows) + np.mean(columns)) / 2, rel=1e-5)


def test_unusable_features_are_refused() -> None:
    x, y = make_pairs()
    with pytest.raises(ShapeError, match="paired"):
        gap.measure(x, y[:-1])
    with pytest.raises(ShapeError, match="at least 4"):
        gap.measure(x[:3], y[:3])
    with pytest.raises(InputError, match="unit norm"):
        gap.measure(2 * x, y)
    x[0, 0] = np.nan
    with pytest.raises(InputError, match="unit norm"):
        gap.measure(x, y)


def test_the_loss_along_the_shift_is_that_of_each_shift() -> None:
    x, y = make_pairs(20)
    curve = gap.loss_along_shift(x, y, np.array([-0.5, 0.0, 1.0]), 0.1)
    assert curve.losses[1] == pytest.approx(gap.contrastive_loss(x, y, 0.1), rel=1e-5)
    moved = gap.shift_gap(x, y, 1.0)
    assert curve.losses[2] == pytest.approx(gap.contrastive_loss(*moved, 0.1), rel=1e-5)
    assert curve.distances[0] > curve.distances[1] > curve.distances[2]


def test_random_pairs_are_the_control() -> None:
    x, y = gap.random_pairs(400, 64)
    measured = gap.measure(x, y)
    assert measured.relative_modality_gap == pytest.approx(0.5, abs=0.01)
    assert measured.linear_separability == pytest.approx(0.5, abs=0.12)
    assert measured.centroid_distance == pytest.approx(math.sqrt(2 / 400), rel=0.2)


def test_noise_turns_a_feature_as_far_as_its_deviation_says() -> None:
    x, _ = make_pairs(200, width=256)
    np.testing.assert_allclose(gap.add_noise(x, 0.0), x, atol=1e-6)
    noisy = gap.add_noise(x, 0.1, seed=7)  # another stream than the features
    np.testing.assert_allclose(np.linalg.norm(noisy, axis=1), 1, atol=1e-5)
    assert float((noisy * x).sum(axis=1).mean()) == pytest.approx(1 / math.sqrt(1 + 256 * 0.01), abs=0.02)
    with pytest.raises(InputError, match="0 or more"):
        gap.add_noise(x, -0.1)
