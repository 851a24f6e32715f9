"""Sentences that have to stand on the page, because nobody sees a message box of an unqueued handler."""

from __future__ import annotations

from html import escape

from ...errors import SynticError
from ..errors import describe


def broken_link(error: SynticError) -> str:
    """Say on the page that its address cannot be restored, and why."""
    return said(f"This link cannot be restored as it is. {describe(error)}")


def said(sentence: str) -> str:
    """Return one sentence in a box that screen readers read out."""
    return f'<div class="s-notice s-said" role="alert">{escape(sentence)}</div>'
