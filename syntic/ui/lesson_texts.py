"""What the page "Learn" says at every step: words, an equation, an exercise and two questions.

Numbers belong into the answers, where they are computed (`lesson_answers`), because the frozen models
and the texts differ from profile to profile.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..lesson_service import Reads, Step


@dataclass(frozen=True, kw_only=True)
class StepText:
    """The words of one step.

    Attributes:
        name: on the list of steps.
        title: one sentence, the thing to remember.
        words: Markdown, two short paragraphs.
        equation: LaTeX without delimiters.
        look: what to turn and what to watch in the figure.
        question: about the figure.
        exercise: what to do on the other page.
        opens: the name of that page.
        task: the question to answer there.
    """

    name: str
    title: str
    words: str
    equation: str
    look: str
    question: str
    exercise: str
    opens: str
    task: str


GAP_PAGE, WALK_PAGE = "Modality gap", "Walk through"

STEPS: dict[Step, StepText] = {
    Step.CLIP: StepText(
        name="What CLIP does",
        title="CLIP gives pictures and texts directions that can be compared",
        words=(
            "CLIP has two encoders, one for pictures and one for texts. Each ends in a *feature*: a row of "
            "numbers of length one, so all that counts is its direction. How well a picture and a text fit "
            "is the cosine between the two.\n\n"
            "It learned that from pairs. In a batch of them, every picture has to find its own text among "
            "the texts of all the others, and every text its picture."
        ),
        equation=r"\begin{aligned}&f_\mathrm{sim}(s,t)=\frac{s}{\lVert s\rVert}\cdot\frac{t}{\lVert t\rVert}"
        r"\\"
        r"&p(t_j\mid s)=\frac{e^{f_\mathrm{sim}(s,t_j)/\tau}}{\sum_k e^{f_\mathrm{sim}(s,t_k)/\tau}}"
        r"\end{aligned}",
        look=(
            "Choose a picture. Bars are cosines; per cent say how sure the softmax at τ = 1/100 is of each "
            "text. The picture’s own text is framed."
        ),
        question="Cosines differ by little, the per cent by a lot. Why?",
        exercise="Look at the lists beside the map: the texts and the pictures nearest to one generated one.",
        opens=GAP_PAGE,
        task="Which is closer to this picture: its nearest text, or the nearest other picture?",
    ),
    Step.CONE: StepText(
        name="The cone",
        title="Features do not fill the space",
        words=(
            "A feature could point anywhere. In a space of many dimensions, two random directions are almost "
            "at right angles, so their cosine is close to 0.\n\n"
            "Features of a trained network are not spread like that. If two pictures, however different, "
            "have a cosine above 0 on average, then pictures keep to one side of the space: a *cone*. The "
            "larger the mean, the narrower it is; pictures and texts each have their own. And where "
            "cosines spread more widely than random ones, features use only some of the dimensions."
        ),
        equation=r"\begin{aligned}&\mathrm{cone}=\frac{1}{n(n-1)}\sum_{i\neq j}x_i\cdot x_j\\"
        r"&\text{random: mean }0,\ \text{deviation }\tfrac{1}{\sqrt{D}}\end{aligned}",
        look=(
            "Turn the number of dimensions of the random directions; the features stay what they are. When "
            "is the dotted outline as wide as the others?"
        ),
        question="Why are two random directions in many dimensions almost always at right angles?",
        exercise="Look at “Who is similar to whom”, first for the random control, then for “generated”.",
        opens=GAP_PAGE,
        task="Which quadrants change when you go from random directions to generated pictures, and why?",
    ),
    Step.GAP: StepText(
        name="The gap",
        title="Pictures in one region, texts in another",
        words=(
            "The two cones do not point the same way. Even the two features of a pair, which are as close as "
            "training could bring them, lie in different regions. That is the *modality gap* (Liang et al. "
            "2022).\n\n"
            "One way to measure it is the distance between the mean of all pictures and the mean of all "
            "texts. Nothing in the training objective forbids such a distance: a softmax compares texts with "
            "texts, so what all texts have in common cancels out."
        ),
        equation=r"\begin{aligned}&\Delta=\bar x-\bar y\\&x'=\frac{x-\lambda\Delta/2}{\lVert\cdot\rVert},"
        r"\quad y'=\frac{y+\lambda\Delta/2}{\lVert\cdot\rVert}\end{aligned}",
        look=(
            "Left to right is the direction of the gap; the lines are the means. Turn λ to close the gap by "
            "hand: at 1 the means meet, below 0 it widens."
        ),
        question="Random features have a distance between their means as well. What does it tell?",
        exercise="The gap is closed by hand here, λ = 1. Look at map, measures and loss.",
        opens=GAP_PAGE,
        task="Are pictures and texts one cloud now? And does CLIP’s own loss like it?",
    ),
    Step.TEXTS: StepText(
        name="Text-only training",
        title="Learned on texts, asked about pictures",
        words=(
            "A captioner usually learns from pictures with captions. With texts alone one can still learn to "
            "write a text back from its own CLIP feature. At the end the decoder is handed a picture’s "
            "feature instead, because CLIP makes the two comparable.\n\n"
            "Comparable is not the same. The picture’s feature lies across the gap, where the decoder has "
            "never been. Here reads the decoder of FP, which learned from mixtures of texts and never saw a "
            "picture’s own feature."
        ),
        equation=r"\begin{aligned}&\text{training: } P_\theta(w\mid t)\\"
        r"&\text{use: } P_\theta(w\mid s)\end{aligned}",
        look=(
            "Choose what the decoder reads. The figure shows where it lies on the way from the texts (left) "
            "to the pictures (right); 0 is halfway. Below is what it writes."
        ),
        question="The decoder has never seen a picture’s feature. Why are its sentences good English all the "
        "same?",
        exercise="All pictures are moved by the same vector, so that their mean meets the texts’.",
        opens=GAP_PAGE,
        task="Under “What a decoder writes”: which captions get better, which worse? Why not all better?",
    ),
    Step.NOISE: StepText(
        name="Noise",
        title="A first answer: blur the texts",
        words=(
            "CapDec adds noise to every text feature during training, so that the decoder learns to write "
            "the same sentence from a whole neighbourhood. If the neighbourhood reaches as far as the "
            "pictures, a picture’s feature is nothing new.\n\n"
            "The price: neighbourhoods of different sentences overlap. What the noise covers, the decoder "
            "cannot know."
        ),
        equation=r"\begin{aligned}&y'=\frac{y+\sigma n}{\lVert y+\sigma n\rVert},\quad n\sim\mathcal N(0,I)\\"
        r"&\lVert\sigma n\rVert\approx\sigma\sqrt D\end{aligned}",
        look=(
            "Turn σ until the noise throws a text as far as its picture is away. Watch how many texts can "
            "still be told from the others, and what the decoder makes of them."
        ),
        question="Does noise bring the means of pictures and texts together?",
        exercise="Noise as strong as CapDec’s own setting.",
        opens=GAP_PAGE,
        task="Which words of the captions survive, which change?",
    ),
    Step.PROJECTION: StepText(
        name="Projection",
        title="A second answer: write the picture as a mixture of texts",
        words=(
            "Projection asks which texts of the corpus fit the picture, and takes their weighted mean in "
            "place of the picture’s feature. What comes out is made of texts, so it lies where the texts "
            "are: this step closes the gap.\n\n"
            "The temperature decides how many texts take part. Their *effective number* is the exponential "
            "of the weights’ entropy."
        ),
        equation=r"\begin{aligned}&v=\sum_j w_j\,t_j,\quad w_j=\frac{e^{f_\mathrm{sim}(s,t_j)/\tau}}"
        r"{\sum_k e^{f_\mathrm{sim}(s,t_k)/\tau}}\quad(3)\\&n_\mathrm{eff}=e^{H(w)}\end{aligned}",
        look="Turn the temperature, given as 1/τ, and choose a picture. Bars are the weights of the texts.",
        question="Why is neither a very high nor a very low temperature good?",
        exercise="The temperature is as high as it goes. Press Play to lower it and watch the captions.",
        opens=GAP_PAGE,
        task="What do all pictures become at the highest temperature, and what at the lowest?",
    ),
    Step.REFINEMENT: StepText(
        name="Refinement",
        title="Refinement sharpens the pairs; it does not close the gap",
        words=(
            "SynTIC trains on pictures that a model drew from the texts. A drawing may miss what its text "
            "says, so its feature is refined: gradient steps on the feature alone, with CLIP’s own loss, "
            "pull it towards its text and away from the others.\n\n"
            "It is tempting to think that this closes the gap. Look at the three curves."
        ),
        equation=r"\nabla_{s_i}\Big[-\frac1b\sum_{i=1}^{b}\log\frac{e^{f_\mathrm{sim}(s_i,t_i)/\tau}}"
        r"{\sum_{j=1}^{b}e^{f_\mathrm{sim}(s_i,t_j)/\tau}}\Big]\quad(2)",
        look=(
            "Turn the number of steps. The dotted line in the last curve is where projection brings the "
            "means, to compare."
        ),
        question="The loss falls and the means hardly come closer. How can that be?",
        exercise="Refinement runs for as many steps as the slider allows. Compare the framed columns.",
        opens=GAP_PAGE,
        task="Which measures change most from “generated” to the framed column, and which hardly?",
    ),
    Step.TAGS: StepText(
        name="Tags",
        title="Names of things go around the gap",
        words=(
            "A mixture of texts blurs details. SynTIC therefore also lets a detector name the things in the "
            "picture, and turns the names into text features. The decoder attends to them: the picture’s "
            "feature asks, the names answer.\n\n"
            "A name is a text, in training as in use. So it lies on the texts’ side from the start, whatever "
            "the gap is."
        ),
        equation=r"\begin{aligned}&o_k=\mathrm{CLIP}_t(\text{label}_k)\quad(4)\\"
        r"&u=\mathrm{MHAttn}(s,\,O,\,O)\quad(5)\end{aligned}",
        look=(
            "Take tags away and watch the caption. Bars are the attention each tag gets, the mean over the "
            "heads. Picture 1 is the one on the map whose caption gains most; the others are drawn at "
            "random, and there a tag may also name what is not in the picture."
        ),
        question="A model looked at the picture to find the tags. Why do they not suffer from the gap?",
        exercise="Press Run. Then choose a variant without AF, which has no tags, and run again.",
        opens=WALK_PAGE,
        task="Which words change without the tags? Which tag got the most attention?",
    ),
}

READS: dict[Reads, str] = {
    Reads.TEXT: "the picture’s own text",
    Reads.PICTURE: "the picture as it is",
    Reads.MOVED: "the picture, moved by −Δ",
    Reads.PROJECTED: "the picture, projected",
}
