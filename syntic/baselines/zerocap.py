"""ZeroCap: gradient steps on what a language model remembers, towards words that CLIP finds in the picture.

Tewel et al., "ZeroCap: Zero-Shot Image-to-Text Generation for Visual-Semantic Arithmetic" (CVPR 2022).
Before each word the cached keys and values C of the words so far are moved by a few steps of

    L = - sum_w q_w log p_w(C)  +  c KL(p(C) || p),    q = softmax_k(CLIP(image, text before + w))
    C <- C - s grad / ||grad||^g                       norms of each layer's keys and of its values

where p is the language model's distribution before the move. The weights never change.

From the paper and its code: 5 steps, c = 0.2, s = 0.3, g = 0.9, fusion p(C)^0.99 p^0.01, beam 5, 15 tokens;
each word starts from the cache as it was; of the beams the caption with the highest CLIP cosine is taken.

Deviations:
- The language model is the profile's decoder trained on the corpus; ZeroCap takes GPT-2 as it is, begins with
  "Image of a" and forces the end with a factor on the full stop. A model of captions needs neither: it knows
  how captions begin and end.
- q is spread over the 512 most probable words only where the vocabulary is large, and over a tenth of it, at
  least 64, where it is small: 512 of GPT-2's 50,257 words are 1 %, and each costs a run of CLIP.
- The temperature of q is CLIP's own; for the paper's CLIP that is the paper's 0.01.
- The fused distribution is normalised for each beam; ZeroCap's code divides by the sum over all beams, which
  shifts all scores alike.
- Beams that have ended are left alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from torch import Tensor

from ..data.tags import TextEncoder
from ..errors import InputError
from ..method.decoder import KeyValueCache
from ..method.search import OnToken
from ..types import CaptionTrace, TokenTrace
from .decoding import EVIDENCE
from .language_model import SteeredCaptioner
from .protocol import Captioned, EncodedPictures

NAME = "zerocap"
SMALLEST_SHARE = 64  # candidates where a tenth of the vocabulary is fewer
REMEMBERED_TEXTS = 100_000


@dataclass(frozen=True, kw_only=True)
class ZeroCapSettings:
    """ZeroCap's steps and search.

    Attributes:
        iterations: gradient steps before each word; 0 leaves the language model as it is.
        candidates: words that CLIP scores, at most; see the module for small vocabularies.
        fluency: c, weight of staying close to the language model.
        step_size: s.
        norm_power: g; 1 makes all steps equally long.
        fusion: share of the moved distribution in the geometric mean, 0..1.
        beam_size: captions kept.
        max_tokens: longest caption; cut to the language model's.
    """

    iterations: int = 5
    candidates: int = 512
    fluency: float = 0.2
    step_size: float = 0.3
    norm_power: float = 0.9
    fusion: float = 0.99
    beam_size: int = 5
    max_tokens: int = 15

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        for name in ("candidates", "beam_size", "max_tokens"):
            if getattr(self, name) < 1:
                raise InputError(f"ZeroCap's `{name}` must be at least 1 but is {getattr(self, name)}.")
        if self.iterations < 0 or not 0 <= self.fusion <= 1:
            raise InputError(
                f"ZeroCap's `iterations` must be 0 or more and `fusion` lie in 0..1 but they are "
                f"{self.iterations} and {self.fusion}."
            )

    def candidates_of(self, vocabulary_size: int) -> int:
        """Return how many words CLIP scores with a vocabulary of that size."""
        return min(self.candidates, max(vocabulary_size // 10, SMALLEST_SHARE), vocabulary_size)


class FixedCache(KeyValueCache):
    """Keys and values that are read and not written, so that gradients reach them.

    Args:
        values: (layers, 2, B, H, T, W / H) of the T positions before the next token.
    """

    def __init__(self, values: Tensor) -> None:
        self.values = values
        self.length = values.shape[-2]

    def extend(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Return the layer's keys and values with those of the next token; keep nothing of them."""
        past = self.values[layer]
        return torch.cat([past[0], keys], dim=2), torch.cat([past[1], values], dim=2)


@dataclass(frozen=True)
class _Beam:
    """One caption while it grows."""

    tokens: tuple[int, ...] = ()
    score: float = 0.0  # summed log probabilities
    steps: tuple[TokenTrace, ...] = field(default=())
    is_ended: bool = False

    @property
    def mean(self) -> float:
        """Mean log probability per token."""
        return self.score / max(len(self.tokens), 1)


class _TextFeatures:
    """CLIP's features of texts, each encoded once for all pictures: captions begin alike.

    Args:
        encoder: CLIP.
        most: features that are kept; the oldest are forgotten first.
    """

    def __init__(self, encoder: TextEncoder, most: int = REMEMBERED_TEXTS) -> None:
        self.encoder = encoder
        self.most = most
        self._known: dict[str, Tensor] = {}

    def of(self, texts: list[str]) -> Tensor:
        """Return (k, D), unit norm."""
        missing = [text for text in dict.fromkeys(texts) if text not in self._known]
        if missing:
            self._known |= dict(zip(missing, self.encoder.encode_texts(missing), strict=True))
        features = torch.stack([self._known[text] for text in texts])
        while len(self._known) > self.most:
            del self._known[next(iter(self._known))]
        return features


class _Guide:
    """CLIP's cosines of texts to one picture."""

    def __init__(self, image: Tensor, texts: _TextFeatures) -> None:
        self.image = image
        self.texts = texts

    def similarities(self, texts: list[str]) -> Tensor:
        """Return (k,) cosines."""
        return self.texts.of(texts).to(self.image) @ self.image


@dataclass
class ZeroCapCaptioner(SteeredCaptioner):
    """ZeroCap on a language model of the corpus; one picture at a time, its beams together.

    Attributes:
        settings: of steps and search.
    """

    settings: ZeroCapSettings = field(default_factory=ZeroCapSettings)

    name = NAME
    decoding = NAME

    def caption(self, pictures: EncodedPictures, on_token: OnToken | None = None) -> list[Captioned]:
        """Caption B pictures; evidence: tokens with their fused probability, all beams, CLIP's cosine."""
        device = self.language_model.device
        return [self._caption_one(image, on_token) for image in pictures.features.to(device)]

    @cached_property
    def _texts(self) -> _TextFeatures:
        return _TextFeatures(self.text_encoder)

    def _caption_one(self, image: Tensor, on_token: OnToken | None) -> Captioned:
        """Grow the beams of one image (D,) and take the one that CLIP likes best."""
        lm = self.language_model
        guide = _Guide(image, self._texts)
        beams = [_Beam()]
        last = torch.tensor([lm.config.start_id], device=image.device)
        with torch.no_grad():
            hidden, cache = lm.start(1)
        for _ in range(min(self.settings.max_tokens, lm.config.max_tokens)):
            if on_token is not None:
                on_token()
            with torch.no_grad():
                before = lm.log_probabilities(hidden)  # (B, V)
            past = cache.values[..., : cache.length - 1, :]  # of all positions but the last token's
            growing = [row for row, beam in enumerate(beams) if not beam.is_ended]
            rows = torch.tensor(growing, device=image.device)
            log_p = before.clone()
            log_p[rows] = self.guided(
                past.index_select(2, rows),
                last[rows],
                before[rows],
                [beams[row].tokens for row in growing],
                guide,
            )
            beams, parents = self._extend(beams, log_p)
            if all(beam.is_ended for beam in beams):
                break
            last = torch.tensor([beam.tokens[-1] for beam in beams], device=image.device)
            with torch.no_grad():
                cache.select(torch.tensor(parents, device=image.device))
                hidden = lm.step(last, cache)
        return self._best(beams, guide)

    def guided(
        self, past: Tensor, last: Tensor, before: Tensor, tokens: list[tuple[int, ...]], guide: _Guide
    ) -> Tensor:
        """Move the cache and return the next token's log probabilities (B, V), fused with those before.

        Args:
            past: (layers, 2, B, H, T, W / H) keys and values of all positions but the last token's.
            last: (B,) the last token.
            before: (B, V) log probabilities of the language model as it is.
            tokens: of each of the B captions.
            guide: of the picture.
        """
        settings, lm = self.settings, self.language_model
        delta = torch.zeros_like(past)
        for _ in range(settings.iterations):
            with torch.enable_grad():
                delta.requires_grad_(True)
                log_p = lm.log_probabilities(lm.step(last, FixedCache(past + delta)))
                target = self._target(log_p.detach(), tokens, guide)
                clip_loss = -(target * log_p).sum()
                fluency = (log_p.exp() * (log_p - before)).sum()
                (gradient,) = torch.autograd.grad(clip_loss + settings.fluency * fluency, delta)
            norm = torch.linalg.vector_norm(gradient, dim=(3, 4, 5), keepdim=True) + 1e-15
            delta = (delta - settings.step_size * gradient / norm**settings.norm_power).detach()
        with torch.no_grad():
            moved = lm.log_probabilities(lm.step(last, FixedCache(past + delta)))
            fused: Tensor = settings.fusion * moved + (1 - settings.fusion) * before
            return fused.log_softmax(dim=-1)

    def _target(self, log_p: Tensor, tokens: list[tuple[int, ...]], guide: _Guide) -> Tensor:
        """Return q (B, V): CLIP's distribution over the most probable next tokens, zero elsewhere."""
        candidates = log_p.topk(self.settings.candidates_of(log_p.shape[1]), dim=-1).indices  # (B, k)
        texts = self.language_model.continuations(tokens, candidates)
        similarities = guide.similarities(texts).view_as(candidates)
        shares = (self.logit_scale * similarities).softmax(dim=-1)
        return torch.zeros_like(log_p).scatter(1, candidates, shares)

    def _extend(self, beams: list[_Beam], log_p: Tensor) -> tuple[list[_Beam], list[int]]:
        """Return the best continuations by mean log probability, and the beam that each continues."""
        size = min(self.settings.beam_size, log_p.shape[1])
        best, tokens = log_p.topk(max(size, min(EVIDENCE + 1, log_p.shape[1])), dim=-1)
        options: list[tuple[_Beam, int]] = []
        for row, beam in enumerate(beams):
            if beam.is_ended:
                options.append((beam, row))
                continue
            scores = best[row].tolist()
            pairs = list(zip(tokens[row].tolist(), map(math.exp, scores), strict=True))
            options += [(self._grown(beam, rank, pairs, scores[rank]), row) for rank in range(size)]
        options.sort(key=lambda option: -option[0].mean)
        kept = options[: self.settings.beam_size]
        return [beam for beam, _ in kept], [row for _, row in kept]

    def _grown(self, beam: _Beam, rank: int, pairs: list[tuple[int, float]], log_p: float) -> _Beam:
        """Return the beam with the token of that rank, of log probability log_p, added."""
        token, _ = pairs[rank]
        return replace(
            beam,
            tokens=(*beam.tokens, token),
            score=beam.score + log_p,
            steps=(*beam.steps, self.language_model.trace(pairs, rank)),
            is_ended=token == self.language_model.config.end_id,
        )

    def _best(self, beams: list[_Beam], guide: _Guide) -> Captioned:
        texts = [self.language_model.tokenizer.decode(list(beam.tokens)) for beam in beams]
        similarities = guide.similarities(texts)
        order = similarities.argsort(descending=True, stable=True).tolist()
        first = order[0]
        trace = CaptionTrace(
            text=texts[first],
            tokens=list(beams[first].steps),
            beams=[(texts[place], beams[place].mean) for place in order],
        )
        return Captioned(trace=trace, similarity=float(similarities[first]))
