"""Rows of buttons to pick an example from: pictures and sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import gradio as gr

# A button carries its position; the component tells Python through Gradio's own `select` event.
_ON_LOAD = """
element.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-index]');
  if (button) trigger('select', {index: Number(button.dataset.index), value: button.dataset.index});
});
"""


def picture_chooser(pictures: Mapping[str, str]) -> gr.HTML:
    """Return a grid of picture buttons.

    Args:
        pictures: name -> data URI of a square thumbnail.
    """
    buttons = "".join(
        f'<button type="button" data-index="{i}" title="{escape(name)}"><img src="{uri}" '
        f'alt="Example picture: {escape(name)}" loading="lazy"></button>'
        for i, (name, uri) in enumerate(pictures.items())
    )
    return _chooser(f'<div class="s-pictures">{buttons}</div>', "s-pick-picture")


def sentence_chooser(sentences: Sequence[str]) -> gr.HTML:
    """Return a list of sentence buttons."""
    buttons = "".join(
        f'<button type="button" data-index="{i}">{escape(sentence)}</button>'
        for i, sentence in enumerate(sentences)
    )
    return _chooser(f'<div class="s-sentences">{buttons}</div>', "s-pick-sentence")


def run_chooser(markup: str) -> gr.HTML:
    """Return a place for a list of buttons that changes while the page is open."""
    return _chooser(markup, "s-pick-run")


def _chooser(markup: str, elem_id: str) -> gr.HTML:
    return gr.HTML(markup, js_on_load=_ON_LOAD, elem_id=elem_id)
