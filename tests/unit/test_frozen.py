"""The measures of the frozen models, on cases whose figures are known and on tiny real models."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from syntic.emoji.frozen import (
    Domain,
    Measure,
    frechet_distance,
    measure_detector,
    measure_generator,
    measure_models,
    measure_relations,
    measure_retrieval,
    to_markdown,
)
from syntic.evaluation import open_test_set
from syntic.method.components import Components
from syntic.types import Detection


def thing(label: str, left: float = 0.0, score: float = 1.0) -> Detection:
    return Detection(label=label, score=score, box=(left, 0.0, left + 10.0, 10.0))


TRUTH = [[thing("dog"), thing("cat", 30)], [thing("dog"), thing("dog", 30)]]


def values(measures: list[Measure]) -> dict[str, float]:
    return {measure.what: measure.value for measure in measures}


def test_the_detector_is_right_about_right_boxes_and_wrong_about_none():
    assert values(measure_detector(TRUTH, TRUTH)) == {"AP50": 1.0, "AP50:95": 1.0}
    assert values(measure_detector([[], []], TRUTH))["AP50"] == 0
    shifted = [[thing("dog", 2), thing("cat", 32)], [thing("dog", 2), thing("dog", 32)]]  # overlap 8 / 12
    measured = values(measure_detector(shifted, TRUTH))
    assert measured["AP50"] == pytest.approx(1)
    assert measured["AP50:95"] == pytest.approx(4 / 10)  # at .5, .55, .6 and .65


def test_the_generator_is_judged_by_what_is_found():
    found = [[thing("dog"), thing("dog", 30)], [thing("dog"), thing("dog", 30), thing("cow", 60)]]
    measured = values(measure_generator(found, TRUTH))
    assert measured["named things that are found"] == pytest.approx(2 / 3)
    assert measured["pictures with all of them"] == pytest.approx(1 / 2)
    assert measured["things found in the right number"] == pytest.approx(1 / 2)
    assert measured["the same of 1 that are two or more"] == 1


def test_the_frechet_distance_knows_means_and_spreads():
    x = np.random.default_rng(0).standard_normal((4000, 3))
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(x + [2, 0, 0], x) == pytest.approx(4)
    assert frechet_distance(3 * x, x) == pytest.approx(4 * 3 + 4 * float((x.mean(0) ** 2).sum()), rel=0.05)


def test_relations_are_judged_where_both_things_are_found():
    high = Detection(label="bird", score=1.0, box=(0.0, 0.0, 10.0, 10.0))
    low = Detection(label="dog", score=1.0, box=(0.0, 30.0, 10.0, 60.0))
    captions = ["a bird above a dog in a park", "a bird in front of a dog", "a dog under a bird", "a dog"]
    (measured,) = measure_relations([[high, low], [high, low], [low], [low]], captions)
    assert measured.value == pytest.approx(1 / 2)
    assert "of 2 " in measured.what


def test_a_caption_that_pictures_share_is_right_for_all_of_them(tiny_profile):
    test_set = open_test_set(tiny_profile, next(iter(tiny_profile.test_sets))).head(4)
    captions = ["a dog", "a dog", "a cat", "a cow"]
    references = {name: [caption] for name, caption in zip(test_set.names, captions, strict=True)}
    domain = Domain("tiny", replace(test_set, references=references), test_set)
    texts = np.eye(4)[[0, 0, 2, 3]]
    measured = values(measure_retrieval(np.eye(4)[[0, 0, 2, 2]], texts, [domain]))
    assert measured["picture to caption among 3, R@1"] == pytest.approx(3 / 4)
    assert measured["picture to caption among 3, R@5"] == 1


@pytest.mark.filterwarnings("ignore:Matrix is singular")  # the covariance of a handful of pictures
def test_all_models_are_measured_and_printed(tiny_profile, tmp_path):
    test_set = open_test_set(tiny_profile, next(iter(tiny_profile.test_sets)))
    components = Components.load(tiny_profile, torch.device("cpu"))
    known = components.feature_store(next(iter(tiny_profile.corpora))).captions[0]
    references = {name: [f"{name} of a dog"] for name in test_set.names}
    other = replace(test_set, references=references | {test_set.names[0]: [known]})
    domains = [Domain("one", other, other), Domain("two", other, other)]
    measures = measure_models(components, domains, tmp_path / "pictures")
    assert {measure.model for measure in measures} == {"CLIP", "detector", "generator"}
    assert all(np.isfinite(measure.value) for measure in measures)
    assert len(list((tmp_path / "pictures").iterdir())) == 2 * (len(test_set) - 1)  # a corpus has the first's
    table = to_markdown(measures, "tiny", len(test_set))
    assert table.count("\n") == len(measures) + 3
    assert "| detector | AP50 | two |" in table
