"""Colours, fonts and the page's style, in one place; light and dark are both designed.

The five kinds of features keep one colour everywhere: on the map, in the bars, in the stage cards.
They are Okabe and Ito's (2008), which stay apart under every common colour-vision deficiency; the
map's marks differ in shape as well.
"""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from ..evaluation.map import Kind

KIND_COLOURS: dict[Kind, str] = {
    Kind.TEXT: "#3a9bdc",
    Kind.GENERATED: "#e69f00",
    Kind.REFINED: "#d55e00",
    Kind.PROJECTED: "#009e73",
    Kind.REAL: "#cc79a7",
}
KIND_NAMES: dict[Kind, str] = {
    Kind.TEXT: "texts",
    Kind.GENERATED: "generated",
    Kind.REFINED: "refined",
    Kind.PROJECTED: "projected",
    Kind.REAL: "real pictures",
}
NEUTRAL = "#7f8b99"  # text and lines in plotly figures, readable on the light and the dark page

STYLE_SHEET = Path(__file__).with_name("style.css")

_LIGHT = {
    "ground": "#f6f5f1",
    "card": "#ffffff",
    "sunken": "#efede7",
    "ink": "#18212b",
    "muted": "#5a6573",
    "line": "#dedbd2",
    "accent": "#1d3f66",
    "on-accent": "#ffffff",
    "error": "#a8320a",
}
_DARK = {
    "ground": "#0f141a",
    "card": "#171e26",
    "sunken": "#1f2832",
    "ink": "#e8edf2",
    "muted": "#9aa7b5",
    "line": "#2c3743",
    "accent": "#a9cdf2",
    "on-accent": "#0f1a26",
    "error": "#ff9d76",
}


def build_theme() -> gr.themes.Base:
    """Return Gradio's theme: our colours on its widgets, fonts from its own wheel (no request outside)."""
    sans = gr.themes.LocalFont("IBM Plex Sans", weights=(400, 700))
    mono = gr.themes.LocalFont("IBM Plex Mono", weights=(400, 700))
    theme = gr.themes.Base(
        font=[sans, "system-ui", "sans-serif"],
        font_mono=[mono, "ui-monospace", "monospace"],
        radius_size=gr.themes.sizes.radius_md,
        text_size=gr.themes.sizes.text_md,
    )
    values: dict[str, str] = {}
    for suffix, colours in (("", _LIGHT), ("_dark", _DARK)):
        for name, colour in _gradio_variables(colours).items():
            values[name + suffix] = colour
    theme.set(
        **values,
        color_accent="var(--s-accent)",
        block_border_width="1px",
        block_shadow="none",
        block_label_text_weight="700",
        block_title_text_weight="700",
        block_title_text_size="*text_sm",
        button_large_radius="8px",
        button_small_radius="8px",
        button_primary_shadow="none",
        input_shadow="none",
        input_shadow_focus="none",
        layout_gap="14px",
        form_gap_width="1px",
    )
    return theme


def variables() -> str:
    """Return the colours as CSS variables for our own markup."""
    kinds = "".join(f"--kind-{kind}:{colour};" for kind, colour in KIND_COLOURS.items())
    light = "".join(f"--s-{name}:{colour};" for name, colour in _LIGHT.items())
    dark = "".join(f"--s-{name}:{colour};" for name, colour in _DARK.items())
    return f":root{{{kinds}{light}}}\n:root.dark,.dark{{{dark}}}\n"


def style_sheet() -> str:
    """Return the whole style sheet: the variables and `style.css`."""
    return variables() + STYLE_SHEET.read_text(encoding="utf-8")


def _gradio_variables(colours: dict[str, str]) -> dict[str, str]:
    card, sunken, ink, muted = colours["card"], colours["sunken"], colours["ink"], colours["muted"]
    line, accent, on_accent = colours["line"], colours["accent"], colours["on-accent"]
    return {
        "body_background_fill": colours["ground"],
        "body_text_color": ink,
        "body_text_color_subdued": muted,
        "background_fill_primary": card,
        "background_fill_secondary": sunken,
        "border_color_primary": line,
        "border_color_accent": accent,
        "color_accent_soft": sunken,
        "block_background_fill": card,
        "block_border_color": line,
        "block_label_background_fill": card,
        "block_label_text_color": muted,
        "block_label_border_color": line,
        "block_title_text_color": ink,
        "block_info_text_color": muted,
        "panel_background_fill": card,
        "panel_border_color": line,
        "input_background_fill": card,
        "input_border_color": line,
        "input_border_color_focus": accent,
        "input_placeholder_color": muted,
        "slider_color": accent,
        "checkbox_background_color_selected": accent,
        "checkbox_border_color_selected": accent,
        "checkbox_label_background_fill": card,
        "checkbox_label_background_fill_selected": sunken,
        "checkbox_label_text_color": ink,
        "checkbox_label_text_color_selected": ink,
        "button_primary_background_fill": accent,
        "button_primary_background_fill_hover": accent,
        "button_primary_text_color": on_accent,
        "button_primary_border_color": accent,
        "button_secondary_background_fill": card,
        "button_secondary_background_fill_hover": sunken,
        "button_secondary_text_color": ink,
        "button_secondary_border_color": line,
        "link_text_color": accent,
        "link_text_color_hover": accent,
        "link_text_color_active": accent,
        "link_text_color_visited": accent,
        "code_background_fill": sunken,
    }
