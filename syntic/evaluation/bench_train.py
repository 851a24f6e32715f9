"""How fast a decoder trains, against DeCap's loop in the same run.

DeCap's loop runs CLIP's text encoder on the captions of every step. Text and image features do not depend
on the decoder, so here they are computed once and a step only looks them up. DeCap's decoder computes every
position of captions that are padded to the longest of the batch, too; ours leaves the padding out. Both loops
take the same steps on the same captions; the reference is given its captions tokenized beforehand.
What is saved has its price before the first step, so the time to encode the corpus once is told as well.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ..method import CaptionModel, DecoderConfig, Variant
from ..method.captioner import caption_loss
from ..method.tokens import encode_captions
from ..models import ClipEncoder


@dataclass(frozen=True, kw_only=True)
class TrainingTiming:
    """Decoder steps.

    Attributes:
        captions: per step.
        seconds: of one of our steps, the median.
        reference_seconds: of one step of DeCap's loop.
        encoding_seconds: of CLIP's text encoder on as many captions, which is what a step is spared.
    """

    captions: int
    seconds: float
    reference_seconds: float
    encoding_seconds: float

    @property
    def speed_up(self) -> float:
        """The reference's time over ours."""
        return self.reference_seconds / self.seconds


def measure_training(
    encoder: ClipEncoder,
    config: DecoderConfig,
    captions: Sequence[str],
    *,
    batch_size: int = 128,
    steps: int = 5,
) -> TrainingTiming:
    """Take steps of both loops in turn, after one of each that is not counted.

    Args:
        encoder: CLIP.
        config: of the decoder.
        captions: taken in turn, as many as a step needs.
        batch_size: captions per step.
        steps: of each loop.
    """
    device = encoder.device
    model = CaptionModel(Variant.parse("fp"), config).to(device).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    texts = [captions[row % len(captions)] for row in range(batch_size * (steps + 1))]
    tokens, lengths = encode_captions(texts, encoder.tokenizer, config.max_tokens)
    tokens = tokens.to(device)
    features = torch.cat(
        [
            encoder.encode_texts(texts[start : start + batch_size])
            for start in range(0, len(texts), batch_size)
        ]
    ).to(device)
    clip_tokens = encoder.tokenize(texts).to(device)

    def take_step(rows: slice, features: Tensor, *, padded: bool) -> None:
        batch = tokens[rows, : int(lengths[rows].max())]
        if padded:
            logits = model.decoder(model.prefix(features), batch[:, :-1])
            loss = caption_loss(logits, batch, model.config)
        else:
            loss = model.loss(features, None, None, None, batch)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        float(loss.detach())  # waits for the device

    def encode(rows: slice) -> Tensor:
        with torch.no_grad():
            return F.normalize(encoder.model.encode_text(clip_tokens[rows]).float(), dim=1)

    times: list[list[float]] = [[], [], []]
    for step in range(steps + 1):
        rows = slice(step * batch_size, (step + 1) * batch_size)
        started = time.perf_counter()
        take_step(rows, features[rows], padded=False)
        ours = time.perf_counter()
        encoded = encode(rows)
        float(encoded[0, 0])
        middle = time.perf_counter()
        take_step(rows, encoded, padded=True)
        ended = time.perf_counter()
        if step:
            for kept, seconds in zip(times, (ours - started, ended - ours, middle - ours), strict=True):
                kept.append(seconds)
    own, reference, encoding = (sorted(kept)[len(kept) // 2] for kept in times)
    return TrainingTiming(
        captions=batch_size, seconds=own, reference_seconds=reference, encoding_seconds=encoding
    )
