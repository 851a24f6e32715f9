"""What one run may be asked for; everything else is refused before any work is done."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

from PIL import Image

from ..data.handed_in import MAX_CHARACTERS, MAX_WORDS
from ..data.images import load_image
from ..errors import InputError
from ..profiles import Profile
from ..types import TraceSettings
from .captioner import DECODINGS
from .variant import Variant

MAX_REFINEMENT_STEPS = 2000
MAX_BEAM_SIZE = 10
MAX_SEED = 2**31 - 1


def check_inputs(
    profile: Profile,
    text: str | None,
    image: Image.Image | str | Path | bytes | None,
    settings: TraceSettings,
) -> tuple[str | None, Image.Image | None, TraceSettings]:
    """Return the text with its spaces collapsed, or the picture as RGB, and the settings completed.

    Raises:
        InputError: naming what cannot be used and what is allowed.
    """
    settings = check_settings(profile, settings)
    if (text is None) == (image is None):
        raise InputError("Give either a text or a picture.")
    if text is not None:
        return check_text(text), None, settings
    assert image is not None
    return None, load_image(image), settings


def check_text(text: str) -> str:
    """Return the text with its spaces collapsed, or raise InputError."""
    if not isinstance(text, str):
        raise InputError(f"The text must be a string but is of type {type(text).__name__}.")
    words = text.split()
    if not words:
        raise InputError("The text is empty; write a sentence such as 'a dog on a bench in the park'.")
    if len(words) > MAX_WORDS:
        raise InputError(f"The text has {len(words)} words; write at most {MAX_WORDS}.")
    if len(text) > MAX_CHARACTERS:
        raise InputError(f"The text has {len(text)} characters; write at most {MAX_CHARACTERS}.")
    return " ".join(words)


def check_settings(profile: Profile, settings: TraceSettings) -> TraceSettings:
    """Return the settings with the profile's temperature filled in, or raise InputError."""
    Variant.parse(settings.variant)
    corpus = profile.corpus(settings.corpus)
    temperature = corpus.temperature if settings.temperature is None else settings.temperature
    if not (_is_number(temperature) and math.isfinite(temperature) and temperature > 0):
        raise InputError(f"The temperature must be a number above 0 but is {temperature!r}.")
    if settings.decoding not in DECODINGS:
        raise InputError(f"Decoding is {settings.decoding!r} but must be one of {', '.join(DECODINGS)}.")
    for name, low, high in (
        ("refinement_steps", 0, MAX_REFINEMENT_STEPS),
        ("beam_size", 1, MAX_BEAM_SIZE),
        ("seed", 0, MAX_SEED),
    ):
        value = getattr(settings, name)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise InputError(f"`{name}` must be a whole number in {low}..{high} but is {value!r}.")
    return replace(settings, temperature=float(temperature))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
