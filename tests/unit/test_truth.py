"""Captions held against their scenes: the grammar's own are true, and what is false is found."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest

from syntic.emoji.captions import write_captions
from syntic.emoji.scenes import Group, Scene, sample_scene
from syntic.emoji.truth import ASPECTS, Claims, Tally, check, measure, read_claims


def tallied(caption: str, scene: Scene) -> dict[str, Tally]:
    tallies = {aspect: Tally() for aspect in ASPECTS}
    check(read_claims(caption), asdict(scene), tallies)
    return tallies


DOGS = Scene(
    setting="park",
    time="day",
    groups=(Group(label="dog", sprite="", count=2), Group(label="chair", sprite="")),
    relations=("in front of",),
    seed=0,
)


@pytest.mark.parametrize("split", ["train", "test"])
def test_what_the_grammar_writes_is_true_of_its_scene(split):
    rng = np.random.default_rng(3)
    for _ in range(250):
        scene = sample_scene(rng, split)
        for number, caption in enumerate(write_captions(scene, rng)):
            tallies = tallied(caption, scene)
            for aspect, tally in tallies.items():
                assert tally.true == tally.said, (aspect, caption, read_claims(caption), scene)
            if number == 0:  # the first caption leaves nothing out
                assert tallies["things"].recall == 100, (caption, scene)


def test_most_of_what_the_grammar_says_is_understood():
    rng = np.random.default_rng(4)
    tallies = {aspect: Tally() for aspect in ASPECTS}
    for _ in range(300):
        scene = sample_scene(rng, "train")
        check(read_claims(write_captions(scene, rng, 1)[0]), asdict(scene), tallies)
    assert {aspect: tally.recall > 60 for aspect, tally in tallies.items()} == dict.fromkeys(ASPECTS, True)
    assert tallies["settings"].recall > 90
    assert tallies["counts"].recall > 90


def test_a_caption_is_read_phrase_by_phrase():
    claims = read_claims("Two large dogs in front of a chair in the park.")
    assert claims == Claims(
        things=frozenset({"dog", "chair"}),
        counts=(("dog", frozenset({2})), ("chair", frozenset({1}))),
        settings=(frozenset({"park"}),),
        relations=(("dog", frozenset({"in front of"}), "chair"),),
    )
    assert read_claims("a hot dog").things == {"hot dog"}
    assert read_claims("a man riding a horse").things == {"person"}  # what he does, as the grammar says it
    assert read_claims("a cat on a horse").relations == (("cat", frozenset({"on"}), "horse"),)
    assert read_claims("a cat under an orange sky").things == {"cat"}
    assert read_claims("") == Claims()


@pytest.mark.parametrize(
    ("caption", "wrong"),
    [
        ("two cats in front of a chair", {"things", "relations"}),
        ("three dogs in a park", {"counts"}),
        ("two dogs on a beach", {"settings"}),
        ("two dogs behind a chair", {"relations"}),
        ("a chair behind two dogs", set()),
        ("two dogs near a chair", set()),
        ("two dogs on a chair", {"relations"}),
    ],
)
def test_what_is_false_is_found(caption, wrong):
    assert {aspect for aspect, tally in tallied(caption, DOGS).items() if tally.true < tally.said} == wrong


def test_a_picture_set_is_measured_where_it_has_scenes(tmp_path):
    assert measure(tmp_path, {"0": "a dog"}) is None
    images = [{"file_name": "0.webp", "scene": asdict(DOGS)}, {"file_name": "1.webp", "scene": asdict(DOGS)}]
    (tmp_path / "annotations.json").write_text(json.dumps({"images": images}))
    figures = measure(tmp_path, {"0": "two dogs", "1": "a cat in a park"})
    assert figures is not None
    assert figures["things_precision"] == 50
    assert figures["things_recall"] == 25
    assert figures["counts_precision"] == 100
    assert figures["settings_recall"] == 50
    assert figures["relations_precision"] is None
    assert figures["relations_recall"] == 0
    assert measure(tmp_path, {"2": "a dog"}) is None
