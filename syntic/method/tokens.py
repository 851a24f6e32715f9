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
        lengths without the padding.
    """
    rows = torch.full((len(captions), max_tokens + 2), tokenizer.pad_id, dtype=torch.long)
    lengths = torch.zeros(len(captions), dtype=torch.long)
    for position, caption in enumerate(captions):
        ids = [tokenizer.start_id, *tokenizer.encode(caption)[:max_tokens], tokenizer.end_id]
        rows[position, : len(ids)] = torch.tensor(ids)
        lengths[position] = len(ids)
    return rows, lengths
