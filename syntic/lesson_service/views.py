"""What a step of the lesson asks, and the numbers of its figure."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

BINS = 40  # of a distribution


class Step(StrEnum):
    """The steps of the lesson, in their order."""

    CLIP = "clip"
    CONE = "cone"
    GAP = "gap"
    TEXTS = "texts"
    NOISE = "noise"
    PROJECTION = "projection"
    REFINEMENT = "refinement"
    TAGS = "tags"


class Reads(StrEnum):
    """What a decoder that learned from texts is given to read."""

    TEXT = "text"
    PICTURE = "picture"
    MOVED = "moved"
    PROJECTED = "projected"


@dataclass(frozen=True, kw_only=True)
class LessonView:
    """What a step shows.

    Attributes:
        step: of the lesson.
        corpus: a corpus of the profile.
        value: of the step's slider; None is where the lesson starts.
        picture: 1..24, in a step that looks at one.
        reads: in the step on text-only training.
        without: tags that the decoder is not given, in the last step.
    """

    step: Step
    corpus: str
    value: float | None = None
    picture: int = 1
    reads: Reads = Reads.PICTURE
    without: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A text that may belong to a picture."""

    caption: str
    cosine: float
    probability: float
    is_own: bool


@dataclass(frozen=True, kw_only=True)
class Matching:
    """A picture among the texts of a set.

    Attributes:
        item: the picture, an item of the sample.
        caption: its own text.
        candidates: the texts of the largest cosines, and the own one where it is not among them.
        place: of the own text, 1 is the first.
        texts: how many there are to choose from.
        own_first: the share of all pictures whose nearest text is their own.
    """

    item: int
    caption: str
    candidates: list[Candidate]
    place: int
    texts: int
    own_first: float


@dataclass(frozen=True, kw_only=True)
class Group:
    """One set of numbers of a distribution.

    Attributes:
        key: a `Kind`, "random" or "now".
        name: for people.
        shares: (BINS,) of the numbers in every bin; they sum to 1.
        mean: of the numbers.
    """

    key: str
    name: str
    shares: np.ndarray
    mean: float


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """Sets of numbers over the same bins.

    Attributes:
        edges: (BINS + 1,) of the bins.
        groups: the sets.
        facts: further numbers by name.
    """

    edges: np.ndarray
    groups: list[Group]
    facts: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """A picture as a mixture of texts (Eq. 3).

    Attributes:
        item: the picture.
        caption: its own text.
        captions: the texts of the largest weights.
        weights: theirs.
        effective: over how many texts the weight of this picture is spread.
        typical: the median of that over the lesson's pictures.
        texts: how many there are.
        distance: between the means of the projected pictures and their texts.
        distance_before: the same before the projection.
    """

    item: int
    caption: str
    captions: list[str]
    weights: list[float]
    effective: float
    typical: float
    texts: int
    distance: float
    distance_before: float


@dataclass(frozen=True, kw_only=True)
class RefinementCurve:
    """What Eq. 2 does while it runs; the arrays are (S,).

    Attributes:
        steps: of Eq. 2.
        losses: the loss of Eq. 2.
        own_first: the share of pictures whose nearest text is their own.
        distances: between the means of pictures and texts.
        cosines: mean cosine of the pairs.
        projected: distance of the means after the profile's refinement and projection, to compare.
        complete: False while only those steps are there that ship with the map.
    """

    steps: np.ndarray
    losses: np.ndarray
    own_first: np.ndarray
    distances: np.ndarray
    cosines: np.ndarray
    projected: float
    complete: bool

    def nearest(self, steps: float) -> int:
        """Return which of `steps` is nearest."""
        return int(np.abs(self.steps - steps).argmin())


@dataclass(frozen=True, kw_only=True)
class Tagging:
    """A generated picture with its tags.

    Attributes:
        item: of the sample.
        caption: the text it was generated from.
        tags: what the detector found in it, best first.
        given: the tags that the decoder is given.
    """

    item: int
    caption: str
    tags: list[str]
    given: list[str]


@dataclass(frozen=True, kw_only=True)
class TagReading:
    """What the decoder makes of a picture and its tags (Eq. 4 to 6).

    Attributes:
        attention: the weight of each given tag, the mean over the heads; empty where none is given.
        with_tags: the caption with the tags given.
        without_tags: the caption of the same decoder with no tag at all.
    """

    attention: list[float]
    with_tags: str
    without_tags: str
