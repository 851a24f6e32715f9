"""`bench`: how fast a part is, always beside a reference in the same run."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict

from ..errors import InputError
from .options import add_json, describe, note, print_json

PAPER_TEXTS = 978_662  # SS1M after the fifteen-word filter


def add_arguments(words: Sequence[str], parser: argparse.ArgumentParser) -> None:
    """Add the options of `bench`."""
    describe(
        parser,
        "Measure a part against the obvious way to write it, in the same run on the same machine.",
        "python -m syntic bench projection --texts 100000 --queries 32",
    )
    benches = parser.add_subparsers(dest="bench", metavar="NAME", required=True)
    projection = benches.add_parser("projection", help="Eq. 3 against softmax(q K^T / tau) V")
    describe(
        projection,
        "Project made-up picture features onto made-up text features. The default is the size of SS1M and\n"
        "needs 4 GB of memory, 6 GB with 256 queries.",
        "python -m syntic bench projection --texts 10000,100000,1000000 --queries 32 --no-reference",
    )
    projection.add_argument(
        "--texts",
        type=_numbers,
        default=[PAPER_TEXTS],
        metavar="M,...",
        help=f"sizes of the support set (default {PAPER_TEXTS}); several give an exponent, too",
    )
    projection.add_argument("--width", type=int, default=512, metavar="D", help="of a feature (default 512)")
    projection.add_argument(
        "--queries", type=_numbers, default=[1, 32, 256], metavar="B,...", help="pictures (default 1,32,256)"
    )
    projection.add_argument(
        "--repeats", type=int, default=3, metavar="N", help="the fastest counts (default 3)"
    )
    projection.add_argument("--no-reference", action="store_true", help="leave the plain softmax out")
    projection.add_argument(
        "--faiss",
        action="store_true",
        help="measure the index, too: its time, and the weight it finds",
    )
    add_json(projection)
    projection.set_defaults(run=run_projection)
    for command in (parser, projection):
        command.add_argument("-v", "--verbose", action="store_true", help="say more on what is going on")


def run_projection(args: argparse.Namespace) -> int:
    """Measure Eq. 3."""
    from ..evaluation.bench_projection import exponent, make_texts, measure_index, measure_projection
    from ..runtime import describe_threads

    if min([args.width, args.repeats, *args.texts, *args.queries]) < 1:
        raise InputError("--texts, --width, --queries and --repeats must be at least 1.")
    note(describe_threads())
    timings, indices = [], []
    for count in args.texts:
        texts = make_texts(count, args.width)
        for queries in args.queries:
            timing = measure_projection(texts, queries, repeats=args.repeats, reference=not args.no_reference)
            timings.append(timing)
            if not args.json:
                print(_line(timing))
        if args.faiss:
            indices.append(measure_index(texts, max(args.queries)))
    exponents = {
        queries: exponent(
            [timing.texts for timing in timings if timing.queries == queries],
            [timing.seconds for timing in timings if timing.queries == queries],
        )
        for queries in args.queries
        if len(args.texts) > 1
    }
    if args.json:
        rows = [{**asdict(timing), "speed_up": timing.speed_up} for timing in timings]
        print_json({"projection": rows, "exponents": exponents, "faiss": [asdict(i) for i in indices]})
        return 0
    for queries, value in exponents.items():
        print(f"{queries} queries: time grows as the number of texts to the {value:.2f}")
    for index in indices:
        print(
            f"faiss, {index.texts:,} texts: built in {index.build_seconds:.1f} s, "
            f"{index.seconds * 1e3:.1f} ms against {index.exact_seconds * 1e3:.1f} ms exact; finds "
            f"{index.recall_mean:.4f} of the weight, {index.recall_lowest:.4f} at worst, "
            f"cosine {index.cosine_lowest:.4f} at worst"
        )
    return 0


def _line(timing: object) -> str:
    from ..evaluation.bench_projection import ProjectionTiming

    assert isinstance(timing, ProjectionTiming)
    text = f"{timing.texts:,} texts, {timing.queries} queries: {timing.seconds * 1e3:.1f} ms"
    if timing.reference_seconds is not None:
        text += (
            f", {timing.speed_up:.2f}x as fast as the plain softmax "
            f"({timing.reference_seconds * 1e3:.1f} ms), equal to {timing.difference:.1e}"
        )
    if timing.extra_megabytes is not None:
        text += f", {timing.extra_megabytes:.0f} MiB extra"
    return text


def _numbers(text: str) -> list[int]:
    try:
        return [int(piece.replace("_", "")) for piece in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of numbers like 1,32,256") from None
