"""CLOSE: text features with noise, as CapDec, from an independent paper.

Gu, Clark and Kembhavi, "I Can't Believe There's No Images! Learning Visual Tasks Using only Language
Supervision" (ICCV 2023).

    v = norm(t + 0.12 n),    n ~ N(0, I)

From the paper and its code: standard deviation 0.12 in each dimension, its setting for captions that come
one by one ("single"; 0.04 where several captions are known to be of one picture, which a text corpus does
not say), normalised after, at inference the picture's feature as it is, beam 5.

Deviations:
- The deviation is for features of 512 dimensions; for D it is 0.12 * sqrt(512 / D), as with CapDec.
- The profile's decoder and optimiser; CLOSE fine-tunes T5-base behind a prefix of 4 positions with AdamW at
  3e-4 for 8 epochs. So what is left between it and CapDec here is the noise, 0.12 against 0.1265: expect
  their scores to be close.
"""

from __future__ import annotations

from functools import partial

from ..method import Variant
from .capdec import add_noise_of_width
from .protocol import TextRecipe

NAME = "close"
NOISE_STD = 0.12

RECIPE = TextRecipe(
    name=NAME,
    variant=Variant.parse("baseline"),
    training_features=partial(add_noise_of_width, std=NOISE_STD),
    revision=2,
)
