"""Another corpus, chosen by a person: two domains, and texts of the web without pictures of their own."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import torch

pytest.importorskip("playwright")
from playwright.sync_api import Page, expect
from results import with_results
from served import serve, with_map

from syntic.service import SynticService

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def service(three_corpora, tmp_path_factory) -> SynticService:
    folder = tmp_path_factory.mktemp("three")
    profile = with_results(with_map(three_corpora, folder), folder / "results")
    return SynticService(profile, torch.device("cpu"))


@pytest.fixture(scope="module")
def address(service) -> Iterator[str]:
    with serve(service) as url:
        yield url


def choose(page: Page, label: str, option: str) -> None:
    page.get_by_label(label).first.click()
    page.get_by_role("option", name=option, exact=True).click()


def test_walk_through_offers_what_the_chosen_corpus_has(visit):
    page = visit()
    kinds = page.locator("#s-map .legendtext")
    expect(kinds).to_have_text(["texts", "generated", "refined", "projected", "real pictures"])
    page.get_by_text("Settings", exact=True).click()
    choose(page, "Corpus of texts", "web")
    expect(page.get_by_label("Variant").first).to_have_value("FP: projected")
    expect(page.get_by_label("Temperature of Eq. 3").first).to_have_value("50")
    expect(kinds).to_have_text(["texts", "generated", "refined", "projected"])
    page.locator(".s-pictures button").first.click()
    expect(page.locator(".s-what")).to_have_text(re.compile(r"· fp · [\d.]+ m?s"), timeout=90_000)
    assert "corpus=web" in page.url
    page = visit("/?text=a+dog&corpus=web&variant=af")
    expect(page.locator("#s-notice")).to_contain_text("“web” has no decoder of the variant “af” yet")


def test_compare_asks_whose_texts_first_and_then_for_their_systems(visit):
    page = visit("/compare")
    boxes = page.locator("#c-panel .c-systems:visible")
    ticked = boxes.locator("input:checked")
    expect(boxes).to_have_count(1)
    expect(ticked).to_have_count(5)
    page.locator("#c-corpora label", has_text="web").click()
    expect(boxes).to_have_count(2)
    expect(ticked).to_have_count(8)  # FP, baseline and CLIPRe are what the web has
    page.locator("#c-corpora label", has_text="everyday").click()
    expect(boxes).to_have_count(1)
    expect(boxes).to_contain_text("Learned from “web”")
    expect(ticked).to_have_count(3)
    page.locator("#c-examples button").first.click()
    rows = page.locator("#c-result .c-table tbody tr:not(.waiting):not(.running)")
    expect(rows).to_have_count(3, timeout=90_000)
    expect(rows.first).to_contain_text("FP (web)")
    expect(page.locator("#c-stop")).to_be_disabled()
    page = visit("/compare?systems=fp@web,syntic@people")
    expect(boxes).to_have_count(1)  # of the page before, which stays as it is
    boxes = page.locator("#c-panel .c-systems:visible")
    expect(boxes).to_have_count(2)
    expect(boxes.locator("input:checked")).to_have_count(2)


def test_the_gap_of_another_corpus_comes_with_the_pictures_of_its_domain(visit):
    page = visit("/gap")
    expect(page.locator("#g-pictures input")).to_have_value("everyday-validation")
    choose(page, "Corpus of texts", "people")
    expect(page).to_have_url(re.compile(r"\?corpus=people"))
    expect(page.locator("#g-pictures input")).to_have_value("people-validation")
    choose(page, "Corpus of texts", "web")
    expect(page).to_have_url(re.compile(r"\?corpus=web(&layout=pca)?$"))
    expect(page.locator("#g-pictures input")).to_have_value("")
    expect(page.locator(".g-sample").first).to_be_visible()
