"""The rules that keep the code readable: who may import whom, and what nobody may do."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from types import ModuleType

import pytest

PACKAGE = Path(__file__).parents[2] / "syntic"
MODULES = sorted(PACKAGE.rglob("*.py"))

# Arrows point one way: a part may import its own layer and those above it in this list.
LAYERS = [
    {"errors", "types"},
    {"profiles", "runtime", "memory"},
    {"models", "data"},
    {"method", "baselines", "training", "evaluation"},
    {"experiments"},  # told by hooks what only the emoji world knows
    {"emoji"},
    {"syntic"},  # the public names in syntic/__init__.py
    {"gap_service", "jobs"},
    {"compare_service", "lesson_service"},
    {"service"},
    {"ui"},
    {"commands", "__main__"},
]
RANK = {part: rank for rank, layer in enumerate(LAYERS) for part in layer}


def dotted_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


@cache
def imports(path: Path) -> frozenset[str]:
    """Full dotted names of everything a module imports, at its top or inside a function."""
    return frozenset(_imports(path))


def _imports(path: Path) -> Iterator[str]:
    package = dotted_name(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def part(name: str) -> str:
    """The part of syntic that a dotted name belongs to: `syntic.method.variant.Variant` -> `method`."""
    pieces = name.split(".")
    if len(pieces) == 1:
        return "syntic"
    inside = PACKAGE / pieces[1]
    return pieces[1] if inside.is_dir() or inside.with_suffix(".py").is_file() else "syntic"


def arrows() -> Iterator[tuple[Path, str, str]]:
    """(module, its part, the part it imports), for every import inside syntic."""
    for path in MODULES:
        for name in imports(path):
            if name.split(".")[0] == "syntic" and part(name) != part(dotted_name(path)):
                yield path, part(dotted_name(path)), part(name)


def test_the_reader_of_imports_resolves_relative_ones():
    """A reader that found nothing would make every test below pass."""
    found = imports(PACKAGE / "profiles" / "profile.py")
    assert {"tomllib", "syntic.errors.InputError"} <= found
    assert {part(name) for name in found if name.startswith("syntic.")} == {"errors"}


@pytest.mark.parametrize("path", MODULES, ids=dotted_name)
def test_only_the_ui_imports_gradio_or_plotly(path):
    if part(dotted_name(path)) == "ui":
        return
    seen = {name.split(".")[0] for name in imports(path)} & {"gradio", "plotly", "gradio_client", "spaces"}
    assert not seen, f"{dotted_name(path)} imports {', '.join(seen)}; only syntic/ui may"


def test_the_method_never_imports_the_emoji_world():
    assert not [
        dotted_name(path) for path, source, target in arrows() if (source, target) == ("method", "emoji")
    ]


def test_the_baselines_are_below_what_trains_and_scores_them():
    """They share the method's parts; how they are trained and scored is the same for all."""
    targets = {target for _, source, target in arrows() if source == "baselines"}
    assert "method" in targets
    assert targets <= {"method", "models", "data", "types", "errors"}


def test_the_method_knows_none_of_the_systems_it_is_compared_with():
    assert ("method", "baselines") not in {(source, target) for _, source, target in arrows()}


def test_every_part_has_its_layer():
    assert {part(dotted_name(path)) for path in MODULES} <= RANK.keys()


def test_arrows_point_one_way():
    wrong = {
        f"{dotted_name(path)} imports {target}"
        for path, source, target in arrows()
        if RANK[source] < RANK[target]
    }
    assert not wrong


def test_parts_import_one_another_in_no_circle():
    graph: dict[str, set[str]] = {}
    for _, source, target in arrows():
        graph.setdefault(source, set()).add(target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"these parts import one another: {' <- '.join(error.args[1])}")


@pytest.mark.parametrize("path", MODULES, ids=dotted_name)
def test_no_file_can_run_code_when_it_is_loaded(path):
    """Weights and features come from files that people download: no pickle in any form."""
    unpicklers = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
    assert not {name.split(".")[0] for name in imports(path)} & unpicklers
    for node in ast.walk(tree(path)):
        if not isinstance(node, ast.Call):
            continue
        call = ast.unparse(node.func)
        arguments = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        where = f"{dotted_name(path)}, line {node.lineno}"
        assert call != "torch.load" or arguments.get("weights_only") == "True", f"{where}: torch.load"
        assert arguments.get("allow_pickle", "False") == "False", f"{where}: allow_pickle"
        assert arguments.get("weights_only", "True") == "True", f"{where}: weights_only"
        assert arguments.get("trust_remote_code", "False") == "False", f"{where}: trust_remote_code"


def declares_all(path: Path) -> bool:
    return any(
        isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__" for node in tree(path).body
    )


@pytest.mark.parametrize(
    "package", [dotted_name(path) for path in MODULES if path.name == "__init__.py" and declares_all(path)]
)
def test_all_is_what_can_be_imported(package):
    module = importlib.import_module(package)
    missing = [name for name in module.__all__ if not hasattr(module, name)]
    assert not missing, f"{package}.__all__ names what is not there: {missing}"
    ours = {
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and not isinstance(value, ModuleType)
        and getattr(value, "__module__", "").startswith("syntic")
    }
    assert ours <= set(module.__all__), f"{package}.__all__ leaves out {sorted(ours - set(module.__all__))}"
    assert len(module.__all__) == len(set(module.__all__))


def test_the_names_that_scripts_rely_on():
    syntic = importlib.import_module("syntic")
    assert {"SynTIC", "Variant", "Trace", "load_profile"} <= set(syntic.__all__)
