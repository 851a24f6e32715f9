"""Eq. 6 and what a variant's model consists of."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from syntic.errors import InputError, ShapeError
from syntic.method import VARIANTS, CaptionModel, DecoderConfig, Variant

CONFIG = DecoderConfig(
    feature_width=16,
    vocabulary_size=30,
    start_id=28,
    end_id=29,
    pad_id=27,
    width=32,
    layers=2,
    heads=2,
    max_tokens=6,
    dropout=0.0,
)


def model_of(name: str) -> CaptionModel:
    torch.manual_seed(0)
    return CaptionModel(Variant.parse(name), CONFIG, tag_heads=4).eval()


def inputs(rows: int = 3) -> tuple[torch.Tensor, ...]:
    mask = torch.tensor([[1, 1], [1, 0], [0, 0]], dtype=torch.bool)[:rows]
    return torch.randn(rows, 16), torch.randn(rows, 16), torch.randn(rows, 2, 16), mask


TOKENS = torch.tensor([[28, 3, 4, 29, 27, 27], [28, 5, 6, 7, 8, 29], [28, 9, 29, 27, 27, 27]])


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_the_prefix_is_v_and_u_where_there_are_tags(variant):
    model = model_of(variant.name)
    v, query, tags, mask = inputs()
    prefix = model.prefix(v, query, tags, mask)
    assert prefix.shape == (3, 2 if variant.tags else 1, 16)
    torch.testing.assert_close(prefix[:, 0], v)
    if variant.tags:
        torch.testing.assert_close(prefix[:, 1], model.tag_attention(query, tags, mask)[0])
        with pytest.raises(ShapeError, match="tag_features"):
            model.prefix(v)
    else:
        torch.testing.assert_close(model.prefix(v), prefix)


def test_the_loss_is_the_mean_over_caption_tokens_with_smoothed_labels():
    model, (v, query, tags, mask) = model_of("syntic"), inputs()
    prefix = model.prefix(v, query, tags, mask)
    terms = []
    for row in range(3):
        caption = [token for token in TOKENS[row].tolist() if token != 27]
        for position in range(1, len(caption)):
            logits = model.decoder(prefix[row : row + 1], torch.tensor([caption[:position]]))[0, -1]
            log_p = F.log_softmax(logits, dim=-1)
            terms.append(-0.9 * log_p[caption[position]] - 0.1 * log_p.mean())
    torch.testing.assert_close(model.loss(v, query, tags, mask, TOKENS), torch.stack(terms).mean())


def test_padding_does_not_count_whatever_it_is():
    """CLIP's own tokenizer pads with its end mark; that must not teach the decoder to repeat it."""
    model, (v, query, tags, mask) = model_of("syntic"), inputs()
    loss = model.loss(v, query, tags, mask, TOKENS)
    longer = F.pad(TOKENS, (0, 1), value=27)
    torch.testing.assert_close(model.loss(v, query, tags, mask, longer), loss)
    padded_with_end = TOKENS.clone()
    padded_with_end[TOKENS == 27] = 29
    torch.testing.assert_close(model.loss(v, query, tags, mask, padded_with_end), loss)


def test_the_gradient_reaches_the_attention_over_tags():
    model, (v, query, tags, mask) = model_of("syntic"), inputs()
    model.loss(v, query, tags, mask, TOKENS).backward()
    without = [name for name, p in model.named_parameters() if p.grad is None or p.grad.abs().sum() == 0]
    assert without == []


def test_decode_offers_greedy_and_beam_and_nothing_else():
    model, arguments = model_of("af"), inputs()
    greedy = model.decode(*arguments)
    assert [r.tokens for r in greedy] == [
        r.tokens for r in model.decode(*arguments, decoding="beam", beam_size=1)
    ]
    assert len(model.decode(*arguments, decoding="beam", beam_size=3)[0].beams) == 3
    assert model.decode(*arguments, alternatives=2)[0].alternatives[0][2:] == []
    with pytest.raises(InputError, match="'sampling'.*greedy, beam"):
        model.decode(*arguments, decoding="sampling")


@pytest.mark.parametrize("name", ["fp", "syntic"])
def test_the_image_feature_can_end_the_prefix(name):
    model = CaptionModel(Variant.parse(name), CONFIG, tag_heads=4, image_prefix=True).eval()
    features, query, tags, mask = inputs()
    prefix = model.prefix(features, query, tags, mask)
    assert prefix.shape[1] == model.config.prefix_length == model_of(name).config.prefix_length + 1
    assert torch.equal(prefix[:, 0], features)
    assert torch.equal(prefix[:, -1], query)
    with pytest.raises(ShapeError, match="needs `query`"):
        model.prefix(features)


@pytest.mark.parametrize("image_prefix", [False, True])
@pytest.mark.parametrize("name", ["fp", "syntic"])
def test_maps_start_from_what_tells_features_apart(name, image_prefix):
    model = CaptionModel(Variant.parse(name), CONFIG, tag_heads=4, image_prefix=image_prefix)
    features, query, tags = (
        F.normalize(torch.ones(16) + 0.1 * torch.randn(*shape, 16), dim=-1)  # in a cone
        for shape in ((200,), (200,), (200, 3))
    )
    mask = torch.rand(200, 3) < 0.6
    before = model.decoder.embed_prefix(model.prefix(features, query, tags, mask))  # (B, P, W)
    model.centre(features, query, tags, mask)
    after = model.decoder.embed_prefix(model.prefix(features, query, tags, mask))
    assert after.std(dim=0).mean() > 10 * before.std(dim=0).mean()
    assert torch.allclose(after.mean(dim=0), torch.zeros(after.shape[1:]), atol=1e-5)


def test_equal_features_and_no_tags_leave_maps_as_they_are():
    model = model_of("syntic")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.centre(
        torch.ones(4, 16), torch.ones(4, 16), torch.zeros(4, 2, 16), torch.zeros(4, 2, dtype=torch.bool)
    )
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
