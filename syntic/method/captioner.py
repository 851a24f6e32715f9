"""What is trained for one variant: the decoder, and the attention over tags where it has one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import InputError, ShapeError
from .auxiliary import TagAttention
from .decoder import CaptionDecoder, DecoderConfig
from .search import Decoded, OnToken
from .variant import Variant

LABEL_SMOOTHING = 0.1  # (A) DeCap's
DECODINGS = ("greedy", "beam")
START_SPREAD = 5.0  # (A) of what the maps of the prefix see, in units of their first weights


def caption_mask(targets: Tensor, config: DecoderConfig) -> Tensor:
    """Return which of (B, L) tokens after the start mark belong to the caption, its end mark included."""
    is_end = targets == config.end_id
    is_caption = is_end.cumsum(dim=1) - is_end.long() == 0  # up to the first end mark
    if config.pad_id != config.end_id:
        is_caption &= targets != config.pad_id
    return is_caption & (targets != config.start_id)  # which stands where a caption was cut


def caption_loss(logits: Tensor, tokens: Tensor, config: DecoderConfig) -> Tensor:
    """Return the mean over caption tokens of the cross-entropy, with label smoothing 0.1.

    Args:
        logits: (B, L - 1, V) of the token after each but the last.
        tokens: (B, L) start mark, caption, end mark, padding.
        config: for the marks.
    """
    targets = tokens[:, 1:]
    is_caption = caption_mask(targets, config)
    return _smoothed_cross_entropy(logits[is_caption], targets[is_caption])


def decoding_loss(decoder: CaptionDecoder, prefix: Tensor, tokens: Tensor) -> Tensor:
    """Return `caption_loss` of a decoder, which is spared what does not count.

    Args:
        decoder: predicts the captions.
        prefix: (B, P, D) features that it continues.
        tokens: (B, L), as in `caption_loss`.
    """
    targets = tokens[:, 1:]
    is_caption = caption_mask(targets, decoder.config)
    return _smoothed_cross_entropy(decoder(prefix, tokens[:, :-1], is_caption), targets[is_caption])


def _smoothed_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the mean over N tokens of their cross-entropy, given the logits (N, V) of each."""
    return F.cross_entropy(logits, targets, label_smoothing=LABEL_SMOOTHING)


class CaptionModel(nn.Module):
    """The trainable part of SynTIC.

    Args:
        variant: decides whether tags are attended to, and so how long the prefix is.
        config: of the decoder; its `prefix_length` is set here.
        tag_heads: H of Eq. 5.
        image_prefix: whether the prefix ends with the image feature itself, an improvement of ours.
    """

    def __init__(
        self, variant: Variant, config: DecoderConfig, tag_heads: int = 8, *, image_prefix: bool = False
    ) -> None:
        super().__init__()
        self.variant = variant
        self.config = replace(config, prefix_length=1 + variant.tags + image_prefix)
        self.tag_heads = tag_heads
        self.image_prefix = image_prefix
        self.decoder = CaptionDecoder(self.config)
        self.tag_attention = TagAttention(config.feature_width, tag_heads) if variant.tags else None

    def prefix(
        self,
        features: Tensor,
        query: Tensor | None = None,
        tag_features: Tensor | None = None,
        tag_mask: Tensor | None = None,
    ) -> Tensor:
        """Put together what the decoder continues: v, u where the variant has tags, s with `image_prefix`.

        Args:
            features: (B, D) v, projected where the variant projects.
            query: (B, D) s, the image feature before projection.
            tag_features: (B, K, D) of the labels.
            tag_mask: (B, K) True where there is a tag.

        Returns:
            (B, P, D); the last three arguments are used only with tags, the query with `image_prefix`, too.

        Raises:
            ShapeError: if one of them is needed and not given.
        """
        parts = [features]
        if self.tag_attention is not None:
            if query is None or tag_features is None or tag_mask is None:
                raise ShapeError(
                    f"Variant {self.variant.name!r} needs `query`, `tag_features` and `tag_mask`."
                )
            u, _ = self.tag_attention(query, tag_features, tag_mask)
            parts.append(u)
        if self.image_prefix:
            if query is None:
                raise ShapeError("A decoder with an image prefix needs `query`.")
            parts.append(query)
        return torch.stack(parts, dim=1)  # (B, P, D)

    @torch.no_grad()
    def centre(
        self,
        features: Tensor,
        query: Tensor | None = None,
        tag_features: Tensor | None = None,
        tag_mask: Tensor | None = None,
    ) -> None:
        """Start from what tells features apart, before any training; the model stays that of Eq. 5 and 6.

        CLIP's features lie in a cone (Liang et al. 2022): most of what a map reads off them is the same for
        all. So every map of them starts as W (x - mean) / spread, by its bias and the size of its weights, as
        data-dependent initialisation does (Krähenbühl et al. 2016). The paper says nothing of it (A).

        Args:
            features: (B, D) v of some captions; `query`, `tag_features` and `tag_mask` as in `prefix`.
            query: (B, D).
            tag_features: (B, K, D).
            tag_mask: (B, K).
        """
        maps = [cast(nn.Linear, each) for each in self.decoder.prefix_maps]
        _centre(maps[0].weight, maps[0].bias, features, START_SPREAD)
        if self.image_prefix and query is not None:
            _centre(maps[-1].weight, maps[-1].bias, query, START_SPREAD)
        if self.tag_attention is None or query is None or tag_features is None or tag_mask is None:
            return
        attention = self.tag_attention.attention
        tags = tag_features[tag_mask]  # (T, D)
        weights, biases = attention.in_proj_weight.chunk(3), attention.in_proj_bias.chunk(3)
        for weight, bias, seen in zip(weights, biases, (query, tags, tags), strict=True):
            _centre(weight, bias, seen, 1.0)
        u, _ = self.tag_attention(query, tag_features, tag_mask)
        _centre(maps[1].weight, maps[1].bias, u, START_SPREAD)

    def loss(
        self,
        features: Tensor,
        query: Tensor | None,
        tag_features: Tensor | None,
        tag_mask: Tensor | None,
        tokens: Tensor,
    ) -> Tensor:
        """Return the mean over caption tokens of the cross-entropy (SynTIC, Eq. 6).

            L = -1/|t| sum_i log p(w_i | v, u, w_<i)

        with label smoothing 0.1 (A, as DeCap). The end mark counts as a token, what follows it does not.

        Args:
            features: (B, D) v; `query`, `tag_features` and `tag_mask` as in `prefix`.
            query: (B, D).
            tag_features: (B, K, D).
            tag_mask: (B, K).
            tokens: (B, L) start mark, at most `max_tokens` caption tokens, end mark, padding.
        """
        return decoding_loss(self.decoder, self.prefix(features, query, tag_features, tag_mask), tokens)

    @torch.no_grad()
    def decode(
        self,
        features: Tensor,
        query: Tensor | None = None,
        tag_features: Tensor | None = None,
        tag_mask: Tensor | None = None,
        *,
        decoding: str = "greedy",
        beam_size: int = 5,
        alternatives: int = 5,
        given: Sequence[int] = (),
        on_token: OnToken | None = None,
    ) -> list[Decoded]:
        """Decode one caption for each row; the features are as in `prefix`.

        Args:
            features: (B, D) v.
            query: (B, D).
            tag_features: (B, K, D).
            tag_mask: (B, K).
            decoding: "greedy" or "beam".
            beam_size: of "beam".
            alternatives: how many other tokens to report at each step.
            given: the first tokens of every caption, taken whatever their probability; "greedy" only.
            on_token: called before each token is chosen; what it raises ends the search.

        Raises:
            InputError: for any other `decoding`, or a beam size out of range.
        """
        prefix = self.prefix(features, query, tag_features, tag_mask)
        if decoding == "greedy":
            return self.decoder.greedy(prefix, alternatives=alternatives, given=given, on_token=on_token)
        if decoding == "beam":
            return self.decoder.beam_search(prefix, beam_size, alternatives=alternatives, on_token=on_token)
        raise InputError(f"`decoding` is {decoding!r} but must be one of {', '.join(DECODINGS)}.")


def _centre(weight: Tensor, bias: Tensor, seen: Tensor, spread: float) -> None:
    """Let a linear map start as spread * W (x - mean) / (root mean square distance of x from its mean).

    Args:
        weight: (W, D), changed in place.
        bias: (W,), changed in place.
        seen: (N, D) inputs; if they are all the same, the map stays as it is.
        spread: see above.
    """
    if not len(seen):
        return
    mean = seen.mean(dim=0)
    distance = (seen - mean).square().sum(dim=1).mean().sqrt()
    if distance < 1e-6:
        return
    weight.mul_(spread / distance)
    bias.copy_(-(weight @ mean))
