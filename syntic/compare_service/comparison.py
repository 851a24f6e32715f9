"""The use cases of the page "Compare": one picture and many systems, and what experiments left behind."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from PIL import Image

from ..baselines import NO_VIEWS, Captioner, View
from ..data.coco import COMBINATIONS, TestSet
from ..data.images import load_image
from ..errors import Cancelled, DataError, InputError, SynticError
from ..evaluation.picture_scores import PictureScorer
from ..evaluation.pictures import encode_pictures
from ..evaluation.results import EXPERIMENTS, ResultTable, command_for, read_captions, read_table
from ..evaluation.scoring import open_test_set
from ..memory import Memory
from ..method.components import Components
from ..runtime import ModelLock, in_turn
from .systems import build, check_keys, list_systems, name_for_people
from .views import (
    CompareEvent,
    CompareRequest,
    Difference,
    Filters,
    PairOutcome,
    PairView,
    PictureChoice,
    PictureRead,
    Source,
    SystemCaption,
    SystemChoice,
    SystemFailed,
    SystemStarted,
)

T = TypeVar("T")
_Captions = dict[str, dict[str, dict[str, str]]]

MOST_SYSTEMS = 24
MANY = 4  # objects in a picture; more count alike
LISTED = 6  # wins, and losses


class Comparison:
    """The use cases on one profile's components.

    Args:
        components: models, features and decoders.
        turns: the lock around the models that all runs share.
        example_images: the gallery: name -> file.
        variant_of_run: name of a training run -> its variant, or None where there is none.
    """

    def __init__(
        self,
        components: Components,
        turns: ModelLock,
        example_images: Callable[[], Mapping[str, Path]],
        variant_of_run: Callable[[str], str | None] = lambda name: None,
    ) -> None:
        self.components = components
        self.profile = components.profile
        self._turns = turns
        self._example_images = example_images
        self._variant_of_run = variant_of_run
        self._memory = Memory(frozenset({"outcome"}), remembered=200)

    # -- what there is -------------------------------------------------------------------------

    def systems(self) -> list[SystemChoice]:
        """Return the systems that can caption a picture now; those of visitors' runs come from elsewhere."""
        return list_systems(self.profile)

    def test_set(self, name: str) -> TestSet:
        """Return a test set of the profile.

        Raises:
            DataError: if there is none of that name, or it is damaged.
        """
        return self._memory.once(("test set", name), lambda: open_test_set(self.profile, name))

    def check(self, request: CompareRequest) -> CompareRequest:
        """Refuse what cannot be run, before any work is done.

        Raises:
            InputError: for no system, an unknown one, or a picture that there is not.
        """
        check_keys(request.systems, MOST_SYSTEMS)
        known = {system.key for system in self.systems()}
        for key in request.systems:
            if key not in known and self._variant_of_run(key) is None:
                raise InputError(
                    f"There is no system {key[:60]!r} here; there are: {', '.join(sorted(known)) or 'none'}."
                )
        self._path(request.picture)
        return replace(request, systems=tuple(dict.fromkeys(request.systems)))

    # -- one picture ---------------------------------------------------------------------------

    def compare(
        self, request: CompareRequest, should_stop: Callable[[], bool] = lambda: False
    ) -> Generator[CompareEvent]:
        """Let every system caption one picture, in a worker thread under the model lock.

        The request is checked and the picture decoded when this is called; the work begins with the first
        `next`. Closing the iterator stops it before its next system, or its next word.

        Returns:
            `Waiting` while others are ahead, the picture with its references, then what each system wrote.

        Raises:
            InputError: if the request or the picture cannot be used.
            BusyError: if too many runs wait already.
            Cancelled: if `should_stop` said so.
        """
        request = self.check(request)
        image = load_image(self._path(request.picture))
        references = self._references(request.picture)

        def work(emit: Callable[[CompareEvent], None], stopped: Callable[[], bool]) -> None:
            self._compare(request, image, references, emit, stopped)

        return in_turn(self._turns, work, should_stop)

    def _compare(
        self,
        request: CompareRequest,
        image: Image.Image,
        references: tuple[str, ...],
        emit: Callable[[CompareEvent], None],
        stopped: Callable[[], bool],
    ) -> None:
        scorer = self._scorer(request.picture.test_set) if references else None
        emit(PictureRead(image=image, references=references, scored_with=scorer.pictures if scorer else 0))
        ready: dict[str, Captioner] = {}
        views: frozenset[View] = NO_VIEWS
        for key in request.systems:
            _check(stopped)
            try:
                ready[key] = build(self.components, key, self._variant_of_run)
                views |= ready[key].views
            except SynticError as error:
                emit(SystemFailed(key=key, detail=error.detail))
        encoder = self.components.encoder
        pictures = encode_pictures([image], encoder, self.components.detector, views=views)
        for key, system in ready.items():
            _check(stopped)
            emit(SystemStarted(key=key))
            started = time.perf_counter()
            try:
                captioned = system.caption(pictures, on_token=lambda: _check(stopped))[0]
            except Cancelled:
                raise
            except SynticError as error:
                emit(SystemFailed(key=key, detail=error.detail))
                continue
            seconds = time.perf_counter() - started
            text = encoder.encode_texts([captioned.text]).float().cpu()[0]
            emit(
                SystemCaption(
                    key=key,
                    caption=captioned.text,
                    seconds=seconds,
                    cider=scorer.cider(captioned.text, references) if scorer else None,
                    similarity=float(pictures.features[0] @ text),
                    support=tuple(captioned.support[:3]),
                    tags=tuple(pictures.tags[0]),
                )
            )

    def picture(self, choice: PictureChoice) -> Path:
        """Return the file of a picture.

        Raises:
            InputError: if there is none.
        """
        return self._path(choice)

    def references(self, choice: PictureChoice) -> tuple[str, ...]:
        """Return what people wrote of a picture; nothing for an upload."""
        return self._references(choice)

    # -- what experiments left behind ----------------------------------------------------------

    def tables(self) -> dict[str, ResultTable | DataError | None]:
        """Return the result of every experiment: None where it was not run, an error where it is damaged."""
        return {name: self._table(name) for name in EXPERIMENTS}

    def missing(self, experiment: str) -> str:
        """Say what makes a result that is not there."""
        return f"This table was not made for this profile yet; `{command_for(experiment)}` writes it."

    def captioned(self) -> dict[str, dict[str, dict[str, str]]]:
        """Return the committed captions: test set -> system -> picture -> caption.

        The test sets are in the profile's order. Where two experiments captioned with the same system, the
        first one's captions count.
        """
        return self._committed()[0]

    def learned_from(self, test_set: str, system: str) -> str:
        """Return whose texts a system of `captioned` learned from; empty where no file says it."""
        return self._committed()[1].get((test_set, system), "")

    def label(self, test_set: str, system: str) -> str:
        """Return what a system of `captioned` is called, with the corpus where it could be another."""
        corpus = self.learned_from(test_set, system)
        group, _, name = system.partition(" · ")
        if not (corpus and name and "->" in group):  # the group says no more than the corpus does
            name = system
        several = corpus and len(self.profile.corpora) > 1
        return name_for_people(name) + (f" ({corpus})" if several else "")

    def filters(self, test_set: str) -> Filters:
        """Return what the pictures of a test set can be told apart by."""
        known = self.test_set(test_set)
        boxes = [known.boxes[name] for name in known.names]
        return Filters(
            labels=tuple(sorted({box.label for found in boxes for box in found})),
            counts=tuple(sorted({min(len(found), MANY) for found in boxes if found})),
            settings=tuple(sorted(set(known.settings.values()))),
            combinations=tuple(kind for kind in COMBINATIONS if kind in known.combinations.values()),
        )

    def pair(self, view: PairView) -> PairOutcome:
        """Return where two systems differ most on the pictures that count.

        Raises:
            InputError: if a system has no committed captions of the test set, or a filter is unknown.
        """
        systems = self.captioned().get(view.test_set, {})
        for system in (view.first, view.second):
            if system not in systems:
                known = ", ".join(systems) or "none"
                raise InputError(
                    f"There are no captions by {system[:60]!r} for {view.test_set!r}; there are: {known}."
                )
        return self._memory.once(("outcome", view), lambda: self._pair(view))

    # -- inside --------------------------------------------------------------------------------

    def _pair(self, view: PairView) -> PairOutcome:
        names = self._counting(view)
        ours, others = (self._scores(view.test_set, system) for system in (view.first, view.second))
        known = self.test_set(view.test_set)
        images = dict(zip(known.names, known.images, strict=True))
        first, second = (self.captioned()[view.test_set][system] for system in (view.first, view.second))
        found = [
            Difference(
                name=name,
                image=images[name],
                first=first[name],
                second=second[name],
                first_cider=ours[name],
                second_cider=others[name],
                references=tuple(known.references[name]),
            )
            for name in names
            if name in ours and name in others
        ]
        ordered = sorted(found, key=lambda one: -one.gain)
        number = max(1, len(found))
        return PairOutcome(
            pictures=len(found),
            first_mean=sum(one.first_cider for one in found) / number,
            second_mean=sum(one.second_cider for one in found) / number,
            better=sum(one.gain > 0 for one in found),
            worse=sum(one.gain < 0 for one in found),
            same=sum(one.first == one.second for one in found),
            wins=[one for one in ordered if one.gain > 0][:LISTED],
            losses=[one for one in reversed(ordered) if one.gain < 0][:LISTED],
            first_corpus=self.learned_from(view.test_set, view.first),
            second_corpus=self.learned_from(view.test_set, view.second),
        )

    def _counting(self, view: PairView) -> list[str]:
        known, filters = self.test_set(view.test_set), self.filters(view.test_set)
        for what, value, allowed in (
            ("class", view.label, filters.labels),
            ("number of objects", view.count, filters.counts),
            ("setting", view.setting, filters.settings),
            ("combination", view.combination, filters.combinations),
        ):
            if value and value not in allowed:
                names = ", ".join(str(one) for one in allowed) or "none"
                raise InputError(f"No picture has the {what} {value!r}; there are: {names}.")
        return [
            name
            for name in known.names
            if (not view.label or any(box.label == view.label for box in known.boxes[name]))
            and (not view.count or min(len(known.boxes[name]), MANY) == view.count)
            and (not view.setting or known.settings.get(name) == view.setting)
            and (not view.combination or known.combinations.get(name) == view.combination)
        ]

    def _scores(self, test_set: str, system: str) -> dict[str, float]:
        def make() -> dict[str, float]:
            known, scorer = self.test_set(test_set), self._scorer(test_set)
            captions = self.captioned()[test_set][system]
            return {
                name: scorer.cider(captions[name], known.references[name])
                for name in known.names
                if name in captions
            }

        return self._memory.once(("scores", test_set, system), make)

    def _committed(self) -> tuple[_Captions, dict[tuple[str, str], str]]:
        """The committed captions, and (test set, system) -> whose texts it learned from."""

        def read() -> tuple[_Captions, dict[tuple[str, str], str]]:
            found: _Captions = {name: {} for name in self.profile.test_sets}
            corpora: dict[tuple[str, str], str] = {}
            folder = self.profile.results
            if folder is None:
                return {}, corpora
            for experiment in EXPERIMENTS:
                for captions in read_captions(folder, experiment):
                    known = found.get(captions.test_set)
                    if known is None:
                        continue
                    for system, texts in captions.systems.items():
                        if system not in known:
                            known[system] = texts
                            corpora[captions.test_set, system] = captions.corpora.get(system, "")
            return {name: systems for name, systems in found.items() if systems}, corpora

        return self._memory.once(("captioned",), read)

    def _table(self, experiment: str) -> ResultTable | DataError | None:
        if self.profile.results is None:
            return None
        try:
            return read_table(self.profile.results, experiment)
        except DataError as error:
            return error

    def _scorer(self, test_set: str) -> PictureScorer:
        """Words are weighed by the picture's own test set, or by the profile's first."""
        name = test_set or next(iter(self.profile.test_sets))
        return self._memory.once(("scorer", name), lambda: PictureScorer(self.test_set(name).references))

    def _path(self, choice: PictureChoice) -> Path:
        if choice.source is Source.UPLOAD:
            return Path(choice.value)
        if choice.source is Source.EXAMPLE:
            images = self._example_images()
            if choice.value not in images:
                raise InputError(
                    f"There is no example picture {choice.value[:60]!r}; pick one that is shown."
                )
            return images[choice.value]
        known = self._test_set_of(choice)
        if choice.value not in known.references:
            raise InputError(
                f"The test set {choice.test_set!r} has no picture {choice.value[:60]!r}; its pictures are "
                f"{known.names[0]} to {known.names[-1]}."
            )
        return known.images[known.names.index(choice.value)]

    def _test_set_of(self, choice: PictureChoice) -> TestSet:
        try:
            return self.test_set(choice.test_set)
        except DataError as error:
            raise InputError(error.detail) from error

    def _references(self, choice: PictureChoice) -> tuple[str, ...]:
        if choice.source is Source.UPLOAD:
            return ()
        if choice.source is Source.TEST:
            return tuple(self._test_set_of(choice).references.get(choice.value, ()))
        if not self.profile.test_sets:  # nothing to weigh words by
            return ()
        return self._gallery_references().get(choice.value, ())

    def _gallery_references(self) -> dict[str, tuple[str, ...]]:
        def read() -> dict[str, tuple[str, ...]]:
            folder = self.profile.example_images
            try:
                known = TestSet.open(folder) if folder is not None else None
            except DataError:  # a gallery need not be annotated
                known = None
            return {name: tuple(texts) for name, texts in known.references.items()} if known else {}

        return self._memory.once(("gallery",), read)


def _check(stopped: Callable[[], bool]) -> None:
    if stopped():
        raise Cancelled("The comparison was stopped; what was written so far stays.")
