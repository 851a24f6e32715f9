"""Training the compared systems that may see real pictures: upper bounds on pairs, and unpaired ones.

It stands beside `train`, not within, so that the way of SynTIC and the text-only systems has no argument that
could hold a real picture. Order, optimiser, validation and resuming are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from ..baselines import (
    EncodedPictures,
    LearnerTools,
    ModelSizes,
    PictureCaptioner,
    PictureFeatures,
    RealPairs,
    TextOnly,
    UnpairedPictures,
)
from ..baselines import language_model as corpus_model
from ..data import TestSet, TrainingPictures, read_captions
from ..data.fingerprints import identify_encoder
from ..errors import CheckpointError, InputError
from ..evaluation.metrics import tokenizer_name
from ..method import CaptionModel, load_checkpoint
from ..method.checkpoint import write_weights
from ..models.encoder import ClipEncoder
from ..profiles import Profile
from .events import TrainEvent, TrainingFinished
from .loop import Run, decoder_config, seeded
from .record import describe_progress, picture_run_key, read_finished
from .settings import RunSettings
from .validation import Validator

Material = RealPairs | UnpairedPictures


def train_on_pictures(
    settings: RunSettings,
    *,
    profile: Profile,
    material: Material,
    encoder: ClipEncoder,
    language_model: tuple[CaptionModel, str] | None = None,
    validator: Validator | None = None,
    device: torch.device | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[TrainEvent]:
    """Train a system on real pictures, or go on with a run of the same settings.

    Args:
        settings: the run; its system is one of `PICTURE_RECIPES`.
        profile: of the frozen models; gives the decoder's size.
        material: RealPairs or UnpairedPictures, as the system wants.
        encoder: CLIP; its text side gives rewards.
        language_model: of the corpus with the digest of its weights, for systems that start from one.
        validator: scores the model now and then; None for not at all.
        device: where to train; None is the CPU.
        should_stop: asked after every step; the run then saves its state and ends with TrainingPaused.

    Yields:
        TrainingStarted, StepDone and Validated, then TrainingFinished or TrainingPaused.

    Raises:
        InputError: if the system does not learn from this type of material.
        CheckpointError: if the saved state of the run is damaged, or a language model is needed.
    """
    device = device or torch.device("cpu")
    recipe = settings.picture_recipe
    if recipe is None:
        raise InputError(f"{settings.decoder_name!r} learns without real pictures; `train` trains it.")
    if recipe.needs_language_model and language_model is None:
        raise CheckpointError(
            f"System {recipe.name!r} starts from a language model of its corpus, but was given none."
        )
    fingerprints = dict(material.fingerprints)
    if language_model is not None:
        fingerprints["language_model"] = language_model[1]
    key = picture_run_key(settings, profile, fingerprints)
    out = settings.out or profile.corpus(settings.corpus).decoders / recipe.name
    finished = read_finished(out, key)
    if finished is not None:
        yield finished
        return
    sizes = ModelSizes.of(decoder_config(profile, encoder.tokenizer, encoder.width), material.pictures)
    rows = len(material) if isinstance(material, RealPairs) else len(material.texts)
    tools = LearnerTools(
        tokenizer=encoder.tokenizer,
        text_encoder=encoder,
        device=device,
        total_steps=settings.optimizer.total_steps(rows),
        batch_size=settings.optimizer.batch_size,
        language_model=None if language_model is None else language_model[0],
    )
    with seeded(settings.seed, "weights", device):
        model = recipe.make_model(sizes)
        learner = recipe.learner(model, material, tools).to(device)
    captioner = PictureCaptioner(recipe, model, encoder.tokenizer, decoding="greedy")

    def validate() -> tuple[float, list[tuple[str, str]]]:
        assert validator is not None
        model.eval()
        return validator.score_captions([found.text for found in captioner.caption(validator.pictures)])

    run = Run(
        settings,
        learner,
        rows=learner.rows,
        loss=learner.loss,
        validate=None if validator is None else validate,
        device=device,
        state_path=settings.work / profile.name / settings.corpus / f"{recipe.name}-{key}.safetensors",
    )
    yield from run.events(should_stop)
    if run.progress.step == run.total:
        tokenizer = tokenizer_name() if validator is not None else None
        sidecar = {
            "profile": profile.name,
            "encoder": identify_encoder(profile.encoder),
            "system": recipe.name,
            "sizes": sizes.to_dict(),
            "run": key,
            "settings": settings.to_dict(),
            "trained_on": recipe.trains_on.__name__,
            "learned_from": fingerprints,
            **describe_progress(settings, run.progress, device, tokenizer),
        }
        write_weights(out, model, sidecar, dtype=torch.float16)
        run.state_path.unlink(missing_ok=True)
        yield TrainingFinished(checkpoint=out, curve=run.progress.curve, seconds=run.progress.seconds)


def open_training_pictures(settings: RunSettings, profile: Profile) -> TrainingPictures:
    """Open the pictures that a run names: a set of the profile, a folder, or the set named as the corpus.

    Raises:
        DataError: if they are not there.
        InputError: if none are named, or some are among those that the profile tests on.
    """
    known = profile.training_pictures
    name = settings.pictures or settings.corpus
    if settings.pictures is None and name not in known:
        raise InputError(
            f"System {settings.system!r} learns from real pictures, but profile {profile.name!r} names none "
            f"for {name!r}; give a folder with --pictures."
        )
    pictures = TrainingPictures.open(known.get(name, Path(name)))
    for test_name, source in profile.test_sets.items():
        annotations = source / "annotations.json" if isinstance(source, Path) else source.captions
        if not annotations.is_file():
            continue
        shared = pictures.shared_with(TestSet.open(source).images)
        if shared:
            raise InputError(
                f"{len(shared)} of the {len(pictures)} pictures in {pictures.folder} are in the test set "
                f"{test_name!r}, the first is {shared[0].name}; train on others."
            )
    return pictures


def open_language_model(settings: RunSettings, profile: Profile) -> tuple[CaptionModel, str]:
    """Return the language model of a run's corpus and the digest of its weights.

    Raises:
        CheckpointError: if it is not trained.
    """
    path = profile.corpus(settings.corpus).decoders / corpus_model.NAME
    if not (path.parent / f"{path.name}.json").is_file():
        raise CheckpointError(
            f"System {settings.system!r} starts from the language model of {settings.corpus!r}; train it "
            f"first with `python -m syntic train --system {corpus_model.NAME} --corpus {settings.corpus}`."
        )
    model, sidecar = load_checkpoint(path, profile.name)
    return model, str(sidecar["weights_sha256"])


def make_material(
    settings: RunSettings,
    profile: Profile,
    pictures: TrainingPictures,
    encoded: EncodedPictures,
    encoder: ClipEncoder,
) -> Material:
    """Return what a run's system learns from; of unpaired pictures no caption is looked at.

    Args:
        settings: of the run, whose system decides.
        profile: whose corpus an unpaired system reads.
        pictures: of which pairs take the captions.
        encoded: the same pictures as the frozen models see them.
        encoder: CLIP.
    """
    recipe = settings.picture_recipe
    if recipe is not None and recipe.trains_on is RealPairs:
        return RealPairs(PictureFeatures.of(encoded), pictures.captions)
    texts = TextOnly.encode(read_captions(profile.corpus(settings.corpus).captions), encoder)
    return UnpairedPictures.separate(encoded, texts, settings.seed)
