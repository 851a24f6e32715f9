"""What a pipeline is made of: the profile's frozen models and each corpus' features and decoders.

Everything is loaded once, when it is first used, and stays public, so that pipelines for several
variants share it, and captioning pictures never loads the text-to-image model.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn

from ..data.features import FeatureStore
from ..data.fingerprints import identify_encoder
from ..errors import CheckpointError
from ..models import ClipEncoder, Detector, Generator
from ..profiles import Profile
from ..runtime import pick_device
from .captioner import CaptionModel
from .checkpoint import load_checkpoint, read_weights
from .decoder import DecoderConfig
from .neighbours import make_support_set
from .projection import SupportSet
from .variant import Variant

T = TypeVar("T")
M = TypeVar("M", bound=nn.Module)


class Components:
    """The parts of one profile on one device.

    Args:
        profile: names them.
        device: where the models run.
    """

    def __init__(self, profile: Profile, device: torch.device) -> None:
        self.profile = profile
        self.device = device
        self._loaded: dict[Any, Any] = {}
        self._lock = threading.RLock()

    @classmethod
    def load(cls, profile: Profile, device: torch.device | None = None) -> Components:
        """Return the components of a profile; None takes CUDA where there is a device, else the CPU."""
        return cls(profile, device or pick_device())

    @property
    def generator(self) -> Generator:
        """The text-to-image model."""
        return self._once("generator", lambda: Generator.from_settings(self.profile.generator, self.device))

    @property
    def encoder(self) -> ClipEncoder:
        """CLIP."""
        return self._once("encoder", lambda: ClipEncoder.from_settings(self.profile.encoder, self.device))

    @property
    def detector(self) -> Detector:
        """The object detector."""
        return self._once("detector", lambda: Detector.from_settings(self.profile.detector, self.device))

    def feature_store(self, corpus: str) -> FeatureStore:
        """Return a corpus' captions with their features.

        Raises:
            DataError: if there are none, or they were made with another CLIP model.
        """
        folder = self.profile.corpus(corpus).features

        def load() -> FeatureStore:
            store = FeatureStore.open(folder)
            store.require_encoder(self._encoder_identity)
            return store

        return self._once(("store", folder), load)

    def support_set(self, corpus: str) -> SupportSet:
        """Return a corpus' text features, which Eq. 3 projects onto."""

        def load() -> SupportSet:
            store = self.feature_store(corpus)
            features = torch.from_numpy(store.text_features).to(self.device)
            return make_support_set(features, store.captions, self.profile.projection)

        return self._once(("support", self.profile.corpus(corpus).features), load)

    def captioner(self, corpus: str, variant: Variant) -> CaptionModel:
        """Return the trained decoder of a variant.

        Raises:
            CheckpointError: if there is none, or it was trained with another CLIP model.
        """
        return self.decoder(corpus, variant.name)

    def decoder(self, corpus: str, name: str) -> CaptionModel:
        """Return the trained decoder of that name: a variant's, or a compared system's.

        Raises:
            CheckpointError: if there is none, or it was trained with another CLIP model.
        """
        return self._decoder(corpus, name)[0]

    def weights(
        self,
        corpus: str,
        name: str,
        build: Callable[[dict[str, Any]], M],
        *,
        config_of: Callable[[M], DecoderConfig],
    ) -> M:
        """Return another trained model of a corpus, from its checkpoint of that name.

        Args:
            corpus: whose folder of decoders it lies in.
            name: of the checkpoint.
            build: makes the model from the sidecar.
            config_of: says what it was built for.

        Raises:
            CheckpointError: if there is none, or it was trained with another CLIP model.
        """

        def load() -> M:
            model, sidecar = read_weights(folder / name, self.profile.name, build)
            self._check_fits(folder / name, config_of(model), sidecar)
            return model.to(self.device)

        folder = self.profile.corpus(corpus).decoders
        return self._once(("weights", folder, name), load)

    def captioner_details(self, corpus: str, variant: Variant) -> dict[str, Any]:
        """Return the sidecar of a trained decoder: how it was made."""
        return self._decoder(corpus, variant.name)[1]

    def forget_captioner(self, corpus: str, variant: Variant) -> None:
        """Load this decoder again when it is next used, because it was trained anew."""
        with self._lock:
            self._loaded.pop(("decoder", self.profile.corpus(corpus).decoders, variant.name), None)

    def forget_folder(self, folder: Path) -> None:
        """Drop the features and decoders that lie below a folder, because it is going to be removed."""
        with self._lock:
            for key in [k for k in self._loaded if isinstance(k, tuple) and isinstance(k[1], Path)]:
                if key[1].is_relative_to(folder):
                    del self._loaded[key]

    def tag_features(self, labels: Sequence[str]) -> Tensor:
        """Return (K, D) CLIP text features of labels (SynTIC, Eq. 4), each encoded once."""
        with self._lock:
            missing = [label for label in dict.fromkeys(labels) if ("tag", label) not in self._loaded]
            if missing:
                for label, feature in zip(missing, self.encoder.encode_texts(missing), strict=True):
                    self._loaded["tag", label] = feature
            known = [cast(Tensor, self._loaded["tag", label]) for label in labels]
        return torch.stack(known) if known else torch.zeros(0, self.encoder.width, device=self.device)

    def _decoder(self, corpus: str, name: str) -> tuple[CaptionModel, dict[str, Any]]:
        folder = self.profile.corpus(corpus).decoders

        def load() -> tuple[CaptionModel, dict[str, Any]]:
            path = folder / name
            model, sidecar = load_checkpoint(path, self.profile.name)
            self._check_fits(path, model.config, sidecar)
            return model.to(self.device), sidecar

        return self._once(("decoder", folder, name), load)

    def having(
        self,
        corpus: str,
        *,
        decoders: Path | None = None,
        temperature: float | None = None,
        store: FeatureStore | None = None,
    ) -> Components:
        """Return components with the same frozen models, but other decoders or texts of a corpus.

        Args:
            corpus: whose.
            decoders: the folder of its decoders; None keeps it.
            temperature: of Eq. 3; None keeps it.
            store: its captions with their features; None keeps them.
        """
        settings = self.profile.corpus(corpus)
        changed = replace(
            settings,
            decoders=decoders or settings.decoders,
            temperature=temperature or settings.temperature,
        )
        profile = replace(self.profile, corpora={**self.profile.corpora, corpus: changed})
        other = Components(profile, self.device)
        with self._lock:
            other._loaded = dict(self._loaded)
        if store is not None:
            other._loaded.pop(("support", settings.features), None)
            other._loaded["store", settings.features] = store
        return other

    @property
    def _encoder_identity(self) -> str:
        return self._once("encoder's identity", lambda: identify_encoder(self.profile.encoder))

    def _check_fits(self, path: Path, config: DecoderConfig, sidecar: dict[str, Any]) -> None:
        here = self._encoder_identity
        fingerprint = sidecar.get("store", sidecar).get("models", {}).get("encoder")
        # Older decoders do not name the weights, or say nothing at all.
        for trained_with, wanted in (
            (fingerprint, here.partition(" (")[0]),
            (sidecar.get("encoder"), here),
        ):
            if trained_with not in (None, wanted):
                raise CheckpointError(
                    f"The decoder {path} was trained with the CLIP model {trained_with}, but the profile's "
                    f"is {wanted}; train it again with `python -m syntic train`."
                )
        tokenizer = self.encoder.tokenizer
        expected = (self.encoder.width, tokenizer.vocabulary_size, tokenizer.start_id, tokenizer.end_id)
        if (config.feature_width, config.vocabulary_size, config.start_id, config.end_id) != expected:
            raise CheckpointError(
                f"The decoder {path} was trained with another CLIP model than this profile's; "
                "train it again with `python -m syntic train`."
            )

    def _once(self, key: Any, load: Callable[[], T]) -> T:
        with self._lock:
            if key not in self._loaded:
                self._loaded[key] = load()
            return cast(T, self._loaded[key])
