"""The scripts of our own components, which run as `js_on_load` of a `gr.HTML`."""

from __future__ import annotations

from pathlib import Path


def script(name: str) -> str:
    """Return one of the scripts of this folder."""
    return (Path(__file__).parent / name).read_text(encoding="utf-8")
