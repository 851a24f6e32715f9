"""What the modality gap is shown on: some captions of a corpus at every step, and some real pictures."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from ..errors import DataError
from ..method import SupportSet, refine_features
from ..method.components import Components
from ..profiles.profile import RefinementSettings
from .gap import GapMeasures, measure
from .map import GapMap, Kind
from .mixtures import Mixtures, mix
from .stages import stage_features

TEXTS = 500  # captions on show where no map says how many
MAX_STEPS = 2000  # of Eq. 2, as for one run (`method.inputs`)
STEPS_BETWEEN = 100


@dataclass(frozen=True, eq=False, kw_only=True)
class RealPictures:
    """Real pictures with one reference each; they are shown and measured, nothing learns from them.

    Attributes:
        test_set: the name of the set they are the first pictures of.
        features: (m, D) unit norm.
        captions: the first reference of each.
        texts: (m, D) features of the captions, or None where they were not computed.
    """

    test_set: str
    features: np.ndarray
    captions: list[str]
    texts: np.ndarray | None

    def __len__(self) -> int:
        """Return the number of pictures m."""
        return len(self.features)


@dataclass(frozen=True, eq=False, kw_only=True)
class GapSample:
    """n captions with the features of every step, ready to be measured and moved.

    An *item* is a number: 0..n-1 is a caption with its generated picture, n.. are the real pictures.

    Attributes:
        corpus: its name.
        captions: n texts.
        features: per kind but the real one (n, D), unit norm, at the profile's settings.
        real: pictures to compare with, or None.
        support: gives what Eq. 3 projects onto, the whole corpus; asked only when something is projected,
            so that a first view waits for no model and no store.
        temperature: of Eq. 3, the profile's.
        refinement: of Eq. 2, the profile's.
        seed: of the batches of Eq. 2.
    """

    corpus: str
    captions: list[str]
    features: dict[Kind, np.ndarray]
    real: RealPictures | None
    support: Callable[[], SupportSet]
    temperature: float
    refinement: RefinementSettings
    seed: int = 0
    _kept: dict[int, np.ndarray] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __len__(self) -> int:
        """Return the number of captions n."""
        return len(self.captions)

    @property
    def items(self) -> int:
        """How many items there are: captions and real pictures."""
        return len(self) + (len(self.real) if self.real else 0)

    @property
    def steps(self) -> list[int]:
        """The numbers of refinement steps at which `refined` knows the features."""
        return sorted({*range(0, MAX_STEPS + 1, STEPS_BETWEEN), min(self.refinement.steps, MAX_STEPS)})

    @property
    def is_refined(self) -> bool:
        """Whether `refined` knows the features at all of `steps`, and so answers at once."""
        return bool(self._kept)

    def with_real(self, real: RealPictures | None) -> GapSample:
        """Return the same captions beside other pictures; what Eq. 2 made of them is shared."""
        return replace(self, real=real)

    def caption(self, item: int) -> str:
        """Return the text of an item."""
        if item < len(self):
            return self.captions[item]
        assert self.real is not None
        return self.real.captions[item - len(self)]

    def refined(self, steps: int) -> np.ndarray:
        """Return the generated features (n, D) after some steps of Eq. 2, the nearest of `self.steps`.

        The first call for other steps than 0 and the profile's takes all of them at once: seconds.
        """
        nearest = min(self.steps, key=lambda known: abs(known - steps))
        if nearest == 0:
            return self.features[Kind.GENERATED]
        if nearest == self.refinement.steps:
            return self.features[Kind.REFINED]
        with self._lock:
            if not self._kept:
                kept = refine_features(
                    self.features[Kind.GENERATED],
                    self.features[Kind.TEXT],
                    temperature=self.refinement.temperature,
                    learning_rate=self.refinement.learning_rate,
                    steps=MAX_STEPS,
                    batch_size=self.refinement.batch_size,
                    seed=self.seed,
                    keep_steps=self.steps,
                ).kept
                self._kept.update({step: value.cpu().numpy() for step, value in kept.items()})
        return self._kept[nearest]

    def project(self, features: np.ndarray, temperature: float) -> np.ndarray:
        """Project features (k, D) onto the corpus (Eq. 3)."""
        return self.mix(features, temperature).projected

    def mix(self, features: np.ndarray, temperature: float, own_texts: np.ndarray | None = None) -> Mixtures:
        """Project features (k, D) onto the corpus and say what they are made of, see `mixtures.mix`."""
        return mix(features, self.support(), temperature=temperature, own_texts=own_texts)

    def pairs(self, kind: Kind) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the images and texts of a kind that are measured against each other."""
        if kind is not Kind.REAL:
            return self.features[kind], self.features[Kind.TEXT]
        if self.real is None or self.real.texts is None:
            return None
        return self.real.features, self.real.texts


def sample_of_map(components: Components, corpus: str, gap_map: GapMap) -> GapSample:
    """Return the sample that a corpus' map was fitted on."""
    points = gap_map.points
    own: dict[Kind, np.ndarray] = {k: points[k].features for k in points if k is not Kind.REAL}
    real = None
    if Kind.REAL in points:
        real = RealPictures(
            test_set=components.profile.validation_set_of(corpus) or f"{corpus}-validation",
            features=points[Kind.REAL].features,
            captions=points[Kind.REAL].labels,
            texts=points[Kind.REAL].own_texts,
        )
    return _sample(components, corpus, own, points[Kind.TEXT].labels, real, gap_map.settings.get("seed", 0))


def sample_of_corpus(components: Components, corpus: str, texts: int = TEXTS, seed: int = 0) -> GapSample:
    """Draw a sample of a corpus that has no map; refines it, which takes seconds."""
    features, captions = stage_features(components, corpus, texts, seed=seed)
    return _sample(components, corpus, features, captions, None, seed)


def measure_rows(
    images: np.ndarray, texts: np.ndarray, rows: np.ndarray | None, *, seed: int = 0
) -> GapMeasures | None:
    """Measure some rows of paired features, or all for None; None where fewer than 4 are left."""
    if rows is not None:
        images, texts = images[rows], texts[rows]
    return measure(images, texts, seed=seed) if len(images) >= 4 else None


def _sample(
    components: Components,
    corpus: str,
    features: dict[Kind, np.ndarray],
    captions: list[str],
    real: RealPictures | None,
    seed: int,
) -> GapSample:
    if len(captions) < 4:
        raise DataError(f"The corpus {corpus!r} has {len(captions)} captions; the gap needs at least 4.")
    profile = components.profile
    return GapSample(
        corpus=corpus,
        captions=captions,
        features=features,
        real=real,
        support=lambda: components.support_set(corpus),
        temperature=profile.corpus(corpus).temperature,
        refinement=profile.refinement,
        seed=seed,
    )
