"""The widgets of the page "Modality gap": controls on the left, a card for every view on the right."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from ...evaluation.controls import Control
from ...evaluation.map import Kind
from ...gap_service import RANDOM, Layout
from ...service import SynticService
from ..components.gap_figures import FIGURE_SCRIPT, HEATMAP_KEYS, STAGE_NAMES
from ..components.gap_lists import PICK_SCRIPT
from ..gap_texts import CONTROLS, VIEWS
from ..scripts import script
from ..theme import KIND_NAMES

MAP_SCRIPT = script("gap_map.js")
_LATEX: list[dict[str, str | bool]] = [
    {"left": "$$", "right": "$$", "display": True},
    {"left": "$", "right": "$", "display": False},
]
_KEYS = (
    "Arrow keys go from mark to mark, Enter lists the neighbours, Space selects, Escape clears, + and − "
    "zoom, Shift with an arrow key moves or turns the map."
)
_LIST_KEYS = (
    "In lists, a tick, or Shift with a click or with Enter, adds an item to the selection or takes it out. "
    f"In the heatmap, {HEATMAP_KEYS[0].lower()}{HEATMAP_KEYS[1:]}"
)
_SHEETS_SCRIPT = script("gap_sheets.js")


@dataclass(frozen=True, kw_only=True)
class GapControls:
    """What a visitor turns.

    Attributes:
        sliders: one for each control, of which one is visible.
    """

    corpus: gr.Dropdown
    pictures: gr.Dropdown
    layout: gr.Radio
    dimensions: gr.Radio
    control: gr.Radio
    sliders: dict[Control, gr.Slider]
    words: gr.Markdown
    play: gr.Button
    stop: gr.Button
    standard: gr.Button


@dataclass(frozen=True, kw_only=True)
class GapViews:
    """What shows it."""

    notice: gr.HTML
    sheets: gr.HTML
    map: gr.HTML
    side: gr.HTML
    measures: gr.HTML
    samples: gr.HTML
    panels: gr.HTML
    heatmap_stage: gr.Radio
    heatmap: gr.HTML
    shift: gr.HTML
    gallery: gr.HTML


def build_gap_layout(service: SynticService) -> tuple[GapControls, GapViews]:
    """Draw the page inside the current `gr.Blocks`."""
    with gr.Row(elem_id="g-page"):
        with gr.Column(elem_id="g-panel"):
            controls = _build_controls(service)
        with gr.Column(elem_id="g-views"):
            views = _build_views()
    return controls, views


def _build_controls(service: SynticService) -> GapControls:
    corpora, test_sets = service.gap.corpora, service.gap.test_sets
    own = service.profile.validation_set_of(corpora[0])
    gr.HTML('<h2 class="s-heading">What to turn <small>everything follows at once</small></h2>')
    control = gr.Radio(
        [(CONTROLS[c].name, c.value) for c in Control],
        value=Control.TEMPERATURE.value,
        show_label=False,
        container=False,
        elem_id="g-control",
    )
    sliders = {
        c: gr.Slider(0, 1, value=0, step=0.01, label=CONTROLS[c].label, visible=c is Control.TEMPERATURE)
        for c in Control
    }
    for c, slider in sliders.items():
        slider.elem_id = f"g-{c}"
    with gr.Row(elem_classes="s-actions"):
        play = gr.Button("Play", variant="primary", size="sm", elem_id="g-play")
        stop = gr.Button("Stop", variant="secondary", size="sm", interactive=False, elem_id="g-stop")
        standard = gr.Button("Reset", variant="secondary", size="sm", elem_id="g-standard")
    words = gr.Markdown(
        CONTROLS[Control.TEMPERATURE].explanation, latex_delimiters=_LATEX, elem_classes="s-words"
    )
    gr.HTML('<h2 class="s-heading">What is shown</h2>')
    corpus = gr.Dropdown(corpora, value=corpora[0], label="Corpus of texts", visible=len(corpora) > 1)
    pictures = gr.Dropdown(
        test_sets,
        value=own,
        label="Real pictures",
        info="Others than the map's are encoded first.",
        visible=len(test_sets) > 1,
        elem_id="g-pictures",
    )
    with gr.Row(elem_classes="g-pair"):
        layout = gr.Radio(
            [("UMAP", Layout.UMAP.value), ("PCA", Layout.PCA.value)],
            value=Layout.UMAP.value,
            label="Layout",
            elem_id="g-layout",
        )
        dimensions = gr.Radio([("2-D", 2), ("3-D", 3)], value=2, label="Dimensions", elem_id="g-dimensions")
    gr.Button("Copy link", variant="secondary", size="sm", elem_id="s-copy")
    return GapControls(
        corpus=corpus,
        pictures=pictures,
        layout=layout,
        dimensions=dimensions,
        control=control,
        sliders=sliders,
        words=words,
        play=play,
        stop=stop,
        standard=standard,
    )


def _build_views() -> GapViews:
    notice = gr.HTML("", elem_id="g-notice")
    sheets = gr.HTML({}, html_template="", js_on_load=_SHEETS_SCRIPT, elem_id="g-sheets")
    with gr.Column(elem_classes="g-card", elem_id="g-map"):
        _words("map")
        with gr.Row(elem_id="g-mapside"):
            gap_map = gr.HTML({}, html_template=_map_template(), js_on_load=MAP_SCRIPT, elem_id="g-plot")
            side = gr.HTML("", js_on_load=PICK_SCRIPT, elem_id="g-side")
    with gr.Column(elem_classes="g-card", elem_id="g-measures"):
        _words("measures")
        measures = gr.HTML("", js_on_load=PICK_SCRIPT)
    with gr.Column(elem_classes="g-card", elem_id="g-captions"):
        _words("samples")
        samples = gr.HTML("", js_on_load=PICK_SCRIPT)
    with gr.Column(elem_classes="g-card", elem_id="g-steps"):
        _words("panels")
        panels = gr.HTML("", js_on_load=FIGURE_SCRIPT)
    with gr.Row(elem_id="g-twins"):
        with gr.Column(elem_classes="g-card", elem_id="g-similarities"):
            _words("heatmap")
            heatmap_stage = gr.Radio(
                [
                    *((STAGE_NAMES[k], k) for k in ("generated", "refined", "projected", RANDOM)),
                    ("what you turned", "now"),
                ],
                value="generated",
                show_label=False,
                container=False,
                elem_id="g-stage",
            )
            heatmap = gr.HTML("", js_on_load=FIGURE_SCRIPT)
        with gr.Column(elem_classes="g-card", elem_id="g-loss"):
            _words("shift")
            shift = gr.HTML("", js_on_load=FIGURE_SCRIPT)
    with gr.Column(elem_classes="g-card", elem_id="g-selected"):
        _words("gallery")
        gallery = gr.HTML("", js_on_load=PICK_SCRIPT)
    return GapViews(
        notice=notice,
        sheets=sheets,
        map=gap_map,
        side=side,
        measures=measures,
        samples=samples,
        panels=panels,
        heatmap_stage=heatmap_stage,
        heatmap=heatmap,
        shift=shift,
        gallery=gallery,
    )


def _words(name: str) -> None:
    text = VIEWS[name]
    gr.HTML(f'<h2 class="s-title">{text.title}</h2>')
    gr.Markdown(
        f"{text.explanation}\n\n$${text.equation}$$", latex_delimiters=_LATEX, elem_classes="s-words g-words"
    )


def _map_template() -> str:
    kinds = "".join(
        f'<button type="button" data-kind="{kind}" aria-pressed="true"><i class="g-mark {kind}"></i>'
        f"{KIND_NAMES[kind]}</button>"
        for kind in Kind
    )
    acts = "".join(
        f'<button type="button" data-act="{act}" {state} title="{title}" aria-label="{title}">{name}</button>'
        for act, name, title, state in (
            ("lasso", "Lasso", "Draw around marks to select them", 'aria-pressed="false"'),
            ("clear", "Clear", "Select nothing", "disabled"),
            ("thumbnails", "Pictures", "Show pictures as marks", 'aria-pressed="false"'),
            ("in", "+", "Zoom in", ""),
            ("out", "−", "Zoom out", ""),
            ("reset", "Fit", "Show the whole map", ""),
        )
    )
    saves = "".join(
        f'<button type="button" data-save="{kind}" aria-label="Save the map as {kind.upper()}">'
        f"{kind.upper()}</button>"
        for kind in ("png", "svg", "csv")
    )
    return (
        f'<div class="g-legend" role="group" aria-label="Kinds of features">{kinds}</div>'
        f'<div class="g-frame"><canvas tabindex="0" role="img" aria-label="Map of the features. {_KEYS}">'
        '</canvas><div class="g-tip" hidden></div></div><p class="g-mapnote s-note" role="status"></p>'
        f'<div class="g-tools" role="group" aria-label="Map">{acts}<span class="g-save"><span>Save</span>'
        f'{saves}</span></div><p class="g-spoken" aria-live="polite"></p>'
        f'<details class="g-keys"><summary>Keyboard and mouse</summary><p class="s-note">{_KEYS} Drag to '
        "move the map, or to turn it in 3-D; Ctrl with the wheel zooms; a double click shows the whole map. "
        f"{_LIST_KEYS}</p></details>"
    )
