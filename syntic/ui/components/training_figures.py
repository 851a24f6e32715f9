"""The curves of a training run as SVG that can be saved; the page shows them as markup beside the buttons."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .gap_figures import figure_table, savable
from .line_chart import Axis, Line, line_chart

Points = Sequence[tuple[int, float]]


def save_losses(losses: Points, smoothed: Points, steps: int) -> str:
    """Return the buttons that save the loss of Eq. 6 over the steps.

    Args:
        losses: (step, loss), at least two.
        smoothed: their moving average, at the same steps.
        steps: of the whole run, at least one.
    """
    values = [value for _, value in losses]
    low, high = min(values), max(values)
    lines = [
        Line(name="loss of Eq. 6", points=losses, colour="var(--kind-generated)"),
        Line(name="its moving average", points=smoothed, colour="var(--kind-refined)"),
    ]
    chart = line_chart(
        None,
        lines,
        Axis(name="steps", low=0, high=steps),
        Axis(name="loss", low=low, high=max(high, low + 1e-6)),
    )
    columns = np.array([values, [value for _, value in smoothed]]).T
    table = figure_table(["loss", "moving average"], _step_names(losses), columns)
    return savable("training-loss", chart, table)


def save_scores(curve: Points, reference: float | None, steps: int) -> str:
    """Return the buttons that save CIDEr on the validation pictures over the steps.

    Args:
        curve: (step, CIDEr x 100), at least one.
        reference: CIDEr of the shipped decoder, or None.
        steps: of the whole run, at least one.
    """
    lines = [Line(name="this run", points=curve, colour="var(--kind-real)", mark="square")]
    columns, values = ["CIDEr"], [[value for _, value in curve]]
    if reference is not None:
        lines.append(
            Line(
                name="the shipped decoder",
                points=[(0, reference), (steps, reference)],
                colour="var(--s-muted)",
                dash="5 5",
            )
        )
        columns, values = [*columns, "the shipped decoder"], [*values, [reference] * len(curve)]
    high = max([value for _, value in curve] + [reference or 0.0, 1.0])
    chart = line_chart(
        None,
        lines,
        Axis(name="steps", low=0, high=steps),
        Axis(name="CIDEr of the validation pictures", low=0, high=high),
    )
    return savable("training-cider", chart, figure_table(columns, _step_names(curve), np.array(values).T))


def _step_names(points: Points) -> list[str]:
    return [f"step {step}" for step, _ in points]
