"""Eq. 3 against the plain softmax, its limits, and what it must not depend on."""

from __future__ import annotations

import json
import math
import sys

import pytest
import torch
from torch.nn import functional as F

from syntic.__main__ import main
from syntic.errors import InputError, MissingToolError, ShapeError
from syntic.evaluation.bench_projection import (
    exponent,
    make_queries,
    make_texts,
    measure_index,
    measure_projection,
)
from syntic.method import SupportSet, project_onto_support
from syntic.method import projection as projection_module
from syntic.method.neighbours import NeighbourIndex, make_support_set, weight_recall
from syntic.profiles.profile import ProjectionSettings


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
    monkeypatch.setattr(projection_module, "TEXT_VALUES", chunk_values)
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
    monkeypatch.setattr(projection_module, "TEXT_VALUES", chunk_values)
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


@pytest.fixture(scope="module")
def texts() -> torch.Tensor:
    return make_texts(2000, 24)


class TestNeighbours:
    """FAISS finds the texts, Eq. 3 weighs them."""

    def test_all_neighbours_give_the_exact_projection(self, texts):
        images = make_queries(texts, 5)
        index = NeighbourIndex(texts, neighbours=2000, probes=1000)
        assert torch.equal(index.search(images).sort(dim=1).values, torch.arange(2000).expand(5, -1))
        exact = project_onto_support(images, support_of(texts), temperature=0.05)
        found = project_onto_support(
            images, SupportSet(texts, support_of(texts).captions, index), temperature=0.05
        )
        torch.testing.assert_close(found.features, exact.features, atol=1e-5, rtol=0)
        torch.testing.assert_close(found.entropy, exact.entropy, atol=1e-4, rtol=1e-4)
        assert torch.equal(found.top_indices, exact.top_indices)
        torch.testing.assert_close(found.top_weights, exact.top_weights)

    def test_the_recall_is_the_share_of_the_exact_weight(self, texts):
        images = make_queries(texts, 8)
        index = NeighbourIndex(texts, neighbours=20, probes=4)
        recall = weight_recall(images, support_of(texts), index, temperature=0.05)
        weights = (images @ texts.T / 0.05).softmax(dim=1)
        for row, found in enumerate(index.search(images)):
            assert recall[row] == pytest.approx(float(weights[row, found[found >= 0]].sum()), abs=1e-5)
        assert 0.1 < float(recall.min()) < 0.999
        better = weight_recall(images, support_of(texts), NeighbourIndex(texts, neighbours=500), 0.05)
        assert float(better.mean()) > float(recall.mean())
        with pytest.raises(InputError, match="at least one query"):
            weight_recall(images[:0], support_of(texts), index, 0.05)

    def test_the_own_caption_gets_no_weight(self, texts):
        own = torch.tensor([3, 70])
        nearest = SupportSet(texts, support_of(texts).captions, NeighbourIndex(texts, neighbours=50))
        kept = project_onto_support(texts[own], nearest, top_k=50)
        assert kept.top_indices[:, 0].tolist() == [3, 70]
        masked = project_onto_support(texts[own], nearest, top_k=50, own_indices=own)
        assert masked.top_indices.shape == (2, 49)
        assert not (masked.top_indices == own[:, None]).any()
        other = project_onto_support(texts[own], nearest, own_indices=torch.tensor([1500, 1501]))
        assert other.top_indices[:, 0].tolist() == [
            3,
            70,
        ]  # not among those found

    def test_the_choice_is_a_setting_with_an_automatic_value(self, texts, monkeypatch, caplog):
        captions = support_of(texts).captions
        automatic = ProjectionSettings(exact_limit=1999)
        assert make_support_set(texts, captions, ProjectionSettings()).index is None
        assert make_support_set(texts, captions, automatic).index is not None
        assert make_support_set(texts, captions, ProjectionSettings(engine="faiss")).index is not None
        monkeypatch.setitem(sys.modules, "faiss", None)  # as where it is not installed
        assert make_support_set(texts, captions, automatic).index is None
        assert "FAISS is not installed" in caplog.text
        with pytest.raises(MissingToolError, match="requirements-scale.txt"):
            make_support_set(texts, captions, ProjectionSettings(engine="faiss"))
        with pytest.raises(InputError, match="`engine` must be auto, exact, faiss, not 'fast'"):
            ProjectionSettings(engine="fast")


class TestBench:
    def test_it_measures_time_memory_and_agreement(self):
        texts = make_texts(3000, 32)
        torch.testing.assert_close(texts.norm(dim=1), torch.ones(3000))
        timing = measure_projection(texts, 4, repeats=1)
        assert timing.difference < 1e-5
        assert timing.speed_up == timing.reference_seconds / timing.seconds
        assert timing.extra_megabytes is None or timing.extra_megabytes >= 0
        assert measure_projection(texts, 4, repeats=1, reference=False).reference_seconds is None
        index = measure_index(texts, 4, neighbours=256)
        assert 0.9 < index.recall_lowest <= index.recall_mean <= 1
        assert index.cosine_lowest > 0.95

    def test_the_exponent_is_that_of_a_power(self):
        assert exponent([10, 100, 1000], [3e-3, 3e-2, 3e-1]) == pytest.approx(1)
        assert exponent([1, 2, 4], [5, 20, 80]) == pytest.approx(2)

    def test_the_command_prints_a_ratio(self, capsys):
        command = ["bench", "projection", "--texts", "300,3000", "--width", "16", "--queries", "2"]
        assert main([*command, "--faiss"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert "as fast as the plain softmax" in lines[0]
        assert "time grows as the number of texts to the" in lines[2]
        assert lines[3].startswith("faiss, 300 texts")
        assert main([*command, "--no-reference", "--json"]) == 0
        report = json.loads(capsys.readouterr().out)
        assert [row["texts"] for row in report["projection"]] == [300, 3000]
        assert report["projection"][0]["speed_up"] is None
        assert main(["bench", "projection", "--width", "0"]) == 2
