"""Eq. 5 against multi-head attention written out."""

from __future__ import annotations

import pytest
import torch

from syntic.errors import InputError, ShapeError
from syntic.method import TagAttention

WIDTH, HEADS = 16, 4


@pytest.fixture
def attention() -> TagAttention:
    torch.manual_seed(0)
    return TagAttention(WIDTH, HEADS).eval()


def tags(mask: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    present = torch.tensor(mask, dtype=torch.bool)
    return torch.randn(*present.shape, WIDTH), present


def slow_attention(attention: TagAttention, query: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
    """MHAttn(q, O, O) of Vaswani et al. for one picture: q (D,), O (K, D)."""
    inner = attention.attention
    q, k, v = (
        w @ x.T + b[:, None]
        for w, b, x in zip(
            inner.in_proj_weight.chunk(3), inner.in_proj_bias.chunk(3), (query[None], keys, keys), strict=True
        )
    )
    size = WIDTH // HEADS
    heads = []
    for head in range(HEADS):
        rows = slice(head * size, (head + 1) * size)
        weights = (q[rows].T @ k[rows] / size**0.5).softmax(dim=-1)
        heads.append(weights @ v[rows].T)
    return inner.out_proj(torch.cat(heads, dim=-1))[0]


def test_it_is_multi_head_attention_over_the_tags_that_are_there(attention):
    query = torch.randn(2, WIDTH)
    features, mask = tags([[1, 1, 1], [1, 1, 0]])
    u, weights = attention(query, features, mask)
    torch.testing.assert_close(u[0], slow_attention(attention, query[0], features[0]))
    torch.testing.assert_close(u[1], slow_attention(attention, query[1], features[1, :2]))
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(2, HEADS))
    assert weights.shape == (2, HEADS, 4)


def test_padding_and_its_content_change_nothing(attention):
    query = torch.randn(1, WIDTH)
    features, mask = tags([[1, 1, 0, 0]])
    u, weights = attention(query, features, mask)
    changed = features.clone()
    changed[:, 2:] = 100
    torch.testing.assert_close(attention(query, changed, mask)[0], u)
    torch.testing.assert_close(attention(query, features[:, :2], mask[:, :2])[0], u)
    assert (weights[..., 2:] == 0).all()


def test_the_order_of_tags_does_not_matter(attention):
    query = torch.randn(1, WIDTH)
    features, mask = tags([[1, 1, 1]])
    torch.testing.assert_close(
        attention(query, features.flip(1), mask)[0], attention(query, features, mask)[0]
    )


@pytest.mark.parametrize("slots", [0, 3])
def test_a_picture_without_tags_attends_to_the_null_token_alone(attention, slots):
    features, mask = tags([[0] * slots])
    u, weights = attention(torch.randn(1, WIDTH), features.view(1, slots, WIDTH), mask.view(1, slots))
    torch.testing.assert_close(weights[..., -1], torch.ones(1, HEADS))
    other, _ = attention(torch.randn(1, WIDTH), features.view(1, slots, WIDTH), mask.view(1, slots))
    torch.testing.assert_close(u, other)  # with one thing to attend to, the query does not matter
    assert torch.isfinite(u).all()


def test_a_picture_with_tags_does_not_see_the_null_token(attention):
    query = torch.randn(1, WIDTH)
    features, mask = tags([[1, 1]])
    before, weights = attention(query, features, mask)
    with torch.no_grad():
        attention.null_token += 5
    torch.testing.assert_close(attention(query, features, mask)[0], before)
    assert (weights[..., -1] == 0).all()


def test_the_null_token_learns_only_from_pictures_without_tags(attention):
    features, mask = tags([[1], [1]])
    attention(torch.randn(2, WIDTH), features, mask)[0].sum().backward()
    assert attention.null_token.grad.abs().sum() == 0
    attention(torch.randn(2, WIDTH), features, mask & False)[0].pow(2).sum().backward()
    assert attention.null_token.grad.abs().sum() > 0


def test_sizes_that_do_not_fit_are_refused(attention):
    with pytest.raises(InputError, match="3 .* 16"):
        TagAttention(WIDTH, 3)
    features, mask = tags([[1, 1]])
    with pytest.raises(ShapeError, match="do not fit"):
        attention(torch.randn(2, WIDTH), features, mask)
    with pytest.raises(ShapeError, match="do not fit"):
        attention(torch.randn(1, WIDTH), features, mask[:, :1])
