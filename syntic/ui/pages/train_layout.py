"""The widgets of the page "Train": a panel to choose from, the run, and its three stages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from ...jobs import JobStatus, captions_drawn
from ...profiles import CorpusSettings, Profile
from ...service import SynticService
from ..components import training as figures
from ..components.chooser import run_chooser
from ..components.gap_figures import FIGURE_SCRIPT
from .walk_layout import LATEX, VARIANT_LABELS

OWN = "(own)"
"""The choice of one's own captions among the corpora."""

TICK_SECONDS = 1.0
A_SHORT_TRY = 200  # steps, where the profile counts in epochs
_STAGES = {
    "draw": (
        "Draw the captions",
        "Each new caption gets a picture from the text-to-image model. CLIP encodes both, the detector "
        "names what it sees, and the pictures themselves are not needed any more.",
        r"x_i = \mathrm{T2I}(t_i)",
    ),
    "train": (
        "Learn to write them back",
        "The decoder learns to write each caption after its prefix, v and u, which the variant's steps made "
        "of the drawn picture. The loss is what it is surprised by, per word.",
        r"L=-\frac{1}{|t|}\sum_i \log P_\theta(w_i\mid w_{<i},\,v,\,u)\quad(6)",
    ),
    "validate": (
        "Look at real pictures",
        "Now and then the decoder captions validation pictures, which nothing here learns from. CIDEr "
        "(Vedantam et al. 2015) compares a caption c with those people wrote, S, by the tf-idf vectors g of "
        "their n words in a row; computed is CIDEr-D, which also punishes repeated words and other lengths.",
        r"\mathrm{CIDEr}=\tfrac{1}{4}\sum_{n=1}^{4}\tfrac{1}{|S|}\sum_{s\in S}\cos\left(g^n_c,\,g^n_s\right)",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Panel:
    """What a visitor chooses from.

    Attributes:
        settings: the controls, by the name of the handler's argument.
        own: what is shown for one's own captions only.
    """

    settings: dict[str, Any]
    own: gr.Column
    count: gr.HTML
    file: gr.UploadButton
    start: gr.Button
    bring: gr.UploadButton
    runs: gr.HTML


@dataclass(frozen=True, kw_only=True)
class Results:
    """What a run fills.

    Attributes:
        slots: the places of its markup, by name.
    """

    slots: dict[str, gr.HTML]
    stop: gr.Button
    resume: gr.Button
    download: gr.DownloadButton
    use: gr.HTML
    remove: gr.Button
    copy: gr.Button
    warning: gr.HTML


def build_layout(service: SynticService) -> tuple[Panel, Results]:
    """Draw the page inside the current `gr.Blocks`."""
    with gr.Row(elem_id="s-walk"):
        with gr.Column(elem_id="s-panel"):
            panel = _build_panel(service)
        with gr.Column(elem_id="s-stages"):
            results = _build_results()
    return panel, results


def markup(
    status: JobStatus | None,
    thumbnails: dict[str, str],
    drawn: list[tuple[str, str]],
    sentence: str = "",
) -> dict[str, str]:
    """Return what stands in every slot; `sentence` says why there is no run where one was asked for."""
    return {
        "head": figures.run_head(status, sentence),
        "draw": figures.drawn_figure(status, drawn),
        "train": figures.loss_figure(status),
        "validate": figures.score_figure(status) + figures.sample_figure(status, thumbnails),
    }


def _build_panel(service: SynticService) -> Panel:
    limits, profile = service.jobs.limits, service.profile
    gr.HTML('<h2 class="s-heading">Learn from</h2>')
    corpora = [
        (_corpus_label(name, corpus, limits.captions), name) for name, corpus in profile.corpora.items()
    ]
    chosen = _first_choice(profile)
    corpus = gr.Radio(
        [*corpora, ("captions of my own", OWN)],
        value=chosen,
        show_label=False,
        label="Learn from",
        container=False,
        elem_id="s-corpus",
    )
    with gr.Column(visible=chosen == OWN, elem_id="s-own") as own:
        captions = gr.Textbox(
            label="One caption per line",
            lines=7,
            max_lines=12,
            placeholder="\n".join(profile.example_texts[:3]),
            elem_id="s-captions",
        )
        file = gr.UploadButton(
            "Or open a file: text, CSV or JSON",
            file_types=[".txt", ".csv", ".tsv", ".json"],
            size="md",
            elem_id="s-file",
        )
        count = gr.HTML('<p class="s-note">…</p>')
    variant = gr.Dropdown(
        [(VARIANT_LABELS[name], name) for name in service.variants], value="syntic", label="Variant"
    )
    with gr.Group():
        budget = gr.Radio(["steps", "minutes"], value="steps", label="Budget", elem_id="s-budget")
        steps = gr.Slider(
            min(10, limits.steps),
            max(limits.steps, 11),
            value=min(profile.optimizer.steps or A_SHORT_TRY, limits.steps),
            step=10,
            label="Steps",
            info=f"{profile.optimizer.batch_size} captions each.",
        )
        minutes = gr.Slider(
            0.5,
            max(limits.minutes, 1.0),
            value=min(3.0, limits.minutes),
            step=0.5,
            label="Minutes of training",
            info="Timed first; drawing comes on top.",
            visible=False,
        )
    device = gr.Radio(
        [(_DEVICES.get(name, name), name) for name in service.jobs.devices],
        value=service.jobs.devices[0],
        label="Device",
    )
    keep_going = gr.Radio(
        [("the run goes on", True), ("it stops, to be resumed", False)],
        value=True,
        label="When this page is closed",
        elem_id="s-keep",
    )
    name = gr.Textbox(label="Name", placeholder="optional", max_lines=1, max_length=40)
    start = gr.Button("Start", variant="primary", size="md", elem_id="s-start")
    gr.HTML('<h2 class="s-heading">Your runs</h2>')
    runs = run_chooser(figures.run_buttons({}, None))
    bring = gr.UploadButton(
        "Bring a downloaded decoder",
        file_count="multiple",
        file_types=[".zip", ".safetensors", ".json"],
        size="md",
        elem_id="s-bring",
    )
    return Panel(
        settings={
            "corpus": corpus,
            "captions": captions,
            "variant": variant,
            "budget": budget,
            "steps": steps,
            "minutes": minutes,
            "device": device,
            "keep_going": keep_going,
            "name": name,
        },
        own=own,
        count=count,
        file=file,
        start=start,
        bring=bring,
        runs=runs,
    )


def _corpus_label(name: str, corpus: CorpusSettings, most: int) -> str:
    if (drawn := captions_drawn(corpus)) is not None:
        return f"{name}: {drawn:,} captions, drawn already"
    if corpus.captions.exists():
        return f"{name}: up to {most:,} captions, drawn by the run"
    return f"{name}: its captions are not here"


def _first_choice(profile: Profile) -> str:
    """Return what to learn from unless a visitor says otherwise: what is drawn, else what can be drawn."""
    drawn = (name for name, corpus in profile.corpora.items() if captions_drawn(corpus) is not None)
    written = (name for name, corpus in profile.corpora.items() if corpus.captions.exists())
    return next(drawn, None) or next(written, OWN)


_LINK_WARNING = '<p class="s-note">Whoever has this run’s link may stop, resume, download and remove it.</p>'
_DEVICES = {"cpu": "CPU", "cuda": "GPU (CUDA)"}


def _build_results() -> Results:
    idle = markup(None, {}, [])
    with gr.Column(elem_classes="s-samplecard", elem_id="s-sample"):
        slots = {"head": gr.HTML(idle["head"])}
        with gr.Row(elem_classes="s-actions"):
            small: dict[str, Any] = {"variant": "secondary", "size": "sm", "visible": False}
            use = gr.HTML("", elem_id="s-use")
            stop = gr.Button("Stop", elem_id="s-stop", **small)
            resume = gr.Button("Resume", elem_id="s-resume", **{**small, "variant": "primary"})
            download = gr.DownloadButton("Download", elem_id="s-download", **small)
            copy = gr.Button("Copy link", elem_id="s-copy", **small)
            remove = gr.Button("Remove", elem_id="s-remove", **small)
        warning = gr.HTML(_LINK_WARNING, visible=False)
    for number, (name, (title, words, equation)) in enumerate(_STAGES.items(), start=1):
        with gr.Column(elem_classes="s-card", elem_id=f"stage-{name}"):
            gr.HTML(
                f'<h3 class="s-title"><span class="s-number">{number}</span>{title}</h3>',
                elem_classes="s-head",
            )
            gr.Markdown(f"{words}\n\n$${equation}$$", latex_delimiters=LATEX, elem_classes="s-words")
            with gr.Column(elem_classes="s-figure"):
                slots[name] = gr.HTML(idle[name], js_on_load=FIGURE_SCRIPT)
    return Results(
        slots=slots,
        stop=stop,
        resume=resume,
        download=download,
        use=use,
        remove=remove,
        copy=copy,
        warning=warning,
    )
