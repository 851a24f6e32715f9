"""The use cases of the page "Modality gap": typed questions in, dataclasses out, models under one lock."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from functools import partial
from typing import cast

import numpy as np
import torch
from PIL import Image

from ..data.coco import TestSet
from ..data.contact_sheet import ContactSheet
from ..data.images import load_image
from ..errors import DataError, InputError, SynticError
from ..evaluation.axes import Axes, gap_axes
from ..evaluation.controls import (
    Control,
    ControlRange,
    Moved,
    Pairs,
    check_value,
    control_range,
    move,
    read,
    readable_items,
)
from ..evaluation.gap import (
    ShiftCurve,
    centroid_distance,
    loss_along_shift,
    random_pairs,
)
from ..evaluation.gap_sample import GapSample, RealPictures, measure_rows, sample_of_corpus, sample_of_map
from ..evaluation.heatmap import order_by_clusters, similarity_heatmap
from ..evaluation.map import GapMap, Kind, pictures_path
from ..evaluation.mixtures import Mixtures, with_mixtures
from ..memory import Memory
from ..method.components import Components
from ..runtime import ModelLock
from .layouts import Layouts
from .views import (
    RANDOM,
    GapView,
    ItemRow,
    Neighbour,
    OrderedHeatmap,
    Panel,
    Places,
    SampleCaption,
    StageMeasures,
)

logger = logging.getLogger(__name__)

STAGES = (Kind.GENERATED, Kind.REFINED, Kind.PROJECTED, Kind.REAL)
MIXED = (Kind.GENERATED, Kind.REFINED, Kind.REAL)  # what is projected to say of which texts it is made
HEATMAP_PAIRS = 96
SHIFT_PAIRS = 256  # the batch whose contrastive loss is taken
SHIFT_AMOUNTS = np.linspace(-1, 2, 25)
CAPTIONED = 6
NEIGHBOURS_EACH = 5
REAL_PICTURES = 250
_BATCH = 25
_PASSING = frozenset({"moved", "measures", "captions", "clusters"})


class GapExplorer:
    """The use cases on one profile's components.

    Args:
        components: models, features and decoders.
        turns: the lock around the models that all runs share.
        gap_map: corpus -> its fitted map, or None.
    """

    def __init__(
        self, components: Components, turns: ModelLock, gap_map: Callable[[str], GapMap | None]
    ) -> None:
        self.components = components
        self._turns = turns
        self._gap_map = gap_map
        self._memory = Memory(_PASSING)
        self._layouts = Layouts(self._memory, gap_map, lambda corpus: self._clouds(self.sample(corpus)))

    # -- what there is -------------------------------------------------------------------------

    @property
    def corpora(self) -> list[str]:
        """The corpora of the profile."""
        return list(self.components.profile.corpora)

    @property
    def test_sets(self) -> list[str]:
        """The sets of real pictures of the profile."""
        return list(self.components.profile.test_sets)

    def sample(self, corpus: str, pictures: str | None = None) -> GapSample:
        """Return the captions and pictures on show.

        Raises:
            InputError: for a corpus the profile does not have.
            DataError: if the corpus has no features, or the pictures are not encoded yet (`encode`).
        """
        self.components.profile.corpus(corpus)
        own = self._memory.once(("sample", corpus), lambda: self._sample(corpus))
        if pictures is None or (own.real is not None and own.real.test_set == pictures):
            return own
        real = self._memory.known(("real", pictures))
        if real is None:
            raise DataError(f"The pictures of {pictures!r} are not encoded yet.")
        return own.with_real(real)

    def is_encoded(self, corpus: str, pictures: str | None) -> bool:
        """Say whether the pictures are there without running CLIP."""
        own = self.sample(corpus).real
        return (
            pictures is None or (own and own.test_set) == pictures or self._memory.known(("real", pictures))
        )

    def encode(
        self,
        pictures: str,
        should_stop: Callable[[], bool] = lambda: False,
        on_batch: Callable[[int, int], None] = lambda done, total: None,
    ) -> RealPictures:
        """Encode the first pictures of a test set and their first references with CLIP.

        Raises:
            InputError: for a test set the profile does not have.
            Cancelled: if `should_stop` said so.
        """
        folders = self.components.profile.test_sets
        if pictures not in folders:
            raise InputError(f"There is no set {pictures!r}; the profile has {', '.join(folders) or 'none'}.")

        def make() -> RealPictures:
            test_set = TestSet.open(folders[pictures]).head(REAL_PICTURES)
            captions = [test_set.references[name][0] for name in test_set.names]
            features: list[torch.Tensor] = []
            encoder = self.components.encoder
            for start in range(0, len(test_set), _BATCH):
                with self._turns.hold(should_stop):
                    images = [load_image(path) for path in test_set.images[start : start + _BATCH]]
                    features.append(encoder.encode_images(images).float().cpu())
                on_batch(min(start + _BATCH, len(test_set)), len(test_set))
            with self._turns.hold(should_stop):
                texts = encoder.encode_texts(captions).float().cpu().numpy()
            return RealPictures(
                test_set=pictures, features=torch.cat(features).numpy(), captions=captions, texts=texts
            )

        return self._memory.once(("real", pictures), make)

    def range(self, corpus: str, control: Control) -> ControlRange:
        """Return the values that a control takes."""
        return control_range(self.sample(corpus), control)

    def check(self, view: GapView) -> GapView:
        """Return a view that can be shown, its selection in order, or say what cannot.

        Raises:
            InputError: for an unknown corpus, dimensions other than 2 and 3, a value out of the
                control's range, or an item that there is not.
        """
        sample = self.sample(view.corpus, view.pictures)
        if view.dimensions not in (2, 3):
            raise InputError(f"The map has 2 or 3 dimensions, not {view.dimensions}.")
        check_value(sample, view.control, view.value)
        selection = tuple(sorted(set(view.selection)))
        if selection and not 0 <= selection[0] <= selection[-1] < sample.items:
            raise InputError(f"The items on the map are 0..{sample.items - 1}; the selection names others.")
        return replace(view, selection=selection)

    def standard_view(self, corpus: str = "") -> GapView:
        """Return what a first visit shows: a corpus, its own real pictures if any, nothing turned.

        Args:
            corpus: its name; "" is the first.

        Raises:
            InputError: for a corpus the profile does not have.
            DataError: if it has no features.
        """
        corpus = corpus or self.corpora[0]
        real = self.sample(corpus).real
        value = self.range(corpus, Control.TEMPERATURE).standard
        return GapView(corpus=corpus, pictures=real.test_set if real else None, value=value)

    # -- the map -------------------------------------------------------------------------------

    def is_laid_out(self, view: GapView) -> bool:
        """Say whether `places` needs no UMAP fit."""
        return self._layouts.is_ready(view)

    def places(self, view: GapView) -> Places:
        """Return where every feature lies; UMAP is fitted only where no map ships (see `is_laid_out`)."""
        clouds = self._clouds(self.sample(view.corpus, view.pictures))
        if not self.is_standard(view):
            clouds |= self.moved(view).clouds
        return self._layouts.place(view, clouds)

    def is_standard(self, view: GapView) -> bool:
        """Say whether the control is where it changes nothing."""
        return view.value == self.range(view.corpus, view.control).standard

    def moved(self, view: GapView) -> Moved:
        """Return what the control makes of the features."""
        key = ("moved", view.corpus, view.control, view.value)
        return self._memory.once(key, lambda: move(self.sample(view.corpus), view.control, view.value))

    def neighbours(
        self, view: GapView, kind: Kind, item: int, count: int = NEIGHBOURS_EACH
    ) -> dict[Kind, list[Neighbour]]:
        """Return the nearest texts, generated and real pictures of a point, by cosine in CLIP's space.

        Raises:
            InputError: if there is no such point.
        """
        sample = self.sample(view.corpus, view.pictures)
        clouds = self._clouds(sample)
        start = len(sample) if kind is Kind.REAL else 0
        if kind not in clouds or not 0 <= item - start < len(clouds[kind]):
            raise InputError(f"There is no point {item} among the {kind} features.")
        feature = clouds[kind][item - start]
        found: dict[Kind, list[Neighbour]] = {}
        for other in (Kind.TEXT, Kind.GENERATED, Kind.REAL):
            if other not in clouds:
                continue
            offset = len(sample) if other is Kind.REAL else 0
            cosines = clouds[other] @ feature
            if other is kind:
                cosines[item - start] = -np.inf
            best = np.argsort(-cosines)[: min(count, len(cosines) - (other is kind))]
            found[other] = [
                Neighbour(
                    kind=other,
                    item=int(row) + offset,
                    caption=sample.caption(int(row) + offset),
                    cosine=float(cosines[row]),
                )
                for row in best
            ]
        return found

    def pictures(self, view: GapView) -> dict[Kind, ContactSheet]:
        """Return small pictures of the generated and the real items, where they are at hand."""
        sample = self.sample(view.corpus, view.pictures)
        sheets = {}
        if (generated := self._generated_sheet(view.corpus)) is not None:
            sheets[Kind.GENERATED] = generated
        real = sample.real
        if real is not None and real.test_set in self.components.profile.test_sets:
            sheets[Kind.REAL] = self._memory.once(("sheet", "real", real.test_set), lambda: self._sheet(real))
        return sheets

    def picture(self, corpus: str, item: int) -> Image.Image | None:
        """Return the picture of an item: a real one as it is, a generated one small; None where it is not
        at hand.
        """
        sample = self.sample(corpus)
        if item < len(sample):
            sheet = self._generated_sheet(corpus)
            return None if sheet is None else sheet.tile(item)
        real = sample.real
        if real is None or real.test_set not in self.components.profile.test_sets:
            return None
        folder = self.components.profile.test_sets[real.test_set]
        test_set = self._memory.once(("test set", real.test_set), lambda: TestSet.open(folder))
        return load_image(test_set.images[item - len(sample)])

    # -- numbers -------------------------------------------------------------------------------

    def measures(self, view: GapView) -> list[StageMeasures]:
        """Return the measures of what the control made, of every step, and of random features.

        A selection restricts every column to its items; the captions count for the generated,
        refined and projected features, the real pictures for theirs. What Eq. 3 mixes is said of the
        steps once `mix` has projected them.
        """
        sample = self.sample(view.corpus, view.pictures)
        pair_rows, real_rows = self._rows(sample, view.selection)
        columns = []
        if not self.is_standard(view):
            for name, turned in self.moved(view).measured.items():
                mixtures = self.moved(view).mixtures.get(name)
                now = self._measured(
                    view, (view.control, view.value, name), name, pair_rows, turned, mixtures
                )
                columns.append(replace(now, key="now", is_now=True))
        for kind in STAGES:
            if (pairs := sample.pairs(kind)) is not None:
                rows = real_rows if kind is Kind.REAL else pair_rows
                mixtures = self._memory.known(_mixtures_key(sample, kind))
                columns.append(self._measured(view, kind.value, kind.value, rows, pairs, mixtures))
        random = self._random(sample)
        columns.append(self._measured(view, RANDOM, RANDOM, pair_rows, random))
        return columns

    def mix(self, view: GapView) -> None:
        """Project what is on show (Eq. 3), so that `measures` can say of which texts it is made.

        The first call for a corpus reads all of its text features.
        """
        sample = self.sample(view.corpus, view.pictures)
        for kind in MIXED:
            if (pairs := sample.pairs(kind)) is None:
                continue
            images, texts = pairs
            own = None if kind is Kind.REAL else texts
            make = partial(sample.mix, images, sample.temperature, own)
            self._memory.once(_mixtures_key(sample, kind), make)

    def rows(self, view: GapView, items: Sequence[int]) -> list[ItemRow]:
        """Return some items with the cosines to their own texts."""
        sample = self.sample(view.corpus, view.pictures)
        pairs = {kind: found for kind in STAGES if (found := sample.pairs(kind)) is not None}

        def cosines(item: int) -> dict[Kind, float]:
            is_real = item >= len(sample)
            row = item - len(sample) if is_real else item
            kinds = [kind for kind in pairs if (kind is Kind.REAL) == is_real]
            return {kind: float(pairs[kind][0][row] @ pairs[kind][1][row]) for kind in kinds}

        return [ItemRow(item=i, caption=sample.caption(i), cosines=cosines(i)) for i in items]

    def panels(self, view: GapView) -> list[Panel]:
        """Return the steps side by side along the gap, random features last.

        Generated, refined, projected and moved features share the axes of the generated ones; the
        random ones have axes of their own.
        """
        sample = self.sample(view.corpus)
        axes = self._memory.once(
            ("gap axes", view.corpus), lambda: gap_axes(*_paired(sample, Kind.GENERATED))
        )
        panels = [
            _panel(kind.value, kind.value, _paired(sample, kind), axes)
            for kind in (Kind.GENERATED, Kind.REFINED, Kind.PROJECTED)
        ]
        if not self.is_standard(view):
            panels += [_panel("now", name, p, axes) for name, p in self.moved(view).measured.items()][:1]
        random = self._random(sample)
        return [*panels, _panel(RANDOM, RANDOM, random, gap_axes(*random))]

    def heatmap(self, view: GapView, stage: str) -> OrderedHeatmap:
        """Return the similarities of the selected captions, or of some drawn with a fixed seed.

        Args:
            view: what is shown; a selection of fewer than 8 captions counts as none.
            stage: "generated", "refined", "projected", "random", or "now" for what the control made.

        Raises:
            InputError: for any other stage.
        """
        sample = self.sample(view.corpus)
        rows = np.array([item for item in view.selection if item < len(sample)], dtype=int)
        if len(rows) < 8:
            rows = np.arange(len(sample))
        if len(rows) > HEATMAP_PAIRS:
            rows = np.sort(np.random.default_rng(0).permutation(rows)[:HEATMAP_PAIRS])
        captions = [sample.captions[row] for row in rows]
        texts = sample.features[Kind.TEXT]
        clusters = self._memory.once(
            ("clusters", view.corpus, rows.tobytes()), lambda: order_by_clusters(texts[rows], captions)
        )
        images, texts = self._stage_pairs(view, stage)
        order = clusters.order
        return OrderedHeatmap(
            heatmap=similarity_heatmap(images[rows], texts[rows], order),
            clusters=clusters,
            items=rows[order].tolist(),
            captions=[captions[i] for i in order],
        )

    def shift_curves(self, corpus: str) -> dict[Kind, ShiftCurve]:
        """Return the contrastive loss along the gap shift for generated, refined and projected features.

        Of `SHIFT_PAIRS` pairs as one batch, at CLIP's temperature 1/100.
        """
        sample = self.sample(corpus)

        def make() -> dict[Kind, ShiftCurve]:
            rows = np.sort(np.random.default_rng(0).permutation(len(sample))[:SHIFT_PAIRS])
            kinds = (Kind.GENERATED, Kind.REFINED, Kind.PROJECTED)
            texts = sample.features[Kind.TEXT][rows]
            return {k: loss_along_shift(sample.features[k][rows], texts, SHIFT_AMOUNTS) for k in kinds}

        return self._memory.once(("shift", corpus), make)

    def samples(self, view: GapView, should_stop: Callable[[], bool] = lambda: False) -> list[SampleCaption]:
        """Let a shipped decoder caption a few items, before and after the control is turned.

        The items are the first of the selection that fit, else some drawn with a fixed seed.

        Raises:
            BusyError: if too many runs wait for the models.
            Cancelled: if `should_stop` said so while this waited.
            CheckpointError: if the decoder is not there.
        """
        sample = self.sample(view.corpus, view.pictures)
        fitting = readable_items(sample, view.control)
        items = [item for item in view.selection if item in set(fitting.tolist())][:CAPTIONED]
        if not items:
            items = np.sort(np.random.default_rng(0).permutation(fitting)[:CAPTIONED]).tolist()
        key = ("captions", view.corpus, view.pictures, view.control, view.value, tuple(items))
        found = self._memory.known(key)
        if found is not None:
            return cast(list[SampleCaption], found)
        reading = read(sample, view.control, view.value, items)
        with self._turns.hold(should_stop):
            model = self.components.captioner(view.corpus, reading.variant)
            features = torch.from_numpy(np.concatenate([reading.before, reading.now]))
            decoded = model.decode(features.to(self.components.device), alternatives=0)
        decode, end = self.components.encoder.tokenizer.decode, model.config.end_id
        captions = [decode([token for token in one.tokens if token != end]).strip() for one in decoded]
        made = [
            SampleCaption(item=item, reference=sample.caption(item), before=before, now=now)
            for item, before, now in zip(items, captions[: len(items)], captions[len(items) :], strict=True)
        ]
        return self._memory.keep(key, made)

    def warm(self, corpus: str) -> None:
        """Compute, in the calling thread, what the first turns of the controls need."""
        started = time.perf_counter()
        try:
            sample = self.sample(corpus)
            view = GapView(corpus=corpus, value=control_range(sample, Control.TEMPERATURE).standard)
            self.mix(view)
            self.measures(view)
            self.shift_curves(corpus)
            self.pictures(view)
            for steps in sample.steps:
                self.moved(replace(view, control=Control.REFINEMENT, value=steps))
        except SynticError as error:
            logger.warning("the page of the modality gap is not ready: %s", error.detail)
            return
        logger.info("the modality gap of %r is at hand after %.1f s", corpus, time.perf_counter() - started)

    # -- inside --------------------------------------------------------------------------------

    def _sample(self, corpus: str) -> GapSample:
        gap_map = self._gap_map(corpus)
        if gap_map is None:
            return sample_of_corpus(self.components, corpus)
        return sample_of_map(self.components, corpus, gap_map)

    def _clouds(self, sample: GapSample) -> dict[Kind, np.ndarray]:
        clouds = dict(sample.features)
        if sample.real is not None:
            clouds[Kind.REAL] = sample.real.features
        return clouds

    def _generated_sheet(self, corpus: str) -> ContactSheet | None:
        map_path = self.components.profile.corpus(corpus).map
        if map_path is None or not (path := pictures_path(map_path)).is_file():
            return None
        count = len(self.sample(corpus))
        return self._memory.once(("sheet", corpus), lambda: ContactSheet.load(path, count))

    def _sheet(self, real: RealPictures) -> ContactSheet:
        test_set = TestSet.open(self.components.profile.test_sets[real.test_set]).head(len(real))
        return ContactSheet.of([load_image(path) for path in test_set.images])

    def _random(self, sample: GapSample) -> Pairs:
        width = sample.features[Kind.TEXT].shape[1]
        return self._memory.once(("random", len(sample), width), lambda: random_pairs(len(sample), width))

    def _stage_pairs(self, view: GapView, stage: str) -> Pairs:
        sample = self.sample(view.corpus)
        if stage == "now":
            return next(iter(self.moved(view).measured.values()))
        if stage == RANDOM:
            return self._random(sample)
        if stage in (Kind.GENERATED, Kind.REFINED, Kind.PROJECTED):
            return _paired(sample, Kind(stage))
        raise InputError(
            f"There is no heatmap of {stage!r}; choose generated, refined, projected, random or now."
        )

    def _rows(
        self, sample: GapSample, selection: Sequence[int]
    ) -> tuple[np.ndarray | None, np.ndarray | None]:
        if not selection:
            return None, None
        items = np.array(selection, dtype=int)
        return items[items < len(sample)], items[items >= len(sample)] - len(sample)

    def _measured(
        self,
        view: GapView,
        key: Hashable,
        name: str,
        rows: np.ndarray | None,
        pairs: Pairs,
        mixtures: Mixtures | None = None,
    ) -> StageMeasures:
        images, texts = pairs
        number = len(images) if rows is None else len(rows)
        chosen = None if rows is None else rows.tobytes()
        where = view.pictures if key == Kind.REAL.value else None
        measures = self._memory.once(
            ("measures", view.corpus, where, key, chosen), lambda: measure_rows(images, texts, rows)
        )
        if measures is not None and mixtures is not None:
            measures = with_mixtures(measures, mixtures, rows)
        return StageMeasures(key=str(key), name=name, pairs=number, measures=measures)


def _mixtures_key(sample: GapSample, kind: Kind) -> tuple[Hashable, ...]:
    pictures = sample.real.test_set if kind is Kind.REAL and sample.real is not None else None
    return ("mixtures", sample.corpus, kind, pictures)


def _paired(sample: GapSample, kind: Kind) -> Pairs:
    """Images and texts of a kind that the captions have."""
    return sample.features[kind], sample.features[Kind.TEXT]


def _panel(key: str, name: str, pairs: Pairs, axes: Axes) -> Panel:
    images, texts = pairs
    return Panel(
        key=key,
        name=name,
        images=axes.place(images),
        texts=axes.place(texts),
        distance=centroid_distance(images, texts),
    )
