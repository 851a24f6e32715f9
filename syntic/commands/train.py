"""`train`: a caption decoder on synthesized features."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import CheckpointError
from .options import BUILD, add_json, describe, duration, note, print_json

if TYPE_CHECKING:
    from ..training import TrainEvent, TrainingFinished


def add_arguments(words: Sequence[str], parser: argparse.ArgumentParser) -> None:
    """Add the options of `train`."""
    describe(
        parser,
        "Train the decoder of one variant on the features that `synthesize` made, or of a compared system.\n"
        "Variants and text-only systems see no real picture; the systems that do are named below. A run\n"
        "that was stopped or killed goes on when the same command is given again. Several GPUs share a run\n"
        "that torchrun starts: torchrun --nproc-per-node 8 -m syntic train ...",
        "python -m syntic train --variant fp --corpus everyday --set optimizer.epochs=3",
    )
    parser.add_argument(
        "run_file", nargs="?", type=Path, metavar="RUN.toml", help="settings of the run (default: none)"
    )
    parser.add_argument("--profile", help="which frozen models and corpora (default: the run's, else emoji)")
    parser.add_argument("--corpus", help="name of a corpus of the profile, for example everyday")
    parser.add_argument("--variant", metavar="V", help="baseline, fo, fp, af, fo+af, fp+fo, fp+af or syntic")
    parser.add_argument(
        "--system",
        metavar="S",
        help="a compared system to train instead; on the texts alone: decap, capdec, close, or "
        "language-model, which magic, zerocap and esper-style need; on texts and unpaired real pictures: "
        "feng, laina, esper-style; on real pairs, as upper bounds: clipcap, barraco, butd",
    )
    parser.add_argument(
        "--improvement",
        metavar="NAME",
        help="a change of the paper's way, still from texts alone: text-views, hidden-tags, image-prefix, "
        "text-views-and-hidden-tags or image-prefix-and-hidden-tags",
    )
    parser.add_argument(
        "--pictures",
        metavar="SET",
        help="the real pictures for systems that need some: a set of the profile or a folder with pictures "
        "and, for pairs, annotations.json (default: the set of the corpus)",
    )
    parser.add_argument("--seed", type=int, help="of everything drawn by chance")
    parser.add_argument(
        "--out", metavar="F", help="checkpoint to write, without suffix (default: the profile's)"
    )
    parser.add_argument("--work", metavar="DIR", help="folder for the run's state (default runs)")
    parser.add_argument(
        "--minutes", type=float, metavar="N", help="pause after N minutes; start again to go on"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="overrides",
        help="change any setting, for example optimizer.learning_rate=1e-3; an unknown key lists them all",
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="say more on what is going on")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train, telling how it goes."""
    from ..runtime import pick_device
    from ..training import Processes, load_run, train_from_profile

    settings = load_run(
        args.run_file,
        args.overrides,
        profile=args.profile,
        corpus=args.corpus,
        variant=args.variant,
        system=args.system,
        improvement=args.improvement,
        pictures=args.pictures,
        seed=args.seed,
        out=args.out,
        work=args.work,
        minutes=args.minutes,
    )
    processes = Processes.join()
    events = train_from_profile(
        settings, device=processes.device or pick_device(), cache=BUILD / "features", processes=processes
    )
    finished = follow(events, tell=note if processes.is_main else lambda text: None)
    processes.leave()
    if finished is None or not processes.is_main:
        return 0
    if args.json:
        print_json(finished)
    else:
        score = f", CIDEr {finished.curve[-1][1]:.1f} on the validation pictures" if finished.curve else ""
        print(f"{finished.checkpoint}: trained in {duration(finished.seconds)}{score}")
    return 0


def follow(events: Iterator[TrainEvent], tell: Callable[[str], None] = note) -> TrainingFinished | None:
    """Note what a run tells, and return its result, or None where it was paused."""
    from ..training import (
        Preparing,
        StepDone,
        TrainingFinished,
        TrainingPaused,
        TrainingStarted,
        Validated,
    )

    last = 0.0
    for event in events:
        if isinstance(event, TrainingStarted):
            tell(
                f"{event.parameters:,} parameters, {event.total} steps"
                + (f", continuing at step {event.step}" if event.step else "")
            )
        elif isinstance(event, Preparing) and (time.monotonic() - last > 5 or event.done == event.total):
            last = time.monotonic()
            tell(f"preparing ({event.stage}): {event.done} of {event.total}")
        elif isinstance(event, StepDone) and (time.monotonic() - last > 5 or event.step == event.total):
            last = time.monotonic()
            tell(f"step {event.step} of {event.total}, loss {event.loss:.3f}")
        elif isinstance(event, Validated):
            samples = "".join(f"\n  {name}: {caption}" for name, caption in event.samples[:2])
            tell(f"step {event.step}: CIDEr {event.cider:.1f}{samples}")
        elif isinstance(event, TrainingPaused):
            tell(f"paused at step {event.step} of {event.total}; run the same command to go on")
            return None
        elif isinstance(event, TrainingFinished):
            return event
    raise CheckpointError("The run ended without a result; run the same command to go on.")
