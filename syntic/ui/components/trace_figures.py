"""The figures of a run as SVG that can be saved; the page shows them as markup that can be read aloud.

Every number that a card shows is in the CSV file as well.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from html import escape

import numpy as np

from ...types import AttentionTrace, CaptionTrace, ProjectionTrace, RefinementTrace
from .gap_figures import figure_table, savable

WIDTH = 640.0
_ROW = 30.0
_LETTERS = 74


def save_refinement(trace: RefinementTrace) -> str:
    """Return the buttons that save the loss of Eq. 2 over its steps."""
    losses = trace.losses
    low, high = float(losses.min()), float(losses.max())
    x = 60 + (WIDTH - 80) * np.arange(len(losses)) / max(1, len(losses) - 1)
    y = 30 + 220 * (high - losses) / max(high - low, 1e-9)
    path = "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(x, y, strict=True))
    svg = _svg(
        290,
        f'<path d="M60 30V250H{WIDTH - 20}" fill="none" stroke="#7f8b99"/>'
        f'<path d="{path}" fill="none" stroke="#d55e00" stroke-width="2"/>'
        f'<text x="52" y="36" text-anchor="end">{high:.3f}</text>'
        f'<text x="52" y="252" text-anchor="end">{low:.3f}</text>'
        f'<text x="60" y="275">step 1</text>'
        f'<text x="{WIDTH - 20}" y="275" text-anchor="end">{len(losses)}</text>'
        '<text x="60" y="18">Loss of Eq. 2</text>',
    )
    table = figure_table(["loss"], [f"step {i + 1}" for i in range(len(losses))], losses[:, None])
    return savable("refinement-loss", svg, table)


def save_projection(trace: ProjectionTrace) -> str:
    """Return the buttons that save the weights of Eq. 3."""
    svg = _bars("Weights of Eq. 3", trace.top_captions, trace.top_weights, "#3a9bdc")
    values = np.array([trace.top_weights, trace.top_similarities]).T
    return savable("projection", svg, figure_table(["weight", "cosine"], trace.top_captions, values))


def save_attention(trace: AttentionTrace) -> str:
    """Return the buttons that save Eq. 5's attention, the mean over the heads as a figure."""
    means = trace.weights.mean(axis=0)
    svg = _bars("Attention of Eq. 5, mean over the heads", trace.tags, means.tolist(), "#009e73")
    heads = [f"head {i + 1}" for i in range(len(trace.weights))]
    values = np.column_stack([means, trace.weights.T])
    return savable("attention", svg, figure_table(["mean", *heads], trace.tags, values))


def save_caption(trace: CaptionTrace) -> str:
    """Return the buttons that save the tokens with their probabilities, and what else was considered."""
    tokens = [token.text for token in trace.tokens]
    svg = _bars("Probability of each token", tokens, [token.probability for token in trace.tokens], "#009e73")
    rows = [(f"{i + 1} {token.text}", token.probability) for i, token in enumerate(trace.tokens)]
    rows += [
        (f"{i + 1} instead: {text}", probability)
        for i, token in enumerate(trace.tokens)
        for text, probability in token.alternatives
    ]
    values = np.array([[probability] for _, probability in rows])
    table = figure_table(["probability"], [text for text, _ in rows], values)
    return savable("caption-tokens", svg, table)


def share(weight: float) -> str:
    """Return a share of 1 in per cent, as markup; what would read as none says that it is a little."""
    return f"{100 * weight:.1f} %" if weight >= 0.0005 or weight == 0 else "&lt; 0.1 %"


def _bars(title: str, texts: Sequence[str], values: Sequence[float], colour: str) -> str:
    body = f'<text x="0" y="18" font-weight="700">{escape(title)}</text>'
    for row, (text, value) in enumerate(zip(texts, values, strict=True)):
        top = 30 + _ROW * row
        short = textwrap.shorten(text, _LETTERS, placeholder=" …") or text[:_LETTERS]
        body += (
            f'<rect x="0" y="{top:.0f}" width="{(WIDTH - 70) * min(max(value, 0.0), 1.0):.1f}" height="24" '
            f'fill="{colour}" fill-opacity=".32" rx="4"/>'
            f'<text x="8" y="{top + 17:.0f}">{escape(short)}</text>'
            f'<text x="{WIDTH}" y="{top + 17:.0f}" text-anchor="end">{share(value)}</text>'
        )
    return _svg(36 + _ROW * len(texts), body)


def _svg(height: float, body: str) -> str:
    return (
        f'<svg class="g-svg s-unseen" viewBox="0 0 {WIDTH:.0f} {height:.0f}" aria-hidden="true">{body}</svg>'
    )
