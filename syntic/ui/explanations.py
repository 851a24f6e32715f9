"""What the page says about every stage: name, equation, two sentences, and why one may be left out."""

from __future__ import annotations

from dataclasses import dataclass

from ..method.variant import Variant
from ..types import Stage


@dataclass(frozen=True, kw_only=True)
class StageText:
    """The words on one stage card.

    Attributes:
        name: a verb, as the paper's figure would name the step.
        equation: LaTeX without delimiters, with the paper's number where it has one.
        explanation: two sentences, Markdown.
    """

    name: str
    equation: str
    explanation: str


STAGE_TEXTS: dict[Stage, StageText] = {
    Stage.GENERATE: StageText(
        name="Generate a picture",
        equation=r"x_i = \mathrm{T2I}(t_i)",
        explanation=(
            "A frozen text-to-image model draws what the sentence says, from noise, in a few denoising "
            "steps. For training this is all there is: the method never sees a real picture."
        ),
    ),
    Stage.ENCODE: StageText(
        name="Encode it with CLIP",
        equation=r"f_\mathrm{sim}(s^v, t^t)=\frac{s^v}{\lVert s^v\rVert}\cdot\frac{t^t}{\lVert t^t\rVert}"
        r"\quad(1)",
        explanation=(
            "CLIP turns the picture into a feature of unit length, comparable with the features of texts by "
            "their cosine. Pictures and texts still lie in two separate regions: the modality gap."
        ),
    ),
    Stage.REFINE: StageText(
        name="Refine the feature",
        equation=r"\nabla_{s_i^v}\!\left[-\frac1b\sum_{i=1}^b\log\frac{e^{f_\mathrm{sim}(s_i^v,t_i^t)/\tau}}"
        r"{\sum_{j=1}^b e^{f_\mathrm{sim}(s_i^v,t_j^t)/\tau}}\right]\;(2)",
        explanation=(
            "Gradient steps on the generated feature alone pull it towards its own sentence and away from "
            "the others of a batch. This sharpens the pairing; it hardly narrows the modality gap."
        ),
    ),
    Stage.PROJECT: StageText(
        name="Project onto the texts",
        equation=r"v_i=\sum_{j=1}^{n}\frac{e^{f_\mathrm{sim}(s_i^v,t_j^t)/\tau}}"
        r"{\sum_{k=1}^{n}e^{f_\mathrm{sim}(s_i^v,t_k^t)/\tau}}\;t_j^t\quad(3)",
        explanation=(
            "The feature becomes a weighted mean of the corpus' text features, with softmax weights from the "
            "cosines. This is the step that closes the modality gap: the decoder only ever sees mixtures of "
            "texts."
        ),
    ),
    Stage.DETECT: StageText(
        name="Detect objects",
        equation=r"O_i^t=\{\mathrm{CLIP}_t(o_1),\dots,\mathrm{CLIP}_t(o_m)\}\quad(4)",
        explanation=(
            "A frozen detector finds objects, and the names of their classes become tags. CLIP encodes each "
            "tag as a text, so what the picture shows enters as language."
        ),
    ),
    Stage.ATTEND: StageText(
        name="Attend to the tags",
        equation=r"u_i=\mathrm{MHAttn}(s_i^v,\,O_i^t,\,O_i^t)\quad(5)",
        explanation=(
            "The image feature asks, the tag features answer: each attention head weighs the tags in its own "
            "way. Their mixture u names objects that the projection may have blurred."
        ),
    ),
    Stage.DECODE: StageText(
        name="Write the caption",
        equation=r"P_\theta(w_i\mid w_{<i},\,v,\,u)\quad(6)",
        explanation=(
            "A small transformer, trained on texts and generated pictures only, reads v and u as a prefix "
            "and writes word by word. Each word below carries the probability it had when it was chosen."
        ),
    ),
}


def left_out(stage: Stage, variant: Variant, *, from_text: bool, refinement_steps: int) -> str | None:
    """Say in one sentence why a stage does not run, or return None where it does."""
    if stage is Stage.GENERATE and not from_text:
        return "Nothing is generated: your picture is used as it is."
    if stage is Stage.REFINE:
        if not from_text:
            return (
                "A real picture is not refined: Eq. 2 needs the sentence that a picture was generated from."
            )
        if not variant.refine:
            return f"The variant “{variant.name}” leaves the refinement (FO) out: the feature stays as it is."
        if refinement_steps == 0:
            return "Zero refinement steps were asked for: the feature stays as it is."
    if stage is Stage.PROJECT and not variant.project:
        return f"The variant “{variant.name}” leaves the projection (FP) out: the decoder gets s itself."
    if stage is Stage.ATTEND and not variant.tags:
        return f"The variant “{variant.name}” does not attend to tags (AF): the decoder's prefix is v alone."
    return None
