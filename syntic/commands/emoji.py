"""`emoji`: building the embedded world; the modules that do it are imported only when asked for."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib import import_module

from .options import describe

STEPS = {
    "sprites": ("emoji.cli", "fetch the pictures of the emoji from their packages", "sprites"),
    "scenes": ("emoji.cli", "draw the scenes and write their captions", "scenes --test 100"),
    "pretrain": ("emoji.pretraining.cli", "train one of the frozen models", "pretrain clip --minutes 60"),
    "curves": ("emoji.pretraining.curves", "write what the trainings took into the docs", "curves"),
    "evaluate": ("emoji.frozen", "measure the frozen models on the test pictures", "evaluate --limit 50"),
    "export": ("evaluation.map_command", "compute the map that the app shows", "export"),
}
"""Step -> (module below `syntic`, one line of help, an example)."""


def add_arguments(words: Sequence[str], parser: argparse.ArgumentParser) -> None:
    """Add the steps that build the emoji world."""
    describe(
        parser,
        "Build the emoji world step by step: sprites, scenes, pretrain, curves, evaluate, export. What they\n"
        "make is shipped, so this is only needed to change it.",
        "python -m syntic emoji scenes --help",
    )
    steps = parser.add_subparsers(dest="step", metavar="STEP", required=True)
    for step, (module, summary, example) in STEPS.items():
        command = steps.add_parser(step, help=summary, formatter_class=argparse.RawDescriptionHelpFormatter)
        describe(command, f"{summary[0].upper()}{summary[1:]}.", f"python -m syntic emoji {example}")
        command.add_argument("--profile", choices=("emoji",), default="emoji", help="always emoji")
        command.set_defaults(uses_models=step in ("evaluate", "export"), verbose=True)
        if step in words[1:]:
            work = import_module(f"syntic.{module}")
            getattr(work, f"add_{step}_arguments")(command)
            command.set_defaults(run=getattr(work, f"run_{step}"))
