"""The hidden answers of the page "Learn", and where its exercises lead.

Every number is computed on the profile at hand, and what an answer claims of them follows from them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ..baselines.capdec import NOISE_VARIANCE
from ..evaluation.controls import Control
from ..evaluation.map import Kind
from ..gap_service import RANDOM, GapView, Layout
from ..lesson_service import CLIP_TEMPERATURE, Lesson, LessonView, Reads, Step
from ..service import SynticService
from .numbers import number
from .pages.gap_link import Marks, write_gap_query
from .permalink import walk_query


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What a step hides until it is asked.

    Attributes:
        link: of the exercise, relative to the app's root.
        question: the answer to the question about the figure.
        task: the answer to the exercise's.
    """

    link: str
    question: str
    task: str


def answer(service: SynticService, step: Step, corpus: str) -> Answers:
    """Return the answers of a step, computed on a corpus."""
    question, task = _ANSWERS[step]
    return Answers(
        link=exercise_link(service, step, corpus),
        question=question(service.lesson, corpus),
        task=task(service.lesson, corpus),
    )


def exercise_link(service: SynticService, step: Step, corpus: str) -> str:
    """Return the address of the page that an exercise opens, in the state it is about."""
    if step is Step.TAGS:
        examples = list(service.example_images)
        given = {"example": examples[0]} if examples else {}
        variant = service.lesson.variant_with_tags(corpus)
        named = {"variant": variant.name} if variant else {}
        return "./" + walk_query(**given, **named, corpus=corpus)
    gap, marks = service.gap, Marks()
    view = gap.standard_view(corpus)

    def turned(control: Control, value: float) -> GapView:
        return replace(view, control=control, value=value)

    if step is Step.CLIP:
        marks = Marks(focus=(Kind.GENERATED, _pointed_at(service.lesson, corpus)))
    elif step is Step.CONE:
        marks = Marks(heatmap=RANDOM)
    elif step is Step.GAP:
        view = replace(turned(Control.SHIFT, 1), layout=Layout.PCA)
    elif step is Step.TEXTS:
        view = turned(Control.SHIFT, 1)
    elif step is Step.NOISE:
        view = turned(Control.NOISE, _capdec_noise())
    elif step is Step.PROJECTION:
        view = turned(Control.TEMPERATURE, gap.range(corpus, Control.TEMPERATURE).low)
    else:
        view = turned(Control.REFINEMENT, gap.range(corpus, Control.REFINEMENT).high)
    return "gap" + write_gap_query(view, marks, gap.standard_view)


def _capdec_noise() -> float:
    return round(float(np.sqrt(NOISE_VARIANCE)), 2)


def _pointed_at(lesson: Lesson, corpus: str) -> int:
    """A generated picture that the first exercise points at, the same for everybody."""
    return int(np.random.default_rng(0).integers(len(lesson.gap.sample(corpus))))


def _first(step: Step, corpus: str) -> LessonView:
    return LessonView(step=step, corpus=corpus)


def _why_sure(lesson: Lesson, corpus: str) -> str:
    found = lesson.matching(_first(Step.CLIP, corpus))
    best, second = sorted((c.cosine for c in found.candidates), reverse=True)[:2]
    factor = float(np.exp(min((best - second) / CLIP_TEMPERATURE, 50.0)))
    times = f"{factor:,.1f}" if factor < 1e6 else "more than a million"
    return (
        f"The softmax sees the cosines divided by τ = {CLIP_TEMPERATURE:g}. For the first picture the two "
        f"best texts are {best - second:.3f} apart, which makes one {times} times as likely as the "
        "other. So only the order of the cosines within a batch was trained, and how far apart they are; "
        f"nothing asks a pair’s cosine to be near 1. Of all pictures here {found.own_first:.0%} find their "
        f"own text first among {found.texts}."
    )


def _nearer(lesson: Lesson, corpus: str) -> str:
    item = _pointed_at(lesson, corpus)
    near = lesson.gap.neighbours(GapView(corpus=corpus), Kind.GENERATED, item, 1)
    text, other = near[Kind.TEXT][0].cosine, near[Kind.GENERATED][0].cosine
    own = lesson.gap.sample(corpus)
    pair = float(own.features[Kind.GENERATED][item] @ own.features[Kind.TEXT][item])
    told = (
        "Another picture is closer than any text: features keep first to their modality and then to their "
        "content."
        if other > text
        else "Here the text is closer; try other points. Wherever a picture of something else is closer than "
        "the picture’s own text, modality counts more than content."
    )
    return (
        f"Cosine to the nearest text {number(text, 2)}, to the nearest other picture {number(other, 2)}, "
        f"to its own text {number(pair, 2)}. {told}"
    )


def _why_orthogonal(lesson: Lesson, corpus: str) -> str:
    found = lesson.cone(_first(Step.CONE, corpus))
    width = found.facts["dimensions"]
    pictures, texts, _ = (group.mean for group in found.groups)
    return (
        "The cosine is a sum of as many products as there are dimensions, half of them negative, so they "
        f"cancel. Its standard deviation is 1/√D, here 1/√{width:.0f} = {width**-0.5:.3f}. The features’ "
        f"mean cosines are {number(pictures, 3)} for pictures and {number(texts, 3)} for texts; a mean over "
        "thousands of pairs would be 0.00 if their directions were random."
    )


def _quadrants(lesson: Lesson, corpus: str) -> str:
    view = GapView(corpus=corpus)

    def means(stage: str) -> tuple[str, str, str]:
        found = lesson.gap.heatmap(view, stage).heatmap
        pictures, texts, across = (
            number(mean, 2) for mean in (found.image_image, found.text_text, found.image_text)
        )
        return pictures, texts, across

    chance, here = means(RANDOM), means(Kind.GENERATED.value)
    return (
        f"For random directions all are alike: pictures among themselves {chance[0]}, texts {chance[1]}, "
        f"across {chance[2]}. For generated pictures they are {here[0]}, {here[1]} and {here[2]}. A quadrant "
        "that is lighter as a whole is a cone; squares along the diagonal are clusters of similar content; "
        "a picture-text quadrant that is darker than both others is the gap."
    )


def _by_chance(lesson: Lesson, corpus: str) -> str:
    panels = {panel.key: panel for panel in lesson.panels(_first(Step.GAP, corpus))}
    here, chance = panels[Kind.GENERATED].distance, panels[RANDOM].distance
    return (
        f"Any two finite sets have different means: here {chance:.2f} by chance alone. A distance says "
        f"something where it exceeds that; between pictures and texts it is {here:.2f}, "
        f"{here / chance:.1f} times as much."
    )


def _one_cloud(lesson: Lesson, corpus: str) -> str:
    curve = lesson.gap.shift_curves(corpus)[Kind.GENERATED]
    best = float(curve.amounts[curve.losses.argmin()])
    at = {amount: float(curve.losses[np.abs(curve.amounts - amount).argmin()]) for amount in (0, 1)}
    closing = "falls" if at[1] < at[0] else "rises"
    return (
        "The means meet, but the two clouds keep their shapes: see how often a linear classifier still tells "
        "them apart (linear separability; 0.5 is chance). A shift removes what all pictures share, nothing "
        f"else. The loss {closing} from {at[0]:.2f} at λ = 0 to {at[1]:.2f} at λ = 1 and is lowest at "
        f"λ = {number(best)}. That depends on the model: Liang et al. found the lowest loss near λ = 0 for "
        "the CLIP they looked at."
    )


def _why_fluent(lesson: Lesson, corpus: str) -> str:
    found = lesson.inputs(_first(Step.TEXTS, corpus))
    return (
        "Grammar is in the decoder; only the content comes from the feature. A decoder that is given a "
        "feature from elsewhere goes on writing captions as it learned to, about something else. So errors "
        "are wrong things, not broken sentences, and cannot be seen without the picture. Here "
        f"{found.facts['beyond the middle']:.0%} of the pictures’ features lie beyond the middle, and "
        f"{found.facts['texts beyond the middle']:.0%} of the texts’."
    )


def _same_vector(lesson: Lesson, corpus: str) -> str:
    view = _first(Step.TEXTS, corpus)
    before, after = (lesson.inputs(replace(view, reads=r)).facts for r in (Reads.PICTURE, Reads.MOVED))
    return (
        f"The distance of the means goes from {before['distance']:.2f} to {after['distance']:.2f}, and yet "
        "not every caption gains. What differs between a picture and its text is not the same for all pairs: "
        "a drawing shows things its text leaves out, and the text names things CLIP does not see. One vector "
        "cannot repair that. A caption that was right may even get worse."
    )


def _noise_and_means(lesson: Lesson, corpus: str) -> str:
    found = lesson.blur(replace(_first(Step.NOISE, corpus), value=_capdec_noise()))
    width = lesson.gap.sample(corpus).features[Kind.TEXT].shape[1]
    before, now = found.facts["distance before"], found.facts["distance"]
    away, thrown = (group.mean for group in found.groups)
    how = "Hardly" if abs(now - before) < 0.2 * before else "Not by itself"
    return (
        f"{how}: noise has no direction, so it spreads the texts and does not carry them to the pictures. At "
        f"σ = {_capdec_noise():g}, near CapDec’s own, the distance is {now:.2f} after {before:.2f} without "
        f"noise. But the noise is long, σ√D = {_capdec_noise() * width**0.5:.1f} beside a feature of length "
        f"1: it throws a text {thrown:.2f} far on average, and its picture is {away:.2f} away."
    )


def _survivors(lesson: Lesson, corpus: str) -> str:
    found = lesson.blur(replace(_first(Step.NOISE, corpus), value=_capdec_noise()))
    return (
        f"With that noise {found.facts['own first']:.0%} of the texts are still nearest to themselves among "
        "all texts. What tells a sentence from its neighbours is the first to go. That is the price of "
        "noise, and the more texts there are that say nearly the same, the higher it is. The decoder that "
        "reads here is FP’s, which never learned with noise; CapDec’s own did, to undo it."
    )


def _temperatures(lesson: Lesson, corpus: str) -> str:
    view, limits = _first(Step.PROJECTION, corpus), lesson.range(Step.PROJECTION, corpus)
    assert limits is not None
    found = [
        lesson.mixture(replace(view, value=value)) for value in (limits.low, limits.standard, limits.high)
    ]
    low, middle, high = (one.typical for one in found)
    return (
        f"At 1/{limits.low:g} a typical picture is a mixture of {low:,.0f} texts out of {found[0].texts:,}; "
        f"so many together say nothing of this picture. At 1/{limits.high:g} it is {high:.1f}: the "
        "nearest few, errors included, and the decoder can only repeat them. The profile’s "
        f"1/{limits.standard:g} mixes {middle:.1f}."
    )


def _ends(lesson: Lesson, corpus: str) -> str:
    view, limits = _first(Step.PROJECTION, corpus), lesson.range(Step.PROJECTION, corpus)
    assert limits is not None
    low, high = (lesson.mixture(replace(view, value=value)) for value in (limits.low, limits.high))
    return (
        "At the highest temperature all pictures drift towards one point, the mean of the texts, and "
        "captions lose what tells pictures apart. At the lowest each becomes the nearest few. The distance "
        f"of the means, {low.distance_before:.2f} before, is {low.distance:.2f} at the one end and "
        f"{high.distance:.2f} at the other; it does not say which mixture still shows what the picture "
        "shows. The captions do."
    )


def _why_loss_falls(lesson: Lesson, corpus: str) -> str:
    curve = lesson.refinement(corpus)
    there = curve.nearest(lesson.gap.sample(corpus).refinement.steps)
    return (
        "The loss compares one picture’s cosines with one another. Moving a picture along the gap changes "
        "its cosines to all texts by about the same, which cancels in the softmax, so there is almost no "
        "gradient in that direction. What pays is to turn towards the own text and away from the others: "
        f"after {curve.steps[there]} steps the loss went from {curve.losses[0]:.2f} to "
        f"{curve.losses[there]:.2f}."
    )


def _what_moved(lesson: Lesson, corpus: str) -> str:
    curve = lesson.refinement(corpus)
    last = len(curve.steps) - 1
    return (
        f"After {curve.steps[last]} steps the share of pictures that find their own text first goes from "
        f"{curve.own_first[0]:.0%} to {curve.own_first[last]:.0%} and the cosine of the pairs from "
        f"{number(curve.cosines[0], 3)} to {number(curve.cosines[last], 3)}; the distance of the means goes "
        f"from {curve.distances[0]:.3f} to {curve.distances[last]:.3f}, while projection brings it to "
        f"{curve.projected:.3f}. Sharpening pairs and closing the gap are two things. "
        + _own_captions(lesson, corpus)
    )


def _own_captions(lesson: Lesson, corpus: str) -> str:
    """What refinement does to the weight of the own caption in Eq. 3."""
    view = lesson.gap.standard_view(corpus)
    lesson.gap.mix(view)
    found = {column.key: column.measures for column in lesson.gap.measures(view)}
    before, after = (found[kind.value] for kind in (Kind.GENERATED, Kind.REFINED))
    assert before is not None
    assert after is not None
    return (
        "The last row of the table is a trap: the texts of Eq. 3 hold the caption that a picture was drawn "
        f"from. It has {before.own_weight:.1%} of the weight of a generated picture, "
        f"{after.own_weight:.1%} of a refined one (medians), and a test picture has none there."
    )


def _tags_have_no_gap(lesson: Lesson, corpus: str) -> str:
    return (
        "The detector’s answer is a word, and the word goes through CLIP’s text encoder. Whether the "
        "picture was generated, as in training, or is real, as in use, the same word gives the same "
        "feature. What can differ is which words are found, and the detector may err on drawings."
    )


def _without_tags(lesson: Lesson, corpus: str) -> str:
    return (
        "Look at the names of things first: those are what tags say, while settings and actions are in the "
        "mixture of texts alone. The card “Attend to the tags” shows the attention head by head. A "
        "variant without AF is another decoder, which learned without tags, so a word may also change by "
        "chance: try a few pictures before you conclude."
    )


_Answer = Callable[[Lesson, str], str]
_ANSWERS: dict[Step, tuple[_Answer, _Answer]] = {
    Step.CLIP: (_why_sure, _nearer),
    Step.CONE: (_why_orthogonal, _quadrants),
    Step.GAP: (_by_chance, _one_cloud),
    Step.TEXTS: (_why_fluent, _same_vector),
    Step.NOISE: (_noise_and_means, _survivors),
    Step.PROJECTION: (_temperatures, _ends),
    Step.REFINEMENT: (_why_loss_falls, _what_moved),
    Step.TAGS: (_tags_have_no_gap, _without_tags),
}
