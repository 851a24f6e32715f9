"""Choosing the words: greedy and beam search over any decoder that predicts one token after another.

Captions end at different steps. A row that has ended is no longer fed to the decoder: what remains of a batch
is put together again and again, so that a step costs what is still being written.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ..errors import InputError

OnToken = Callable[[], None]
"""Called before each token is chosen; what it raises ends the search."""

WORTH_SELECTING = 0.8  # of the rows left: moving what the decoder remembers has its price, too


class SearchConfig(Protocol):
    """What a search needs to know of a decoder."""

    @property
    def end_id(self) -> int:
        """The mark after a caption."""

    @property
    def max_tokens(self) -> int:
        """Longest caption."""

    @property
    def vocabulary_size(self) -> int:
        """V."""


class Steps(Protocol):
    """A decoder in the midst of B captions."""

    def step(self, tokens: Tensor) -> Tensor:
        """Feed one token (B,) to each row; return the next one's logits (B, V)."""

    def select(self, rows: Tensor) -> None:
        """Keep these rows, in this order; a row may come more than once."""


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """One decoded caption as token ids.

    Attributes:
        tokens: without the start mark; the end mark is last where it was reached.
        probabilities: of each token given those before.
        alternatives: for each token the most probable others, as (token, probability).
        beams: every beam's tokens and mean log probability per token, best first; `tokens` is the
            first. One under greedy decoding.
    """

    tokens: list[int]
    probabilities: list[float]
    alternatives: list[list[tuple[int, float]]]
    beams: list[tuple[list[int], float]]


def greedy_search(
    config: SearchConfig,
    logits: Tensor,
    steps: Steps,
    *,
    alternatives: int = 5,
    given: Sequence[int] = (),
    on_token: OnToken | None = None,
) -> list[Decoded]:
    """Take the most probable token at each step.

    Args:
        config: of the decoder.
        logits: (B, V) of the first token.
        steps: the decoder, which has read all that comes before it.
        alternatives: how many other tokens to report at each step.
        given: the first tokens, taken whatever their probability.
        on_token: called before each token is chosen; what it raises ends the search.

    Raises:
        InputError: if there is no token of such a number, or more are given than a caption has.
    """
    if len(given) > config.max_tokens or not all(0 <= token < config.vocabulary_size for token in given):
        raise InputError(
            f"At most {config.max_tokens} tokens in 0..{config.vocabulary_size - 1} can be given."
        )
    rows = len(logits)
    history = _History(rows, alternatives, config, logits.device)
    fed = torch.arange(rows, device=logits.device)  # rows that the decoder still holds
    while True:
        if on_token is not None:
            on_token()
        candidates, log_probabilities = _top(logits, history.width, fed, rows)  # (B, C) each
        tokens, values = candidates[:, 0], log_probabilities[:, 0]
        if len(history.tokens) < len(given):
            token = given[len(history.tokens)]
            tokens = torch.full_like(tokens, token)
            values = _spread(logits.log_softmax(dim=-1)[:, token], fed, rows)
        history.append(tokens, values, candidates, log_probabilities)
        open_rows = (~history.ended[fed]).nonzero().flatten()
        if not len(open_rows) or history.is_full():
            break
        if len(open_rows) <= WORTH_SELECTING * len(fed):
            steps.select(open_rows)
            fed = fed[open_rows]
        logits = steps.step(tokens[fed])
    return history.decoded(beam_size=1)


def check_beam_size(config: SearchConfig, beam_size: int) -> None:
    """Refuse a number of beams that cannot work.

    Raises:
        InputError: if it is out of range.
    """
    if not 1 <= beam_size <= config.vocabulary_size:
        raise InputError(f"`beam_size` must be in 1..{config.vocabulary_size} but is {beam_size}.")


def beam_search(
    config: SearchConfig,
    logits: Tensor,
    steps: Steps,
    beam_size: int = 5,
    *,
    alternatives: int = 5,
    on_token: OnToken | None = None,
) -> list[Decoded]:
    """Keep the captions with the highest mean log probability per token.

    A beam that reached the end mark stays among the `beam_size` best for as long as its mean
    holds, as in ClipCap's, CapDec's and ViECap's search.

    Args:
        config: of the decoder.
        logits: (B, V) of the first token.
        steps: the decoder, which has read all that comes before it.
        beam_size: captions kept at each step; 1 is greedy decoding.
        alternatives: how many other tokens to report at each step of the best beam.
        on_token: called before each token is chosen; what it raises ends the search.

    Raises:
        InputError: if `beam_size` is out of range.
    """
    check_beam_size(config, beam_size)
    rows, beams, end_id = len(logits), beam_size, config.end_id
    device = logits.device
    first_beam = torch.arange(rows, device=device)[:, None] * beams  # (B, 1)
    fed = first_beam.flatten()  # beams that the decoder went on with
    place = torch.arange(rows, device=device).repeat_interleave(beams)  # (B K,) in the decoder, of those
    history = _History(rows * beams, alternatives, config, device)
    scores = torch.full((rows, beams), -torch.inf, device=device)  # summed log probabilities
    scores[:, 0] = 0  # there is one beam as yet, and all others come from it
    only_first = torch.full((beams,), -torch.inf, device=device)
    only_first[0] = 0
    while True:
        if on_token is not None:
            on_token()
        candidates, log_probabilities = _top(logits, max(beams, history.width), fed, rows * beams)
        ended = history.ended.view(rows, beams, 1)
        tokens = torch.where(ended, end_id, candidates[:, :beams].view(rows, beams, beams))
        gains = torch.where(ended, only_first, log_probabilities[:, :beams].view(rows, beams, beams))
        extended = scores[..., None] + gains  # (B, K, K)
        lengths = history.lengths.view(rows, beams, 1) + (~ended).long()
        best = (extended / lengths).flatten(1).topk(beams, dim=1).indices  # (B, K), best first
        parents = (first_beam + best // beams).flatten()  # (B K,)
        scores = extended.flatten(1).gather(1, best)
        history.append(
            tokens.flatten(1).gather(1, best).flatten(),
            gains.flatten(1).gather(1, best).flatten(),
            candidates[parents, : history.width],
            log_probabilities[parents, : history.width],
            parents,
        )
        fed = (~history.ended).nonzero().flatten()
        if not len(fed) or history.is_full():
            break
        steps.select(place[parents[fed]])  # a beam that goes on comes from one that did
        place[fed] = torch.arange(len(fed), device=device)
        logits = steps.step(history.tokens[-1][fed])
    return history.decoded(beam_size=beams)


class _History:
    """The tokens decoded so far for R rows, and what else was probable at each step."""

    def __init__(self, rows: int, alternatives: int, config: SearchConfig, device: torch.device) -> None:
        self.config = config
        self.alternatives = alternatives
        self.width = min(alternatives + 1, config.vocabulary_size)  # the chosen token may be among them
        self.tokens: list[Tensor] = []  # one (R,) each step, as are the log probabilities
        self.log_probabilities: list[Tensor] = []
        self.candidates: list[Tensor] = []  # one (R, A + 1) each step
        self.candidate_log_probabilities: list[Tensor] = []
        self.parents: list[Tensor | None] = []  # the row (R,) that each continues; None: its own
        self.ended = torch.zeros(rows, dtype=torch.bool, device=device)
        self.lengths = torch.zeros(rows, dtype=torch.long, device=device)

    def append(
        self,
        tokens: Tensor,
        log_probabilities: Tensor,
        candidates: Tensor,
        others: Tensor,
        parents: Tensor | None = None,
    ) -> None:
        """Add one step, which continues the `parents`; rows that ended before keep their length."""
        self.tokens.append(tokens)
        self.log_probabilities.append(log_probabilities)
        self.candidates.append(candidates)
        self.candidate_log_probabilities.append(others)
        self.parents.append(parents)
        if parents is not None:
            self.ended, self.lengths = self.ended[parents], self.lengths[parents]
        self.lengths = self.lengths + (~self.ended).long()
        self.ended = self.ended | (tokens == self.config.end_id)

    def is_full(self) -> bool:
        """Whether the longest caption is reached."""
        return len(self.tokens) == self.config.max_tokens

    def decoded(self, beam_size: int) -> list[Decoded]:
        """Cut each row after its end mark and group the rows by beams, best first."""
        origins = self._origins()

        def traced(steps: list[Tensor]) -> Tensor:
            """Return (R, T, ...) of the last rows, each with the steps that it comes from."""
            came = [step if rows is None else step[rows] for step, rows in zip(steps, origins, strict=True)]
            return torch.stack(came, dim=1)

        tokens, values = traced(self.tokens).tolist(), traced(self.log_probabilities).tolist()
        lengths = self.lengths.tolist()
        beams = [
            (row_tokens[:length], sum(row_values[:length]) / length)
            for row_tokens, row_values, length in zip(tokens, values, lengths, strict=True)
        ]
        candidates = traced(self.candidates)[::beam_size].tolist()  # of each row's best beam
        probabilities = traced(self.candidate_log_probabilities)[::beam_size].exp().tolist()
        results = []
        for group, (step_candidates, step_probabilities) in enumerate(
            zip(candidates, probabilities, strict=True)
        ):
            best = group * beam_size
            chosen = beams[best][0]
            alternatives = [
                [(other, p) for other, p in zip(*step, strict=True) if other != token][: self.alternatives]
                for token, *step in zip(chosen, step_candidates, step_probabilities, strict=False)
            ]
            results.append(
                Decoded(
                    tokens=chosen,
                    probabilities=[math.exp(value) for value in values[best][: lengths[best]]],
                    alternatives=alternatives,
                    beams=beams[best : best + beam_size],
                )
            )
        return results

    def _origins(self) -> list[Tensor | None]:
        """Return for each step which of its rows (R,) the last rows come from; None: the same."""
        origins: list[Tensor | None] = []
        rows: Tensor | None = None
        for parents in reversed(self.parents):
            origins.append(rows)
            if parents is not None:
                rows = parents if rows is None else parents[rows]
        return origins[::-1]


def _spread(values: Tensor, rows: Tensor, count: int) -> Tensor:
    """Put the values (F, ...) of the rows that were fed into (count, ...); nobody looks at the others."""
    if len(rows) == count:
        return values
    return values.new_zeros(count, *values.shape[1:]).index_copy_(0, rows, values)


def _top(logits: Tensor, count: int, rows: Tensor, all_rows: int) -> tuple[Tensor, Tensor]:
    """Return the most probable tokens and their log probabilities, (all_rows, count) each, best first.

    Args:
        logits: (F, V) of the rows that were fed.
        count: of tokens.
        rows: (F,) which they are; nobody looks at the others.
        all_rows: how many there are with the others.
    """
    best, tokens = logits.topk(count, dim=-1) if count > 1 else logits.max(dim=-1, keepdim=True)
    rest = (logits - best[:, :1]).exp_()  # `logsumexp` would look for the maximum again
    log_probabilities = best - best[:, :1] - rest.sum(dim=-1, keepdim=True).log_()
    return _spread(tokens, rows, all_rows), _spread(log_probabilities, rows, all_rows)
