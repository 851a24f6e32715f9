"""How features become places: the map that ships, principal axes, or UMAP fitted here."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import cast

import numpy as np

from ..evaluation.axes import Axes, principal_axes
from ..evaluation.map import GapMap, Kind, MapPoints, lay_out
from ..memory import Memory
from .views import GapView, Layout, Places

logger = logging.getLogger(__name__)


class Layouts:
    """The layouts of the corpora of one profile.

    Args:
        memory: keeps what was fitted.
        gap_map: corpus -> its shipped map, or None.
        own: corpus -> its own points by kind, which alone decide on axes and fits.
    """

    def __init__(
        self,
        memory: Memory,
        gap_map: Callable[[str], GapMap | None],
        own: Callable[[str], dict[Kind, np.ndarray]],
    ) -> None:
        self._memory = memory
        self._gap_map = gap_map
        self._own = own

    def is_ready(self, view: GapView) -> bool:
        """Say whether `place` needs no UMAP fit."""
        if view.layout is Layout.PCA:
            return True
        if self._memory.known(("space", view.corpus, view.dimensions)) is not None:
            return True
        gap_map = self._gap_map(view.corpus)
        return gap_map is not None and all(
            points.at(view.dimensions) is not None for points in gap_map.points.values()
        )

    def place(self, view: GapView, clouds: Mapping[Kind, np.ndarray]) -> Places:
        """Return where features lie in the view's layout; UMAP is fitted where there is no map."""
        if view.layout is Layout.PCA:
            axes = self._principal_axes(view)
            return Places(
                coordinates={kind: axes.place(features) for kind, features in clouds.items()},
                explained=axes.explained,
            )
        layout = self._fitted(view.corpus, view.dimensions)
        coordinates = {}
        for kind, features in clouds.items():
            known = layout.points.get(kind)
            if known is not None and features is known.features:
                coordinates[kind] = cast(np.ndarray, known.at(view.dimensions))
            else:
                coordinates[kind] = layout.place(features, dimensions=view.dimensions)
        return Places(coordinates=coordinates, explained=None)

    def _principal_axes(self, view: GapView) -> Axes:
        """The axes of the corpus' own points; other pictures and moved features do not turn the map."""
        clouds = self._own(view.corpus)
        return self._memory.once(
            ("axes", view.corpus, view.dimensions),
            lambda: principal_axes(np.concatenate(list(clouds.values())), view.dimensions),
        )

    def _fitted(self, corpus: str, dimensions: int) -> GapMap:
        """The corpus' map with that many dimensions, fitted here where it does not ship."""
        gap_map = self._gap_map(corpus)
        if gap_map is not None and all(p.at(dimensions) is not None for p in gap_map.points.values()):
            return gap_map

        def fit() -> GapMap:
            clouds = self._own(corpus)
            started = time.perf_counter()
            stacked = np.concatenate(list(clouds.values())).astype(np.float32)
            ends = np.cumsum([len(features) for features in clouds.values()])[:-1]
            parts = np.split(lay_out(stacked, dimensions), ends)
            logger.info(
                "UMAP of %r in %d dimensions: %.1f s", corpus, dimensions, time.perf_counter() - started
            )
            points = {
                kind: MapPoints(
                    features=clouds[kind],
                    coordinates=part[:, :2],  # of two dimensions there is another map, or none is asked for
                    labels=[],
                    space=part if dimensions == 3 else None,
                )
                for kind, part in zip(clouds, parts, strict=True)
            }
            return GapMap(points, {"method": "umap", "corpus": corpus})

        return self._memory.once(("space", corpus, dimensions), fit)
