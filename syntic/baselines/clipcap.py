"""ClipCap: CLIP's feature of a picture as a prefix, learned from real pairs. An upper bound.

Mokady, Hertz and Bermano, "ClipCap: CLIP Prefix for Image Captioning" (2021).

    p = MLP(image feature),    caption ~ LM(. | p_1 ... p_k)

From the paper and its code: k = 10 prefix positions; one hidden layer of half as many units as the prefix
has (width k / 2), with tanh; language model and MLP are trained together with cross-entropy; beam 5.

Deviations:
- The language model is the profile's decoder, trained from scratch with the optimiser of all systems;
  ClipCap fine-tunes GPT-2 with AdamW at 2e-5, batch 40, for 10 epochs. The profiles have no pre-trained
  language model, and SynTIC's decoder is trained from scratch, too, so that the difference is in what is
  learned from.
- The image feature has unit norm, as everywhere here; ClipCap's default is the norm that CLIP gives it.
- Label smoothing 0.1, as for all systems.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from ..method import CaptionDecoder
from .learning import ModelSizes, PairedLearner, PictureRecipe, PrefixedModel
from .real import PictureFeatures, RealPairs

NAME = "clipcap"
PREFIX_LENGTH = 10


class ClipCapModel(PrefixedModel):
    """An MLP from a picture's feature to the prefix of a decoder.

    The decoder's linear map of each prefix position is the second layer of the MLP: all positions read the
    same hidden layer.

    Args:
        sizes: of the decoder.
        constants: further prefix positions after those of the picture, which read nothing; see `esper`.
    """

    def __init__(self, sizes: ModelSizes, constants: int = 0) -> None:
        super().__init__(sizes)
        hidden = sizes.decoder.width * PREFIX_LENGTH // 2
        self.constants = constants
        self.hidden = nn.Linear(sizes.decoder.feature_width, hidden)
        self.decoder = CaptionDecoder(
            replace(sizes.decoder, feature_width=hidden, prefix_length=PREFIX_LENGTH + constants)
        )

    def prefix(self, pictures: PictureFeatures) -> Tensor:
        """Return (B, k + constants, H), H the units of the hidden layer."""
        hidden: Tensor = self.hidden(pictures.features).tanh()[:, None].expand(-1, PREFIX_LENGTH, -1)
        if not self.constants:
            return hidden
        return torch.cat([hidden, torch.zeros_like(hidden[:, : self.constants])], dim=1)


RECIPE = PictureRecipe(name=NAME, trains_on=RealPairs, make_model=ClipCapModel, make_learner=PairedLearner)
