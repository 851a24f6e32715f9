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
from ...method.inputs import check_settings
from ...method.stages import NO_TAG
from ...service import SynticService, WalkEvent, WalkRequest
from ...types import Finished, Stage, StageFinished, StageProgress, StageStarted, Trace, TraceSettings
from ..components.contact_sheets import sheet_uris
from ..components.notices import broken_link
from ..components.pictures import data_uri, thumbnail_uri
from ..components.sample import sample
from ..components.stage_card import StageState, empty
from ..errors import describe, to_gradio
from ..figures import draw_map, path_markup
from ..newest import Newest
from ..own_runs import decoder_choices, decoder_label, own_runs
from ..permalink import Choice, names_anything, read_query, write_query
from ..presenter import WalkView
from .walk_again import ReadAgain, Shown
from .walk_compose import ComposeScene
from .walk_layout import COMPOSE, build_layout, standard_inverse_temperature, variant_choices

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
        self._wire()

    # -- wiring --------------------------------------------------------------------------------

    def _wire(self) -> None:
        panel, results = self.panel, self.results
        quick: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
        several: dict[str, Any] = {"trigger_mode": "multiple", **quick}
        outputs = [
            *results.slots.values(),
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
        filled = demo.load(self.restore, self.own_runs, self.restored, queue=False, **quiet)
        filled.then(self.load_pictures, self.panel.settings["corpus"], self.results.sheets, **quiet)
        return filled

    def load_pictures(self, corpus: str) -> dict[str, str]:
        """Send the small pictures of the map, once the page is there."""
        try:
            return sheet_uris(self.service.gap, GapView(corpus=corpus))
        except SynticError:
            return {}

    @property
    def restored(self) -> list[Any]:
        """The components that `restore` may change."""
        results = self.results
        own = [
            self.panel.own_text,
            self.choice,
            results.run_link,
            results.map,
            results.path,
            results.map_note,
            results.notice,
            self.panel.tabs,
            *self.scenes.outputs,
        ]
        return [*self.panel.settings.values(), results.slots["sample"], *own]

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
        choices = self._variants(corpus, own_runs)
        names = [name for _, name in choices]
        kept = variant if variant in names else variant_choices(self.service, corpus)[-1][1]
        return {
            self.panel.settings["inverse_temperature"]: standard_inverse_temperature(self.service, corpus),
            self.panel.settings["variant"]: gr.update(choices=choices, value=kept),
            **self._draw_map(corpus),
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
            walk = self.service.walk(self._request(choice, settings), stop.is_set)
        except SynticError as error:
            raise to_gradio(error) from error
        assert choice is not None
        self._runs.begin(request, stop)
        self.again.forget(request)
        view = WalkView(settings, self._describe(choice), choice.kind == "text")
        try:
            yield self._start(view, write_query(choice, settings))
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

    def restore(self, request: gr.Request, own_runs: Any = None) -> Updates:
        """Put a link's choice and settings on the page, and draw the map; nothing runs.

        The variants gain the decoders that the visitor trained.
        """
        updates = self._draw_map(self.corpora[0])
        variants = self._variants(self.corpora[0], own_runs)
        if len(variants) > len(variant_choices(self.service, self.corpora[0])):
            updates[self.panel.settings["variant"]] = gr.update(choices=variants)
        query = dict(request.query_params)
        if not names_anything(query):  # a visitor may have set something already
            return updates
        try:
            choice, settings = read_query(query, self._standard_settings())
            settings = check_settings(self.service.profile, settings)
            self.service.check_decoder(settings.variant, settings.corpus)
            told = {}
            if choice is not None and choice.kind == "scene":
                choice, sentence = self.scenes.adopt(choice)
                told = {self.results.notice: sentence} if sentence else {}
            if choice is not None:
                self._request(choice, settings)
        except SynticError as error:
            return {**updates, self.results.notice: broken_link(error)}
        values: dict[str, Any] = {
            **self._restore_decoder(settings, own_runs),
            "inverse_temperature": round(1 / (settings.temperature or 0.01), 3),
            "refinement_steps": settings.refinement_steps,
            "decoding": settings.decoding,
            "beam_size": gr.update(value=settings.beam_size, visible=settings.decoding == "beam"),
            "seed": settings.seed,
        }
        updates |= {self.panel.settings[name]: value for name, value in values.items()}
        updates |= self._draw_map(settings.corpus)
        return updates if choice is None else updates | told | self._show_restored(choice)

    def trace(self, text: str | None, image: str | None, **controls: Any) -> Iterator[dict[str, Any]]:
        """Walk a text or a picture through all stages; the last event holds the whole trace."""
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

    def _variants(self, corpus: str, own_runs: Any) -> list[tuple[str, str]]:
        """The variants that a corpus has decoders of, and the decoders that the visitor trained."""
        return [*variant_choices(self.service, corpus), *decoder_choices(self.service, own_runs)]

    def _restore_decoder(self, settings: TraceSettings, own_runs: Any) -> dict[str, Any]:
        """Return the variant and the corpus of a link; a trained decoder stands among the variants."""
        trained = self.service.jobs.finished(settings.corpus)
        if trained is None:
            choices = self._variants(settings.corpus, own_runs)
            variant = gr.update(choices=choices, value=settings.variant)
            return {"variant": variant, "corpus": settings.corpus}
        variants = self._variants(self.corpora[0], own_runs)
        if trained.name not in [name for _, name in variants]:  # somebody else's, who gave the link away
            variants = [*variants, (decoder_label(trained), trained.name)]
        return {"variant": gr.update(choices=variants, value=settings.corpus)}

    def _read_settings(self, *, variant: str, corpus: str, **controls: Any) -> TraceSettings:
        """Read the controls; a trained decoder among the variants stands for its variant and its texts."""
        if variant.startswith(RUN_PREFIX):
            self.service.profile.corpus(variant)
            trained = self.service.jobs.finished(variant)
            assert trained is not None
            variant, corpus = trained.variant, variant
        return read_settings(variant=variant, corpus=corpus, **controls)

    def _standard_settings(self) -> TraceSettings:
        """What a link does not name; the temperature is its corpus' own."""
        corpus, steps = self.corpora[0], self.service.profile.refinement.steps
        return TraceSettings(corpus=corpus, refinement_steps=steps)

    def _request(self, choice: Choice | None, settings: TraceSettings) -> WalkRequest:
        if choice is None:
            raise InputError("Nothing is chosen yet; pick a picture or a sentence first.")
        if choice.kind == "upload" and not choice.value:
            raise InputError("There is no picture yet; drop one into the box first.")
        if choice.kind == "text":
            return WalkRequest(text=choice.value, settings=settings)
        if choice.kind == "upload":
            return WalkRequest(image=Path(choice.value), settings=settings)
        if choice.kind == "scene":
            return WalkRequest(image=self.scenes.picture(choice), settings=settings)
        if choice.value not in self.service.example_images:
            raise InputError(f"There is no example picture {choice.value[:60]!r}; pick one of the gallery.")
        return WalkRequest(image=self.service.example_images[choice.value], settings=settings)

    def _describe(self, choice: Choice) -> str:
        if choice.kind == "scene":
            return self.scenes.describe(choice)
        return {
            "text": f"From the sentence “{choice.value[:200]}”",
            "example": f"From example picture {choice.value}",
            "upload": "From your picture",
        }[choice.kind]

    def _start(self, view: WalkView, query: str) -> Updates:
        results = self.results
        return {
            **self._place(view.start()),
            **self._draw_map(view.settings.corpus),
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
        updates = self._place(view.apply(event)) | self._follow_on_map(view)
        if stage is Stage.PROJECT and view.trace is not None:
            updates[self.shown] = Shown(view.trace, corpus)
            updates[self.results.live_temperature] = gr.update(visible=True)
        return updates

    def _familiarity(self, trace: Trace, corpus: str) -> Familiarity | None:
        try:
            assert trace.image_feature is not None
            return self.service.familiarity(trace.image_feature, corpus)
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

    def _follow_on_map(self, view: WalkView) -> Updates:
        """Draw the sample's new places."""
        gap_map = self.service.gap_map(view.settings.corpus)
        if gap_map is None or len(view.path) == view.places_drawn:
            return {}
        view.places_drawn = len(view.path)
        refinement = view.trace.refinement if view.trace is not None else None
        try:
            return {self.results.path: path_markup(gap_map, view.path, refinement)}
        except SynticError as error:  # a map of other features: the run itself is not harmed
            return self._hide_map(describe(error))

    def _draw_map(self, corpus: str) -> Updates:
        """Draw the map of a corpus, without a sample."""
        gap_map = self.service.gap_map(corpus)
        if gap_map is None:
            return self._hide_map(
                f"The map of this corpus is not built yet; `{self.service.command_for_map(corpus)}` makes it."
            )
        results = self.results
        figure = gr.update(value=draw_map(gap_map), visible=True)
        return {results.map: figure, results.path: path_markup(gap_map, {}), results.map_note: ""}

    def _hide_map(self, words: str) -> Updates:
        results = self.results
        return {results.map: gr.update(visible=False), results.path: "", results.map_note: empty(words)}

    def _show_restored(self, choice: Choice) -> Updates:
        picture = None
        if choice.kind == "example":
            picture = thumbnail_uri(self.service.example_images[choice.value], side_px=296)
        composed: Updates = {}
        if choice.kind == "scene":
            picture = data_uri(self.scenes.picture(choice))
            form = self.scenes.show(self.scenes.composition(choice))
            composed = {self.panel.tabs: gr.update(selected=COMPOSE), **form}
        states = {stage: StageState() for stage in Stage}
        line = "Restored from the link. Press Run."
        return {
            self.choice: choice,
            self.results.slots["sample"]: sample(
                states, picture=picture, what=self._describe(choice), line=line
            ),
            self.results.run_link: gr.update(visible=True),
            **({self.panel.own_text: choice.value} if choice.kind == "text" else {}),
            **composed,
        }


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
