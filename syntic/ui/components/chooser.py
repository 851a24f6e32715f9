"""Rows of buttons to pick an example from: pictures and sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import gradio as gr

from ..scripts import script

# A button carries its position; the component tells Python through Gradio's own `select` event.
_ON_LOAD = """
element.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-index]');
  if (!button) return;
  const {index, value} = button.dataset;
  trigger('select', {index: Number(index), value: value ?? index});
});
"""


def picture_chooser(pictures: Mapping[str, str]) -> gr.HTML:
    """Return a grid of picture buttons.

    Args:
        pictures: name -> data URI of a square thumbnail.
    """
    return _chooser(picture_buttons(pictures, "Example picture"), "s-pick-picture")


def picture_buttons(pictures: Mapping[str, str], what: str, of: str = "") -> str:
    """Return the markup of picture buttons, each with its name as value.

    Args:
        pictures: name -> data URI of a square thumbnail.
        what: they are, for those who hear the page.
        of: the set that they are from, where names of another set may be the same.
    """
    buttons = "".join(
        f'<button type="button" data-index="{i}" data-value="{escape(name)}" title="{escape(name)}">'
        f'<img src="{uri}" alt="{escape(what)}: {escape(name)}" loading="lazy"></button>'
        for i, (name, uri) in enumerate(pictures.items())
    )
    mark = f' data-of="{escape(of)}"' if of else ""
    return f'<div class="s-pictures"{mark}>{buttons}</div>'


def changing_chooser(markup: str, elem_id: str) -> gr.HTML:
    """Return a place for buttons that change while the page is open; a click tells their `data-value`."""
    return _chooser(markup, elem_id)


def sentence_chooser(sentences: Sequence[str]) -> gr.HTML:
    """Return a list of sentence buttons."""
    buttons = "".join(
        f'<button type="button" data-index="{i}">{escape(sentence)}</button>'
        for i, sentence in enumerate(sentences)
    )
    return _chooser(f'<div class="s-sentences">{buttons}</div>', "s-pick-sentence")


def chosen_mark() -> gr.HTML:
    """Return an unseen place that marks the button of its value: `chosen` makes one."""
    return gr.HTML({}, html_template="", js_on_load=script("mark_chosen.js"), elem_classes="s-mark")


def chosen(kind: str, value: str, of: str = "") -> dict[str, str]:
    """Return what `chosen_mark` marks.

    Args:
        kind: "example" or "test" for a picture, "text" for a sentence; no button is of any other kind.
        value: its name, or the sentence.
        of: the test set of a test picture.
    """
    return {"kind": kind, "value": value, "of": of}


def run_chooser(markup: str) -> gr.HTML:
    """Return a place for a list of buttons that changes while the page is open."""
    return _chooser(markup, "s-pick-run")


def _chooser(markup: str, elem_id: str) -> gr.HTML:
    return gr.HTML(markup, js_on_load=_ON_LOAD, elem_id=elem_id)
