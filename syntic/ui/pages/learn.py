"""The page "Learn": a lesson on the modality gap, one live figure and one exercise a step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import gradio as gr

from ...errors import Cancelled, InputError, SynticError
from ...gap_service import GapView
from ...lesson_service import CONTROLS, LOOKS_AT_ONE, LessonView, Reads, Step
from ...service import SynticService
from ..components.contact_sheets import sheet_uris
from ..components.gap_lists import sample_captions
from ..components.lesson_views import figure_of, numbers_of, tag_captions
from ..components.notices import broken_link
from ..components.stage_card import empty
from ..errors import describe, to_gradio
from ..gap_texts import CONTROLS as CONTROL_TEXTS
from ..lesson_answers import answer
from ..lesson_texts import READS, STEPS
from ..newest import Newest
from .learn_api import LessonEndpoints
from .learn_layout import build_learn_layout, exercise_card, step_list, step_look, step_words, turn_links
from .lesson_link import names_lesson, read_lesson_query, write_lesson_query

Updates = dict[Any, Any]

WRITTEN = (Step.TEXTS, Step.NOISE, Step.PROJECTION, Step.TAGS)
"""The steps in which a decoder writes captions below the figure."""

# The page has a base address of its own, so a query alone would lead to the first page.
_REPLACE_LINK = "(query) => { history.replaceState(null, '', location.pathname + query); }"
_SHOW_TOP = """() => {
  const top = document.getElementById('l-step');
  if (top.getBoundingClientRect().top < 0 || window.innerWidth <= 760) top.scrollIntoView();
}"""


class Learn:
    """The page and its handlers, on one service; making it inside a `gr.Blocks` draws it."""

    def __init__(self, service: SynticService) -> None:
        self.service = service
        self.lesson = service.lesson
        self._reading = Newest()
        self.step = gr.State(Step.CLIP)
        self.link = gr.Textbox(visible="hidden", elem_id="l-link")
        self.controls, self.views = build_learn_layout(service)
        self._wire()

    # -- wiring --------------------------------------------------------------------------------

    def _wire(self) -> None:
        controls, views = self.controls, self.views
        quick: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
        inputs: dict[str, Any] = {
            "step": self.step,
            "corpus": controls.corpus,
            "picture": controls.picture,
            "reads": controls.reads,
            "tags": controls.tags,
            **{step.value: slider for step, slider in controls.sliders.items()},
        }
        self._given: dict[str, Any] = {"inputs_kwargs": inputs}
        latest: dict[str, Any] = {"trigger_mode": "always_last", **quick, **self._given}
        self._slow: dict[str, Any] = {
            "outputs": [views.captions, views.figure, views.numbers],
            "show_progress": "hidden",
            "api_visibility": "private",
            "trigger_mode": "multiple",  # a newer reading makes an older one skip, see `read`
            "concurrency_limit": 8,
            **self._given,
        }
        turned = gr.on(
            [
                *(slider.input for slider in controls.sliders.values()),
                controls.reads.input,
                controls.tags.input,
            ],
            self.turn,
            outputs=[views.figure, views.numbers, self.link],
            **latest,
        )
        chosen = controls.picture.input(
            self.choose, outputs=[controls.tags, views.figure, views.numbers, self.link], **latest
        )
        going: dict[str, Any] = {
            "outputs": self.restored,
            "trigger_mode": "multiple",
            **quick,
            **self._given,
        }
        gone = [views.steps.go(self.go, **going), views.turn.go(self.go, **going)]
        for event in gone:
            event.then(None, js=_SHOW_TOP)
        changed = controls.corpus.input(self.change_corpus, outputs=self.restored, **latest)
        changed.then(self.load_pictures, controls.corpus, views.sheets, **quick)
        for event in (turned, chosen, *gone, changed):
            event.then(self.read, **self._slow)
        self.link.change(None, self.link, None, js=_REPLACE_LINK)

    def load(self, demo: gr.Blocks) -> Any:
        """Fill the page when a visitor opens it: the step, whose event it returns, then the rest."""
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        LessonEndpoints(self.service).add()
        filled = demo.load(self.restore, None, self.restored, queue=False, **quiet)
        filled.then(self.read, **self._slow)
        filled.then(self.load_pictures, self.controls.corpus, self.views.sheets, **quiet)
        return filled

    @property
    def restored(self) -> list[Any]:
        """The components that a change of step may change."""
        controls, views = self.controls, self.views
        return [
            *(self.step, controls.corpus, controls.picture, controls.reads, controls.tags),
            *controls.sliders.values(),
            *(views.steps, views.words, views.look, views.figure, views.numbers, views.captions),
            *(views.exercise, views.turn, views.notice, self.link),
        ]

    # -- handlers ------------------------------------------------------------------------------

    def restore(self, request: gr.Request) -> Updates:
        """Put what the link names, or the first step, on the page."""
        query, notice = dict(request.query_params), ""
        try:
            view = self._first(Step.CLIP)
            if names_lesson(query):
                try:
                    view = self.lesson.check(read_lesson_query(query, self.service.gap.corpora[0]))
                except SynticError as error:  # `gr.Warning` would need the queue
                    notice = broken_link(error)
            return self._everything(view) | self._start(view) | {self.views.notice: notice}
        except SynticError as error:
            return {self.views.figure: empty(describe(error))}

    def go(self, event: gr.EventData, **inputs: Any) -> Updates:
        """Show another step; its slider stands where it was left."""
        named = event._data.get("step")
        if named not in list(Step):
            raise to_gradio(InputError("There is no such step; choose one of the list."))
        step = Step(named)
        view = LessonView(
            step=step,
            corpus=inputs["corpus"],
            value=float(inputs[step.value]) if step in self.controls.sliders else None,
            reads=Reads(inputs["reads"]),
        )
        return self._answer(lambda: self._everything(view))

    def change_corpus(self, **inputs: Any) -> Updates:
        """Show the same step on another corpus, from its start."""
        view = self._asked(inputs)
        start = self._first(view.step, view.corpus)
        return self._answer(lambda: self._everything(start) | self._start(start))

    def turn(self, **inputs: Any) -> Updates:
        """Follow a control."""
        return self._answer(lambda: self._moving(self._asked(inputs)))

    def choose(self, **inputs: Any) -> Updates:
        """Show another picture, with all of its tags."""
        view = replace(self._asked(inputs), without=())
        return self._answer(lambda: self._tag_choices(view) | self._moving(view))

    def read(self, request: gr.Request, **inputs: Any) -> Any:
        """Do what takes a moment: let a decoder write, or run Eq. 2.

        A newer question stops an older one, whose answer would belong to another step by now.
        """
        view = self._asked(inputs)
        stop = self._reading.begin(request)
        try:
            updates = self._read(view, stop.is_set)
            return updates if updates and not stop.is_set() else gr.skip()
        except Cancelled:
            return gr.skip()
        except SynticError as error:
            return {self.views.captions: empty(describe(error))}
        finally:
            self._reading.end(request, stop)

    def load_pictures(self, corpus: str) -> dict[str, str]:
        """Send the small pictures, once the page is there."""
        try:
            return sheet_uris(self.service.gap, GapView(corpus=corpus))
        except SynticError:
            return {}

    # -- what is asked -------------------------------------------------------------------------

    def _first(self, step: Step, corpus: str = "") -> LessonView:
        return self.lesson.check(LessonView(step=step, corpus=corpus or self.service.gap.corpora[0]))

    def _asked(self, inputs: dict[str, Any]) -> LessonView:
        step = Step(inputs["step"])
        known = self.controls.sliders
        given = inputs["tags"] or []
        view = LessonView(
            step=step,
            corpus=inputs["corpus"],
            value=float(inputs[step.value]) if step in known else None,
            picture=int(inputs["picture"] or 1),
            reads=Reads(inputs["reads"]),
        )
        if step is not Step.TAGS:
            return view
        try:
            tags = self.lesson.tagging(view).tags
        except SynticError as error:
            raise to_gradio(error) from error
        return replace(view, without=tuple(tag for tag in tags if tag not in given))

    def _answer(self, make: Callable[[], Updates]) -> Updates:
        try:
            return make()
        except SynticError as error:
            raise to_gradio(error) from error

    # -- what is shown -------------------------------------------------------------------------

    def _everything(self, view: LessonView) -> Updates:
        view = self.lesson.check(view)
        controls, views, step = self.controls, self.views, view.step
        updates: Updates = {
            self.step: step,
            controls.corpus: view.corpus,
            controls.picture: gr.update(visible=step in LOOKS_AT_ONE, value=view.picture),
            controls.reads: gr.update(visible=step is Step.TEXTS, value=view.reads.value),
            views.notice: "",
            views.steps: step_list(step),
            views.words: step_words(step),
            views.look: step_look(step),
            views.turn: turn_links(step),
            views.captions: empty("The decoder reads …") if step in WRITTEN else "",
            views.exercise: exercise_card(STEPS[step], answer(self.service, step, view.corpus)),
        }
        if step in LOOKS_AT_ONE:
            there = len(self.lesson.pictures(step, view.corpus))
            updates[controls.picture] = gr.update(visible=True, value=view.picture, maximum=there)
        for other, slider in controls.sliders.items():
            updates[slider] = gr.update(visible=other is step)
        return updates | self._tag_choices(view) | self._moving(view)

    def _start(self, view: LessonView) -> Updates:
        """Give every slider its range, and its value: the view's own, or where its step starts."""
        updates: Updates = {}
        for step, slider in self.controls.sliders.items():
            limits = self.lesson.range(step, view.corpus)
            assert limits is not None
            own = step is view.step and view.value is not None
            updates[slider] = gr.update(
                visible=step is view.step,
                minimum=limits.low,
                maximum=limits.high,
                step=limits.step,
                value=view.value if own else limits.standard,
            )
        return updates

    def _moving(self, view: LessonView) -> Updates:
        """All that follows a control at once."""
        view = self.lesson.check(view)
        standard = self._first(view.step)
        return {**self._figure(view), self.link: write_lesson_query(view, standard)}

    def _figure(self, view: LessonView) -> Updates:
        return {
            self.views.figure: figure_of(self.lesson, view),
            self.views.numbers: numbers_of(self.lesson, view),
        }

    def _tag_choices(self, view: LessonView) -> Updates:
        if view.step is not Step.TAGS:
            return {self.controls.tags: gr.update(visible=False)}
        tagging = self.lesson.tagging(view)
        return {self.controls.tags: gr.update(visible=True, choices=tagging.tags, value=tagging.given)}

    def _read(self, view: LessonView, should_stop: Callable[[], bool]) -> Updates:
        views = self.views
        if view.step is Step.REFINEMENT and not self.lesson.refinement(view.corpus).complete:
            self.lesson.complete_refinement(view.corpus)
            return self._figure(view)
        if view.step is Step.TAGS:
            tagging, reading = self.lesson.tagging(view), self.lesson.read_tags(view, should_stop)
            figure = figure_of(self.lesson, view, reading)
            return {views.captions: tag_captions(tagging, reading), views.figure: figure}
        return {views.captions: self._written(view, should_stop)} if view.step in WRITTEN else {}

    def _written(self, view: LessonView, should_stop: Callable[[], bool]) -> str:
        found, sample = self.lesson.captions(view, should_stop), self.service.gap.sample(view.corpus)
        if view.step is Step.TEXTS:
            names = ("from its own text", f"from {READS[view.reads]}")
            read, turned = "Read by the decoder of FP.", view.reads is not Reads.TEXT
        else:
            names, turned = ("before", "now"), not self.service.gap.is_standard(self.lesson.gap_view(view))
            read = CONTROL_TEXTS[CONTROLS[view.step]].read
        return sample_captions(found, len(sample), read, turned=turned, names=names, linked=False)
