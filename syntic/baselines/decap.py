"""DeCap: a decoder that reads CLIP text features, and pictures moved among them.

Li et al., "DeCap: Decoding CLIP Latents for Zero-Shot Captioning via Text-Only Training" (ICLR 2023).
Trained to give back a caption from its own text feature; a picture's feature is projected onto the corpus'
texts first (the support memory, which SynTIC takes over as its Eq. 3). DeCap-TT projects onto the texts of
the domain that is tested instead of those that were trained on.

From the paper and its code: the text feature as it is, temperature 1/100 (the profile's, which may differ by
corpus, as SynTIC's does), label smoothing 0.1, greedy decoding.

Deviations:
- The support memory is the whole corpus, not 500,000 captions drawn from it, so that it is the same as
  SynTIC's Eq. 3.
- Text features are computed once, not in every step; they do not change.
"""

from __future__ import annotations

from torch import Tensor

from ..method import Variant
from .protocol import TextRecipe

NAME = "decap"
TARGET_NAME = "decap-tt"


def own_text_feature(features: Tensor) -> Tensor:
    """Return the text features of a batch as they are."""
    return features


RECIPE = TextRecipe(name=NAME, variant=Variant.parse("fp"), training_features=own_text_feature)
