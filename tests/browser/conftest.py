"""The app served on the tiny profile, and pages of a headless Chromium that watch what goes wrong."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
import torch
from results import with_results
from served import serve, with_map

from syntic.service import SynticService

if TYPE_CHECKING:
    from playwright.sync_api import Page, Response

ANSWERS = "document.documentElement.dataset.answers !== undefined"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the browser's tests, and no others, where there is no browser."""
    for item in items:
        if item.get_closest_marker("browser") and CHROMIUM is None:
            reason = "needs Chromium: install Debian's package `chromium` or run `make test` with rights to"
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def service(tiny_profile, tmp_path_factory) -> SynticService:
    folder = tmp_path_factory.mktemp("profile")
    profile = with_results(with_map(tiny_profile, folder), folder / "results")
    return SynticService(profile, torch.device("cpu"))


@pytest.fixture(scope="session")
def address(service) -> Iterator[str]:
    with serve(service) as url:
        yield url


@pytest.fixture(scope="session")
def browser():
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=30_000)  # busy machines; what is there already does not wait
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visit(browser, address) -> Iterator[Callable]:
    """Open the app in a fresh context; in the end, nothing may have gone wrong or left the machine.

    `prepare` gets the page before its address. A test may end at any moment: a page that still loads is
    waited for, because Gradio complains in the console about one that is left.
    """
    faults: list[str] = []
    contexts = []

    def open_page(
        path: str = "",
        *,
        width: int = 1280,
        height: int = 900,
        prepare: Callable[[Page], object] = lambda page: None,
    ) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("console", lambda m: faults.append(f"console: {m.text}") if m.type == "error" else None)
        page.on("pageerror", lambda error: faults.append(f"page: {error}"))
        page.on("request", lambda request: faults.extend(_outside(request.url, address)))
        page.on("response", lambda answer: faults.extend(_failed(answer)))
        prepare(page)
        page.goto(address + path)
        return page

    yield open_page
    for context in contexts:
        for page in context.pages:
            wait_until_filled(page)
        context.close()
    assert faults == []


def wait_until_filled(page: Page) -> None:
    """Wait until a page answers; one that asks the server for nothing does so from the start."""
    page.wait_for_load_state()
    page.locator(".s-header").wait_for()
    page.wait_for_function(f"document.querySelector('.s-header[data-waits]') === null || {ANSWERS}")


@pytest.fixture(scope="session")
def filled() -> Callable[[Page], None]:
    """Waits until a page answers, as a test has to that leaves it by a link; see `visit`."""
    return wait_until_filled


def _failed(answer: Response) -> list[str]:
    return [f"{answer.status} of {answer.request.method} {answer.url[:200]}"] if answer.status >= 500 else []


def _outside(url: str, address: str) -> list[str]:
    inside = url.startswith((address, "data:", "blob:"))
    return [] if inside else [f"outside request: {url[:200]}"]
