"""What the app does, without the app: typed requests in, typed events out.

One `SynticService` lives as long as the process. It loads the models once, in the background, lets
one run at a time through them, and hands every run's events over from its worker thread.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from .compare_service import Comparison
from .data import TestSet
from .data.images import load_image
from .emoji.composition import Composer
from .errors import CheckpointError, DataError, InputError, SynticError
from .evaluation.familiarity import Familiarity, KnownWorld
from .evaluation.map import GapMap, Kind
from .evaluation.scoring import open_test_set
from .gap_service import GapExplorer
from .jobs import RUN_PREFIX, Apart, HostedProfile, JobLimits, JobManager, validation_set
from .lesson_service import Lesson
from .memory import Memory
from .method import VARIANTS, project_onto_support
from .method.inputs import check_inputs
from .method.pipeline import SynTIC
from .method.stages import TraceRun
from .profiles import Profile
from .runtime import ModelLock, Waiting, in_turn
from .types import Event, ProjectionTrace, Trace, TraceSettings

logger = logging.getLogger(__name__)

TOP_CAPTIONS = 10
OWN_PICTURES = 250  # of each domain, that tell how its pictures are drawn
PICTURE_SUFFIXES = {".webp", ".png", ".jpg", ".jpeg"}


WalkEvent = Event | Waiting


@dataclass(frozen=True, kw_only=True)
class WalkRequest:
    """One text or one picture, and how to walk it through the stages.

    Attributes:
        text: a sentence; or
        image: a picture, or the path of one, decoded here.
        settings: what the person chose.
    """

    text: str | None = None
    image: Image.Image | Path | None = None
    settings: TraceSettings = field(default_factory=TraceSettings)


@dataclass(frozen=True)
class Missing:
    """Something the profile needs and that is not there.

    Attributes:
        what: in a word or two.
        path: where it would be.
        command: what makes it.
    """

    what: str
    path: Path
    command: str


class SynticService:
    """The use cases of the app on one profile.

    Args:
        profile: the frozen models, the corpora and the checkpoints.
        device: where the models run; None takes CUDA where there is a device, else the CPU.
        capacity: how many runs may wait for the models.
        runs: folder of the visitors' training runs; None takes a temporary one.
        limits: what those may ask for.
        apart: carries them out where this process has no device for it.

    Attributes:
        composer: draws the scenes that visitors put together, whatever the profile.
        jobs: the visitors' training runs.
    """

    def __init__(
        self,
        profile: Profile,
        device: torch.device | None = None,
        *,
        capacity: int = 16,
        runs: Path | None = None,
        limits: JobLimits | None = None,
        apart: Apart | None = None,
    ) -> None:
        self.profile = HostedProfile.of(profile, lambda name: self.jobs.find_run(name))
        self.pipeline = SynTIC.from_profile(self.profile, device=device)
        self._turns = ModelLock(capacity)
        self.composer = Composer()
        self.gap = GapExplorer(self.pipeline.components, self._turns, self.gap_map)
        self.lesson = Lesson(self.gap, self._turns, self.trained_variants)
        on_cuda = self.pipeline.components.device.type == "cuda"
        self.jobs = JobManager(
            profile,
            self.pipeline.components,
            self._turns,
            folder=runs,
            limits=limits,
            devices=("cuda",) if apart else ("cuda", "cpu") if on_cuda else ("cpu",),
            apart=apart,
        )
        self.comparison = Comparison(
            self.pipeline.components, self._turns, lambda: self.example_images, self._variant_of_run
        )
        self._memory = Memory()
        self._maps: dict[Path, GapMap] = {}
        self._test_sets: dict[str, TestSet] = {}

    # -- what there is -------------------------------------------------------------------------

    @cached_property
    def example_images(self) -> dict[str, Path]:
        """The gallery: name -> file, empty where it was not built yet."""
        folder = self.profile.example_images
        if folder is None or not folder.is_dir():
            return {}
        return {
            path.stem: path for path in sorted(folder.iterdir()) if path.suffix.lower() in PICTURE_SUFFIXES
        }

    def validation_pictures(self, corpus: str | None) -> dict[str, Path]:
        """Return the pictures that a run on a corpus, or on one's own captions, is validated on."""
        name = validation_set(self.profile, corpus)
        if not name:
            return {}
        if name not in self._test_sets:
            self._test_sets[name] = open_test_set(self.profile, name)
        test_set = self._test_sets[name]
        return dict(zip(test_set.names, test_set.images, strict=True))

    @property
    def variants(self) -> Sequence[str]:
        """Names of the eight ablations, in Table 4's order."""
        return [variant.name for variant in VARIANTS]

    def trained_variants(self, corpus: str) -> list[str]:
        """Return the names of the ablations that have a decoder for a corpus, or for a run."""
        folder = self.profile.corpus(corpus).decoders
        return [name for name in self.variants if (folder / f"{name}.safetensors").is_file()]

    def check_decoder(self, variant: str, corpus: str) -> None:
        """Raise CheckpointError where a variant has no decoder for a corpus, saying which have one."""
        trained = self.trained_variants(corpus)
        if variant in trained:
            return
        others = f"it has those of {', '.join(trained)}" if trained else "it has none at all"
        raise CheckpointError(
            f"The corpus “{corpus}” has no decoder of the variant “{variant}” yet, {others}; "
            f"`python -m syntic train --corpus {corpus} --variant {variant}` makes it."
        )

    def missing(self) -> list[Missing]:
        """List the models, features and decoders that are not there, each with the command that makes it."""
        profile, found = self.profile, []
        for what, model, part in (
            ("the text-to-image model", profile.generator.model, "generator"),
            ("the CLIP model", profile.encoder.model, "clip"),
            ("the detector", profile.detector.model, "detector"),
        ):
            folder = Path(model.removeprefix("local-dir:"))
            if folder.is_absolute() and not any(folder.rglob("*.safetensors")):
                found.append(Missing(what, folder, f"python -m syntic emoji pretrain {part}"))
        for name, corpus in profile.corpora.items():
            if not (corpus.features / "store.json").is_file():
                what = f"the features of the corpus “{name}”"
                found.append(Missing(what, corpus.features, f"python -m syntic synthesize {name}"))
            trained = self.trained_variants(name)
            absent = [variant for variant in self.variants if variant not in trained]
            if absent:
                what = f"decoders of “{name}”: {', '.join(absent)}"
                command = f"python -m syntic train --corpus {name} --variant {absent[0]}"
                found.append(Missing(what, corpus.decoders, command))
            if corpus.map is not None and not corpus.map.is_file():
                found.append(Missing(f"the map of “{name}”", corpus.map, self.command_for_map(name)))
        return found

    def command_for_map(self, corpus: str) -> str:
        """Return the command that fits the map of a corpus."""
        other = "" if corpus == next(iter(self.profile.corpora)) else f" --corpus {corpus}"
        return f"python -m syntic emoji export{other}"

    def gap_map(self, corpus: str) -> GapMap | None:
        """Return the corpus' fitted map, or None where there is none or it cannot be read."""
        path = self.profile.corpus(corpus).map
        if path is None or not path.is_file():
            return None
        if path not in self._maps:
            try:
                self._maps[path] = GapMap.load(path)
            except DataError as error:
                logger.warning("%s", error.detail)
                return None
        return self._maps[path]

    def _variant_of_run(self, name: str) -> str | None:
        """Return what a finished training run trained, or None where there is no such run."""
        trained = self.jobs.finished(name) if name.startswith(RUN_PREFIX) else None
        return None if trained is None else trained.variant

    # -- runs ----------------------------------------------------------------------------------

    def start(self) -> threading.Thread:
        """Load the models of the first corpus in the background, so that the first run need not.

        What the controls on the page of the modality gap need is computed after that.
        """

        def load() -> None:
            parts = self.pipeline.components
            corpus = next(iter(self.profile.corpora))
            started = time.perf_counter()
            for what, part in (
                ("CLIP", lambda: parts.encoder),
                ("the detector", lambda: parts.detector),
                ("the text features", lambda: parts.support_set(corpus)),
                ("the decoder", lambda: parts.captioner(corpus, VARIANTS[-1])),
                ("the text-to-image model", lambda: parts.generator),
            ):
                try:
                    part()
                except SynticError as error:
                    logger.warning("%s could not be loaded: %s", what, error.detail)
                except Exception:
                    logger.exception("%s could not be loaded", what)
            logger.info("models looked after in %.1f s", time.perf_counter() - started)
            self.gap.warm(corpus)
            with suppress(SynticError):  # said where it is asked for
                self._known_world(corpus)
            self.lesson.warm(corpus)

        thread = threading.Thread(target=load, name="syntic-loader", daemon=True)
        thread.start()
        return thread

    def walk(
        self, request: WalkRequest, should_stop: Callable[[], bool] = lambda: False
    ) -> Generator[WalkEvent]:
        """Walk one text or picture through all stages, in a worker thread under the model lock.

        The input is checked when this is called, the work begins with the first `next`. Closing the
        iterator stops the run at its next step and waits for its end.

        Args:
            request: what to run on.
            should_stop: asked between steps; True ends the run with `Cancelled`.

        Returns:
            `Waiting` while others are ahead, then the pipeline's events.

        Raises:
            InputError: if the text, the picture or a setting cannot be used.
            CheckpointError: if the corpus has no decoder of the variant.
            BusyError: if too many runs wait already.
            Cancelled: if `should_stop` said so.
        """
        text, image, settings = check_inputs(self.profile, request.text, request.image, request.settings)
        self.check_decoder(settings.variant, settings.corpus)
        checked = WalkRequest(text=text, image=image, settings=settings)
        return self._walk(checked, should_stop)

    def _walk(self, request: WalkRequest, should_stop: Callable[[], bool]) -> Generator[WalkEvent]:
        def work(emit: Callable[[WalkEvent], None], stopped: Callable[[], bool]) -> None:
            for event in self.pipeline.stream(
                text=request.text, image=request.image, settings=request.settings, should_stop=stopped
            ):
                emit(event)

        return in_turn(self._turns, work, should_stop)

    def reproject(self, feature: np.ndarray, corpus: str, temperature: float) -> ProjectionTrace:
        """Project one image feature (D,) again at another temperature (Eq. 3); no model takes part.

        Raises:
            InputError: for a temperature that is not above zero.
        """
        if not temperature > 0:
            raise InputError(f"The temperature must be above 0 but is {temperature}.")
        support = self.pipeline.components.support_set(corpus)
        projection = project_onto_support(feature[None], support, temperature=temperature, top_k=TOP_CAPTIONS)
        entropy = float(projection.entropy[0])
        return ProjectionTrace(
            feature=projection.features[0].cpu().numpy(),
            top_captions=[support.captions[i] for i in projection.top_indices[0].tolist()],
            top_weights=projection.top_weights[0].tolist(),
            top_similarities=projection.top_similarities[0].tolist(),
            entropy=entropy,
            effective_captions=float(np.exp(entropy)),
        )

    def read_again(
        self,
        trace: Trace,
        *,
        without: Sequence[str] = (),
        given: Sequence[int] = (),
        should_stop: Callable[[], bool] = lambda: False,
    ) -> Trace:
        """Let the decoder of a finished run read again: with fewer tags, or from first tokens that are given.

        Args:
            trace: of a finished run.
            without: tags that are switched off.
            given: ids of the tokens that the caption starts with; it goes on greedily.
            should_stop: asked while this waits for the models.

        Returns:
            The trace with its attention and caption anew.

        Raises:
            InputError: for a tag that the picture does not have, or a token that there is not.
            BusyError: if too many runs wait already.
            Cancelled: if `should_stop` said so.
        """
        found = trace.detections or []
        if unknown := [tag for tag in without if tag not in {detection.label for detection in found}]:
            raise InputError(f"There is no tag {unknown[0][:40]!r} in this picture.")
        kept = [detection for detection in found if detection.label not in without]
        with self._turns.hold(should_stop):
            run = TraceRun(
                self.pipeline.components, replace(trace, detections=kept), lambda event: None, should_stop
            )
            return run.read_again(given)

    def familiarity(self, feature: np.ndarray, corpus: str, image: Image.Image | None = None) -> Familiarity:
        """Say how far a picture, its feature (D,) and itself, is from what the corpus' decoders learned from.

        Measured against the pictures drawn from the corpus' texts; how far the profile's own real pictures
        are, those of the maps of all its domains, says what is usual: a corpus may have none of its own, and
        a picture of another domain is of the same world. Without maps the drawn pictures themselves do. How
        the world's pictures are drawn is learned from those of its domains that are there.

        Raises:
            DataError: if the corpus has no features.
        """
        return self._known_world(corpus).measure(feature, image)

    def _known_world(self, corpus: str) -> KnownWorld:
        def learn() -> KnownWorld:
            drawn = np.asarray(self.pipeline.components.feature_store(corpus).image_features)
            maps = [self.gap_map(name) for name in self.profile.corpora]
            real = [found.points[Kind.REAL].features for found in maps if found and Kind.REAL in found.points]
            return KnownWorld.learn(drawn, np.concatenate(real) if real else None, self._own_pictures())

        key = ("world", str(self.profile.corpus(corpus).features))
        return self._memory.once(key, learn)

    def _own_pictures(self) -> list[Image.Image]:
        """Some of the world's real pictures, of every domain that there are any of."""
        profile = self.profile
        names = (profile.validation_set_of(name) or profile.test_set_of(name) for name in profile.corpora)
        pictures: list[Image.Image] = []
        for name in dict.fromkeys(name for name in names if name is not None):
            try:
                paths = open_test_set(profile, name).head(OWN_PICTURES).images
                pictures += [load_image(path) for path in paths]
            except SynticError as error:
                logger.warning("the pictures of %r are not looked at: %s", name, error.detail)
        return pictures

    def corpus_size(self, corpus: str) -> int:
        """Return the number of texts that Eq. 3 weighs."""
        return len(self.pipeline.components.support_set(corpus))
