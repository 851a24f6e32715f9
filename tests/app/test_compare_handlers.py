"""The handlers of the page "Compare" as plain functions, on the tiny profile with real models."""

from __future__ import annotations

from types import SimpleNamespace

import gradio as gr
import pytest
from inputs import COMPARE_CONTROLS

from syntic.compare_service import PictureChoice, Source
from syntic.ui.pages.compare import Compare

PICTURE = PictureChoice(Source.TEST, "0002", "everyday")
INPUTS = {
    "systems_0": ["syntic", "fp", "clipre"],  # of the only corpus
    "systems_1": [],  # the visitor's own runs
    **COMPARE_CONTROLS,
}


@pytest.fixture(scope="module")
def page(service) -> Compare:
    with gr.Blocks():
        return Compare(service)


def visitor(session: str = "one", **query) -> SimpleNamespace:
    return SimpleNamespace(session_hash=session, query_params=query)


def click(value: str) -> SimpleNamespace:
    return SimpleNamespace(index=0, value=value)


def test_a_click_chooses_a_picture(page):
    assert page.pick_example(click("1")) == PictureChoice(Source.EXAMPLE, "1")
    assert page.pick_test("everyday", click("0002")) == PICTURE
    with pytest.raises(gr.Error, match="no picture yet"):
        page.pick_own(None)
    with pytest.raises(gr.Error, match="No picture is chosen"):
        page.keep_choice(None)


def test_every_ticked_system_gets_its_line_as_soon_as_it_is_written(page):
    updates = list(page.run(visitor(), choice=PICTURE, **INPUTS))
    shown = [update[page.views.result] for update in updates]
    assert [markup.count('class="words" colspan') for markup in shown][0] == 3
    assert shown[-1].count('class="words" colspan') == 0
    assert "CLIPRe" in shown[-1]
    assert "Test picture 0002" in shown[-1]
    assert "profile “tiny”" in shown[-1]
    assert updates[0][page.link] == "?test=0002&set=everyday&systems=syntic%2Cfp%2Cclipre"
    assert updates[0][page.panel.mark] == {"kind": "test", "value": "0002", "of": "everyday"}
    assert updates[-1][page.views.stop]["interactive"] is False
    assert len(page._runs) == 0


def test_changes_return_what_they_are_wired_to(service):
    with gr.Blocks() as blocks:
        page = Compare(service)
    wired = {event.name: set(event.outputs) for event in blocks.fns.values()}
    for name in ("change_set", "change_pair", "change_table"):
        assert set(getattr(page, name)(**INPUTS)) == wired[name], name
    assert set(page.change_corpora(["everyday"], **INPUTS)) == wired["change_corpora"]
    assert set(page.pick_difference("everyday", click("0002"))) == wired["pick_difference"]


def test_another_test_set_keeps_the_systems_that_it_has(page):
    updates = page.change_set(**{**INPUTS, "first": "baseline", "second": "nobody"})
    assert updates[page.views.first]["value"] == "baseline"
    assert updates[page.views.second]["value"] == "syntic"


def test_what_cannot_run_leaves_the_page_as_it_is(page):
    for choice, inputs, message in (
        (PictureChoice(Source.UPLOAD, "/nowhere/x.png"), INPUTS, "x.png"),
        (PICTURE, {**INPUTS, "systems_0": []}, "No system"),
    ):
        seen = []
        with pytest.raises(gr.Error, match=message):
            seen.extend(page.run(visitor(), choice=choice, **inputs))
        assert seen == []


def test_stop_keeps_what_was_written(page):
    updates = []
    for update in page.run(visitor(), choice=PICTURE, **INPUTS):
        updates.append(update[page.views.result])
        if updates[-1].count('class="words" colspan') == 2:
            page.stop(visitor("another"))  # somebody else's button changes nothing
            page.stop(visitor())
    assert "Stopped" in updates[-1]
    assert updates[-1].count('class="words" colspan') >= 1


def test_a_newer_run_of_the_same_visitor_wins(page):
    old = page.run(visitor(), choice=PICTURE, **INPUTS)
    next(old)
    new = [update[page.views.result] for update in page.run(visitor(), choice=PICTURE, **INPUTS)]
    rest = list(old)
    assert "Test picture" in new[-1]
    assert not any("Stopped" in update[page.views.result] for update in rest)


def test_two_systems_follow_their_filters(page):
    updates = page.change_pair(**{**INPUTS, "label": "dog"})
    assert "4</strong>pictures count" in updates[page.views.outcome]
    assert updates[page.link] == "?systems=syntic%2Cfp%2Cclipre&label=dog"
    wrong = page.change_pair(**{**INPUTS, "setting": "moon"})
    assert "No picture has the setting" in wrong[page.views.outcome], "it has to stand on the page"


def test_a_table_says_its_world_and_a_missing_one_its_command(page):
    assert "profile “tiny”" in page.change_table(**INPUTS)[page.views.table]
    assert "120.0 ± 2.5" in page.change_table(**INPUTS)[page.views.table]
    missing = page.change_table(**{**INPUTS, "table": "table1"})
    assert "python -m syntic experiment table1" in missing[page.views.table]


def test_figure_2_is_drawn_above_its_table_and_says_when_it_is_not_measured(page, monkeypatch):
    assert page.change_table(**INPUTS)[page.views.figure] == "", "table 4 is no figure"
    updates = page.change_table(**{**INPUTS, "table": "figure2"})
    assert "<svg" in updates[page.views.figure]
    assert "profile “tiny”" in updates[page.views.table]
    assert "SynTIC 10%" in updates[page.views.table]
    monkeypatch.setattr(page.comparison, "tables", lambda: {"figure2": None})
    updates = page.change_table(**{**INPUTS, "table": "figure2"})
    assert updates[page.views.figure] == ""
    assert "python -m syntic experiment figure2" in updates[page.views.table]


def test_a_first_visit_shows_all_but_captions_nothing(page, monkeypatch):
    monkeypatch.setattr(page.comparison, "compare", lambda *args: pytest.fail("a visit must not run"))
    updates = page.restore(visitor())
    assert page.choice not in updates, "a visitor may have picked one while the page was loading"
    assert updates[page.views.notice] == ""
    assert page.views.result not in updates
    assert updates[page.panel.test_pictures].count("data-value") == 4
    assert set(updates) <= set(page.restored)


def test_a_link_restores_without_running(page):
    query = {"test": "0002", "set": "everyday", "systems": "fp,clipre", "table": "table3", "label": "dog"}
    updates = page.restore(visitor(**query))
    assert updates[page.choice] == PICTURE
    assert updates[page.panel.boxes.systems["everyday"]]["value"] == ["fp", "clipre"]
    assert updates[page.panel.tabs]["selected"] == "test"
    assert updates[page.panel.test_set] == "everyday"
    pictures = updates[page.panel.test_pictures]
    assert 'data-index="0" data-value="0002"' in pictures, "before the others"
    assert updates[page.panel.mark] == {"kind": "test", "value": "0002", "of": "everyday"}
    assert updates[page.views.table_name] == "table3"
    assert updates[page.views.label]["value"] == "dog"
    assert "press Compare" in updates[page.views.result]
    assert set(updates) <= set(page.restored)


def test_a_link_to_an_example_shows_it_in_the_gallery(page):
    updates = page.restore(visitor(example="1"))
    assert updates[page.panel.tabs]["selected"] == "gallery"
    assert updates[page.panel.mark] == {"kind": "example", "value": "1", "of": ""}


def test_a_win_is_shown_where_it_is_from(page):
    updates = page.pick_difference("everyday", click("0003"))
    assert updates[page.choice] == PictureChoice(Source.TEST, "0003", "everyday")
    assert updates[page.panel.tabs]["selected"] == "test"
    assert 'data-of="everyday"' in updates[page.panel.test_pictures]
    assert updates[page.panel.test_pictures].count("data-value") == 4, "each picture once"


@pytest.mark.parametrize(
    "query",
    [{"test": "9999"}, {"systems": "nobody"}, {"table": "x"}, {"label": "moon"}, {"first": "x"}],
)
def test_a_broken_link_says_so_on_the_page(page, query):
    updates = page.restore(visitor(**query))
    assert "cannot be restored" in updates[page.views.notice]
    assert updates[page.views.table_name] == "table4"
