"""The map of the five kinds of features, with the path of one sample over it, as a plotly figure.

Gradio's bundle is plotly.js 3.3.1, plotly.py ships 4.1: nothing here uses what came with 4.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from functools import lru_cache
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go

from ..evaluation.map import GapMap, Kind
from ..types import RefinementTrace
from .theme import KIND_COLOURS, KIND_NAMES, NEUTRAL

# A pair, text and generated picture, is small, filled and on top; what comes later is hollow, around it.
_SYMBOLS = {
    Kind.TEXT: "circle",
    Kind.GENERATED: "diamond",
    Kind.REFINED: "triangle-up-open",
    Kind.PROJECTED: "circle-open",
    Kind.REAL: "square-open",
}
_SIZES = {Kind.TEXT: 4.5, Kind.GENERATED: 5, Kind.REFINED: 7.5, Kind.PROJECTED: 8, Kind.REAL: 7}
_DRAWN = (Kind.PROJECTED, Kind.REFINED, Kind.REAL, Kind.GENERATED, Kind.TEXT)  # from below
HEIGHT_PX = 430
_LABEL_SHARE = 0.14  # half of the longest label, as a share of a phone's map


@lru_cache(maxsize=8)
def draw_map(gap_map: GapMap) -> go.Figure:
    """Draw the map: two traces per kind, its marks and its entry in the legend, and two empty ones.

    The last trace is for the path of a sample, the one before for a step of its refinement. The page fills
    them from `path_markup` by itself: the map goes to the browser once, and a run sends a few numbers. A
    trace of marks says in `meta` which contact sheet has their pictures.
    """
    figure = go.Figure()
    for kind in (kind for kind in _DRAWN if kind in gap_map.points):
        points = gap_map.points[kind]
        figure.add_trace(
            go.Scatter(
                x=points.coordinates[:, 0].round(4),
                y=points.coordinates[:, 1].round(4),
                mode="markers",
                marker={**_marker(kind, _SIZES[kind]), "opacity": 0.7},
                text=[wrap(label) for label in points.labels],
                hovertemplate=f"<b>{KIND_NAMES[kind]}</b><br>%{{text}}<extra></extra>",
                legendgroup=kind.value,
                showlegend=False,
                meta=(Kind.REAL if kind is Kind.REAL else Kind.GENERATED).value,
            )
        )
        figure.add_trace(_legend_entry(kind))
    figure.add_trace(_empty_step())
    figure.add_trace(_empty_path())
    figure.update_layout(
        height=HEIGHT_PX,
        margin={"l": 4, "r": 4, "t": 4, "b": 4},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "IBM Plex Sans, system-ui, sans-serif", "size": 13, "color": NEUTRAL},
        legend={"orientation": "h", "x": 0, "y": -0.02, "yanchor": "top", "font": {"size": 13}},
        hoverlabel={"bgcolor": "#18212b", "font": {"color": "#ffffff", "size": 13}, "bordercolor": "#18212b"},
        dragmode="pan",
        modebar={"remove": ["select2d", "lasso2d", "autoScale2d"], "bgcolor": "rgba(0,0,0,0)"},
    )
    hidden = {"visible": False, "showgrid": False, "zeroline": False}
    figure.update_xaxes(**hidden, range=_span(gap_map, 0))
    figure.update_yaxes(**hidden, range=_span(gap_map, 1))
    return figure


def wrap(label: str, width: int = 44) -> str:
    """Break a label into lines for a hover box; plotly reads a little HTML, so the text is escaped."""
    return "<br>".join(escape(line) for line in textwrap.wrap(label, width)[:4])


def _legend_entry(kind: Kind) -> go.Scatter:
    """An empty trace: the legend would show the marks as faint as they are on the map."""
    return go.Scatter(
        x=[None],
        y=[None],
        mode="markers",
        name=KIND_NAMES[kind],
        marker=_marker(kind, 9),
        legendgroup=kind.value,
        legendrank=list(Kind).index(kind) + 1,
    )


def _marker(kind: Kind, size: float) -> dict[str, Any]:
    return {
        "color": KIND_COLOURS[kind],
        "size": size,
        "symbol": _SYMBOLS[kind],
        "line": {"width": 1.3 if _SYMBOLS[kind].endswith("-open") else 0},
    }


def _empty_step() -> go.Scatter:
    return go.Scatter(
        x=[],
        y=[],
        mode="markers",
        name="this sample while it is refined",
        marker={
            "size": 13,
            "color": KIND_COLOURS[Kind.REFINED],
            "symbol": "cross",
            "line": {"color": "#ffffff", "width": 1.5},
        },
        showlegend=False,
        hovertemplate="this sample while it is refined<extra></extra>",
    )


def _empty_path() -> go.Scatter:
    return go.Scatter(
        x=[],
        y=[],
        mode="markers+text",
        name="this sample",
        marker={"size": 17, "line": {"color": "#ffffff", "width": 2}},
        textfont={"size": 14, "color": NEUTRAL},
        cliponaxis=False,
        showlegend=False,
        hovertemplate="this sample, %{text}<extra></extra>",
    )


def path_markup(
    gap_map: GapMap, path: Mapping[Kind, np.ndarray], refinement: RefinementTrace | None = None
) -> str:
    """Where one sample goes from stage to stage, as markup that the page's script reads (walk_map.js).

    Args:
        gap_map: the fitted map of a corpus.
        path: features (D,) of the sample by kind, in the order of the stages; may be empty.
        refinement: where there was one, its steps can be gone through with a slider.

    Returns:
        A hidden element whose `data-path` holds an argument for `Plotly.restyle` on the last trace, from
        which the arrows follow, and the slider.
    """
    kinds = list(path)
    places = np.array([gap_map.place(path[kind])[0] for kind in kinds]).reshape(-1, 2)  # (stages, 2)
    names = ["real" if kind is Kind.REAL else KIND_NAMES[kind] for kind in kinds]
    restyle = {
        "x": places[:, 0].tolist(),
        "y": places[:, 1].tolist(),
        "marker.color": [KIND_COLOURS[kind] for kind in kinds],
        "marker.symbol": [_SYMBOLS[kind].removesuffix("-open") for kind in kinds],
        "text": [f"<b>{name}</b>" for name in names],
        "textposition": _label_sides(gap_map, places),
    }
    content = json.dumps({name: [values] for name, values in restyle.items()})
    slider = "" if refinement is None else _step_slider(gap_map, refinement)
    return f'<span hidden data-path="{escape(content)}"></span>{slider}'


def _label_sides(gap_map: GapMap, places: np.ndarray) -> list[str]:
    """Where the labels of places (n, 2) stand, so that a narrow map holds them and they miss each other.

    Those near an edge lead away from it. In either half of the map the uppermost label is above its place and
    the lowest below; one alone is where there is more room.
    """
    (left, right), (low, high) = _span(gap_map, 0), _span(gap_map, 1)
    near_edge, middle = _LABEL_SHARE * (right - left), (left + right) / 2
    sides = [""] * len(places)
    for half in (places[:, 0] < middle, places[:, 0] >= middle):
        rows = np.flatnonzero(half)
        rows = rows[np.argsort(-places[rows, 1], kind="stable")]  # from above
        for i, (x, y) in enumerate(places[rows].tolist()):
            inwards = "right" if x < middle else "left"
            is_near_edge = min(x - left, right - x) < near_edge
            if len(rows) == 1:
                height = "bottom" if y > (low + high) / 2 else "top"
            else:
                height = {0: "top", len(rows) - 1: "bottom"}.get(i, "middle")
            sides[rows[i]] = f"{height} {inwards if is_near_edge or height == 'middle' else 'center'}"
    return sides


def _step_slider(gap_map: GapMap, refinement: RefinementTrace) -> str:
    """A slider over the refinement's trajectory; its script moves a mark on the map."""
    places = gap_map.place(refinement.trajectory)  # (T, 2)
    steps = refinement.trajectory_steps.astype(int).tolist()
    last = len(refinement.losses) - 1
    losses = [round(float(refinement.losses[min(step, last)]), 4) for step in steps]
    start = refinement.trajectory[0]
    turned = np.degrees(np.arccos(np.clip(refinement.trajectory @ start, -1.0, 1.0))).round(2).tolist()
    content = json.dumps(
        {
            "x": places[:, 0].tolist(),
            "y": places[:, 1].tolist(),
            "steps": steps,
            "losses": losses,
            "turned": turned,
        }
    )
    return (
        f'<div class="s-steps" data-steps="{escape(content)}">'
        '<label for="s-step">Follow the refinement</label>'
        f'<input id="s-step" type="range" min="0" max="{len(steps) - 1}" value="{len(steps) - 1}">'
        '<output for="s-step"></output></div>'
    )


def _span(gap_map: GapMap, axis: int) -> list[float]:
    values = np.concatenate([points.coordinates[:, axis] for points in gap_map.points.values()])
    margin = 0.08 * float(np.ptp(values))
    return [float(values.min()) - margin, float(values.max()) + margin]
