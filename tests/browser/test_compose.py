"""Composing a scene as a person does it: choose, look, shuffle, caption, open the folded captions, share."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("playwright")
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser


def choose(page: Page, label: str, words: str) -> None:
    """Pick the first entry that holds the words, with the keyboard alone."""
    box = page.get_by_label(label, exact=True)
    box.focus()
    box.fill(words)
    page.keyboard.press("Enter")


@pytest.mark.parametrize("view", [(1280, 900, "light"), (390, 844, "dark")])
def test_a_scene_is_composed_captioned_and_shared(visit, view):
    from test_accessibility import violations

    width, height, theme = view
    page = visit(f"?__theme={theme}", width=width, height=height)
    page.get_by_role("tab", name="Compose a scene").click()
    words = page.locator(".s-preview figcaption")
    expect(words).to_contain_text("a dog, in a park")
    choose(page, "Thing 2", "umbrella")
    expect(words).to_contain_text("a dog under an umbrella")
    choose(page, "Place", "kitchen")
    expect(words).to_contain_text("No text of the emoji world tells of an umbrella in a kitchen.")
    expect(page.get_by_label("Weather", exact=True)).to_be_hidden()
    before = page.locator(".s-preview img").get_attribute("src")
    page.get_by_role("button", name="Shuffle").click()
    expect(page.locator(".s-preview img")).not_to_have_attribute("src", before)
    arrangement = page.get_by_label("Arrangement", exact=True)
    arrangement.fill("-1")
    expect(page.locator(".s-refused")).to_contain_text("arrangement must be a whole number")
    arrangement.fill("7")
    expect(words).to_contain_text("a dog under an umbrella")
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width

    page.get_by_role("button", name="Caption it", exact=True).click()
    expect(page.locator(".s-what")).to_have_text(
        re.compile(r"From your scene: a dog under an umbrella.* · syntic · "), timeout=90_000
    )
    page.get_by_text("What the world would say").click()
    expect(page.locator(".s-world li")).to_have_count(5)
    assert violations(page) == []
    assert "thing=dog" in page.url

    shown = page.locator(".s-preview img").get_attribute("src")
    page = visit("?" + page.url.split("?")[1], width=width, height=height)
    expect(page.locator(".s-caption")).to_have_text("Restored from the link. Press Run.")
    expect(page.locator(".s-preview img")).to_have_attribute("src", shown)
    expect(page.get_by_label("Place", exact=True)).to_have_value("kitchen")
