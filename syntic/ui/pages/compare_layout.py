"""The widgets of the page "Compare": who and what on the left, three cards on the right."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import gradio as gr

from ...compare_service import MANY, PairView
from ...evaluation.results import EXPERIMENTS
from ...service import SynticService
from ..components.chooser import changing_chooser, chosen_mark, picture_buttons
from ..components.gap_figures import FIGURE_SCRIPT
from ..components.picture_box import picture_box
from ..components.pictures import thumbnail_uri
from ..components.stage_card import empty
from ..scripts import script
from .compare_systems import ChooseSystems, SystemBoxes

SCRIPT = script("compare.js")
GALLERY, TEST, OWN = "gallery", "test", "own"
ANY = ""
COMBINATION_NAMES = {
    "single": "one kind alone",
    "seen": "together in texts",
    "unseen": "together in no text",
}
_HINT = "Pick a picture on the left; every ticked system captions it here."


@dataclass(frozen=True, kw_only=True)
class ComparePanel:
    """What a visitor chooses from.

    Attributes:
        tabs: the ways to a picture: `GALLERY`, `TEST` and `OWN`.
        mark: marks the picture that the view shows.
        boxes: who captions it.
    """

    tabs: gr.Tabs
    mark: gr.HTML
    examples: gr.HTML
    test_pictures: gr.HTML
    test_set: gr.Dropdown
    others: gr.Button
    own_picture: gr.Image
    run_own: gr.Button
    boxes: SystemBoxes
    run: gr.Button


@dataclass(frozen=True, kw_only=True)
class CompareViews:
    """What shows it."""

    notice: gr.HTML
    result: gr.HTML
    stop: gr.Button
    table_name: gr.Radio
    figure: gr.HTML
    table: gr.HTML
    test_set: gr.Dropdown
    first: gr.Dropdown
    second: gr.Dropdown
    label: gr.Dropdown
    count: gr.Dropdown
    setting: gr.Dropdown
    combination: gr.Dropdown
    outcome: gr.HTML


def build_compare_layout(
    service: SynticService, chooser: ChooseSystems, pair: PairView | None
) -> tuple[ComparePanel, CompareViews]:
    """Draw the page inside the current `gr.Blocks`."""
    with gr.Row(elem_id="c-page", elem_classes="c-page"):
        with gr.Column(elem_id="c-panel"):
            panel = _build_panel(service, chooser)
        with gr.Column(elem_id="c-views"):
            views = _build_views(service, pair)
    return panel, views


def filter_choices(service: SynticService, test_set: str) -> dict[str, list[tuple[str, str | int]]]:
    """Return the choices of the four filters."""
    found = service.comparison.filters(test_set)
    return {
        "label": [("any class", ANY), *((label, label) for label in found.labels)],
        "count": [
            ("any number", 0),
            *((f"{count} or more" if count == MANY else str(count), count) for count in found.counts),
        ],
        "setting": [("any setting", ANY), *((setting, setting) for setting in found.settings)],
        "combination": [
            ("any", ANY),
            *((COMBINATION_NAMES[combination], combination) for combination in found.combinations),
        ],
    }


def tells_apart(choices: Sequence[object]) -> bool:
    """Say whether a filter has more than one choice beside all."""
    return len(choices) > 2


def pair_systems(service: SynticService, test_set: str) -> list[tuple[str, str]]:
    """Return (label, key) of the systems whose captions of a test set are committed."""
    comparison = service.comparison
    systems = comparison.captioned().get(test_set, {})
    return [(comparison.label(test_set, system), system) for system in systems]


def _build_panel(service: SynticService, chooser: ChooseSystems) -> ComparePanel:
    pictures = {name: thumbnail_uri(path) for name, path in service.example_images.items()}
    sets = list(service.profile.test_sets)
    gr.HTML('<h2 class="s-heading">Pick a picture <small>every ticked system captions it</small></h2>')
    mark = chosen_mark()
    with gr.Tabs() as tabs:
        with gr.Tab("Gallery", id=GALLERY):
            markup = picture_buttons(pictures, "Example picture") if pictures else empty("There is none.")
            examples = changing_chooser(markup, "c-examples")
        with gr.Tab("Test pictures", id=TEST):
            test_set = gr.Dropdown(
                sets,
                value=sets[0] if sets else None,
                label="Test set",
                visible=len(sets) > 1,
                elem_id="c-set",
            )
            test_pictures = changing_chooser("", "c-test")
            others = gr.Button("Show others", variant="secondary", size="sm", elem_id="c-others")
        with gr.Tab("Own picture", id=OWN):
            own_picture = picture_box()
            run_own = gr.Button("Caption it", variant="primary", size="md", elem_id="c-run-own")
    words = "learned from texts alone, if nothing else is said"
    gr.HTML(f'<h2 class="s-heading">Who captions it <small>{words}</small></h2>')
    boxes = chooser.build()
    run = gr.Button("Compare", variant="primary", size="md", elem_id="c-run")
    return ComparePanel(
        tabs=tabs,
        mark=mark,
        examples=examples,
        test_pictures=test_pictures,
        test_set=test_set,
        others=others,
        own_picture=own_picture,
        run_own=run_own,
        boxes=boxes,
        run=run,
    )


def _build_views(service: SynticService, pair: PairView | None) -> CompareViews:
    notice = gr.HTML("", elem_id="c-notice")
    with gr.Column(elem_classes="g-card", elem_id="c-result"):
        _words("One picture, every system", "")
        result = gr.HTML(empty(_HINT), js_on_load=SCRIPT)
        with gr.Row(elem_classes="s-actions"):
            stop = gr.Button("Stop", variant="secondary", size="sm", interactive=False, elem_id="c-stop")
            gr.Button("Copy link", variant="secondary", size="sm", elem_id="s-copy")
    with gr.Column(elem_classes="g-card", elem_id="c-pair"):
        _words(
            "Two systems, all pictures",
            "From the captions that an experiment left behind; no model runs. The tiles are the pictures on "
            "which the CIDEr of the two differs most.",
        )
        choosers = _build_pair(service, pair)
        outcome = gr.HTML(empty(NO_CAPTIONS) if pair is None else "", js_on_load=SCRIPT)
    with gr.Column(elem_classes="g-card", elem_id="c-tables"):
        _words("The paper’s tables", "Measured on this profile, beside the paper’s own numbers.")
        table_name = gr.Radio(
            [(title.partition(":")[0], name) for name, title in EXPERIMENTS.items()],
            value="table4",
            show_label=False,
            container=False,
            elem_id="c-table",
        )
        figure = gr.HTML("", js_on_load=FIGURE_SCRIPT)
        table = gr.HTML("", js_on_load=SCRIPT)
    return CompareViews(
        notice=notice,
        result=result,
        stop=stop,
        table_name=table_name,
        figure=figure,
        table=table,
        outcome=outcome,
        **choosers,
    )


NO_CAPTIONS = "No captions were committed yet; `python -m syntic experiment table4` writes some."


def _build_pair(service: SynticService, pair: PairView | None) -> dict[str, gr.Dropdown]:
    captioned = service.comparison.captioned()
    sets = list(captioned)
    test_set = pair.test_set if pair else None
    systems = pair_systems(service, test_set or "")
    filters = defaultdict(list, filter_choices(service, pair.test_set) if pair else {})
    shown = pair is not None
    any_picture = ANY if shown else None
    with gr.Row(elem_classes="c-pair", visible=shown):
        first = gr.Dropdown(
            systems, value=pair.first if pair else None, label="This system", elem_id="c-first"
        )
        second = gr.Dropdown(
            systems, value=pair.second if pair else None, label="against", elem_id="c-second"
        )
        chosen = gr.Dropdown(sets, value=test_set, label="on", visible=len(sets) > 1, elem_id="c-on")
    with gr.Row(elem_classes="c-pair", visible=shown):
        label = gr.Dropdown(filters["label"], value=any_picture, label="Class", elem_id="c-label")
        count = gr.Dropdown(filters["count"], value=0 if shown else None, label="Objects", elem_id="c-count")
        setting, combination = (
            gr.Dropdown(
                filters[name],
                value=any_picture,
                label=words,
                visible=tells_apart(filters[name]),
                elem_id=f"c-{name}",
            )
            for name, words in (("setting", "Setting"), ("combination", "Kinds of things"))
        )
    return {
        "test_set": chosen,
        "first": first,
        "second": second,
        "label": label,
        "count": count,
        "setting": setting,
        "combination": combination,
    }


def _words(title: str, words: str) -> None:
    text = f'<p class="s-note">{words}</p>' if words else ""
    gr.HTML(f'<h2 class="s-title">{title}</h2>{text}')
