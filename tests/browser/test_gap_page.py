"""The page "Modality gap" as a person sees it: map, controls, linked selection, links, phone."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("playwright")
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser


def open_gap(visit, query: str = "", **size) -> Page:
    page = visit(f"/gap{query}", **size)
    expect(page.locator("#g-measures table")).to_be_visible()
    expect(page.locator(".g-sample").first).to_be_visible()
    return page


def ink(page: Page) -> int:
    """How many pixels of the map something is drawn on."""
    return page.evaluate(
        "(() => { const c = document.querySelector('#g-plot canvas'); const d = c.getContext('2d')"
        ".getImageData(0, 0, c.width, c.height).data; let n = 0;"
        " for (let i = 3; i < d.length; i += 4) if (d[i]) n++; return n; })()"
    )


def covered(page: Page) -> tuple[float, float]:
    """The share of the map's width and height that marks reach over."""
    return page.evaluate(
        "(() => { const c = document.querySelector('#g-plot canvas'); const d = c.getContext('2d')"
        ".getImageData(0, 0, c.width, c.height).data; let [l, r, t, b] = [c.width, 0, c.height, 0];"
        " for (let i = 3; i < d.length; i += 4) if (d[i]) { const p = (i - 3) / 4, x = p % c.width,"
        " y = Math.floor(p / c.width); l = Math.min(l, x); r = Math.max(r, x); t = Math.min(t, y);"
        " b = Math.max(b, y); } return [(r - l) / c.width, (b - t) / c.height]; })()"
    )


def seen_colours(page: Page) -> dict[str, int]:
    """How many pixels of the map are nearest to the colour of each kind."""
    return page.evaluate(
        "(() => { const c = document.querySelector('#g-plot canvas'), d = c.getContext('2d')"
        ".getImageData(0, 0, c.width, c.height).data, kinds = ['text', 'generated', 'refined', 'projected',"
        " 'real'], css = getComputedStyle(document.querySelector('#g-plot')), found = {};"
        " const rgb = kinds.map(k => css.getPropertyValue(`--kind-${k}`).trim().match(/\\w\\w/g)"
        ".map(h => parseInt(h, 16))); for (const k of kinds) found[k] = 0;"
        " for (let i = 0; i < d.length; i += 4) if (d[i + 3] > 150) { const far = rgb.map(([r, g, b]) =>"
        " (r - d[i]) ** 2 + (g - d[i + 1]) ** 2 + (b - d[i + 2]) ** 2), best = Math.min(...far);"
        " if (best < 900) found[kinds[far.indexOf(best)]]++; } return found; })()"
    )


def drag_around(page: Page) -> None:
    """Draw a lasso around the whole map."""
    box = page.locator("#g-plot canvas").bounding_box()
    corners = [(3, 3), (box["width"] - 3, 3), (box["width"] - 3, box["height"] - 3), (3, box["height"] - 3)]
    page.mouse.move(box["x"] + 3, box["y"] + 3)
    page.mouse.down()
    for x, y in corners:
        page.mouse.move(box["x"] + x, box["y"] + y, steps=4)
    page.mouse.up()


def test_a_slider_changes_map_table_panels_captions_and_the_link(visit):
    page = open_gap(visit)
    expect(page.locator("#g-measures th.now")).to_have_count(0)
    assert ink(page) > 200
    expect(page.locator("#g-steps .g-box")).to_have_count(4)
    page.locator("#g-control").get_by_label("Gap shift").check()
    box = page.locator("#g-shift input[type=number]")
    expect(box).to_be_visible()
    box.fill("1")
    box.press("Enter")
    expect(page.locator("#g-measures th.now")).to_contain_text("shifted by 1")
    expect(page.locator("#g-steps .g-box")).to_have_count(5)
    expect(page.locator("#g-loss .g-now")).to_have_count(1)
    expect(page.locator(".g-sample .now").first).to_be_visible()
    expect(page.locator(".g-mapnote")).to_contain_text("shifted by 1")
    expect(page).to_have_url(re.compile(r"/gap\?control=shift&value=1$"))
    page.locator("#g-standard").click()
    expect(page.locator("#g-measures th.now")).to_have_count(0)


@pytest.mark.parametrize("width", [1280, 390])
def test_the_map_fills_its_figure_and_shows_every_kind(visit, width):
    page = open_gap(visit, width=width)
    across, up = covered(page)
    assert across > 0.8
    assert up > 0.8
    assert min(seen_colours(page).values()) > 0
    page.locator("#g-layout").get_by_label("PCA").check()
    expect(page.locator(".g-mapnote")).to_contain_text("PCA")
    assert max(covered(page)) > 0.8


def test_the_table_is_completed_by_what_eq_3_mixes(visit):
    page = open_gap(visit)
    row = page.locator("#g-measures tbody tr", has_text="weight of the own caption")
    expect(row).to_be_visible()
    expect(row.locator("td").first).to_have_text(re.compile(r"^0\.\d{3}$"))


def test_the_selection_is_linked_both_ways(visit):
    page = open_gap(visit)
    page.locator("[data-act=lasso]").click()
    drag_around(page)
    expect(page.locator("#g-selected [role=status]")).to_have_text("31 selected.")
    expect(page.locator("#g-measures [role=status]")).to_contain_text("31 items")
    expect(page).to_have_url(re.compile("selection="))
    row = page.locator("#g-selected tbody button").first
    caption = row.inner_text()
    row.click()
    expect(page.locator("#g-side .g-point")).to_contain_text(caption)
    expect(page).to_have_url(re.compile("focus=generated%2C0"))
    page.locator("#g-side .g-near button").first.click()
    expect(page.locator("#g-side .g-point")).not_to_contain_text(caption)
    page.locator("#g-measures [data-stage=projected]").click()
    expect(page.locator("#g-plot [data-kind=generated]")).to_have_attribute("aria-pressed", "false")
    expect(page.locator("#g-plot [data-kind=projected]")).to_have_attribute("aria-pressed", "true")
    page.locator("[data-act=clear]").click()
    expect(page.locator("#g-selected [role=status]")).to_contain_text("Nothing is selected")


def test_items_are_selected_and_taken_out_in_the_lists(visit):
    page = open_gap(visit)
    found = page.locator("#g-selected [role=status]")
    boxes = page.locator("#g-selected tbody [type=checkbox]")
    names = page.locator("#g-selected tbody th button")
    expect(boxes).to_have_count(24)
    all_marks = sum(seen_colours(page).values())
    boxes.nth(2).click()
    expect(found).to_have_text("1 selected.")
    expect(page.locator("#g-measures [role=status]")).to_contain_text("Only what you selected: 1 item.")
    expect(page).to_have_url(re.compile("selection="))
    assert 0 < sum(seen_colours(page).values()) < all_marks / 4, "the map shows the others faintly"
    boxes.nth(5).focus()
    page.keyboard.press(" ")
    expect(found).to_have_text("2 selected.")
    expect(boxes.nth(5)).to_be_focused()
    names.nth(2).focus()
    page.keyboard.press("Shift+Enter")
    expect(found).to_have_text("1 selected.")
    expect(boxes.nth(2)).not_to_be_checked()
    expect(boxes.nth(5)).to_be_checked()
    picture = page.locator("#g-selected .g-gallery button:has(.real)").first
    picture.click(modifiers=["Shift"])
    expect(found).to_have_text("2 selected.")
    expect(picture).to_have_class("selected")
    expect(boxes).to_have_count(24)
    expect(page.locator("#g-side .g-point")).to_have_count(0)
    page.locator("[data-act=clear]").click()
    expect(found).to_contain_text("Nothing is selected")
    expect(boxes.nth(5)).not_to_be_checked()


def test_the_heatmap_is_read_by_keyboard_as_by_pointer(visit):
    page = open_gap(visit)
    readout, cells = page.locator(".g-readout"), page.locator("#g-similarities .g-cells")
    page.locator("#g-similarities .g-heatmap").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".g-cursor")).to_be_visible()
    expect(readout).to_have_text(re.compile(r"^0\.\d\d: picture “(.+)” and text “\1”$"))
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    words = readout.inner_text()
    page.keyboard.press("Enter")
    second = words.split("“")[1].split("”")[0]
    expect(page.locator("#g-side .g-point")).to_contain_text(second)
    expect(page).to_have_url(re.compile("focus=generated"))
    page.keyboard.press("Shift+ArrowDown")
    expect(readout).not_to_have_text(words)
    box, unit = cells.bounding_box(), cells.bounding_box()["width"] / 54  # 27 pictures and their texts
    cells.hover(position={"x": 28.5 * unit, "y": 1.5 * unit})
    expect(readout).to_have_text(words)
    assert box["width"] == pytest.approx(box["height"])


def test_the_map_is_used_by_keyboard(visit):
    page = open_gap(visit)
    page.locator("#g-plot canvas").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".g-tip")).to_be_visible()
    words = page.locator(".g-spoken").inner_text()
    page.keyboard.press("Enter")
    expect(page.locator("#g-side .g-point")).to_contain_text(words.split(": ", 1)[1])
    page.keyboard.press(" ")
    expect(page.locator("#g-selected [role=status]")).to_have_text("1 selected.")
    page.keyboard.press("Escape")
    expect(page.locator("#g-selected [role=status]")).to_contain_text("Nothing is selected")


def test_a_link_restores_the_view(visit):
    query = "?layout=pca&dimensions=3&control=noise&value=0.12&selection=-A&shown=text%2Cprojected"
    query += "&focus=text%2C3&heatmap=random"
    page = open_gap(visit, query)
    expect(page.locator("#g-layout").get_by_label("PCA")).to_be_checked()
    expect(page.locator("#g-dimensions").get_by_label("3-D")).to_be_checked()
    expect(page.locator("#g-noise input[type=number]")).to_have_value("0.12")
    expect(page.locator("#g-selected [role=status]")).to_have_text("5 selected.")
    expect(page.locator("#g-plot [data-kind=refined]")).to_have_attribute("aria-pressed", "false")
    expect(page.locator("#g-side .g-point")).to_be_visible()
    expect(page.locator("#g-stage").get_by_label("random control")).to_be_checked()
    expect(page).to_have_url(re.compile(re.escape(query)))


@pytest.mark.parametrize("query", ["?heatmap=x", "?focus=text,99999", "?dimensions=nan"])
def test_a_link_that_cannot_be_restored_says_so_on_a_filled_page(visit, query):
    page = open_gap(visit, query)
    expect(page.locator("#g-notice")).to_contain_text("This link cannot be restored as it is.")


def test_figures_are_saved(visit):
    page = open_gap(visit)
    for place, name in (("#g-plot", "map"), ("#g-steps", "steps"), ("#g-loss", "loss")):
        for kind in ("png", "svg", "csv"):
            with page.expect_download() as download:
                page.locator(f"{place} [data-save={kind}]").click()
            assert download.value.suggested_filename == f"modality-gap-{name}.{kind}"
            assert download.value.path().stat().st_size > 100


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_phone_needs_no_scrolling_to_the_side(visit, theme):
    page = open_gap(visit, f"?__theme={theme}&control=shift&value=1&focus=text%2C3", width=390, height=844)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    wide = "[...document.querySelectorAll('main *')].filter(e => e.getBoundingClientRect().right > 391)"
    inside = ".katex, .g-scroll, .g-figure, [hidden]"
    outside = f"{wide}.filter(e => !e.closest('{inside}')).map(e => e.tagName + '.' + e.className)"
    assert page.evaluate(outside) == []
