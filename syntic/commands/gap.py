"""`gap`: the measures of the modality gap, per stage."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict

from .options import BUILD, add_json, add_profile, describe, open_profile, print_json, progress


def add_arguments(words: Sequence[str], parser: argparse.ArgumentParser) -> None:
    """Add the options of `gap`."""
    describe(
        parser,
        "Measure how far picture features lie from their texts: as generated, refined (Eq. 2),\n"
        "projected (Eq. 3), random directions as the control, and real pictures where the corpus has a\n"
        "test set of its domain. The last two rows say what Eq. 3 makes of the features of a column: of\n"
        "how many texts it mixes them, and how much weight the own caption has, each the median.",
        "python -m syntic gap --set everyday",
    )
    parser.add_argument(
        "--set", dest="corpus", metavar="NAME", help="a corpus of the profile (default: its first)"
    )
    parser.add_argument(
        "--sample", type=int, default=1024, metavar="N", help="captions to measure (default 1024)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the sample (default 0)")
    add_json(parser)
    add_profile(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure and print one column per stage."""
    from ..evaluation import measure_stages, open_test_set
    from ..method.components import Components
    from .options import corpus_name

    profile = open_profile(args)
    corpus = corpus_name(args, profile)
    pictures = profile.test_set_of(corpus)
    stages = measure_stages(
        Components.load(profile),
        corpus,
        test_set=open_test_set(profile, pictures) if pictures is not None else None,
        sample=args.sample,
        seed=args.seed,
        cache=BUILD / "features",
        on_step=progress("refining"),
    )
    values = {stage: asdict(measures) for stage, measures in stages.items()}
    if args.json:
        print_json(values)
        return 0
    print(f"{'':24}" + "".join(f"{stage:>12}" for stage in values))
    for name in next(iter(values.values())):
        print(f"{name.replace('_', ' '):24}" + "".join(_cell(values[stage][name]) for stage in values))
    return 0


def _cell(value: float | None) -> str:
    return f"{'–':>12}" if value is None else f"{round(value, 3) + 0.0:12.3f}"  # no minus zero
