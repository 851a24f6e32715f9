"""Pictures inside markup: as small data URIs, so that no file of the machine is served."""

from __future__ import annotations

import base64
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

_LOW, _MIDDLE, _HIGH = (np.array(c, dtype=float) for c in ((33, 102, 172), (247, 247, 245), (214, 96, 20)))


def data_uri(image: Image.Image, *, side_px: int = 512, quality: int = 88) -> str:
    """Return a picture as a WebP data URI, its longer side at most `side_px`."""
    image = image.convert("RGB")
    if max(image.size) > side_px:
        image = image.copy()
        image.thumbnail((side_px, side_px), Image.Resampling.LANCZOS)
    return _encode(image, "WEBP", quality=quality)


def thumbnail_uri(path: Path, *, side_px: int = 128) -> str:
    """Return a square, centred thumbnail of a picture file as a data URI."""
    with Image.open(path) as image:
        return _encode(ImageOps.fit(image.convert("RGB"), (side_px, side_px)), "WEBP", quality=85)


def stripe_uri(values: np.ndarray) -> str:
    """Return numbers (D,) as a row of D colours, blue below zero and orange above, as a PNG data URI."""
    scale = float(np.quantile(np.abs(values), 0.98)) or 1.0
    t = np.clip(values / scale, -1.0, 1.0)[:, None]  # (D, 1)
    colours = np.where(t < 0, _MIDDLE + (_LOW - _MIDDLE) * -t, _MIDDLE + (_HIGH - _MIDDLE) * t)  # (D, 3)
    return _encode(Image.fromarray(colours.astype(np.uint8)[None]), "PNG")


def _encode(image: Image.Image, form: str, **options: int) -> str:
    buffer = BytesIO()
    image.save(buffer, form, **options)
    return f"data:image/{form.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"
