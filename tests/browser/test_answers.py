"""No page takes a click before it is filled: it would run on its defaults, not on what a link asks."""

from __future__ import annotations

import pytest

pytest.importorskip("playwright")
from playwright.sync_api import Page, Request, Route, expect

pytestmark = pytest.mark.browser

CALLS = "**/gradio_api/{run,queue/join}**"
# Page -> something on it that a click sets off.
STARTS = {
    "/?text=two+cats&variant=fp": ".s-sentences button",
    "/gap?control=shift": "#g-standard",
    "/compare?systems=fp": "#c-examples button",
    "/train?variant=fp&steps=10": "#s-start",
    "/learn?step=noise": "#l-turn a.s-button",
}


def is_call(request: Request) -> bool:
    return request.method == "POST" and ("/run/" in request.url or "/queue/join" in request.url)


class Held:
    """Keeps what a page asks the server until it is released."""

    def __init__(self) -> None:
        self.routes: list[Route] = []
        self._released = False

    def __call__(self, page: Page) -> None:
        page.route(CALLS, self._keep)

    def _keep(self, route: Route) -> None:
        if self._released:
            route.continue_()
        else:
            self.routes.append(route)

    def release(self) -> None:
        self._released = True
        for route in self.routes:
            route.continue_()


@pytest.mark.parametrize("path", STARTS)
def test_a_click_before_the_page_is_filled_does_nothing(visit, path):
    held = Held()
    page = visit(path, prepare=held)
    button = page.locator(STARTS[path]).first
    button.wait_for()
    page.wait_for_timeout(500)
    asked = len(held.routes)
    assert asked >= 1, "the page asks for its content"
    expect(page.locator("[aria-busy=true][inert]")).not_to_have_count(0)
    button.click(force=True)
    button.evaluate("element => element.focus()")
    page.keyboard.press("Enter")
    page.wait_for_timeout(500)
    assert len(held.routes) == asked, "the click was heard before the page was filled"
    page.locator(".s-theme").click()  # the header asks nobody

    held.release()
    expect(page.locator("[inert]")).to_have_count(0)
    expect(page.locator("[aria-busy=true]")).to_have_count(0)
    with page.expect_request(is_call):
        page.locator(STARTS[path]).first.click()
    page.close(run_before_unload=False)


def test_an_early_click_on_start_waits_for_the_link_s_settings(visit, service):
    """Playwright clicks as soon as an element hears it, as a person in a hurry does."""
    held = Held()
    page = visit("/train?variant=fp&steps=10&name=hurry", prepare=held)
    page.locator("#s-start").wait_for()
    page.locator("#s-start").click(force=True)
    held.release()
    page.locator("#s-start").click()
    expect(page.locator(".s-runhead .s-caption")).to_have_text("hurry")
    expect(page.locator(".s-runhead .s-state")).to_have_attribute("data-state", "finished", timeout=120_000)
    expect(page.locator(".s-runs button")).to_have_count(1)


def test_a_page_that_cannot_be_filled_answers_all_the_same(browser, address, service, monkeypatch):
    monkeypatch.setattr(service, "gap_map", lambda corpus: 1 / 0)
    page = browser.new_page()  # not by `visit`: the console says what went wrong, as it should
    page.set_default_timeout(60_000)
    page.goto(address)
    page.locator(".s-sentences button").first.wait_for()
    expect(page.locator("html[data-answers]")).to_have_count(1)
    expect(page.locator("[inert]")).to_have_count(0)
    page.close()


def test_a_page_that_lost_its_connection_is_filled_once_the_server_is_back(browser, address):
    """Gradio says so, hears no click either until then, and loads the page anew."""
    page = browser.new_page()  # not by `visit`: the browser's console tells of every lost call
    page.set_default_timeout(60_000)
    page.route(CALLS, lambda route: route.abort())
    page.goto(address)
    expect(page.get_by_text("Connection to the server was lost").first).to_be_visible()
    expect(page.locator("[inert]")).not_to_have_count(0)
    page.unroute(CALLS)
    expect(page.locator("html[data-answers]")).to_have_count(1)
    expect(page.locator("[inert]")).to_have_count(0)
    page.close()


def test_a_page_that_nobody_fills_answers_at_once(visit):
    page = visit("/about")
    expect(page.get_by_role("heading", name="What you see here")).to_be_visible()
    assert page.locator("[inert]").count() == 0
