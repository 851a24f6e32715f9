"""The command line: `python -m syntic COMMAND ...`; `python -m syntic --help` lists the commands.

Each command is a module of `syntic.commands`, imported only when it is used.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from .commands import COMMANDS
from .errors import SynticError

ERROR_STATUS = 2
STOPPED_STATUS = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0 done, 2 an error in one line, 130 stopped."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before a command imports torch, see runtime.py
    try:
        args = _build_parser(arguments).parse_args(arguments)
        logging.basicConfig(format="%(message)s", level=logging.WARNING)
        logging.getLogger("syntic").setLevel(logging.INFO if args.verbose else logging.WARNING)
        if not args.verbose:  # otherwise a bar for each model that is loaded or downloaded
            os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        if args.uses_models:
            from .runtime import set_threads

            set_threads()
        return int(args.run(args))
    except SynticError as error:
        print(f"{error.title}: {error.detail}", file=sys.stderr)
        return ERROR_STATUS
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return STOPPED_STATUS
    except BrokenPipeError:  # the reader, `head` for example, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _build_parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """Make the parser; only the command that is named gets its options, so no other is imported."""
    words = [argument for argument in arguments if not argument.startswith("-")]
    parser = argparse.ArgumentParser(
        prog="python -m syntic",
        description="SynTIC: image captioning learned from texts and synthetic pictures alone.",
        epilog="Try: python -m syntic caption assets/emoji/gallery/*.webp",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (module, summary) in COMMANDS.items():
        command = commands.add_parser(
            name, help=summary, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        command.set_defaults(uses_models=True)
        if words[:1] == [name]:
            import_module(f".commands.{module}", __package__).add_arguments(words, command)
    return parser


if __name__ == "__main__":
    sys.exit(main())
