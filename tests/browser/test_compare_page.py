"""The page "Compare" as a person sees it."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("playwright")
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser


def lines(page: Page):
    return page.locator("#c-result .c-table tbody tr:not(.waiting):not(.running)")


def chosen(page: Page):
    return page.locator("#c-panel button[aria-current=true]")


def test_one_click_captions_a_picture_with_every_system(visit):
    page = visit("/compare")
    expect(page.locator("#c-result")).to_contain_text("Pick a picture")
    page.locator("#c-examples button").first.click()
    expect(lines(page)).to_have_count(5, timeout=90_000)
    expect(page.locator("#c-stop")).to_be_disabled()
    expect(chosen(page)).to_have_attribute("data-value", "0")
    assert "example=0" in page.url

    page.get_by_role("tab", name="Test pictures").click()
    page.locator("#c-test button[data-value='0003']").click()
    expect(page.locator("#c-result")).to_contain_text("Test picture 0003 of “everyday”", timeout=90_000)
    expect(page.locator("#c-result .c-references li")).to_have_count(5)
    expect(chosen(page)).to_have_attribute("data-value", "0003")
    page.locator("#c-others").click()
    expect(chosen(page)).to_have_attribute("data-value", "0003")  # also among others that come in
    assert "test=0003" in page.url


def test_wins_losses_and_tables_need_no_model(visit):
    page = visit("/compare?table=table1")
    expect(page.locator("#c-tables")).to_contain_text("python -m syntic experiment table1")
    page.get_by_label("Table 4").check()
    expect(page.locator("#c-tables .g-table tbody tr")).to_have_count(2)
    expect(page.locator("#c-tables .c-world")).to_contain_text("profile “tiny”")
    expect(page.locator("#c-pair .c-differences li").first).to_be_visible()
    with page.expect_download() as saved:
        page.locator("#c-pair [data-save=csv]").click()
    assert saved.value.suggested_filename == "comparison.csv"
    with page.expect_download() as saved:
        page.locator("#c-tables [data-save=csv]").click()
    lines_of_file = saved.value.path().read_text(encoding="utf-8").splitlines()
    assert '"CIDEr","CIDEr of the paper"' in lines_of_file[0]
    assert lines_of_file[2].endswith('"120.0 ± 2.5","101.1"')
    button = page.locator("#c-pair .c-differences button").first
    name = button.get_attribute("data-value")
    button.click()
    expect(page.locator("#c-result")).to_contain_text("Test picture", timeout=90_000)
    expect(page.get_by_role("tab", name="Test pictures")).to_have_attribute("aria-selected", "true")
    expect(page.locator("#c-test button[aria-current=true]")).to_have_attribute("data-value", name)


def test_figure_2_is_a_chart_that_is_saved_beside_its_table(visit):
    page = visit("/compare?table=figure2")
    chart = page.locator("#c-tables svg.g-chart")
    expect(chart).to_have_attribute("aria-label", re.compile("SynTIC 40.0 with 1 % of the texts"))
    expect(page.locator("#c-tables .c-world")).to_contain_text("profile “tiny”")
    for kind in ("png", "svg", "csv"):
        with page.expect_download() as saved:
            page.locator(f"#c-tables .g-figure [data-save={kind}]").click()
        assert saved.value.suggested_filename == f"figure-2.{kind}"
    lines_of_file = saved.value.path().read_text(encoding="utf-8").splitlines()
    assert lines_of_file[0] == ',"CIDEr","CIDEr, spread","CIDEr of the paper"'
    assert lines_of_file[1] == '"SynTIC 1%",40,NaN,NaN'
    with page.expect_download() as saved:
        page.locator("#c-tables .g-scroll ~ .g-save [data-save=csv]").click()
    assert saved.value.suggested_filename == "comparison.csv"
    page.get_by_label("Table 4").check()
    expect(chart).to_have_count(0)
    page.set_viewport_size({"width": 390, "height": 844})
    page.get_by_label("Figure 2").check()
    expect(chart).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_link_restores_and_waits_and_a_broken_one_says_so(visit):
    page = visit("/compare?test=0001&set=everyday&systems=fp,clipre")
    expect(page.locator("#c-result")).to_contain_text("Restored from the link; press Compare.")
    page.wait_for_timeout(1000)
    expect(lines(page)).to_have_count(0)
    expect(page.get_by_role("tab", name="Test pictures")).to_have_attribute("aria-selected", "true")
    expect(page.locator("#c-test button[aria-current=true]")).to_have_attribute("data-value", "0001")
    page.locator("#c-run").click()
    expect(lines(page)).to_have_count(2, timeout=90_000)
    page = visit("/compare?test=9999")
    expect(page.locator("#c-notice")).to_contain_text("cannot be restored")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_phone_needs_no_scrolling_to_the_side(visit, theme):
    page = visit(f"/compare?__theme={theme}", width=390, height=844)
    page.locator("#c-examples button").first.click()
    expect(lines(page)).to_have_count(5, timeout=90_000)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    wide = "[...document.querySelectorAll('main *')].filter(e => e.getBoundingClientRect().right > 391)"
    assert page.evaluate(f"{wide}.filter(e => !e.closest('.g-scroll')).map(e => e.className)") == []
    assert page.evaluate(
        "[...document.querySelectorAll('.g-scroll')].every(e => e.scrollWidth <= e.clientWidth)"
    )
    caption = page.locator("#c-result td.words").first.bounding_box()
    assert caption["width"] > 250, "a caption has the whole line"
