"""The handlers of the page "Learn" as plain functions, and its endpoints, on the tiny profile."""

from __future__ import annotations

import re
from types import SimpleNamespace
from urllib.parse import parse_qsl, urlsplit

import gradio as gr
import pytest
import torch
from gradio_client import Client
from gradio_client.exceptions import AppError

from syntic.evaluation.controls import Control
from syntic.lesson_service import Step
from syntic.method import Variant
from syntic.service import SynticService
from syntic.types import TraceSettings
from syntic.ui.lesson_answers import answer, exercise_link
from syntic.ui.lesson_texts import STEPS
from syntic.ui.pages.gap_link import read_gap_query
from syntic.ui.pages.learn import Learn
from syntic.ui.permalink import read_query


@pytest.fixture(scope="module")
def page(service) -> Learn:
    with gr.Blocks():
        return Learn(service)


def visitor(**query) -> SimpleNamespace:
    return SimpleNamespace(session_hash="one", query_params=query)


def values(page: Learn, step: Step, **changes) -> dict:
    """What the page sends with every event."""
    first = {other.value: page.lesson.range(other, "everyday").standard for other in page.controls.sliders}
    given = {"step": step, "corpus": "everyday", "picture": 1, "reads": "picture", "tags": []}
    return {**given, **first, **changes}


@pytest.mark.parametrize("step", list(Step))
def test_a_link_opens_every_step(page, step):
    shown = page.restore(visitor(step=step.value))
    assert STEPS[step].title in shown[page.views.words]
    assert "<svg" in shown[page.views.figure]
    assert shown[page.link] == f"?step={step}"
    assert shown[page.views.exercise].count("<details>") == 2
    visible = {s for s, slider in page.controls.sliders.items() if shown[slider]["visible"]}
    assert visible == {step} & set(page.controls.sliders)


def test_a_slider_follows_and_names_itself_in_the_link(page):
    shown = page.turn(**values(page, Step.GAP, gap=1))
    assert shown[page.link] == "?step=gap&value=1"
    assert "distance of the means now" in shown[page.views.numbers]
    back = page.go(SimpleNamespace(_data={"step": "gap"}), **values(page, Step.CLIP, gap=1))
    assert back[page.link] == "?step=gap&value=1", "a step is as it was left"
    with pytest.raises(gr.Error, match="no such step"):
        page.go(SimpleNamespace(_data={"step": "magic"}), **values(page, Step.CLIP))


def test_captions_compare_the_picture_with_its_text(page):
    read = page.read(visitor(), **values(page, Step.TEXTS))
    assert "from its own text" in read[page.views.captions]
    assert "<button" not in read[page.views.captions], "nothing there leads anywhere"


def test_an_answer_that_comes_too_late_leaves_the_next_step_alone(page, monkeypatch):
    complete = page.lesson.complete_refinement

    def slow(corpus: str):
        page.read(visitor(), **values(page, Step.CLIP))  # the visitor went on meanwhile
        return complete(corpus)

    monkeypatch.setattr(page.lesson, "_curves", {})
    page.service.gap.sample("everyday")._kept.clear()
    monkeypatch.setattr(page.lesson, "complete_refinement", slow)
    late = page.read(visitor(), **values(page, Step.REFINEMENT))
    assert page.views.figure not in late


@pytest.mark.parametrize("step", list(Step))
def test_an_exercise_leads_where_its_page_can_read_it(service, step):
    link = urlsplit(answer(service, step, "everyday").link)
    query = dict(parse_qsl(link.query))
    if STEPS[step].opens == "Walk through":
        assert link.path == "./"
        choice, settings = read_query(query, TraceSettings())
        assert choice.value in service.example_images
        assert settings.variant == "syntic"
        return
    assert link.path == "gap"
    view, marks = read_gap_query(
        query, service.gap.standard_view, lambda c, k: service.gap.range(c, k).standard
    )
    assert service.gap.check(view) == view
    expected = {Step.GAP: Control.SHIFT, Step.NOISE: Control.NOISE, Step.REFINEMENT: Control.REFINEMENT}
    if step in expected:
        assert view.control is expected[step]
        assert not service.gap.is_standard(view)
    if step is Step.CLIP:
        assert marks.focus is not None


def test_the_exercise_on_tags_leads_to_a_decoder_that_is_there(three_corpora):
    service = SynticService(three_corpora, torch.device("cpu"))
    for corpus in three_corpora.corpora:
        query = dict(parse_qsl(urlsplit(exercise_link(service, Step.TAGS, corpus)).query))
        trained = service.trained_variants(corpus)
        assert query.get("variant") in {*(name for name in trained if Variant.parse(name).tags), None}
        assert ("variant" in query) == any(Variant.parse(name).tags for name in trained)


@pytest.mark.parametrize("step", list(Step))
def test_numbers_have_a_real_minus_sign(page, service, step):
    found = answer(service, step, "everyday")
    shown = page.restore(visitor(step=step.value))
    words = [found.question, found.task, shown[page.views.numbers]]
    words += re.findall(r"<text[^>]*>([^<]*)<|aria-label=\"([^\"]*)\"", shown[page.views.figure])
    for text in words:
        assert not re.search(r"(?<![\w–-])-\d", "".join(text)), text


@pytest.mark.parametrize("step", list(Step))
def test_answers_hold_numbers_that_are_there(service, step):
    found = answer(service, step, "everyday")
    for text in (found.question, found.task):
        assert len(text) > 80
        assert not re.search(r"\bnan\b|\binf\b|\{|\}", text)


def test_the_lesson_is_there_for_scripts(address, service):
    client = Client(address, verbose=False)
    try:
        steps = client.predict(api_name="/lesson_steps")
        assert [step["step"] for step in steps] == [step.value for step in Step]
        assert all(step["answer"] and step["task_answer"] and step["link"] for step in steps)
        noise = client.predict(step="noise", value=0.2, api_name="/lesson_figure")
        assert sum(noise["groups"][1]["shares"]) == pytest.approx(1)
        curve = client.predict(step="refinement", api_name="/lesson_figure")
        assert curve["steps"] == service.gap.sample("everyday").steps
        for values, message in (
            ({"step": "magic"}, "clip, cone, gap"),
            ({"step": "noise", "value": 9.0}, "0..0.3"),
            ({"step": "texts", "reads": "x"}, "text, picture, moved, projected"),
        ):
            with pytest.raises(AppError, match=re.escape(message)):
                client.predict(**values, api_name="/lesson_figure")
    finally:
        client.close()
