"""The views of the page "Modality gap", each as what its place on the page takes."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...evaluation.controls import Control, name_value
from ...gap_service import GapExplorer, GapView, Layout
from ..components.gap_figures import heatmap_figure, shift_figure
from ..components.gap_lists import LISTED, gallery, measures_table, neighbours
from ..components.stage_card import empty
from ..theme import KIND_NAMES
from .gap_link import Marks

EXAMPLES = 24  # items in the gallery until something is selected
_HINT = "Click a mark on the map, a picture or a row to see its neighbours here."


class GapDrawing:
    """Draws what an explorer answers."""

    def __init__(self, gap: GapExplorer) -> None:
        self.gap = gap

    def map(self, view: GapView, marks: Marks, note: str | None = None) -> dict[str, Any]:
        """Return what the map draws from."""
        places = self.gap.places(view)
        sample = self.gap.sample(view.corpus, view.pictures)
        clouds = {
            kind.value: base64.b64encode(np.ascontiguousarray(c, dtype="<f4").tobytes()).decode()
            for kind, c in places.coordinates.items()
        }
        return {
            "key": f"{view.corpus} {view.pictures} {view.layout} {view.dimensions}",
            "dimensions": view.dimensions,
            "stretched": view.layout is Layout.UMAP,  # its axes have no unit; those of PCA share one
            "clouds": clouds,
            "captions": [sample.caption(item) for item in range(sample.items)],
            "pairs": len(sample),
            "names": {kind.value: name for kind, name in KIND_NAMES.items()},
            "selection": list(view.selection),
            "shown": list(marks.shown),
            "thumbnails": marks.thumbnails,
            "focus": None if marks.focus is None else {"kind": marks.focus[0].value, "item": marks.focus[1]},
            "note": note or self._map_note(view, places.explained),
        }

    def _map_note(self, view: GapView, explained: np.ndarray | None) -> str:
        moved = "" if self.gap.is_standard(view) else f" Turned: {name_value(view.control, view.value)}."
        if explained is None:
            return (
                "UMAP, fitted once, its axes stretched to fill the figure; what you turn is placed among its "
                f"nearest neighbours.{moved}"
            )
        shares = " + ".join(f"{share:.0%}" for share in explained)
        return f"PCA; its axes hold {shares} of the variance.{moved}"

    def measures(self, view: GapView) -> str:
        """Return the table of measures."""
        return measures_table(self.gap.measures(view), len(view.selection))

    def heatmap(self, view: GapView, stage: str) -> str:
        """Return the heatmap of a step."""
        return heatmap_figure(self.gap.heatmap(view, stage), stage)

    def shift(self, view: GapView) -> str:
        """Return the loss along the gap shift."""
        amount = view.value if view.control is Control.SHIFT else None
        return shift_figure(self.gap.shift_curves(view.corpus), amount)

    def examples(self, view: GapView) -> list[int]:
        """Return some items, the same every time."""
        items = self.gap.sample(view.corpus, view.pictures).items
        return sorted(np.random.default_rng(0).permutation(items)[:EXAMPLES].tolist())

    def gallery(self, view: GapView, listed: Sequence[int]) -> str:
        """Return the first of some items, or else of the examples; those that are selected are ticked."""
        rows = self.gap.rows(view, (listed or self.examples(view))[:LISTED])
        return gallery(rows, view.selection, len(self.gap.sample(view.corpus, view.pictures)))

    def side(self, view: GapView, marks: Marks) -> str:
        """Return the neighbours of the point in focus."""
        if marks.focus is None:
            return empty(_HINT)
        kind, item = marks.focus
        found = self.gap.neighbours(view, kind, item)
        sample = self.gap.sample(view.corpus, view.pictures)
        return neighbours(kind, item, sample.caption(item), found, len(sample))
