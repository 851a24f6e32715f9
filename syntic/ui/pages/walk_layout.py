"""The widgets of the page "Walk through": a panel to choose from, the sample, the map, the stage cards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

import gradio as gr

from ...method.inputs import MAX_BEAM_SIZE, MAX_REFINEMENT_STEPS, MAX_SEED
from ...service import SynticService
from ...types import Stage, TraceSettings
from ..components.chooser import chosen_mark, picture_chooser, sentence_chooser
from ..components.gap_figures import FIGURE_SCRIPT
from ..components.open_dropdown import OpenDropdown
from ..components.picture_box import picture_box
from ..components.pictures import thumbnail_uri
from ..components.stage_card import card_id
from ..explanations import STAGE_TEXTS
from ..presenter import idle_slots
from ..scripts import script
from .walk_compose_layout import Form, build_form

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
LATEX: list[dict[str, str | bool]] = [{"left": "$$", "right": "$$", "display": True}]
FIGURES = FIGURE_SCRIPT + script("walk_figures.js")
_MAP_SAVE = (
    '<div class="g-save"><span>Save the map</span>'
    + "".join(
        f'<button type="button" data-map-save="{kind}" aria-label="Save the map as {kind.upper()}">'
        f"{kind.upper()}</button>"
        for kind in ("png", "svg", "csv")
    )
    + "</div>"
)
_MAP_WORDS = (
    '<h3 class="s-title">Where the features lie</h3><p class="s-note">Each mark is a CLIP feature, laid out '
    "in the plane by UMAP, which keeps neighbours together. Marks of one kind that keep to themselves show "
    "the modality gap; watch where each stage moves the sample.</p>"
)


COMPOSE = "compose"


@dataclass(frozen=True, kw_only=True)
class Panel:
    """What a visitor chooses from.

    Attributes:
        settings: the controls, by the name of the handler's argument.
        mark: marks the picture or the sentence that the run is from.
        tabs: the three ways in besides the examples; the last one's id is `COMPOSE`.
        form: composes a scene.
    """

    picture_names: list[str]
    mark: gr.HTML
    pictures: gr.HTML
    sentences: gr.HTML
    tabs: gr.Tabs
    form: Form
    own_text: gr.Textbox
    run_text: gr.Button
    own_picture: gr.Image
    run_picture: gr.Button
    settings: dict[str, gr.Dropdown | gr.Slider | gr.Radio | gr.Number]
    run_again: gr.Button


@dataclass(frozen=True, kw_only=True)
class Results:
    """What a run fills.

    Attributes:
        slots: the places of the presenter, by name.
        tags: those that the decoder gets; can be switched off once a run is done.
        tagged: the caption that follows.
        followed: the caption that goes on from another word.
        saver: saves what it is given.
        sheets: the small pictures of the map.
        world: what the world's grammar says of a composed scene.
    """

    notice: gr.HTML
    slots: dict[str, gr.HTML]
    map: gr.Plot
    path: gr.HTML
    map_note: gr.HTML
    live_temperature: gr.Slider
    tags: gr.CheckboxGroup
    tagged: gr.HTML
    followed: gr.HTML
    run_link: gr.Button
    stop: gr.Button
    save: gr.Button
    saver: gr.HTML
    sheets: gr.HTML
    world: gr.HTML


def build_layout(service: SynticService) -> tuple[Panel, Results]:
    """Draw the page inside the current `gr.Blocks`."""
    with gr.Row(elem_id="s-walk"):
        with gr.Column(elem_id="s-panel"):
            panel = _build_panel(service)
        with gr.Column(elem_id="s-stages"):
            results = _build_results()
    return panel, results


def example_links(links: Mapping[str, str]) -> str:
    """Return links that set the page up, failures among them; each runs on a click on Run."""
    items = "".join(
        f'<li><a href="?{escape(query)}">{escape(words)}</a></li>' for words, query in links.items()
    )
    return (
        '<details class="s-links"><summary>Examples to look into, failures among them</summary>'
        f"<ul>{items}</ul></details>"
    )


def standard_inverse_temperature(service: SynticService, corpus: str) -> int:
    """Return 1 / temperature of Eq. 3 as the profile sets it for a corpus."""
    return round(1 / service.profile.corpus(corpus).temperature)


def variant_choices(service: SynticService, corpus: str) -> list[tuple[str, str]]:
    """Return (label, name) of the variants that have a decoder for a corpus; all eight where none has."""
    return [(VARIANT_LABELS[name], name) for name in service.trained_variants(corpus) or service.variants]


def _build_panel(service: SynticService) -> Panel:
    pictures = {name: thumbnail_uri(path) for name, path in service.example_images.items()}
    if pictures:
        gr.HTML('<h2 class="s-heading">Pick a picture <small>to caption it</small></h2>')
    mark = chosen_mark()
    picture_buttons = picture_chooser(pictures)
    gr.HTML('<h2 class="s-heading">Or a sentence <small>to draw it and caption the drawing</small></h2>')
    sentence_buttons = sentence_chooser(service.profile.example_texts)
    if service.profile.example_links:
        gr.HTML(example_links(service.profile.example_links))
    with gr.Tabs() as tabs:
        with gr.Tab("Own sentence"):
            own_text = gr.Textbox(
                label="What the picture should show",
                placeholder="a dog next to a red car in the snow",
                lines=1,  # so that Enter runs it
                max_lines=4,
                elem_id="s-own-text",
            )
            run_text = gr.Button("Draw and caption it", variant="primary", size="md")
        with gr.Tab("Own picture"):
            own_picture = picture_box()
            run_picture = gr.Button("Caption it", variant="primary", size="md")
        with gr.Tab("Compose a scene", id=COMPOSE):
            form = build_form(service.composer)
    with gr.Accordion("Settings", open=False, elem_id="s-settings"):
        settings = _build_settings(service)
        run_again = gr.Button("Run with these settings", variant="secondary", size="md")
    return Panel(
        picture_names=list(pictures),
        mark=mark,
        pictures=picture_buttons,
        sentences=sentence_buttons,
        tabs=tabs,
        form=form,
        own_text=own_text,
        run_text=run_text,
        own_picture=own_picture,
        run_picture=run_picture,
        settings=settings,
        run_again=run_again,
    )


def _build_settings(
    service: SynticService,
) -> dict[str, gr.Dropdown | gr.Slider | gr.Radio | gr.Number]:
    standard, corpora = TraceSettings(), list(service.profile.corpora)
    variants = variant_choices(service, corpora[0])
    variant = OpenDropdown(  # a script may name a trained decoder, which only its visitor's choices have
        variants,
        value=variants[-1][1],  # the whole method, where it is trained
        label="Variant",
        info="Which of the paper's three additions take part (Table 4).",
    )
    return {
        "variant": variant,
        "corpus": gr.Dropdown(corpora, value=corpora[0], label="Corpus of texts", visible=len(corpora) > 1),
        "inverse_temperature": gr.Slider(
            10,
            500,
            value=standard_inverse_temperature(service, corpora[0]),
            step=5,
            label="Temperature of Eq. 3: 1 /",
            info="Larger keeps fewer texts. The paper takes 1/100 or 1/80.",
        ),
        "refinement_steps": gr.Slider(
            0,
            MAX_REFINEMENT_STEPS,
            value=service.profile.refinement.steps,
            step=10,
            label="Refinement steps (Eq. 2)",
        ),
        "decoding": gr.Radio(["greedy", "beam"], value=standard.decoding, label="Decoding"),
        "beam_size": gr.Slider(
            2, MAX_BEAM_SIZE, value=standard.beam_size, step=1, label="Beam size", visible=False
        ),
        "seed": gr.Number(
            value=standard.seed, precision=0, minimum=0, maximum=MAX_SEED, label="Seed of the picture"
        ),
    }


def _build_results() -> Results:
    idle = idle_slots()
    notice = gr.HTML("", elem_id="s-notice")
    sheets = gr.HTML({}, html_template="", js_on_load=script("gap_sheets.js"), elem_id="g-sheets")
    saver = gr.HTML({}, html_template="", js_on_load=script("save_text.js"), elem_id="s-saver")
    with gr.Column(elem_classes="s-samplecard", elem_id="s-sample"):
        slots = {"sample": gr.HTML(idle["sample"])}
        world = gr.HTML("", elem_id="s-world")
        with gr.Row(elem_classes="s-actions"):
            run_link = gr.Button("Run", variant="primary", size="sm", visible=False, elem_id="s-run")
            stop = gr.Button("Stop", variant="secondary", size="sm", interactive=False, elem_id="s-stop")
            gr.Button("Copy link", variant="secondary", size="sm", elem_id="s-copy")
            save = gr.Button(
                "Save as JSON", variant="secondary", size="sm", interactive=False, elem_id="s-save"
            )
    with gr.Column(elem_classes="s-mapcard", elem_id="s-map"):
        gr.HTML(_MAP_WORDS)
        gap_map = gr.Plot(show_label=False, container=False, visible=False)
        path = gr.HTML()
        map_note = gr.HTML()
        gr.HTML(_MAP_SAVE)
    for stage in Stage:
        words = STAGE_TEXTS[stage]
        with gr.Column(elem_classes="s-card", elem_id=card_id(stage)):
            slots[f"head-{stage}"] = gr.HTML(idle[f"head-{stage}"], elem_classes="s-head")
            gr.Markdown(
                f"{words.explanation}\n\n$${words.equation}$$",
                latex_delimiters=LATEX,
                elem_classes="s-words",
            )
            with gr.Column(elem_classes="s-figure"):
                slots[f"figure-{stage}"] = gr.HTML(idle[f"figure-{stage}"], js_on_load=FIGURES)
                if stage is Stage.ATTEND:
                    tags = gr.CheckboxGroup(
                        [],
                        visible=False,
                        label="Tags that the decoder gets",
                        info="Switch some off: the decoder reads again, the picture stays.",
                        elem_id="s-tagging",
                    )
                    tags.preprocess = lambda payload: payload  # type: ignore[method-assign]
                    tagged = gr.HTML()
                if stage is Stage.DECODE:
                    followed = gr.HTML()
                if stage is Stage.PROJECT:
                    live_temperature = gr.Slider(
                        10,
                        500,
                        value=100,
                        step=5,
                        visible=False,
                        label="Try another temperature: 1 /",
                        info="Recomputes the weights above at once; the caption stays that of the run.",
                        elem_id="s-live",
                    )
    return Results(
        notice=notice,
        tags=tags,
        tagged=tagged,
        followed=followed,
        save=save,
        saver=saver,
        sheets=sheets,
        world=world,
        slots=slots,
        map=gap_map,
        path=path,
        map_note=map_note,
        live_temperature=live_temperature,
        run_link=run_link,
        stop=stop,
    )
