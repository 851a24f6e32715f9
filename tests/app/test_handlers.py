"""The page's handlers as plain functions, on the tiny profile with real models."""

from __future__ import annotations

import html
import json
import re
from types import SimpleNamespace

import gradio as gr
import pytest

from syntic.errors import DataError
from syntic.types import Stage
from syntic.ui.pages.walk_through import Choice, WalkThrough

CONTROLS = {
    "variant": "syntic",
    "corpus": "everyday",
    "inverse_temperature": 100,
    "refinement_steps": 5,
    "decoding": "greedy",
    "beam_size": 5,
    "seed": 0,
}
TEXT = "a dog on a bench in the park"


@pytest.fixture(scope="module")
def page(service) -> WalkThrough:
    with gr.Blocks():
        return WalkThrough(service)


def visitor(session: str = "one", **query) -> SimpleNamespace:
    return SimpleNamespace(session_hash=session, query_params=query)


def show(page: WalkThrough, updates: list[dict]) -> dict[str, str]:
    """What stands on the page after all updates, by slot."""
    names = {component: name for name, component in page.results.slots.items()}
    return {
        names[component]: value
        for update in updates
        for component, value in update.items()
        if component in names
    }


def test_a_click_on_an_example_chooses_it(page):
    click = SimpleNamespace(index=1)
    assert page.pick_picture(click) == Choice("example", page.panel.picture_names[1])
    assert page.pick_sentence(click) == Choice("text", page.service.profile.example_texts[1])


@pytest.mark.parametrize("index", [-1, 99, "0", None])
def test_a_click_on_nothing_is_refused(page, index):
    with pytest.raises(gr.Error, match="no such example"):
        page.pick_picture(SimpleNamespace(index=index))


def test_running_without_a_choice_is_refused(page):
    with pytest.raises(gr.Error, match="Nothing is chosen"):
        page.keep_choice(None)
    with pytest.raises(gr.Error, match="no picture yet"):
        page.pick_own_picture(None)


def places(markup: str) -> int:
    """How many places of the sample the map's script is told."""
    content = html.unescape(re.search(r'data-path="([^"]*)"', markup)[1])
    return len(json.loads(content)["x"][0])


def test_a_sentence_fills_every_card_and_the_map(page):
    updates = list(page.run(Choice("text", TEXT), visitor(), **CONTROLS))
    slots = show(page, updates)
    for stage in Stage:
        assert "done in" in slots[f"head-{stage}"], stage
        assert "s-empty" not in slots[f"figure-{stage}"], stage
    assert f"“{TEXT}”" in slots["sample"]
    paths = [places(update[page.results.path]) for update in updates if page.results.path in update]
    assert paths == [0, 1, 2, 3]
    assert sum(page.results.map in update for update in updates) == 1, "a run draws the map again"
    assert page._runs == {}


def test_a_picture_is_neither_generated_nor_refined(page):
    slots = show(page, list(page.run(Choice("example", page.panel.picture_names[0]), visitor(), **CONTROLS)))
    assert "left out" in slots["head-generate"]
    assert "A real picture is not refined" in slots["figure-refine"]
    assert "done in" in slots["head-decode"]


def test_beams_are_listed(page):
    controls = {**CONTROLS, "decoding": "beam", "beam_size": 3}
    slots = show(page, list(page.run(Choice("text", TEXT), visitor(), **controls)))
    assert "All beams" in slots["figure-decode"]


def test_the_live_temperature_changes_the_bars_alone(page):
    updates = list(page.run(Choice("text", TEXT), visitor(), **CONTROLS))
    shown = next(update[page.shown] for update in updates if update.get(page.shown) is not None)
    same, cold = page.reweigh(shown, 100), page.reweigh(shown, 5000)
    assert same == show(page, updates)["figure-project"]
    assert cold != same
    assert page.reweigh(None, 100) == gr.skip()


@pytest.mark.parametrize(
    ("choice", "controls", "message"),
    [
        (Choice("text", " "), {}, "empty"),
        (Choice("example", "../../secret"), {}, "no example picture"),
        (Choice("upload", "/nowhere/photo.png"), {}, "no picture 'photo.png'"),
        (Choice("text", TEXT), {"inverse_temperature": 0}, "above 0"),
    ],
)
def test_bad_input_is_refused_in_one_sentence_and_the_page_keeps_what_it_shows(
    page, choice, controls, message
):
    seen = []
    run = page.run(choice, visitor(), **{**CONTROLS, **controls})
    with pytest.raises(gr.Error, match=message) as caught:
        seen.extend(run)
    assert caught.value.title == "Please check the input"
    assert seen == []
    assert page._runs == {}


def test_an_error_in_the_middle_stays_on_the_page(page, service, monkeypatch):
    def fail(*args, **kwargs):
        raise DataError("The features are damaged.")

    monkeypatch.setattr(service.pipeline.components, "support_set", fail)
    seen = []
    run = page.run(Choice("text", TEXT), visitor(), **CONTROLS)
    with pytest.raises(gr.Error, match="damaged"):
        seen.extend(run)
    assert "The features are damaged." in show(page, seen)["sample"]
    assert page._runs == {}


def test_stop_ends_the_run_and_says_so(page):
    updates = []
    controls = {**CONTROLS, "refinement_steps": 2000}
    for update in page.run(Choice("text", TEXT), visitor(), **controls):
        updates.append(update)
        page.stop(visitor("another"))  # somebody else's button changes nothing
        if "running" in show(page, updates)["head-refine"]:
            page.stop(visitor())
    slots = show(page, updates)
    assert "Stopped." in slots["sample"]
    assert "stopped" in slots["head-refine"]
    assert "not run yet" in slots["head-decode"]


def test_a_new_run_of_the_same_visitor_replaces_the_old_one(page):
    old = page.run(Choice("text", TEXT), visitor(), **{**CONTROLS, "refinement_steps": 2000})
    first = [next(old), next(old)]
    new = list(page.run(Choice("text", "two cats in the grass"), visitor(), **CONTROLS))
    assert "two cats" in show(page, new)["sample"]
    rest = list(old)
    assert "Stopped." not in show(page, first + rest).get("sample", "")


def test_a_link_restores_without_running(page):
    query = {"text": TEXT, "variant": "fo", "temperature": "0.02", "decoding": "beam", "beam_size": "3"}
    updates = page.restore(visitor(**query, __theme="dark"))
    settings = page.panel.settings
    assert updates[settings["variant"]] == "fo"
    assert updates[settings["inverse_temperature"]] == 50
    assert updates[settings["beam_size"]]["value"] == 3
    assert updates[page.choice] == Choice("text", TEXT)
    assert "Press Run" in updates[page.results.slots["sample"]]
    assert updates[page.results.run_link]["visible"] is True


@pytest.mark.parametrize(
    "query", [{"seed": "many"}, {"example": "nowhere"}, {"variant": "x"}, {"temperature": "-1"}]
)
def test_a_broken_link_leaves_the_page_as_it_is(page, query, monkeypatch):
    said = []
    monkeypatch.setattr(gr, "Warning", said.append)
    updates = page.restore(visitor(**query))
    assert set(updates) == {page.results.map, page.results.path, page.results.map_note}
    assert "cannot be restored" in said[0]


def test_the_first_page_has_the_map_drawn(page):
    updates = page.restore(visitor())
    figure = updates[page.results.map]["value"]
    assert sum(len(trace.text or ()) for trace in figure.data) > 50
    assert set(updates) == {page.results.map, page.results.path, page.results.map_note}
