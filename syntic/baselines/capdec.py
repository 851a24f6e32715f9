"""CapDec: a decoder that reads text features blurred with noise, so that pictures fall within the blur.

Nukrai et al., "Text-Only Training for Image Captioning using Noise-Injected CLIP" (Findings of EMNLP 2022).

    v = norm(norm(t) + n),    n ~ N(0, 0.016 I)

From the paper and its code: variance 0.016 in each dimension, normalised before and after, at inference the
picture's feature as it is, beam 5.

Deviations:
- The variance is for features of 512 dimensions. What decides is how long the noise is beside a feature of
  length 1, so for D dimensions the variance is 0.016 * 512 / D.
- The profile's decoder, trained from scratch with the optimiser of all systems; CapDec fine-tunes GPT-2
  behind a prefix of 40 positions with AdamW at 2e-5. What is compared is the noise, and the profiles have no
  pre-trained language model.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import InputError
from ..method import Variant
from .protocol import TextRecipe

NAME = "capdec"
NOISE_VARIANCE = 0.016
NOISE_WIDTH = 512  # dimensions that the papers chose their noise for


def add_noise(features: Tensor, std: float) -> Tensor:
    """Return features (B, D) with Gaussian noise of that standard deviation per dimension, unit norm.

    Raises:
        InputError: if the deviation is negative.
    """
    if std < 0:
        raise InputError(f"The noise's standard deviation must be 0 or more but is {std}.")
    features = F.normalize(features, dim=1)
    return F.normalize(features + std * torch.randn_like(features), dim=1)


def add_noise_of_width(features: Tensor, std: float) -> Tensor:
    """Return features (B, D) with noise as long as `std` makes it in 512 dimensions, unit norm."""
    return add_noise(features, std * (NOISE_WIDTH / features.shape[1]) ** 0.5)


RECIPE = TextRecipe(
    name=NAME,
    variant=Variant.parse("baseline"),
    training_features=partial(add_noise_of_width, std=NOISE_VARIANCE**0.5),
    revision=2,
)
