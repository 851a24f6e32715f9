"""What the page "Learn" shows at a step: its figure, the numbers below it, and captions with tags."""

from __future__ import annotations

from html import escape

from ...lesson_service import Lesson, LessonView, Step, Tagging, TagReading
from ..numbers import number
from .gap_figures import panels_figure
from .lesson_figures import Bar, bars_figure, distribution_figure, refinement_figure
from .pictures import data_uri
from .stages import stats
from .words import mark_words


def figure_of(lesson: Lesson, view: LessonView, reading: TagReading | None = None) -> str:
    """Return the figure of a step.

    Args:
        lesson: computes it.
        view: of the step.
        reading: the attention over the tags, once the decoder has read them.
    """
    name = f"lesson-{view.step}"
    if view.step is Step.CLIP:
        found = lesson.matching(view)
        bars = [
            Bar(
                text=c.caption,
                value=c.cosine,
                label=f"{number(c.cosine, 2)} · {c.probability:.0%}",
                is_own=c.is_own,
            )
            for c in found.candidates
        ]
        what = "cosine, and how sure the softmax is"
        return bars_figure(name, _picture(lesson, view, found.item), found.caption, bars, what)
    if view.step is Step.CONE:
        return distribution_figure(name, lesson.cone(view), "cosine of any two")
    if view.step is Step.GAP:
        return panels_figure(lesson.panels(view), name)
    if view.step is Step.TEXTS:
        axis = "place on the way from the texts’ mean to the pictures’"
        return distribution_figure(name, lesson.inputs(view), axis, "halfway")
    if view.step is Step.NOISE:
        return distribution_figure(name, lesson.blur(view), "distance")
    if view.step is Step.PROJECTION:
        mixture = lesson.mixture(view)
        bars = [
            Bar(text=c, value=w, label=f"{w:.1%}")
            for c, w in zip(mixture.captions, mixture.weights, strict=True)
        ]
        picture = _picture(lesson, view, mixture.item)
        return bars_figure(name, picture, mixture.caption, bars, "largest weights of texts")
    if view.step is Step.REFINEMENT:
        limits = lesson.range(view.step, view.corpus)
        assert limits is not None
        assert view.value is not None
        return refinement_figure(name, lesson.refinement(view.corpus), view.value, limits.high)
    return _tags_figure(lesson, view, name, reading)


def numbers_of(lesson: Lesson, view: LessonView) -> str:
    """Return the numbers below the figure of a step."""
    return stats(*_numbers(lesson, view))


def tag_captions(tagging: Tagging, reading: TagReading) -> str:
    """Return what the decoder writes with the tags given and with none."""
    words = mark_words(reading.without_tags, reading.with_tags)
    given = ", ".join(tagging.given) or "none"
    return (
        '<p class="s-note">The same decoder reads the same feature, once with tags and once with none.</p>'
        '<div class="g-samples"><div class="g-sample"><span>'
        f'<span class="own"><small>drawn from the text</small>{escape(tagging.caption)}</span>'
        f"<span><small>without tags</small>{escape(reading.without_tags)}</span>"
        f'<span class="now"><small>with the tags: {escape(given)}</small>{words}</span>'
        "</span></div></div>"
    )


def _numbers(lesson: Lesson, view: LessonView) -> list[tuple[str, str]]:
    if view.step is Step.CLIP:
        found = lesson.matching(view)
        return [
            (f"{found.place} of {found.texts}", "place of its own text"),
            (f"{found.own_first:.0%}", "of all pictures have their own text first"),
        ]
    if view.step is Step.CONE:
        facts = lesson.cone(view).facts
        return [
            (f"{facts['dimensions']:.0f}", "dimensions of the features"),
            (f"{facts['pictures spread as in']:.0f}", "would spread random cosines as the pictures’ are"),
            (f"{facts['texts spread as in']:.0f}", "as the texts’ are"),
        ]
    if view.step is Step.GAP:
        panels = {panel.key: panel for panel in lesson.panels(view)}
        turned = panels.get("now")
        now = [(f"{turned.distance:.2f}", "distance of the means now")] if turned else []
        return [
            (f"{panels['generated'].distance:.2f}", "distance of the means as they are"),
            *now,
            (f"{panels['random'].distance:.2f}", "by chance"),
        ]
    if view.step is Step.TEXTS:
        facts = lesson.inputs(view).facts
        return [
            (f"{facts['beyond the middle']:.0%}", "of what it reads lies beyond the middle"),
            (f"{facts['distance']:.2f}", "distance of its mean from the texts’"),
        ]
    if view.step is Step.NOISE:
        facts = lesson.blur(view).facts
        return [
            (f"{facts['own first']:.0%}", "of the texts are still nearest to themselves"),
            (f"{facts['distance']:.2f}", "distance of the means of pictures and texts"),
            (f"{facts['distance before']:.2f}", "the same without noise"),
        ]
    if view.step is Step.PROJECTION:
        mixture = lesson.mixture(view)
        return [
            (f"{mixture.effective:,.1f}", f"effective number of texts, out of {mixture.texts:,}"),
            (f"{mixture.typical:,.1f}", "the same for a typical picture"),
            (f"{mixture.distance:.2f}", f"distance of the means, {mixture.distance_before:.2f} before"),
        ]
    if view.step is Step.REFINEMENT:
        curve = lesson.refinement(view.corpus)
        if not curve.complete:
            return [("…", "Eq. 2 runs; the steps between follow in a moment")]
        at = curve.nearest(view.value or 0.0)
        return [
            (f"{curve.losses[0]:.2f} → {curve.losses[at]:.2f}", "loss"),
            (f"{curve.own_first[0]:.0%} → {curve.own_first[at]:.0%}", "own text first"),
            (f"{curve.distances[0]:.3f} → {curve.distances[at]:.3f}", "distance of the means"),
        ]
    tagging = lesson.tagging(view)
    return [(f"{len(tagging.given)} of {len(tagging.tags)}", "tags are given")]


def _tags_figure(lesson: Lesson, view: LessonView, name: str, reading: TagReading | None) -> str:
    tagging = lesson.tagging(view)
    weights = reading.attention if reading else [0.0] * len(tagging.given)
    bars = [
        Bar(text=tag, value=weight, label=f"{weight:.0%}" if reading else "…")
        for tag, weight in zip(tagging.given, weights, strict=True)
    ]
    bars += [Bar(text=tag, value=0.0, label="not given") for tag in tagging.tags if tag in view.without]
    picture = _picture(lesson, view, tagging.item)
    return bars_figure(name, picture, tagging.caption, bars, "attention to every tag")


def _picture(lesson: Lesson, view: LessonView, item: int) -> str | None:
    picture = lesson.picture(view.corpus, item)
    return None if picture is None else data_uri(picture, side_px=256)
