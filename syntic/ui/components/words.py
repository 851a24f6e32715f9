"""Captions beside one another: the words in which they differ."""

from __future__ import annotations

from difflib import SequenceMatcher
from html import escape


def mark_words(before: str, now: str) -> str:
    """Return a caption as markup with the words marked that the other does not have at that place."""
    old, new = before.split(), now.split()
    parts = []
    for tag, _, _, start, end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        words = escape(" ".join(new[start:end]))
        if words:
            parts.append(words if tag == "equal" else f"<mark>{words}</mark>")
    return " ".join(parts)
