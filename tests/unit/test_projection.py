"""Eq. 3 against the plain softmax, its limits, and what it must not depend on."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from syntic.errors import InputError, ShapeError
from syntic.method import SupportSet, project_onto_support
from syntic.method import projection as projection_module


def unit(rows: int, width: int = 24, seed: int = 0) -> torch.Tensor:
    return F.normalize(torch.randn(rows, width, generator=torch.Generator().manual_seed(seed)), dim=1)


def support_of(features: torch.Tensor) -> SupportSet:
    return SupportSet(features, [f"caption {i}" for i in range(len(features))])


def slow_projection(images, texts, temperature, own=None):
    """Eq. 3 as DeCap's notebook writes it, in float64."""
    similarities = images.double() @ texts.double().T
    if own is not None:
        similarities[torch.arange(len(images)), own] = -math.inf
    weights = (similarities / temperature).softmax(dim=1)
    entropy = -torch.special.xlogy(weights, weights).sum(dim=1)
    return F.normalize(weights @ texts.double(), dim=1).float(), weights.float(), entropy.float()


@pytest.mark.parametrize("temperature", [1e-4, 0.005, 0.01, 1 / 80, 0.5, 100.0])
@pytest.mark.parametrize("chunk_values", [24, 24 * 7, 2**20])
def test_it_equals_the_plain_softmax_in_chunks_of_any_size(monkeypatch, temperature, chunk_values):
    monkeypatch.setattr(projection_module, "CHUNK_VALUES", chunk_values)
    monkeypatch.setattr(projection_module, "QUERY_BLOCK", 3)
    images, texts = unit(5, seed=1), unit(50, seed=2)
    features, weights, entropy = slow_projection(images, texts, temperature)
    projection = project_onto_support(images, support_of(texts), temperature=temperature, top_k=10)
    torch.testing.assert_close(projection.features, features, atol=1e-5, rtol=0)
    torch.testing.assert_close(projection.entropy, entropy, atol=1e-4, rtol=1e-4)
    top_weights, top_indices = weights.topk(10, dim=1)
    torch.testing.assert_close(projection.top_weights, top_weights, atol=1e-5, rtol=1e-3)
    if temperature > 1e-3:
        assert torch.equal(projection.top_indices, top_indices)


def test_similarities_recompute_the_weights_at_any_temperature():
    images, texts = unit(2, seed=1), unit(12, seed=2)
    cold = project_onto_support(images, support_of(texts), temperature=0.05, top_k=12)
    warm = project_onto_support(images, support_of(texts), temperature=0.5, top_k=12)
    torch.testing.assert_close((cold.top_similarities / 0.5).softmax(dim=1), warm.top_weights)


def test_temperature_towards_zero_is_the_nearest_text_and_towards_infinity_the_mean():
    images, texts = unit(6, seed=1), unit(40, seed=2)
    nearest = project_onto_support(images, support_of(texts), temperature=1e-6)
    torch.testing.assert_close(nearest.features, texts[(images @ texts.T).argmax(dim=1)])
    torch.testing.assert_close(nearest.effective_captions, torch.ones(6))
    mean = project_onto_support(images, support_of(texts), temperature=1e6)
    torch.testing.assert_close(
        mean.features, F.normalize(texts.mean(0), dim=0).expand(6, -1), atol=1e-5, rtol=0
    )
    torch.testing.assert_close(mean.effective_captions, torch.full((6,), 40.0), atol=1e-2, rtol=0)


def test_the_order_of_the_support_changes_nothing():
    images, texts = unit(4, seed=1), unit(30, seed=2)
    order = torch.randperm(30, generator=torch.Generator().manual_seed(3))
    straight = project_onto_support(images, support_of(texts))
    shuffled = project_onto_support(images, support_of(texts[order]))
    torch.testing.assert_close(straight.features, shuffled.features)
    torch.testing.assert_close(straight.top_weights, shuffled.top_weights)
    assert torch.equal(straight.top_indices, order[shuffled.top_indices])


@pytest.mark.parametrize("chunk_values", [24, 2**20])
def test_the_own_caption_gets_no_weight(monkeypatch, chunk_values):
    monkeypatch.setattr(projection_module, "CHUNK_VALUES", chunk_values)
    texts = unit(20, seed=2)
    images = F.normalize(texts + 0.1 * unit(20, seed=3), dim=1)
    own = torch.arange(20)
    kept = project_onto_support(images, support_of(texts))
    assert torch.equal(kept.top_indices[:, 0], own)
    masked = project_onto_support(images, support_of(texts), top_k=20, own_indices=own)
    assert masked.top_indices.shape == (20, 19)
    assert not (masked.top_indices == own[:, None]).any()
    features, _, entropy = slow_projection(images, texts, 0.01, own)
    torch.testing.assert_close(masked.features, features, atol=1e-5, rtol=0)
    torch.testing.assert_close(masked.entropy, entropy, atol=1e-4, rtol=1e-4)


def test_a_support_of_one_caption_is_that_caption():
    images, texts = unit(3), unit(1, seed=2)
    projection = project_onto_support(images, support_of(texts), top_k=10)
    torch.testing.assert_close(projection.features, texts.expand(3, -1))
    assert projection.top_weights.tolist() == [[1.0], [1.0], [1.0]]


def test_it_closes_the_gap():
    texts, gap = unit(200, seed=2), 2 * unit(1, seed=5)
    texts = F.normalize(texts - (texts @ gap.T) * gap / 4, dim=1)  # no text lies in the gap's direction
    images = F.normalize(texts[:50] + 0.3 * unit(50, seed=1) + gap, dim=1)
    projected = project_onto_support(images, support_of(texts)).features
    before, after = ((x.mean(dim=0) - texts.mean(dim=0)).norm() for x in (images, projected))
    assert after < 0.3 * before


def test_extra_memory_does_not_grow_with_the_support():
    """The largest tensor made on the way stays below 8 MiB, where the plain softmax would need 51 MiB."""
    from torch.utils._python_dispatch import TorchDispatchMode

    class Largest(TorchDispatchMode):
        largest = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            result = func(*args, **(kwargs or {}))
            if isinstance(result, torch.Tensor) and not func.is_view:
                self.largest = max(self.largest, result.nbytes)
            return result

    images, support = unit(256, 8), support_of(unit(50_000, 8))
    with Largest() as seen:
        project_onto_support(images, support)
    assert 0 < seen.largest < 8 * 2**20


@pytest.mark.parametrize("temperature", [0, -0.01, math.nan, math.inf])
def test_a_temperature_that_is_not_above_zero_is_refused(temperature):
    with pytest.raises(InputError, match="temperature"):
        project_onto_support(unit(1), support_of(unit(3)), temperature=temperature)


def test_what_does_not_fit_is_refused():
    support = support_of(unit(5))
    with pytest.raises(ShapeError, match="width 8 .* has 24"):
        project_onto_support(unit(2, 8), support)
    with pytest.raises(ShapeError, match="5 support features but 4 captions"):
        SupportSet(unit(5), ["a"] * 4)
    broken = unit(5)
    broken[1, 1] = math.inf
    with pytest.raises(InputError, match="1 of 5 rows of `support features`"):
        SupportSet(broken, ["a"] * 5)
    with pytest.raises(InputError, match="NaN"):
        project_onto_support(broken, support)
    with pytest.raises(InputError, match="top_k"):
        project_onto_support(unit(2), support, top_k=0)
    with pytest.raises(ShapeError, match="own_indices"):
        project_onto_support(unit(2), support, own_indices=torch.tensor([1]))
    with pytest.raises(ShapeError, match=r"0\.\.4"):
        project_onto_support(unit(2), support, own_indices=torch.tensor([1, 5]))
    with pytest.raises(ShapeError, match="at least 2"):
        project_onto_support(unit(1), support_of(unit(1)), own_indices=torch.tensor([0]))
