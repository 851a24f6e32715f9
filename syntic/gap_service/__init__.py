"""The use cases of the page "Modality gap": typed questions in, dataclasses out, models under one lock."""

from __future__ import annotations

from .explorer import CAPTIONED, HEATMAP_PAIRS, REAL_PICTURES, SHIFT_PAIRS, STAGES, GapExplorer
from .views import (
    RANDOM,
    GapView,
    ItemRow,
    Layout,
    Neighbour,
    OrderedHeatmap,
    Panel,
    Places,
    SampleCaption,
    StageMeasures,
)

__all__ = [
    "CAPTIONED",
    "HEATMAP_PAIRS",
    "RANDOM",
    "REAL_PICTURES",
    "SHIFT_PAIRS",
    "STAGES",
    "GapExplorer",
    "GapView",
    "ItemRow",
    "Layout",
    "Neighbour",
    "OrderedHeatmap",
    "Panel",
    "Places",
    "SampleCaption",
    "StageMeasures",
]
