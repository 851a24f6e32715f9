"""The hands that write about the emoji world: everyday, people and web, and what their captions say."""

import json
import re
from argparse import ArgumentParser
from collections import defaultdict
from itertools import combinations, islice

import numpy as np
import pytest

from syntic.emoji import cli, world
from syntic.emoji.captions import LONGEST, write_captions
from syntic.emoji.catalogue import ACTIVITIES, ANIMALS, THINGS
from syntic.emoji.grammar import finite, of_several, there_is
from syntic.emoji.hands.web import MOST_WORDS
from syntic.emoji.phrases import BASES, COUNTS, RELATIONS, WEATHER
from syntic.emoji.reading import aspects, named_labels, names_several
from syntic.emoji.scenes import GROUP_SHARES, Group, Scene, is_held_out, sample_scene
from syntic.errors import InputError
from syntic.profiles import REPOSITORY

HANDS = list(GROUP_SHARES)


def write(hand: str, count: int, seed: int = 0, split: str = "train") -> list[tuple[Scene, list[str]]]:
    rng = np.random.default_rng(seed)
    scenes = [sample_scene(rng, split, hand) for _ in range(count)]
    return [(scene, write_captions(scene, rng, 5, hand)) for scene in scenes]


def names_held_out_pair(caption: str) -> bool:
    return any(is_held_out(*pair) for pair in combinations(sorted(named_labels(caption)), 2))


@pytest.fixture(scope="module", params=HANDS)
def written(request) -> tuple[str, list[tuple[Scene, list[str]]]]:
    return request.param, write(request.param, 1500)


class TestEveryHand:
    def test_names_nothing_that_is_not_there_and_at_least_one_thing_that_is(self, written):
        for scene, captions in written[1]:
            for caption in captions:
                assert named_labels(caption), caption
                assert named_labels(caption) <= {group.label for group in scene.groups}, caption

    def test_first_caption_leaves_nothing_out(self, written):
        for scene, (caption, *_) in written[1]:
            assert named_labels(caption) == {group.label for group in scene.groups}, caption
            for group in scene.groups:
                assert group.colour in caption
            said = f" {caption} "
            if scene.time == "night":
                assert re.search("night|dark", caption), caption
            if scene.time == "sunset":
                assert re.search("sunset|evening|dusk|sun sets|orange sky", caption), caption
            if scene.weather:
                stem = {"cloudy": "cloud|overcast", "rain": "rain", "fog": "fog|mist"}
                assert re.search(stem.get(scene.weather, "snow"), caption), caption
            if scene.groups[0].count == 2:
                assert re.search(" two | couple | pair ", said), caption

    def test_reads_as_english(self, written):
        for caption in (caption for _, captions in written[1] for caption in captions):
            words = caption.split()
            assert caption == " ".join(words).lower()
            assert not {"left", "right"} & set(words)
            assert not re.search(r"\ba [aeiou]", caption), caption
            assert not re.search(r"\ban [^aeiou]", caption), caption
            assert not re.search(
                r"\bthere are (an?) (?!few|couple)|\bthere is (two|three|several|many|a few)", caption
            ), caption
            assert not re.search(
                r"(pair|couple|group|bunch) of (pairs?|pieces?|cups|slices|bottles) of", caption
            ), caption
            assert not re.search(r"\b(\w+) \1\b", caption), caption
            assert not re.search(r"\bday\b.*\b(night|dark)\b|\bsunny\b.*\b(cloud|rain|fog)", caption), caption

    def test_captions_of_a_scene_differ(self, written):
        assert np.mean([len(set(captions)) for _, captions in written[1]]) > 4.5

    def test_fits_into_what_models_read(self, written):
        hand, scenes = written
        full = [len(captions[0].split()) for _, captions in scenes]
        assert np.percentile(full, 99) <= LONGEST
        limit = MOST_WORDS if hand == "web" else 30
        lengths = [len(caption.split()) for _, captions in scenes for caption in captions]
        assert min(lengths) >= 2
        assert max(lengths) <= limit

    def test_says_the_same_again(self, written):
        assert write(written[0], 20, seed=3) == write(written[0], 20, seed=3)


class TestPeople:
    def test_every_scene_begins_with_people_who_do_all_sorts_of_things_or_with_an_animal(self):
        for split in ("train", "validation", "test"):
            firsts = [scene.groups[0] for scene, _ in write("people", 300, split=split)]
            people = [group for group in firsts if group.label == "person"]
            assert 0.75 < len(people) / len(firsts) < 0.95
            assert {group.label for group in firsts} == ANIMALS | {"person"}
            assert {group.activity for group in people} == set(ACTIVITIES)

    def test_captions_are_longer_than_everyday_ones_and_have_two_clauses(self):
        captions = [caption for _, written in write("people", 300) for caption in written]
        everyday = [caption for _, written in write("everyday", 300) for caption in written]
        assert np.mean([len(c.split()) for c in captions]) > np.mean([len(c.split()) for c in everyday]) + 2
        assert (
            np.mean(
                [bool(re.search(r"\b(while|as|and) .*\b(him|her|them|by|nearby)\b", c)) for c in captions]
            )
            > 0.04
        )

    def test_a_clause_turns_the_relation_round(self):
        people = Group(label="person", sprite="1f939-200d-2642-fe0f", kind="man", activity="juggling")
        dog = Group(label="dog", sprite="1f415")
        scene = Scene(setting="park", time="day", groups=(people, dog), relations=("in front of",), seed=0)
        captions = write_captions(scene, np.random.default_rng(0), 60, "people")
        clauses = [c for c in captions if "him" in c.split() or "ground" in c]
        assert len(clauses) > 5
        assert all(
            c.endswith(("behind him", "in the background")) or "behind him" in c or "in the background" in c
            for c in clauses
        )

    def test_an_animal_is_written_about_like_people(self):
        dog = Group(label="dog", sprite="1f415", scale="small")
        man = Group(label="person", sprite="1f939-200d-2642-fe0f", kind="man", activity="juggling")
        scene = Scene(setting="park", time="day", groups=(dog, man), relations=("in front of",), seed=0)
        captions = write_captions(scene, np.random.default_rng(0), 60, "people")
        assert any(c.startswith(("a small dog ", "a little puppy ")) for c in captions)
        clauses = [c for c in captions if "juggles" in c]
        assert len(clauses) > 5
        assert all(c.endswith(("behind it", "in the background")) or " it " in c for c in clauses)
        assert not [c for c in captions if {"him", "her", "them"} & set(c.split())]

    def test_refuses_a_scene_that_begins_with_a_dead_thing(self):
        car = Group(label="car", sprite="1f697")
        scene = Scene(setting="street", time="day", groups=(car,), relations=(), seed=0)
        with pytest.raises(InputError, match="begin with people or animals, not with a car"):
            write_captions(scene, np.random.default_rng(0), 1, "people")


def test_web_scenes_show_single_things_more_often():
    share = {hand: np.mean([len(scene.groups) == 1 for scene, _ in write(hand, 400)]) for hand in HANDS}
    assert share["web"] > share["everyday"] + 0.15


def test_unknown_hand_is_refused():
    with pytest.raises(InputError, match="no hand 'press'; choose one of: everyday, people, web"):
        sample_scene(np.random.default_rng(0), "train", "press")
    scene = sample_scene(np.random.default_rng(0))
    with pytest.raises(InputError, match="no hand 'press'"):
        write_captions(scene, np.random.default_rng(0), 1, "press")


@pytest.mark.parametrize("hand", HANDS)
def test_scenes_keep_to_their_split(hand):
    for split in ("train", "validation", "test"):
        pairs = [pair for scene, _ in write(hand, 300, split=split) for pair in scene.pairs]
        assert len(set(pairs)) > 5
        assert all(is_held_out(*pair) == (split != "train") for pair in pairs)


def test_present_tense():
    assert finite("riding a bike", 1) == "rides a bike"
    assert finite(of_several("riding a bike"), 2) == "ride bikes"
    assert finite("flying", 1) == "flies"
    assert finite("doing yoga", 1) == "does yoga"
    assert finite("tossing balls in the air", 1) == "tosses balls in the air"
    assert finite("watching", 1) == "watches"
    assert finite("parked", 1) == "is parked"
    assert finite("on horseback", 3) == "are on horseback"
    participles = {p.split(" ")[0] for a in ACTIVITIES.values() for p in a.phrases}
    participles |= {verb.split(" ")[0] for thing in THINGS.values() for verb in thing.verbs}
    assert {p for p in participles if p.endswith("ing")} - set(BASES) == {"skiing", "lying"}


def test_there_is_agrees():
    assert there_is("a dog") == "there is a dog"
    assert there_is("a group of dogs") == "there is a group of dogs"
    assert there_is("two dogs") == "there are two dogs"
    assert there_is("a few dogs") == "there are a few dogs"


def test_a_count_or_a_relation_has_words_of_its_own():
    for table in (COUNTS, RELATIONS):
        words = [word for options in table.values() for word in set(options)]
        assert len(words) == len(set(words))
    phrases = [phrase for times in WEATHER.values() for options in times.values() for phrase in options]
    assert len(phrases) == len(set(phrases))


def test_longest_phrase_counts_when_reading():
    assert named_labels("a hot dog near a teddy bear under an orange sky") == {"hot dog", "teddy bear"}
    assert named_labels("a guy rides a bike beside two bicycles") == {"person", "bicycle"}
    assert named_labels("a pair of skis on a horse") == {"skis", "horse"}
    assert named_labels("two men riding horses near an orange") == {"person", "orange"}
    assert named_labels("vector illustration of catalogue") == set()


@pytest.fixture(scope="module")
def small_world(tmp_path_factory):
    """A world of 1,500 captions per corpus and few pictures, by the command that builds the real one."""
    out = tmp_path_factory.mktemp("world")
    parser = ArgumentParser()
    cli.add_scenes_arguments(parser)
    sizes = ["--captions", "1500", "--test", "24", "--validation", "12", "--gallery", "6"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world, "DOMAIN_STYLES", dict.fromkeys(world.DOMAIN_STYLES, "twemoji"))
        assert cli.run_scenes(parser.parse_args([*sizes, "--out", str(out)])) == 0
    return out


def read_sets(out) -> dict[str, dict]:
    paths = sorted(out.rglob("annotations.json"))
    return {path.parent.relative_to(out).as_posix(): json.loads(path.read_text()) for path in paths}


def assert_apart(folder) -> None:
    """No corpus below the folder names a held-out pair or holds a caption of a picture with two things."""
    sets = read_sets(folder)
    assert sets
    kept_out = {
        annotation["caption"]
        for content in sets.values()
        for annotation in content["annotations"]
        if "caption" in annotation and names_several(annotation["caption"])
    }
    assert kept_out
    corpora = sorted((folder / "corpora").glob("*.txt"))
    assert corpora
    for path in corpora:
        captions = path.read_text().splitlines()
        assert not kept_out & set(captions)
        assert not [caption for caption in captions if names_held_out_pair(caption)][:5]


def test_command_builds_three_corpora_and_two_domains(small_world):
    for hand in HANDS:
        captions = (small_world / "corpora" / f"{hand}.txt").read_text().splitlines()
        assert len(captions) == len(set(captions)) == 1500
    sets = read_sets(small_world)
    sizes = {name: len(content["images"]) for name, content in sets.items()}
    domains = {
        f"test_sets/{hand}/{split}": n
        for hand in ("everyday", "people")
        for split, n in (("test", 24), ("validation", 12))
    }
    assert sizes == domains | {"gallery": 6}
    for name, content in sets.items():
        references = [a["image_id"] for a in content["annotations"] if "caption" in a]
        assert len(references) == 5 * len(content["images"])
        hands = [image["hand"] for image in content["images"]]
        assert set(hands) == ({"everyday", "people"} if name == "gallery" else {name.split("/")[1]})
        people = [image for image in content["images"] if image["hand"] == "people"]
        assert {image["scene"]["groups"][0]["label"] for image in people} <= ANIMALS | {"person"}


def assert_worth_testing(folder) -> None:
    """All pictures below the folder show something else; references of one differ in what they mention."""
    compositions = []
    for content in read_sets(folder).values():
        references = defaultdict(list)
        for annotation in content["annotations"]:
            if "caption" in annotation:
                references[annotation["image_id"]].append(annotation["caption"])
        assert {len(set(captions)) for captions in references.values()} == {5}
        for captions in references.values():
            assert len({aspects(caption) for caption in captions}) > 1, captions
        for image in content["images"]:
            groups = [{**group, "sprite": ""} for group in image["scene"]["groups"]]
            compositions.append(json.dumps(image["scene"] | {"groups": groups, "seed": 0}))
    assert len(compositions) == len(set(compositions))


@pytest.fixture(params=["small", "shipped"])
def world_folder(request):
    shipped = request.param == "shipped"
    return REPOSITORY / "assets" / "emoji" if shipped else request.getfixturevalue("small_world")


def test_nothing_of_the_test_pictures_is_in_a_corpus(world_folder):
    assert_apart(world_folder)


def test_all_pictures_differ_and_so_do_their_references(world_folder):
    assert_worth_testing(world_folder)


def test_captions_are_told_apart_by_what_they_mention():
    plain = "a bus parked on a street"
    assert aspects(plain) == aspects("a view of a bus on the road") == {"bus", "place"}
    assert aspects("two red buses on a street at night") == {"bus", "number", "colour", "place", "time"}
    assert aspects("a man in a red jacket surfing in the rain") == {
        "person",
        "clothes",
        "activity",
        "weather",
    }
    assert aspects("a small boat in a green park") == {"boat", "size", "place"}
    assert aspects("a cup beside a bowl") == {"cup", "relation", "bowl"}


@pytest.mark.parametrize(
    ("caption", "several"),
    [
        ("a bus on the street", False),
        ("a pair of skis in the snow", False),
        ("two small dogs on the street", True),
        ("a lake with people", True),
        ("a man riding a horse", False),
        ("a man with a horse", True),
    ],
)
def test_several_things_are_told_from_one(caption, several):
    assert names_several(caption) == several


@pytest.mark.parametrize("hand", world.DOMAIN_STYLES)
def test_half_of_the_pictures_show_what_their_corpus_names_together(hand):
    scenes = [scene for scene, _ in islice(world.picture_scenes("test", hand), 80)]
    new, known = scenes[::2], scenes[1::2]
    assert {scene.combination for scene in new} == {"single", "unseen"}
    assert all(is_held_out(*pair) for scene in new for pair in scene.pairs)
    assert {scene.combination for scene in known} == {"single", "seen"}


@pytest.mark.parametrize("hand", world.DOMAIN_STYLES)
def test_no_two_pictures_show_the_same(hand):
    scenes = [scene for scene, _ in islice(world.picture_scenes("test", hand), 400)]
    assert len({scene.composition for scene in scenes}) == 400


def test_a_picture_is_told_anew_if_a_corpus_has_its_words():
    told = list(islice(world.picture_scenes("test", "people"), 40))
    corpora = {caption for _, captions in told for caption in captions if names_several(caption)}
    assert corpora
    anew = list(islice(world.picture_scenes("test", "people", corpora=corpora), 40))
    assert [scene for scene, _ in anew] == [scene for scene, _ in told]
    assert not corpora & {caption for _, captions in anew for caption in captions}


def test_no_picture_shows_what_those_of_another_set_show():
    shown = {scene.composition for scene, _ in islice(world.picture_scenes("test", "people"), 20)}
    first = set(shown)
    scenes = [scene for scene, _ in islice(world.picture_scenes("test", "people", shown=shown), 20)]
    assert not first & {scene.composition for scene in scenes}
    assert len(shown) == 40


def test_three_corpora_have_a_vocabulary_of_at_least_400_words(small_world):
    text = " ".join(path.read_text() for path in (small_world / "corpora").glob("*.txt"))
    assert len({word for word in text.split() if word.isalpha()}) >= 400


RENDER = world._render_part


def render_first_half(job):
    if job[1] >= 16:
        raise RuntimeError("killed")
    return RENDER(job)


def render_second_half(job):
    assert job[1] >= 16, "this part was there"
    return RENDER(job)


def test_rendering_of_pretraining_pictures_goes_on_where_it_was_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(world, "STYLE_SHARES", {"twemoji": 1.0})
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    world.write_pretraining(whole, 32, workers=2)
    monkeypatch.setattr(world, "_render_part", render_first_half)
    with pytest.raises(RuntimeError, match="killed"):
        world.write_pretraining(stopped, 32, workers=1)
    assert not (stopped / "scenes.jsonl").exists()
    monkeypatch.setattr(world, "_render_part", render_second_half)
    world.write_pretraining(stopped, 32, workers=1)
    assert {path.name for path in stopped.iterdir()} == {path.name for path in whole.iterdir()}
    for path in whole.iterdir():
        assert (stopped / path.name).read_bytes() == path.read_bytes()


def test_pretraining_pictures_come_from_all_hands(tmp_path, monkeypatch):
    monkeypatch.setattr(world, "STYLE_SHARES", {"twemoji": 1.0})
    world.write_pretraining(tmp_path, 160, workers=1)
    records = [json.loads(line) for line in (tmp_path / "scenes.jsonl").read_text().splitlines()]
    shares = {hand: np.mean([record["hand"] == hand for record in records]) for hand in HANDS}
    assert shares == pytest.approx(world.HAND_SHARES, abs=0.13)
    assert not [c for record in records for c in record["captions"] if names_held_out_pair(c)]
    for record in records:
        assert {label for label, *_ in record["boxes"]} <= named_labels(record["captions"][0])
