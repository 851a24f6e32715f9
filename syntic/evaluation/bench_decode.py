"""How fast captions are decoded, against `generate` of transformers on the same weights in the same run.

The decoder is a GPT-2 with a prefix of features, so its weights can be put into transformers' own GPT-2.
Greedy decoding has to give the same tokens. The two beam searches differ in one rule: here a beam that
reached the end mark keeps its place among the K best by mean log probability, as in ClipCap's search; there
finished beams wait aside and K others go on. Where that changes a caption, both scores are compared.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..method import CaptionDecoder, Decoded

EVIDENCE = 0  # other tokens to report: none, as where test sets are captioned


@dataclass(frozen=True, kw_only=True)
class DecodingTiming:
    """Decoding of one batch.

    Attributes:
        decoding: "greedy" or "beam".
        captions: B.
        seconds: ours, the fastest of the repeats.
        reference_seconds: of transformers' `generate`.
        equal: captions that are equal token for token.
        score: mean over captions of our mean log probability per token.
        reference_score: of transformers' captions, by the same decoder.
    """

    decoding: str
    captions: int
    seconds: float
    reference_seconds: float
    equal: int
    score: float
    reference_score: float

    @property
    def speed_up(self) -> float:
        """The reference's time over ours."""
        return self.reference_seconds / self.seconds


def as_gpt2(decoder: CaptionDecoder) -> Any:
    """Return transformers' GPT-2 with the weights of a decoder; it starts from embeddings of the prefix."""
    from transformers import GPT2Config, GPT2LMHeadModel

    config = decoder.config
    model = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=config.vocabulary_size,
            n_positions=len(decoder.position_embedding.weight),
            n_embd=config.width,
            n_layer=config.layers,
            n_head=config.heads,
            activation_function="gelu_new",
            bos_token_id=config.start_id,
            eos_token_id=config.end_id,
            pad_token_id=config.end_id,
        )
    )
    weights = {
        "transformer.wte.weight": decoder.token_embedding.weight,
        "lm_head.weight": decoder.token_embedding.weight,
        "transformer.wpe.weight": decoder.position_embedding.weight,
    }
    names = {
        "attention_norm": "ln_1",
        "query_key_value": "attn.c_attn",
        "attention_output": "attn.c_proj",
        "feedforward_norm": "ln_2",
        "feedforward_input": "mlp.c_fc",
        "feedforward_output": "mlp.c_proj",
    }
    for name, value in decoder.state_dict().items():
        kind, _, rest = name.partition(".")
        if kind == "final_norm":
            weights[f"transformer.ln_f.{rest}"] = value
        elif kind == "blocks":
            layer, part, end = rest.split(".")
            transposed = value.ndim == 2  # GPT-2 keeps its matrices as (in, out)
            weights[f"transformer.h.{layer}.{names[part]}.{end}"] = value.T if transposed else value
    model.load_state_dict(weights, strict=True)
    placed: torch.nn.Module = model.eval()
    return placed.to(decoder.token_embedding.weight.device)


@torch.no_grad()
def measure_decoding(
    decoder: CaptionDecoder, prefix: Tensor, *, decoding: str, beam_size: int = 5, repeats: int = 3
) -> DecodingTiming:
    """Decode a batch here and by transformers.

    Args:
        decoder: in evaluation mode.
        prefix: (B, P, D) features.
        decoding: "greedy" or "beam".
        beam_size: of "beam".
        repeats: how often each is run, in turn; the fastest counts.
    """
    config, gpt2 = decoder.config, as_gpt2(decoder)
    beams = beam_size if decoding == "beam" else 1

    def ours() -> list[Decoded]:
        if decoding == "beam":
            return decoder.beam_search(prefix, beam_size, alternatives=EVIDENCE)
        return decoder.greedy(prefix, alternatives=EVIDENCE)

    def reference() -> Tensor:
        starts = torch.full((len(prefix), 1), config.start_id, device=prefix.device)
        embeddings = torch.cat([decoder.embed_prefix(prefix), decoder.token_embedding(starts)], dim=1)
        found: Tensor = gpt2.generate(
            inputs_embeds=embeddings,
            attention_mask=torch.ones(embeddings.shape[:2], dtype=torch.long, device=prefix.device),
            max_new_tokens=config.max_tokens,
            do_sample=False,
            num_beams=beams,
        )
        return found

    decoded, theirs = ours(), [_cut(row, config.end_id) for row in reference().tolist()]  # also the warm-up
    seconds, reference_seconds = _alternately(ours, reference, repeats)
    tokens = [result.tokens for result in decoded]
    return DecodingTiming(
        decoding=decoding,
        captions=len(prefix),
        seconds=seconds,
        reference_seconds=reference_seconds,
        equal=sum(mine == other for mine, other in zip(tokens, theirs, strict=True)),
        score=_score(decoder, prefix, tokens),
        reference_score=_score(decoder, prefix, theirs),
    )


def _score(decoder: CaptionDecoder, prefix: Tensor, captions: list[list[int]]) -> float:
    """Return the mean over captions of the mean log probability per token."""
    config = decoder.config
    scores = []
    for row, tokens in enumerate(captions):
        given = torch.tensor([[config.start_id, *tokens[:-1]]], device=prefix.device)
        log_p = decoder(prefix[row : row + 1], given)[0].log_softmax(dim=-1)  # (L, V)
        scores.append(log_p[range(len(tokens)), tokens].mean())
    return float(torch.stack(scores).mean())


def _cut(tokens: list[int], end_id: int) -> list[int]:
    """Return a row up to its end mark."""
    return tokens[: tokens.index(end_id) + 1] if end_id in tokens else tokens


def _alternately(
    first: Callable[[], object], second: Callable[[], object], repeats: int
) -> tuple[float, float]:
    """Time two ways in turn, so that what else the machine does falls on both; the fastest of each counts."""
    seconds: list[list[float]] = [[], []]
    for _ in range(repeats):
        for times, run in zip(seconds, (first, second), strict=True):
            started = time.perf_counter()
            run()
            times.append(time.perf_counter() - started)
    return min(seconds[0]), min(seconds[1])
