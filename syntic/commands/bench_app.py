"""`bench` of what surrounds the method: the walk, the app, and the synthesis of a corpus."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from ..errors import InputError
from .bench_options import add_repeats, add_verbose, numbers, require_positive
from .options import (
    add_corpus,
    add_profile,
    add_variant,
    corpus_name,
    describe,
    note,
    open_profile,
    print_json,
)


def add_walkthrough(walkthrough: argparse.ArgumentParser) -> None:
    """Add the options of `bench walkthrough`."""
    describe(
        walkthrough,
        "Walk from a text to its caption with all that the app shows, and by the bare passes of the models.",
        "python -m syntic bench walkthrough",
    )
    walkthrough.add_argument("--text", help="a sentence (default: the profile's first example)")
    walkthrough.add_argument("--refinement-steps", type=int, metavar="N", help="default: the profile's")
    add_repeats(walkthrough)
    add_variant(walkthrough)
    add_corpus(walkthrough)
    add_profile(walkthrough)


def add_startup(startup: argparse.ArgumentParser) -> None:
    """Add the options of `bench startup`."""
    describe(
        startup,
        "Start the app until it answers, and import the libraries that it needs, each in a new process.",
        "python -m syntic bench startup",
    )
    add_repeats(startup)
    add_profile(startup)


def add_load(load: argparse.ArgumentParser) -> None:
    """Add the options of `bench load`."""
    describe(
        load,
        "Let many visitors walk through at once, and one visitor the same walks one after the other.\n"
        "Every answer has to be the one that the visitor gets alone.",
        "python -m syntic bench load --visitors 16",
    )
    load.add_argument("--visitors", type=int, default=16, metavar="N", help="at once (default 16)")
    load.add_argument("--refinement-steps", type=int, default=20, metavar="N", help="default 20")
    add_profile(load)


def add_synthesis(synthesis: argparse.ArgumentParser) -> None:
    """Add the options of `bench synthesis`."""
    describe(
        synthesis,
        "Synthesize made-up captions with tiny models at several sizes: time has to grow with their number,\n"
        "memory has not.",
        "python -m syntic bench synthesis --rows 2000,20000,200000 --workers 8 --batch-size 64",
    )
    synthesis.add_argument(
        "--rows", type=numbers, default=[256, 512, 1024], metavar="N,...", help="default 256,512,1024"
    )
    synthesis.add_argument("--engine", choices=("ray", "local"), default="ray", help="default ray")
    synthesis.add_argument("--workers", type=int, default=1, metavar="N", help="of Ray (default 1)")
    synthesis.add_argument("--batch-size", type=int, default=32, metavar="B", help="default 32")
    synthesis.add_argument("--out", type=Path, metavar="F", help="JSON to write")
    add_verbose(synthesis)


def run_walkthrough(args: argparse.Namespace) -> int:
    """Measure one walk."""
    from ..evaluation.bench_walkthrough import measure_walk
    from ..method.pipeline import SynTIC
    from ..types import TraceSettings

    require_positive(args, "repeats")
    profile = open_profile(args)
    name = corpus_name(args, profile)
    steps = profile.refinement.steps if args.refinement_steps is None else args.refinement_steps
    settings = TraceSettings(variant=args.variant, corpus=name, refinement_steps=steps)
    text = args.text or next(iter(profile.example_texts), "a dog on a bench in the park")
    timing = measure_walk(SynTIC.from_profile(profile, corpus=name), text, settings, repeats=args.repeats)
    if args.json:
        print_json({"walkthrough": {**asdict(timing), "ratio": timing.ratio}})
        return 0
    print(
        f"{text!r}: {timing.seconds:.2f} s, {timing.ratio:.2f} of the bare passes' "
        f"{timing.reference_seconds:.2f} s; the same caption: {'yes' if timing.same_caption else 'no'}"
    )
    print("  " + ", ".join(f"{stage} {seconds:.2f} s" for stage, seconds in timing.stages.items()))
    return 0


def run_startup(args: argparse.Namespace) -> int:
    """Measure the start of the app."""
    from ..evaluation.bench_app import measure_start

    require_positive(args, "repeats")
    open_profile(args)
    timing = measure_start(args.profile, repeats=args.repeats)
    if args.json:
        print_json({"startup": {**asdict(timing), "ratio": timing.ratio}})
    else:
        print(
            f"the app answers after {timing.seconds:.1f} s, {timing.ratio:.2f} of the "
            f"{timing.reference_seconds:.1f} s that importing its libraries takes "
            f"({', '.join(timing.libraries)})"
        )
    return 0


def run_load(args: argparse.Namespace) -> int:
    """Measure many visitors; status 1 if one of them met an error or another's answer."""
    from ..evaluation.bench_app import measure_load

    require_positive(args, "visitors")
    profile = open_profile(args)
    texts = profile.example_texts or ("a dog on a bench in the park",)
    timing = measure_load(args.profile, texts, visitors=args.visitors, steps=args.refinement_steps)
    if args.json:
        print_json({"load": {**asdict(timing), "throughput": timing.throughput}})
    else:
        print(
            f"{timing.visitors} visitors at once: {timing.seconds:.1f} s, {timing.throughput:.2f} of the "
            f"throughput of one visitor ({timing.reference_seconds:.1f} s); {len(timing.errors)} errors, "
            f"{timing.mixed_up} answers mixed up"
        )
        for error in timing.errors:
            print(f"  {error}")
    return 1 if timing.errors or timing.mixed_up else 0


def run_synthesis(args: argparse.Namespace) -> int:
    """Measure the engine and the store."""
    from ..data.atomic import write_text_atomically
    from ..evaluation.bench_projection import exponent
    from ..evaluation.bench_synthesis import measure_synthesis_run

    require_positive(args, "workers", "batch_size")
    if min(args.rows) <= args.batch_size:
        raise InputError(f"--rows must be more than --batch-size, {args.batch_size}.")
    timings = []
    for rows in args.rows:
        timing = measure_synthesis_run(
            rows, engine=args.engine, workers=args.workers, batch_size=args.batch_size
        )
        timings.append(timing)
        if not args.json:
            print(
                f"{timing.rows:,} captions: {timing.rows_per_second:.1f} per second, "
                f"{timing.start_seconds:.1f} s until the first batch; {timing.own_megabytes:.0f} MiB here, "
                f"{timing.all_megabytes:.0f} MiB in all processes"
            )
    report: dict[str, object] = {"engine": args.engine, "synthesis": [asdict(timing) for timing in timings]}
    if len(timings) > 1:
        report["exponent"] = exponent(args.rows, [timing.seconds for timing in timings])
        if not args.json:
            print(f"time grows as the number of captions to the {report['exponent']:.2f}")
    if args.json:
        print_json(report)
    if args.out is not None:
        write_text_atomically(args.out, json.dumps(report, indent=1) + "\n")
        note(f"wrote {args.out}")
    return 0
