"""Lines over an axis as inline SVG, told apart by colour and by the shape of their marks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from ..numbers import number

WIDTH, HEIGHT = 640.0, 340.0
_LEFT, _RIGHT, _BOTTOM = 56.0, WIDTH - 18.0, 46.0
_LEGEND_ROW = 24.0
_STEPS = (0.1, 0.2, 0.25, 0.5, 1.0, 2.0, 5.0)  # between ticks, times a power of ten
_TICKS = 6
_MARKS = {
    "circle": "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0 -10 0Z",
    "square": "M-4.5 -4.5h9v9h-9Z",
    "triangle": "M0 -6L5.5 4.5H-5.5Z",
    "diamond": "M0 -6L6 0L0 6L-6 0Z",
    "": "",
}


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of a chart.

    Attributes:
        name: in the legend.
        points: (x, y), from left to right.
        colour: as CSS writes it.
        mark: circle, square, triangle or diamond at every point; empty for none.
        dash: of the line, as SVG writes it.
        spreads: how far y varies at each point, None where nobody knows; empty for none at all.
        published: (x, y) of others for the same thing, as hollow marks.
    """

    name: str
    points: Sequence[tuple[float, float]]
    colour: str
    mark: str = ""
    dash: str = "none"
    spreads: Sequence[float | None] = ()
    published: Sequence[tuple[float, float]] = ()


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One axis of a chart.

    Attributes:
        name: what it shows.
        low: value at its start.
        high: value at its end, more than `low`.
        unit: behind the number of a tick.
    """

    name: str
    low: float
    high: float
    unit: str = ""

    def share(self, value: float) -> float:
        """Return where a value is, 0 at the start and 1 at the end."""
        return (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        """Return some round values between the ends."""
        span, power = self.high - self.low, 1e-6
        while span / (power * _STEPS[-1]) > _TICKS:
            power *= 10
        step = next(power * s for s in _STEPS if span / (power * s) <= _TICKS)
        first = -int(-self.low // step)  # rounded up
        count = int((self.high - first * step) / step + 1e-9) + 1
        return [round((first + i) * step, 9) for i in range(count)]


def line_chart(
    described: str | None,
    lines: Sequence[Line],
    x_axis: Axis,
    y_axis: Axis,
    *,
    hints: Sequence[tuple[float, str]] = (),
) -> str:
    """Return lines over an axis, under their legend.

    Args:
        described: what it shows, for who cannot see it; None for a chart that is saved only, because the page
            shows the same in another form.
        lines: from below.
        x_axis: from left to right.
        y_axis: from below.
        hints: (x, words) of upright lines that say what happens there, from left to right.
    """
    top = 12 + _LEGEND_ROW * ((len(lines) + 1) // 2) + 18 * len(hints)
    foot = top + HEIGHT - _BOTTOM

    def x(value: float) -> float:
        return _LEFT + (_RIGHT - _LEFT) * x_axis.share(value)

    def y(value: float) -> float:
        return foot - (foot - top) * y_axis.share(value)

    parts = [
        f'<path class="g-grid" d="M{x(v):.1f} {top}V{foot}"/><text class="g-tick" x="{x(v):.1f}" '
        f'y="{foot + 19:.0f}" text-anchor="middle">{_tick(v, x_axis)}</text>'
        for v in x_axis.ticks()
    ]
    parts += [
        f'<path class="g-grid" d="M{_LEFT} {y(v):.1f}H{_RIGHT}"/><text class="g-tick" x="{_LEFT - 8}" '
        f'y="{y(v) + 5:.1f}" text-anchor="end">{_tick(v, y_axis)}</text>'
        for v in y_axis.ticks()
    ]
    for i, (at, words) in enumerate(hints):
        height = top - 18 * (len(hints) - i) + 6
        is_right = x_axis.share(at) > 0.5
        parts.append(
            f'<path class="g-now" d="M{x(at):.1f} {height - 10:.0f}V{foot}"/>'
            f'<text class="g-tick" x="{x(at) + (-6 if is_right else 6):.1f}" y="{height:.0f}" '
            f'text-anchor="{"end" if is_right else "start"}">{escape(words)}</text>'
        )
    for i, line in enumerate(lines):
        parts += [_legend(line, i), _drawn(line, [(x(a), y(b)) for a, b in line.points])]
        parts += [
            f'<path style="stroke:{line.colour};stroke-width:1.5" '
            f'd="M{x(a):.1f} {y(b - s):.1f}V{y(b + s):.1f}"/>'
            for (a, b), s in zip(line.points, line.spreads, strict=False)
            if s
        ]
        parts += [_mark(line, x(a), y(b), is_hollow=True) for a, b in line.published]
    look, role = "", f'role="img" aria-label="{escape(described or "")}"'
    if described is None:
        look, role = " s-unseen", 'aria-hidden="true"'
    return (
        f'<svg class="g-svg g-chart{look}" '
        f'viewBox="0 0 {WIDTH:.0f} {foot + _BOTTOM:.0f}" {role}>{"".join(parts)}'
        f'<text class="g-axis" x="{(_LEFT + _RIGHT) / 2:.0f}" y="{foot + 40:.0f}" text-anchor="middle">'
        f"{escape(x_axis.name)}</text>"
        f'<text class="g-axis" x="14" y="{(top + foot) / 2:.0f}" text-anchor="middle" '
        f'transform="rotate(-90 14 {(top + foot) / 2:.0f})">{escape(y_axis.name)}</text></svg>'
    )


def _tick(value: float, axis: Axis) -> str:
    return f"{number(value) if abs(value) < 1000 else f'{value:,.0f}'}{axis.unit}"


def _legend(line: Line, position: int) -> str:
    left = _LEFT + (position % 2) * (_RIGHT - _LEFT) / 2
    at = 14 + _LEGEND_ROW * (position // 2)
    return (
        f'<path class="g-line" style="stroke:{line.colour};stroke-dasharray:{line.dash}" '
        f'd="M{left:.0f} {at:.0f}h34"/>{_mark(line, left + 17, at)}'
        f'<text x="{left + 42:.0f}" y="{at + 5:.0f}">{escape(line.name)}</text>'
    )


def _drawn(line: Line, places: Sequence[tuple[float, float]]) -> str:
    path = "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in places)
    marks = "".join(_mark(line, a, b) for a, b in places)
    return (
        f'<path class="g-line" style="stroke:{line.colour};stroke-dasharray:{line.dash}" d="{path}"/>{marks}'
    )


def _mark(line: Line, x: float, y: float, *, is_hollow: bool = False) -> str:
    if not line.mark:
        return ""
    look = "fill:none;stroke-width:2.4" if is_hollow else f"fill:{line.colour};stroke-width:1"
    transform = f"translate({x:.1f} {y:.1f}){' scale(1.5)' if is_hollow else ''}"
    return f'<path d="{_MARKS[line.mark]}" transform="{transform}" style="{look};stroke:{line.colour}"/>'
