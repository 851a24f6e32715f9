"""`python -m syntic emoji export`: fit the map that the app shows, and write it to the profile's file."""

from __future__ import annotations

import argparse
import logging

import numpy as np
import torch

from ..data.coco import TestSet
from ..data.images import load_image
from ..errors import InputError
from ..method import project_onto_support, refine_features
from ..method.components import Components
from ..profiles import load_profile
from .map import GapMap, Kind, fit_map

logger = logging.getLogger(__name__)

_BATCH = 32


def add_export_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `emoji export`."""
    parser.description = (
        "Fit the UMAP map of a corpus: texts, the pictures generated from them, refined and projected, and "
        "real pictures of the validation set. Needs the corpus' features and the CLIP model."
    )
    parser.add_argument("--corpus", help="name of a corpus of the profile (default: its first)")
    parser.add_argument("--texts", type=int, default=500, help="captions on the map (default 500)")
    parser.add_argument("--pictures", type=int, default=250, help="real pictures on the map (default 250)")
    parser.add_argument("--seed", type=int, default=0, help="of the draw and of UMAP (default 0)")


def run_export(args: argparse.Namespace) -> int:
    """Fit the map and write it."""
    profile = load_profile(args.profile)
    name = args.corpus or next(iter(profile.corpora))
    path = profile.corpus(name).map
    if path is None:
        raise InputError(f"Profile {profile.name!r} names no map for the corpus {name!r}; add the key `map`.")
    gap_map = export_map(
        Components.load(profile), name, texts=args.texts, pictures=args.pictures, seed=args.seed
    )
    gap_map.save(path)
    counts = ", ".join(f"{len(points.labels)} {kind}" for kind, points in gap_map.points.items())
    logger.info("%s: %s", path, counts)
    return 0


def export_map(
    components: Components, corpus: str, *, texts: int = 500, pictures: int = 250, seed: int = 0
) -> GapMap:
    """Fit the map of a corpus on a sample of its texts and on real pictures.

    Generated features are refined (Eq. 2) and projected (Eq. 3) with the profile's settings, as in
    training; the own caption keeps its place in the support set, as in the paper. The real pictures
    are of the test set `CORPUS-validation` and are only shown; nothing is trained on them.

    Args:
        components: models and data of a profile.
        corpus: its name.
        texts: captions to draw; all where there are fewer.
        pictures: real pictures; none where the profile has no such set.
        seed: of the draw and of UMAP.
    """
    profile, store = components.profile, components.feature_store(corpus)
    rows = np.sort(np.random.default_rng(seed).permutation(len(store))[:texts])
    text_features, generated = store.text_features[rows], store.image_features[rows]  # (n, D)
    options = profile.refinement
    refined = refine_features(
        torch.from_numpy(generated).to(components.device),
        torch.from_numpy(text_features).to(components.device),
        temperature=options.temperature,
        learning_rate=options.learning_rate,
        steps=options.steps,
        batch_size=options.batch_size,
        seed=seed,
    ).features
    projected = project_onto_support(
        refined, components.support_set(corpus), temperature=profile.corpus(corpus).temperature, top_k=1
    ).features
    features = {
        Kind.TEXT: text_features,
        Kind.GENERATED: generated,
        Kind.REFINED: refined.cpu().numpy(),
        Kind.PROJECTED: projected.cpu().numpy(),
    }
    captions = [store.captions[row] for row in rows]
    labels = dict.fromkeys(features, captions)
    folder = profile.test_sets.get(f"{corpus}-validation")
    if folder is not None and pictures:
        test_set = TestSet.open(folder).head(pictures)
        features[Kind.REAL] = _encode(components, test_set)
        labels[Kind.REAL] = [test_set.references[name][0] for name in test_set.names]
    settings = {"profile": profile.name, "corpus": corpus, "features": store.fingerprint}
    return fit_map(features, labels, seed=seed, settings=settings)


def _encode(components: Components, test_set: TestSet) -> np.ndarray:
    """Return (n, D) CLIP features of real pictures."""
    parts = []
    for start in range(0, len(test_set), _BATCH):
        images = [load_image(path) for path in test_set.images[start : start + _BATCH]]
        parts.append(components.encoder.encode_images(images).cpu().numpy())
    return np.concatenate(parts)
