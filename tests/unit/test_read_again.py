"""A finished run, read again: with tags switched off, or from another word."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch

from syntic.errors import InputError
from syntic.method.search import greedy_search
from syntic.service import SynticService
from syntic.types import Detection, Trace


@pytest.fixture(scope="module")
def service(tiny_profile) -> SynticService:
    return SynticService(tiny_profile, torch.device("cpu"))


@pytest.fixture(scope="module")
def trace(service) -> Trace:
    trace = service.pipeline(image=next(iter(service.example_images.values())))
    found = [Detection(label=label, score=0.9, box=(1, 1, 9, 9)) for label in ("dog", "bench")]
    return service.read_again(dataclasses.replace(trace, detections=found))


def test_reading_again_with_all_tags_gives_the_same_caption(service, trace):
    again = service.read_again(trace)
    assert again.caption == trace.caption
    assert np.allclose(again.attention.weights, trace.attention.weights)


def test_a_tag_that_is_switched_off_is_not_attended_to(service, trace):
    tags = trace.attention.tags
    assert sorted(tags) == ["bench", "dog"]
    again = service.read_again(trace, without=tags[:1])
    assert again.attention.tags == tags[1:]
    assert trace.attention.tags == tags, "the run itself stays as it was"
    assert service.read_again(trace, without=tags).attention.tags == ["(nothing)"]
    with pytest.raises(InputError, match="no tag 'cow'"):
        service.read_again(trace, without=["cow"])


def test_the_caption_goes_on_from_another_word(service, trace):
    tokens = trace.caption.tokens
    position = 1
    other = tokens[position].alternative_ids[0]
    given = [token.id for token in tokens[:position]] + [other]
    again = service.read_again(trace, given=given)
    assert [token.id for token in again.caption.tokens][: position + 1] == given
    assert again.caption.tokens[0].probability == pytest.approx(tokens[0].probability, abs=1e-5)
    assert again.caption.tokens[position].probability == pytest.approx(
        tokens[position].alternatives[0][1], abs=1e-5
    )


def test_giving_what_greedy_decoding_takes_changes_nothing(service, trace):
    ids = [token.id for token in trace.caption.tokens]
    assert service.read_again(trace, given=ids[:3]).caption.text == trace.caption.text


@pytest.mark.parametrize("given", [[-1], [10**6], [0] * 99])
def test_tokens_that_there_are_not_are_refused(service, trace, given):
    with pytest.raises(InputError, match="tokens in 0"):
        service.read_again(trace, given=given)


def test_ids_go_to_json_and_back_and_old_traces_still_read(trace):
    assert Trace.from_json(trace.to_json()).caption == trace.caption
    old = json.loads(trace.to_json())
    for token in old["caption"]["tokens"]:
        del token["id"], token["alternative_ids"]
    assert Trace.from_json(json.dumps(old)).caption.tokens[0].id == -1


def test_the_search_takes_the_given_tokens_row_by_row():
    class Fixed:
        max_tokens, vocabulary_size, end_id = 4, 5, 4

        def step(self, tokens: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.one_hot((tokens + 1) % 5, 5).float() * 9

        def select(self, rows: torch.Tensor) -> None: ...

    fixed = Fixed()
    found = greedy_search(fixed, torch.zeros(2, 5), fixed, given=[2])
    assert [one.tokens for one in found] == [[2, 3, 4], [2, 3, 4]]
    assert found[0].probabilities[0] == pytest.approx(0.2)
