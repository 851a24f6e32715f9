"""The app on the tiny profile, served on a free port: for the tests that speak to it from outside."""

from __future__ import annotations

import dataclasses
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from syntic.data import FeatureStore
from syntic.evaluation.map import GapMap, Kind, MapPoints
from syntic.profiles import Profile
from syntic.service import SynticService


def with_map(profile: Profile, folder: Path) -> Profile:
    """The profile with a map of every corpus: two principal axes in place of UMAP's minute of compiling."""
    corpora = {
        name: dataclasses.replace(corpus, map=_make_map(profile, name, folder / f"{name}.safetensors"))
        for name, corpus in profile.corpora.items()
    }
    return dataclasses.replace(profile, corpora=corpora)


def _make_map(profile: Profile, corpus: str, path: Path) -> Path:
    store = FeatureStore.open(profile.corpora[corpus].features)
    features = {
        Kind.TEXT: store.text_features,
        Kind.GENERATED: store.image_features,
        Kind.REFINED: store.image_features,
        Kind.PROJECTED: store.text_features,
    }
    if profile.validation_set_of(corpus) is not None:
        features[Kind.REAL] = store.image_features[:4]
    _, _, axes = np.linalg.svd(np.concatenate(list(features.values())), full_matrices=False)
    points = {
        kind: MapPoints(features=f, coordinates=f @ axes[:2].T, labels=store.captions[: len(f)])
        for kind, f in features.items()
    }
    GapMap(points, {"method": "pca"}).save(path)
    return path


@contextmanager
def serve(service: SynticService) -> Iterator[str]:
    """Serve the app; yields its address and closes it in the end."""
    from syntic.ui import build_app, launch_options

    demo = build_app(service)
    with socket.socket() as probe:  # Gradio's own search leaves a socket open for every port that is taken
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    _, address, _ = demo.launch(
        server_name="127.0.0.1", server_port=port, prevent_thread_lock=True, quiet=True, **launch_options()
    )
    try:
        yield address.rstrip("/")
    finally:
        demo.close()
