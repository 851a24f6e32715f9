"""The emoji world: splits that hold, captions that fit, boxes that are exact."""

import json
from collections import Counter

import numpy as np
import pytest

from syntic.emoji import world
from syntic.emoji.captions import write_captions
from syntic.emoji.catalogue import ACTIVITIES, LABELS, THINGS
from syntic.emoji.cells import (
    ACROSS,
    CELL_CHANNELS,
    CODE_SIZE,
    COVERAGE,
    DOWN,
    SIZE,
    describe_cells,
    look_code,
)
from syntic.emoji.rendering import Renderer
from syntic.emoji.scenes import Group, Scene, held_out_pairs, is_held_out, sample_scene
from syntic.emoji.settings import SETTINGS
from syntic.emoji.sprites import SpriteSet
from syntic.profiles import load_profile


def draw(split: str, count: int, seed: int = 0) -> list[Scene]:
    rng = np.random.default_rng(seed)
    return [sample_scene(rng, split) for _ in range(count)]


def test_world_is_as_large_as_promised():
    assert len(LABELS) >= 60
    assert len(SETTINGS) >= 10
    assert len(ACTIVITIES) >= 8


def test_training_scenes_hold_no_held_out_pair():
    assert not any(is_held_out(*pair) for scene in draw("train", 2000) for pair in scene.pairs)


@pytest.mark.parametrize("split", ["validation", "test"])
def test_other_scenes_hold_only_held_out_pairs(split):
    scenes = draw(split, 500)
    assert all(is_held_out(*pair) for scene in scenes for pair in scene.pairs)
    assert sum(bool(scene.pairs) for scene in scenes) > 50


def test_a_scene_says_whether_texts_show_its_things_together():
    kinds = {scene.combination for scene in draw("train", 200)}
    assert kinds == {"single", "seen"}
    kinds = {scene.combination for scene in draw("test", 200)}
    assert kinds == {"single", "unseen"}


def test_held_out_share_is_near_its_target():
    total = len(LABELS) * (len(LABELS) - 1) / 2
    assert 0.1 < len(held_out_pairs()) / total < 0.2


def test_things_are_found_where_the_tables_say():
    for scene in draw("train", 1000):
        for group in scene.groups:
            places = ACTIVITIES[group.activity].places if group.activity else THINGS[group.label].places
            assert scene.setting in places


def test_full_caption_names_every_group():
    rng = np.random.default_rng(1)
    for scene in draw("train", 400, seed=2):
        caption = write_captions(scene, rng, 1)[0]
        for group in scene.groups:
            if group.label == "person":
                words = ("man", "men", "woman", "women", "guy", "guys", "lady", "ladies", "person", "people")
            else:
                words = tuple(word for pair in THINGS[group.label].nouns for word in pair)
            assert any(word in caption for word in words), (caption, group)


def test_references_differ():
    rng = np.random.default_rng(0)
    distinct = [len(set(write_captions(scene, rng, 5))) for scene in draw("test", 200)]
    assert np.mean(distinct) > 4.5


def test_captions_read_as_english():
    rng = np.random.default_rng(0)
    for scene in draw("train", 500):
        for caption in write_captions(scene, rng, 5):
            assert "  " not in caption
            assert " left" not in caption
            assert " right" not in caption
            for vowel in "aeiou":
                assert f" a {vowel}" not in f" {caption}", caption


@pytest.mark.parametrize("style", ["twemoji"])
def test_boxes_are_tight_around_what_was_drawn(style):
    group = Group(label="elephant", sprite="1f418", size=0.5)
    scene = Scene(setting="field", time="day", groups=(group,), relations=(), seed=3)
    rendering = Renderer(style).render(scene)
    [(label, left, top, right, bottom)] = rendering.boxes
    assert label == "elephant"
    sprite = SpriteSet(style).original("1f418")
    assert (right - left) / (bottom - top) == pytest.approx(sprite.width / sprite.height, rel=0.08)
    assert 0 <= left < right <= 128
    assert 0 <= top < bottom <= 128


def test_hidden_things_are_not_boxed_and_the_rest_is():
    renderer = Renderer("twemoji")
    counts = Counter()
    for scene in draw("train", 60):
        boxes = renderer.render(scene).boxes
        counts["boxes"] += len(boxes)
        counts["things"] += sum(group.count for group in scene.groups)
    assert 0.85 * counts["things"] <= counts["boxes"] <= counts["things"]


def test_same_scene_same_picture():
    scene = draw("train", 1)[0]
    first, second = (np.asarray(Renderer("twemoji").render(scene).image) for _ in range(2))
    assert (first == second).all()


def test_every_sprite_exists_in_twemoji():
    sprites = SpriteSet("twemoji")
    for thing in THINGS.values():
        for sprite in thing.sprites:
            assert sprites.original(sprite).width > 8
    for activity in ACTIVITIES.values():
        for sprite in activity.sprites.values():
            assert sprites.original(sprite).width > 8


def test_corpus_is_reproducible_and_without_duplicates(tmp_path):
    for name in ("a", "b"):
        assert world.write_corpus(tmp_path / name, 500) == 500
    text = (tmp_path / "a").read_text()
    assert text == (tmp_path / "b").read_text()
    assert len(set(text.splitlines())) == 500


def test_shipped_corpus_holds_no_caption_of_a_test_picture_with_two_kinds_of_things():
    profile = load_profile("emoji")
    corpus = set(profile.corpora["everyday"].captions.read_text().splitlines())
    assert len(corpus) >= 8000
    for name in ("everyday", "everyday-validation"):
        content = json.loads((profile.test_sets[name] / "annotations.json").read_text())
        labels: dict[int, set[str]] = {}
        for image in content["images"]:
            labels[image["id"]] = {group["label"] for group in image["scene"]["groups"]}
        captions = [a for a in content["annotations"] if "caption" in a]
        assert len(captions) == 5 * len(content["images"])
        names = {label: [w for pair in THINGS[label].nouns for w in pair] for label in THINGS}
        for annotation in captions:
            kinds = labels[annotation["image_id"]] - {"person"}
            said = [k for k in kinds if any(f" {w}" in f" {annotation['caption']}" for w in names[k])]
            if len(said) >= 2:
                assert annotation["caption"] not in corpus


def test_shipped_test_sets_are_complete():
    profile = load_profile("emoji")
    for name, count in (("everyday", 500), ("everyday-validation", 250)):
        folder = profile.test_sets[name]
        content = json.loads((folder / "annotations.json").read_text())
        assert len(content["images"]) == count
        assert all((folder / image["file_name"]).is_file() for image in content["images"])
        references = Counter(a["image_id"] for a in content["annotations"] if "caption" in a)
        assert set(references.values()) == {5}


def test_cells_say_which_part_of_which_sprite_they_show():
    owner = np.full((96, 96), -1, np.int16)
    owner[16:64, 0:48] = 0  # a thing of 3x3 cells ...
    owner[48:96, 32:48] = 1  # ... and one in front that hides the lower end of its right column
    cells = describe_cells(owner, ["dog/", "cat/red"], [(0, 16, 48, 64), (32, 48, 48, 96)])
    assert cells.shape == (CELL_CHANNELS, 6, 6)
    assert not cells[:, :, 3:].any(), "backdrop is zero"
    assert (cells[:CODE_SIZE, 1:4, 0] == look_code("dog/")[:, None]).all()
    assert (cells[:CODE_SIZE, 3:, 2] == look_code("cat/red")[:, None]).all()
    np.testing.assert_allclose(cells[ACROSS, 1, :3], [-2 / 3, 0, 2 / 3], atol=1e-6)
    np.testing.assert_allclose(cells[DOWN, 1:4, 0], [-2 / 3, 0, 2 / 3], atol=1e-6)
    np.testing.assert_allclose(cells[COVERAGE, 1:4, 0], 2)
    np.testing.assert_allclose(cells[SIZE, 1, 0], np.log2(48 / 96 / 0.4), rtol=1e-5)
    assert look_code("cat/red") @ look_code("cat/") > look_code("cat/red") @ look_code("dog/")


def test_tidy_things_stand_flush_with_the_cells_in_two_sizes():
    renderer = Renderer("twemoji", tidy=True)
    for scene in draw("train", 60):
        rendering = renderer.render(scene)
        assert rendering.image.size == (96, 96)
        assert len(rendering.boxes) == sum(group.count for group in scene.groups), "nothing hides another"
        for _, left, top, right, bottom in rendering.boxes:
            assert max(right - left, bottom - top) <= 49, "three cells, but for rounding"
            assert bottom % 16 in (0, 15, 14), "the lower edge of a cell, but for soft edges of a sprite"


@pytest.mark.parametrize("tidy", [False, True])
def test_the_cells_under_a_box_are_described(tidy):
    renderer = Renderer("twemoji", tidy=tidy)
    step = renderer.size_px // 6
    for scene in draw("train", 40):
        rendering = renderer.render(scene)
        covered = rendering.cells[COVERAGE] > 0
        for _, left, top, right, bottom in rendering.boxes:
            rows = slice(int(top // step), int(-(-bottom // step)))
            columns = slice(int(left // step), int(-(-right // step)))
            assert covered[rows, columns].any()
        assert covered.any() == bool(rendering.boxes)
