"""The decoder: cached decoding against the plain forward pass, token for token."""

from __future__ import annotations

import math

import pytest
import torch

from syntic.errors import Cancelled, InputError, ShapeError
from syntic.method import CaptionDecoder, DecoderConfig

CONFIG = DecoderConfig(
    feature_width=12,
    vocabulary_size=40,
    start_id=38,
    end_id=39,
    pad_id=37,
    width=32,
    layers=2,
    heads=4,
    max_tokens=9,
    prefix_length=2,
)


@pytest.fixture
def decoder() -> CaptionDecoder:
    """Random weights, made lively: varied captions, the end mark now and then."""
    torch.manual_seed(4)
    decoder = CaptionDecoder(CONFIG).eval()
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.25)
    return decoder


@pytest.fixture
def prefix() -> torch.Tensor:
    return torch.randn(12, 2, 12, generator=torch.Generator().manual_seed(5)) * 3


@torch.no_grad()
def slow_step(decoder, prefix, tokens) -> torch.Tensor:
    """Log probabilities of the next token for one row, by a whole forward pass without a cache."""
    row = torch.tensor([[CONFIG.start_id, *tokens]])
    return torch.log_softmax(decoder(prefix[None], row)[0, -1], dim=-1)


def slow_greedy(decoder, prefix) -> tuple[list[int], list[float]]:
    tokens: list[int] = []
    probabilities: list[float] = []
    while len(tokens) < CONFIG.max_tokens and (not tokens or tokens[-1] != CONFIG.end_id):
        step = slow_step(decoder, prefix, tokens)
        tokens.append(int(step.argmax()))
        probabilities.append(math.exp(float(step.max())))
    return tokens, probabilities


def slow_beam(decoder, prefix, size) -> list[tuple[list[int], float]]:
    """Keep the `size` captions of the highest mean log probability; finished ones compete on."""
    beams: list[tuple[list[int], float]] = [([], 0.0)]
    for _ in range(CONFIG.max_tokens):
        grown: list[tuple[list[int], float]] = []
        for tokens, score in beams:
            if tokens and tokens[-1] == CONFIG.end_id:
                grown.append((tokens, score))
                continue
            step = slow_step(decoder, prefix, tokens)
            grown += [
                ([*tokens, token], score + float(step[token])) for token in range(CONFIG.vocabulary_size)
            ]
        beams = sorted(grown, key=lambda beam: -beam[1] / len(beam[0]))[:size]
    return [(tokens, score / len(tokens)) for tokens, score in beams]


def test_greedy_equals_the_plain_forward_pass_row_by_row(decoder, prefix):
    decoded = decoder.greedy(prefix)
    for row, result in zip(prefix, decoded, strict=True):
        tokens, probabilities = slow_greedy(decoder, row)
        assert result.tokens == tokens
        assert result.probabilities == pytest.approx(probabilities, rel=1e-3)
    lengths = {len(result.tokens) for result in decoded}
    assert len(lengths) > 1  # some rows end early, so the test sees ended rows beside running ones
    assert any(len(set(result.tokens)) > 3 for result in decoded)


@pytest.mark.parametrize("size", [2, 5])
def test_beam_search_equals_the_slow_one(decoder, prefix, size):
    for row, result in zip(prefix, decoder.beam_search(prefix, size), strict=True):
        expected = slow_beam(decoder, row, size)
        assert [tokens for tokens, _ in result.beams] == [tokens for tokens, _ in expected]
        assert [score for _, score in result.beams] == pytest.approx(
            [score for _, score in expected], abs=1e-4
        )
        assert result.tokens == result.beams[0][0]


def test_a_beam_of_one_is_greedy(decoder, prefix):
    for greedy, beam in zip(decoder.greedy(prefix), decoder.beam_search(prefix, 1), strict=True):
        assert greedy.tokens == beam.tokens
        assert greedy.probabilities == pytest.approx(beam.probabilities)
        assert greedy.beams[0][1] == pytest.approx(beam.beams[0][1])


@pytest.mark.parametrize("search", ["greedy", "beam_search"])
def test_a_search_can_be_ended_before_any_token(decoder, prefix, search):
    calls = []
    longest = max(len(beam) for result in getattr(decoder, search)(prefix) for beam, _ in result.beams)
    getattr(decoder, search)(prefix, on_token=lambda: calls.append(None))
    assert longest <= len(calls) <= CONFIG.max_tokens, "once for each token of the whole batch"

    def stop() -> None:
        calls.append(None)
        if len(calls) == 2:
            raise Cancelled("stop")

    calls.clear()
    with pytest.raises(Cancelled):
        getattr(decoder, search)(prefix, on_token=stop)
    assert len(calls) == 2


def test_a_wider_beam_finds_better_captions(decoder, prefix):
    def mean(results):
        return sum(result.beams[0][1] for result in results) / len(results)

    assert mean(decoder.beam_search(prefix, 5)) > mean(decoder.greedy(prefix))


@pytest.mark.parametrize("beam_size", [None, 4])
def test_probabilities_and_alternatives_are_those_of_each_step(decoder, prefix, beam_size):
    row = prefix[:1]
    result = (decoder.greedy(row) if beam_size is None else decoder.beam_search(row, beam_size))[0]
    for position, token in enumerate(result.tokens):
        step = slow_step(decoder, row[0], result.tokens[:position]).exp()
        assert result.probabilities[position] == pytest.approx(float(step[token]), rel=1e-3)
        others = [(int(t), float(step[t])) for t in step.argsort(descending=True) if t != token][:5]
        assert [t for t, _ in result.alternatives[position]] == [t for t, _ in others]
        assert [p for _, p in result.alternatives[position]] == pytest.approx(
            [p for _, p in others], rel=1e-3
        )


def test_a_row_does_not_depend_on_its_batch(decoder, prefix):
    together = [result.tokens for result in decoder.beam_search(prefix, 3)]
    alone = [decoder.beam_search(row[None], 3)[0].tokens for row in prefix]
    assert together == alone


def test_captions_end_at_the_end_mark_or_at_the_longest(decoder, prefix):
    for result in decoder.greedy(prefix) + decoder.beam_search(prefix, 3):
        assert 1 <= len(result.tokens) <= CONFIG.max_tokens
        assert CONFIG.end_id not in result.tokens[:-1]
        assert len(result.tokens) == CONFIG.max_tokens or result.tokens[-1] == CONFIG.end_id
        assert len(result.probabilities) == len(result.alternatives) == len(result.tokens)


def test_decoding_stops_when_every_row_has_ended(decoder, prefix, monkeypatch):
    with torch.no_grad():
        decoder.final_norm.weight.zero_()
        decoder.final_norm.bias.copy_(100 * decoder.token_embedding.weight[CONFIG.end_id])
    steps = []
    run = CaptionDecoder._run
    monkeypatch.setattr(CaptionDecoder, "_run", lambda self, *rest: steps.append(1) or run(self, *rest))
    assert [result.tokens for result in decoder.greedy(prefix)] == [[CONFIG.end_id]] * len(prefix)
    assert len(steps) == 1


def test_a_prediction_sees_nothing_behind_it(decoder, prefix):
    tokens = torch.randint(0, 37, (12, 8))
    changed = tokens.clone()
    changed[:, 5:] = 3
    before, after = decoder(prefix, tokens), decoder(prefix, changed)
    torch.testing.assert_close(before[:, :5], after[:, :5])
    assert not torch.allclose(before[:, 5:], after[:, 5:])


def test_predictions_that_are_not_wanted_are_left_out_and_change_nothing(decoder, prefix):
    tokens = torch.randint(0, 37, (12, 8))
    wanted = torch.arange(8) < torch.tensor([8, 1, 5, 0, 3, 8, 2, 7, 4, 6, 1, 8])[:, None]
    every = decoder(prefix, tokens)
    torch.testing.assert_close(decoder(prefix, tokens, wanted), every[wanted])
    weights = decoder.blocks[0].query_key_value.weight
    plain = torch.autograd.grad(every[wanted].square().sum(), weights)
    packed = torch.autograd.grad(decoder(prefix, tokens, wanted).square().sum(), weights)
    torch.testing.assert_close(packed, plain, rtol=1e-4, atol=1e-3)


def test_a_block_computes_the_same_with_and_without_gradients(decoder):
    hidden = torch.randn(3, 5, 32) * 3
    with torch.no_grad():
        without = decoder.blocks[0](hidden, None)
    torch.testing.assert_close(without, decoder.blocks[0](hidden, None))


def test_every_prefix_position_matters(decoder, prefix):
    tokens = torch.full((12, 1), CONFIG.start_id)
    before = decoder(prefix, tokens)
    for position in range(2):
        changed = prefix.clone()
        changed[:, position] += 1
        assert not torch.allclose(decoder(changed, tokens), before)
    assert not torch.allclose(decoder(prefix.flip(1), tokens), before)


def test_sizes_that_do_not_fit_are_refused(decoder, prefix):
    with pytest.raises(ShapeError, match="prefix"):
        decoder.greedy(prefix[:, :1])
    with pytest.raises(ShapeError, match=r"1\.\.10 tokens but was given 11"):
        decoder(prefix, torch.zeros(12, 11, dtype=torch.long))
    with pytest.raises(InputError, match="beam_size"):
        decoder.beam_search(prefix, 0)
    with pytest.raises(InputError, match="33 .* 4"):
        DecoderConfig(feature_width=8, vocabulary_size=9, start_id=1, end_id=2, pad_id=0, width=33)
    with pytest.raises(InputError, match="vocabulary"):
        DecoderConfig(feature_width=8, vocabulary_size=9, start_id=1, end_id=9, pad_id=0)


def test_it_can_learn_its_captions(prefix):
    torch.manual_seed(0)
    decoder = CaptionDecoder(CONFIG)
    captions = torch.randint(0, 37, (4, 5), generator=torch.Generator().manual_seed(1))
    marks = torch.full((4, 1), CONFIG.start_id), torch.full((4, 1), CONFIG.end_id)
    tokens = torch.cat([marks[0], captions, marks[1]], dim=1)
    adam = torch.optim.Adam(decoder.parameters(), lr=3e-3)
    for _ in range(120):
        logits = decoder(prefix[:4], tokens[:, :-1])
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
        adam.zero_grad()
        loss.backward()
        adam.step()
    decoded = decoder.eval().greedy(prefix[:4])
    assert [result.tokens for result in decoded] == tokens[:, 1:].tolist()
