"""The page "Modality gap": one map, one control at a time, and what it does to measures and captions."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr
import numpy as np

from ...errors import Cancelled, InputError, SynticError
from ...evaluation.controls import Control
from ...evaluation.map import Kind
from ...gap_service import GapView, Layout
from ...service import SynticService
from ..components.contact_sheets import sheet_uris
from ..components.gap_figures import panels_figure
from ..components.gap_lists import sample_captions
from ..components.notices import broken_link
from ..components.stage_card import empty
from ..errors import describe, to_gradio
from ..gap_texts import CONTROLS
from ..newest import Newest
from .gap_api import GapEndpoints
from .gap_drawing import GapDrawing
from .gap_layout import build_gap_layout
from .gap_link import Marks, names_gap, read_gap_query, write_gap_query

logger = logging.getLogger(__name__)

Updates = dict[Any, Any]

FRAMES = 20  # of one playing of a control
FRAME_SECONDS = 0.25
# The page has a base address of its own, so a query alone would lead to the first page.
_REPLACE_LINK = "(query) => { history.replaceState(null, '', location.pathname + query); }"


@dataclass(frozen=True)
class Seen:
    """What a visitor picked and switched: what the map's own buttons and gestures set.

    Attributes:
        selection: items.
        marks: how the map is drawn.
        listed: items that the gallery lists; none where it lists examples.
    """

    selection: tuple[int, ...] = ()
    marks: Marks = Marks()
    listed: tuple[int, ...] = ()


class ModalityGap:
    """The page and its handlers, on one service; making it inside a `gr.Blocks` draws it."""

    def __init__(self, service: SynticService) -> None:
        self.service = service
        self.gap = service.gap
        self.draw = GapDrawing(service.gap)
        self._reading = Newest()
        self.seen = gr.State(Seen())
        self.link = gr.Textbox(visible="hidden", elem_id="g-link")
        self.controls, self.views = build_gap_layout(service)
        self._wire()

    # -- wiring --------------------------------------------------------------------------------

    def _wire(self) -> None:
        controls, views = self.controls, self.views
        quick: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
        latest: dict[str, Any] = {"trigger_mode": "always_last", **quick}
        inputs: dict[str, Any] = {
            "corpus": controls.corpus,
            "pictures": controls.pictures,
            "layout": controls.layout,
            "dimensions": controls.dimensions,
            "control": controls.control,
            **{control.value: slider for control, slider in controls.sliders.items()},
            "stage": views.heatmap_stage,
            "seen": self.seen,
        }
        given: dict[str, Any] = {"inputs_kwargs": inputs}
        self._given = given
        moving = [views.map, views.measures, views.panels, views.heatmap, views.shift, self.link]
        captions: dict[str, Any] = {
            **given,
            "outputs": views.samples,
            "show_progress": "hidden",
            "api_visibility": "private",
            "trigger_mode": "always_last",
            "concurrency_limit": 8,
        }
        turned = gr.on(
            [s.input for s in controls.sliders.values()], self.turn, outputs=moving, **given, **latest
        )
        turned.then(self.read, **captions)
        sliders = list(controls.sliders.values())
        reset = controls.standard.click(self.reset, outputs=[*sliders, *moving], **given, **latest)
        reset.then(self.read, **captions)
        changed = controls.control.input(
            self.change_control, outputs=[*sliders, controls.words, *moving], **given, **latest
        )
        changed.then(self.read, **captions)
        playing = controls.play.click(
            self.play,
            outputs=[*sliders, controls.play, controls.stop, *moving],
            show_progress="hidden",
            api_visibility="private",
            concurrency_limit=4,
            **given,
        )
        playing.then(self.read, **captions)
        controls.stop.click(
            self.end_play, None, [controls.play, controls.stop], cancels=playing, **quick
        ).then(self.read, **captions)
        gr.on(
            [controls.layout.input, controls.dimensions.input],
            self.lay_out,
            outputs=[views.map, self.link],
            show_progress="hidden",
            api_visibility="private",
            trigger_mode="always_last",
            concurrency_limit=4,
            **given,
        )
        data: dict[str, Any] = {
            "outputs": self.restored,
            "show_progress": "hidden",
            "api_visibility": "private",
            "concurrency_limit": 2,
            **given,
        }
        changed_data = [
            controls.corpus.input(self.change_corpus, **data),
            controls.pictures.input(self.change_data, **data),
        ]
        for done in changed_data:
            done.then(self.load_pictures, [controls.corpus, controls.pictures], views.sheets, **quick)
            done.then(self.read, **captions)
            self._mix_after(done)
        views.heatmap_stage.input(
            self.change_stage, outputs=[views.heatmap, self.seen, self.link], **given, **latest
        )
        selecting = [self.seen, views.measures, views.heatmap, views.gallery, self.link]
        views.map.lasso(self.select, outputs=selecting, **given, **latest).then(self.read, **captions)
        views.map.toggle(self.toggle, outputs=[self.seen, self.link], **given, **latest)
        views.map.point(self.point_on_map, outputs=[self.seen, views.side, self.link], **given, **latest)
        pointing = [self.seen, views.side, views.map, self.link]
        for view in (views.side, views.samples, views.gallery, views.heatmap):
            view.point(self.point_elsewhere, outputs=pointing, **given, **latest)
        views.measures.stage(self.show_stage, outputs=[self.seen, views.map, self.link], **given, **latest)
        self.link.change(None, self.link, None, js=_REPLACE_LINK)

    def load(self, demo: gr.Blocks) -> Any:
        """Fill the page when a visitor opens it: the views, whose event it returns, then the rest."""
        controls, views = self.controls, self.views
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        GapEndpoints(self.gap).add()
        filled = demo.load(self.restore, None, self.restored, queue=False, **quiet)
        filled.then(self.load_pictures, [controls.corpus, controls.pictures], views.sheets, **quiet)
        filled.then(self.read, outputs=views.samples, **self._given, **quiet)
        self._mix_after(filled)
        return filled

    def _mix_after(self, event: Any) -> None:
        """Complete the table once the features are projected; what is turned by then is what it shows."""
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        mixed = event.then(self.mix, outputs=None, concurrency_limit=2, **self._given, **quiet)
        mixed.then(self.measure, outputs=self.views.measures, queue=False, **self._given, **quiet)

    @property
    def restored(self) -> list[Any]:
        """The components that `restore` may change."""
        controls, views = self.controls, self.views
        return [
            *(controls.corpus, controls.pictures, controls.layout, controls.dimensions, controls.control),
            *controls.sliders.values(),
            controls.words,
            *(views.map, views.side, views.measures, views.panels, views.heatmap_stage, views.heatmap),
            *(views.shift, views.gallery, views.notice, self.seen, self.link),
        ]

    # -- handlers ------------------------------------------------------------------------------

    def restore(self, request: gr.Request) -> Updates:
        """Put what the link names, or a first view, on the page."""
        try:
            standard = self.gap.standard_view()
        except SynticError as error:
            return {self.views.measures: empty(describe(error))}
        notice, query = "", dict(request.query_params)
        if names_gap(query):
            try:
                view, marks = read_gap_query(query, self.gap.standard_view, self._standard_value)
                return {**self._everything(self._checked(view), marks), self.views.notice: ""}
            except SynticError as error:
                notice = broken_link(error)
        return {**self._everything(standard, Marks()), self.views.notice: notice}

    def load_pictures(self, corpus: str, pictures: str | None) -> dict[str, str]:
        """Send the small pictures, once the page is there."""
        try:
            return sheet_uris(self.gap, GapView(corpus=corpus, pictures=pictures))
        except SynticError:
            return {}

    def turn(self, **inputs: Any) -> Updates:
        """Follow the slider."""
        view, seen = self._asked(inputs)
        return self._answer(lambda: self._moving(view, seen.marks))

    def read(self, request: gr.Request, **inputs: Any) -> Any:
        """Let the decoder read the features as they are turned; a newer question stops an older one."""
        view, _ = self._asked(inputs)
        stop = self._reading.begin(request)
        try:
            found = self.gap.samples(view, stop.is_set)
            pairs, turned = len(self.gap.sample(view.corpus)), not self.gap.is_standard(view)
            return sample_captions(found, pairs, CONTROLS[view.control].read, turned=turned)
        except Cancelled:
            return gr.skip()
        except SynticError as error:
            return empty(describe(error))
        finally:
            self._reading.end(request, stop)

    def mix(self, **inputs: Any) -> None:
        """Find of which texts Eq. 3 makes the features, which takes a second for a corpus."""
        view, _ = self._asked(inputs)
        try:
            self.gap.mix(view)
        except SynticError as error:
            logger.warning("the table stays without the projection: %s", error.detail)

    def measure(self, **inputs: Any) -> str:
        """Return the table of measures."""
        view, _ = self._asked(inputs)
        try:
            return self.draw.measures(view)
        except SynticError as error:
            return empty(describe(error))

    def reset(self, **inputs: Any) -> Updates:
        """Bring the slider back to where it changes nothing."""
        view, seen = self._asked(inputs)

        def answer() -> Updates:
            value = self._standard_value(view.corpus, view.control)
            moved = self._moving(replace(view, value=value), seen.marks)
            return {self.controls.sliders[view.control]: value, **moved}

        return self._answer(answer)

    def change_control(self, **inputs: Any) -> Updates:
        """Show another control's slider and what it makes of the features."""
        view, seen = self._asked(inputs)
        return self._answer(lambda: self._show_control(view) | self._moving(view, seen.marks))

    def play(self, **inputs: Any) -> Iterator[Updates]:
        """Run the slider from its low to its high end, and leave it there."""
        view, seen = self._asked(inputs)
        controls = self.controls
        try:
            limits = self.gap.range(view.corpus, view.control)
            values = np.linspace(limits.low, limits.high, FRAMES + 1)
            if view.control is Control.TEMPERATURE:
                values = np.geomspace(limits.low, limits.high, FRAMES + 1)
            started = {
                controls.play: gr.update(interactive=False),
                controls.stop: gr.update(interactive=True),
            }
            yield started
            for value in values:
                stepped = limits.low + round((value - limits.low) / limits.step) * limits.step
                began = time.monotonic()
                now = replace(view, value=round(stepped, 6))
                yield {controls.sliders[view.control]: now.value, **self._moving(now, seen.marks)}
                time.sleep(max(0.0, FRAME_SECONDS - (time.monotonic() - began)))
            yield self.end_play()
        except SynticError as error:
            raise to_gradio(error) from error

    def end_play(self) -> Updates:
        """Make the buttons ready for the next time."""
        controls = self.controls
        return {controls.play: gr.update(interactive=True), controls.stop: gr.update(interactive=False)}

    def lay_out(self, **inputs: Any) -> Iterator[Updates]:
        """Draw another layout; where UMAP has to be fitted first, say so and show PCA meanwhile."""
        view, seen = self._asked(inputs)
        try:
            if not self.gap.is_laid_out(view):
                note = "UMAP is being fitted, about a minute; PCA meanwhile."
                yield {self.views.map: self.draw.map(replace(view, layout=Layout.PCA), seen.marks, note)}
            yield {self.views.map: self.draw.map(view, seen.marks), self.link: self._link(view, seen.marks)}
        except SynticError as error:
            raise to_gradio(error) from error

    def change_corpus(self, **inputs: Any) -> Iterator[Updates]:
        """Take another corpus with the pictures of its own domain, where it has some."""
        try:
            own = self.gap.standard_view(inputs["corpus"]).pictures
        except SynticError as error:
            raise to_gradio(error) from error
        yield from self.change_data(**{**inputs, "pictures": own})

    def change_data(self, **inputs: Any) -> Iterator[Updates]:
        """Take other real pictures; those that the corpus' map does not have are encoded first."""
        view, seen = self._asked({**inputs, "seen": Seen(marks=inputs["seen"].marks)})
        marks = replace(seen.marks, focus=None)
        try:
            if view.pictures is not None and not self.gap.is_encoded(view.corpus, view.pictures):
                words = f"CLIP encodes the pictures of “{view.pictures}”; this takes a moment."
                yield {self.views.gallery: empty(words), self.views.side: empty(words)}
                self.gap.encode(view.pictures)
            value = self._standard_value(view.corpus, view.control)
            yield self._everything(replace(view, value=value, selection=()), marks)
        except SynticError as error:
            raise to_gradio(error) from error

    def change_stage(self, **inputs: Any) -> Updates:
        """Show the heatmap of another step."""
        view, seen = self._asked(inputs)
        marks = replace(seen.marks, heatmap=inputs["stage"])
        return self._answer(
            lambda: {
                self.views.heatmap: self.draw.heatmap(view, marks.heatmap),
                self.seen: replace(seen, marks=marks),
                self.link: self._link(view, marks),
            }
        )

    def select(self, event: gr.EventData, **inputs: Any) -> Updates:
        """Take what was selected to the table, the heatmap and the gallery.

        The gallery lists what was selected on the map; after a tick in a list it keeps what it lists, so
        that a tick can be taken back.
        """
        asked, seen = self._asked(inputs)
        items = event._data.get("items")
        if not isinstance(items, list) or not all(isinstance(item, int) for item in items):
            raise to_gradio(InputError("The selection did not arrive; please draw it again."))
        ticked = bool(event._data.get("ticked"))

        def answer() -> Updates:
            view = self.gap.check(replace(asked, selection=tuple(items)))
            listed = view.selection
            if ticked:
                listed = tuple(sorted({*(seen.listed or self.draw.examples(view)), *listed}))
            return {
                self.seen: replace(seen, selection=view.selection, listed=listed),
                self.views.measures: self.draw.measures(view),
                self.views.heatmap: self.draw.heatmap(view, seen.marks.heatmap),
                self.views.gallery: self.draw.gallery(view, listed),
                self.link: self._link(view, seen.marks),
            }

        return self._answer(answer)

    def toggle(self, event: gr.EventData, **inputs: Any) -> Updates:
        """Remember which kinds are shown and whether pictures are marks, for the link."""
        view, seen = self._asked(inputs)
        shown = tuple(kind for kind in Kind if kind.value in event._data.get("shown", []))
        marks = replace(seen.marks, shown=shown, thumbnails=bool(event._data.get("thumbnails")))
        return {self.seen: replace(seen, marks=marks), self.link: self._link(view, marks)}

    def point_on_map(self, event: gr.EventData, **inputs: Any) -> Updates:
        """List the neighbours of a mark; the map shows it already."""
        view, seen = self._asked(inputs)
        marks = replace(seen.marks, focus=_point(event))
        return self._answer(
            lambda: {
                self.views.side: self.draw.side(view, marks),
                self.seen: replace(seen, marks=marks),
                self.link: self._link(view, marks),
            }
        )

    def point_elsewhere(self, event: gr.EventData, **inputs: Any) -> Updates:
        """List the neighbours of an item of a list, and show it on the map."""
        view, seen = self._asked(inputs)
        point = _point(event)
        shown = tuple(kind for kind in Kind if kind in seen.marks.shown or kind is point[0])
        marks = replace(seen.marks, focus=point, shown=shown)
        return self._answer(
            lambda: {
                self.views.side: self.draw.side(view, marks),
                self.views.map: self.draw.map(view, marks),
                self.seen: replace(seen, marks=marks),
                self.link: self._link(view, marks),
            }
        )

    def show_stage(self, event: gr.EventData, **inputs: Any) -> Updates:
        """Show the texts and the kind of one column alone on the map, or all again."""
        view, seen = self._asked(inputs)
        kind = Kind(event._data.get("stage", Kind.GENERATED))
        alone = tuple(k for k in Kind if k in (Kind.TEXT, kind))
        marks = replace(seen.marks, shown=tuple(Kind) if seen.marks.shown == alone else alone)
        return self._answer(
            lambda: {
                self.views.map: self.draw.map(view, marks),
                self.seen: replace(seen, marks=marks),
                self.link: self._link(view, marks),
            }
        )

    # -- what is asked -------------------------------------------------------------------------

    def _asked(self, inputs: dict[str, Any]) -> tuple[GapView, Seen]:
        control = Control(inputs["control"])
        seen: Seen = inputs["seen"]
        view = GapView(
            corpus=inputs["corpus"],
            pictures=inputs["pictures"],
            layout=Layout(inputs["layout"]),
            dimensions=int(inputs["dimensions"]),
            control=control,
            value=float(inputs[control.value]),
            selection=seen.selection,
        )
        return view, seen

    def _standard_value(self, corpus: str, control: Control) -> float:
        return self.gap.range(corpus, control).standard

    def _checked(self, view: GapView) -> GapView:
        if not self.gap.is_encoded(view.corpus, view.pictures):
            assert view.pictures is not None
            self.gap.encode(view.pictures)
        return self.gap.check(view)

    def _answer(self, make: Callable[[], Updates]) -> Updates:
        try:
            return make()
        except SynticError as error:
            raise to_gradio(error) from error

    # -- what is shown -------------------------------------------------------------------------

    def _everything(self, view: GapView, marks: Marks) -> Updates:
        controls, views = self.controls, self.views
        if not self.gap.is_laid_out(view):
            view = replace(view, layout=Layout.PCA)
        return {
            controls.corpus: view.corpus,
            controls.pictures: view.pictures,
            controls.layout: view.layout.value,
            controls.dimensions: view.dimensions,
            controls.control: view.control.value,
            **self._show_control(view),
            **self._moving(view, marks),
            views.side: self.draw.side(view, marks),
            views.heatmap_stage: marks.heatmap,
            views.heatmap: self.draw.heatmap(view, marks.heatmap),
            views.gallery: self.draw.gallery(view, view.selection),
            self.seen: Seen(view.selection, marks, listed=view.selection),
        }

    def _show_control(self, view: GapView) -> Updates:
        updates: Updates = {self.controls.words: CONTROLS[view.control].explanation}
        for control, slider in self.controls.sliders.items():
            limits = self.gap.range(view.corpus, control)
            updates[slider] = gr.update(
                minimum=limits.low,
                maximum=limits.high,
                step=limits.step,
                visible=control is view.control,
                value=view.value if control is view.control else limits.standard,
            )
        return updates

    def _moving(self, view: GapView, marks: Marks) -> Updates:
        """All that follows a control; the heatmap only where it shows what was turned."""
        views = self.views
        turned = {views.heatmap: self.draw.heatmap(view, "now")} if marks.heatmap == "now" else {}
        return {
            views.map: self.draw.map(view, marks),
            views.measures: self.draw.measures(view),
            views.panels: panels_figure(self.gap.panels(view)),
            views.shift: self.draw.shift(view),
            self.link: self._link(view, marks),
            **turned,
        }

    def _link(self, view: GapView, marks: Marks) -> str:
        return write_gap_query(view, marks, self.gap.standard_view)


def _point(event: gr.EventData) -> tuple[Kind, int]:
    kind, item = event._data.get("kind"), event._data.get("item")
    if kind not in list(Kind) or not isinstance(item, int):
        raise to_gradio(InputError("There is no such point; pick one that is shown."))
    return Kind(kind), item
