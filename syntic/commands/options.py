"""Options that several commands share, and how they report."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..profiles import REPOSITORY, Profile, load_profile

BUILD = REPOSITORY / "build"
"""Where caches go; never needed, always safe to delete."""


def describe(parser: argparse.ArgumentParser, description: str, example: str) -> None:
    """Give a command its help text with an example."""
    parser.description = description
    parser.epilog = f"example:\n  {example}"


def add_profile(parser: argparse.ArgumentParser) -> None:
    """Add --profile and --verbose, which every command has."""
    parser.add_argument(
        "--profile",
        default="emoji",
        help="which frozen models and corpora: emoji (shipped, the default), paper, or a TOML file",
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="say more on what is going on")


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add --json, for commands that report."""
    parser.add_argument("--json", action="store_true", help="print the report as JSON")


def add_corpus(parser: argparse.ArgumentParser) -> None:
    """Add --corpus."""
    parser.add_argument("--corpus", help="name of a corpus of the profile (default: its first)")


def add_captioning(parser: argparse.ArgumentParser, decoding: str | None = "greedy") -> None:
    """Add what decides how a picture is captioned, but for the variant.

    Without a default for `decoding` each system takes its paper's.
    """
    add_corpus(parser)
    parser.add_argument(
        "--decoding",
        choices=("greedy", "beam"),
        default=decoding,
        help=f"how words are chosen (default {decoding or 'as in the paper of the system'})",
    )
    parser.add_argument(
        "--beam-size", type=int, default=5, metavar="N", help="beams with --decoding beam (default 5)"
    )


def add_variant(parser: argparse.ArgumentParser, option: str = "--variant") -> None:
    """Add the choice of the ablation."""
    parser.add_argument(
        option,
        default="syntic",
        metavar="V",
        help="which of the paper's steps: baseline, fo, fp, af, fo+af, fp+fo, fp+af or syntic (the default)",
    )


def open_profile(args: argparse.Namespace) -> Profile:
    """Load the profile that was asked for."""
    return load_profile(args.profile)


def corpus_name(args: argparse.Namespace, profile: Profile) -> str:
    """Return the corpus that was asked for, checked, or the profile's first."""
    name = args.corpus or next(iter(profile.corpora), "")
    profile.corpus(name)
    return str(name)


def print_json(value: Any) -> None:
    """Print JSON to standard output."""
    print(json.dumps(value, indent=1, ensure_ascii=False, default=_to_json))


def note(text: str) -> None:
    """Say something that is not part of the result."""
    print(text, file=sys.stderr, flush=True)


def progress(what: str, seconds: float = 2.0) -> Callable[[int, int], None]:
    """Return a function (done, total) that notes progress now and then."""
    last = time.monotonic()

    def report(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= seconds:
            last = time.monotonic()
            note(f"{what}: {done} of {total}")

    return report


def duration(seconds: float) -> str:
    """Return a time as people read it."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return (
        f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
    )


def _to_json(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else vars(value)
