"""The commands in docs/scale.md are commands: each is parsed, and what it names is there."""

from __future__ import annotations

import re
import shlex

import pytest

from syntic.__main__ import _build_parser
from syntic.profiles import REPOSITORY, load_profile
from syntic.training import load_run

TEXT = (REPOSITORY / "docs" / "scale.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
LINES = [
    line
    for block in BLOCKS
    for line in block.replace("\\\n", " ").splitlines()
    if line.strip() and not line.startswith("#")
]


def arguments(line: str) -> list[str]:
    """What stands behind `-m syntic`, whatever starts it."""
    words = shlex.split(line, comments=True)
    assert words[0] in ("python", "torchrun"), line
    return words[words.index("syntic") + 1 :]


def test_there_are_commands_for_every_table():
    assert len(LINES) > 25
    assert {path.stem for path in (REPOSITORY / "recipes").glob("*.toml")} == {
        *("table1-coco", "table1-flickr30k", "table2-across", "table3-ss1m", "table4-coco")
    }
    for path in (REPOSITORY / "recipes").glob("*.toml"):
        assert any(f"recipes/{path.name}" in line for line in LINES), path.name


@pytest.mark.parametrize("line", LINES)
def test_a_documented_command_can_be_given(line):
    given = arguments(line)
    args = _build_parser(given).parse_args(given)
    run_file = getattr(args, "run_file", None)
    if run_file is not None:
        settings = load_run(
            REPOSITORY / run_file, getattr(args, "overrides", ()), corpus=getattr(args, "corpus", None)
        )
        profile, names = load_profile(settings.profile), [settings.corpus]
        assert (settings.validation.test_set or f"{settings.corpus}-validation") in profile.test_sets
    elif getattr(args, "profile", None):
        profile = load_profile(args.profile)
        names = [name for name in (args.__dict__.get("corpus"), args.__dict__.get("target")) if name]
    else:
        return
    assert set(names) <= profile.corpora.keys()
    if getattr(args, "test_set", None):
        assert args.test_set in profile.test_sets


def test_table_2_takes_the_decoders_of_table_1():
    """The same settings have the same name, so that a decoder that is there is not trained again."""
    across = next(line for line in LINES if "table2-across.toml --corpus flickr30k" in line)
    args = _build_parser(arguments(across)).parse_args(arguments(across))
    recipes = REPOSITORY / "recipes"
    assert load_run(recipes / "table2-across.toml") == load_run(recipes / "table1-coco.toml")
    flickr30k = load_run(recipes / "table2-across.toml", args.overrides, corpus=args.corpus)
    assert flickr30k == load_run(recipes / "table1-flickr30k.toml")
