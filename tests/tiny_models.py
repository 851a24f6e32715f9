"""What tests make up: the tiny real models of `syntic.models.tiny`, and pictures."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from syntic.models.tiny import (
    CLIP_WIDTH,
    IMAGE_PX,
    LABELS,
    clip_config,
    register_clip_by_name,
    save_clip_folder,
    save_detector_folder,
    save_generator_folder,
    save_word_tokenizer,
)

__all__ = [
    "CLIP_WIDTH",
    "IMAGE_PX",
    "LABELS",
    "clip_config",
    "draw_picture",
    "register_clip_by_name",
    "save_clip_folder",
    "save_detector_folder",
    "save_generator_folder",
    "save_word_tokenizer",
]


def draw_picture(seed: int) -> Image.Image:
    """Sky, ground and one disc; a different colour for each seed."""
    colour = tuple(int(value) for value in np.random.default_rng(seed).integers(0, 256, 3))
    picture = Image.new("RGB", (64, 48), (120, 180, 240))
    canvas = ImageDraw.Draw(picture)
    canvas.rectangle((0, 30, 64, 48), fill=(90, 150, 70))
    canvas.ellipse((20, 10, 44, 40), fill=colour)
    return picture
