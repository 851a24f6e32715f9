"""`experiment`: the paper's tables, ours beside the paper's."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from ..profiles import REPOSITORY, Profile
from .options import (
    BUILD,
    add_corpus,
    add_profile,
    corpus_name,
    describe,
    note,
    open_profile,
)
from .train import follow


def add_arguments(words: Sequence[str], parser: argparse.ArgumentParser) -> None:
    """Add the experiments."""
    describe(
        parser,
        "Reproduce a table of the paper; prints our numbers beside the paper's.",
        "python -m syntic experiment table4 --limit 100",
    )
    experiments = parser.add_subparsers(dest="experiment", metavar="EXPERIMENT", required=True)
    table4 = experiments.add_parser("table4", help="the ablation: all eight variants (needs Java)")
    describe(
        table4,
        "Evaluate the decoders of the eight variants on a test set and write the table.",
        "python -m syntic experiment table4 --train",
    )
    table4.formatter_class = argparse.RawDescriptionHelpFormatter
    add_corpus(table4)
    table4.add_argument(
        "--set", dest="test_set", metavar="NAME", help="test set of the profile (default: the corpus's)"
    )
    table4.add_argument(
        "--limit", type=int, metavar="N", help="take only the first N pictures; writes only with --out"
    )
    table4.add_argument("--decoding", choices=("greedy", "beam"), default="greedy", help="default greedy")
    table4.add_argument(
        "--train", action="store_true", help="first train the decoders that are missing or outdated"
    )
    table4.add_argument("--run", dest="run_file", type=Path, metavar="RUN.toml", help="settings for --train")
    table4.add_argument(
        "--out", type=Path, metavar="F", help="JSON to write (default: assets/PROFILE/results/table4.json)"
    )
    table4.add_argument("--json", action="store_true", help="print JSON instead of the table")
    add_profile(table4)
    table4.set_defaults(run=run_table4)


def run_table4(args: argparse.Namespace) -> int:
    """Evaluate the eight variants."""
    from ..evaluation import metrics, open_test_set, table4
    from ..method.components import Components

    profile = open_profile(args)
    corpus = corpus_name(args, profile)
    name = args.test_set or corpus
    test_set = open_test_set(profile, name).head(args.limit)
    metrics.require_java("METEOR and the Penn Treebank tokenizer")
    if args.train:
        _train_all(args, profile, corpus)
    result = table4(
        Components.load(profile),
        test_set,
        corpus=corpus,
        test_set_name=name,
        decoding=args.decoding,
        cache=BUILD / "features",
        on_captioned=lambda variant: note(f"captioned: {variant.name}"),
    )
    print(result.to_json() if args.json else result.to_markdown())
    out = args.out
    if out is None and args.limit is None:
        out = REPOSITORY / "assets" / profile.name / "results" / "table4.json"
    if out is not None:
        result.save(out)
        note(f"wrote {out}")
    return 0


def _train_all(args: argparse.Namespace, profile: Profile, corpus: str) -> None:
    """Train each variant; a decoder that is there with the same settings and features is kept."""
    from ..method import VARIANTS
    from ..runtime import pick_device
    from ..training import load_run, train_from_profile

    for variant in VARIANTS:
        settings = load_run(args.run_file, profile=args.profile, corpus=corpus, variant=variant.name)
        note(f"training {variant.name}")
        while follow(train_from_profile(settings, device=pick_device(), cache=BUILD / "features")) is None:
            note("going on")
