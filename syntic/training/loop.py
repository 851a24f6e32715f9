"""The training loop of Eq. 6, as a stream of events, resumable after a kill.

AdamW with warm-up and linear decay, captions in a new order every epoch. Everything that happens in
step n follows from the settings and n, so an interrupted run ends with the weights of one that was
not. Several processes may share each batch, see `processes`. The weights kept are the last ones, as
DeCap's code does, not those that validated best; the curve is in the checkpoint.
"""

from __future__ import annotations

import hashlib
import math
import queue
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from ..baselines import TextOnly
from ..data.features import FeatureStore
from ..data.fingerprints import identify_encoder
from ..errors import Cancelled, DataError, InputError
from ..evaluation.metrics import tokenizer_name
from ..method import CaptionModel, DecoderConfig, Variant, save_checkpoint
from ..method.improvement import Improvement
from ..method.neighbours import make_support_set
from ..profiles import Profile
from .events import (
    Preparing,
    StepDone,
    TrainEvent,
    TrainingFinished,
    TrainingPaused,
    TrainingStarted,
    Validated,
)
from .preparation import Report, TextModel, TrainingData, Vocabulary, prepare
from .processes import ALONE, Processes
from .record import describe, read_finished, refinement_of, run_key, temperature_of
from .settings import RunSettings
from .state import Progress, load_state, save_state
from .texts import prepare_texts
from .validation import Validator

STATE_SECONDS = 30.0  # a kill loses at most this much and one step
CENTRED_ON = 2000  # rows at most that the maps of the prefix are centred on
LOSS_POINTS = 500  # losses kept over a run
T = TypeVar("T")


def train(
    settings: RunSettings,
    *,
    profile: Profile,
    store: FeatureStore,
    text_model: TextModel,
    validator: Validator | None = None,
    device: torch.device | None = None,
    cache: Path | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    processes: Processes = ALONE,
) -> Iterator[TrainEvent]:
    """Train the decoder of a variant or a text-only system, or go on with a run of the same settings.

    What is trained on is `store`: captions, their features, and the features and tags of the images
    generated from them. No argument that reaches the optimiser can hold a real picture; those of
    `validator` are captioned and scored only.

    Args:
        settings: the run.
        profile: of the frozen models; gives the decoder's size and the defaults.
        store: the corpus's features, made with the same profile.
        text_model: CLIP's text side and the tokenizer.
        validator: scores the decoder now and then; None for not at all.
        device: where to train; None is the CPU.
        cache: folder for the refined features, which runs on the same store share; None keeps them
            with the run's state.
        should_stop: asked after every step; the run then saves its state and ends with TrainingPaused.
        processes: this process among those that share the work. All get the same settings and store, and
            yield the same steps; the main one alone validates and writes.

    Yields:
        Preparing, TrainingStarted, StepDone and Validated, then TrainingFinished or TrainingPaused.

    Raises:
        InputError: if the loss is no longer finite; nothing of that step is kept.
        DataError: if the store was made with another profile, or with a CLIP model since replaced.
        CheckpointError: if the saved state of the run is damaged.
    """
    device = device or torch.device("cpu")
    if settings.picture_recipe is not None:
        raise InputError(
            f"System {settings.system!r} learns from real pictures, which a feature store has none of; "
            "`train_on_pictures` trains it."
        )
    _check_store(store, profile, text_model)
    key = run_key(settings, profile, store)
    out = settings.out or profile.corpus(settings.corpus).decoders / settings.decoder_name
    finished = read_finished(out, key)
    if finished is not None:
        yield finished
        return
    work = settings.work / profile.name / settings.corpus
    prepared = cache or work / "prepared"

    def prepare_in_turn(report: Report) -> TrainingData:
        with processes.main_first():  # the others read what it kept
            shared = processes.count > 1
            return _prepare(settings, profile, store, text_model, prepared, device, report, shared)

    data = yield from preparing(prepare_in_turn, should_stop)
    if data is None:
        yield TrainingPaused(step=0, total=settings.optimizer.total_steps(len(store)))
        return
    with seeded(settings.seed, "weights", device):
        config = decoder_config(profile, text_model.tokenizer, text_model.width)
        model = CaptionModel(
            _variant(settings),
            config,
            profile.decoder.tag_heads,
            image_prefix=data.improvement is not None and data.improvement.image_prefix,
        ).to(device)
        features, query, tags, mask, _ = data.batch(torch.arange(0, len(data), -(-len(data) // CENTRED_ON)))
        model.centre(features, query, tags, mask)
    validate = None
    if validator is not None and processes.is_main:
        texts = torch.from_numpy(store.text_features).to(device)
        support = make_support_set(texts, store.captions, profile.projection)
        validate = partial(validator.score, model, support)
    run = Run(
        settings,
        model,
        rows=len(data),
        loss=lambda rows, step: model.loss(*data.batch(rows)),
        weigh=data.target_tokens,
        validate=validate,
        device=device,
        state_path=work / f"{settings.decoder_name}-{key}.safetensors",
        mixed_precision=True,
        processes=processes,
    )
    yield from run.events(should_stop)
    if run.progress.step == run.total:
        if processes.is_main:
            tokenizer = tokenizer_name() if validator is not None else None
            sidecar = describe(
                settings, profile, store, run.progress, device=device, validation_tokenizer=tokenizer
            )
            sidecar |= {"processes": processes.count, "precision": precision_of(device)}
            save_checkpoint(out, model, sidecar, dtype=torch.float16)  # half the size, the same captions
            run.state_path.unlink(missing_ok=True)
        processes.wait()
        yield TrainingFinished(checkpoint=out, curve=run.progress.curve, seconds=run.progress.seconds)


def decoder_config(profile: Profile, vocabulary: Vocabulary, feature_width: int) -> DecoderConfig:
    """Return the profile's decoder, for a tokenizer's vocabulary and features of a width."""
    sizes = profile.decoder
    return DecoderConfig(
        feature_width=feature_width,
        vocabulary_size=vocabulary.vocabulary_size,
        start_id=vocabulary.start_id,
        end_id=vocabulary.end_id,
        pad_id=vocabulary.pad_id,
        width=sizes.width,
        layers=sizes.layers,
        heads=sizes.heads,
        max_tokens=sizes.max_tokens,
    )


class Run:
    """Module, optimiser and progress of one run.

    Args:
        settings: of the run.
        module: all that is trained, and what else its state is made of.
        rows: of one epoch.
        loss: of some rows at a step, counted from 0; its random numbers are the step's own.
        validate: scores the module now and then, see `Validator.score`; None for not at all.
        device: where the module is.
        state_path: where the run keeps its state; a state that is there is continued.
        weigh: says how much some rows count in a batch that processes share; None counts them.
        mixed_precision: compute in bfloat16 where a GPU has it; weights and optimiser stay as they are.
        processes: this one among those that share each batch.
    """

    def __init__(
        self,
        settings: RunSettings,
        module: nn.Module,
        *,
        rows: int,
        loss: Callable[[Tensor, int], Tensor],
        validate: Callable[[], tuple[float, list[tuple[str, str]]]] | None,
        device: torch.device,
        state_path: Path,
        weigh: Callable[[Tensor], float] | None = None,
        mixed_precision: bool = False,
        processes: Processes = ALONE,
    ) -> None:
        self.settings = settings
        self.module = module
        self.rows = rows
        self.loss = loss
        self.validate = validate
        self.device = device
        self.state_path = state_path
        self.weigh = weigh or len
        self.mixed_precision = mixed_precision
        self.processes = processes
        self._epoch_order: tuple[int, Tensor] | None = None
        options = settings.optimizer
        self.optimizer = torch.optim.AdamW(
            module.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay, fused=True
        )
        self.total = options.total_steps(rows)
        self.progress = Progress()
        if state_path.exists():
            self.progress = load_state(state_path, module, self.optimizer)
        processes.wait()  # or the main one might save a later state before another has read this one

    def events(self, should_stop: Callable[[], bool]) -> Iterator[TrainEvent]:
        """Take the remaining steps."""
        progress, options = self.progress, self.settings.optimizer
        steps_per_epoch = -(-self.rows // options.batch_size)
        yield TrainingStarted(
            step=progress.step,
            total=self.total,
            steps_per_epoch=steps_per_epoch,
            parameters=sum(p.numel() for p in self.module.parameters() if p.requires_grad),
        )
        started = saved = time.monotonic()
        earlier = progress.seconds
        every = max(1, self.total // LOSS_POINTS)
        try:
            while progress.step < self.total:
                loss = self._step(progress.step, steps_per_epoch)
                progress.step += 1
                step = progress.step
                if step % every == 0 or step == self.total:
                    progress.losses.append((step, loss))
                rate = options.rate(step - 1, self.total)
                done: list[TrainEvent] = [
                    StepDone(step=step, total=self.total, loss=loss, learning_rate=rate)
                ]
                if self.validate is not None and self._is_validated(step):
                    cider, samples = self.validate()
                    progress.curve.append((step, cider))
                    done.append(Validated(step=step, cider=cider, samples=samples))
                progress.seconds = earlier + time.monotonic() - started
                yield from done  # a consumer that closes the stream here loses nothing
                if step < self.total and self.processes.any(should_stop() or self._out_of_time(started)):
                    yield TrainingPaused(step=step, total=self.total)
                    return
                if time.monotonic() - saved > STATE_SECONDS:
                    self._save()
                    saved = time.monotonic()
        finally:
            self._save()
        self.module.eval()

    def _step(self, step: int, steps_per_epoch: int) -> float:
        options = self.settings.optimizer
        epoch, position = divmod(step, steps_per_epoch)
        rows = self._order(epoch)[position * options.batch_size : (position + 1) * options.batch_size]
        for group in self.optimizer.param_groups:
            group["lr"] = options.rate(step, self.total)
        self.module.train()
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.processes.sum_gradients(self.module.parameters(), self._backward(rows, step))
        value = float(loss.detach())
        norm = torch.nn.utils.clip_grad_norm_(self.module.parameters(), options.gradient_norm)
        if not (math.isfinite(value) and math.isfinite(float(norm))):
            raise InputError(
                f"The loss became {value:g} at step {step + 1} of {self.total}, the norm of its gradient "
                f"{float(norm):g}, so the run ends; start it again with an `optimizer.learning_rate` below "
                f"{options.learning_rate:g}."
            )
        self.optimizer.step()
        return value

    def _backward(self, rows: Tensor, step: int) -> Tensor:
        """Return this process's part of the loss of a batch, after leaving its gradients."""
        mine = self.processes.share(rows).to(self.device)
        if not len(mine):
            return torch.zeros((), device=self.device)
        rank = self.processes.rank
        purpose = f"dropout {step}" + (f" of process {rank}" if rank else "")
        with seeded(self.settings.seed, purpose, self.device), self._precision():
            loss = self.loss(mine, step)
        if self.processes.count > 1:
            loss = loss * (self.weigh(mine) / self.weigh(rows.to(self.device)))
        if torch.isfinite(loss):
            loss.backward()
        return loss

    def _precision(self) -> AbstractContextManager[object]:
        return autocast(self.device) if self.mixed_precision else nullcontext()

    def _order(self, epoch: int) -> torch.Tensor:
        """Return the order of the captions in an epoch; it follows from seed and epoch alone."""
        if self._epoch_order is None or self._epoch_order[0] != epoch:
            generator = torch.Generator().manual_seed(_mix(self.settings.seed, f"epoch {epoch}"))
            self._epoch_order = (epoch, torch.randperm(self.rows, generator=generator))
        return self._epoch_order[1]

    def _is_validated(self, step: int) -> bool:
        return step == self.total or step % self.settings.validation.every_steps == 0

    def _out_of_time(self, started: float) -> bool:
        minutes = self.settings.minutes
        return minutes is not None and time.monotonic() - started >= 60 * minutes

    def _save(self) -> None:
        if self.processes.is_main:
            save_state(self.state_path, self.module, self.optimizer, self.progress)


def _prepare(
    settings: RunSettings,
    profile: Profile,
    store: FeatureStore,
    text_model: TextModel,
    cache: Path,
    device: torch.device,
    report: Report,
    shared: bool,
) -> TrainingData:
    if settings.recipe is not None:
        return prepare_texts(
            TextOnly.of_store(store),
            settings.recipe,
            text_model,
            max_tokens=profile.decoder.max_tokens,
            device=device,
        )
    return prepare(
        store,
        _variant(settings),
        text_model,
        refinement=refinement_of(settings, profile),
        temperature=temperature_of(settings, profile),
        max_tokens=profile.decoder.max_tokens,
        projection=profile.projection,
        max_tags=settings.max_tags,
        mask_own_caption=settings.mask_own_caption,
        improvement=None if settings.improvement is None else Improvement.parse(settings.improvement),
        seed=settings.seed,
        cache=cache,
        keep_projected=shared or store.is_large,
        device=device,
        report=report,
    )


def _variant(settings: RunSettings) -> Variant:
    """Return what the decoder is built for."""
    return Variant.parse(settings.variant) if settings.recipe is None else settings.recipe.variant


def preparing(
    work: Callable[[Report], T], should_stop: Callable[[], bool]
) -> Generator[Preparing, None, T | None]:
    """Run `work` in a thread and yield what it reports; return None if it was stopped."""
    reports: queue.SimpleQueue[Preparing | None] = queue.SimpleQueue()
    result: list[T] = []
    failure: list[BaseException] = []
    closed = threading.Event()
    last = [0.0]

    def report(stage: str, done: int, total: int) -> None:
        if closed.is_set() or should_stop():
            raise Cancelled("The run was stopped while it was prepared.")
        if done == total or time.monotonic() - last[0] > 0.2:
            last[0] = time.monotonic()
            reports.put(Preparing(stage=stage, done=done, total=total))

    def run() -> None:
        try:
            result.append(work(report))
        except BaseException as error:  # handed to the caller below
            failure.append(error)
        finally:
            reports.put(None)

    thread = threading.Thread(target=run, name="prepare-training", daemon=True)
    thread.start()
    try:
        while (event := reports.get()) is not None:
            yield event
    finally:
        closed.set()
        thread.join()
    if failure:
        if isinstance(failure[0], Cancelled):
            return None
        raise failure[0]
    return result[0]


@contextmanager
def seeded(seed: int, purpose: str, device: torch.device) -> Iterator[None]:
    """Give a block random numbers of its own and leave the global ones as they were."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(_mix(seed, purpose))
        yield


def _mix(seed: int, purpose: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}:{purpose}".encode()).digest()[:8], "little") >> 1


def precision_of(device: torch.device) -> str:
    """Return what the products of a training step are computed in: bfloat16 where a GPU has it."""
    if device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
        return "bfloat16"
    return "float32"


def autocast(device: torch.device) -> AbstractContextManager[object]:
    """Return what lets a training step compute in the precision of its device."""
    half = precision_of(device) == "bfloat16"
    return torch.autocast(device.type, torch.bfloat16) if half else nullcontext()


def _check_store(store: FeatureStore, profile: Profile, text_model: TextModel) -> None:
    if store.header.profile != profile.name:
        raise DataError(
            f"The features were made with profile {store.header.profile!r}, not {profile.name!r}; "
            "synthesize them again."
        )
    store.require_encoder(identify_encoder(profile.encoder))
    if store.header.feature_width != text_model.width:
        raise DataError(
            f"The features have width {store.header.feature_width} but CLIP has {text_model.width}; "
            "synthesize them again with these models."
        )
