"""A language model of a corpus: what MAGIC and ZeroCap steer towards a picture.

It is the profile's decoder with nothing to look at: its one prefix position gets a feature of zeros, in
training and later, which leaves that position a learned constant. So it is trained, resumed and stored like
any decoder, once per corpus, and is as large as those it is compared with.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..method import CaptionModel, Variant
from ..method.decoder import KeyValueCache
from ..method.stages import END_MARK, OTHER_MARK
from ..models import CaptionTokenizer
from .protocol import TextRecipe

NAME = "language-model"
RECIPE = TextRecipe(
    name=NAME, variant=Variant.parse("baseline"), training_features=torch.zeros_like, is_captioner=False
)


class LanguageModel:
    """Predicts the next token of a caption from those before it.

    Args:
        model: trained with `RECIPE`, in evaluation mode.
        tokenizer: that it was trained with.
    """

    def __init__(self, model: CaptionModel, tokenizer: CaptionTokenizer) -> None:
        self.decoder = model.decoder
        self.config = model.config
        self.tokenizer = tokenizer

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return self.decoder.token_embedding.weight.device

    def start(self, rows: int) -> tuple[Tensor, KeyValueCache]:
        """Begin B captions; return the hidden state (B, W) of the start mark and what came before."""
        nothing = torch.zeros(rows, 1, self.config.feature_width, device=self.device)
        cache = KeyValueCache(self.config, rows, nothing)
        return self.decoder.feed_start(nothing, cache), cache

    def step(self, tokens: Tensor, cache: KeyValueCache) -> Tensor:
        """Add one token (B,) to each row of the cache; return its hidden state (B, W)."""
        return self.decoder.feed(tokens, cache)

    def log_probabilities(self, hidden: Tensor) -> Tensor:
        """Return log p (..., V) of the token that follows hidden states (..., W)."""
        return self.decoder.next_logits(hidden).log_softmax(dim=-1)

    def token_name(self, token: int) -> str:
        """Return a token as people read it."""
        return END_MARK if token == self.config.end_id else self.tokenizer.decode([token]) or OTHER_MARK
