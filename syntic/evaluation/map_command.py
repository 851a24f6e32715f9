"""`python -m syntic emoji export`: fit the map that the app shows, and draw its generated pictures again."""

from __future__ import annotations

import argparse
import logging
from dataclasses import asdict
from typing import Any

from PIL import Image

from ..data.coco import TestSet
from ..data.contact_sheet import ContactSheet
from ..errors import InputError
from ..method.components import Components
from ..profiles import load_profile
from .map import GapMap, Kind, fit_map, pictures_path
from .scoring import encode_for
from .stages import sample_rows, stage_features

BATCH = 25  # pictures drawn at once

logger = logging.getLogger(__name__)


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
    parser.add_argument(
        "--no-pictures", action="store_true", help="leave the generated pictures beside the map as they are"
    )


def run_export(args: argparse.Namespace) -> int:
    """Fit the map and write it."""
    profile = load_profile(args.profile)
    name = args.corpus or next(iter(profile.corpora))
    path = profile.corpus(name).map
    if path is None:
        raise InputError(f"Profile {profile.name!r} names no map for the corpus {name!r}; add the key `map`.")
    components = Components.load(profile)
    gap_map = export_map(components, name, texts=args.texts, pictures=args.pictures, seed=args.seed)
    gap_map.save(path)
    if not args.no_pictures:
        draw_generated(components, name, texts=args.texts, seed=args.seed).save(pictures_path(path))
    counts = ", ".join(f"{len(points.labels)} {kind}" for kind, points in gap_map.points.items())
    logger.info("%s: %s", path, counts)
    return 0


def export_map(
    components: Components, corpus: str, *, texts: int = 500, pictures: int = 250, seed: int = 0
) -> GapMap:
    """Fit the map of a corpus on a sample of its texts and on real pictures.

    Generated features are refined (Eq. 2) and projected (Eq. 3) with the profile's settings, as in
    training; the own caption keeps its place in the support set, as in the paper. The real pictures
    are of the corpus' validation set and are only shown; nothing is trained on them.

    Args:
        components: models and data of a profile.
        corpus: its name.
        texts: captions to draw; all where there are fewer.
        pictures: real pictures; none where the corpus has no such set.
        seed: of the draw and of UMAP.
    """
    profile = components.profile
    features, captions = stage_features(components, corpus, texts, seed=seed)
    labels = dict.fromkeys(features, captions)
    own_texts = {}
    name = profile.validation_set_of(corpus)
    if name is not None and pictures:
        test_set = TestSet.open(profile.test_sets[name]).head(pictures)
        features[Kind.REAL] = encode_for(components, test_set).features.numpy()
        labels[Kind.REAL] = [test_set.references[name][0] for name in test_set.names]
        own_texts[Kind.REAL] = components.encoder.encode_texts(labels[Kind.REAL]).cpu().numpy()
    return fit_map(
        features, labels, own_texts=own_texts, seed=seed, settings=describe_steps(components, corpus)
    )


def describe_steps(components: Components, corpus: str) -> dict[str, Any]:
    """Return all that the features on a map depend on: where it differs, the map is of another time."""
    profile = components.profile
    return {
        "profile": profile.name,
        "corpus": corpus,
        "features": components.feature_store(corpus).fingerprint,
        "refinement": asdict(profile.refinement),
        "temperature": profile.corpus(corpus).temperature,
    }


def draw_generated(components: Components, corpus: str, *, texts: int = 500, seed: int = 0) -> ContactSheet:
    """Draw the generated pictures of a map again, small, each from the seed it had in `synthesize`.

    The feature store keeps features and seeds, not pictures.
    """
    store = components.feature_store(corpus)
    rows = sample_rows(len(store), texts, seed)
    pictures: list[Image.Image] = []
    for start in range(0, len(rows), BATCH):
        batch = rows[start : start + BATCH]
        captions, seeds = [store.captions[row] for row in batch], [store.seeds[row] for row in batch]
        pictures += components.generator.generate(captions, seeds)
        logger.info("drew %d of %d pictures", len(pictures), len(rows))
    return ContactSheet.of(pictures)
