"""Options that several benchmarks share."""

from __future__ import annotations

import argparse

from ..errors import InputError


def add_verbose(parser: argparse.ArgumentParser) -> None:
    """Add --verbose, for what has no profile."""
    parser.add_argument("-v", "--verbose", action="store_true", help="say more on what is going on")


def add_repeats(parser: argparse.ArgumentParser) -> None:
    """Add --repeats."""
    parser.add_argument("--repeats", type=int, default=3, metavar="N", help="the fastest counts (default 3)")


def numbers(text: str) -> list[int]:
    """Read a list of numbers."""
    try:
        return [int(piece.replace("_", "")) for piece in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of numbers like 1,32,256") from None


def require_positive(args: argparse.Namespace, *names: str) -> None:
    """Refuse options below 1."""
    for name in names:
        if getattr(args, name) < 1:
            raise InputError(f"--{name.replace('_', '-')} must be at least 1.")
