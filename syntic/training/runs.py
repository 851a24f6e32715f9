"""From settings alone to a running training: load what the profile names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from ..data.features import FeatureStore
from ..evaluation.pictures import encode_test_set
from ..evaluation.scoring import open_test_set
from ..models.detector import Detector
from ..models.encoder import ClipEncoder
from ..profiles import Profile, load_profile
from .events import TrainEvent
from .loop import train
from .record import temperature_of
from .settings import RunSettings
from .validation import Validator


def train_from_profile(
    settings: RunSettings,
    *,
    device: torch.device | None = None,
    cache: Path | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[TrainEvent]:
    """Load the corpus's features and the frozen models that a run needs, and train.

    Args:
        settings: the run.
        device: where to train; None is the CPU.
        cache: folder for the validation pictures' features, or None.
        should_stop: see `train`.

    Yields:
        The events of `train`.
    """
    device = device or torch.device("cpu")
    profile = load_profile(settings.profile)
    store = FeatureStore.open(profile.corpus(settings.corpus).features)
    encoder = ClipEncoder.from_settings(profile.encoder, device)
    yield from train(
        settings,
        profile=profile,
        store=store,
        text_model=encoder,
        validator=make_validator(settings, profile, encoder, device=device, cache=cache),
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
        name = f"{settings.corpus}-validation"
        name = name if name in profile.test_sets else ""
    if not name:
        return None
    test_set = open_test_set(profile, name).head(settings.validation.pictures)
    detector = detector or Detector.from_settings(profile.detector, device or torch.device("cpu"))
    return Validator(
        pictures=encode_test_set(test_set, profile, encoder, detector, cache=cache),
        references=test_set.references,
        text_encoder=encoder,
        tokenizer=encoder.tokenizer,
        temperature=temperature_of(settings, profile),
        max_tags=settings.max_tags,
    )
