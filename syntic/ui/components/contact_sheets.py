"""The small pictures of a page, as the data URIs that `gap_sheets.js` makes a style of."""

from __future__ import annotations

import base64
from dataclasses import replace

from ...gap_service import GapExplorer, GapView


def sheet_uris(gap: GapExplorer, view: GapView) -> dict[str, str]:
    """Return kind -> the contact sheet of the generated and the real pictures, where they are at hand."""
    if not gap.is_encoded(view.corpus, view.pictures):
        view = replace(view, pictures=None)
    return {
        kind.value: f"data:image/webp;base64,{base64.b64encode(sheet.encoded()).decode()}"
        for kind, sheet in gap.pictures(view).items()
    }
