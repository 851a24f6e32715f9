"""What `experiment` left behind, read for show: the tables beside the paper's, and the captions behind them.

The files are written by `python -m syntic experiment NAME` and committed. A reader of them must outlive their
details: a row is whatever has a name and scores, a score is a number or a mean with its spread, and what is
not understood is left out.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import DataError

logger = logging.getLogger(__name__)

EXPERIMENTS = {
    "table1": "Table 1: trained and tested in the same domain",
    "table2": "Table 2: trained in one domain, tested in another",
    "table3": "Table 3: trained on web texts, tested without any of the domain",
    "table4": "Table 4: the ablation",
    "figure2": "Figure 2: with less training data",
}
METRICS = {"bleu4": "B@4", "meteor": "M", "rouge_l": "R-L", "cider": "C", "spice": "S"}
"""Field -> the paper's abbreviation."""
CAPTIONS_SUFFIX = "-captions"
_NAMES = ("system", "variant", "name")
_SPREADS = ("spread", "std", "sd", "deviation", "standard_deviation")


@dataclass(frozen=True)
class Score:
    """A number and how far it varies over repeated runs, where there were several."""

    mean: float
    spread: float | None = None


@dataclass(frozen=True, kw_only=True)
class ResultRow:
    """One system under one condition.

    Attributes:
        system: its name.
        conditions: what else tells rows apart, by name: the share of the data, the direction of a transfer.
        scores: metric -> ours, x 100.
        paper: metric -> the paper's, None where it prints a dash; empty where the paper has no such row.
    """

    system: str
    conditions: dict[str, str]
    scores: dict[str, Score]
    paper: dict[str, float | None]


@dataclass(frozen=True, kw_only=True)
class ResultTable:
    """A result file.

    Attributes:
        name: of the experiment.
        title: for people.
        profile: whose models and data were used.
        corpus: the texts that were trained on; empty where rows differ.
        test_set: whose pictures were captioned; empty where rows differ.
        pictures: how many; 0 where the file does not say.
        date: when it was measured.
        source_of_paper: where the paper's numbers are from.
        rows: in the file's order.
        notes: sentences that the file brings along.
    """

    name: str
    title: str
    profile: str
    corpus: str
    test_set: str
    pictures: int
    date: str
    source_of_paper: str
    rows: list[ResultRow]
    notes: list[str] = field(default_factory=list)

    @property
    def metrics(self) -> list[str]:
        """The metrics that any of our rows has."""
        return [metric for metric in METRICS if any(metric in row.scores for row in self.rows)]

    @property
    def conditions(self) -> list[str]:
        """The names of the conditions, as columns."""
        return list(dict.fromkeys(name for row in self.rows for name in row.conditions))


@dataclass(frozen=True, kw_only=True)
class ResultCaptions:
    """The captions behind a result file.

    Attributes:
        experiment: its name.
        test_set: of the pictures.
        systems: name -> picture -> caption.
        corpora: name -> the corpus whose texts it learned from, where the files say it.
    """

    experiment: str
    test_set: str
    systems: dict[str, dict[str, str]]
    corpora: dict[str, str] = field(default_factory=dict)


def command_for(experiment: str) -> str:
    """Return the command that writes a result file."""
    return f"python -m syntic experiment {experiment}"


def read_table(folder: Path, experiment: str) -> ResultTable | None:
    """Read a result file.

    Returns:
        None where it is not there.

    Raises:
        DataError: if it is damaged, or no row of it can be read.
    """
    raw = _read_json(folder / f"{experiment}.json")
    if raw is None:
        return None
    rows = [row for entry in _entries(raw) if (row := _read_row(entry)) is not None]
    if not rows:
        raise DataError(
            f"No row of {folder / experiment}.json can be read; write it again: {command_for(experiment)}."
        )
    notes = raw.get("notes", [])
    return ResultTable(
        name=experiment,
        title=EXPERIMENTS.get(experiment, experiment),
        profile=_text(raw, "profile"),
        corpus=_text(raw, "corpus"),
        test_set=_text(raw, "test_set"),
        pictures=raw["pictures"] if isinstance(raw.get("pictures"), int) else 0,
        date=_text(raw, "date"),
        source_of_paper=_text(raw, "source_of_paper"),
        rows=rows,
        notes=[note for note in notes if isinstance(note, str)] if isinstance(notes, list) else [],
    )


def read_captions(folder: Path, experiment: str) -> list[ResultCaptions]:
    """Read the captions behind a result file, from `EXPERIMENT-captions.json` beside it.

    The file maps systems to pictures to captions; further levels, such as the direction of a transfer or
    the seed, become part of the system's name, and those that name a test set say which it is.

    Returns:
        One for each test set; none where there is no such file, or it cannot be read.
    """
    try:
        raw = _read_json(folder / f"{experiment}{CAPTIONS_SUFFIX}.json")
        head = _read_json(folder / f"{experiment}.json") or {}
    except DataError as error:
        logger.warning("%s", error.detail)
        return []
    if raw is None:
        return []
    standard = tuple(_text(raw, what) or _text(head, what) for what in ("corpus", "test_set"))
    known = _where(head)
    found: dict[str, ResultCaptions] = {}
    for path, captions in _leaves(raw, ()):
        (corpus, test_set), names = standard, list(path)
        for name in path:
            if "->" in name:  # "everyday -> people" was tested on people
                corpus, test_set = (part.strip() for part in name.split("->", 1))
        if path in known:  # the group is in the paper's words
            corpus, test_set = known[path]
            names = names if "->" in path[0] else names[1:]
        system = " · ".join(names)
        place = found.setdefault(
            test_set, ResultCaptions(experiment=experiment, test_set=test_set, systems={})
        )
        place.systems[system] = captions
        if corpus:
            place.corpora[system] = corpus
    return list(found.values())


def _where(head: Mapping[str, Any]) -> dict[tuple[str, ...], tuple[str, str]]:
    """Return corpus and test set of every (group, row) that says its test set."""
    return {
        (_text(row, "group"), _text(row, "name")): (_text(row, "corpus"), _text(row, "test_set"))
        for row in _entries(head)
        if _text(row, "group") and _text(row, "test_set")
    }


def _leaves(
    raw: Mapping[str, Any], path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], dict[str, str]]]:
    """Walk down to the mappings of pictures to captions."""
    captions = {name: text for name, value in raw.items() if (text := _caption(value)) is not None}
    if captions and len(captions) == len(raw):
        yield path, captions
        return
    for name, value in raw.items():
        if isinstance(value, dict) and value:
            step = () if name in ("captions", "systems") else (name,)
            yield from _leaves(value, (*path, *step))


def _caption(value: Any) -> str | None:
    if isinstance(value, dict):
        value = value.get("caption")
    return value if isinstance(value, str) else None


def _entries(raw: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The rows, also where they stand in groups: `groups: [{name, rows: [...]}]`."""
    for entry in raw.get("rows", []) if isinstance(raw.get("rows"), list) else []:
        if isinstance(entry, dict):
            yield entry
    for group in raw.get("groups", []) if isinstance(raw.get("groups"), list) else []:
        if isinstance(group, dict):
            for entry in _entries(group):
                yield {"group": _text(group, "name"), **entry}


def _read_row(entry: Mapping[str, Any]) -> ResultRow | None:
    system = next((_text(entry, name) for name in _NAMES if _text(entry, name)), "")
    scores = {metric: score for metric in METRICS if (score := _read_score(entry, metric)) is not None}
    if not system or not scores:
        return None
    paper = entry.get("paper")
    paper = paper.get("scores", paper) if isinstance(paper, dict) else {}
    return ResultRow(
        system=system,
        conditions=dict(_conditions(entry)),
        scores=scores,
        paper={metric: _number(paper.get(metric)) for metric in METRICS if metric in paper},
    )


def _conditions(entry: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name in ("group", "direction", "corpus", "test_set", "support", "data", "share", "captions"):
        value = entry.get(name)
        if isinstance(value, str) and value:
            yield name.replace("_", " "), value
        elif name == "share" and _number(value) is not None:
            yield name, f"{value:.0%}"
        elif name == "captions" and isinstance(value, int):
            yield name, f"{value:,}"


def _read_score(entry: Mapping[str, Any], metric: str) -> Score | None:
    """A score as a number, as {mean, spread}, or with the spreads in a mapping of their own."""
    scores = entry.get("scores")
    if not isinstance(scores, dict):
        return None
    value = scores.get(metric)
    if value is None and isinstance(scores.get("mean"), dict):
        value = scores["mean"].get(metric)
    spread = None
    for name in _SPREADS:
        for place in (value, scores.get(name), entry.get(name)):
            if isinstance(place, dict) and spread is None:
                spread = _number(place.get(metric, place.get(name)))
    mean = _number(value.get("mean") if isinstance(value, dict) else value)
    return None if mean is None else Score(mean, spread)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _text(raw: Mapping[str, Any], name: str) -> str:
    value = raw.get(name)
    return value if isinstance(value, str) else ""


def _read_json(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DataError(f"The results {path} cannot be read: {error}.") from error
    if not isinstance(raw, dict):
        raise DataError(f"The results {path} are not a JSON object.")
    return raw
