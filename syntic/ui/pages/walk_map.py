"""The map on the page "Walk through": drawn once for a corpus, then only the places of a sample are sent."""

from __future__ import annotations

from typing import Any

import gradio as gr

from ...errors import SynticError
from ...service import SynticService
from ..components.stage_card import empty
from ..errors import describe
from ..figures import draw_map, path_markup
from ..presenter import WalkView
from .walk_layout import Results

Updates = dict[Any, Any]


class WalkMap:
    """The map's updates, on one service and one page."""

    def __init__(self, service: SynticService, results: Results) -> None:
        self.service = service
        self.results = results

    def draw(self, corpus: str) -> Updates:
        """Draw the map of a corpus, without a sample."""
        gap_map = self.service.gap_map(corpus)
        if gap_map is None:
            return self._hide(
                f"The map of this corpus is not built yet; `{self.service.command_for_map(corpus)}` makes it."
            )
        results = self.results
        figure = gr.update(value=draw_map(gap_map), visible=True)
        return {results.map: figure, results.path: path_markup(gap_map, {}), results.map_note: ""}

    def follow(self, view: WalkView) -> Updates:
        """Draw the sample's new places."""
        gap_map = self.service.gap_map(view.settings.corpus)
        if gap_map is None or len(view.path) == view.places_drawn:
            return {}
        view.places_drawn = len(view.path)
        refinement = view.trace.refinement if view.trace is not None else None
        try:
            return {self.results.path: path_markup(gap_map, view.path, refinement)}
        except SynticError as error:  # a map of other features: the run itself is not harmed
            return self._hide(describe(error))

    def _hide(self, words: str) -> Updates:
        results = self.results
        return {results.map: gr.update(visible=False), results.path: "", results.map_note: empty(words)}
