"""What the page "Modality gap" says about every view: a title, an equation, two sentences."""

from __future__ import annotations

from dataclasses import dataclass

from ..evaluation.controls import Control


@dataclass(frozen=True, kw_only=True)
class ViewText:
    """The words beside one view.

    Attributes:
        title: of the card.
        explanation: two sentences, Markdown.
        equation: LaTeX without delimiters.
    """

    title: str
    explanation: str
    equation: str


VIEWS: dict[str, ViewText] = {
    "map": ViewText(
        title="Texts and pictures on one map",
        explanation=(
            "Every mark is one CLIP feature: a caption, the picture generated from it, that picture refined "
            "and projected, or a real picture. UMAP keeps neighbours together and distorts distances, PCA "
            "keeps distances along few directions; a gap that both show is worth measuring."
        ),
        equation=r"\begin{aligned}&\text{PCA:}&&z=W^\top(f-\bar f)\\"
        r"&\text{UMAP, moved:}&&z=\textstyle\sum_j w_j z_j,\; w_j\propto e^{-d_j/\sigma}\end{aligned}",
    ),
    "measures": ViewText(
        title="The gap in numbers",
        explanation=(
            "Each column measures pictures at one step against their texts; the framed one is what you "
            "turned. Random directions are the control: a number says something where it differs from theirs."
        ),
        equation=r"\begin{aligned}&\lVert\bar x-\bar y\rVert,\qquad d=\tfrac{1-\cos}{2}\\"
        r"&\mathrm{RMG}=\frac{\overline{d(x_i,y_i)}}"
        r"{\overline{d(x_i,y_i)}+\frac12\left[\overline{d(x_i,x_j)}+\overline{d(y_i,y_j)}\right]}\end{aligned}",
    ),
    "samples": ViewText(
        title="What a decoder writes",
        explanation=(
            "The same decoder reads the feature before and after you turn the control; words that differ are "
            "marked. A smaller gap helps only while the feature still says what the picture shows."
        ),
        equation=r"P_\theta(w_i\mid w_{<i},\,v)\quad(6)",
    ),
    "panels": ViewText(
        title="Before and after each step",
        explanation=(
            "Left to right runs the direction of the gap itself, so the two vertical lines, the means, are "
            "as far apart as the centroid distance. Random features get the same treatment and show how much "
            "distance two clouds have by chance."
        ),
        equation=r"\Big(\tfrac{\Delta}{\lVert\Delta\rVert}\cdot f,\;\; p\cdot f\Big),"
        r"\qquad \Delta=\bar x-\bar y,\quad p\perp\Delta",
    ),
    "heatmap": ViewText(
        title="Who is similar to whom",
        explanation=(
            "Rows and columns are pictures, then their texts, both in the order of the same clusters; colour "
            "is the cosine. Squares are clusters, the diagonal of the picture-text quadrants holds the true "
            "pairs, and a quadrant that is darker as a whole is the modality gap."
        ),
        equation=r"S=\begin{pmatrix}XX^\top & XY^\top\\ YX^\top & YY^\top\end{pmatrix}",
    ),
    "shift": ViewText(
        title="The loss while the gap is closed",
        explanation=(
            "Pictures and texts move towards each other along the difference of their means, and CLIP's "
            "contrastive loss is taken on the way, as Liang et al. did in 2022. Where the curve is lowest "
            "tells whether closing the gap by hand would have pleased the training objective."
        ),
        equation=r"\begin{aligned}&x'=\frac{x-\lambda\Delta/2}{\lVert\cdot\rVert},"
        r"\quad y'=\frac{y+\lambda\Delta/2}{\lVert\cdot\rVert}\\"
        r"&L=-\tfrac1{2n}\textstyle\sum_i[\log p(y_i\mid x_i)+\log p(x_i\mid y_i)]\end{aligned}",
    ),
    "gallery": ViewText(
        title="What you selected",
        explanation=(
            "Draw a lasso on the map, and its pictures and captions appear here with the cosine of each "
            "pair at every step. Point at one to find it on the map, click it for its neighbours, tick it or "
            "click it with Shift to add it or take it out."
        ),
        equation=r"f_\mathrm{sim}(s_i^v,t_i^t)\quad(1)",
    ),
}


@dataclass(frozen=True, kw_only=True)
class ControlText:
    """The words beside one control.

    Attributes:
        name: on the switch.
        label: of the slider.
        explanation: two sentences, Markdown, with the equation between `$`.
        read: what the decoder reads, one sentence.
    """

    name: str
    label: str
    explanation: str
    read: str


CONTROLS: dict[Control, ControlText] = {
    Control.TEMPERATURE: ControlText(
        name="Projection",
        label="Temperature of Eq. 3: 1 /",
        explanation=(
            "Eq. 3 writes a picture as a mixture of texts, "
            "$v=\\sum_j \\mathrm{softmax}(s\\cdot t_j/\\tau)\\,t_j$. "
            "A high temperature mixes many and ends at their mean; a low one keeps the nearest text alone."
        ),
        read="Real pictures, projected, read by the decoder of FP.",
    ),
    Control.REFINEMENT: ControlText(
        name="Refinement",
        label="Steps of Eq. 2",
        explanation=(
            "Eq. 2 pulls each generated feature to its own text and off the others, "
            "$s\\leftarrow s-\\eta\\nabla_s L$. Watch the pairs get closer while the centroid distance "
            "hardly moves: it sharpens, it does not close."
        ),
        read="Generated pictures, refined and not projected, read by the decoder of FO.",
    ),
    Control.NOISE: ControlText(
        name="Noise",
        label="Standard deviation per dimension",
        explanation=(
            "CapDec closes nothing: it blurs the texts, $y'=\\mathrm{norm}(y+\\sigma n)$, until pictures "
            "fall within the blur. Its own setting is $\\sigma=0.126$; what survives of a sentence "
            "shows below."
        ),
        read=(
            "The pictures' reference texts with noise, read by the decoder of FP, which never learned with "
            "noise; CapDec’s own did."
        ),
    ),
    Control.SHIFT: ControlText(
        name="Gap shift",
        label="Shift λ along the gap",
        explanation=(
            "Both modalities move along the difference of their means, "
            "$x'=\\mathrm{norm}(x-\\lambda\\Delta/2)$; at 1 the means meet, "
            "below 0 the gap widens. The means meet, but the shapes of the two clouds stay."
        ),
        read=(
            "Real pictures moved all the way, norm(x − λΔ), because the decoder of FP knows the texts where "
            "they are."
        ),
    ),
}
