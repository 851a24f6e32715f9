"""The widgets of the page "Learn": the list of steps, and one card that shows the step at hand."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

import gradio as gr

from ...lesson_service import PICTURES, Reads, Step
from ...service import SynticService
from ..components.gap_figures import FIGURE_SCRIPT
from ..lesson_answers import Answers
from ..lesson_texts import READS, STEPS, StepText
from ..scripts import script
from .walk_layout import LATEX

SLIDERS = {
    Step.CONE: "Dimensions of the random directions",
    Step.GAP: "Shift λ along the gap",
    Step.NOISE: "Standard deviation σ of the noise, per dimension",
    Step.PROJECTION: "Temperature of Eq. 3: 1 /",
    Step.REFINEMENT: "Steps of Eq. 2",
}
_STEPS_SCRIPT = script("lesson_steps.js")


@dataclass(frozen=True, kw_only=True)
class LessonControls:
    """What a visitor turns; all but those of the step at hand are hidden.

    Attributes:
        sliders: one for each step that has one.
    """

    corpus: gr.Dropdown
    sliders: dict[Step, gr.Slider]
    picture: gr.Slider
    reads: gr.Radio
    tags: gr.CheckboxGroup


@dataclass(frozen=True, kw_only=True)
class LessonViews:
    """What shows a step."""

    notice: gr.HTML
    steps: gr.HTML
    words: gr.Markdown
    look: gr.HTML
    figure: gr.HTML
    numbers: gr.HTML
    captions: gr.HTML
    exercise: gr.HTML
    turn: gr.HTML
    sheets: gr.HTML


def build_learn_layout(service: SynticService) -> tuple[LessonControls, LessonViews]:
    """Draw the page inside the current `gr.Blocks`."""
    corpora = service.gap.corpora
    first = next(iter(STEPS))
    with gr.Row(elem_id="l-page"):
        with gr.Column(elem_id="l-panel"):
            gr.HTML('<h2 class="s-heading">The modality gap <small>in eight steps</small></h2>')
            steps = gr.HTML(step_list(first), js_on_load=_STEPS_SCRIPT, elem_id="l-steps")
            corpus = gr.Dropdown(corpora, value=corpora[0], label="Corpus of texts", visible=len(corpora) > 1)
            gr.Button("Copy link", variant="secondary", size="sm", elem_id="s-copy")
        with gr.Column(elem_id="l-views"):
            notice = gr.HTML("", elem_id="l-notice")
            with gr.Column(elem_classes="g-card", elem_id="l-step"):
                with gr.Row(elem_id="l-twins"):
                    with gr.Column(elem_id="l-text"):
                        words = gr.Markdown(
                            step_words(first),
                            latex_delimiters=LATEX,
                            elem_classes="s-words",
                            elem_id="l-words",
                        )
                    with gr.Column(elem_id="l-show"):
                        look = gr.HTML(step_look(first), elem_id="l-look")
                        picture = gr.Slider(
                            1, PICTURES, value=1, step=1, label="Picture", elem_id="l-picture"
                        )
                        sliders = {
                            step: gr.Slider(
                                0, 1, value=0, step=0.01, label=label, visible=False, elem_id=f"l-{step}"
                            )
                            for step, label in SLIDERS.items()
                        }
                        reads = gr.Radio(
                            [(READS[r], r.value) for r in Reads],
                            value=Reads.PICTURE.value,
                            label="What the decoder reads",
                            visible=False,
                            elem_id="l-reads",
                        )
                        tags = gr.CheckboxGroup(
                            [], label="Tags the decoder is given", visible=False, elem_id="l-tags"
                        )
                        figure = gr.HTML("", js_on_load=FIGURE_SCRIPT, elem_id="l-figure")
                        numbers = gr.HTML("", elem_id="l-numbers")
                captions = gr.HTML("", elem_id="l-captions")
            exercise = gr.HTML("", elem_id="l-exercise")
            turn = gr.HTML(turn_links(first), js_on_load=_STEPS_SCRIPT, elem_id="l-turn")
            sheets = gr.HTML({}, html_template="", js_on_load=script("gap_sheets.js"), elem_id="g-sheets")
    controls = LessonControls(corpus=corpus, sliders=sliders, picture=picture, reads=reads, tags=tags)
    views = LessonViews(
        notice=notice,
        steps=steps,
        words=words,
        look=look,
        figure=figure,
        numbers=numbers,
        captions=captions,
        exercise=exercise,
        turn=turn,
        sheets=sheets,
    )
    return controls, views


def step_list(current: Step) -> str:
    """Return the list of steps, each a link to itself."""
    items = "".join(
        f'<li><a href="learn?step={step}" data-step="{step}"'
        f"{' aria-current=step' if step is current else ''}>{escape(text.name)}</a></li>"
        for step, text in STEPS.items()
    )
    return f'<nav aria-label="Steps of the lesson"><ol class="l-steps">{items}</ol></nav>'


def turn_links(current: Step) -> str:
    """Return the links to the steps before and after."""
    steps = list(STEPS)
    at = steps.index(current)
    back = next_ = "<span></span>"
    if at > 0:
        before = steps[at - 1]
        back = f'<a href="learn?step={before}" data-step="{before}">← {escape(STEPS[before].name)}</a>'
    if at + 1 < len(steps):
        after = steps[at + 1]
        next_ = (
            f'<a class="s-button" href="learn?step={after}" data-step="{after}">'
            f"Next: {escape(STEPS[after].name)} →</a>"
        )
    return f'<nav class="l-turn" aria-label="Back and next">{back}{next_}</nav>'


def step_words(step: Step) -> str:
    """Return the words of a step as Markdown."""
    text, number = STEPS[step], list(STEPS).index(step) + 1
    title = f'## <span class="l-number">Step {number} of {len(STEPS)}</span> {text.title}'
    return f"{title}\n\n{text.words}\n\n$${text.equation}$$"


def step_look(step: Step) -> str:
    """Return what to turn and to watch."""
    return f'<p class="l-look">{escape(STEPS[step].look)}</p>'


def exercise_card(text: StepText, answers: Answers) -> str:
    """Return the question on the figure and the exercise on another page, their answers hidden."""
    return (
        '<div class="g-card l-tasks"><section><h3 class="s-title">Question</h3>'
        f"<p>{escape(text.question)}</p>{_hidden(answers.question)}</section>"
        f'<section><h3 class="s-title">Exercise</h3><p>{escape(text.exercise)}</p>'
        f'<p><a class="s-button" href="{escape(answers.link)}" target="_blank">Open “{escape(text.opens)}”'
        '<span class="g-spoken"> in a new tab</span> ↗</a></p>'
        f"<p>{escape(text.task)}</p>{_hidden(answers.task)}</section></div>"
    )


def _hidden(answer: str) -> str:
    return f"<details><summary>Show the answer</summary><p>{escape(answer)}</p></details>"
