"""Links of the page "Walk through": what one names, and how it comes back onto the page; nothing runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from ...errors import InputError, SynticError
from ...method.inputs import check_settings
from ...service import SynticService, WalkRequest
from ...types import Stage, TraceSettings
from ..components.chooser import chosen
from ..components.notices import broken_link
from ..components.pictures import data_uri, thumbnail_uri
from ..components.sample import sample
from ..components.stage_card import StageState
from ..own_runs import decoder_choices, decoder_label
from ..permalink import Choice, names_anything, read_query
from .walk_compose import ComposeScene
from .walk_layout import COMPOSE, Panel, Results, variant_choices
from .walk_map import WalkMap

Updates = dict[Any, Any]


class WalkLink:
    """The handlers on one service and one page.

    Args:
        service: runs the walk.
        panel: what a visitor chooses from.
        results: what a run fills.
        scenes: composes a scene.
        walk_map: draws the map.
        choice: holds what was chosen last.
    """

    def __init__(
        self,
        service: SynticService,
        panel: Panel,
        results: Results,
        scenes: ComposeScene,
        walk_map: WalkMap,
        choice: gr.State,
    ) -> None:
        self.service = service
        self.corpora = list(service.profile.corpora)
        self.panel = panel
        self.results = results
        self.scenes = scenes
        self.map = walk_map
        self.choice = choice

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
            self.panel.mark,
            *self.scenes.outputs,
        ]
        return [*self.panel.settings.values(), results.slots["sample"], *own]

    def restore(self, request: gr.Request, own_runs: Any = None) -> Updates:
        """Put a link's choice and settings on the page, and draw the map; nothing runs.

        The variants gain the decoders that the visitor trained.
        """
        updates = self.map.draw(self.corpora[0])
        variants = offered_variants(self.service, self.corpora[0], own_runs)
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
                self.request(choice, settings)
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
        updates |= self.map.draw(settings.corpus)
        return updates if choice is None else updates | told | self._show_restored(choice)

    def request(self, choice: Choice | None, settings: TraceSettings) -> WalkRequest:
        """Return what runs for a choice.

        Raises:
            InputError: for nothing, no picture, or one that there is not.
        """
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

    def describe(self, choice: Choice) -> str:
        """Say what was chosen, in one line."""
        if choice.kind == "scene":
            return self.scenes.describe(choice)
        return {
            "text": f"From the sentence “{choice.value[:200]}”",
            "example": f"From example picture {choice.value}",
            "upload": "From your picture",
        }[choice.kind]

    # -- inside --------------------------------------------------------------------------------

    def _restore_decoder(self, settings: TraceSettings, own_runs: Any) -> dict[str, Any]:
        """Return the variant and the corpus of a link; a trained decoder stands among the variants."""
        trained = self.service.jobs.finished(settings.corpus)
        if trained is None:
            choices = offered_variants(self.service, settings.corpus, own_runs)
            variant = gr.update(choices=choices, value=settings.variant)
            return {"variant": variant, "corpus": settings.corpus}
        variants = offered_variants(self.service, self.corpora[0], own_runs)
        if trained.name not in [name for _, name in variants]:  # somebody else's, who gave the link away
            variants = [*variants, (decoder_label(trained), trained.name)]
        return {"variant": gr.update(choices=variants, value=settings.corpus)}

    def _standard_settings(self) -> TraceSettings:
        """What a link does not name; the temperature is its corpus' own."""
        corpus, steps = self.corpora[0], self.service.profile.refinement.steps
        return TraceSettings(corpus=corpus, refinement_steps=steps)

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
                states, picture=picture, what=self.describe(choice), line=line
            ),
            self.panel.mark: chosen(choice.kind, choice.value),
            self.results.run_link: gr.update(visible=True),
            **({self.panel.own_text: choice.value} if choice.kind == "text" else {}),
            **composed,
        }


def offered_variants(service: SynticService, corpus: str, own_runs: Any) -> list[tuple[str, str]]:
    """Return the variants that a corpus has decoders of, and the decoders that the visitor trained."""
    return [*variant_choices(service, corpus), *decoder_choices(service, own_runs)]
