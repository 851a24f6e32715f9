"""`bench`: how fast a part is, always beside a reference in the same run."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

from . import bench_app, bench_method
from .bench_options import add_verbose
from .options import add_json, describe

BENCHES: dict[
    str,
    tuple[str, Callable[[argparse.ArgumentParser], None], Callable[[argparse.Namespace], int]],
] = {
    "projection": (
        "Eq. 3 against softmax(q K^T / tau) V",
        bench_method.add_projection,
        bench_method.run_projection,
    ),
    "decode": (
        "greedy and beam search against transformers",
        bench_method.add_decode,
        bench_method.run_decode,
    ),
    "train": ("decoder steps against DeCap's loop", bench_method.add_train, bench_method.run_train),
    "walkthrough": (
        "text to caption against the models' bare passes",
        bench_app.add_walkthrough,
        bench_app.run_walkthrough,
    ),
    "startup": (
        "the app's start against importing its libraries",
        bench_app.add_startup,
        bench_app.run_startup,
    ),
    "load": ("many visitors at once against one", bench_app.add_load, bench_app.run_load),
    "synthesis": (
        "time and memory of synthesize at several sizes",
        bench_app.add_synthesis,
        bench_app.run_synthesis,
    ),
}
"""Name -> (one line of help, what adds its options, what runs it)."""


def add_arguments(words: Sequence[str], parser: argparse.ArgumentParser) -> None:
    """Add the options of `bench`."""
    describe(
        parser,
        "Measure a part against the obvious way to write it, in the same run on the same machine.",
        "python -m syntic bench projection --texts 100000 --queries 32",
    )
    benches = parser.add_subparsers(dest="bench", metavar="NAME", required=True)
    for name, (summary, add, run) in BENCHES.items():
        bench = benches.add_parser(name, help=summary, formatter_class=argparse.RawDescriptionHelpFormatter)
        add(bench)
        add_json(bench)
        bench.set_defaults(run=run)
    add_verbose(parser)
