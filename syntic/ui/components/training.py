"""A training run as markup: its head, its curves, what was drawn for it, and what it writes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

from ...jobs import JobState, JobStatus
from .stage_card import empty
from .training_figures import Points, save_losses, save_scores

PICTURES_SHOWN = 5
CAPTIONS_SHOWN = 4
SMOOTHING = 0.7

_STAGES = {
    "pictures": "looking at the validation pictures",
    "refine": "refining the features (Eq. 2)",
    "project": "projecting them onto the texts (Eq. 3)",
    "tags": "encoding the tags (Eq. 4)",
}
_STEPS = ("Draw", "Prepare", "Train", "Ready")
_REACHED = {JobState.DRAWING: 0, JobState.PREPARING: 1, JobState.TRAINING: 2, JobState.FINISHED: 3}
_DOTS = {
    JobState.WAITING: "waiting",
    JobState.FINISHED: "done",
    JobState.STOPPED: "left-out",
    JobState.FAILED: "stopped",
}


def run_head(status: JobStatus | None, sentence: str = "") -> str:
    """Return the head of the page: what the run is, how far it is, and its figures.

    Args:
        status: of the run.
        sentence: why there is none, where one was asked for.
    """
    if status is None:
        error = f'<p class="s-note error" role="alert">{escape(sentence)}</p>' if sentence else ""
        return (
            '<section class="s-runhead" aria-label="Run"><p class="s-caption waiting">Choose what to learn '
            f"from, a variant and a budget, then press Start.</p>{error}</section>"
        )
    texts = status.corpus or "own captions"
    what = f"{status.variant} · {texts} · {status.captions:,} captions"
    failed = status.state is JobState.FAILED
    note = f'<p class="s-note{" error" if failed else ""}">{escape(status.note)}</p>' if status.note else ""
    return (
        f'<section class="s-runhead" aria-label="Run"><p class="s-what">{escape(what)}</p>'
        f'<p class="s-caption">{escape(status.label)}</p>'
        f'<div class="s-state {_DOTS.get(status.state, "running")}" data-state="{status.state}">'
        f"{_progress(status)}</div>{note}{_rail(status)}{_figures(status)}</section>"
    )


def loss_figure(status: JobStatus | None) -> str:
    """Return the loss of Eq. 6 over the steps, with its moving average and the buttons that save it."""
    if status is None or len(status.losses) < 2:
        return empty("The loss will appear here, step by step.")
    values = [value for _, value in status.losses]
    low, high = min(values), max(values)
    smoothed, area = _smoothed(status.losses), _Area(status.steps or status.losses[-1][0], low, high)
    name = f"Loss from {values[0]:.2f} to {values[-1]:.2f}"
    paths = f'<path class="raw" d="{area.path(status.losses)}"/>'
    paths += f'<path d="{area.path(smoothed)}"/>'
    drawn = area.frame(name, paths, f"{high:.2f}", f"{low:.2f}", "loss of Eq. 6")
    return drawn + save_losses(status.losses, smoothed, area.steps)


def score_figure(status: JobStatus | None) -> str:
    """Return CIDEr over the steps, beside that of the shipped decoder, and the buttons that save it."""
    if status is not None and status.state is JobState.FINISHED and not status.curve:
        return empty("This run was not validated.")
    if status is None or not status.curve:
        return empty("CIDEr on the validation pictures will appear here, a few times in a run.")
    reference = status.reference
    high = max([value for _, value in status.curve] + [reference or 0.0, 1.0])
    area = _Area(status.steps or status.curve[-1][0], 0.0, high)
    marks = "".join(
        f'<i style="left:{area.x(step):.2f}%;top:{area.y(value):.2f}%" title="step {step}: {value:.1f}"></i>'
        for step, value in status.curve
    )
    lines = f'<path d="{area.path(status.curve)}"/>'
    if reference is not None:
        y = area.y(reference)
        lines += f'<path class="reference" d="M0 {y:.2f}L100 {y:.2f}"/>'
        side = "below" if y < 20 else "above"
        marks += f'<span class="{side}" style="top:{y:.2f}%">the shipped decoder: {reference:.1f}</span>'
    name = f"CIDEr, last {status.curve[-1][1]:.1f}"
    drawn = area.frame(name, lines, f"{high:.0f}", "0", "CIDEr of the validation pictures", marks)
    return drawn + save_scores(status.curve, reference, area.steps)


def sample_figure(status: JobStatus | None, thumbnails: Mapping[str, str]) -> str:
    """Return the sample pictures, each with what the decoder wrote about it, the newest first.

    Args:
        status: of the run.
        thumbnails: picture -> data URI.
    """
    if status is None or not status.samples:
        return ""
    newest = status.samples[: -CAPTIONS_SHOWN - 1 : -1]
    items = ""
    for position, (picture, _) in enumerate(newest[0][1][:PICTURES_SHOWN]):
        lines = "".join(
            f"<li><small>step {step:,}</small>{escape(pairs[position][1]) or '(nothing)'}</li>"
            for step, pairs in newest
            if position < len(pairs)
        )
        uri = thumbnails.get(picture, "")
        image = f'<img src="{uri}" alt="Validation picture {escape(picture)}">' if uri else "<span></span>"
        items += f"<li>{image}<ol>{lines}</ol></li>"
    return (
        '<p class="s-sub">What it writes about pictures that it never learns from</p>'
        f'<ul class="s-written">{items}</ul>'
    )


def drawn_figure(status: JobStatus | None, drawn: Sequence[tuple[str, str]]) -> str:
    """Return the newest pictures that the run drew for its captions.

    Args:
        status: of the run.
        drawn: (caption, data URI).
    """
    if status is None:
        return empty("New captions get a picture each, which will appear here.")
    if not status.draws:
        return empty(f"The pictures of “{status.corpus}” are drawn and encoded already.")
    if not drawn:
        return empty(
            "The first picture is on its way …" if status.state.is_active else "Nothing is drawn yet."
        )
    items = "".join(
        f'<figure><img src="{uri}" alt=""><figcaption>{escape(caption)}</figcaption></figure>'
        for caption, uri in drawn
    )
    return f'<div class="s-drawn">{items}</div>'


def run_buttons(runs: Mapping[str, JobStatus], current: str | None) -> str:
    """Return a visitor's runs as buttons, by position."""
    if not runs:
        return '<p class="s-note">Runs that you start or bring are listed here, in this browser only.</p>'
    items = "".join(
        f'<button type="button" data-index="{index}"{" aria-current=true" if key == current else ""}>'
        f"{escape(run.label)}<small>{run.state}"
        f"{f', CIDEr {run.curve[-1][1]:.1f}' if run.curve else ''}</small></button>"
        for index, (key, run) in enumerate(runs.items())
    )
    return f'<div class="s-runs">{items}</div>'


def time_text(seconds: float) -> str:
    """Write a longer duration as people say it: `8 s`, `2 min 05 s`, `1 h 10 min`."""
    whole = max(0, math.ceil(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _progress(status: JobStatus) -> str:
    state = status.state
    if state is JobState.WAITING:
        if not status.ahead:
            return "its turn begins …"
        return f"waiting: {status.ahead} {'run is' if status.ahead == 1 else 'runs are'} ahead"
    if state is JobState.DRAWING:
        return f"drawing picture {status.done} of {status.total} {_bar(status.done, status.total)}"
    if state is JobState.PREPARING:
        return f"{_STAGES.get(status.stage, 'preparing')} {_bar(status.done, status.total)}"
    if state is JobState.TRAINING:
        total = status.steps or 0
        return f"training, step {status.step:,} of {total:,} {_bar(status.step, total)}"
    if state is JobState.FINISHED:
        return f"finished in {time_text(status.seconds)}" if status.seconds else "finished"
    if state is JobState.FAILED:
        return "failed"
    if status.step:
        return f"stopped at step {status.step:,} of {status.steps or 0:,}"
    return "stopped before its first step"


def _bar(done: int, total: int) -> str:
    return f'<progress value="{done}" max="{total}"></progress>' if total else ""


def _rail(status: JobStatus) -> str:
    reached = _REACHED.get(status.state)
    if reached is None:
        reached = 2 if status.step else 0
    items = ""
    for position, name in enumerate(_STEPS):
        kind = "waiting"
        if position < reached or status.state is JobState.FINISHED:
            kind = "done"
        elif position == reached and status.state is not JobState.WAITING:
            kind = "running" if status.state.is_active else "stopped"
        if position == 0 and not status.draws:
            kind = "done left-out"
        items += f'<li class="{kind}"><a>{name}</a></li>'
    return f'<ol class="s-rail" aria-label="Stages of the run">{items}</ol>'


def _figures(status: JobStatus) -> str:
    figures: list[tuple[str, str]] = []
    if status.losses:
        figures.append((f"{_smoothed(status.losses)[-1][1]:.2f}", "loss, smoothed"))
    if status.curve:
        figures.append((f"{status.curve[-1][1]:.1f}", f"CIDEr at step {status.curve[-1][0]:,}"))
    if status.rate is not None:
        figures.append(
            (f"{status.rate:.1f}" if status.rate < 10 else f"{status.rate:.0f}", "steps per second")
        )
    if status.remaining_seconds is not None and status.done:
        kind = "to draw the rest" if status.state is JobState.DRAWING else "left"
        figures.append((time_text(status.remaining_seconds), kind))
    items = "".join(f"<div><strong>{escape(v)}</strong>{escape(label)}</div>" for v, label in figures)
    return f'<div class="s-stats">{items}</div>' if items else ""


def _smoothed(points: Points) -> list[tuple[int, float]]:
    """Return the exponential moving average, whose first values are not drawn towards zero."""
    smoothed, total, weight = [], 0.0, 0.0
    for step, value in points:
        total, weight = SMOOTHING * total + value, SMOOTHING * weight + 1.0
        smoothed.append((step, total / weight))
    return smoothed


class _Area:
    """A plot whose axes run from step 0 to `steps` and from `low` to `high`, both in per cent."""

    def __init__(self, steps: int, low: float, high: float) -> None:
        self.steps, self.low, self.span = max(steps, 1), low, max(high - low, 1e-9)

    def x(self, step: int) -> float:
        return 100.0 * step / self.steps

    def y(self, value: float) -> float:
        return 100.0 - 100.0 * (value - self.low) / self.span

    def path(self, points: Points) -> str:
        return "M" + "L".join(f"{self.x(step):.2f} {self.y(value):.2f}" for step, value in points)

    def frame(self, name: str, paths: str, top: str, bottom: str, axis: str, marks: str = "") -> str:
        return (
            f'<div class="s-curve-box"><div class="y"><span>{top}</span><span>{bottom}</span></div>'
            f'<div class="frame s-plot"><svg class="s-curve" viewBox="0 0 100 100" role="img" '
            f'preserveAspectRatio="none" aria-label="{escape(name)}">{paths}</svg>{marks}</div>'
            f'<div class="x"><span>0</span><span>{escape(axis)}</span><span>{self.steps:,}</span></div></div>'
        )
