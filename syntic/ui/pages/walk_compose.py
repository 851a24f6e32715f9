"""The handlers of "Compose a scene": from the form to a picture, and to what the walk runs on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image

from ...emoji.composition import STYLE_NAMES, Composer, Composition, corrected, describe
from ...errors import SynticError
from ..components.notices import said
from ..errors import describe as sentence_of
from ..errors import to_gradio
from ..permalink import Choice
from ..scene_link import NUMBERS, field, from_fields, read_scene, scene_of_link, to_fields, write_scene
from .walk_compose_layout import (
    Form,
    dependent_updates,
    picture_of,
    refused,
    thing_choices,
    what_the_world_says,
)

ARRANGEMENTS = 10_000
FREE_FIELDS = ("setting", "time", "sprites", "arrangement")
"""What is chosen whatever else is chosen."""

Updates = dict[Any, Any]


class ComposeScene:
    """The handlers on one composer and one form."""

    def __init__(self, composer: Composer, form: Form) -> None:
        self.composer = composer
        self.form = form

    def wire(self) -> None:
        """Follow the form; nothing runs but the drawing of the preview."""
        form, fields = self.form, self.form.fields
        quick: dict[str, Any] = {
            "queue": False,
            "show_progress": "hidden",
            "api_visibility": "private",
            "trigger_mode": "always_last",
            "inputs_kwargs": fields,
            "outputs": self.outputs,
        }
        gr.on([control.input for name, control in fields.items() if name != "sprites"], self.follow, **quick)
        fields["sprites"].input(self.follow_style, **quick)
        form.shuffle.click(self.shuffle, **quick)
        form.surprise.click(self.surprise, **quick)
        # Scripts get the same picture from one endpoint.
        gr.Button(visible=False).click(
            self.compose,
            inputs_kwargs=fields,
            outputs=gr.Image(visible=False, format="png", label="The picture"),
            api_name="compose",
            concurrency_limit=4,
        )

    @property
    def outputs(self) -> list[Any]:
        """The components that the handlers, and a link, may change."""
        return [*self.form.fields.values(), *self.form.things, self.form.preview]

    # -- handlers ------------------------------------------------------------------------------

    def follow(self, **values: Any) -> Updates:
        """Offer what goes with what was chosen, drop what does not, and draw the scene."""
        return self._answer(lambda: self._follow(from_fields(values, self.composer.standard()), values))

    def follow_style(self, **values: Any) -> Updates:
        """The same, with the things that the other style has."""

        def follow() -> Updates:
            composition = from_fields(values, self.composer.standard())
            return self._offer_things(composition.style) | self._follow(composition, values)

        return self._answer(follow)

    def shuffle(self, **values: Any) -> Updates:
        """Draw the same things in another arrangement."""

        def shuffle() -> Updates:
            arrangement = int(np.random.default_rng().integers(ARRANGEMENTS))
            return self.show(
                replace(corrected(from_fields(values, self.composer.standard())), arrangement=arrangement)
            )

        return self._answer(shuffle)

    def surprise(self, sprites: str | None = None, **_: Any) -> Updates:
        """Put a plausible scene into the form."""
        style = sprites or self.composer.standard().style
        return self._answer(lambda: self.show(self.composer.surprise(np.random.default_rng(), style)))

    def pick(self, **values: Any) -> Choice:
        """Choose the scene of the form; where it cannot be drawn, the run says so."""
        try:
            return Choice("scene", write_scene(corrected(from_fields(values, self.composer.standard()))))
        except SynticError:
            named = {name: str(value) for name, value in values.items() if value not in (None, "")}
            return Choice("scene", scene_of_link(named))

    def compose(self, **values: Any) -> Image.Image:
        """Draw a scene of emoji: a place, a time of day, weather, and one to three things in a relation.

        Args:
            values: the form's fields by name; `thing_2` and `count_2` are of the second thing, and so on.

        Returns:
            The picture as PNG.
        """
        try:
            return self.composer.compose(from_fields(values, self.composer.standard())).image
        except SynticError as error:
            raise to_gradio(error) from error

    # -- for the walk --------------------------------------------------------------------------

    def composition(self, choice: Choice) -> Composition:
        """Return the composition that a choice names.

        Raises:
            InputError: for a number that is none.
        """
        return read_scene(choice.value, self.composer.standard())

    def describe(self, choice: Choice) -> str:
        """Say what was composed, in one line."""
        return f"From your scene: {describe(self.composition(choice))}"

    def picture(self, choice: Choice) -> Image.Image:
        """Return the picture of a choice.

        Raises:
            InputError: if it cannot be drawn.
        """
        return self.composer.compose(self.composition(choice)).image

    def references(self, choice: Choice, corpus: str) -> str:
        """Return what the world's grammar says of a choice, in the hand of a corpus where there is one."""
        return what_the_world_says(self.composer.references(self.composition(choice), corpus))

    def adopt(self, choice: Choice) -> tuple[Choice, str]:
        """Return a link's scene in a style that is there, and a sentence where another was asked for."""
        composition = self.composition(choice)
        standard = self.composer.standard().style
        if composition.style in self.composer.styles or composition.style not in STYLE_NAMES:
            return choice, ""
        asked, drawn = STYLE_NAMES[composition.style], STYLE_NAMES[standard]
        words = f"{asked} emoji, which the link asks for, are not on this machine; {drawn} is drawn instead."
        return Choice("scene", write_scene(replace(composition, style=standard))), said(words)

    def show(self, composition: Composition) -> Updates:
        """Put a composition into the form and draw it."""
        values = to_fields(composition)
        free = {self.form.fields[name]: values[name] for name in FREE_FIELDS}
        things = self._offer_things(composition.style, values)
        return {
            **free,
            **things,
            **self._depend(composition),
            self.form.preview: self._draw(composition),
        }

    # -- inside --------------------------------------------------------------------------------

    def _follow(self, asked: Composition, values: dict[str, Any]) -> Updates:
        composition = corrected(asked)
        updates = self._depend(composition)
        now = to_fields(composition)
        for number in NUMBERS:  # where one was taken out, the later ones move up
            name = field("thing", number)
            if now[name] != (values.get(name) or ""):
                updates[self.form.fields[name]] = now[name] or None
        return {**updates, self.form.preview: self._draw(composition)}

    def _depend(self, composition: Composition) -> Updates:
        updates: Updates = {
            self.form.fields[name]: gr.update(**look) for name, look in dependent_updates(composition).items()
        }
        for number, column in zip(NUMBERS, self.form.things, strict=True):
            updates[column] = gr.update(visible=number <= len(composition.parts) + 1)
        return updates

    def _draw(self, composition: Composition) -> str:
        """Draw the preview, or say in its place why that cannot be; the form follows all the same."""
        try:
            return picture_of(self.composer.compose(composition), composition)
        except SynticError as error:
            return refused(sentence_of(error))

    def _offer_things(self, style: str, values: dict[str, Any] | None = None) -> Updates:
        choices = thing_choices(self.composer, style)
        updates: Updates = {}
        for number in NUMBERS:
            name = field("thing", number)
            offered = choices if number == 1 else [("nothing", ""), *choices]
            chosen = {} if values is None else {"value": values[name]}
            updates[self.form.fields[name]] = gr.update(choices=offered, **chosen)
        return updates

    def _answer(self, answer: Callable[[], Updates]) -> Updates:
        """Return an answer, or the refusal in the picture's place: an unqueued message box is never seen."""
        try:
            return answer()
        except SynticError as error:
            return {self.form.preview: refused(sentence_of(error))}
