"""What a run does when it is its turn: pictures for its captions, a budget in steps, training."""

from __future__ import annotations

import shutil
import statistics
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from ..data import FeatureStore, SynthesisSettings, make_header, synthesize
from ..errors import Cancelled, SynticError
from ..evaluation.pictures import encode_test_set
from ..evaluation.scoring import open_test_set
from ..method.components import Components
from ..profiles import CorpusSettings, Profile
from ..training import (
    Preparing,
    RunSettings,
    StepDone,
    TrainEvent,
    TrainingFinished,
    TrainingPaused,
    ValidationSettings,
    Validator,
    make_validator,
    train,
)
from .corpora import validation_set
from .events import BudgetMeasured, Drawing, JobEvent, JobFailed, ValidationLeftOut
from .request import JobRequest

ON_CPU = 2  # captions drawn at a time: who waits for the models waits that long at most
REHEARSAL_STEPS = 8
REHEARSAL_CAPTIONS = 256
VALIDATIONS = 8
STOP_FILE = "stop"
GIVEN_AWAY = 1.5  # a turn may last so many times its minutes, for the time given to others


@dataclass(frozen=True, kw_only=True)
class Work:
    """One turn of a run, as plain values that another process can be given.

    Attributes:
        profile: the frozen models and the corpora.
        request: what the visitor asked for.
        folder: of the run.
        cache: folder for what runs share: features of the corpora's refined and validation pictures.
        steps: of the whole run, where they are known.
        minutes: most minutes of training in this turn.
        max_steps: most steps that a budget in minutes may become.
    """

    profile: Profile
    request: JobRequest
    folder: Path
    cache: Path
    steps: int | None
    minutes: float
    max_steps: int

    @property
    def features(self) -> Path:
        """The feature store of the captions that the run draws."""
        return self.folder / "features"

    @property
    def pictures(self) -> Path:
        """The pictures drawn for them."""
        return self.folder / "pictures"

    @property
    def decoders(self) -> Path:
        """The folder of the trained decoder."""
        return self.folder / "decoder"


def carry_out(
    work: Work, components: Components, should_stop: Callable[[], bool] = lambda: False
) -> Iterator[JobEvent]:
    """Do what is left of a run.

    Args:
        work: the turn.
        components: the profile's models.
        should_stop: asked between small steps; it may take its time, so that others get the models.

    Yields:
        Drawing, where captions have no pictures yet; ValidationLeftOut, where there are none to validate
        on; BudgetMeasured, where the budget was in minutes; then the events of `train`.

    Raises:
        Cancelled: if it was stopped before the training began; what is drawn is kept.
        DataError: if the disk is full.
    """
    request = work.request
    if request.draws:
        yield from _draw(work, components, should_stop)
        store = FeatureStore.open(work.features)
    else:
        store = components.feature_store(request.corpus_name)
    profile = training_profile(work)
    settings = _settings(work, work.steps or REHEARSAL_STEPS)
    validator = yield from _validator(work, settings, profile, components, should_stop)

    def run(settings: RunSettings, store: FeatureStore, cache: Path) -> Iterator[TrainEvent]:
        return train(
            settings,
            profile=profile,
            store=store,
            text_model=components.encoder,
            validator=validator,
            device=torch.device(request.device),
            cache=cache,
            should_stop=should_stop,
        )

    if work.steps is None:
        measured = _rehearse(work, settings, store, run)
        yield measured
        settings = _settings(work, measured.steps)
        _check(should_stop)
    cache = work.folder / "prepared" if request.draws else work.cache
    yield from run(replace(settings, minutes=GIVEN_AWAY * work.minutes), store, cache)


def carry_out_apart(work: Work) -> Iterator[JobEvent]:
    """Do the same in a process of its own: models of its own, stopped by a file, errors as events.

    The device is lent for a time, so the turn's minutes count from here and hold everything.
    """
    deadline = time.monotonic() + 60 * work.minutes
    stop_file = work.folder / STOP_FILE

    def should_stop() -> bool:
        return time.monotonic() > deadline or stop_file.exists()

    try:
        yield from carry_out(work, Components.load(work.profile), should_stop)
    except Cancelled:
        yield TrainingPaused(step=0, total=work.steps or 0)
    except SynticError as error:
        yield JobFailed(sentence=error.detail)


def training_profile(work: Work) -> Profile:
    """Return the profile, in which the captions that the run draws are a corpus."""
    profile, request = work.profile, work.request
    if not request.draws:
        return profile
    like = profile.corpus(request.corpus or next(iter(profile.corpora)))
    drawn = CorpusSettings(
        captions=work.folder,
        features=work.features,
        decoders=work.decoders,
        temperature=like.temperature,
    )
    return replace(profile, corpora={**profile.corpora, request.corpus_name: drawn})


def pictures_at_a_time(profile: Profile, device: torch.device) -> int:
    """Return how many captions a run draws in one step: as many as the profile says, fewer on a CPU."""
    size = profile.generator.batch_size
    return size if device.type == "cuda" else min(size, ON_CPU)


def _draw(work: Work, components: Components, should_stop: Callable[[], bool]) -> Iterator[Drawing]:
    captions = work.request.captions
    batch = pictures_at_a_time(work.profile, components.device)
    settings = SynthesisSettings(batch_size=batch, keep_images=work.pictures)
    yield Drawing(done=0, total=len(captions), remaining_seconds=0.0)
    header = make_header(work.profile, captions, components.encoder.width, settings)
    for progress in synthesize(
        captions,
        work.features,
        header=header,
        generator=components.generator,
        encoder=components.encoder,
        detector=components.detector,
        settings=settings,
        should_stop=should_stop,
    ):
        yield Drawing(done=progress.done, total=progress.total, remaining_seconds=progress.remaining_seconds)


def _settings(work: Work, steps: int) -> RunSettings:
    request = work.request
    every = max(-(-steps // VALIDATIONS), min(25, -(-steps // 3)))
    return RunSettings(
        profile=work.profile.name,
        corpus=request.corpus_name,
        variant=request.variant,
        optimizer=replace(work.profile.optimizer, steps=steps),
        validation=ValidationSettings(
            test_set=validation_set(work.profile, request.corpus), every_steps=every
        ),
        out=work.decoders / request.variant,
        work=work.folder / "state",
    )


def _validator(
    work: Work,
    settings: RunSettings,
    profile: Profile,
    components: Components,
    should_stop: Callable[[], bool],
) -> Generator[Preparing | ValidationLeftOut, None, Validator | None]:
    if not (name := settings.validation.test_set):
        yield ValidationLeftOut(
            sentence="The validation pictures are not on this host, so the run goes without validation."
        )
    else:
        test_set = open_test_set(profile, name)
        yield Preparing(stage="pictures", done=0, total=len(test_set))
        encode_test_set(
            test_set,
            profile,
            components.encoder,
            components.detector,
            cache=work.cache,
            on_batch=lambda done, total: _check(should_stop),
        )
    return make_validator(
        settings, profile, components.encoder, detector=components.detector, cache=work.cache
    )


def _rehearse(
    work: Work,
    settings: RunSettings,
    store: FeatureStore,
    run: Callable[[RunSettings, FeatureStore, Path], Iterator[TrainEvent]],
) -> BudgetMeasured:
    """Time a few steps and a validation on the first captions, and say how many fit into the minutes.

    A step takes as long on a part of the corpus as on all of it, as long as that fills a batch.
    """
    folder = work.folder / "rehearsal"
    captions = max(REHEARSAL_CAPTIONS, settings.optimizer.batch_size)
    seconds: list[float] = []
    last = time.monotonic()
    rehearsal = replace(
        settings,
        refinement_steps=0,
        out=folder / "decoder",
        work=folder,
        validation=replace(settings.validation, every_steps=REHEARSAL_STEPS),
    )
    try:
        for event in run(rehearsal, store.head(captions), folder):
            if isinstance(event, TrainingPaused):
                raise Cancelled("The run was stopped while its steps were timed.")
            if isinstance(event, StepDone):
                now = time.monotonic()
                seconds.append(now - last)
                last = now
            elif not isinstance(event, TrainingFinished):
                last = time.monotonic()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    step = statistics.median(seconds[1:-1])
    validation = max(0.0, seconds[-1] - step)
    assert work.request.minutes is not None
    budget = 60 * work.request.minutes - VALIDATIONS * validation
    return BudgetMeasured(
        steps=min(max(REHEARSAL_STEPS, int(budget / step)), work.max_steps),
        seconds_per_step=step,
        validation_seconds=validation,
    )


def _check(should_stop: Callable[[], bool]) -> None:
    if should_stop():
        raise Cancelled("The run was stopped while it was prepared.")
