"""Pictures that people hand in: read safely, brought to RGB, or refused in one sentence."""

from __future__ import annotations

import warnings
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ..errors import InputError

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")  # none that starts another program
MOVING_FORMATS = ("GIF", "WEBP", "PNG", "TIFF", "AVIF")  # not MPO, a phone's photo with extras
MAX_PIXELS = 64_000_000
MIN_SIDE_PX = 8
MAX_SIDE_PX = 1024


def load_image(source: str | Path | bytes | Image.Image) -> Image.Image:
    """Read a picture as RGB, upright, at most 1024 pixels a side.

    Transparency becomes white, CMYK and 16-bit grey are converted, the camera's rotation is applied.

    Args:
        source: a path, the bytes of a file, or a PIL image.

    Raises:
        InputError: if it is no picture, is damaged or animated, or is too small or too large.
    """
    name = f"{Path(source).name!r}" if isinstance(source, str | Path) else "The picture"
    image = source if isinstance(source, Image.Image) else _open(source, name)
    _check(image, name)
    try:
        image.draft("RGB", (MAX_SIDE_PX, MAX_SIDE_PX))  # lets JPEG decode at a fraction of its size
        image.load()
        upright = ImageOps.exif_transpose(image)
        rgb = _to_rgb(upright if upright is not None else image)
    except (OSError, SyntaxError, ValueError, IndexError, EOFError) as error:
        raise InputError(f"{name} is damaged or cut off; save it again as PNG or JPEG.") from error
    if max(rgb.size) > MAX_SIDE_PX:
        rgb.thumbnail((MAX_SIDE_PX, MAX_SIDE_PX), Image.Resampling.LANCZOS)
        if min(rgb.size) < MIN_SIDE_PX:
            raise InputError(f"{name} is too narrow; crop it to at most 100 times as long as wide.")
    return rgb


def _open(source: str | Path | bytes, name: str) -> Image.Image:
    if not isinstance(source, bytes) and not Path(source).is_file():
        raise InputError(f"There is no picture {name}; check the path.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # `_check` refuses sooner
            return Image.open(BytesIO(source) if isinstance(source, bytes) else source, formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise InputError(f"{name} is too large; make it smaller than {MAX_PIXELS:,} pixels.") from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{name} cannot be read as a picture; give a JPEG, PNG, WebP or GIF.") from error


def _check(image: Image.Image, name: str) -> None:
    """Look at what the header says, before any pixel is decoded."""
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise InputError(f"{name} has {width} x {height} pixels; make it smaller than {MAX_PIXELS:,} pixels.")
    if min(width, height) < MIN_SIDE_PX:
        raise InputError(f"{name} has {width} x {height} pixels; give one of at least {MIN_SIDE_PX} a side.")
    if image.format in MOVING_FORMATS and getattr(image, "is_animated", False):
        raise InputError(f"{name} is animated or has several pages; save one frame as PNG or JPEG.")


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16-bit grey, which PIL would clip at 255
        grey = np.asarray(image).astype(np.float64) / 257
        return Image.fromarray(grey.round().clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return image.convert("RGB")
