"""The CIDEr of one picture: a term of the mean that a table prints."""

from __future__ import annotations

import pytest

from syntic.errors import InputError
from syntic.evaluation.metrics import tokenize_simply
from syntic.evaluation.picture_scores import PictureScorer

REFERENCES = {
    "0": ["a red car on a street", "a car parked on the street", "a red car in the city"],
    "1": ["two cats on a couch", "a pair of cats sitting on a sofa"],
    "2": ["a dog next to a car in the snow", "a dog and a car", "a brown dog near a car in winter"],
    "3": ["a boat on the lake"],
}
CAPTIONS = {"0": "a red car on the street", "1": "two dogs on a couch", "2": "a dog near a car", "3": "a cow"}


def test_it_equals_pycocoevalcap_picture_by_picture():
    from pycocoevalcap.cider.cider import Cider

    truth = {name: tokenize_simply(captions) for name, captions in REFERENCES.items()}
    _, expected = Cider().compute_score(truth, {k: tokenize_simply([c]) for k, c in CAPTIONS.items()})
    scorer = PictureScorer(REFERENCES)
    ours = [scorer.cider(CAPTIONS[name], REFERENCES[name]) for name in REFERENCES]
    assert ours == pytest.approx([100 * value for value in expected], abs=1e-6)
    assert max(ours) > 100
    assert ours[3] < 1


def test_the_only_reference_itself_scores_a_thousand():
    assert PictureScorer(REFERENCES).cider("A boat on the lake.", REFERENCES["3"]) == pytest.approx(1000)


def test_a_word_that_every_picture_has_counts_nothing():
    same = {str(i): ["dog"] for i in range(3)}
    assert PictureScorer(same).cider("dog", ["dog"]) == 0


def test_nothing_to_score_against_is_said():
    with pytest.raises(InputError, match="no reference captions"):
        PictureScorer({})
    with pytest.raises(InputError, match="no reference captions"):
        PictureScorer(REFERENCES).cider("a dog", [])
