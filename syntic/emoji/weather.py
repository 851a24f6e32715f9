"""Weather over a finished picture: clouds grey it, rain and snow fall through it, fog hides what is far."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

OVERSAMPLING = 3
RAIN_STREAKS, SNOW_FLAKES = 46, 60


def apply_weather(image: Image.Image, weather: str, horizon: float, rng: np.random.Generator) -> Image.Image:
    """Return the picture in some weather.

    Args:
        image: RGB, square.
        weather: "cloudy", "rain", "snowfall", "fog" or "" for none.
        horizon: height at which the ground starts, as a fraction of the picture.
        rng: where drops and flakes are.
    """
    if not weather:
        return image
    if weather == "fog":
        return _fog(image, horizon)
    grey = image.convert("L").convert("RGB")
    image = Image.blend(image, grey, 0.45 if weather != "snowfall" else 0.3)
    image = Image.blend(image, Image.new("RGB", image.size, (112, 122, 138)), 0.16)
    if weather == "cloudy":
        return image
    size = image.width * OVERSAMPLING
    veil = Image.new("L", (size, size))
    draw = ImageDraw.Draw(veil)
    if weather == "rain":
        for x, y in rng.uniform(-0.05, 1.05, (RAIN_STREAKS, 2)) * size:
            draw.line([(x, y), (x - 0.02 * size, y + 0.075 * size)], fill=175, width=max(1, size // 150))
    else:
        for x, y, radius in rng.uniform((0, 0, 0.008), (1, 1, 0.015), (SNOW_FLAKES, 3)) * size:
            draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=235)
    veil = veil.resize(image.size, Image.Resampling.BOX)
    image.paste((238, 244, 252), (0, 0), veil)
    return image


def _fog(image: Image.Image, horizon: float) -> Image.Image:
    """Thick at the horizon and above, thinner towards the viewer."""
    rows = (np.arange(image.height) + 0.5) / image.height
    thickness = np.where(rows < horizon, 0.58, 0.58 - 0.34 * (rows - horizon) / max(1 - horizon, 1e-6))
    mask = Image.fromarray(np.repeat((255 * thickness).astype(np.uint8)[:, None], image.width, axis=1))
    image = image.copy()
    image.paste((222, 228, 234), (0, 0), mask)
    return image
