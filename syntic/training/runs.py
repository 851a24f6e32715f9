"""From settings alone to a running training: load what the profile names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from ..baselines import NO_VIEWS
from ..data.features import FeatureStore
from ..errors import InputError
from ..evaluation.pictures import encode_files, encode_test_set
from ..evaluation.scoring import open_test_set
from ..models.detector import Detector
from ..models.encoder import ClipEncoder
from ..profiles import Profile, load_profile
from .events import TrainEvent, TrainingPaused
from .loop import preparing, train
from .pictures import (
    Material,
    make_material,
    open_language_model,
    open_training_pictures,
    train_on_pictures,
)
from .preparation import Report
from .processes import ALONE, Processes
from .record import temperature_of
from .settings import RunSettings
from .validation import Validator


def train_from_profile(
    settings: RunSettings,
    *,
    device: torch.device | None = None,
    cache: Path | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    processes: Processes = ALONE,
) -> Iterator[TrainEvent]:
    """Load the corpus's features and the frozen models that a run needs, and train.

    Args:
        settings: the run.
        device: where to train; None is the CPU.
        cache: folder for the validation pictures' features, or None.
        should_stop: see `train`.
        processes: see `train`.

    Yields:
        The events of `train`; for systems that learn from real pictures those of `train_on_pictures`, after
        Preparing while pictures are encoded.

    Raises:
        InputError: if several processes are to train a system that learns from real pictures.
    """
    device = device or torch.device("cpu")
    profile = load_profile(settings.profile)
    if settings.picture_recipe is not None:
        if processes.count > 1:
            raise InputError(
                f"System {settings.system!r} learns from real pictures, which one process does, not "
                f"{processes.count}; start it without torchrun."
            )
        yield from _train_on_pictures(settings, profile, device=device, cache=cache, should_stop=should_stop)
        return
    store = FeatureStore.open(profile.corpus(settings.corpus).features)
    encoder = ClipEncoder.from_settings(profile.encoder, device)
    validator = None
    if processes.is_main:
        validator = make_validator(settings, profile, encoder, device=device, cache=cache)
    yield from train(
        settings,
        profile=profile,
        store=store,
        text_model=encoder,
        validator=validator,
        device=device,
        should_stop=should_stop,
        processes=processes,
    )


def _train_on_pictures(
    settings: RunSettings,
    profile: Profile,
    *,
    device: torch.device,
    cache: Path | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[TrainEvent]:
    """Load the pictures, texts and frozen models that such a run needs, and train."""
    recipe = settings.picture_recipe
    assert recipe is not None
    profile.corpus(settings.corpus)  # refuses an unknown one before any work
    known = open_language_model(settings, profile) if recipe.needs_language_model else None
    pictures = open_training_pictures(settings, profile)
    encoder = ClipEncoder.from_settings(profile.encoder, device)
    detector = Detector.from_settings(profile.detector, device)

    def encode(report: Report) -> Material:
        encoded = encode_files(
            pictures.images,
            profile,
            encoder,
            detector,
            cache=cache,
            views=recipe.views,
            on_batch=lambda done, total: report("pictures", done, total),
        )
        return make_material(settings, profile, pictures, encoded, encoder)

    material = yield from preparing(encode, should_stop)
    if material is None:
        yield TrainingPaused(step=0, total=settings.optimizer.total_steps(len(pictures)))
        return
    yield from train_on_pictures(
        settings,
        profile=profile,
        material=material,
        encoder=encoder,
        language_model=known,
        validator=make_validator(settings, profile, encoder, detector=detector, device=device, cache=cache),
        device=device,
        should_stop=should_stop,
    )


def make_validator(
    settings: RunSettings,
    profile: Profile,
    encoder: ClipEncoder,
    *,
    detector: Detector | None = None,
    device: torch.device | None = None,
    cache: Path | None = None,
) -> Validator | None:
    """Encode the validation pictures of a run, or return None where it has none.

    Args:
        settings: the run.
        profile: whose test sets and detector are used.
        encoder: CLIP.
        detector: a loaded one, or None to load the profile's.
        device: for the detector.
        cache: folder for the features, or None.
    """
    if settings.recipe is not None and not settings.recipe.is_captioner:
        return None
    name = settings.validation.test_set
    if name is None:
        name = profile.validation_set_of(settings.corpus)
    if not name:
        return None
    test_set = open_test_set(profile, name).head(settings.validation.pictures)
    detector = detector or Detector.from_settings(profile.detector, device or torch.device("cpu"))
    return Validator(
        pictures=encode_test_set(
            test_set,
            profile,
            encoder,
            detector,
            cache=cache,
            views=NO_VIEWS if settings.picture_recipe is None else settings.picture_recipe.views,
        ),
        references=test_set.references,
        text_encoder=encoder,
        tokenizer=encoder.tokenizer,
        temperature=temperature_of(settings, profile),
        max_tags=settings.max_tags,
    )
