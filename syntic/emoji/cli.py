"""`python -m syntic emoji sprites` and `emoji scenes`."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from ..profiles import REPOSITORY
from . import sprites, world

logger = logging.getLogger(__name__)
ASSETS = REPOSITORY / "assets" / "emoji"
TRAINING_PICTURES = REPOSITORY / "build" / "emoji" / "pictures"


def add_sprites_arguments(parser: argparse.ArgumentParser) -> None:
    """`emoji sprites` takes no arguments."""
    parser.description = "Fetch the Fluent 3D sprites with npm; Noto and Twemoji come as packages."


def run_sprites(args: argparse.Namespace) -> int:
    """Fetch the sprites."""
    count = sprites.fetch_fluent()
    logger.info("%d Fluent 3D sprites in %s", count, sprites.FLUENT_FOLDER)
    return 0


def add_scenes_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `emoji scenes`."""
    parser.description = (
        "Rebuild the emoji world: the corpus, the test and validation pictures, the gallery; "
        "with --pretraining N also N pictures for the frozen models."
    )
    parser.add_argument(
        "--captions", type=int, default=8000, help="captions of the corpus `everyday` (default 8000)"
    )
    parser.add_argument("--test", type=int, default=500, help="test pictures (default 500)")
    parser.add_argument("--validation", type=int, default=250, help="validation pictures (default 250)")
    parser.add_argument("--gallery", type=int, default=24, help="pictures on the first page (default 24)")
    parser.add_argument("--seed", type=int, default=0, help="of everything drawn by chance (default 0)")
    parser.add_argument("--out", type=Path, default=ASSETS, help="folder to write (default assets/emoji)")
    parser.add_argument(
        "--pretraining",
        type=int,
        default=0,
        metavar="N",
        help="also render N pre-training pictures; only those if given",
    )
    parser.add_argument(
        "--tidy",
        action="store_true",
        help="with --pretraining: the tidy pictures that the generator learns from",
    )
    parser.add_argument(
        "--pretraining-out",
        type=Path,
        help="folder of these pictures (default build/emoji/pretraining, with --tidy pretraining-tidy)",
    )
    parser.add_argument(
        "--train",
        type=int,
        default=0,
        metavar="N",
        help="render only N pictures of the scenes that the corpus describes, for systems that learn from "
        f"real pictures; they go to {TRAINING_PICTURES.relative_to(REPOSITORY)} and are not shipped",
    )
    parser.add_argument("--workers", type=int, default=2, help="processes that render (default 2)")


def run_scenes(args: argparse.Namespace) -> int:
    """Rebuild the world, or render pre-training pictures."""
    if args.pretraining:
        name = "pretraining-tidy" if args.tidy else "pretraining"
        folder = args.pretraining_out or REPOSITORY / "build" / "emoji" / name
        world.write_pretraining(folder, args.pretraining, args.seed, args.workers, tidy=args.tidy)
        return 0
    if args.train:
        world.write_picture_set(TRAINING_PICTURES / "everyday", "train", args.train, seed=args.seed)
        logger.info("%d training pictures in %s", args.train, TRAINING_PICTURES)
        return 0
    count = world.write_corpus(args.out / "corpora" / "everyday.txt", args.captions, args.seed)
    logger.info("corpus everyday: %d captions", count)
    sets = args.out / "test_sets" / "everyday"
    world.write_picture_set(sets / "test", "test", args.test, seed=args.seed)
    world.write_picture_set(sets / "validation", "validation", args.validation, seed=args.seed)
    world.write_picture_set(args.out / "gallery", "test", args.gallery, seed=args.seed)
    logger.info("%d test, %d validation and %d gallery pictures", args.test, args.validation, args.gallery)
    return 0
