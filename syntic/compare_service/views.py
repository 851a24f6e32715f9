"""What the page "Compare" asks and what it is answered."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from PIL import Image

from ..baselines import SupportText
from ..runtime import Waiting


class Group(StrEnum):
    """What a system learned from, which decides whom it can fairly be compared with."""

    VARIANT = "variant"
    TEXTS = "texts"
    PICTURES = "pictures"
    OWN = "own"


@dataclass(frozen=True, kw_only=True)
class SystemChoice:
    """A system that can caption a picture here and now.

    Attributes:
        key: `NAME`, `NAME@CORPUS` for another corpus than the profile's first, `NAME@CORPUS>TARGET` where
            it projects onto the texts of a third; or the name of a training run.
        label: for people.
        group: what it learned from.
        corpus: whose texts.
        is_upper_bound: whether it learned from real pictures with captions.
        is_slow: whether a caption takes many seconds.
    """

    key: str
    label: str
    group: Group
    corpus: str
    is_upper_bound: bool = False
    is_slow: bool = False


class Source(StrEnum):
    """Where a picture is from; also the key of its link."""

    TEST = "test"
    EXAMPLE = "example"
    UPLOAD = "upload"


@dataclass(frozen=True)
class PictureChoice:
    """A picture to caption.

    Attributes:
        source: where it is from.
        value: its name, or the path of an upload.
        test_set: for a picture of one.
    """

    source: Source
    value: str
    test_set: str = ""


@dataclass(frozen=True, kw_only=True)
class CompareRequest:
    """One picture and who is to caption it."""

    picture: PictureChoice
    systems: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class PictureRead:
    """The picture is decoded.

    Attributes:
        image: RGB.
        references: what people wrote of it; empty where nobody did.
        scored_with: how many pictures' references the words are weighed by; 0 without references.
    """

    image: Image.Image
    references: tuple[str, ...]
    scored_with: int


@dataclass(frozen=True, kw_only=True)
class SystemStarted:
    """A system begins."""

    key: str


@dataclass(frozen=True, kw_only=True)
class SystemCaption:
    """What a system wrote.

    Attributes:
        key: of the system.
        caption: its words.
        seconds: it took, without loading and encoding.
        cider: CIDEr-D x 100 of this caption; None without references.
        similarity: CLIP cosine of caption and picture, which needs no references.
        support: texts of the corpus it rests on.
        tags: objects found in the picture.
    """

    key: str
    caption: str
    seconds: float
    cider: float | None
    similarity: float
    support: tuple[SupportText, ...]
    tags: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class SystemFailed:
    """A system cannot caption; the others go on.

    Attributes:
        key: of the system.
        detail: one sentence.
    """

    key: str
    detail: str


CompareEvent = Waiting | PictureRead | SystemStarted | SystemCaption | SystemFailed


@dataclass(frozen=True, kw_only=True)
class PairView:
    """Two systems on a test set, and which of its pictures count.

    Attributes:
        test_set: a test set that committed captions are of.
        first: a system of `Comparison.captioned`.
        second: the one it is compared with.
        label: only pictures with such an object; empty for all.
        count: only pictures with that many objects, `MANY` and more counting alike; 0 for all.
        setting: only pictures of scenes there; empty for all.
        combination: only pictures of one kind of things, or of kinds that texts name together or do not, see
            `TestSet.combinations`; empty for all.
    """

    test_set: str
    first: str
    second: str
    label: str = ""
    count: int = 0
    setting: str = ""
    combination: str = ""


@dataclass(frozen=True, kw_only=True)
class Filters:
    """What `PairView` can restrict a test set to."""

    labels: tuple[str, ...]
    counts: tuple[int, ...]
    settings: tuple[str, ...]
    combinations: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A picture on which two systems differ.

    Attributes:
        name: of the picture.
        first: the one's caption.
        second: the other's.
        first_cider: CIDEr-D x 100 of it.
        second_cider: of the other.
        references: what people wrote.
    """

    name: str
    image: Path
    first: str
    second: str
    first_cider: float
    second_cider: float
    references: tuple[str, ...]

    @property
    def gain(self) -> float:
        """By how much the first is better."""
        return self.first_cider - self.second_cider


@dataclass(frozen=True, kw_only=True)
class PairOutcome:
    """Two systems picture by picture.

    Attributes:
        pictures: how many count.
        first_mean: mean of their CIDEr-D x 100.
        second_mean: of the other.
        better: on how many the first is.
        worse: on how many the second is.
        same: on how many both wrote the same.
        wins: the first's largest gains, largest first.
        losses: its largest losses.
        first_corpus: whose texts the first learned from; empty where its experiment does not say.
        second_corpus: whose the other.
    """

    pictures: int
    first_mean: float
    second_mean: float
    better: int
    worse: int
    same: int
    wins: list[Difference]
    losses: list[Difference]
    first_corpus: str = ""
    second_corpus: str = ""
