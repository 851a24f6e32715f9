"""Captions drawn by chance from a model, and their log probabilities: what learning from rewards needs."""

from __future__ import annotations

import torch
from torch import Tensor

from ..method import DecoderConfig
from ..method.search import Steps
from ..models import CaptionTokenizer


@torch.no_grad()
def draw_captions(
    config: DecoderConfig, logits: Tensor, steps: Steps, *, temperature: float | None = 1.0
) -> Tensor:
    """Draw one caption for each row, token by token.

    Args:
        config: of the decoder.
        logits: (B, V) of the first token.
        steps: the decoder, which has read all that comes before it.
        temperature: of the distribution drawn from; None takes the most probable token.

    Returns:
        (B, max_tokens), the end mark and all that follows it filled with the end mark.
    """
    tokens = torch.full((len(logits), config.max_tokens), config.end_id, device=logits.device)
    ended = torch.zeros(len(logits), dtype=torch.bool, device=logits.device)
    for position in range(config.max_tokens):
        if temperature is None:
            drawn = logits.argmax(dim=-1)
        else:
            drawn = (logits / temperature).softmax(dim=-1).multinomial(1).squeeze(-1)
        tokens[:, position] = torch.where(ended, config.end_id, drawn)
        ended |= drawn == config.end_id
        if bool(ended.all()) or position + 1 == config.max_tokens:
            break
        logits = steps.step(tokens[:, position])
    return tokens


def with_start(tokens: Tensor, config: DecoderConfig) -> Tensor:
    """Put the start mark before (B, L) tokens."""
    return torch.cat([torch.full_like(tokens[:, :1], config.start_id), tokens], dim=1)  # (B, L + 1)


def drawn_mask(tokens: Tensor, config: DecoderConfig) -> Tensor:
    """Return which of (B, L) drawn tokens count: up to the first end mark, which is one of them.

    Unlike `caption_mask` of a training caption, a start mark counts too: the decoder drew it.
    """
    is_end = tokens == config.end_id
    return is_end.cumsum(dim=1) - is_end.long() == 0


def log_probabilities(logits: Tensor, tokens: Tensor) -> Tensor:
    """Return log p (B, L) of tokens (B, L) under the logits (B, L, V) that predict them."""
    return logits.log_softmax(dim=-1).gather(-1, tokens[..., None]).squeeze(-1)


def texts_of(tokens: Tensor, config: DecoderConfig, tokenizer: CaptionTokenizer) -> list[str]:
    """Return B drawn captions as texts."""
    texts = []
    for row in tokens.tolist():
        end = row.index(config.end_id) if config.end_id in row else len(row)
        texts.append(tokenizer.decode(row[:end]))
    return texts
