"""An upload box that hands over the file's path and leaves decoding to the library."""

from __future__ import annotations

import gradio as gr
from gradio.data_classes import ImageData

from ...errors import InputError
from ..errors import to_gradio


def picture_box() -> gr.Image:
    """Return a `gr.Image` whose handlers get the path of what was uploaded, undecoded.

    Gradio opens uploads with PIL before a handler sees them, so a damaged file or a decompression
    bomb would fail outside our checks, with a message that helps nobody. (Replaced on the instance:
    for a subclass, Gradio writes a stub file beside the source.)
    """
    box = gr.Image(label="Picture", type="filepath", sources=["upload", "webcam", "clipboard"], height=200)
    box.preprocess = path_of_upload  # type: ignore[method-assign]
    return box


def path_of_upload(payload: ImageData | None) -> str | None:
    """Return the path of an uploaded file, which Gradio has checked to lie in its upload folder."""
    if payload is None:
        return None
    if payload.path is None:
        raise to_gradio(InputError("The picture did not arrive; please upload it again."))
    return payload.path
