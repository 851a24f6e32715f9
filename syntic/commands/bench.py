"""`bench`: how fast a part is, always beside a reference in the same run."""

from __future__ import annotations

import argparse
import io
import platform
import shlex
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout, suppress
from pathlib import Path

from ..errors import InputError
from ..profiles import REPOSITORY
from . import bench_app, bench_method
from .bench_options import add_verbose
from .options import add_json, describe, note

PAGE = "docs/scale.md"

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
        bench.add_argument("--write", action="store_true", help=f"put what is printed into {PAGE}, too")
        bench.set_defaults(run=_run, measure=run)
    add_verbose(parser)


def _run(args: argparse.Namespace) -> int:
    """Measure, and keep what was printed where that was asked for."""
    measure: Callable[[argparse.Namespace], int] = args.measure
    if not args.write:
        return measure(args)
    if args.json:
        raise InputError("--write keeps the lines that people read; leave --json away.")
    printed = io.StringIO()
    with redirect_stdout(printed):
        status = measure(args)
    print(printed.getvalue(), end="")
    if status == 0:
        _write(args.bench, printed.getvalue())
    return status


def _write(name: str, text: str) -> None:
    from ..experiments import write_block
    from ..runtime import describe_threads

    command = shlex.join(["python", "-m", "syntic", *(word for word in sys.argv[1:] if word != "--write")])
    block = f"```\n$ {command}\n{text}```\n\n{_processor()}; {describe_threads()}"
    if write_block(REPOSITORY / PAGE, f"bench-{name}", block):
        note(f"wrote the measurements into {PAGE}")


def _processor() -> str:
    """Name the processor, as far as the system tells."""
    found = ""
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        found = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return found or platform.processor() or platform.machine()
