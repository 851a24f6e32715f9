"""Every page with axe-core, in light, in dark and on a phone: nothing that keeps people out.

Rules of WCAG 2.0 to 2.2, levels A and AA. What Gradio's own widgets do wrong and we cannot reach is named in
`NOT_OURS`; everything else on a page is ours.
"""

from __future__ import annotations

import pytest

pytest.importorskip("playwright")
pytest.importorskip("axe_playwright_python")
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

PAGES = {  # path -> what is there once the page is filled
    "/": "#s-map .js-plotly-plot .scatterlayer .trace",
    "/gap": "#g-measures table",
    "/compare": "#c-tables table",
    "/train": "#s-panel",
    "/learn": "#l-words h2",
    "/about": ".s-article h2",
}
VIEWS = {"light": (1280, 900), "dark": (1280, 900), "phone": (390, 844)}
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
# Gradio's markup, not ours: rule -> where it comes from.
NOT_OURS: dict[str, list[str]] = {}


def violations(page: Page) -> list[str]:
    """What axe-core finds, one line each: rule, impact, element."""
    options = {"runOnly": {"type": "tag", "values": TAGS}, "resultTypes": ["violations"]}
    found = Axe().run(page, options=options).response["violations"]
    return [
        f"{one['id']} ({one['impact']}): {node['target'][0]}: {node['html'][:160]}"
        for one in found
        for node in one["nodes"]
        if not any(part in str(node["target"]) + node["html"] for part in NOT_OURS.get(one["id"], []))
    ]


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("path", PAGES)
def test_axe_finds_nothing(visit, path, view):
    width, height = VIEWS[view]
    theme = "dark" if view == "dark" else "light"
    page = visit(f"{path}?__theme={theme}", width=width, height=height)
    expect(page.locator(PAGES[path]).first).to_be_visible()
    page.wait_for_timeout(500)
    assert violations(page) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_after_a_run(visit, theme):
    page = visit(f"/?text=two+cats+in+the+grass&refinement_steps=10&__theme={theme}")
    page.locator("#s-run").click()
    expect(page.locator("#stage-decode .s-token").first).to_be_visible(timeout=90_000)
    expect(page.locator("#s-stop")).to_be_disabled()
    assert violations(page) == []
    page = visit(f"/compare?test=0001&set=everyday&systems=fp,clipre&__theme={theme}")
    page.locator("#c-run").click()
    expect(page.locator("#c-result .c-table tbody td.words + td")).to_have_count(2, timeout=90_000)
    assert violations(page) == []
