"""Curves of a training as an SVG that reads on light and on dark pages: panels side by side."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape

MEASURES: dict[str, dict[str, str]] = {
    "clip": {
        "image_to_text_recall_1": "right text first",
        "image_to_text_recall_5": "right text among five",
        "cosine_of_pairs": "cosine of a picture and its text",
        "centroid_distance": "distance of the centroids",
    },
    "planner": {
        "thing_codes_told": "cells whose thing is right",
        "codes_variance_told": "variance told of things",
        "geometry_told": "variance told of place and size",
        "looks_told": "variance told of looks",
        "held_out_error": "squared error of the latents",
    },
    "autoencoder": {
        "held_out_psnr": "from true latents, dB",
        "disturbed_psnr": "from disturbed latents, dB",
        "planned_psnr": "from the planner's latents, dB",
        "linear_psnr": "the linear codec alone, dB",
        "encoder_error": "squared error of the encoder's latents",
    },
    "generator": {"held_out_loss": "squared error of the latents"},
    "detector": {
        "held_out_ap50": "AP50",
        "precision": "precision at a score of 0.5",
        "recall": "recall at a score of 0.5",
    },
}
"""Model -> held-out measures as its task reports them -> words for them, in the order of the page."""

PANELS: dict[str, dict[str, tuple[str, ...]]] = {
    "clip": {
        "share of 500 pictures": ("image_to_text_recall_1", "image_to_text_recall_5"),
        "modality gap (unit norm)": ("centroid_distance", "cosine_of_pairs"),
    },
    "planner": {
        "share told": ("thing_codes_told", "codes_variance_told", "geometry_told", "looks_told"),
    },
    "autoencoder": {"PSNR, dB": ("held_out_psnr", "disturbed_psnr", "planned_psnr", "linear_psnr")},
    "generator": {"squared error": ("held_out_loss",)},
    "detector": {"share": ("held_out_ap50", "precision", "recall")},
}
"""Model -> label of a vertical axis -> what is drawn on it; the loss comes last."""

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#a8508a")  # Okabe and Ito's, the last one darker
WIDTH, PLOT_WIDTH, PLOT_HEIGHT = 330, 250, 150
LEFT, TOP = 62, 34
LEGEND_LINE = 16

Points = Sequence[tuple[float, float]]


def draw_panels(model: str, curve: Callable[[str], Points], restarts: Sequence[float] = ()) -> str:
    """Draw the held-out measures of a model and its training loss over the minutes.

    Args:
        model: its name in `PANELS`.
        curve: returns the (minutes, value) points of a measure, none if it is not in the log.
        restarts: minutes at which a new cosine started, drawn as broken lines.

    Returns:
        A whole SVG file with a white ground.
    """
    curves: list[tuple[str, dict[str, Points]]] = [
        (label, {MEASURES[model][name]: curve(name) for name in names})
        for label, names in PANELS[model].items()
    ]
    curves.append(("training loss", {"mean of twenty seconds": curve("loss")}))
    there = [(label, {words: points for words, points in some.items() if points}) for label, some in curves]
    panels = [(label, some) for label, some in there if some]
    width = WIDTH * len(panels)
    height = TOP + PLOT_HEIGHT + 44 + LEGEND_LINE * max((len(lines) for _, lines in panels), default=0)
    title = escape(f"{model}: held-out measures and training loss over minutes of training")
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" font-family="system-ui, sans-serif" font-size="11" fill="#24292f">',
        f"<title>{title}</title>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    for number, (label, lines) in enumerate(panels):
        parts.append(f'<g transform="translate({number * WIDTH + LEFT} {TOP})">')
        parts += [*_panel(label, lines, restarts), "</g>"]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel(label: str, lines: dict[str, Points], restarts: Sequence[float]) -> list[str]:
    end = max(minutes for points in lines.values() for minutes, _ in points)
    values = [value for points in lines.values() for _, value in points]
    low = min(values) if min(values) > max(values) / 2 else min(0, *values)
    across, up = ticks(0, end), ticks(low, max(values))
    right, low, high = max(end, across[-1]), up[0], up[-1]

    def place(minutes: float, value: float) -> str:
        return f"{minutes / right * PLOT_WIDTH:.1f},{(1 - (value - low) / (high - low)) * PLOT_HEIGHT:.1f}"

    parts = [f'<text x="-{LEFT - 16}" y="-14" font-weight="600">{escape(label)}</text>']
    for value in up:
        y = place(0, value).split(",")[1]
        parts.append(f'<path d="M0 {y}H{PLOT_WIDTH}" stroke="#d0d7de"/>')
        parts.append(f'<text x="-8" y="{y}" dy="4" text-anchor="end">{value:g}</text>')
    for minutes in across:
        x = place(minutes, low).split(",")[0]
        parts.append(f'<path d="M{x} {PLOT_HEIGHT}v4" stroke="#57606a"/>')
        parts.append(f'<text x="{x}" y="{PLOT_HEIGHT + 17}" text-anchor="middle">{minutes:g}</text>')
    parts.append(f'<text x="{PLOT_WIDTH / 2:g}" y="{PLOT_HEIGHT + 32}" text-anchor="middle">minutes</text>')
    for minutes in restarts:
        x = place(minutes, low).split(",")[0]
        parts.append(f'<path d="M{x} 0V{PLOT_HEIGHT}" stroke="#57606a" stroke-dasharray="3 3"/>')
    for row, (words, points) in enumerate(lines.items()):
        colour, below = COLOURS[row], PLOT_HEIGHT + 48 + row * LEGEND_LINE
        track = " ".join(place(*point) for point in points)
        parts.append(f'<polyline points="{track}" fill="none" stroke="{colour}" stroke-width="1.6"/>')
        if len(points) == 1:  # a line of one point shows nothing
            x, top = place(*points[0]).split(",")
            parts.append(f'<circle cx="{x}" cy="{top}" r="2.5" fill="{colour}"/>')
        parts.append(f'<path d="M0 {below - 4}h18" stroke="{colour}" stroke-width="2.5"/>')
        parts.append(f'<text x="24" y="{below}">{escape(words)}</text>')
    return parts


def ticks(low: float, high: float) -> list[float]:
    """Four to seven round numbers, from at most `low` to at least `high`."""
    span = high - low if high > low else abs(high) or 1.0
    rough = span / 5
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * unit for factor in (1, 2, 2.5, 5, 10) if factor * unit >= rough * (1 - 1e-9))
    first = math.floor(low / step + 1e-9)
    last = max(first + 1, math.ceil(high / step - 1e-9))
    return [round(number * step, 10) for number in range(first, last + 1)]
