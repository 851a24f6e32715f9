"""The endpoints of the page "Modality gap" for scripts: the same use cases, as JSON."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, TypeVar

import gradio as gr

from ...errors import InputError, SynticError
from ...evaluation.controls import Control
from ...evaluation.map import Kind
from ...gap_service import GapExplorer, GapView, Layout
from ..errors import to_gradio

T = TypeVar("T")


class GapEndpoints:
    """The endpoints on one explorer; their docstrings are their documentation."""

    def __init__(self, gap: GapExplorer) -> None:
        self.gap = gap

    def add(self) -> None:
        """Name them inside the current `gr.Blocks`."""
        for endpoint in (
            self.gap_measures,
            self.gap_map,
            self.gap_neighbours,
            self.gap_heatmap,
            self.gap_loss,
            self.gap_captions,
        ):
            gr.api(  # type: ignore[attr-defined]
                endpoint, api_name=endpoint.__name__, concurrency_limit=4
            )

    def gap_measures(
        self, corpus: str = "", control: str = "temperature", value: float | None = None, items: str = ""
    ) -> list[dict[str, Any]]:
        """Measure the modality gap of every step against the texts, and of what a control makes of it.

        Args:
            corpus: a corpus of the profile; empty takes the first.
            control: temperature, refinement, noise or shift.
            value: how far it is turned, the temperature as 1 / tau; none is where it changes nothing.
            items: numbers of captions (and real pictures after them) with commas; empty takes all.

        Returns:
            One object for each column: key, name, pairs, and the measures by name.
        """
        view = self._view(corpus, control, value, items)

        def measured() -> list[dict[str, Any]]:
            shown = self.gap.check(view())
            self.gap.mix(shown)
            return [asdict(column) for column in self.gap.measures(shown)]

        return _answer(measured)

    def gap_map(
        self,
        corpus: str = "",
        layout: str = "umap",
        dimensions: int = 2,
        control: str = "temperature",
        value: float | None = None,
    ) -> dict[str, Any]:
        """Return where every feature lies on the map.

        Args:
            corpus: a corpus of the profile; empty takes the first.
            layout: umap or pca.
            dimensions: 2 or 3.
            control: temperature, refinement, noise or shift.
            value: how far it is turned, the temperature as 1 / tau; none is where it changes nothing.

        Returns:
            The captions, and for each kind of feature its coordinates.
        """
        view = self._view(corpus, control, value, "", layout, dimensions)

        def make() -> dict[str, Any]:
            asked = self.gap.check(view())
            sample = self.gap.sample(asked.corpus)
            coordinates = self.gap.places(asked).coordinates
            return {
                "captions": [sample.caption(item) for item in range(sample.items)],
                "coordinates": {kind.value: c.round(5).tolist() for kind, c in coordinates.items()},
            }

        return _answer(make)

    def gap_neighbours(self, kind: str, item: int, corpus: str = "", count: int = 5) -> dict[str, Any]:
        """Return the nearest texts and pictures of a feature, by cosine in CLIP's space.

        Args:
            kind: text, generated, refined, projected or real.
            item: its number on the map.
            corpus: a corpus of the profile; empty takes the first.
            count: how many of each kind, 1 to 100.

        Returns:
            For each kind its nearest: item, caption and cosine.
        """

        def make() -> dict[str, Any]:
            if kind not in list(Kind):
                raise InputError(f"The kind must be one of {', '.join(Kind)} but is {kind[:40]!r}.")
            if not 1 <= count <= 100:
                raise InputError(f"The count must lie in 1..100 but is {count}.")
            view = self._view(corpus, "temperature", None, "")()
            found = self.gap.neighbours(view, Kind(kind), item, count)
            return {other.value: [asdict(one) for one in near] for other, near in found.items()}

        return _answer(make)

    def gap_heatmap(
        self,
        stage: str = "generated",
        corpus: str = "",
        control: str = "temperature",
        value: float | None = None,
        items: str = "",
    ) -> dict[str, Any]:
        """Return the cosines of some pictures and their texts, in the order of their clusters.

        Args:
            stage: generated, refined, projected, random, or now for what the control made.
            corpus: a corpus of the profile; empty takes the first.
            control: temperature, refinement, noise or shift.
            value: how far it is turned, the temperature as 1 / tau; none is where it changes nothing.
            items: numbers of captions with commas; empty takes some drawn with a fixed seed.

        Returns:
            Captions in their order, the clusters' starts and words, the matrix (pictures first, then
            texts), and the means of its quadrants.
        """
        view = self._view(corpus, control, value, items)

        def make() -> dict[str, Any]:
            found = self.gap.heatmap(self.gap.check(view()), stage)
            heatmap = found.heatmap
            return {
                "captions": found.captions,
                "items": found.items,
                "cluster_starts": found.clusters.starts,
                "cluster_words": found.clusters.words,
                "similarities": heatmap.similarities.round(4).tolist(),
                "means": {
                    name: getattr(heatmap, name)
                    for name in ("image_image", "text_text", "image_text", "pairs")
                },
            }

        return _answer(make)

    def gap_loss(self, corpus: str = "") -> dict[str, Any]:
        """Return the contrastive loss while pictures and texts are moved along the gap.

        Args:
            corpus: a corpus of the profile; empty takes the first.

        Returns:
            For generated, refined and projected features: shifts, losses and centroid distances.
        """
        return _answer(
            lambda: {
                kind.value: {
                    "shifts": curve.amounts.tolist(),
                    "losses": curve.losses.tolist(),
                    "centroid_distances": curve.distances.tolist(),
                }
                for kind, curve in self.gap.shift_curves(corpus or self.gap.corpora[0]).items()
            }
        )

    def gap_captions(
        self, corpus: str = "", control: str = "temperature", value: float | None = None, items: str = ""
    ) -> list[dict[str, Any]]:
        """Let a shipped decoder caption a few items before and after a control is turned.

        Args:
            corpus: a corpus of the profile; empty takes the first.
            control: temperature, refinement, noise or shift.
            value: how far it is turned, the temperature as 1 / tau; none is where it changes nothing.
            items: numbers with commas, of which up to six that fit are taken; empty takes some.

        Returns:
            One object for each: item, its own text, the caption before and now.
        """
        view = self._view(corpus, control, value, items)
        return _answer(lambda: [asdict(sample) for sample in self.gap.samples(self.gap.check(view()))])

    def _view(
        self,
        corpus: str,
        control: str,
        value: float | None,
        items: str,
        layout: str = "umap",
        dimensions: int = 2,
    ) -> Callable[[], GapView]:
        def make() -> GapView:
            if control not in list(Control):
                raise InputError(f"The control must be one of {', '.join(Control)} but is {control[:40]!r}.")
            if layout not in list(Layout):
                raise InputError(f"The layout must be one of {', '.join(Layout)} but is {layout[:40]!r}.")
            name = corpus or self.gap.corpora[0]
            turned = self.gap.range(name, Control(control)).standard if value is None else value
            return GapView(
                corpus=name,
                layout=Layout(layout),
                dimensions=dimensions,
                control=Control(control),
                value=turned,
                selection=_numbers(items),
            )

        return make


def _numbers(items: str) -> tuple[int, ...]:
    try:
        return tuple(int(item) for item in items.split(",") if item.strip())
    except ValueError:
        raise InputError(f"The items must be numbers with commas but are {items[:40]!r}.") from None


def _answer(make: Callable[[], T]) -> T:
    try:
        return make()
    except SynticError as error:
        raise to_gradio(error) from error
