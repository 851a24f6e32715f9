"""The page "Walk through": one click on a picture or a sentence, then stage by stage to the caption."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from ...errors import Cancelled, InputError, SynticError
from ...evaluation.map import Kind
from ...method.inputs import MAX_BEAM_SIZE, MAX_REFINEMENT_STEPS, check_settings
from ...service import SynticService, WalkRequest
from ...types import Finished, Stage, StageFinished, StageProgress, StageStarted, TraceSettings
from ..components import stages as stage_figures
from ..components.chooser import picture_chooser, sentence_chooser
from ..components.picture_path import PicturePath
from ..components.pictures import thumbnail_uri
from ..components.sample import sample
from ..components.stage_card import StageState, card_id
from ..errors import describe, to_gradio
from ..explanations import STAGE_TEXTS
from ..figures import draw_map
from ..permalink import Choice, read_query, write_query
from ..presenter import WalkView, idle_slots

VARIANT_LABELS = {
    "baseline": "baseline: generated pairs only",
    "fo": "FO: refined",
    "fp": "FP: projected",
    "af": "AF: tags",
    "fo+af": "FO + AF: refined, tags",
    "fp+fo": "FP + FO: refined, projected",
    "fp+af": "FP + AF: projected, tags",
    "syntic": "SynTIC: refined, projected, tags",
}
CONCURRENT_RUNS = 20  # more than the model lock lets wait, so that it is the lock that says so
_REPLACE_LINK = "(query) => { history.replaceState(null, '', query || location.pathname); }"


@dataclass(frozen=True)
class Shown:
    """The little of a run that the live temperature needs: the feature that was projected."""

    feature: np.ndarray
    corpus: str


class WalkThrough:
    """The page and its handlers, on one service; building it inside a `gr.Blocks` draws it."""

    def __init__(self, service: SynticService) -> None:
        self.service = service
        self.corpora = list(service.profile.corpora)
        self._runs: dict[str, threading.Event] = {}  # a visitor's session -> what stops its run
        self._build()

    # -- layout --------------------------------------------------------------------------------

    def _build(self) -> None:
        self.choice = gr.State(None)
        self.shown = gr.State(None)
        self.link = gr.Textbox(visible="hidden", elem_id="s-link")
        with gr.Row(elem_id="s-walk"):
            with gr.Column(elem_id="s-panel"):
                self._build_panel()
            with gr.Column(elem_id="s-stages"):
                self._build_stages()
        self._wire()

    def _build_panel(self) -> None:
        pictures = {name: thumbnail_uri(path) for name, path in self.service.example_images.items()}
        self.picture_names = list(pictures)
        if pictures:
            gr.HTML('<h2 class="s-heading">Pick a picture <small>to caption it</small></h2>')
        self.pictures = picture_chooser(pictures)
        gr.HTML('<h2 class="s-heading">Or a sentence <small>to draw it and caption the drawing</small></h2>')
        self.sentences = sentence_chooser(self.service.profile.example_texts)
        with gr.Tabs():
            with gr.Tab("Own sentence"):
                self.own_text = gr.Textbox(
                    label="What the picture should show",
                    placeholder="a dog next to a red car in the snow",
                    lines=2,
                    max_lines=4,
                )
                self.run_text = gr.Button("Draw and caption it", variant="primary", size="md")
            with gr.Tab("Own picture"):
                self.own_picture = PicturePath(
                    label="Picture", type="filepath", sources=["upload", "webcam", "clipboard"], height=200
                )
                self.run_picture = gr.Button("Caption it", variant="primary", size="md")
        self._build_settings()

    def _build_settings(self) -> None:
        standard = TraceSettings()
        first = self.corpora[0]
        with gr.Accordion("Settings", open=False, elem_id="s-settings"):
            self.variant = gr.Dropdown(
                [(VARIANT_LABELS[name], name) for name in self.service.variants],
                value=standard.variant,
                label="Variant",
                info="Which of the paper's three additions take part (Table 4).",
            )
            self.corpus = gr.Dropdown(
                self.corpora, value=first, label="Corpus of texts", visible=len(self.corpora) > 1
            )
            self.inverse_temperature = gr.Slider(
                10,
                500,
                value=self._standard_temperature(first),
                step=5,
                label="Temperature of Eq. 3: 1 /",
                info="Larger keeps fewer texts. The paper takes 1/100 or 1/80.",
            )
            self.refinement_steps = gr.Slider(
                0,
                MAX_REFINEMENT_STEPS,
                value=standard.refinement_steps,
                step=50,
                label="Refinement steps (Eq. 2)",
            )
            self.decoding = gr.Radio(["greedy", "beam"], value=standard.decoding, label="Decoding")
            self.beam_size = gr.Slider(
                2, MAX_BEAM_SIZE, value=standard.beam_size, step=1, label="Beam size", visible=False
            )
            self.seed = gr.Number(
                value=standard.seed, precision=0, minimum=0, maximum=2**31 - 1, label="Seed of the picture"
            )
            self.run_again = gr.Button("Run with these settings", variant="secondary", size="md")
        self.settings = {
            "variant": self.variant,
            "corpus": self.corpus,
            "inverse_temperature": self.inverse_temperature,
            "refinement_steps": self.refinement_steps,
            "decoding": self.decoding,
            "beam_size": self.beam_size,
            "seed": self.seed,
        }

    def _build_stages(self) -> None:
        idle = idle_slots()
        with gr.Column(elem_classes="s-samplecard", elem_id="s-sample"):
            self.slots: dict[str, gr.HTML] = {"sample": gr.HTML(idle["sample"])}
            with gr.Row(elem_classes="s-actions"):
                self.run_link = gr.Button("Run", variant="primary", size="sm", visible=False, elem_id="s-run")
                self.stop_button = gr.Button("Stop", variant="secondary", size="sm", interactive=False)
                gr.Button("Copy link", variant="secondary", size="sm", elem_id="s-copy")
        self._build_map()
        for stage in Stage:
            self._build_card(stage, idle)

    def _build_map(self) -> None:
        with gr.Column(elem_classes="s-mapcard", elem_id="s-map"):
            gr.HTML(
                '<h3 class="s-title">Where the features lie</h3>'
                '<p class="s-note">Each mark is a CLIP feature, laid out in the plane by UMAP. Texts and pictures '
                "form separate regions, the modality gap; watch where each stage moves the sample.</p>"
            )
            self.map = gr.Plot(show_label=False, container=False, visible=False)
            self.map_note = gr.HTML()

    def _build_card(self, stage: Stage, idle: dict[str, str]) -> None:
        words = STAGE_TEXTS[stage]
        equation = f"$${words.equation}$$\n\n" if words.equation else ""
        with gr.Column(elem_classes="s-card", elem_id=card_id(stage)):
            self.slots[f"head-{stage}"] = gr.HTML(idle[f"head-{stage}"], elem_classes="s-head")
            gr.Markdown(
                words.explanation + "\n\n" + equation,
                latex_delimiters=[{"left": "$$", "right": "$$", "display": True}],
                elem_classes="s-words",
            )
            with gr.Column(elem_classes="s-figure"):
                self.slots[f"figure-{stage}"] = gr.HTML(idle[f"figure-{stage}"])
                if stage is Stage.PROJECT:
                    self.live_temperature = gr.Slider(
                        10,
                        500,
                        value=100,
                        step=5,
                        visible=False,
                        label="Try another temperature: 1 /",
                        info="Recomputes the weights above at once; the caption stays that of the run.",
                        elem_id="s-live",
                    )

    # -- wiring --------------------------------------------------------------------------------

    def _wire(self) -> None:
        quick: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
        outputs = [
            *self.slots.values(),
            self.map,
            self.map_note,
            self.shown,
            self.live_temperature,
            self.stop_button,
            self.run_link,
            self.link,
        ]
        picks = [
            self.pictures.select(self.pick_picture, None, self.choice, trigger_mode="multiple", **quick),
            self.sentences.select(self.pick_sentence, None, self.choice, trigger_mode="multiple", **quick),
            gr.on(
                [self.run_text.click, self.own_text.submit],
                self.pick_own_text,
                self.own_text,
                self.choice,
                **quick,
            ),
            self.run_picture.click(self.pick_own_picture, self.own_picture, self.choice, **quick),
            gr.on([self.run_again.click, self.run_link.click], self.keep_choice, self.choice, self.choice, **quick),
        ]
        for pick in picks:
            pick.success(
                self.run,
                inputs_kwargs={"choice": self.choice, **self.settings},
                outputs=outputs,
                show_progress="hidden",
                trigger_mode="multiple",
                concurrency_limit=CONCURRENT_RUNS,
                concurrency_id="walk",
                api_name="run",
                api_visibility="private",
            )
        self.stop_button.click(self.stop, None, None, api_name="stop", **quick)
        self.live_temperature.input(
            self.reweigh,
            [self.shown, self.live_temperature],
            self.slots[f"figure-{Stage.PROJECT}"],
            trigger_mode="always_last",
            **quick,
        )
        self.corpus.input(self._standard_temperature, self.corpus, self.inverse_temperature, **quick)
        self.decoding.change(
            lambda decoding: gr.update(visible=decoding == "beam"), self.decoding, self.beam_size, **quick
        )
        self.link.change(None, self.link, None, js=_REPLACE_LINK)
        self._add_api()

    def _add_api(self) -> None:
        """Give scripts the same run as one endpoint, `/trace`, that streams its events as JSON."""
        trigger = gr.Button(visible=False)
        result = gr.JSON(visible=False, label="event, at last the whole trace")
        trigger.click(
            self.trace,
            inputs_kwargs={"text": self.own_text, "image": self.own_picture, **self.settings},
            outputs=result,
            concurrency_limit=CONCURRENT_RUNS,
            concurrency_id="walk",
            api_name="trace",
        )

    # -- handlers ------------------------------------------------------------------------------

    def pick_picture(self, event: gr.SelectData) -> Choice:
        """Choose the example picture that was clicked."""
        return Choice("example", self._at(self.picture_names, event.index))

    def pick_sentence(self, event: gr.SelectData) -> Choice:
        """Choose the example sentence that was clicked."""
        return Choice("text", self._at(self.service.profile.example_texts, event.index))

    def pick_own_text(self, text: str) -> Choice:
        """Choose the sentence that was typed."""
        return Choice("text", text or "")

    def pick_own_picture(self, path: str | None) -> Choice:
        """Choose the picture that was uploaded."""
        if path is None:
            raise to_gradio(InputError("There is no picture yet; drop one into the box first."))
        return Choice("upload", path)

    def keep_choice(self, choice: Choice | None) -> Choice:
        """Run again on what was chosen last."""
        if choice is None:
            raise to_gradio(InputError("Nothing is chosen yet; pick a picture or a sentence first."))
        return choice

    def run(self, choice: Choice, request: gr.Request, **controls: Any) -> Iterator[dict[Any, Any]]:
        """Run one choice and put every stage on the page as soon as it is done.

        A second run of the same visitor stops the first, which then leaves the page alone.
        """
        stop = self._take_over(request.session_hash or "")
        view: WalkView | None = None
        try:
            settings = self._settings(**controls)
            view = WalkView(settings, _describe_choice(choice), choice.kind == "text")
            query = write_query(choice, settings)
            yield self._start(view, query)
            events = self.service.walk(self._request(choice, settings), stop.is_set)
            try:
                for event in events:
                    yield from self._show(view, event)
            finally:
                events.close()
            yield {self.stop_button: gr.update(interactive=False)}
        except Cancelled:
            if self._runs.get(request.session_hash or "") is stop and view is not None:
                yield self._end(view, "Stopped.", failed=False)
        except Exception as error:
            if view is not None:
                yield self._end(view, describe(error), failed=True)
            raise to_gradio(error) from error
        finally:
            stop.set()
            if self._runs.get(request.session_hash or "") is stop:
                del self._runs[request.session_hash or ""]

    def stop(self, request: gr.Request) -> None:
        """Stop the visitor's run at its next step."""
        if stop := self._runs.get(request.session_hash or ""):
            stop.set()

    def reweigh(self, shown: Shown | None, inverse_temperature: float) -> str | dict[str, Any]:
        """Recompute the weights of Eq. 3 at another temperature; no model takes part."""
        if shown is None:
            return gr.skip()
        try:
            projection = self.service.reproject(shown.feature, shown.corpus, 1.0 / inverse_temperature)
            return stage_figures.projection_bars(projection, self.service.corpus_size(shown.corpus))
        except SynticError as error:
            raise to_gradio(error) from error

    def restore(self, request: gr.Request) -> dict[Any, Any]:
        """Put a link's choice and settings on the page, and draw the map; nothing runs."""
        updates = self._map_update(self.corpora[0], {})
        try:
            choice, settings = read_query(dict(request.query_params))
            if settings.corpus not in self.corpora and "corpus" not in request.query_params:
                settings = TraceSettings(**{**asdict(settings), "corpus": self.corpora[0]})
            check_settings(self.service.profile, settings)
            if choice is not None and choice.kind == "example":
                self._request(choice, settings)
        except SynticError as error:
            gr.Warning(f"This link cannot be restored as it is. {error.detail}")
            return updates
        temperature = settings.temperature
        updates |= {
            self.variant: settings.variant,
            self.corpus: settings.corpus,
            self.inverse_temperature: (
                round(1 / temperature) if temperature else self._standard_temperature(settings.corpus)
            ),
            self.refinement_steps: settings.refinement_steps,
            self.decoding: settings.decoding,
            self.beam_size: gr.update(value=max(2, settings.beam_size), visible=settings.decoding == "beam"),
            self.seed: settings.seed,
        }
        if choice is not None:
            updates |= self._show_restored(choice)
        return updates

    def trace(
        self, text: str | None, image: str | None, **controls: Any
    ) -> Iterator[dict[str, Any]]:
        """Walk a text or a picture through all stages; the last item holds the whole trace."""
        try:
            request = WalkRequest(
                text=text or None,
                image=Path(image) if image else None,
                settings=self._settings(**controls),
            )
            for event in self.service.walk(request):
                yield _event_json(event)
        except Exception as error:
            raise to_gradio(error) from error

    @property
    def restored(self) -> list[Any]:
        """The components that `restore` may change."""
        return [
            *self.settings.values(),
            self.slots["sample"],
            self.own_text,
            self.choice,
            self.run_link,
            self.map,
            self.map_note,
        ]

    # -- inside --------------------------------------------------------------------------------

    def _take_over(self, session: str) -> threading.Event:
        if previous := self._runs.get(session):
            previous.set()
        stop = self._runs[session] = threading.Event()
        return stop

    def _settings(self, *, inverse_temperature: float, seed: float | None, **controls: Any) -> TraceSettings:
        if not inverse_temperature or inverse_temperature <= 0:
            raise InputError("The temperature must be above 0; give 1 / temperature as a number above 0.")
        whole = {name: int(controls.pop(name) or 0) for name in ("refinement_steps", "beam_size")}
        return TraceSettings(temperature=1.0 / inverse_temperature, seed=int(seed or 0), **whole, **controls)

    def _request(self, choice: Choice, settings: TraceSettings) -> WalkRequest:
        if choice.kind == "text":
            return WalkRequest(text=choice.value, settings=settings)
        if choice.kind == "upload":
            return WalkRequest(image=Path(choice.value), settings=settings)
        if choice.value not in self.service.example_images:
            raise InputError(f"There is no example picture {choice.value[:60]!r}; pick one of the gallery.")
        return WalkRequest(image=self.service.example_images[choice.value], settings=settings)

    def _start(self, view: WalkView, query: str) -> dict[Any, Any]:
        return {
            **self._place(view.start()),
            **self._map_update(view.settings.corpus, {}),
            self.shown: None,
            self.live_temperature: gr.update(visible=False),
            self.stop_button: gr.update(interactive=True),
            self.run_link: gr.update(visible=False),
            self.link: query,
        }

    def _show(self, view: WalkView, event: Any) -> Iterator[dict[Any, Any]]:
        projected = isinstance(event, StageFinished) and event.stage is Stage.PROJECT
        if projected:
            view.corpus_size = self.service.corpus_size(view.settings.corpus)
        before = len(view.path)
        updates = self._place(view.apply(event))
        if len(view.path) != before:
            updates |= self._map_update(view.settings.corpus, view.path)
        if projected and Kind.PROJECTED in view.path:
            feature = event.trace.refined_feature
            temperature = view.settings.temperature or 0.01
            updates[self.shown] = Shown(feature, view.settings.corpus)
            updates[self.live_temperature] = gr.update(value=round(1 / temperature), visible=True)
        if updates:
            yield updates

    def _end(self, view: WalkView, sentence: str, *, failed: bool) -> dict[Any, Any]:
        return {
            **self._place(view.stop(sentence, failed=failed)),
            self.stop_button: gr.update(interactive=False),
        }

    def _place(self, slots: dict[str, str]) -> dict[Any, Any]:
        return {self.slots[name]: markup for name, markup in slots.items()}

    def _map_update(self, corpus: str, path: dict[Kind, np.ndarray]) -> dict[Any, Any]:
        gap_map = self.service.gap_map(corpus)
        if gap_map is None:
            note = "The map of this corpus is not built yet: <code>python -m syntic emoji export</code> makes it."
            return {self.map: gr.update(visible=False), self.map_note: f'<div class="s-empty">{note}</div>'}
        return {self.map: gr.update(value=draw_map(gap_map, path), visible=True), self.map_note: ""}

    def _show_restored(self, choice: Choice) -> dict[Any, Any]:
        picture = None
        if choice.kind == "example":
            picture = thumbnail_uri(self.service.example_images[choice.value], side_px=296)
        markup = sample(
            {stage: StageState() for stage in Stage},
            picture=picture,
            what=_describe_choice(choice),
            line="Restored from the link. Press Run.",
        )
        return {
            self.choice: choice,
            self.slots["sample"]: markup,
            self.run_link: gr.update(visible=True),
            **({self.own_text: choice.value} if choice.kind == "text" else {}),
        }

    def _standard_temperature(self, corpus: str) -> float:
        return round(1 / self.service.profile.corpus(corpus).temperature)

    @staticmethod
    def _at(names: Any, index: Any) -> str:
        if not isinstance(index, int) or not 0 <= index < len(names):
            raise to_gradio(InputError("There is no such example; pick one that is shown."))
        return str(names[index])


def _describe_choice(choice: Choice) -> str:
    return {
        "text": f"From the sentence “{choice.value}”",
        "example": f"From the example picture “{choice.value}”",
        "upload": "From your picture",
    }[choice.kind]


def _event_json(event: Any) -> dict[str, Any]:
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
