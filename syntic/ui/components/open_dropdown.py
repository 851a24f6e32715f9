"""A dropdown whose value the library checks, not Gradio."""

from __future__ import annotations

from typing import Any

import gradio as gr


class OpenDropdown(gr.Dropdown):
    """Passes on what was sent, whether or not it is among the choices of the moment.

    What may be chosen follows other choices, an event may be on its way while they change, and the library
    says what may be; Gradio's own refusal is a message that nobody sees of an unqueued handler. It has to
    be a class: Gradio makes a component anew from its class where an update came.
    """

    is_template = True  # to the browser it is a plain dropdown

    def preprocess(self, payload: Any) -> Any:
        """Return the payload."""
        return payload
