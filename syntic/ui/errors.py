"""The one place where the library's errors become what Gradio shows."""

from __future__ import annotations

import logging

import gradio as gr

from ..errors import SynticError
from ..profiles import REPOSITORY

logger = logging.getLogger(__name__)


def to_gradio(error: Exception) -> gr.Error:
    """Turn any error into a message box: ours with their sentence, others without their inside.

    An error that is not ours is a fault in this program; the log gets it whole, the visitor a
    sentence without internals.
    """
    if isinstance(error, SynticError):
        return gr.Error(describe(error), title=error.title, duration=12, print_exception=False)
    logger.exception("a run failed", exc_info=error)
    return gr.Error(describe(error), title="A fault in the app", print_exception=False)


def describe(error: Exception) -> str:
    """Return the sentence that a visitor reads for an error; where the app is installed stays out of it."""
    if isinstance(error, SynticError):
        return error.detail.replace(f"{REPOSITORY}/", "")
    return "Something went wrong inside the app; the log says what. Please try again or choose another input."
