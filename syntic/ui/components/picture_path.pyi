"""An upload box that hands over the file's path and leaves decoding to the library."""

from __future__ import annotations

import gradio as gr
from gradio.components.image import ImageData

from ...errors import InputError
from ..errors import to_gradio

from gradio.events import Dependency

class PicturePath(gr.Image):
    """`gr.Image` whose handler gets the path of what was uploaded, undecoded.

    Gradio opens uploads with PIL before a handler sees them, so a damaged file or a decompression
    bomb would fail outside our checks, with a message that helps nobody.
    """

    def preprocess(self, payload: ImageData | None) -> str | None:
        """Return the path of the uploaded file."""
        if payload is None:
            return None
        if payload.path is None:
            raise to_gradio(InputError("The picture has no file; please upload it."))
        return payload.path

    def get_block_name(self) -> str:
        """Return the name of Gradio's front end for this component."""
        return "image"
    from typing import Callable, Literal, Sequence, Any, TYPE_CHECKING
    from gradio.blocks import Block
    if TYPE_CHECKING:
        from gradio.components import Timer
        from gradio.components.base import Component