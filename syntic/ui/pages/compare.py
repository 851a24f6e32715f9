"""The page "Compare": one picture and every system, two systems on all pictures, the paper's tables."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import gradio as gr

from ...compare_service import (
    CompareEvent,
    CompareRequest,
    PairView,
    PictureChoice,
    PictureRead,
    Source,
    SystemCaption,
    SystemFailed,
    SystemStarted,
)
from ...errors import Cancelled, InputError, SynticError
from ...jobs import RUN_PREFIX
from ...runtime import Waiting
from ...service import SynticService
from ..components.chooser import chosen
from ..components.comparison import SideBySide, SystemRow
from ..components.notices import broken_link
from ..components.pictures import data_uri
from ..errors import describe, to_gradio
from ..newest import Newest
from ..own_runs import decoder_choices, decoder_label, own_runs
from .compare_api import CompareEndpoints
from .compare_layout import (
    ANY,
    GALLERY,
    TEST,
    build_compare_layout,
    filter_choices,
    pair_systems,
    tells_apart,
)
from .compare_link import CompareState, names_comparison, read_compare_query, write_compare_query
from .compare_shown import (
    describe_picture,
    restored_picture,
    shown_figure,
    shown_outcome,
    shown_table,
    some_pictures,
)
from .compare_systems import ChooseSystems, system_mark

CONCURRENT_RUNS = 20  # more than the model lock lets wait, so that it is the lock that says so
_REPLACE_LINK = "(query) => { history.replaceState(null, '', location.pathname + query); }"

Updates = dict[Any, Any]


class Compare:
    """The page and its handlers, on one service; making it inside a `gr.Blocks` draws it."""

    def __init__(self, service: SynticService) -> None:
        self.service = service
        self.comparison = service.comparison
        self._runs = Newest()
        self.choice = gr.State(None)
        self.link = gr.Textbox(visible="hidden", elem_id="c-link")
        self.own_runs = own_runs()
        self.systems = ChooseSystems(service.profile, self.comparison.systems())
        self.panel, self.views = build_compare_layout(service, self.systems, self._standard().pair)
        self._wire()

    # -- wiring --------------------------------------------------------------------------------

    def _wire(self) -> None:
        panel, views = self.panel, self.views
        quick: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
        several: dict[str, Any] = {"trigger_mode": "multiple", **quick}
        picks = [
            panel.examples.select(self.pick_example, None, self.choice, **several),
            panel.test_pictures.select(self.pick_test, panel.test_set, self.choice, **several),
            views.outcome.select(
                self.pick_difference,
                views.test_set,
                [self.choice, panel.tabs, panel.test_set, panel.test_pictures],
                **several,
            ),
            panel.run_own.click(self.pick_own, panel.own_picture, self.choice, **several),
            panel.run.click(self.keep_choice, self.choice, self.choice, **several),
        ]
        inputs = {"choice": self.choice, **self._state_inputs}
        for pick in picks:
            pick.success(
                self.run,
                inputs_kwargs=inputs,
                outputs=[views.result, views.notice, views.stop, panel.mark, self.link],
                show_progress="hidden",
                trigger_mode="multiple",
                api_visibility="private",
                concurrency_limit=CONCURRENT_RUNS,
                concurrency_id="compare",
            )
        views.stop.click(self.stop, None, None, **quick)
        panel.others.click(self.show_others, panel.test_set, panel.test_pictures, **quick)
        panel.test_set.input(self.show_others, panel.test_set, panel.test_pictures, **quick)
        latest: dict[str, Any] = {"trigger_mode": "always_last", **quick}
        views.test_set.input(
            self.change_set,
            inputs_kwargs=inputs,
            outputs=[
                *(views.test_set, views.first, views.second),
                *(*self._filters, views.outcome, self.link),
            ],
            **latest,
        )
        gr.on(
            [box.input for box in (views.first, views.second, *self._filters)],
            self.change_pair,
            inputs_kwargs=inputs,
            outputs=[views.outcome, self.link],
            **latest,
        )
        views.table_name.input(
            self.change_table, inputs_kwargs=inputs, outputs=[views.figure, views.table, self.link], **latest
        )
        panel.boxes.corpora.input(
            self.change_corpora,
            inputs_kwargs={"corpora": panel.boxes.corpora, **inputs},
            outputs=[*panel.boxes.systems.values(), self.link],
            **latest,
        )
        gr.on(
            [box.input for box in panel.boxes.inputs.values()],
            self.change_systems,
            inputs_kwargs=inputs,
            outputs=self.link,
            **latest,
        )
        self.link.change(None, self.link, None, js=_REPLACE_LINK)

    def load(self, demo: gr.Blocks) -> Any:
        """Fill the page when a visitor opens it, and return that event; nothing is captioned."""
        CompareEndpoints(self.service).add()
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        return demo.load(self.restore, self.own_runs, self.restored, queue=False, **quiet)

    @property
    def _filters(self) -> list[gr.Dropdown]:
        return [self.views.label, self.views.count, self.views.setting, self.views.combination]

    @property
    def _state_inputs(self) -> dict[str, Any]:
        views = self.views
        return {
            **self.panel.boxes.inputs,
            "table": views.table_name,
            "test_set": views.test_set,
            "first": views.first,
            "second": views.second,
            "label": views.label,
            "count": views.count,
            "setting": views.setting,
            "combination": views.combination,
        }

    @property
    def restored(self) -> list[Any]:
        """The components that `restore` may change."""
        panel, views = self.panel, self.views
        pair = [views.test_set, views.first, views.second, *self._filters, views.outcome]
        shown = [views.notice, views.result, views.table_name, views.figure, views.table, *pair]
        pictures = [panel.tabs, panel.mark, panel.test_set, panel.test_pictures]
        boxes = [panel.boxes.corpora, *panel.boxes.inputs.values()]
        return [*pictures, *boxes, self.choice, *shown]

    # -- handlers ------------------------------------------------------------------------------

    def pick_example(self, event: gr.SelectData) -> PictureChoice:
        """Choose the example picture that was clicked."""
        return PictureChoice(Source.EXAMPLE, str(event.value))

    def pick_test(self, test_set: str | None, event: gr.SelectData) -> PictureChoice:
        """Choose the test picture that was clicked."""
        return PictureChoice(Source.TEST, str(event.value), test_set or "")

    def pick_difference(self, test_set: str | None, event: gr.SelectData) -> Updates:
        """Choose the picture of a win or a loss, and show it among the test pictures."""
        choice = self.pick_test(test_set, event)
        return {self.choice: choice, **self._show_where(choice)}

    def pick_own(self, path: str | None) -> PictureChoice:
        """Choose the picture that was uploaded."""
        if path is None:
            raise to_gradio(InputError("There is no picture yet; drop one into the box first."))
        return PictureChoice(Source.UPLOAD, path)

    def keep_choice(self, choice: PictureChoice | None) -> PictureChoice:
        """Run again on what was chosen last."""
        if choice is None:
            raise to_gradio(InputError("No picture is chosen yet; pick one above first."))
        return choice

    def run(self, request: gr.Request, **inputs: Any) -> Iterator[Updates]:
        """Let every ticked system caption the picture, each line as soon as it is written.

        Bad input is refused before anything on the page changes. A second run of the same visitor stops
        the first, which then leaves the page alone.
        """
        state = self._state(**inputs)
        picture, stop = self.keep_choice(state.picture), threading.Event()
        try:
            wanted = CompareRequest(picture=picture, systems=state.systems)
            events = self.comparison.compare(wanted, stop.is_set)
        except SynticError as error:
            raise to_gradio(error) from error
        self._runs.begin(request, stop)
        view = self._begin(state)
        result = self.views.result
        try:
            yield {
                result: view.markup(),
                self.views.notice: "",
                self.views.stop: gr.update(interactive=True),
                self.panel.mark: chosen(picture.source, picture.value, picture.test_set),
                self.link: self._link(state),
            }
            with closing(events):
                for event in events:
                    if not self._runs.is_newest(request, stop):
                        return
                    self._follow(view, event)
                    yield {result: view.markup()}
            view.line = describe_picture(picture)
            yield {result: view.markup(), self.views.stop: gr.update(interactive=False)}
        except Cancelled:
            if self._runs.is_newest(request, stop):
                view.line = "Stopped; what was written so far stays."
                yield {result: view.markup(), self.views.stop: gr.update(interactive=False)}
        except Exception as error:
            if self._runs.is_newest(request, stop):
                view.line, view.is_error = describe(error), True
                yield {result: view.markup(), self.views.stop: gr.update(interactive=False)}
            raise to_gradio(error) from error
        finally:
            self._runs.end(request, stop)

    def stop(self, request: gr.Request) -> None:
        """Stop the visitor's run before its next system, or its next word."""
        self._runs.stop(request)

    def show_others(self, test_set: str | None) -> str:
        """Show other pictures of the test set."""
        return some_pictures(self.service, test_set, secrets.randbits(32))

    def change_set(self, **inputs: Any) -> Updates:
        """Take another test set: its systems and its filters, and what comes of them."""
        state = self._state(**inputs)
        assert state.pair is not None
        systems = list(self.comparison.captioned().get(state.pair.test_set, {}))
        chosen = [name for name in (state.pair.first, state.pair.second) if name in systems]
        first, second = (*dict.fromkeys([*chosen, *systems]), "", "")[:2]
        pair = PairView(test_set=state.pair.test_set, first=first, second=second or first)
        state = replace(state, pair=pair)
        return {**self._show_pair(pair), self.link: self._link(state)}

    def change_pair(self, **inputs: Any) -> Updates:
        """Set two other systems against each other, or count other pictures."""
        state = self._state(**inputs)
        return {self.views.outcome: shown_outcome(self.service, state.pair), self.link: self._link(state)}

    def change_table(self, **inputs: Any) -> Updates:
        """Show another table."""
        state = self._state(**inputs)
        return {**self._show_table(state.table), self.link: self._link(state)}

    def change_corpora(self, corpora: list[str] | None, **inputs: Any) -> Updates:
        """Offer the systems that learned from these texts, with sensible ones ticked."""
        state, corpora = self._state(**inputs), corpora or []
        own = tuple(key for key in state.systems if key.startswith(RUN_PREFIX))
        ticked = self.systems.follow(corpora, state.systems)
        state = replace(state, systems=(*ticked, *own))
        return {**self.systems.show(self.panel.boxes, corpora, ticked), self.link: self._link(state)}

    def change_systems(self, **inputs: Any) -> str:
        """Remember in the link who is ticked."""
        return self._link(self._state(**inputs))

    def restore(self, request: gr.Request, own_runs: Any = None) -> Updates:
        """Put what the link names, or a first view, on the page; nothing runs."""
        standard, notice = self._standard(), ""
        state, query = standard, dict(request.query_params)
        own = decoder_choices(self.service, own_runs)
        if names_comparison(query):
            try:
                state = read_compare_query(query, standard)
                own = self._with_shared(own, state.systems)
                self._check(state)
            except SynticError as error:
                state, notice = standard, broken_link(error)
        shown_set = next(iter(self.service.profile.test_sets), None)
        updates: Updates = {
            self.views.notice: notice,
            self.panel.test_set: shown_set,
            self.panel.test_pictures: some_pictures(self.service, shown_set, 0),
            self.views.table_name: state.table,
            **self._show_table(state.table),
            **self._tick(state.systems, own, is_link=state is not standard),
            **(self._show_pair(state.pair) if state.pair else {}),
        }
        if state.picture is not None:  # a visitor may have picked one already, while the page was loading
            updates |= self._show_where(state.picture)
            updates[self.choice] = state.picture
            updates[self.views.result] = restored_picture(self.service, state.picture)
            picture = state.picture
            updates[self.panel.mark] = chosen(picture.source, picture.value, picture.test_set)
        return updates

    # -- what is asked -------------------------------------------------------------------------

    def _state(self, *, choice: Any = None, **inputs: Any) -> CompareState:
        systems = [key for name in self.panel.boxes.inputs for key in inputs.get(name) or []]
        pair = None
        if inputs.get("first") and inputs.get("second"):
            pair = PairView(
                test_set=inputs.get("test_set") or "",
                first=inputs["first"],
                second=inputs["second"],
                label=inputs.get("label") or ANY,
                count=int(inputs.get("count") or 0),
                setting=inputs.get("setting") or ANY,
                combination=inputs.get("combination") or ANY,
            )
        return CompareState(
            picture=choice, systems=tuple(systems), table=inputs.get("table") or "table4", pair=pair
        )

    def _standard(self) -> CompareState:
        """What a first visit shows."""
        pair = None
        for test_set, systems in self.comparison.captioned().items():
            names = list(systems)
            first = "syntic" if "syntic" in systems else names[-1]
            second = "baseline" if "baseline" in systems else names[0]
            pair = PairView(test_set=test_set, first=first, second=second)
            break
        return CompareState(systems=self.systems.standard(), pair=pair)

    def _check(self, state: CompareState) -> None:
        """Refuse a link that names what there is not."""
        if state.picture is not None:
            self.comparison.picture(state.picture)
        if state.systems:
            picture = state.picture or PictureChoice(Source.UPLOAD, "")
            self.comparison.check(CompareRequest(picture=picture, systems=state.systems))
        if state.pair is not None:
            self.comparison.pair(state.pair)

    def _with_shared(self, own: list[tuple[str, str]], systems: tuple[str, ...]) -> list[tuple[str, str]]:
        """Add the runs that a link names and that are somebody else's, who gave the link away."""
        known = {name for _, name in own}
        shared = [
            (decoder_label(trained), trained.name)
            for key in systems
            if key.startswith(RUN_PREFIX) and key not in known
            if (trained := self.service.jobs.finished(key)) is not None
        ]
        return [*own, *shared]

    def _link(self, state: CompareState) -> str:
        return write_compare_query(state, self._standard())

    # -- what is shown -------------------------------------------------------------------------

    def _begin(self, state: CompareState) -> SideBySide:
        known = {system.key: system for system in self.comparison.systems()}
        rows = {}
        for key in dict.fromkeys(state.systems):
            if key in known:
                rows[key] = SystemRow(known[key].label, system_mark(known[key]))
            elif (trained := self.service.jobs.finished(key)) is not None:
                rows[key] = SystemRow(decoder_label(trained), trained.variant)
        return SideBySide("Loading what is needed …", rows, profile=self.service.profile.name)

    def _follow(self, view: SideBySide, event: CompareEvent) -> None:
        if isinstance(event, Waiting):
            runs = "one run is" if event.ahead == 1 else f"{event.ahead} runs are"
            view.line = f"Waiting for the models: {runs} ahead …"
        elif isinstance(event, PictureRead):
            view.picture = data_uri(event.image, side_px=296)
            view.references, view.scored_with = event.references, event.scored_with
            view.line = "Encoding the picture …"
        elif isinstance(event, SystemStarted):
            view.rows[event.key].state = "running"
            view.line = f"{view.rows[event.key].label} writes …"
        elif isinstance(event, SystemCaption):
            view.rows[event.key].state, view.rows[event.key].caption = "done", event
            view.tags = event.tags
        elif isinstance(event, SystemFailed):
            view.rows[event.key].state, view.rows[event.key].detail = "failed", event.detail

    def _tick(self, systems: tuple[str, ...], own: list[tuple[str, str]], *, is_link: bool) -> Updates:
        boxes = self.panel.boxes
        ticked = [name for _, name in own if not is_link or name in systems]
        updates: Updates = {boxes.own: gr.update(choices=own, value=ticked, visible=bool(own))}
        if is_link:
            corpora = self.systems.corpora_of(systems)
            updates |= {boxes.corpora: corpora, **self.systems.show(boxes, corpora, systems)}
        return updates

    def _show_where(self, choice: PictureChoice) -> Updates:
        """Show the place that a picture is from, a test picture first among some others of its set."""
        panel = self.panel
        if choice.source is not Source.TEST:
            return {panel.tabs: gr.update(selected=GALLERY)}
        return {
            panel.tabs: gr.update(selected=TEST),
            panel.test_set: choice.test_set,
            panel.test_pictures: some_pictures(self.service, choice.test_set, 0, choice.value),
        }

    def _show_table(self, experiment: str) -> Updates:
        return {
            self.views.figure: shown_figure(self.service, experiment),
            self.views.table: shown_table(self.service, experiment),
        }

    def _show_pair(self, pair: PairView) -> Updates:
        views = self.views
        systems = pair_systems(self.service, pair.test_set)
        filters = filter_choices(self.service, pair.test_set)
        return {
            views.test_set: pair.test_set,
            views.first: gr.update(choices=systems, value=pair.first),
            views.second: gr.update(choices=systems, value=pair.second),
            views.label: gr.update(choices=filters["label"], value=pair.label),
            views.count: gr.update(choices=filters["count"], value=pair.count),
            **{
                component: gr.update(choices=choices, value=value, visible=tells_apart(choices))
                for component, choices, value in (
                    (views.setting, filters["setting"], pair.setting),
                    (views.combination, filters["combination"], pair.combination),
                )
            },
            views.outcome: shown_outcome(self.service, pair),
        }
