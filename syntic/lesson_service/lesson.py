"""The use cases of the page "Learn": what the figure of every step of the lesson shows, as numbers.

Nothing here is made up for the lesson: the features are those of the page of the modality gap, and
everything is computed from them by the functions that the other pages use.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from PIL import Image

from ..data.tags import MAX_TAGS
from ..errors import InputError, SynticError
from ..evaluation.axes import gap_axes
from ..evaluation.controls import Control, ControlRange, read, readable_items
from ..evaluation.cosines import cosines_of_any_two, own_first
from ..evaluation.gap import add_noise, centroid_distance, random_pairs
from ..evaluation.gap_sample import GapSample
from ..evaluation.map import Kind
from ..evaluation.stages import sample_rows
from ..gap_service import RANDOM, GapExplorer, GapView, Panel, SampleCaption
from ..memory import Memory
from ..method import VARIANTS, Variant, project_onto_support, refine_features
from ..runtime import ModelLock
from .tag_reading import gain_of, read_with_tags, variant_with_tags
from .views import (
    BINS,
    Candidate,
    Distribution,
    Group,
    LessonView,
    Matching,
    Mixture,
    Reads,
    RefinementCurve,
    Step,
    Tagging,
    TagReading,
)

logger = logging.getLogger(__name__)

PICTURES = 24  # to choose from in a step that looks at one picture
CANDIDATES = 6
CLIP_TEMPERATURE = 0.01  # of the softmax over texts; what CLIP's own converges to
MIXED = 6  # texts of a mixture that are listed


CONTROLS = {
    Step.GAP: Control.SHIFT,
    Step.NOISE: Control.NOISE,
    Step.PROJECTION: Control.TEMPERATURE,
    Step.REFINEMENT: Control.REFINEMENT,
}
LOOKS_AT_ONE = (Step.CLIP, Step.PROJECTION, Step.TAGS)


class Lesson:
    """The steps of the lesson on one explorer of the gap.

    Args:
        gap: knows the features.
        turns: the lock around the models.
        trained: corpus -> the names of the variants that have a decoder.
    """

    def __init__(self, gap: GapExplorer, turns: ModelLock, trained: Callable[[str], Sequence[str]]) -> None:
        self.gap = gap
        self._turns = turns
        self._trained = trained
        self._curves: dict[str, RefinementCurve] = {}
        self._memory = Memory()

    # -- what can be asked ---------------------------------------------------------------------

    def range(self, step: Step, corpus: str) -> ControlRange | None:
        """Return the values of a step's slider, or None where it has none."""
        if step in CONTROLS:
            return self.gap.range(corpus, CONTROLS[step])
        if step is Step.CONE:
            width = self._texts(corpus).shape[1]
            return ControlRange(low=2, high=max(512, width), step=2, standard=width)
        return None

    def pictures(self, step: Step, corpus: str) -> list[int]:
        """Return the items that a step lets one choose from, drawn with a fixed seed.

        In the step on tags all have several, and first comes the one of the sample whose caption gains most
        from them, see `tag_reading.Gain`; the first call for a corpus lets the decoder write them all.

        Raises:
            BusyError: if too many runs wait for the models.
        """
        if step is Step.TAGS:
            return self._tagged(corpus)
        sample = self.gap.sample(corpus)
        fitting = readable_items(sample, Control.TEMPERATURE)
        if sample.real is not None and sample.real.texts is None:
            fitting = np.arange(len(sample))
        return _draw(fitting)[:PICTURES]

    def variant_with_tags(self, corpus: str) -> Variant | None:
        """Return the variant whose decoder reads the tags, or None where none is trained."""
        return variant_with_tags(self._trained(corpus))

    def check(self, view: LessonView) -> LessonView:
        """Return a view that can be shown, its value filled in, or say what cannot.

        Raises:
            InputError: for an unknown corpus, a value out of range, or a picture that there is not.
        """
        limits = self.range(view.step, view.corpus)
        if limits is None:
            view = replace(view, value=None)
        elif view.value is None:
            view = replace(view, value=limits.standard)
        elif not limits.low <= view.value <= limits.high:
            raise InputError(
                f"The value of this step must lie in {limits.low:g}..{limits.high:g} but is {view.value:g}."
            )
        if view.step in LOOKS_AT_ONE:
            there = len(self.pictures(view.step, view.corpus))
            if not 1 <= view.picture <= there:
                raise InputError(f"The pictures of this step are 1..{there}; there is no {view.picture}.")
        if view.step is Step.TAGS:
            tags = self.tagging(view).tags
            if unknown := [tag for tag in view.without if tag not in tags]:
                raise InputError(f"There is no tag {unknown[0][:40]!r} in this picture.")
        return view

    def gap_view(self, view: LessonView) -> GapView:
        """Return the view of the page of the modality gap that shows the same.

        Raises:
            InputError: for a step that shows nothing of that page.
        """
        sample = self.gap.sample(view.corpus)
        base = GapView(corpus=view.corpus, pictures=sample.real.test_set if sample.real else None)
        value: float | None
        if view.step is Step.TEXTS:
            control, value = self._reading(view)
        elif view.step in CONTROLS:
            control, value = CONTROLS[view.step], view.value
        else:
            raise InputError(f"The step {view.step} turns nothing on the page of the modality gap.")
        if value is None:
            value = self.gap.range(view.corpus, control).standard
        return replace(base, control=control, value=value)

    def picture(self, corpus: str, item: int) -> Image.Image | None:
        """Return the picture of an item, or None where it is not at hand."""
        return self.gap.picture(corpus, item)

    # -- the steps -----------------------------------------------------------------------------

    def matching(self, view: LessonView) -> Matching:
        """Return a picture among the texts of all pictures: what CLIP was trained to sort out."""
        sample, item = self.gap.sample(view.corpus), self._item(view)
        images, texts = self._own_pairs(sample)
        row = item - len(sample) if item >= len(sample) else item
        offset = len(sample) if item >= len(sample) else 0
        cosines = texts @ images[row]  # (m,)
        odds = np.exp((cosines - cosines.max()) / CLIP_TEMPERATURE)
        order = np.argsort(-cosines, kind="stable")
        place = int((cosines > cosines[row]).sum()) + 1
        listed = order[:CANDIDATES].tolist()
        if row not in listed:
            listed = [*listed[:-1], row]
        return Matching(
            item=item,
            caption=sample.caption(item),
            candidates=[
                Candidate(
                    caption=sample.caption(i + offset),
                    cosine=float(cosines[i]),
                    probability=float(odds[i] / odds.sum()),
                    is_own=i == row,
                )
                for i in listed
            ],
            place=place,
            texts=len(texts),
            own_first=own_first(images, texts),
        )

    def cone(self, view: LessonView) -> Distribution:
        """Return the cosines of any two pictures, any two texts, and any two random directions."""
        sample = self.gap.sample(view.corpus)
        images, _ = self._own_pairs(sample)
        width = round(self._value(view))
        random, _ = random_pairs(len(sample), width)
        kind = Kind.REAL if self._shows_real(sample) else Kind.GENERATED
        return _distribution(
            [
                (kind.value, "two pictures", cosines_of_any_two(images)),
                (Kind.TEXT.value, "two texts", cosines_of_any_two(sample.features[Kind.TEXT])),
                (RANDOM, f"two random directions in {width} dimensions", cosines_of_any_two(random)),
            ],
            (-1, 1),
            {
                "dimensions": float(images.shape[1]),
                "pictures spread as in": 1 / float(cosines_of_any_two(images).var()),
                "texts spread as in": 1 / float(cosines_of_any_two(sample.features[Kind.TEXT]).var()),
            },
        )

    def panels(self, view: LessonView) -> list[Panel]:
        """Return generated pictures and texts along the gap: as they are, shifted, and a random control."""
        wanted = (Kind.GENERATED, "now", RANDOM)
        return [panel for panel in self.gap.panels(self.gap_view(view)) if panel.key in wanted]

    def inputs(self, view: LessonView) -> Distribution:
        """Return where along the gap lies what a decoder learned from, and what it is given to read.

        The axis runs from the texts' mean to the pictures'; 0 is halfway.
        """
        sample, texts = self.gap.sample(view.corpus), self._texts(view.corpus)
        control, value = self._reading(replace(view, reads=Reads.PICTURE))
        items = readable_items(sample, control).tolist()
        pictures = read(sample, control, value, items).now
        axes = gap_axes(pictures, texts)
        control, value = self._reading(view)
        now = read(sample, control, value, readable_items(sample, control).tolist()).now
        places = axes.place(now)[:, 0]
        learned = axes.place(texts)[:, 0]
        high = float(np.abs(np.concatenate([places, learned, axes.place(pictures)[:, 0]])).max()) * 1.02
        key = {Reads.TEXT: "now", Reads.MOVED: "now", Reads.PROJECTED: Kind.PROJECTED.value}.get(
            view.reads, Kind.REAL.value if sample.real else Kind.GENERATED.value
        )
        return _distribution(
            [(Kind.TEXT.value, "what it learned from", learned), (key, "what it reads", places)],
            (-high, high),
            {
                "beyond the middle": float((places > 0).mean()),
                "texts beyond the middle": float((learned > 0).mean()),
                "distance": centroid_distance(now, texts),
            },
        )

    def blur(self, view: LessonView) -> Distribution:
        """Return how far noise throws a text, beside how far away its own picture is."""
        sample, texts, value = self.gap.sample(view.corpus), self._texts(view.corpus), self._value(view)
        generated = sample.features[Kind.GENERATED]
        noisy = add_noise(texts, value, sample.seed)
        thrown = np.linalg.norm(noisy - texts, axis=1)
        away = np.linalg.norm(generated - texts, axis=1)
        return _distribution(
            [
                (Kind.GENERATED.value, "from a text to its own picture", away),
                ("now", "from a text to itself with noise", thrown),
            ],
            (0, 1.5),
            {
                "distance": centroid_distance(generated, noisy),
                "distance before": centroid_distance(generated, texts),
                "own first": own_first(noisy, texts),
            },
        )

    def mixture(self, view: LessonView) -> Mixture:
        """Return one picture as a mixture of the corpus' texts, and what the projection does to the gap."""
        sample, item, value = self.gap.sample(view.corpus), self._item(view), self._value(view)
        items = self.pictures(view.step, view.corpus)
        support = sample.support()
        images, _ = self._own_pairs(sample)
        offset = len(sample) if self._shows_real(sample) else 0
        projection = project_onto_support(
            torch.from_numpy(images[np.array(items) - offset]), support, temperature=1 / value, top_k=MIXED
        )
        row = items.index(item)
        moved, texts = self.gap.moved(self.gap_view(view)), self._texts(view.corpus)
        return Mixture(
            item=item,
            caption=sample.caption(item),
            captions=[support.captions[i] for i in projection.top_indices[row].tolist()],
            weights=projection.top_weights[row].tolist(),
            effective=float(projection.effective_captions[row]),
            typical=float(projection.effective_captions.median()),
            texts=len(support),
            distance=centroid_distance(moved.clouds[Kind.PROJECTED], texts),
            distance_before=centroid_distance(sample.features[Kind.GENERATED], texts),
        )

    def refinement(self, corpus: str) -> RefinementCurve:
        """Return what Eq. 2 does, at every step that is known without running it."""
        if corpus not in self._curves:
            sample = self.gap.sample(corpus)
            if not sample.is_refined:
                return self._curve(sample, [0, sample.refinement.steps])
            self._curves[corpus] = self._curve(sample, sample.steps)
        return self._curves[corpus]

    def complete_refinement(self, corpus: str) -> RefinementCurve:
        """Run Eq. 2 where it has not run yet, which takes seconds, and return all of it."""
        sample = self.gap.sample(corpus)
        for step in sample.steps:
            sample.refined(step)
        return self.refinement(corpus)

    def tagging(self, view: LessonView) -> Tagging:
        """Return a generated picture with the tags that its features were stored with."""
        sample, item = self.gap.sample(view.corpus), self._item(view)
        tags = self._tags(view.corpus)[item]
        given = [tag for tag in tags if tag not in view.without]
        return Tagging(item=item, caption=sample.caption(item), tags=tags, given=given)

    # -- with models ---------------------------------------------------------------------------

    def captions(
        self, view: LessonView, should_stop: Callable[[], bool] = lambda: False
    ) -> list[SampleCaption]:
        """Let a decoder read what a step turns, before and now.

        In the step on text-only training "before" is the caption from the picture's own text.

        Raises:
            InputError: for a step that turns nothing.
            BusyError: if too many runs wait for the models.
            Cancelled: if `should_stop` said so while this waited.
            CheckpointError: if the decoder is not there.
        """
        found = self.gap.samples(self.gap_view(view), should_stop)
        if view.step is not Step.TEXTS:
            return found
        own = self.gap.samples(self.gap_view(replace(view, reads=Reads.TEXT)), should_stop)
        from_text = {sample.item: sample.now for sample in own}
        return [replace(sample, before=from_text.get(sample.item, sample.now)) for sample in found]

    def read_tags(self, view: LessonView, should_stop: Callable[[], bool] = lambda: False) -> TagReading:
        """Let a decoder that learned with tags write the caption with the tags given, and with none.

        It is that of the whole method where it is trained, see `variant_with_tags`.

        Raises:
            BusyError: if too many runs wait for the models.
            Cancelled: if `should_stop` said so while this waited.
            CheckpointError: if the decoder is not there.
        """
        sample, tagging = self.gap.sample(view.corpus), self.tagging(view)
        variant = self.variant_with_tags(view.corpus) or VARIANTS[-1]
        with self._turns.hold(should_stop):
            parts = self.gap.components
            return read_with_tags(parts, sample, variant, [tagging.item], [tagging.given])[0]

    def warm(self, corpus: str) -> None:
        """Choose, in the calling thread, what the step on tags opens with."""
        try:
            self.pictures(Step.TAGS, corpus)
        except SynticError as error:
            logger.warning("the lesson's step on tags is not ready: %s", error.detail)

    # -- inside --------------------------------------------------------------------------------

    def _texts(self, corpus: str) -> np.ndarray:
        return self.gap.sample(corpus).features[Kind.TEXT]

    def _shows_real(self, sample: GapSample) -> bool:
        return sample.real is not None and sample.real.texts is not None

    def _own_pairs(self, sample: GapSample) -> tuple[np.ndarray, np.ndarray]:
        """Real pictures with their references where there are, else generated ones with their texts."""
        real = sample.pairs(Kind.REAL)
        return real if real is not None else (sample.features[Kind.GENERATED], sample.features[Kind.TEXT])

    def _value(self, view: LessonView) -> float:
        value = self.check(view).value
        assert value is not None
        return value

    def _item(self, view: LessonView) -> int:
        items = self.pictures(view.step, view.corpus)
        if not 1 <= view.picture <= len(items):
            raise InputError(f"The pictures of this step are 1..{len(items)}; there is no {view.picture}.")
        return items[view.picture - 1]

    def _reading(self, view: LessonView) -> tuple[Control, float]:
        """Which control at which value gives the decoder what it reads."""
        return {
            Reads.TEXT: (Control.NOISE, 0.0),
            Reads.PICTURE: (Control.SHIFT, 0.0),
            Reads.MOVED: (Control.SHIFT, 1.0),
            Reads.PROJECTED: (
                Control.TEMPERATURE,
                self.gap.range(view.corpus, Control.TEMPERATURE).standard,
            ),
        }[view.reads]

    def _tagged(self, corpus: str) -> list[int]:
        """The pictures of the step on tags, the first by a rule, the others as they are drawn."""
        tags = self._tags(corpus)
        several = [item for item, labels in enumerate(tags) if len(labels) > 1]
        drawn, variant = _draw(np.array(several or range(len(tags)))), self.variant_with_tags(corpus)
        if not several or variant is None:
            return drawn[:PICTURES]

        def choose() -> int:
            sample, given = self.gap.sample(corpus), [tags[item] for item in drawn]
            with self._turns.hold():
                found = read_with_tags(self.gap.components, sample, variant, drawn, given)
            cosines = (sample.features[Kind.GENERATED] * sample.features[Kind.TEXT]).sum(axis=1)  # (n,)
            gains = [
                gain_of(reading, labels, sample.captions[item], float(cosines[item]))
                for reading, labels, item in zip(found, given, drawn, strict=True)
            ]
            return drawn[gains.index(max(gains))]

        first = self._memory.once(("tagged", corpus, variant), choose)
        return [first, *(item for item in drawn if item != first)][:PICTURES]

    def _tags(self, corpus: str) -> list[list[str]]:
        """What the detector found in every generated picture of the sample, best first."""
        store = self.gap.components.feature_store(corpus)
        return [store.tags[row][:MAX_TAGS] for row in self._store_rows(corpus)]

    def _store_rows(self, corpus: str) -> np.ndarray:
        """Which rows of the feature store the sample's captions are: it was drawn like this."""
        sample, store = self.gap.sample(corpus), self.gap.components.feature_store(corpus)
        rows = sample_rows(len(store), len(sample), sample.seed)
        if [store.captions[row] for row in rows] != sample.captions:
            raise InputError(f"The map of {corpus!r} is not of its features; run `emoji export` again.")
        return rows

    def _curve(self, sample: GapSample, steps: Sequence[int]) -> RefinementCurve:
        texts, options = sample.features[Kind.TEXT], sample.refinement
        features = [sample.refined(step) for step in steps]

        def loss(images: np.ndarray) -> float:
            """Of Eq. 2, over the same batches as in `GapSample.refined`."""
            one_step = refine_features(
                images,
                texts,
                temperature=options.temperature,
                learning_rate=options.learning_rate,
                steps=1,
                batch_size=options.batch_size,
                seed=sample.seed,
            )
            return float(one_step.losses[0])

        return RefinementCurve(
            steps=np.array(steps),
            losses=np.array([loss(images) for images in features]),
            own_first=np.array([own_first(images, texts) for images in features]),
            distances=np.array([centroid_distance(images, texts) for images in features]),
            cosines=np.array([float((images * texts).sum(axis=1).mean()) for images in features]),
            projected=centroid_distance(sample.features[Kind.PROJECTED], texts),
            complete=len(steps) == len(sample.steps),
        )


def _draw(items: np.ndarray) -> list[int]:
    """Return items in an order that is drawn, the same for everybody."""
    drawn: list[int] = np.random.default_rng(0).permutation(items).tolist()
    return drawn


def _distribution(
    sets: Sequence[tuple[str, str, np.ndarray]], limits: tuple[float, float], facts: dict[str, float]
) -> Distribution:
    edges = np.linspace(*limits, BINS + 1)
    return Distribution(
        edges=edges,
        groups=[
            Group(
                key=key,
                name=name,
                shares=np.histogram(values.clip(*limits), edges)[0] / len(values),
                mean=float(values.mean()),
            )
            for key, name, values in sets
        ],
        facts=facts,
    )
