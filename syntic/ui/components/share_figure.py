"""Figure 2 of the paper as a chart: how a system's CIDEr grows with its share of the training texts."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...compare_service import name_for_people
from ...evaluation.published import FIGURE2
from ...evaluation.results import ResultRow, ResultTable
from .comparison import METRIC_NAMES
from .gap_figures import figure_table, savable
from .line_chart import Axis, Line, line_chart

_LOOKS = {
    "syntic": ("var(--kind-projected)", "circle"),
    "magic": ("var(--kind-generated)", "square"),
    "capdec": ("var(--kind-text)", "triangle"),
    "decap": ("var(--kind-real)", "diamond"),
}
"""System -> colour and mark, in the legend's order."""


def share_figure(table: ResultTable) -> str:
    """Return CIDEr over the share of the training texts: ours as lines, the paper's as hollow marks.

    The paper prints its values at 100 % (Table 1) and says with which share SynTIC is ahead of whom; both are
    drawn. The CSV file has every metric.

    Args:
        table: whose rows are named after a system and its share, `syntic 10%`, or have it as a condition.

    Returns:
        The figure; nothing where no row has a share.
    """
    lines = [line for system in _LOOKS if (line := _line(table, system)) is not None]
    if not lines:
        return ""
    values = [b + (s or 0.0) for line in lines for (_, b), s in zip(line.points, line.spreads, strict=True)]
    values += [b for line in lines for _, b in line.published]
    ends = "; ".join(
        f"{line.name} {line.points[0][1]:.1f} with {line.points[0][0]:g} % of the texts, "
        f"{line.points[-1][1]:.1f} with {line.points[-1][0]:g} %"
        for line in lines
    )
    chart = line_chart(
        f"CIDEr over the share of the training texts. {ends}.",
        lines,
        Axis(name="share of the training texts", low=0, high=100, unit=" %"),
        Axis(name="CIDEr", low=0, high=1.06 * max(values)),
        hints=_said_by_the_paper(),
    )
    note = (
        '<p class="s-note">Filled: ours, with the spread over repeated trainings. Hollow and dashed: the '
        "paper’s, which prints values with all texts only, and says with which share SynTIC is ahead of whom."
        "</p>"
    )
    return savable("figure-2", chart, _numbers(table), note)


def _line(table: ResultTable, system: str) -> Line | None:
    found = [(share, row) for row, name, share in _placed(table) if name == system and "cider" in row.scores]
    rows = sorted(found, key=lambda one: one[0])
    if not rows:
        return None
    colour, mark = _LOOKS[system]
    published = [(share, row.paper.get("cider")) for share, row in rows]
    return Line(
        name=name_for_people(system),
        points=[(share, row.scores["cider"].mean) for share, row in rows],
        colour=colour,
        mark=mark,
        spreads=[row.scores["cider"].spread for _, row in rows],
        published=[(share, value) for share, value in published if value is not None],
    )


def _placed(table: ResultTable) -> Iterator[tuple[ResultRow, str, float]]:
    """The rows that have a share, each with its system and the share in per cent."""
    for row in table.rows:
        name, _, last = row.system.rpartition(" ")
        share = row.conditions.get("share", last)
        digits = share.removesuffix("%").strip()
        if share.endswith("%") and digits.replace(".", "", 1).isdigit():
            yield row, name if share == last else row.system, float(digits)


def _said_by_the_paper() -> list[tuple[float, str]]:
    """With which share SynTIC is ahead of whom, as the text below the paper's figure says."""
    shares: dict[float, list[str]] = {}
    for system, share in FIGURE2.items():
        shares.setdefault(share, []).append(system)
    return [
        (100 * share, f"paper: ahead of {' and '.join(systems)}") for share, systems in sorted(shares.items())
    ]


def _numbers(table: ResultTable) -> str:
    """Every metric of every row, ours, its spread and the paper's; NaN where there is none."""
    columns, values = [], []
    rows = [row for row, _, _ in _placed(table)]
    for metric in table.metrics:
        scores = [row.scores.get(metric) for row in rows]
        name = METRIC_NAMES[metric]
        columns += [name, f"{name}, spread", f"{name} of the paper"]
        values += [
            [np.nan if score is None else score.mean for score in scores],
            [np.nan if score is None or score.spread is None else score.spread for score in scores],
            [np.nan if (paper := row.paper.get(metric)) is None else paper for row in rows],
        ]
    labels = [f"{name_for_people(system)} {share:g}%" for _, system, share in _placed(table)]
    return figure_table(columns, labels, np.array(values).T)
