"""The page "Walk through": one click on a picture or a sentence, then stage by stage to the caption."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import gradio as gr

from ...errors import Cancelled, InputError, SynticError
from ...evaluation.familiarity import Familiarity
from ...gap_service import GapView
from ...jobs import RUN_PREFIX
from ...method.stages import NO_TAG
from ...service import SynticService, WalkEvent, WalkRequest
from ...types import Finished, Stage, StageFinished, StageProgress, StageStarted, Trace, TraceSettings
from ..components.chooser import chosen
from ..components.contact_sheets import sheet_uris
from ..errors import describe, to_gradio
from ..newest import Newest
from ..own_runs import own_runs
from ..permalink import Choice, write_query
from ..presenter import WalkView
from .walk_again import ReadAgain, Shown
from .walk_compose import ComposeScene
from .walk_layout import build_layout, standard_inverse_temperature, variant_choices
from .walk_link import WalkLink, offered_variants
from .walk_map import WalkMap

logger = logging.getLogger(__name__)

CONCURRENT_RUNS = 20  # more than the model lock lets wait, so that it is the lock that says so
_REPLACE_LINK = "(query) => { history.replaceState(null, '', query || location.pathname); }"

Updates = dict[Any, Any]


class WalkThrough:
    """The page and its handlers, on one service; making it inside a `gr.Blocks` draws it."""

    def __init__(self, service: SynticService) -> None:
        self.service = service
        self.corpora = list(service.profile.corpora)
        self._runs = Newest()
        self.again = ReadAgain(service)
        self.choice = gr.State(None)
        self.shown = gr.State(None)
        self.link = gr.Textbox(visible="hidden", elem_id="s-link")
        self.own_runs = own_runs()
        self.panel, self.results = build_layout(service)
        self.scenes = ComposeScene(service.composer, self.panel.form)
        self.map = WalkMap(service, self.results)
        self.linked = WalkLink(service, self.panel, self.results, self.scenes, self.map, self.choice)
        self._wire()

    # -- wiring --------------------------------------------------------------------------------

    def _wire(self) -> None:
        panel, results = self.panel, self.results
        quick: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
        several: dict[str, Any] = {"trigger_mode": "multiple", **quick}
        outputs = [
            *results.slots.values(),
            panel.mark,
            results.map,
            results.path,
            results.map_note,
            results.live_temperature,
            results.run_link,
            results.stop,
            results.save,
            results.tags,
            results.tagged,
            results.followed,
            results.world,
            results.notice,
            self.shown,
            self.link,
        ]
        again = [panel.run_again.click, results.run_link.click]
        typed = [panel.run_text.click, panel.own_text.submit]
        picks = [
            panel.pictures.select(self.pick_picture, None, self.choice, **several),
            panel.sentences.select(self.pick_sentence, None, self.choice, **several),
            panel.run_picture.click(self.pick_own_picture, panel.own_picture, self.choice, **several),
            gr.on(typed, self.pick_own_text, panel.own_text, self.choice, **several),
            panel.form.run.click(
                self.scenes.pick, inputs_kwargs=panel.form.fields, outputs=self.choice, **several
            ),
            gr.on(again, self.keep_choice, self.choice, self.choice, **several),
        ]
        run_options: dict[str, Any] = {"concurrency_limit": CONCURRENT_RUNS, "concurrency_id": "walk"}
        for pick in picks:
            pick.success(
                self.run,
                inputs_kwargs={"choice": self.choice, **panel.settings},
                outputs=outputs,
                show_progress="hidden",
                trigger_mode="multiple",
                api_visibility="private",
                **run_options,
            )
        results.stop.click(self.stop, None, None, **quick)
        self.scenes.wire()
        self._wire_again()
        results.live_temperature.input(
            self.again.reweigh,
            [self.shown, results.live_temperature],
            results.slots[f"figure-{Stage.PROJECT}"],
            trigger_mode="always_last",
            **quick,
        )
        settings = panel.settings
        followed = [settings["inverse_temperature"], settings["variant"]]
        settings["corpus"].input(
            self.follow_corpus,
            [settings["corpus"], settings["variant"], self.own_runs],
            [*followed, results.map, results.path, results.map_note],
            **quick,
        ).then(self.load_pictures, settings["corpus"], results.sheets, **quick)
        settings["decoding"].change(
            self.follow_decoding, settings["decoding"], settings["beam_size"], **quick
        )
        self.link.change(None, self.link, None, js=_REPLACE_LINK)
        # Scripts get the same run as one endpoint that streams its events as JSON.
        gr.Button(visible=False).click(
            self.trace,
            inputs_kwargs={"text": panel.own_text, "image": panel.own_picture, **settings},
            outputs=gr.JSON(visible=False, label="event; the last one holds the trace"),
            api_name="trace",
            **run_options,
        )

    def _wire_again(self) -> None:
        """Wire what a finished run can still be asked."""
        results = self.results
        asked: dict[str, Any] = {
            "show_progress": "hidden",
            "api_visibility": "private",
            "trigger_mode": "always_last",
            "concurrency_limit": CONCURRENT_RUNS,
        }
        attention = results.slots[f"figure-{Stage.ATTEND}"]
        results.tags.input(self.again.retag, [self.shown, results.tags], [attention, results.tagged], **asked)
        written = results.slots[f"figure-{Stage.DECODE}"]
        written.follow(self.again.follow, self.shown, results.followed, **asked)
        results.save.click(self.again.save, self.shown, results.saver, **asked)

    def load(self, demo: gr.Blocks) -> Any:
        """Fill the page when a visitor opens it, and return that event; nothing runs."""
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        filled = demo.load(self.linked.restore, self.own_runs, self.linked.restored, queue=False, **quiet)
        filled.then(self.load_pictures, self.panel.settings["corpus"], self.results.sheets, **quiet)
        return filled

    def load_pictures(self, corpus: str) -> dict[str, str]:
        """Send the small pictures of the map, once the page is there."""
        try:
            return sheet_uris(self.service.gap, GapView(corpus=corpus))
        except SynticError:
            return {}

    # -- handlers ------------------------------------------------------------------------------

    def pick_picture(self, event: gr.SelectData) -> Choice:
        """Choose the example picture that was clicked."""
        return Choice("example", _at(self.panel.picture_names, event.index))

    def pick_sentence(self, event: gr.SelectData) -> Choice:
        """Choose the example sentence that was clicked."""
        return Choice("text", _at(self.service.profile.example_texts, event.index))

    def pick_own_text(self, text: str | None) -> Choice:
        """Choose the sentence that was typed."""
        return Choice("text", text or "")

    def pick_own_picture(self, path: str | None) -> Choice:
        """Choose the picture that was uploaded."""
        return Choice("upload", path or "")

    def keep_choice(self, choice: Choice | None) -> Choice | None:
        """Run again on what was chosen last; the run says so where there is nothing."""
        return choice

    def follow_corpus(self, corpus: str, variant: str, own_runs: Any = None) -> Updates:
        """Take the corpus' own temperature, the decoders that it has, and its map."""
        choices = offered_variants(self.service, corpus, own_runs)
        names = [name for _, name in choices]
        kept = variant if variant in names else variant_choices(self.service, corpus)[-1][1]
        return {
            self.panel.settings["inverse_temperature"]: standard_inverse_temperature(self.service, corpus),
            self.panel.settings["variant"]: gr.update(choices=choices, value=kept),
            **self.map.draw(corpus),
        }

    def follow_decoding(self, decoding: str) -> dict[str, Any]:
        """Show the beam size where there are beams."""
        return gr.update(visible=decoding == "beam")

    def run(self, choice: Choice | None, request: gr.Request, **controls: Any) -> Iterator[Updates]:
        """Run one choice and put every stage on the page as soon as it is done.

        Bad input is refused before anything on the page changes. A second run of the same visitor
        stops the first, which then leaves the page alone.
        """
        stop = threading.Event()
        try:
            settings = self._read_settings(**controls)
            walk = self.service.walk(self.linked.request(choice, settings), stop.is_set)
        except SynticError as error:
            raise to_gradio(error) from error
        assert choice is not None
        self._runs.begin(request, stop)
        self.again.forget(request)
        view = WalkView(settings, self.linked.describe(choice), choice.kind == "text")
        try:
            mark = {self.panel.mark: chosen(choice.kind, choice.value)}
            yield self._start(view, write_query(choice, settings)) | mark
            with closing(walk) as events:
                for event in events:
                    if not self._runs.is_newest(request, stop):
                        return
                    if updates := self._show(view, event):
                        yield updates
            assert view.trace is not None
            # With the last message, which a busy browser cannot skip.
            yield {self.results.stop: gr.update(interactive=False), **self._offer_more(view.trace, choice)}
        except Cancelled:
            if self._runs.is_newest(request, stop):
                yield self._end(view, "Stopped.", failed=False)
        except Exception as error:
            if self._runs.is_newest(request, stop):
                yield self._end(view, describe(error), failed=True)
            raise to_gradio(error) from error
        finally:
            self._runs.end(request, stop)

    def stop(self, request: gr.Request) -> None:
        """Stop the visitor's run at its next step."""
        self._runs.stop(request)

    def trace(self, text: str | None, image: str | None, **controls: Any) -> Iterator[dict[str, Any]]:
        """Walk a text or a picture through all stages; the last event holds the whole trace.

        Args:
            text: a sentence to draw and to write back; none for a picture.
            image: a picture to caption; none for a sentence.
            controls: the settings by name, among them variant, corpus, decoding (greedy or beam) and seed.

        Returns:
            One object for each event as it happens.
        """
        try:
            request = WalkRequest(
                text=text or None,
                image=Path(image) if image else None,
                settings=self._read_settings(**controls),
            )
            with closing(self.service.walk(request)) as events:
                for event in events:
                    yield event_json(event)
        except Exception as error:
            raise to_gradio(error) from error

    # -- inside --------------------------------------------------------------------------------

    def _read_settings(self, *, variant: str, corpus: str, **controls: Any) -> TraceSettings:
        """Read the controls; a trained decoder among the variants stands for its variant and its texts."""
        if variant.startswith(RUN_PREFIX):
            self.service.profile.corpus(variant)
            trained = self.service.jobs.finished(variant)
            assert trained is not None
            variant, corpus = trained.variant, variant
        return read_settings(variant=variant, corpus=corpus, **controls)

    def _start(self, view: WalkView, query: str) -> Updates:
        results = self.results
        return {
            **self._place(view.start()),
            **self.map.draw(view.settings.corpus),
            # Set once: a visitor may have moved it before the run's last message shows it again.
            results.live_temperature: gr.update(
                value=round(1 / (view.settings.temperature or 0.01)), visible=False
            ),
            results.run_link: gr.update(visible=False),
            results.stop: gr.update(interactive=True),
            results.save: gr.update(interactive=False),
            results.tags: gr.update(visible=False),
            results.tagged: "",
            results.followed: "",
            results.world: "",
            results.notice: "",
            self.shown: None,
            self.link: query,
        }

    def _show(self, view: WalkView, event: WalkEvent) -> Updates:
        corpus = view.settings.corpus
        stage = event.stage if isinstance(event, StageFinished) else None
        if stage is Stage.PROJECT:
            view.corpus_size = self.service.corpus_size(corpus)
        if isinstance(event, StageFinished) and stage is Stage.ENCODE and not view.from_text:
            view.known = self._familiarity(event.trace, corpus)
        updates = self._place(view.apply(event)) | self.map.follow(view)
        if stage is Stage.PROJECT and view.trace is not None:
            updates[self.shown] = Shown(view.trace, corpus)
            updates[self.results.live_temperature] = gr.update(visible=True)
        return updates

    def _familiarity(self, trace: Trace, corpus: str) -> Familiarity | None:
        try:
            assert trace.image_feature is not None
            return self.service.familiarity(trace.image_feature, corpus, trace.image)
        except SynticError as error:  # the run itself is not harmed
            logger.warning("it is not known what the world of %r looks like: %s", corpus, error.detail)
            return None

    def _offer_more(self, trace: Trace, choice: Choice) -> Updates:
        """Offer what a finished run can still be asked."""
        results, corpus = self.results, trace.settings.corpus
        tags = [tag for tag in trace.attention.tags if tag != NO_TAG] if trace.attention else []
        return {
            self.shown: Shown(trace, corpus),
            results.world: self.scenes.references(choice, corpus) if choice.kind == "scene" else "",
            results.save: gr.update(interactive=True),
            results.live_temperature: gr.update(visible=trace.projection is not None),
            results.tags: gr.update(choices=tags, value=tags, visible=bool(tags)),
        }

    def _end(self, view: WalkView, sentence: str, *, failed: bool) -> Updates:
        stopped = self._place(view.stop(sentence, failed=failed))
        return {**stopped, self.results.stop: gr.update(interactive=False)}

    def _place(self, slots: dict[str, str]) -> Updates:
        return {self.results.slots[name]: markup for name, markup in slots.items()}


def read_settings(
    *,
    variant: str,
    corpus: str,
    inverse_temperature: float,
    refinement_steps: float,
    decoding: str,
    beam_size: float,
    seed: float | None,
) -> TraceSettings:
    """Turn the controls' values, whose numbers may be floats, into settings.

    Raises:
        InputError: for a temperature that is not above zero.
    """
    if not inverse_temperature or inverse_temperature <= 0:
        raise InputError(f"1 / temperature must be above 0 but is {inverse_temperature}.")
    return TraceSettings(
        variant=variant,
        corpus=corpus,
        temperature=1.0 / inverse_temperature,
        refinement_steps=int(refinement_steps),
        decoding=decoding,
        beam_size=int(beam_size),
        seed=int(seed or 0),
    )


def event_json(event: WalkEvent) -> dict[str, Any]:
    """Return an event as JSON values; previews are left out."""
    name = type(event).__name__
    if isinstance(event, Finished):
        return {"event": name, "trace": json.loads(event.trace.to_json())}
    if isinstance(event, StageFinished):
        return {"event": name, "stage": event.stage.value, "seconds": event.seconds}
    if isinstance(event, StageProgress):
        return {"event": name, "stage": event.stage.value, "step": event.step, "total": event.total}
    if isinstance(event, StageStarted):
        return {"event": name, "stage": event.stage.value, "total": event.total}
    return {"event": name, "ahead": event.ahead}


def _at(names: Sequence[str], index: Any) -> str:
    if not isinstance(index, int) or not 0 <= index < len(names):
        raise to_gradio(InputError("There is no such example; pick one that is shown."))
    return names[index]
