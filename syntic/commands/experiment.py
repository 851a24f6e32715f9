"""`experiment`: the paper's tables and our own, ours beside the paper's, and what the paper claims."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..profiles import REPOSITORY, Profile
from .options import BUILD, add_profile, describe, note, open_profile, print_json
from .train import follow

if TYPE_CHECKING:
    from ..experiments import Bench, Plan

HELP = {
    "table1": "in-domain, all systems, upper bounds included",
    "table2": "cross-domain, both ways",
    "table3": "zero-shot, trained on texts of the web",
    "table4": "the ablation: eight variants, in-domain and cross-domain",
    "figure2": "shares of the training texts",
    "sweep-refinement": "steps of Eq. 2, own caption kept or masked; on validation pictures",
    "sweep-temperature": "temperatures of Eq. 3, in training too or in use alone; on validation pictures",
    "improvements": "text-only improvements of the training, and the gap to clipcap they close",
}
README, DETAILS = "README.md", "docs/results.md"
ANALYSIS = "docs/analysis.md"


def add_arguments(words: Sequence[str], parser: argparse.ArgumentParser) -> None:
    """Add the experiments."""
    describe(
        parser,
        "Reproduce a table of the paper, or one of our own; prints our numbers beside the paper's.\n"
        "Decoders that are missing are trained. Every finished run is kept, beside the tables in assets or,\n"
        "with other settings, in build/experiments, so that the same command goes on where it was stopped.",
        "python -m syntic experiment table4 --limit 100 --seeds 1",
    )
    experiments = parser.add_subparsers(dest="experiment", metavar="EXPERIMENT", required=True)
    for name, summary in HELP.items():
        command = experiments.add_parser(name, help=f"{summary} (needs Java)")
        command.formatter_class = argparse.RawDescriptionHelpFormatter
        describe(command, f"{summary[0].upper()}{summary[1:]}.", f"python -m syntic experiment {name} --list")
        _add_options(command)
        command.set_defaults(run=run_plan)
    everything = experiments.add_parser("all", help="all of these, then the analysis (needs Java; hours)")
    everything.formatter_class = argparse.RawDescriptionHelpFormatter
    describe(
        everything,
        "Carry out every experiment that the profile has the data for, then the analysis.",
        "python -m syntic experiment all --seeds 1",
    )
    _add_options(everything)
    everything.set_defaults(run=run_all)
    analysis = experiments.add_parser("analysis", help="which orderings of the paper hold here")
    analysis.formatter_class = argparse.RawDescriptionHelpFormatter
    describe(
        analysis,
        "Hold every ordering that the paper claims against the results there are, with intervals.",
        "python -m syntic experiment analysis",
    )
    analysis.add_argument("--json", action="store_true", help="print JSON instead of the tables")
    analysis.add_argument("--out", type=Path, metavar="DIR", help="where results are (default: assets/)")
    add_profile(analysis)
    analysis.set_defaults(run=run_analysis)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--list", action="store_true", help="only list the runs")
    parser.add_argument(
        "--seeds", type=int, metavar="N", help="trainings of each system that learns from texts (default 3)"
    )
    parser.add_argument(
        "--only",
        action="append",
        metavar="NAME",
        help="only this system or row of the table; can be given several times",
    )
    parser.add_argument("--limit", type=int, metavar="N", help="take only the first N pictures of each set")
    parser.add_argument(
        "--decoding",
        choices=("greedy", "beam", "own"),
        default="greedy",
        help="one search for all systems (default greedy), or each paper's own",
    )
    parser.add_argument("--run", dest="run_file", type=Path, metavar="RUN.toml", help="settings of trainings")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="overrides",
        help="change a setting of all trainings, as `train` takes them",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder for the results (default: assets/PROFILE/results and the documents; without it nothing "
        "is written where --only, --limit, --decoding, --run or --set make the numbers others)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of the tables")
    add_profile(parser)


def run_plan(args: argparse.Namespace) -> int:
    """Carry out an experiment."""
    profile = open_profile(args)
    plan = _plan(args, args.experiment, profile)
    if args.list:
        _list(plan, args.json)
    else:
        _carry_out(args, profile, plan, _bench(args, profile))
    return 0


def run_all(args: argparse.Namespace) -> int:
    """Carry out every experiment that the profile has the data for, then the analysis."""
    from ..errors import InputError

    profile = open_profile(args)
    bench = None if args.list else _bench(args, profile)
    for name in HELP:
        try:
            plan = _plan(args, name, profile)
        except InputError as error:
            note(f"{name} is left out. {error.detail}")
            continue
        if bench is None:
            _list(plan, args.json)
        else:
            _carry_out(args, profile, plan, bench)
    return 0 if bench is None or args.limit or args.only else run_analysis(args)


def run_analysis(args: argparse.Namespace) -> int:
    """Hold the paper's claims against the results."""
    from dataclasses import asdict

    from ..experiments import analyse
    from ..experiments.analysis import to_markdown

    profile = open_profile(args)
    findings = analyse(args.out or results_folder(profile))
    if args.json:
        print_json([{**asdict(finding), "verdict": finding.verdict} for finding in findings])
        return 0
    text = to_markdown(findings)
    print(text)
    if args.out is None and profile.name == "emoji":
        _write("analysis", text, ANALYSIS)
    return 0


def results_folder(profile: Profile) -> Path:
    """Return where a profile's results are kept."""
    return REPOSITORY / "assets" / profile.name / "results"


def _plan(args: argparse.Namespace, name: str, profile: Profile) -> Plan:
    from ..experiments import SEEDS, make_plan, only

    plan = make_plan(name, profile, SEEDS if args.seeds is None else args.seeds)
    return only(plan, args.only) if args.only else plan


def _bench(args: argparse.Namespace, profile: Profile) -> Bench:
    from ..experiments import Bench, Choices, Recipes
    from ..method.components import Components

    return Bench(
        Components.load(profile),
        BUILD / "experiments" / profile.name,
        records=results_folder(profile) / "records" if _is_usual(args) and args.out is None else None,
        cache=BUILD / "features",
        choices=Choices(decoding=args.decoding, limit=args.limit),
        recipes=Recipes(run_file=args.run_file, overrides=tuple(args.overrides)),
        truth=_truth,
        follow=follow,
    )


def _carry_out(args: argparse.Namespace, profile: Profile, plan: Plan, bench: Bench) -> None:
    """Run a plan, print its tables, and keep them if they are of whole sets."""
    from ..experiments import Results, Run

    def tell(done: int, total: int, run: Run) -> None:
        share = "" if run.share == 1 else f", {run.share:.0%} of its texts"
        what = f"{run.system} from {run.corpus}{share} on {run.test_set}"
        note(f"{plan.name}, {done + 1} of {total}: {what}, seed {run.seed}")

    done = bench.carry_out(plan, tell)
    results = Results.of(
        plan,
        done,
        profile=profile.name,
        decoding=args.decoding,
        combinations={run.test_set: bench.combinations(run.test_set) for run in plan.runs},
    )
    print(results.to_json() if args.json else results.to_markdown())
    is_whole = args.only is None and _is_usual(args)
    out = args.out or (results_folder(profile) if is_whole else None)
    if out is not None:
        for path in results.save(out):
            note(f"wrote {path}")
    if is_whole and args.out is None and profile.name == "emoji":
        _write(plan.name, results.to_markdown(brief=True), README)
        _write(plan.name, results.to_markdown(), DETAILS)


def _is_usual(args: argparse.Namespace) -> bool:
    """Say whether runs are as the tables have them, so that they can be kept with those."""
    is_plain = args.decoding == "greedy" and not args.overrides and args.run_file is None
    return is_plain and args.limit is None


def _truth(folder: Path, captions: Mapping[str, str]) -> Mapping[str, float | None] | None:
    """The emoji world knows what its pictures show; for other pictures this gives None."""
    from ..emoji.truth import measure

    return measure(folder, captions)


def _list(plan: Plan, as_json: bool) -> None:
    if as_json:
        print_json([vars(run) for run in plan.runs])
        return
    for run in plan.runs:
        extra = [f"{run.share:.0%} of the texts"] if run.share != 1 else []
        extra += [f"improvement {run.improvement}"] if run.improvement else []
        extra += [f"{run.refinement_steps} steps of Eq. 2"] if run.refinement_steps is not None else []
        extra += [f"temperature {run.temperature:g}"] if run.temperature is not None else []
        extra += [f"tested at {run.tested_temperature:g}"] if run.tested_temperature is not None else []
        extra += ["own caption masked"] if run.mask_own_caption else []
        print(", ".join([f"{run.system}: {run.corpus} on {run.test_set}, seed {run.seed}", *extra]))
    for sentence in plan.left_out:
        note(sentence)


def _write(name: str, text: str, document: str) -> None:
    from ..experiments import write_block

    path = REPOSITORY / document
    if path.is_file() and write_block(path, name, text):
        note(f"wrote the table into {document}")
