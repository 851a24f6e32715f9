"""Take pictures of the app's pages, from an app that is running.

python scripts/screenshots.py http://127.0.0.1:7860 assets/screenshots
python scripts/screenshots.py http://127.0.0.1:7860 build/screenshots --views all
"""

from __future__ import annotations

import argparse
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

DONE = re.compile(r"· syntic · [\d.]+ m?s")
SENTENCE = 0  # which of the profile's example sentences is walked through


def _walk_through(page: Page) -> None:
    page.locator(".s-sentences button").nth(SENTENCE).click(timeout=60_000)
    page.locator(".s-what").filter(has_text=DONE).wait_for(timeout=300_000)


def _compare(page: Page) -> None:
    page.locator("#c-examples button").first.click(timeout=60_000)
    page.locator("#c-stop:disabled").wait_for(timeout=300_000)
    page.locator("#c-result .s-caption", has_text="Example picture").wait_for(timeout=300_000)


def _wait_for(selector: str) -> Callable[[Page], None]:
    return lambda page: page.locator(selector).first.wait_for(timeout=120_000)


PAGES: dict[str, tuple[str, Callable[[Page], None]]] = {  # name -> address, what to do there first
    "walk-through": ("", _walk_through),
    "modality-gap": ("gap", _wait_for("#g-captions .g-sample")),
    "compare": ("compare", _compare),
    "train": ("train", _wait_for("#s-panel")),
    "learn": ("learn", _wait_for("#l-figure svg")),
    "about": ("about", _wait_for(".s-article h2")),
}
LOOKS = {  # ending of the name -> width, height, theme, whether the whole page
    "": (1280, 1500, "light", False),
    "-dark": (1280, 1500, "dark", False),
    "-phone": (390, 844, "light", True),
}
VIEWS = [f"{name}{look}" for name in PAGES for look in LOOKS]
README = tuple(PAGES)


def main() -> None:
    """Open every view that was asked for, and save what is seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address", help="where the app is served")
    parser.add_argument("folder", type=Path, help="where the PNG files go")
    parser.add_argument(
        "--views",
        nargs="+",
        choices=[*VIEWS, "all"],
        default=README,
        metavar="VIEW",
        help=f"all, or some of: {', '.join(VIEWS)} (default: those of README.md)",
    )
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    browser_path = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        for view in VIEWS if "all" in args.views else args.views:
            look = next((look for look in reversed(LOOKS) if look and view.endswith(look)), "")
            address, prepare = PAGES[view.removesuffix(look)]
            width, height, theme, whole = LOOKS[look]
            page = browser.new_page(viewport={"width": width, "height": height})
            page.goto(f"{args.address}/{address}?__theme={theme}")
            prepare(page)
            page.evaluate("window.scrollTo(0, 0)")
            page.wait_for_timeout(1500)
            page.screenshot(path=args.folder / f"{view}.png", full_page=whole)
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
