"""`SynTIC`: from a text or a picture to a caption, with everything in between (a Trace)."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from ..data.features import FeatureStore
from ..errors import InputError
from ..models import ClipEncoder, Detector, Generator
from ..profiles import Profile
from ..types import Event, Finished, Trace, TraceSettings
from .captioner import CaptionModel
from .components import Components
from .inputs import check_inputs
from .projection import SupportSet
from .stages import TraceRun
from .variant import Variant

Picture = Image.Image | str | Path | bytes


class SynTIC:
    """Captions pictures; shows for texts how the synthetic pairs it was trained on come about.

    A text is generated as a picture, encoded, refined (Eq. 2), projected (Eq. 3), its objects are
    attended to (Eq. 4, 5) and a caption is decoded (Eq. 6). A picture takes the same way without
    generation and without Eq. 2, as in the paper.

    Args:
        components: the models and data, shared with other pipelines if need be.
        variant: the ablation to use unless a call names another.
        corpus: the corpus whose decoder and support set to use; None takes the profile's first.
    """

    def __init__(
        self, components: Components, variant: Variant | None = None, corpus: str | None = None
    ) -> None:
        self.components = components
        self.variant = variant or Variant.parse("syntic")
        self.corpus = corpus or next(iter(components.profile.corpora), "")
        components.profile.corpus(self.corpus)

    @classmethod
    def from_profile(
        cls,
        profile: Profile,
        *,
        variant: Variant | None = None,
        corpus: str | None = None,
        device: torch.device | None = None,
    ) -> SynTIC:
        """Make a pipeline; its models are loaded when they are first used.

        Args:
            profile: from `load_profile`.
            variant: None takes `syntic`.
            corpus: None takes the profile's first.
            device: None takes CUDA where there is a device, else the CPU.
        """
        return cls(Components.load(profile, device), variant, corpus)

    @property
    def profile(self) -> Profile:
        """Names the models and data."""
        return self.components.profile

    @property
    def generator(self) -> Generator:
        """The text-to-image model."""
        return self.components.generator

    @property
    def encoder(self) -> ClipEncoder:
        """CLIP."""
        return self.components.encoder

    @property
    def detector(self) -> Detector:
        """The object detector."""
        return self.components.detector

    @property
    def model(self) -> CaptionModel:
        """The trained decoder, with the attention over tags where the variant has it."""
        return self.components.captioner(self.corpus, self.variant)

    @property
    def support_set(self) -> SupportSet:
        """The corpus' text features."""
        return self.components.support_set(self.corpus)

    @property
    def feature_store(self) -> FeatureStore:
        """The corpus with the features of its texts and of the pictures generated from them."""
        return self.components.feature_store(self.corpus)

    @property
    def settings(self) -> TraceSettings:
        """The settings of a call that names none."""
        return TraceSettings(
            variant=self.variant.name, corpus=self.corpus, refinement_steps=self.profile.refinement.steps
        )

    def __call__(self, *, text: str | None = None, image: Picture | None = None, **settings: Any) -> Trace:
        """Caption one picture, or follow one text to its caption.

        Args:
            text: at most 77 words; give this or `image`.
            image: a PIL image, a path, or the bytes of a file.
            **settings: fields of TraceSettings, for example `temperature=0.02`.

        Raises:
            InputError: if something given cannot be used; nothing has been computed then.
        """
        unknown = sorted(settings.keys() - {f.name for f in fields(TraceSettings)})
        if unknown:
            allowed = ", ".join(f.name for f in fields(TraceSettings))
            raise InputError(f"There is no setting {unknown[0]!r}; the settings are {allowed}.")
        return self._prepare(text, image, replace(self.settings, **settings)).run()

    def stream(
        self,
        *,
        text: str | None = None,
        image: Picture | None = None,
        settings: TraceSettings | None = None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> Iterator[Event]:
        """Do the same step by step, yielding each event as it happens.

        Input is checked when this is called; the work begins with the first `next`, in a thread of
        its own. Closing the iterator stops the work and waits for it to end.

        Args:
            text: as in a call.
            image: as in a call.
            settings: None takes those of the pipeline.
            should_stop: asked between steps, from the working thread; True raises Cancelled.

        Raises:
            InputError: if something given cannot be used.
        """
        stop = threading.Event()
        events: queue.SimpleQueue[Event | BaseException] = queue.SimpleQueue()
        run = self._prepare(
            text, image, settings or self.settings, events.put, lambda: stop.is_set() or should_stop()
        )
        return _follow(run, events, stop)

    def _prepare(
        self,
        text: str | None,
        image: Picture | None,
        settings: TraceSettings,
        emit: Callable[[Event], None] = lambda event: None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> TraceRun:
        text, picture, settings = check_inputs(self.profile, text, image, settings)
        trace = Trace(settings=settings, profile=self.profile.name, text=text, image=picture)
        return TraceRun(self.components, trace, emit, should_stop)


def _follow(
    run: TraceRun, events: queue.SimpleQueue[Event | BaseException], stop: threading.Event
) -> Iterator[Event]:
    def work() -> None:
        try:
            run.run()
        except BaseException as error:  # handed to the consumer, who raises it
            events.put(error)

    worker = threading.Thread(target=work, name="syntic-run", daemon=True)
    worker.start()
    try:
        while True:
            event = events.get()
            if isinstance(event, BaseException):
                raise event
            yield event
            if isinstance(event, Finished):
                return
    finally:
        stop.set()
        worker.join()
