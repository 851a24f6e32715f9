"""Take the pictures of the app that README.md shows, from an app that is running.

python scripts/screenshots.py http://127.0.0.1:7860 assets/screenshots
"""

from __future__ import annotations

import argparse
import re
import shutil
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

DONE = re.compile(r"· syntic · [\d.]+ m?s")
SENTENCE = 4  # which of the profile's example sentences is walked through
VIEWS = {  # name -> width, height, theme, whether the whole page
    "walk-through": (1280, 1500, "light", False),
    "walk-through-dark": (1280, 1500, "dark", False),
    "walk-through-phone": (390, 844, "light", True),
}


def main() -> None:
    """Walk one example sentence through in every view, and save what is seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address", help="where the app is served")
    parser.add_argument("folder", type=Path, help="where the PNG files go")
    parser.add_argument("--views", nargs="+", choices=VIEWS, default=["walk-through"])
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    browser_path = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        for name in args.views:
            width, height, theme, whole = VIEWS[name]
            page = browser.new_page(viewport={"width": width, "height": height})
            page.goto(f"{args.address}/?__theme={theme}")
            _walk_through(page)
            page.evaluate("window.scrollTo(0, 0)")
            page.wait_for_timeout(1500)
            page.screenshot(path=args.folder / f"{name}.png", full_page=whole)
        browser.close()


def _walk_through(page: Page) -> None:
    page.locator(".s-sentences button").nth(SENTENCE).click(timeout=60_000)
    page.locator(".s-what").filter(has_text=DONE).wait_for(timeout=120_000)


if __name__ == "__main__":
    main()
