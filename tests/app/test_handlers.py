"""The page's handlers as plain functions, on the tiny profile with real models."""

from __future__ import annotations

import html
import json
import re
from types import SimpleNamespace

import gradio as gr
import pytest
from inputs import WALK_CONTROLS

from syntic.errors import DataError
from syntic.types import Stage
from syntic.ui.pages.walk_through import Choice, WalkThrough

CONTROLS = {"variant": "syntic", "corpus": "everyday", **WALK_CONTROLS}
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
    assert page.keep_choice(None) is None, "an unqueued handler's message would never be seen"
    for choice, message in ((None, "Nothing is chosen"), (page.pick_own_picture(None), "no picture yet")):
        with pytest.raises(gr.Error, match=message):
            list(page.run(choice, visitor(), **CONTROLS))


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
    assert len(page._runs) == 0


def test_a_picture_is_neither_generated_nor_refined(page):
    slots = show(page, list(page.run(Choice("example", page.panel.picture_names[0]), visitor(), **CONTROLS)))
    assert "left out" in slots["head-generate"]
    assert "A real picture is not refined" in slots["figure-refine"]
    assert "done in" in slots["head-decode"]


def test_beams_are_listed(page):
    controls = {**CONTROLS, "decoding": "beam", "beam_size": 3}
    slots = show(page, list(page.run(Choice("text", TEXT), visitor(), **controls)))
    assert "All beams" in slots["figure-decode"]


def test_the_last_message_offers_all_that_a_finished_run_can_be_asked(page):
    """A busy browser may pass over a message in the midst of a stream, but not over the last one."""
    *_, last = page.run(Choice("text", TEXT), visitor(), **{**CONTROLS, "inverse_temperature": 80})
    results = page.results
    assert last[results.live_temperature]["visible"]
    assert last[results.tags]["visible"]
    assert last[results.save]["interactive"]
    assert last[page.shown] is not None
    assert "value" not in last[results.live_temperature], "a visitor may have moved it by now"
    first, *_, last = page.run(Choice("text", TEXT), visitor(), **{**CONTROLS, "inverse_temperature": 80})
    assert first[results.live_temperature] == {"value": 80, "visible": False, "__type__": "update"}


def test_the_live_temperature_changes_the_bars_alone(page):
    updates = list(page.run(Choice("text", TEXT), visitor(), **CONTROLS))
    shown = next(update[page.shown] for update in updates if update.get(page.shown) is not None)
    same, cold = page.again.reweigh(shown, 100), page.again.reweigh(shown, 5000)
    assert same == show(page, updates)["figure-project"]
    assert cold != same
    assert page.again.reweigh(None, 100) == gr.skip()


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
    assert len(page._runs) == 0


def test_an_error_in_the_middle_stays_on_the_page(page, service, monkeypatch):
    def fail(*args, **kwargs):
        raise DataError("The features are damaged.")

    monkeypatch.setattr(service.pipeline.components, "support_set", fail)
    seen = []
    run = page.run(Choice("text", TEXT), visitor(), **CONTROLS)
    with pytest.raises(gr.Error, match="damaged"):
        seen.extend(run)
    assert "The features are damaged." in show(page, seen)["sample"]
    assert len(page._runs) == 0


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
    updates = page.linked.restore(visitor(**query, __theme="dark"))
    settings = page.panel.settings
    assert updates[settings["variant"]]["value"] == "fo"
    assert updates[settings["inverse_temperature"]] == 50
    assert updates[settings["beam_size"]]["value"] == 3
    assert updates[page.choice] == Choice("text", TEXT)
    assert "Press Run" in updates[page.results.slots["sample"]]
    assert updates[page.results.run_link]["visible"] is True


@pytest.mark.parametrize(
    "query", [{"seed": "many"}, {"example": "nowhere"}, {"variant": "x"}, {"temperature": "-1"}]
)
def test_a_broken_link_leaves_the_page_as_it_is_and_says_so_there(page, query):
    updates = page.linked.restore(visitor(**query))
    results = page.results
    assert set(updates) == {results.map, results.path, results.map_note, results.notice}
    assert "cannot be restored" in updates[results.notice]


def test_the_first_page_has_the_map_drawn(page):
    updates = page.linked.restore(visitor())
    figure = updates[page.results.map]["value"]
    assert sum(len(trace.text or ()) for trace in figure.data) > 50
    assert set(updates) == {page.results.map, page.results.path, page.results.map_note}


def event(**data) -> SimpleNamespace:
    return SimpleNamespace(_data=data)


@pytest.fixture(scope="module")
def shown(page):
    """A finished run as it stands on the page, and what its end offers."""
    updates = list(page.run(Choice("example", page.panel.picture_names[0]), visitor(), **CONTROLS))
    return [update[page.shown] for update in updates if update.get(page.shown) is not None][-1], updates


def test_a_finished_run_offers_its_tags_and_its_file(page, shown):
    run, updates = shown
    offered = [update[page.results.tags] for update in updates if page.results.tags in update]
    assert offered[0]["visible"] is False
    assert offered[-1]["choices"] == run.trace.attention.tags
    file = page.again.save(run)
    assert json.loads(file["text"])["caption"]["text"] == run.trace.caption.text
    assert page.again.save(None) == {}


def test_tags_that_are_switched_off_change_what_is_read(page, shown):
    run, _ = shown
    tags = run.trace.attention.tags
    assert list(page.again.retag(run, tags, visitor()))[0][1].count("All tags are on") == 1
    attention, caption = list(page.again.retag(run, [], visitor()))[0]
    assert "(nothing)" in attention
    assert f"Without {tags[0]}" in caption
    assert list(page.again.retag(None, [], visitor())) == []


def test_the_decoder_goes_on_from_another_word(page, shown):
    run, _ = shown
    token = run.trace.caption.tokens[0]
    chosen = event(position=0, token=token.alternative_ids[0])
    markup = list(page.again.follow(run, chosen, visitor()))[0]
    assert f"instead of “{html.escape(token.text)}”" in markup
    for wrong in (event(position=99, token=1), event(position=0, token=-5), event()):
        assert "s-empty" in list(page.again.follow(run, wrong, visitor()))[0]


def test_a_newer_question_to_a_run_wins(page, shown):
    run, _ = shown
    old = page.again.retag(run, [], visitor())
    page.again._asked.begin(visitor())  # asked while the old one has not begun to read
    again = list(page.again.follow(run, event(position=0, token=-5), visitor()))
    assert len(again) == 1
    assert len(list(old)) == 1, "a question that was not begun is the newest when it begins"


def test_a_picture_from_outside_is_captioned_and_said_to_be_outside(page, tmp_path):
    from PIL import Image

    path = tmp_path / "plain.png"
    Image.new("RGB", (64, 64), (255, 0, 255)).save(path)
    slots = show(page, list(page.run(Choice("upload", str(path)), visitor(), **CONTROLS)))
    assert "outside the world" in slots["sample"]
    assert "cosine to the nearest drawn picture" in slots["figure-encode"]
    assert "done in" in slots["head-decode"]


def test_the_steps_of_the_refinement_can_be_gone_through(page):
    updates = list(page.run(Choice("text", TEXT), visitor(), **CONTROLS))
    paths = [update[page.results.path] for update in updates if page.results.path in update]
    steps = json.loads(html.unescape(re.search(r'data-steps="([^"]*)"', paths[-1])[1]))
    assert steps["steps"][0] == 0
    assert steps["steps"][-1] == 5
    assert len(steps["x"]) == len(steps["losses"]) == len(steps["turned"])
    assert steps["turned"][0] == 0
