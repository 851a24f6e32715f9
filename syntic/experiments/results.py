"""Records of a plan, put together: the table, its JSON, and the paper's numbers beside ours."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from ..data.atomic import write_text_atomically
from ..data.coco import COMBINATIONS
from ..errors import DataError
from ..evaluation.published import SOURCE
from .plans import Plan, Row, Run
from .records import Record
from .running import LeftOut
from .statistics import Interval, difference, spread

PAPER_METRICS = {"bleu4": "B@4", "meteor": "M", "rouge_l": "R-L", "cider": "C", "spice": "S"}
"""Field -> the paper's abbreviation."""
BRIEF_METRICS = ("bleu4", "meteor", "rouge_l", "cider")
OWN_METRICS = {"clip_score": "CLIP-S", "ref_clip_score": "RefCLIP-S"}
TRUTH_METRICS = {
    f"{aspect}_{figure}": f"{aspect} {letter}"
    for aspect in ("things", "counts", "settings", "relations")
    for figure, letter in (("precision", "P"), ("recall", "R"))
}
MARKS = {
    "texts": "",
    "unpaired pictures": " (with unpaired pictures)",
    "real pairs": " (upper bound: real pairs)",
}


@dataclass(frozen=True, kw_only=True)
class RowResult:
    """One row of a table, ours and the paper's.

    Attributes:
        row: of the plan.
        records: one for each seed that was run; empty where the row was left out.
        reason: why it was left out.
    """

    row: Row
    records: tuple[Record, ...] = ()
    reason: str = ""

    def mean(self, metric: str) -> float | None:
        """Return the mean over the seeds, or None where it was not measured."""
        values = self._values(metric)
        return sum(values) / len(values) if values else None

    def spread(self, metric: str) -> float | None:
        """Return the standard deviation over the seeds, or None."""
        return spread(self._values(metric))

    @property
    def words(self) -> float:
        """Mean number of words of a caption, over pictures and seeds."""
        return float(
            np.mean([len(text.split()) for record in self.records for text in record.captions.values()])
        )

    @property
    def cider_each(self) -> list[list[float]]:
        """CIDEr of each picture for each seed."""
        return [record.cider_each for record in self.records]

    def _values(self, metric: str) -> list[float]:
        values = [record.scores.get(metric) for record in self.records]
        return [value for value in values if value is not None]


@dataclass(frozen=True, kw_only=True)
class Results:
    """An experiment's outcome.

    Attributes:
        plan: what was done.
        profile: its name.
        decoding: how words were chosen.
        rows: in the plan's order.
        combinations: test set -> picture -> how the things on it go together (`TestSet.combinations`); empty
            where nobody knows.
    """

    plan: Plan
    profile: str
    decoding: str
    rows: tuple[RowResult, ...]
    combinations: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        plan: Plan,
        done: Iterable[Record | LeftOut],
        *,
        profile: str,
        decoding: str,
        combinations: Mapping[str, Mapping[str, str]] | None = None,
    ) -> Results:
        """Put the outcome of the runs of a plan under its rows."""
        found: dict[Run, Record | LeftOut] = {}
        for outcome in done:
            found[Run(**outcome.run) if isinstance(outcome, Record) else outcome.run] = outcome
        rows = []
        for row in plan.rows:
            outcomes = [found[run] for run in row.runs if run in found]
            records = tuple(outcome for outcome in outcomes if isinstance(outcome, Record))
            reasons = [outcome.reason for outcome in outcomes if isinstance(outcome, LeftOut)]
            rows.append(RowResult(row=row, records=records, reason=reasons[0] if reasons else ""))
        return cls(
            plan=plan,
            profile=profile,
            decoding=decoding,
            rows=tuple(rows),
            combinations=combinations or {},
        )

    def find(self, name: str, group: str) -> RowResult | None:
        """Return a row that was measured, or None."""
        rows = (result for result in self.rows if (result.row.name, result.row.group) == (name, group))
        return next((result for result in rows if result.records), None)

    def difference(self, better: str, worse: str, group: str) -> Interval | None:
        """Return by how much CIDEr one row is ahead of another of its group; None where one is missing."""
        first, second = self.find(better, group), self.find(worse, group)
        if first is None or second is None:
            return None
        return difference(first.cider_each, second.cider_each)

    def to_markdown(self, *, brief: bool = False) -> str:
        """Return the tables, each cell ours with its spread over the seeds / the paper's.

        Args:
            brief: only the four metrics that are always there, and not what was left out.
        """
        columns = self._columns() if not brief else {name: PAPER_METRICS[name] for name in BRIEF_METRICS}
        lines = [f"{self.plan.title}. Profile {self.profile}, {self._search()}. {self._legend()}"]
        for group in self.plan.groups:
            rows = [result for result in self.rows if result.row.group == group and result.records]
            if not rows:
                continue
            run, pictures = rows[0].row.runs[0], len(rows[0].records[0].captions)
            lines += [
                "",
                f"{group}: trained on the texts of {run.corpus}, {pictures} pictures of {run.test_set}.",
                "",
                "| system | " + " | ".join(columns.values()) + " | seeds |",
                "|---|" + "---|" * (len(columns) + 1),
            ]
            for result in rows:
                cells = [_cell(result, metric) for metric in columns]
                name = result.row.name + MARKS[result.row.learns_from]
                lines.append(f"| {name} | " + " | ".join(cells) + f" | {len(result.records)} |")
        if brief:
            return "\n".join(lines)
        lines += self._gaps() + self._combined() + self._truth()
        notes = self._notes()
        return "\n".join([*lines, *(["", "Left out:", "", *notes] if notes else [])])

    def _notes(self) -> list[str]:
        """What is not in the tables, and why."""
        notes = [
            f"- {result.row.name}, {result.row.group}: {result.reason}"
            for result in self.rows
            if result.reason
        ]
        notes += [f"- {sentence}" for sentence in self.plan.left_out]
        if all(result.mean("spice") is None for result in self.rows):
            notes.append("- S: SPICE was not installed; `python -m syntic doctor` says how to get it.")
        return notes

    def to_json(self) -> str:
        """Return everything but captions and the pictures' own scores."""
        return json.dumps(
            {
                "experiment": self.plan.name,
                "title": self.plan.title,
                "profile": self.profile,
                "decoding": self.decoding,
                "date": datetime.now(UTC).isoformat(timespec="seconds"),
                "source_of_paper": SOURCE,
                "left_out": list(self.plan.left_out),
                "rows": [_row_json(result) for result in self.rows],
            },
            indent=1,
        )

    def save(self, folder: Path) -> list[Path]:
        """Write three files: NAME.json, NAME-cider.json with each picture's CIDEr, and NAME-captions.json.

        Captions are the first seed's. Returns the paths.
        """
        measured = [result for result in self.rows if result.records]
        ciders: dict[str, Any] = {"pictures": {}, "combinations": {}, "cider": {}}
        captions: dict[str, dict[str, dict[str, str]]] = {}
        for result in measured:
            group, name, first = result.row.group, result.row.name, result.records[0]
            ciders["pictures"].setdefault(group, list(first.captions))
            ciders["combinations"].setdefault(group, self._combinations_of(result))
            rounded = [[round(value, 1) for value in seed] for seed in result.cider_each]
            ciders["cider"].setdefault(group, {})[name] = rounded
            captions.setdefault(group, {})[name] = first.captions
        contents = {
            f"{self.plan.name}.json": self.to_json(),
            f"{self.plan.name}-cider.json": json.dumps(ciders, separators=(",", ":")),
            f"{self.plan.name}-captions.json": json.dumps(captions, indent=0, ensure_ascii=False),
        }
        for name, text in contents.items():
            write_text_atomically(folder / name, text + "\n")
        return [folder / name for name in contents]

    def _columns(self) -> dict[str, str]:
        extra = {m: n for m, n in OWN_METRICS.items() if any(row.mean(m) is not None for row in self.rows)}
        return PAPER_METRICS | extra

    def _search(self) -> str:
        return "each system's own search" if self.decoding == "own" else f"{self.decoding} search for all"

    def _legend(self) -> str:
        if any(result.row.paper is not None for result in self.rows):
            return "Each cell: ours, ± its standard deviation over the seeds / the paper's."
        return "Each cell: ours, ± its standard deviation over the seeds; the paper has no such table."

    def _gaps(self) -> list[str]:
        """The share of the way from SynTIC to ClipCap that an improvement covers."""
        if self.plan.name != "improvements":
            return []
        lines: list[str] = []
        for group in self.plan.groups:
            base, bound = self.find("syntic", group), self.find("clipcap", group)
            for result in self.rows:
                name = result.row.name
                gain = self.difference(name, "syntic", group)
                if result.row.group != group or name in ("syntic", "clipcap") or gain is None:
                    continue
                line = f"- {group}: {name} over syntic {gain} CIDEr"
                if base is not None and bound is not None:
                    gap = (bound.mean("cider") or 0.0) - (base.mean("cider") or 0.0)
                    line += f", {gain.mean / gap:.0%} of the gap to clipcap" if gap > 0 else ""
                    line += " (clipcap is not ahead of syntic)" if gap <= 0 else ""
                lines.append(f"{line}.")
        return ["", *lines] if lines else []

    def _combinations_of(self, result: RowResult) -> list[str]:
        """Return how the things on each picture of a row go together; nothing where nobody knows."""
        known = self.combinations.get(result.row.runs[0].test_set, {})
        return [known.get(name, "") for name in result.records[0].captions] if known else []

    def _combined(self) -> list[str]:
        """CIDEr by how the things on a picture go together."""
        measured = [(result, self._combinations_of(result)) for result in self.rows if result.records]
        measured = [(result, kinds) for result, kinds in measured if kinds]
        if not measured:
            return []
        lines = [
            "",
            "CIDEr by what is on the picture: one kind of things, kinds that the corpora's texts name "
            "together, kinds that no text names together; in brackets, how many pictures.",
            "",
            "| system | one kind | together in texts | together in no text |",
            "|---|---|---|---|",
        ]
        for result, kinds in measured:
            each = np.mean(result.cider_each, axis=0)
            cells = []
            for combination in COMBINATIONS:
                rows = [row for row, kind in enumerate(kinds) if kind == combination]
                cells.append(f"{each[rows].mean():.1f} ({len(rows)})" if rows else "-")
            lines.append(f"| {result.row.name}, {result.row.group} | " + " | ".join(cells) + " |")
        return lines

    def _truth(self) -> list[str]:
        """How true the captions are of their scenes, where that is known."""
        if not any(result.mean("things_precision") is not None for result in self.rows):
            return []
        lines = [
            "",
            "True of the scene: precision (P) and recall (R) of what captions name; words: of a caption, in "
            "the mean.",
            "",
            "| system | words | " + " | ".join(TRUTH_METRICS.values()) + " |",
            "|---|" + "---|" * (len(TRUTH_METRICS) + 1),
        ]
        for result in self.rows:
            if result.records:
                figures = [result.words, *map(result.mean, TRUTH_METRICS)]
                cells = [_number(figure) for figure in figures]
                lines.append(f"| {result.row.name}, {result.row.group} | " + " | ".join(cells) + " |")
        return lines


def write_block(path: Path, name: str, text: str) -> bool:
    """Put a text between the marks of a name in a Markdown file.

    Args:
        path: the file.
        name: of the marks, `<!-- NAME:begin -->` and `<!-- NAME:end -->`; the first may say more.
        text: what goes between.

    Returns:
        Whether the file has the marks.

    Raises:
        DataError: if only one of the two marks is there.
    """
    lines = path.read_text(encoding="utf-8").splitlines()
    begins = [i for i, line in enumerate(lines) if line.startswith(f"<!-- {name}:begin")]
    ends = [i for i, line in enumerate(lines) if line.startswith(f"<!-- {name}:end")]
    if not begins and not ends:
        return False
    if len(begins) != 1 or len(ends) != 1 or ends[0] < begins[0]:
        raise DataError(f"{path} needs one <!-- {name}:begin --> and one <!-- {name}:end --> after it.")
    lines[begins[0] + 1 : ends[0]] = text.splitlines()
    write_text_atomically(path, "\n".join(lines) + "\n")
    return True


def _cell(result: RowResult, metric: str) -> str:
    mean, deviation = result.mean(metric), result.spread(metric)
    text = _number(mean)
    if mean is not None and deviation is not None:
        text += f" ± {deviation:.1f}"
    if result.row.paper is not None and metric in PAPER_METRICS:
        text += f" / {_number(getattr(result.row.paper, metric))}"
    return text


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _row_json(result: RowResult) -> dict[str, Any]:
    row, records = result.row, result.records
    names = list(dict.fromkeys(name for record in records for name in record.scores))
    return {
        "name": row.name,
        "group": row.group,
        "system": row.runs[0].system,
        "corpus": row.runs[0].corpus,
        "test_set": row.runs[0].test_set,
        "learns_from": row.learns_from,
        "pictures": len(records[0].captions) if records else 0,
        "seeds": [record.run["seed"] for record in records],
        "decoding": records[0].decoding if records else None,
        "scores": {name: _score_json(result, name) for name in names},
        "paper": None if row.paper is None else asdict(row.paper),
        "left_out": result.reason or None,
        "runs": [record.key for record in records],
        "trainings": [_training_json(record.training) for record in records],
    }


def _score_json(result: RowResult, metric: str) -> dict[str, float | None]:
    mean, deviation = result.mean(metric), result.spread(metric)
    return {
        "mean": None if mean is None else round(mean, 2),
        "spread": None if deviation is None else round(deviation, 2),
    }


def _training_json(training: Mapping[str, Any]) -> dict[str, Any]:
    kept = ("run", "seed", "steps", "seconds", "weights_sha256")
    return {name: training[name] for name in kept if name in training}


@dataclass(frozen=True, kw_only=True)
class Ciders:
    """CIDEr of each picture, as `Results.save` keeps it.

    Attributes:
        values: group -> row -> a list for each seed.
        combinations: group -> how the things on each picture go together; empty where nobody knows.
    """

    values: Mapping[str, Mapping[str, Sequence[Sequence[float]]]] = field(default_factory=dict)
    combinations: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def find(self, name: str, group: str, combination: str = "") -> np.ndarray | None:
        """Return (S, P) of a row, on all pictures or those of a combination; None where there is nothing."""
        if name not in self.values.get(group, {}):
            return None
        found = np.asarray(self.values[group][name], dtype=float)
        if not combination:
            return found
        chosen = [row for row, kind in enumerate(self.combinations.get(group, ())) if kind == combination]
        return found[:, chosen] if chosen else None


def read_ciders(folder: Path, plan: str) -> Ciders:
    """Read CIDEr of each picture of an experiment; there is nothing in it where it has no result yet.

    Raises:
        DataError: if the file is damaged.
    """
    path = folder / f"{plan}-cider.json"
    if not path.is_file():
        return Ciders()
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        ciders = Ciders(values=raw["cider"], combinations=raw.get("combinations", {}))
        for rows in ciders.values.values():
            for values in rows.values():
                assert np.asarray(values, dtype=float).ndim == 2
    except (ValueError, KeyError, AttributeError, AssertionError) as error:
        raise DataError(
            f"{path} is damaged; make it again with `python -m syntic experiment {plan}`."
        ) from error
    return ciders
