"""MAGIC: a language model whose choice of each word CLIP has a say in.

Su et al., "Language Models Can See: Plugging Visual Controls in Text Generation" (2022). No gradient and no
training on features: at each step the k most probable tokens w are ranked by

    (1 - a) p(w | before) - a max_j cos(h_w, h_j) + b softmax_k(CLIP(image, text before + w))

where h are the language model's last hidden states. The second term keeps the text from repeating itself.

From the paper and its code: k = 45, a = 0.1, b = 2 and 16 tokens, its settings for MSCOCO; its settings for
Flickr30k, k = 25 and 20 tokens, where the profile says that the tested domain is like it; the softmax has
CLIP's own logit scale.

Deviations:
- The language model is the profile's decoder trained on the corpus from scratch with cross-entropy. MAGIC
  fine-tunes GPT-2 with SimCTG's contrastive loss beside it, which spreads the hidden states apart; without it
  the second term is larger and more even over the candidates, and changes the ranking less.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import InputError
from ..method.search import OnToken
from ..types import CaptionTrace, TokenTrace
from .language_model import SteeredCaptioner
from .protocol import BATCH, Captioned, EncodedPictures

NAME = "magic"


@dataclass(frozen=True, kw_only=True)
class MagicSettings:
    """MAGIC's search, with its settings for MSCOCO.

    Attributes:
        candidates: k, tokens ranked at each step; cut to the vocabulary.
        alpha: a, weight of the degeneration penalty against the probability, 0..1.
        beta: b, weight of CLIP, 0 or more.
        max_tokens: longest caption; cut to the language model's.
    """

    candidates: int = 45
    alpha: float = 0.1
    beta: float = 2.0
    max_tokens: int = 16

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if self.candidates < 1 or self.max_tokens < 1:
            raise InputError(
                f"MAGIC's `candidates` and `max_tokens` must be at least 1 but are {self.candidates} and "
                f"{self.max_tokens}."
            )
        if not 0 <= self.alpha <= 1 or self.beta < 0:
            raise InputError(
                f"MAGIC's `alpha` must lie in 0..1 and `beta` be 0 or more but are {self.alpha} and "
                f"{self.beta}."
            )


SETTINGS = {"Flickr30k": MagicSettings(candidates=25, max_tokens=20)}
"""Data set that the tested domain is like -> MAGIC's settings for it, where they are not the defaults."""


def magic_scores(
    probabilities: Tensor,
    context: Tensor,
    following: Tensor,
    similarities: Tensor,
    *,
    alpha: float,
    beta: float,
    logit_scale: float,
) -> Tensor:
    """Rank the candidates for the next token (MAGIC, Eq. 4 and 5).

    Args:
        probabilities: (B, k) of the candidates by the language model.
        context: (B, T, W) hidden states of the start mark and the tokens so far.
        following: (B, k, W) hidden states of the candidates.
        similarities: (B, k) CLIP cosine of the picture and the text with each candidate.
        alpha: weight of the degeneration penalty.
        beta: weight of CLIP.
        logit_scale: of CLIP, the inverse temperature of the softmax over the candidates.

    Returns:
        (B, k) scores; the largest is taken.
    """
    cosines = F.normalize(following, dim=-1) @ F.normalize(context, dim=-1).transpose(1, 2)  # (B, k, T)
    penalty = cosines.max(dim=-1).values
    magic = (logit_scale * similarities).softmax(dim=-1)
    return (1 - alpha) * probabilities - alpha * penalty + beta * magic


@dataclass
class _Caption:
    """One caption while it grows."""

    tokens: list[int] = field(default_factory=list)
    steps: list[TokenTrace] = field(default_factory=list)
    similarity: float = 0.0


@dataclass
class MagicCaptioner(SteeredCaptioner):
    """MAGIC's search over a language model of the corpus.

    Attributes:
        settings: of the search.
    """

    settings: MagicSettings = field(default_factory=MagicSettings)

    name = NAME
    decoding = NAME

    @torch.no_grad()
    def caption(self, pictures: EncodedPictures, on_token: OnToken | None = None) -> list[Captioned]:
        """Caption B pictures; evidence: the tokens as the language model saw them, CLIP's cosine."""
        captions: list[Captioned] = []
        for start in range(0, len(pictures.features), BATCH):
            images = pictures.features[start : start + BATCH].to(self.language_model.device)
            captions += [self._captioned(caption) for caption in self._search(images, on_token)]
        return captions

    def _search(self, images: Tensor, on_token: OnToken | None) -> list[_Caption]:
        """Grow one caption for each image (B, D); those that end leave the batch."""
        lm, settings = self.language_model, self.settings
        captions = growing = [_Caption() for _ in images]
        hidden, cache = lm.start(len(images))
        context = hidden[:, None]  # (B, T, W)
        k = min(settings.candidates, lm.config.vocabulary_size)
        for _ in range(min(settings.max_tokens, lm.config.max_tokens)):
            if on_token is not None:
                on_token()
            rows = torch.arange(len(growing), device=images.device)
            probabilities, candidates = lm.log_probabilities(hidden).exp().topk(k, dim=-1)  # (B, k)
            cache.select(rows.repeat_interleave(k))
            following = lm.step(candidates.flatten(), cache).unflatten(0, (-1, k))  # (B, k, W)
            similarities = self._similarities(images, growing, candidates)
            scores = magic_scores(
                probabilities,
                context,
                following,
                similarities,
                alpha=settings.alpha,
                beta=settings.beta,
                logit_scale=self.logit_scale,
            )
            best = scores.argmax(dim=-1)  # (B,)
            for row, caption in enumerate(growing):
                self._append(caption, int(best[row]), candidates[row], probabilities[row], similarities[row])
            kept = (candidates[rows, best] != lm.config.end_id).nonzero().flatten()
            if not len(kept):
                break
            growing = [growing[row] for row in kept.tolist()]
            cache.select((rows * k + best)[kept])
            images, hidden = images[kept], following[rows, best][kept]
            context = torch.cat([context[kept], hidden[:, None]], dim=1)
        return captions

    def _similarities(self, images: Tensor, captions: list[_Caption], candidates: Tensor) -> Tensor:
        """Return (B, k) CLIP cosines of each image and its text so far with each candidate added."""
        texts = self.language_model.continuations([caption.tokens for caption in captions], candidates)
        features = self.text_encoder.encode_texts(texts).to(images).unflatten(0, candidates.shape)
        similarities: Tensor = (features @ images[..., None]).squeeze(-1)  # (B, k, D) x (B, D, 1)
        return similarities

    def _append(
        self, caption: _Caption, best: int, candidates: Tensor, probabilities: Tensor, similarities: Tensor
    ) -> None:
        pairs = list(zip(candidates.tolist(), probabilities.tolist(), strict=True))
        caption.tokens.append(pairs[best][0])
        caption.similarity = float(similarities[best])
        caption.steps.append(self.language_model.trace(pairs, best))

    def _captioned(self, caption: _Caption) -> Captioned:
        text = self.language_model.tokenizer.decode(caption.tokens)
        score = sum(math.log(max(step.probability, 1e-38)) for step in caption.steps) / len(caption.steps)
        trace = CaptionTrace(text=text, tokens=caption.steps, beams=[(text, score)])
        return Captioned(trace=trace, similarity=caption.similarity)
