"""Captions as rows of token ids, as the decoder reads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor


class CaptionEncoder(Protocol):
    """What is needed of a tokenizer."""

    start_id: int
    end_id: int
    pad_id: int

    def encode(self, text: str) -> list[int]:
        """Return token ids without start and end marks."""


def encode_captions(
    captions: Sequence[str], tokenizer: CaptionEncoder, max_tokens: int
) -> tuple[Tensor, Tensor]:
    """Turn captions into token ids.

    Returns:
        (N, max_tokens + 2) start mark, caption cut to `max_tokens`, end mark, padding; and (N,) the
        lengths without the padding. A caption that was cut gets no end mark, for it does not end there;
        a start mark, which nothing learns to predict, fills the place.
    """
    rows = torch.full((len(captions), max_tokens + 2), tokenizer.pad_id, dtype=torch.long)
    lengths = torch.zeros(len(captions), dtype=torch.long)
    for position, caption in enumerate(captions):
        words = tokenizer.encode(caption)
        last = tokenizer.end_id if len(words) <= max_tokens else tokenizer.start_id
        ids = [tokenizer.start_id, *words[:max_tokens], last]
        rows[position, : len(ids)] = torch.tensor(ids)
        lengths[position] = len(ids) - (last == tokenizer.start_id)
    return rows, lengths
