"""A language model of a corpus: what MAGIC and ZeroCap steer towards a picture.

It is the profile's decoder with nothing to look at: its one prefix position gets a feature of zeros, in
training and later, which leaves that position a learned constant. So it is trained, resumed and stored like
any decoder, once per corpus, and is as large as those it is compared with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..data.tags import TextEncoder
from ..method import CaptionModel, Variant
from ..method.decoder import KeyValueCache
from ..method.stages import END_MARK, OTHER_MARK
from ..models import CaptionTokenizer
from ..types import TokenTrace
from .decoding import EVIDENCE
from .protocol import NO_VIEWS, TextOnly, TextRecipe

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

    def continuations(self, texts: Sequence[Sequence[int]], candidates: Tensor) -> list[str]:
        """Return B * k texts: each of the B token lists with each of its candidates (B, k) added."""
        return [
            self.tokenizer.decode([*before, token])
            for before, row in zip(texts, candidates.tolist(), strict=True)
            for token in row
        ]

    def trace(self, pairs: Sequence[tuple[int, float]], chosen: int) -> TokenTrace:
        """Return one of some (token, probability) pairs with the others as its alternatives."""
        named = [(self.token_name(token), probability) for token, probability in pairs]
        text, probability = named.pop(chosen)
        return TokenTrace(text=text, probability=probability, alternatives=named[:EVIDENCE])


@dataclass
class SteeredCaptioner:
    """What MAGIC and ZeroCap have in common: a language model, and CLIP to steer it with.

    Attributes:
        language_model: of the corpus.
        text_encoder: CLIP's text side, which scores texts, not what is trained on.
        logit_scale: of CLIP.
    """

    language_model: LanguageModel
    text_encoder: TextEncoder
    logit_scale: float

    trains_on = TextOnly
    views = NO_VIEWS
