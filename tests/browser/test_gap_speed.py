"""The map of the page "Modality gap" stays fluid with as many marks as the shipped ones have."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

import numpy as np
import pytest
import torch
from results import with_results
from served import serve, with_map

from syntic.evaluation.map import GapMap, MapPoints
from syntic.service import SynticService

pytest.importorskip("playwright")
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

COPIES = 20  # of the 112 marks of the tiny map
LIMIT_MS = 50

# Every frame that clears a canvas: how long it took with all of its pixels, and how many marks it drew.
WATCH = """
const pen = CanvasRenderingContext2D.prototype, {clearRect, drawImage} = pen;
const ask = window.requestAnimationFrame;
let drawn = null, marks = 0;
window.redraws = [];
pen.clearRect = function (...all) { drawn = this; clearRect.apply(this, all); };
pen.drawImage = function (...all) { marks += 1; drawImage.apply(this, all); };
window.requestAnimationFrame = (frame) => ask((time) => {
  const start = performance.now();
  [drawn, marks] = [null, 0];
  frame(time);
  if (!drawn) return;
  drawn.getImageData(0, 0, 1, 1);
  window.redraws.push({milliseconds: performance.now() - start, marks});
});
"""


@pytest.fixture(scope="module")
def address(tiny_profile, tmp_path_factory) -> Iterator[str]:
    """The app with a map of more than two thousand marks."""
    folder = tmp_path_factory.mktemp("crowded")
    profile = with_results(with_map(tiny_profile, folder), folder / "results")
    path = profile.corpora["everyday"].map
    few, generator = GapMap.load(path), np.random.default_rng(0)

    def crowd(points: MapPoints) -> MapPoints:
        places = np.tile(points.coordinates, (COPIES, 1))
        spread = generator.normal(scale=0.05, size=places.shape)
        return MapPoints(
            features=np.tile(points.features, (COPIES, 1)),
            coordinates=(places + spread).astype(np.float32),
            labels=points.labels * COPIES,
        )

    GapMap({kind: crowd(points) for kind, points in few.points.items()}, few.settings).save(path)
    with serve(SynticService(profile, torch.device("cpu"))) as url:
        yield url


@pytest.mark.parametrize("query", ["", "?layout=pca&dimensions=3"])
def test_two_thousand_marks_stay_fluid_while_they_are_moved_and_zoomed(visit, query):
    page = visit(f"/gap{query}", prepare=lambda page: page.add_init_script(WATCH))
    expect(page.locator(".g-sample").first).to_be_visible()
    box = page.locator("#g-plot canvas").bounding_box()
    page.evaluate("window.redraws = []")
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    for step in range(20):
        page.mouse.move(box["x"] + box["width"] / 2 + 5 * step, box["y"] + box["height"] / 2 + 3 * step)
    page.mouse.up()
    page.keyboard.down("Control")
    for _ in range(10):
        page.mouse.wheel(0, -60)
        page.wait_for_timeout(20)
    page.keyboard.up("Control")
    redraws = page.evaluate("window.redraws")
    assert len(redraws) >= 20
    assert min(redraw["marks"] for redraw in redraws) >= 2000
    assert median(redraw["milliseconds"] for redraw in redraws) < LIMIT_MS
