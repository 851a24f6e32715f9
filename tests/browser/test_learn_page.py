"""The page "Learn" as a person sees it: steps, live figures, hidden answers, exercises, links, phone."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("playwright")
from playwright.sync_api import Page, expect

from syntic.lesson_service import Step
from syntic.ui.lesson_texts import STEPS

pytestmark = pytest.mark.browser


def open_lesson(visit, query: str = "", **size) -> Page:
    page = visit(f"/learn{query}", **size)
    expect(page.locator("#l-exercise details").first).to_be_visible()
    expect(page.locator("#l-figure svg")).to_be_visible()
    return page


def set_slider(page: Page, step: str, value: str) -> None:
    box = page.locator(f"#l-{step} input[type=number]")
    box.fill(value)
    box.press("Enter")


def test_through_the_lesson_step_by_step(visit):
    page = open_lesson(visit)
    for number, (step, text) in enumerate(STEPS.items(), start=1):
        expect(page.locator("#l-words h2")).to_contain_text(f"Step {number} of {len(STEPS)} {text.title}")
        expect(page.locator("#l-steps [aria-current=step]")).to_have_text(text.name)
        expect(page.locator("#l-figure svg")).to_be_visible()
        expect(page.locator("#l-exercise details")).to_have_count(2)
        if step is Step.REFINEMENT:  # Eq. 2 runs to its end, and not on when the test is over
            expect(page.locator("#l-numbers")).to_contain_text("own text first")
        if number < len(STEPS):
            page.locator("#l-turn a.s-button").click()
    expect(page.locator("#l-captions .g-sample")).to_be_visible()
    expect(page).to_have_url(re.compile(r"/learn\?step=tags$"))


def test_a_control_changes_figure_numbers_captions_and_link(visit):
    page = open_lesson(visit, "?step=noise")
    expect(page.locator(".g-sample").first).to_be_visible()
    expect(page.locator(".g-sample .now")).to_have_count(0)
    figure = page.locator("#l-figure svg").get_attribute("aria-label")
    numbers = page.locator("#l-numbers").inner_text()
    set_slider(page, "noise", "0.3")
    expect(page).to_have_url(re.compile(r"\?step=noise&value=0.3$"))
    expect(page.locator("#l-figure svg")).not_to_have_attribute("aria-label", figure)
    expect(page.locator("#l-numbers")).not_to_have_text(numbers)
    expect(page.locator(".g-sample .now").first).to_be_visible()
    page.locator("#l-steps [data-step=refinement]").click()
    expect(page.locator("#l-numbers")).to_contain_text("own text first")  # Eq. 2 has run
    set_slider(page, "refinement", "2000")
    expect(page).to_have_url(re.compile(r"\?step=refinement&value=2000$"))
    page.locator("#l-steps [data-step=noise]").click()
    expect(page.locator("#l-noise input[type=number]")).to_have_value("0.3")


def test_steps_and_answers_by_keyboard(visit):
    page = open_lesson(visit)
    answer = page.locator("#l-exercise details").first
    expect(answer.locator("p")).to_be_hidden()
    answer.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(answer.locator("p")).to_be_visible()
    page.locator("#l-steps [data-step=texts]").focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"\?step=texts$"))
    page.locator("#l-reads").get_by_label("projected").check()
    expect(page).to_have_url(re.compile(r"\?step=texts&reads=projected$"))
    expect(page.locator("#l-figure svg")).to_be_visible()


@pytest.mark.parametrize(
    ("step", "there", "shown"),
    [
        ("gap", r"/gap\?layout=pca&control=shift&value=1$", "#g-measures th.now"),
        ("tags", r"/\?example=.*variant=syntic", "#s-sample"),
    ],
)
def test_an_exercise_opens_its_page_in_its_state(visit, step, there, shown):
    page = open_lesson(visit, f"?step={step}")
    with page.context.expect_page() as opened:
        page.locator("#l-exercise a.s-button").click()
    expect(opened.value).to_have_url(re.compile(there))
    expect(opened.value.locator(shown).first).to_be_visible()


@pytest.mark.parametrize(
    "query",
    ["?step=projection&value=20&picture=3", "?step=gap&value=-0.5", "?step=texts&reads=moved"],
)
def test_a_link_restores_the_view(visit, query):
    page = open_lesson(visit, query)
    expect(page).to_have_url(re.compile(re.escape(query) + "$"))
    if "projection" in query:
        expect(page.locator("#l-projection input[type=number]")).to_have_value("20")
        expect(page.locator("#l-picture input[type=number]")).to_have_value("3")
    elif "gap" in query:
        expect(page.locator("#l-gap input[type=number]")).to_have_value("-0.5")
    else:
        expect(page.locator("#l-reads").get_by_label("moved")).to_be_checked()


def test_a_broken_link_shows_the_first_step_and_says_why(visit):
    page = open_lesson(visit, "?step=magic")
    expect(page.get_by_text("link's step must be one of")).to_be_visible()
    expect(page.locator("#l-words h2")).to_contain_text("Step 1")


def test_figures_are_saved(visit):
    page = open_lesson(visit, "?step=cone")
    for kind in ("png", "svg", "csv"):
        with page.expect_download() as download:
            page.locator(f"#l-figure [data-save={kind}]").click()
        assert download.value.suggested_filename == f"lesson-cone.{kind}"
        assert download.value.path().stat().st_size > 100


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_phone_needs_no_scrolling_to_the_side(visit, theme):
    page = open_lesson(visit, f"?__theme={theme}&step=projection", width=390, height=844)
    assert page.evaluate("document.body.classList.contains('dark')") == (theme == "dark")
    for step in ("projection", "gap", "tags"):
        page.locator(f"#l-steps [data-step={step}]").click()
        expect(page).to_have_url(re.compile(f"step={step}"))
        expect(page.locator("#l-figure svg")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        wide = "[...document.querySelectorAll('main *')].filter(e => e.getBoundingClientRect().right > 391)"
        inside = ".katex, .g-scroll, .g-figure, [hidden]"
        outside = f"{wide}.filter(e => !e.closest('{inside}')).map(e => e.tagName + '.' + e.className)"
        assert page.evaluate(outside) == []
