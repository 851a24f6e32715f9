"""The figures of the page "Learn" as inline SVG, which follows the theme and can be saved.

They are narrow, so that their letters can still be read on a phone.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from ...lesson_service import Distribution, Group, RefinementCurve
from ..numbers import number
from .gap_figures import figure_table, savable

WIDTH = 460.0
_DASHES = ("none", "7 4", "2 4")
_LINE_LETTERS = 46
_PICTURE_PX = 96.0


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One row of a figure of bars.

    Attributes:
        text: what it is about.
        value: length of the bar, 0..1.
        label: the numbers at its end.
        is_own: draws a frame around the row.
    """

    text: str
    value: float
    label: str
    is_own: bool = False


def bars_figure(name: str, picture: str | None, caption: str, bars: Sequence[Bar], what: str) -> str:
    """Return a picture with its text, and a bar for each of some texts below it.

    Args:
        name: of the files that it is saved as.
        picture: a data URI, or None where the picture is not at hand.
        caption: beside the picture.
        bars: from top to bottom.
        what: the bars show, in a few words.
    """
    left = _PICTURE_PX + 14 if picture else 0.0
    head = _lines(caption, 34 if picture else _LINE_LETTERS)
    parts = [f'<text class="g-name" x="{left}" y="16">{what}</text>']
    parts += [f'<text x="{left}" y="{40 + 18 * i}">{escape(line)}</text>' for i, line in enumerate(head)]
    if picture:
        parts.append(
            f'<image href="{picture}" x="0" y="0" width="{_PICTURE_PX}" height="{_PICTURE_PX}" '
            'preserveAspectRatio="xMidYMid slice"/>'
        )
    top = max(_PICTURE_PX if picture else 0.0, 34 + 18 * len(head)) + 16
    for bar in bars:
        lines = _lines(bar.text, _LINE_LETTERS)
        height = 18 * len(lines) + 20
        if bar.is_own:
            parts.append(
                f'<rect class="l-own" x="1" y="{top - 2}" width="{WIDTH - 2}" height="{height + 2}" rx="6"/>'
            )
        parts += [
            f'<text x="8" y="{top + 14 + 18 * i}">{escape(line)}</text>' for i, line in enumerate(lines)
        ]
        at, share = top + 18 * len(lines) + 3, min(max(bar.value, 0.0), 1.0)
        parts.append(
            f'<rect class="l-track" x="8" y="{at}" width="300" height="9" rx="3"/>'
            f'<rect class="l-bar" x="8" y="{at}" width="{300 * share:.1f}" height="9" rx="3"/>'
            f'<text class="l-value" x="318" y="{at + 9}">{escape(bar.label)}</text>'
        )
        top += height + 8
    described = "; ".join(f"{bar.text}: {bar.label}" for bar in bars)
    svg = (
        f'<svg class="g-svg l-svg" viewBox="0 0 {WIDTH} {top:.0f}" role="img" '
        f'aria-label="{escape(f"{what} for “{caption}”: {described}")}">{"".join(parts)}</svg>'
    )
    table = figure_table(["value"], [bar.text for bar in bars], np.array([[bar.value] for bar in bars]))
    return savable(name, svg, table)


def distribution_figure(name: str, found: Distribution, axis: str, middle: str = "") -> str:
    """Return sets of numbers as outlines over the same bins; outlines differ in dashes and colour.

    Args:
        name: of the files that it is saved as.
        found: from the service.
        axis: what the numbers are.
        middle: names a line at 0, where it means something.
    """
    legend, height, bottom, left, right = 22.0 * len(found.groups) + 6, 190.0, 44.0, 10.0, WIDTH - 10
    low, high = float(found.edges[0]), float(found.edges[-1])
    ceiling = max(float(group.shares.max()) for group in found.groups) * 1.06

    def x(value: float) -> float:
        return left + (right - left) * (value - low) / (high - low)

    def y(share: float) -> float:
        return legend + height * (1 - share / ceiling)

    parts = []
    for tick in _ticks(low, high):
        parts.append(
            f'<path class="g-grid" d="M{x(tick):.1f} {legend}v{height}"/><text class="g-tick" '
            f'x="{x(tick):.1f}" y="{legend + height + 17}" text-anchor="middle">{number(tick)}</text>'
        )
    if middle:
        parts.append(
            f'<path class="g-now" d="M{x(0):.1f} {legend}v{height}"/><text class="g-tick" '
            f'x="{x(0) + 5:.1f}" y="{legend + 13}">{escape(middle)}</text>'
        )
    for i, group in enumerate(found.groups):
        colour, dash = _colour(group), _DASHES[i % len(_DASHES)]
        outline = "".join(
            f"L{x(float(a)):.1f} {y(float(s)):.1f}L{x(float(b)):.1f} {y(float(s)):.1f}"
            for a, b, s in zip(found.edges[:-1], found.edges[1:], group.shares, strict=True)
        )
        path = f"M{x(low):.1f} {y(0):.1f}{outline}L{x(high):.1f} {y(0):.1f}"
        at = 15 + 22 * i
        parts.append(
            f'<path class="l-area" style="fill:{colour};stroke:{colour};stroke-dasharray:{dash}" d="{path}"/>'
            f'<path class="g-line" style="stroke:{colour};stroke-dasharray:{dash}" d="M0 {at - 4}h34"/>'
            f'<text x="42" y="{at}">{escape(group.name)}: mean {number(group.mean, 3)}</text>'
        )
    described = "; ".join(f"{group.name}: mean {number(group.mean, 3)}" for group in found.groups)
    svg = (
        f'<svg class="g-svg l-svg" viewBox="0 0 {WIDTH} {legend + height + bottom:.0f}" role="img" '
        f'aria-label="{escape(f"Distribution of {axis}. {described}")}">{"".join(parts)}'
        f'<text class="g-axis" x="{WIDTH / 2}" y="{legend + height + 38}" text-anchor="middle">'
        f"{escape(axis)}</text></svg>"
    )
    middles = (found.edges[:-1] + found.edges[1:]) / 2
    table = figure_table(
        [group.name for group in found.groups],
        [f"{m:.3f}" for m in middles],
        np.stack([group.shares for group in found.groups], axis=1),
    )
    return savable(name, svg, table)


def refinement_figure(name: str, curve: RefinementCurve, steps: float, highest: float) -> str:
    """Return loss, own text first and distance of the means over the steps of Eq. 2, one below the other.

    Args:
        name: of the files that it is saved as.
        curve: from the service.
        steps: where the slider stands.
        highest: the last step on the axis.
    """
    rows = (
        ("loss of Eq. 2", curve.losses, None),
        ("pictures whose nearest text is their own", curve.own_first, None),
        ("distance between the means", curve.distances, curve.projected),
    )
    left, right, high, gap = 8.0, WIDTH - 56, 96.0, 40.0

    def x(step: float) -> float:
        return left + (right - left) * step / highest

    now, parts = curve.nearest(steps), []
    for i, (title, values, reference) in enumerate(rows):
        top = 24 + i * (high + gap)
        ceiling = max(float(values.max()), reference or 0.0, 1e-9) * 1.08

        def y(value: float, top: float = top, ceiling: float = ceiling) -> float:
            return top + high * (1 - value / ceiling)

        points = [(x(float(step)), y(float(value))) for step, value in zip(curve.steps, values, strict=True)]
        path = "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in points)
        kind = ("var(--s-muted)", "var(--kind-text)", "var(--kind-refined)")[i]
        parts.append(
            f'<text class="g-name" x="{left}" y="{top - 8}">{title}</text>'
            f'<path class="g-grid" d="M{left} {top}V{top + high}H{right}"/>'
            f'<path class="g-line" style="stroke:{kind};stroke-dasharray:{_DASHES[0]}" d="{path}"/>'
        )
        if reference is not None:
            parts.append(
                f'<path class="g-line" style="stroke:var(--kind-projected);stroke-dasharray:2 4" '
                f'd="M{left} {y(reference):.1f}H{right}"/>'
                f'<text class="g-tick" x="{right - 4}" y="{y(reference) - 6:.1f}" text-anchor="end">'
                f"after projection {reference:.2f}</text>"
            )
        at, value = points[now]
        parts.append(
            f'<path class="g-now" d="M{x(steps):.1f} {top}v{high}"/>'
            f'<circle cx="{at:.1f}" cy="{value:.1f}" r="4.5" style="fill:{kind}"/>'
            f'<text class="g-name" x="{right + 6}" y="{value + 5:.1f}">{float(values[now]):.2f}</text>'
        )
    foot = 24 + len(rows) * (high + gap) - gap
    ticks = "".join(
        f'<text class="g-tick" x="{x(tick):.1f}" y="{foot + 17}" text-anchor="middle">{tick:.0f}</text>'
        for tick in np.linspace(0, highest, 5)[1:]
    )
    described = "; ".join(
        f"{title} {float(values[0]):.2f} at the start, {float(values[now]):.2f} after "
        f"{curve.steps[now]} steps"
        for title, values, _ in rows
    )
    svg = (
        f'<svg class="g-svg l-svg" viewBox="0 0 {WIDTH} {foot + 42:.0f}" role="img" '
        f'aria-label="{escape(described)}">{"".join(parts)}'
        f'<text class="g-tick" x="{left}" y="{foot + 17}">0</text>{ticks}'
        f'<text class="g-axis" x="{(left + right) / 2}" y="{foot + 37}" text-anchor="middle">steps of Eq. 2'
        "</text></svg>"
    )
    table = figure_table(
        [title for title, _, _ in rows],
        [str(step) for step in curve.steps],
        np.stack([values for _, values, _ in rows], axis=1),
    )
    return savable(name, svg, table)


def _lines(text: str, letters: int) -> list[str]:
    """Break a text into two lines at most; an ellipsis says that there was more."""
    return textwrap.wrap(text, letters, max_lines=2, placeholder=" …") or [""]


def _colour(group: Group) -> str:
    if group.key == "random":
        return "var(--s-muted)"
    return "var(--s-accent)" if group.key == "now" else f"var(--kind-{group.key})"


def _ticks(low: float, high: float) -> list[float]:
    """Return some round numbers between two, zero among them where it lies between."""
    step = next(s for s in (0.05, 0.1, 0.2, 0.25, 0.5, 1.0, 2.0) if (high - low) / s <= 8)
    return [round(i * step, 6) for i in range(int(np.ceil(low / step)), int(np.floor(high / step)) + 1)]
