"""What the trainings took: `python -m syntic emoji curves` keeps their logs and writes docs/pretraining.md.

A log of `loop.py` has a line every twenty seconds and one per report. A thinned copy of each is kept under
assets. Everything in the page comes from these copies, so it can be written again where the logs are gone.
"""

from __future__ import annotations

import argparse
import json
import logging
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from statistics import median

import numpy as np

from syntic.data.atomic import write_text_atomically
from syntic.emoji.pretraining.cli import RUNS
from syntic.emoji.pretraining.panels import MEASURES, draw_panels
from syntic.errors import DataError, InputError
from syntic.experiments import write_block
from syntic.profiles import REPOSITORY

logger = logging.getLogger(__name__)

KEPT = REPOSITORY / "assets" / "emoji" / "results" / "pretraining"
PAGE = REPOSITORY / "docs" / "pretraining.md"
MARKS = "curves"
LOG_LINES = 100  # with the reports about 20 kB

Line = dict[str, float]


@dataclass(frozen=True)
class TrainingLog:
    """The log of one model.

    Attributes:
        lines: in order of their steps. A progress line has `minutes`, the `samples` seen so far, and means
            since the line before; a report has `report_seconds` and the held-out measures.
    """

    lines: list[Line]

    @classmethod
    def read(cls, path: Path) -> TrainingLog:
        """Read a log, without what a killed run lost and did again.

        Raises:
            DataError: if a line is not one of a log.
        """
        lines: list[Line] = []
        steps: list[float] = []
        for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            try:
                line = {name: float(value) for name, value in json.loads(text).items()}
                step = line["step"]
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise DataError(
                    f"Line {number} of {path} is not one of a training's log; remove it."
                ) from error
            if steps and step < steps[-1]:  # continued from an earlier state
                lost = bisect_left(steps, step)
                del lines[lost:], steps[lost:]
            lines.append(line)
            steps.append(step)
        log = cls(lines)
        if not log.progress:
            raise DataError(f"{path} has no line of progress yet; let the training run for a minute.")
        before, samples = 0.0, 0.0
        for line in log.progress:
            samples += line["samples_per_second"] * 60 * max(line["minutes"] - before, 0)
            before = line["minutes"]
            line.setdefault("samples", samples)  # a kept log has them, of lines that are gone
        return log

    def followed_by(self, later: TrainingLog) -> TrainingLog:
        """The log of both, where the later training started from the model of this one."""
        last = self.progress[-1]
        counted = {name: last[name] for name in ("minutes", "samples")} | {"of": last["minutes"]}
        counted["step"] = self.lines[-1]["step"]
        moved = [{name: value + counted.get(name, 0) for name, value in line.items()} for line in later.lines]
        end = counted["of"]  # of this one's cosine, whether or not it had reached it
        ended = [line | {"of": min(line["of"], end)} if "of" in line else line for line in self.lines]
        return TrainingLog(ended + moved)

    @property
    def progress(self) -> list[Line]:
        """The lines with the loss."""
        return [line for line in self.lines if "minutes" in line]

    @property
    def reports(self) -> list[Line]:
        """The lines with held-out measures."""
        return [line for line in self.lines if "report_seconds" in line]

    @property
    def measures(self) -> list[str]:
        """Names of the held-out measures."""
        names = dict.fromkeys(name for line in self.reports for name in line)
        return [name for name in names if name not in ("step", "report_seconds")]

    def curve(self, name: str) -> list[tuple[float, float]]:
        """(minutes, value) of every line with the value; reports take their minutes from the lines around."""
        steps, minutes = zip(*((line["step"], line["minutes"]) for line in self.progress), strict=True)
        found = [line for line in self.lines if name in line]
        return [(float(np.interp(line["step"], steps, minutes)), line[name]) for line in found]

    def restarts(self) -> list[float]:
        """The minutes at which a finished run was given more: a new cosine starts."""
        pairs = zip(self.progress, self.progress[1:], strict=False)
        return [a["of"] for a, b in pairs if b["of"] > a["of"] and b["minutes"] >= a["of"]]

    def thinned(self, count: int = LOG_LINES) -> TrainingLog:
        """All reports and `count` progress lines, the first and the last among them, at four digits."""
        progress = self.progress
        chosen = np.linspace(0, len(progress) - 1, min(count, len(progress))).round().astype(int)
        lines = [progress[row] for row in chosen] + self.reports
        return TrainingLog([_rounded(line) for line in sorted(lines, key=lambda line: line["step"])])

    def save(self, path: Path) -> None:
        """Write the lines as they were read."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text_atomically(path, "".join(json.dumps(line) + "\n" for line in self.lines))


def _rounded(line: Line) -> Line:
    whole = ("step", "samples")
    return {name: round(value) if name in whole else float(f"{value:.4g}") for name, value in line.items()}


def add_curves_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `emoji curves`."""
    parser.add_argument(
        "--runs",
        type=Path,
        nargs="+",
        default=[RUNS],
        metavar="DIR",
        help="folders with NAME/log.jsonl or NAME.jsonl, in the order of the trainings: where several have a "
        f"model's log, each is of a training that started from the one before (default {RUNS})",
    )


def run_curves(args: argparse.Namespace) -> int:
    """Keep the logs, write the page."""
    write_curves(args.runs, KEPT, PAGE)
    return 0


def write_curves(runs: Sequence[Path], kept: Path, page: Path) -> None:
    """Copy what is in the logs, draw it beside the page and put it between the page's marks.

    Args:
        runs: folders with NAME/log.jsonl or NAME.jsonl. A model's logs in several of them follow one another.
        kept: folder of the thinned logs. Those of models that have no log in `runs` stay.
        page: a Markdown file with the marks `curves`.

    Raises:
        InputError: if there is no log at all.
        DataError: if a log is damaged or the page has no marks.
    """
    logs: dict[str, TrainingLog] = {}
    for model in MEASURES:
        places = [folder / name for folder in runs for name in (f"{model}/log.jsonl", f"{model}.jsonl")]
        found = [TrainingLog.read(path) for path in places if path.is_file()]
        copy = kept / f"{model}.jsonl"
        if found:
            reduce(TrainingLog.followed_by, found).thinned().save(copy)
        if copy.is_file():
            logs[model] = TrainingLog.read(copy)
    if not logs:
        raise InputError(
            f"There is no log of a training in {' or '.join(map(str, runs))}; "
            "`python -m syntic emoji pretrain clip` trains a model and writes one."
        )
    pictures = page.parent / "curves"
    pictures.mkdir(exist_ok=True)
    for model, log in logs.items():
        write_text_atomically(pictures / f"{model}.svg", draw_panels(model, log.curve, log.restarts()))
    if not write_block(page, MARKS, to_markdown(logs)):
        raise DataError(f"{page} needs <!-- {MARKS}:begin --> and <!-- {MARKS}:end --> to write between.")
    logger.info("wrote %s", page)


def to_markdown(logs: dict[str, TrainingLog]) -> str:
    """Return what the trainings took, the held-out measures at first and at last, and the curves."""
    lines = [
        "| model | minutes | steps | samples seen | samples per second, median |",
        "|---|---|---|---|---|",
    ]
    for model, log in logs.items():
        last, rates = log.progress[-1], [line["samples_per_second"] for line in log.progress]
        samples = float(f"{last['samples']:.3g}")  # a sum over rates: not exact
        lines.append(
            f"| {model} | {last['minutes']:.0f} | {log.lines[-1]['step']:,.0f} | {samples:,.0f} | "
            f"{median(rates):.0f} |"
        )
    lines += ["", "| model | held-out measure | first | last |", "|---|---|---|---|"]
    for model, log in logs.items():
        for name in log.measures:
            curve = log.curve(name)
            words = MEASURES[model].get(name, name.replace("_", " "))
            lines.append(f"| {model} | {words} | {curve[0][1]:.3g} | {curve[-1][1]:.3g} |")
    for model, log in logs.items():
        alt = f"{model}: held-out measures and training loss over {log.progress[-1]['minutes']:.0f} minutes"
        lines += ["", f"![{alt}](curves/{model}.svg)"]
    return "\n".join(lines)
