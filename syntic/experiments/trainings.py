"""The decoders that runs need: found where `train` put them, else trained.

A training is known by everything that decides its weights. How it was watched does not, so a decoder that
was validated while it was trained is the same as one that was not.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from ..baselines import PICTURE_RECIPES, RECIPES
from ..baselines import language_model as corpus_model
from ..data import TrainingPictures
from ..data.features import FeatureStore
from ..data.fingerprints import fingerprint_model, hash_captions
from ..errors import CheckpointError
from ..evaluation.pictures import encode_files
from ..method import CaptionModel, load_checkpoint
from ..method.components import Components
from ..training import (
    RunSettings,
    TrainEvent,
    TrainingFinished,
    ValidationSettings,
    load_run,
    train,
    train_on_pictures,
)
from ..training.pictures import make_material, open_training_pictures
from ..training.record import picture_run_key, run_key
from .plans import Run
from .records import digest

UNWATCHED = ValidationSettings(test_set="")
TRAINED_AS = {
    "syntic-tt": "syntic",
    "decap-tt": "decap",
    "magic": corpus_model.NAME,
    "zerocap": corpus_model.NAME,
}
"""Systems that caption with the decoder of another name."""
UNTRAINED = {"clipre"}

Follow = Callable[[Iterator[TrainEvent]], TrainingFinished | None]


def drain(events: Iterator[TrainEvent]) -> TrainingFinished | None:
    """Run a training without telling of it; return None where it was paused."""
    return next((event for event in events if isinstance(event, TrainingFinished)), None)


@dataclass(frozen=True, kw_only=True)
class Recipes:
    """Settings that all trainings share.

    Attributes:
        run_file: TOML file of a run, or None for the defaults.
        overrides: as `--set` takes them.
    """

    run_file: Path | None = None
    overrides: tuple[str, ...] = ()


class Trainings:
    """The decoders of one profile.

    Args:
        components: of the profile.
        folder: where decoders go that `train` has not made.
        cache: for the features of training pictures.
        recipes: settings of all trainings.
        follow: consumes the events of a training and returns its end.
    """

    def __init__(
        self,
        components: Components,
        folder: Path,
        *,
        cache: Path | None = None,
        recipes: Recipes | None = None,
        follow: Follow = drain,
    ) -> None:
        self.components = components
        self.profile = components.profile
        self.folder = folder
        self.cache = cache
        self.recipes = recipes or Recipes()
        self.follow = follow
        self._stores: dict[tuple[str, float, int], FeatureStore] = {}

    def store(self, run: Run) -> FeatureStore:
        """Return the texts of a run: the corpus, or a share of it that grows with the share."""
        whole = self.components.feature_store(run.corpus)
        if run.share == 1:
            return whole
        key = (run.corpus, run.share, run.seed)
        if key not in self._stores:
            generator = torch.Generator().manual_seed(run.seed)
            count = max(2, round(run.share * len(whole)))
            rows = torch.randperm(len(whole), generator=generator)[:count].sort().values
            self._stores[key] = whole.take(rows.tolist())
        return self._stores[key]

    def settings(self, run: Run) -> RunSettings:
        """Return the settings of the training of a run, in which nothing is validated."""
        name = TRAINED_AS.get(run.system, run.system)
        is_variant = name not in PICTURE_RECIPES | RECIPES
        settings = load_run(
            self.recipes.run_file,
            self.recipes.overrides,
            known_profile=self.profile,
            profile=self.profile.name,
            corpus=run.corpus,
            seed=run.seed,
            improvement=run.improvement,
            refinement_steps=run.refinement_steps,
            temperature=run.temperature,
            mask_own_caption=run.mask_own_caption or None,
            **({"variant": name} if is_variant else {"system": name}),
        )
        if run.share < 1:
            steps = settings.optimizer.total_steps(len(self.components.feature_store(run.corpus)))
            settings = replace(settings, optimizer=replace(settings.optimizer, steps=steps))
        return replace(settings, validation=UNWATCHED, work=self.folder / "work")

    def identity(self, run: Run) -> str | None:
        """Name the decoder of a run by all that decides its weights; None where it needs none."""
        if run.system in UNTRAINED:
            return None
        settings = self.settings(run)
        if settings.picture_recipe is None:
            return run_key(settings, self.profile, self.store(run))
        unused = ("profile", "out", "work", "minutes", "pictures", "validation")
        language_model = None
        if settings.picture_recipe.needs_language_model:
            language_model = self.identity(_language_model_of(run))
        models = (self.profile.encoder, self.profile.detector)
        return digest(
            {
                "settings": {k: v for k, v in settings.to_dict().items() if k not in unused},
                "decoder": asdict(self.profile.decoder),
                "models": [fingerprint_model(model.model, model.revision) for model in models],
                "threshold": self.profile.detector.threshold,
                "pictures": _content(open_training_pictures(settings, self.profile)),
                "texts": hash_captions(self.store(run).captions),
                "language_model": language_model,
            }
        )

    def decoders(self, run: Run) -> Path | None:
        """Return the folder with the decoder of a run, trained if need be; None where it needs none.

        Raises:
            CheckpointError: if the training was paused.
            DataError: if what it learns from is missing.
        """
        if run.system in UNTRAINED:
            return None
        settings, identity = self.settings(run), self.identity(run)
        assert identity is not None
        name = settings.system or settings.variant
        own = self.folder / "decoders" / run.corpus / identity
        if settings.picture_recipe is not None:
            return self._on_pictures(run, settings, own)
        store = self.store(run)
        usual = self.profile.corpus(run.corpus).decoders
        for folder in (own, usual):
            if self._holds(folder / name, settings, lambda known: run_key(known, self.profile, store)):
                return folder
        settings = replace(settings, out=own / name)
        self._finish(
            train(
                settings,
                profile=self.profile,
                store=store,
                text_model=self.components.encoder,
                device=self.components.device,
            ),
            name,
        )
        return own

    def _on_pictures(self, run: Run, settings: RunSettings, own: Path) -> Path:
        recipe = settings.picture_recipe
        assert recipe is not None
        pictures = open_training_pictures(settings, self.profile)
        language_model = self._language_model(run) if recipe.needs_language_model else None
        encoder = self.components.encoder
        encoded = encode_files(
            pictures.images,
            self.profile,
            encoder,
            self.components.detector,
            cache=self.cache,
            views=recipe.views,
        )
        material = make_material(settings, self.profile, pictures, encoded, encoder)
        fingerprints = dict(material.fingerprints)
        if language_model is not None:
            fingerprints["language_model"] = language_model[1]
        usual = self.profile.corpus(run.corpus).decoders
        for folder in (own, usual):
            if self._holds(
                folder / recipe.name,
                settings,
                lambda known: picture_run_key(known, self.profile, fingerprints),
            ):
                return folder
        self._finish(
            train_on_pictures(
                replace(settings, out=own / recipe.name),
                profile=self.profile,
                material=material,
                encoder=encoder,
                language_model=language_model,
                device=self.components.device,
            ),
            recipe.name,
        )
        return own

    def _language_model(self, run: Run) -> tuple[CaptionModel, str]:
        folder = self.decoders(_language_model_of(run))
        assert folder is not None
        model, sidecar = load_checkpoint(folder / corpus_model.NAME, self.profile.name)
        return model, str(sidecar["weights_sha256"])

    def _finish(self, events: Iterator[TrainEvent], name: str) -> None:
        if self.follow(events) is None:
            raise CheckpointError(f"The training of {name!r} was paused; run the same command to go on.")

    @staticmethod
    def _holds(path: Path, settings: RunSettings, key: Callable[[RunSettings], str]) -> bool:
        """Say whether a checkpoint is of a training with these settings, however it was watched."""
        sidecar = read_sidecar(path)
        try:
            watched = ValidationSettings(**sidecar["settings"]["validation"])
            has_weights = (path.parent / f"{path.name}.safetensors").is_file()
            return has_weights and bool(sidecar["run"] == key(replace(settings, validation=watched)))
        except (KeyError, TypeError):
            return False


def read_sidecar(path: Path) -> dict[str, Any]:
    """Return what is known about a checkpoint; nothing where there is none."""
    try:
        sidecar = json.loads((path.parent / f"{path.name}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return sidecar if isinstance(sidecar, dict) else {}


def _language_model_of(run: Run) -> Run:
    """The run whose decoder is the language model of a run's corpus."""
    return Run(
        system="magic",
        corpus=run.corpus,
        domain=run.domain,
        test_set=run.test_set,
        seed=run.seed,
        share=run.share,
    )


def _content(pictures: TrainingPictures) -> str:
    """Hash training pictures and their captions."""
    hashed = hashlib.sha256(json.dumps(pictures.captions).encode())
    for path in pictures.images:
        hashed.update(hashlib.sha256(path.read_bytes()).digest())
    return hashed.hexdigest()[:16]
