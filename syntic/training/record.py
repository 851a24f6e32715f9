"""What a run is known by and what is written about it."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from ..data.features import FeatureStore
from ..data.fingerprints import identify_encoder
from ..method.captioner import LABEL_SMOOTHING
from ..method.variant import Variant
from ..profiles import Profile
from ..profiles.profile import ProjectionSettings, RefinementSettings
from .events import TrainingFinished
from .settings import RunSettings
from .state import Progress


def refinement_of(settings: RunSettings, profile: Profile) -> RefinementSettings:
    """Return the settings of Eq. 2: the profile's, with the run's steps where it names them."""
    if settings.refinement_steps is None:
        return profile.refinement
    return replace(profile.refinement, steps=settings.refinement_steps)


def temperature_of(settings: RunSettings, profile: Profile) -> float:
    """Return the temperature of Eq. 3: the run's, else the profile's for the corpus."""
    if settings.temperature is not None:
        return settings.temperature
    return profile.corpus(settings.corpus).temperature


def run_key(settings: RunSettings, profile: Profile, store: FeatureStore) -> str:
    """Name a run by everything that decides its result."""
    kept = {k: v for k, v in settings.to_dict().items() if k not in ("profile", "out", "work", "minutes")}
    refines = settings.recipe is None and Variant.parse(settings.variant).refine
    described = {
        "settings": kept,
        "decoder": asdict(profile.decoder),
        # What does not refine keeps its name whatever the profile refines with: that of the defaults.
        "refinement": asdict(refinement_of(settings, profile) if refines else RefinementSettings()),
        "temperature": temperature_of(settings, profile),
        "features": store.fingerprint,
    }
    if settings.recipe is not None and settings.recipe.revision > 1:
        described["recipe"] = settings.recipe.revision
    if profile.projection != ProjectionSettings():  # named only where chosen: older runs keep their names
        described["projection"] = asdict(profile.projection)
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:12]


def picture_run_key(settings: RunSettings, profile: Profile, fingerprints: dict[str, str]) -> str:
    """Name a run on real pictures by everything that decides its result.

    Args:
        settings: of the run; where the pictures lie does not matter.
        profile: for the decoder's size.
        fingerprints: of what it learns from.
    """
    unused = ("profile", "out", "work", "minutes", "pictures")
    described = {
        "settings": {k: v for k, v in settings.to_dict().items() if k not in unused},
        "decoder": asdict(profile.decoder),
        "learned_from": fingerprints,
    }
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:12]


def read_finished(out: Path, key: str) -> TrainingFinished | None:
    """Return the result of a run that is already at `out`, or None."""
    path = out.parent / f"{out.name}.json"
    try:
        sidecar = json.loads(path.read_text(encoding="utf-8"))
        if sidecar["run"] != key or not (out.parent / f"{out.name}.safetensors").exists():
            return None
        curve = [(int(step), float(value)) for step, value in sidecar["validation_curve"]]
        return TrainingFinished(checkpoint=out, curve=curve, seconds=sidecar["seconds"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def describe(
    settings: RunSettings,
    profile: Profile,
    store: FeatureStore,
    progress: Progress,
    *,
    device: torch.device,
    validation_tokenizer: str | None,
) -> dict[str, Any]:
    """Return the sidecar: what a reader needs to judge or repeat the run."""
    return {
        "profile": profile.name,
        "encoder": identify_encoder(profile.encoder),
        "run": run_key(settings, profile, store),
        "settings": settings.to_dict(),
        **({} if settings.system else {"refinement": asdict(refinement_of(settings, profile))}),
        "temperature": temperature_of(settings, profile),
        "store": {"fingerprint": store.fingerprint, "captions": len(store), "models": store.header.models},
        **describe_progress(settings, progress, device, validation_tokenizer),
    }


def describe_progress(
    settings: RunSettings, progress: Progress, device: torch.device, validation_tokenizer: str | None
) -> dict[str, Any]:
    """Return what the sidecars of all runs hold: how the training went, and on what."""
    versions = ("torch", "numpy", "open_clip_torch", "safetensors")
    return {
        "label_smoothing": LABEL_SMOOTHING,
        "seed": settings.seed,
        "steps": progress.step,
        "versions": {name: importlib.metadata.version(name) for name in versions},
        "threads": torch.get_num_threads(),
        "device": device.type,
        "validation_curve": progress.curve,
        "validation_tokenizer": validation_tokenizer,
        "losses": progress.losses,
        "seconds": progress.seconds,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }
