"""The handlers of the page "Train" as plain functions, on the tiny profile with real models."""

from __future__ import annotations

import re
import sys
import time
from types import ModuleType, SimpleNamespace

import gradio as gr
import pytest
import torch

from syntic.jobs import JobFailed, JobLimits, Work
from syntic.service import SynticService
from syntic.ui import borrow_gpu, on_zero_gpu
from syntic.ui.own_runs import KEYS_KEPT, read_keys, with_key
from syntic.ui.pages.train import Train
from syntic.ui.pages.train_layout import OWN
from syntic.ui.pages.walk_through import WalkThrough
from syntic.ui.permalink import read_train_query

CAPTIONS = "\n".join(f"a dog number {n}" for n in range(5))
CONTROLS = {
    "corpus": "everyday",
    "captions": "",
    "variant": "fp",
    "budget": "steps",
    "steps": 4.0,
    "minutes": 1.0,
    "device": "cpu",
    "keep_going": True,
    "name": "",
}


@pytest.fixture(scope="module")
def pages(tiny_profile, tmp_path_factory):
    service = SynticService(tiny_profile, torch.device("cpu"), runs=tmp_path_factory.mktemp("runs"))
    with gr.Blocks():
        pages = SimpleNamespace(train=Train(service), walk=WalkThrough(service))
    yield pages
    service.jobs.close()


@pytest.fixture
def page(pages) -> Train:
    return pages.train


def visitor(**query) -> SimpleNamespace:
    return SimpleNamespace(session_hash="one", query_params=query)


def follow(page: Train, updates: dict, state: str) -> dict:
    """What the page shows once the run is in a state, by looking as its timer does."""
    key, keys = updates[page.current], updates[page.keys]
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        if f'data-state="{state}"' in updates[page.results.slots["head"]]:
            return {page.keys: keys, **updates}
        time.sleep(0.05)
        newer = page.look(key, updates[page.seen], keys)
        updates = updates if newer == gr.skip() else {**updates, **newer}
    raise AssertionError(updates[page.results.slots["head"]])


def test_a_run_is_shown_from_start_to_decoder(page):
    updates = page.start([], **CONTROLS)
    assert updates[page.timer].active is True
    assert updates[page.results.stop]["visible"] is True
    assert updates[page.link] == f"?run={updates[page.current]}"
    end = follow(page, updates, "finished")
    assert end[page.timer].active is False
    assert "<path" in end[page.results.slots["train"]]
    assert "s-written" in end[page.results.slots["validate"]]
    assert "drawn and encoded already" in end[page.results.slots["draw"]]
    assert end[page.results.download]["value"].endswith("fp-everyday-4-steps.zip")
    assert re.search(r"\./\?corpus=run-[0-9a-f]{24}&variant=fp", end[page.results.use])
    assert page.look(end[page.current], end[page.seen], end[page.keys]) == gr.skip()


def test_own_captions_show_their_pictures_escaped(page):
    own = {**CONTROLS, "corpus": OWN, "captions": CAPTIONS + "\n<b>bold</b> dog", "name": "<i>mine</i>"}
    end = follow(page, page.start([], **own), "finished")
    drawn = end[page.results.slots["draw"]]
    assert drawn.count("<img") == 6
    assert "&lt;b&gt;bold" in drawn
    assert "<i>" not in end[page.results.slots["head"]] + end[page.panel.runs]


def test_a_stopped_run_offers_to_resume(page):
    updates = page.start([], **{**CONTROLS, "steps": 5000})
    key, keys = updates[page.current], updates[page.keys]
    page.stop(key, keys)
    stopped = follow(page, updates, "stopped")
    assert stopped[page.results.resume]["visible"] is True
    assert stopped[page.results.download]["visible"] is False
    resumed = page.resume(key, keys)
    assert resumed[page.timer].active is True
    page.keep_going(key, False)
    assert page.look(key, None, keys)[page.panel.settings["keep_going"]] is False
    page.stop(key, keys)
    follow(page, {page.keys: keys, **resumed}, "stopped")
    removed = page.remove(key, keys)
    assert "no such run" in page.look(key, None, [])[page.results.slots["head"]]
    assert removed[page.keys] == []
    assert removed[page.current] is None
    assert "press Start" in removed[page.results.slots["head"]]


def test_another_page_of_the_visitor_finds_the_run_and_the_decoder(pages):
    train, walk = pages.train, pages.walk
    end = follow(train, train.start([], **{**CONTROLS, "name": "ours"}), "finished")
    key, keys = end[train.current], end[train.keys]
    assert train.restore(keys, visitor())[train.current] == key
    assert train.restore([], visitor(run=key))[train.current] == key
    assert train.current not in train.restore([], visitor())
    choice = walk.linked.restore(visitor(), keys)[walk.panel.settings["variant"]]["choices"][-1]
    assert choice[0] == "yours: ours"
    assert walk.panel.settings["variant"] not in walk.linked.restore(visitor(), [])
    linked = walk.linked.restore(visitor(corpus=choice[1], variant="fp"), [])
    assert linked[walk.panel.settings["variant"]]["value"] == choice[1]


def test_a_link_prepares_a_run_without_starting_it(page):
    updates = page.restore([], visitor(corpus="everyday", variant="fo+af", minutes="2"))
    settings = page.panel.settings
    assert updates[settings["variant"]] == "fo+af"
    assert updates[settings["budget"]] == "minutes"
    assert updates[settings["minutes"]] == 2.0
    assert page.current not in updates
    assert read_train_query({"run": "key", "steps": "x"}) == ("key", {})


@pytest.mark.parametrize(
    "query", [{"run": "nothing"}, {"corpus": "nowhere"}, {"steps": "many"}, {"variant": "best"}]
)
def test_a_broken_link_says_so(page, query):
    updates = page.restore([], visitor(**query))
    assert updates[page.current] is None
    assert "cannot be restored" in updates[page.results.slots["head"]]


def test_what_is_refused_changes_nothing_on_the_page(page):
    for controls, message in (
        ({"corpus": OWN}, "no usable caption"),
        ({"corpus": OWN, "captions": "one\ntwo"}, "2 captions"),
        ({"steps": 0}, "1 to"),
        ({"name": "n" * 60}, "60 characters"),
    ):
        with pytest.raises(gr.Error, match=message):
            page.start([], **{**CONTROLS, **controls})
    for action in (page.stop, page.resume, page.remove):
        with pytest.raises(gr.Error, match="no run yet"):
            action(None, [])
    with pytest.raises(gr.Error, match="no file yet"):
        page.bring([], [])


def test_a_file_fills_the_box(page, tmp_path):
    path = tmp_path / "captions.csv"
    path.write_text("id;caption\n1;a dog\n2;a cat; asleep\n", encoding="utf-8")
    assert page.read_file(str(path)) == "a dog\na cat"
    path.write_bytes("caption\nein Hündchen".encode("latin-1"))
    with pytest.raises(gr.Error, match="not UTF-8"):
        page.read_file(str(path))
    path.write_text("caption\n" + "\n".join(f"dog {n}" for n in range(501)))
    with pytest.raises(gr.Error, match="holds 501 captions"):
        page.read_file(str(path))
    assert "<b>2</b> captions, 1 said twice" in page.count("a dog\na cat\na dog")


def test_keys_from_a_browser_may_be_anything():
    assert read_keys(None) == read_keys("x") == read_keys({"a": 1}) == read_keys([3, None, "k" * 200]) == []
    keys: list[str] = []
    for number in range(30):
        keys = with_key(keys, str(number))
    assert len(keys) == KEYS_KEPT
    assert with_key(["a", "b"], "a") == ["b", "a"]


def test_a_gpu_is_borrowed_for_a_turn_and_its_refusal_is_a_sentence(monkeypatch, tiny_profile, tmp_path):
    asked = []

    def lend(*, duration):
        def decorate(function):
            def refuse(work):
                asked.append(duration(work))
                raise gr.Error("You have exceeded your GPU quota")
                yield

            return refuse

        return decorate

    package = ModuleType("spaces")
    package.GPU = lend
    monkeypatch.setitem(sys.modules, "spaces", package)
    assert on_zero_gpu({"SPACES_ZERO_GPU": "true"})
    assert not on_zero_gpu({})
    limits = JobLimits(minutes=1)
    service = SynticService(
        tiny_profile, torch.device("cpu"), runs=tmp_path, limits=limits, apart=borrow_gpu()
    )
    work = Work(
        profile=tiny_profile,
        request=None,
        folder=tmp_path,
        cache=tmp_path,
        steps=4,
        minutes=1,
        max_steps=9,
    )
    assert list(borrow_gpu()(work)) == [JobFailed(sentence="You have exceeded your GPU quota")]
    assert asked == [80]
    assert service.jobs.devices == ("cuda",)
