"""Captions held against their scenes: the grammar's own are true, and what is false is found."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest

from syntic.emoji.captions import write_captions
from syntic.emoji.reading import Claims, named_labels, read_claims
from syntic.emoji.scenes import GROUP_SHARES, Group, Scene, sample_scene
from syntic.emoji.truth import ASPECTS, Tally, check, measure


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


@pytest.mark.parametrize("hand", GROUP_SHARES)
@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_what_a_hand_writes_is_true_of_its_scene(hand, split):
    rng = np.random.default_rng(3)
    for _ in range(250):
        scene = sample_scene(rng, split, hand)
        for number, caption in enumerate(write_captions(scene, rng, hand=hand)):
            claims, tallies = read_claims(caption), tallied(caption, scene)
            for aspect, tally in tallies.items():
                assert tally.true == tally.said, (aspect, caption, claims, scene)
            assert claims.things == named_labels(caption)
            if number == 0:  # the first caption leaves nothing out
                assert tallies["things"].recall == 100, (caption, scene)
                assert tallies["settings"].recall == 100, (caption, scene)


@pytest.mark.parametrize(
    ("hand", "least"),
    [
        ("everyday", {"counts": 90, "relations": 60}),
        ("people", {"counts": 90, "relations": 60}),
        ("web", {"counts": 10, "relations": 60}),  # alt text counts what is more than one
    ],
)
def test_most_of_what_a_hand_says_is_understood(hand, least):
    rng = np.random.default_rng(4)
    tallies = {aspect: Tally() for aspect in ASPECTS}
    for _ in range(300):
        scene = sample_scene(rng, "train", hand)
        check(read_claims(write_captions(scene, rng, 1, hand)[0]), asdict(scene), tallies)
    least |= {"things": 99, "settings": 90}
    assert {aspect: tally.recall > least[aspect] for aspect, tally in tallies.items()} == dict.fromkeys(
        ASPECTS, True
    )


def test_several_are_counted_in_alt_text_too():
    rng = np.random.default_rng(5)
    several = [s for s in (sample_scene(rng, "train", "web") for _ in range(400)) if s.groups[0].count > 1]
    assert len(several) > 50
    for scene in several:
        caption = write_captions(scene, rng, 1, "web")[0]
        first = scene.groups[0]
        assert (first.label, frozenset({first.count})) in read_claims(caption).counts, caption


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


def test_what_people_do_is_read_in_every_form():
    riding = ("riding a bike", "rides a bike", "is riding a bike", "in a small boat", "juggles balls")
    for activity in riding:
        assert read_claims(f"a woman in a red jacket {activity} in the park") == Claims(
            things=frozenset({"person"}),
            counts=(("person", frozenset({1})),),
            settings=(frozenset({"park"}),),
        )
    assert read_claims("two female cyclists ride bicycles near a ball").things == {"person", "sports ball"}
    assert read_claims("a dog in a small boat").things == {"dog", "boat"}  # only people do such things


@pytest.mark.parametrize(
    ("position", "relation"),
    [
        ("stands in the background", "in front of"),
        ("is standing behind him", "in front of"),
        ("stands in the foreground", "behind"),
        ("stands in front of them", "behind"),
        ("waits next to her", "next to"),
        ("looks on nearby", "near"),
        ("flies overhead", "under"),
        ("flies above him", "under"),
    ],
)
def test_a_clause_says_where_the_second_thing_is(position, relation):
    claims = read_claims(f"a man juggles at dusk while a bird {position}")
    assert claims.relations == (("person", frozenset({relation}), "bird"),)
    assert read_claims(f"a man juggles with a bird {position}").relations == claims.relations
    assert read_claims(f"a bird {position}").relations == ()


def test_times_and_openings_say_nothing_of_things_and_numbers():
    assert read_claims("a picture of sheep as snow falls at night") == Claims(things=frozenset({"sheep"}))
    assert read_claims("a dog sitting on a desk and a cat") == Claims(
        things=frozenset({"dog", "cat"}),
        counts=(("dog", frozenset({1})), ("cat", frozenset({1}))),
        settings=(frozenset({"office"}),),
    )
    assert read_claims("vintage city street with two cars").settings == (frozenset({"city"}),)


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


@pytest.mark.parametrize(
    ("caption", "is_true"),
    [
        ("a man walks while a kite flies overhead", True),
        ("a kite flying above a man", True),
        ("a man with a kite behind him", False),
        ("a kite under a man", False),
    ],
)
def test_what_is_in_the_sky_is_above(caption, is_true):
    people = Group(label="person", sprite="", kind="man", activity="walking")
    kite = Group(label="kite", sprite="", zone="sky")
    scene = Scene(setting="park", time="day", groups=(people, kite), relations=("near",), seed=0)
    tally = tallied(caption, scene)["relations"]
    assert (tally.said, tally.true) == (1, int(is_true))


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
