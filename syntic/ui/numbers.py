"""Numbers as the pages print them: with a real minus sign, and no minus zero."""

from __future__ import annotations


def number(value: float, digits: int | None = None) -> str:
    """Return a number for people to read.

    Args:
        value: finite.
        digits: after the point; None leaves out what is not needed.
    """
    text = f"{value + 0.0:g}" if digits is None else f"{round(value, digits) + 0.0:.{digits}f}"
    return text.replace("-", "−")
