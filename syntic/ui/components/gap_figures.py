"""The figures of the page "Modality gap" as inline SVG, which follows the theme and can be saved."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from html import escape
from io import BytesIO

import numpy as np
from PIL import Image

from ...evaluation.gap import ShiftCurve
from ...evaluation.map import Kind
from ...gap_service import RANDOM, OrderedHeatmap, Panel
from ..numbers import number
from ..scripts import script

# Five colours of viridis (van der Walt and Smith 2015): even steps of lightness, safe for colour-blind eyes.
_VIRIDIS = np.array([(68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37)], dtype=float)
LOWEST, HIGHEST = -0.4, 1.0  # cosines at the ends of the colours
STAGE_NAMES = {
    "generated": "generated",
    "refined": "refined (Eq. 2)",
    "projected": "projected (Eq. 3)",
    "real": "real pictures",
    RANDOM: "random control",
}

FIGURE_SCRIPT = script("gap_figures.js")
HEATMAP_KEYS = "Arrow keys go from cell to cell, ten at a time with Shift; Enter does what a click does."


def panels_figure(panels: Sequence[Panel], name: str = "modality-gap-steps") -> str:
    """Return images and texts of every step along the gap, side by side on one scale.

    Texts are round dots, images square ones; the lines are the means.
    """
    far = max(float(np.abs(np.concatenate([p.images[:, 0], p.texts[:, 0]])).max()) for p in panels) * 1.05
    high = max(float(np.abs(np.concatenate([p.images[:, 1], p.texts[:, 1]])).max()) for p in panels) * 1.05
    figures = [_panel(panel, far, high) for panel in panels]
    rows, labels = [], []
    for panel in panels:
        for what, places in (("pictures", panel.images), ("texts", panel.texts)):
            rows.append(places)
            labels += [f"{panel.name}, {what}"] * len(places)
    table = figure_table(["along the gap", "across"], labels, np.concatenate(rows))
    width = 250 * len(panels)
    return savable(
        name,
        f'<svg class="g-svg g-panels" viewBox="0 0 {width} 244" role="img" '
        f'aria-label="{_panels_label(panels)}" '
        f'style="--panels:{len(panels)}">'
        + "".join(f'<g transform="translate({250 * i} 0)">{figure}</g>' for i, figure in enumerate(figures))
        + "</svg>",
        table,
    )


def heatmap_figure(found: OrderedHeatmap, stage: str) -> str:
    """Return the similarity matrix with its quadrants, clusters and means."""
    heatmap, n = found.heatmap, len(found.items)
    side, left, top = 320.0, 74.0, 26.0
    unit = side / (2 * n)
    lines = "".join(
        f'<path class="g-thin" d="M{left + unit * at:.1f} {top}v{side}M{left} {top + unit * at:.1f}h{side}"/>'
        for half in (0, n)
        for at in [half + start for start in found.clusters.starts[1:]]
    )
    words = "".join(
        f'<text class="g-tick" x="{left - 6}" y="{top + unit * (half + (start + end) / 2) + 4:.1f}" '
        f'text-anchor="end">{escape(word)}</text>'
        for half in (0, n)
        for start, end, word in zip(
            found.clusters.starts, [*found.clusters.starts[1:], n], found.clusters.words, strict=True
        )
        if (end - start) * unit > 11
    )
    middle = f"M{left + side / 2} {top}v{side}M{left} {top + side / 2}h{side}"
    heads = "".join(
        f'<text class="g-axis" x="{left + side * x:.0f}" y="{top - 8}" text-anchor="middle">{name}</text>'
        for x, name in ((0.25, "pictures"), (0.75, "texts"))
    )
    svg = (
        f'<svg class="g-svg g-heatmap" viewBox="0 0 {left + side + 8:.0f} {top + side + 8:.0f}" role="img" '
        f'tabindex="0" aria-label="Cosines of {n} pictures and their texts: {_means_text(found)}. '
        f'{HEATMAP_KEYS}">'
        f'<image class="g-cells" href="{_heat_uri(heatmap.similarities)}" x="{left}" y="{top}" '
        f'width="{side}" height="{side}" preserveAspectRatio="none"/>{lines}'
        f'<path class="g-thick" d="{middle}"/>{words}{heads}'
        f'<rect class="g-cursor" width="{unit + 6:.2f}" height="{unit + 6:.2f}" visibility="hidden"/></svg>'
    )
    labels = [f"picture: {c}" for c in found.captions] + [f"text: {c}" for c in found.captions]
    table = figure_table(labels, labels, heatmap.similarities)
    idle = "Point at a cell, or go to it by arrow keys, to read it; click it to find it on the map."
    extra = (
        f'{_scale()}<p class="g-means">{_means_markup(found)}</p>'
        f'<p class="g-readout s-note" data-idle="{idle}" aria-live="off">{idle}</p>'
    )
    return savable(f"modality-gap-heatmap-{stage}", svg, table, extra, items=found.items)


def shift_figure(curves: Mapping[Kind, ShiftCurve], amount: float | None) -> str:
    """Return the contrastive loss along the shift, a line per step; a vertical line marks the slider."""
    width, height, left, bottom, top, right = 400.0, 320.0, 50.0, 52.0, 12.0, 78.0
    amounts = next(iter(curves.values())).amounts
    low, high = float(amounts[0]), float(amounts[-1])
    ceiling = max(float(c.losses.max()) for c in curves.values()) * 1.05

    def x(value: float) -> float:
        return left + (width - left - right) * (value - low) / (high - low)

    def y(loss: float) -> float:
        return top + (height - top - bottom) * (1 - loss / ceiling)

    ticks = "".join(
        f'<path class="g-grid" d="M{x(v):.1f} {top}V{height - bottom}"/><text class="g-tick" x="{x(v):.1f}" '
        f'y="{height - bottom + 20}" text-anchor="middle">{number(v)}</text>'
        for v in (-1, 0, 1, 2)
    )
    step = next(s for s in (0.25, 0.5, 1, 2, 5, 10) if ceiling / s <= 6 or s == 10)
    ticks += "".join(
        f'<path class="g-grid" d="M{left} {y(v):.1f}H{width - right}"/><text class="g-tick" x="{left - 7}" '
        f'y="{y(v) + 4:.1f}" text-anchor="end">{number(v)}</text>'
        for v in (step * i for i in range(int(ceiling / step) + 1))
    )
    lines = "".join(_curve(kind, curve, x, y, width - right) for kind, curve in curves.items())
    marker = ""
    if amount is not None:
        at = x(min(max(amount, low), high))
        marker = f'<path class="g-now" d="M{at:.1f} {top}V{height - bottom}"/>'
    svg = (
        f'<svg class="g-svg g-shift" viewBox="0 0 {width:.0f} {height:.0f}" role="img" '
        f'aria-label="{escape(_shift_text(curves))}">{ticks}{marker}{lines}'
        f'<text class="g-axis" x="{(left + width - right) / 2:.0f}" y="{height - 6}" text-anchor="middle">'
        "shift λ: 0 as it is, 1 the means meet</text>"
        f'<text class="g-axis" x="14" y="{(top + height - bottom) / 2:.0f}" text-anchor="middle" '
        f'transform="rotate(-90 14 {(top + height - bottom) / 2:.0f})">contrastive loss</text></svg>'
    )
    columns = ["loss", "centroid distance"]
    labels = [f"{kind}, shift {a:g}" for kind, c in curves.items() for a in c.amounts]
    values = np.concatenate([np.stack([c.losses, c.distances], axis=1) for c in curves.values()])
    note = f'<p class="s-note">{escape(_shift_text(curves))}</p>'
    return savable("modality-gap-loss", svg, figure_table(columns, labels, values), note)


def savable(name: str, svg: str, table: str, extra: str = "", items: Sequence[int] = ()) -> str:
    """Return a figure with buttons that save it as PNG, SVG and CSV (`FIGURE_SCRIPT`).

    Args:
        name: of the files.
        svg: the figure.
        table: what the CSV file holds, see `figure_table`.
        extra: markup below the figure.
        items: of the rows of a heatmap.
    """
    buttons = "".join(
        f'<button type="button" data-save="{kind}" aria-label="Save this figure as {kind.upper()}">'
        f"{kind.upper()}</button>"
        for kind in ("png", "svg", "csv")
    )
    return (
        f'<div class="g-figure" data-name="{name}" data-items="{list(items)}" data-table="{escape(table)}">'
        f'{svg}{extra}<div class="g-save"><span>Save</span>{buttons}</div></div>'
    )


def figure_table(columns: Sequence[str], labels: Sequence[str], values: np.ndarray) -> str:
    """Return the numbers (labels, columns) behind a figure for `savable`."""
    packed = base64.b64encode(np.ascontiguousarray(values, dtype="<f4").tobytes()).decode()
    return json.dumps({"columns": list(columns), "labels": list(labels), "values": packed})


def _panel(panel: Panel, far: float, high: float) -> str:
    width, height, top = 238.0, 168.0, 42.0

    def dots(places: np.ndarray) -> str:
        x = 6 + width * (places[:, 0] / far + 1) / 2
        y = top + height * (1 - places[:, 1] / high) / 2
        return "".join(f"M{a:.1f} {b:.1f}h.01" for a, b in zip(x, y, strict=True))

    def mean(places: np.ndarray, kind: str) -> str:
        at = 6 + width * (float(places[:, 0].mean()) / far + 1) / 2
        return f'<path class="g-mean" style="stroke:{kind}" d="M{at:.1f} {top}v{height}"/>'

    colour = _colour(panel.key)
    return (
        f'<text class="g-name" x="6" y="14">{escape(STAGE_NAMES.get(panel.key, panel.name))}</text>'
        f'<text class="g-tick" x="6" y="33">centroid distance {panel.distance:.2f}</text>'
        f'<rect class="g-box" x="6" y="{top}" width="{width}" height="{height}" rx="6"/>'
        f'<path class="g-dots" style="stroke:var(--kind-text);stroke-linecap:round" d="{dots(panel.texts)}"/>'
        f'<path class="g-dots" style="stroke:{colour};stroke-linecap:square" d="{dots(panel.images)}"/>'
        + mean(panel.texts, "var(--kind-text)")
        + mean(panel.images, colour)
        + f'<text class="g-tick" x="6" y="{top + height + 18}">● texts</text>'
        f'<text class="g-tick" x="{width + 6}" y="{top + height + 18}" text-anchor="end">pictures ■</text>'
    )


def _colour(key: str) -> str:
    if key == RANDOM:
        return "var(--s-muted)"
    return "var(--s-accent)" if key == "now" else f"var(--kind-{key})"


def _panels_label(panels: Sequence[Panel]) -> str:
    parts = ", ".join(f"{STAGE_NAMES.get(p.key, p.name)} {p.distance:.2f}" for p in panels)
    return escape(f"Pictures and texts along the gap; centroid distances: {parts}")


def _heat_uri(similarities: np.ndarray) -> str:
    share = np.clip((similarities - LOWEST) / (HIGHEST - LOWEST), 0, 1) * (len(_VIRIDIS) - 1)
    lower = np.minimum(share.astype(int), len(_VIRIDIS) - 2)
    colours = _VIRIDIS[lower] + (_VIRIDIS[lower + 1] - _VIRIDIS[lower]) * (share - lower)[..., None]
    buffer = BytesIO()
    Image.fromarray(colours.astype(np.uint8)).save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _scale() -> str:
    stops = ",".join(f"rgb({r:.0f} {g:.0f} {b:.0f})" for r, g, b in _VIRIDIS)
    return (
        f'<div class="g-scale"><span>cosine {number(LOWEST)}</span>'
        f'<i style="background:linear-gradient(90deg,{stops})">'
        f"</i><span>{number(HIGHEST)}</span></div>"
    )


def _means(found: OrderedHeatmap) -> list[tuple[str, float]]:
    heatmap = found.heatmap
    return [
        ("pictures among themselves", heatmap.image_image),
        ("texts among themselves", heatmap.text_text),
        ("pictures and other texts", heatmap.image_text),
        ("pictures and their own texts", heatmap.pairs),
    ]


def _means_text(found: OrderedHeatmap) -> str:
    return ", ".join(f"{name} {number(value, 2)}" for name, value in _means(found))


def _means_markup(found: OrderedHeatmap) -> str:
    return " ".join(f"<span><b>{number(value, 2)}</b> {name}</span>" for name, value in _means(found))


def _curve(
    kind: Kind, curve: ShiftCurve, x: Callable[[float], float], y: Callable[[float], float], end: float
) -> str:
    points = [(x(float(a)), y(float(loss))) for a, loss in zip(curve.amounts, curve.losses, strict=True)]
    path = "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in points)
    best = int(curve.losses.argmin())
    dash = {Kind.GENERATED: "", Kind.REFINED: "7 4", Kind.PROJECTED: "2 4"}.get(kind, "")
    colour = f"var(--kind-{kind})"
    return (
        f'<path class="g-line" style="stroke:{colour};stroke-dasharray:{dash or "none"}" d="{path}"/>'
        f'<circle cx="{points[best][0]:.1f}" cy="{points[best][1]:.1f}" r="5" style="fill:{colour}"/>'
        f'<text class="g-name" x="{end + 7}" y="{points[-1][1] + 4:.1f}">{kind}</text>'
    )


def _shift_text(curves: Mapping[Kind, ShiftCurve]) -> str:
    parts = [
        f"{kind}: {c.losses[np.abs(c.amounts).argmin()]:.2f} as it is, lowest {c.losses.min():.2f} "
        f"at a shift of {number(float(c.amounts[c.losses.argmin()]))}"
        for kind, c in curves.items()
    ]
    return "; ".join(parts) + "."
