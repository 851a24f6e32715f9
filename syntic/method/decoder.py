"""The caption decoder of Eq. 6: a small GPT that continues a prefix of image features.

Like DeCap's: pre-norm blocks, learned positions, GELU, input and output embeddings tied. The prefix
comes first, one position for each feature, each with a linear map of its own; the start mark and the
caption follow. Decoding keeps keys and values of the positions before, so a step costs one position.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import InputError, ShapeError
from .search import WORTH_SELECTING, Decoded, OnToken, beam_search, check_beam_size, greedy_search

INITIAL_STD = 0.02  # GPT-2's


@dataclass(frozen=True, kw_only=True)
class DecoderConfig:
    """Sizes of the decoder and the marks of its tokenizer.

    Attributes:
        feature_width: D, the CLIP width.
        vocabulary_size: V, the tokenizer's.
        prefix_length: P, features before the start mark; set by CaptionModel from its variant.
        max_tokens: longest caption in tokens, without start and end marks.
        dropout: in training (A, GPT-2's value, which DeCap keeps).
    """

    feature_width: int
    vocabulary_size: int
    start_id: int
    end_id: int
    pad_id: int
    width: int = 768
    layers: int = 4
    heads: int = 4
    max_tokens: int = 20
    prefix_length: int = 1
    dropout: float = 0.1

    def __post_init__(self) -> None:
        """Refuse sizes that cannot work."""
        if self.width % self.heads:
            raise InputError(
                f"The decoder's width {self.width} must be a multiple of {self.heads}, its heads."
            )
        if min(self.layers, self.max_tokens, self.prefix_length) < 1:
            raise InputError("The decoder's `layers`, `max_tokens` and `prefix_length` must be at least 1.")
        if max(self.start_id, self.end_id, self.pad_id) >= self.vocabulary_size:
            raise InputError(
                f"The decoder's marks must be below its vocabulary's size {self.vocabulary_size}."
            )


class KeyValueCache:
    """Keys and values of the positions so far, for all layers, in one buffer."""

    def __init__(self, config: DecoderConfig, rows: int, like: Tensor) -> None:
        self.length = 0
        head_width = config.width // config.heads
        positions = config.prefix_length + 1 + config.max_tokens
        buffer = like.new_empty(config.layers, rows, positions, 2, config.heads, head_width)
        self.values = buffer.permute(0, 3, 1, 4, 2, 5)  # (layers, 2, B, H, S, W / H)

    def select(self, rows: Tensor) -> None:
        """Keep these rows, in this order; a row may come more than once."""
        old, count = self._by_row(), len(rows)
        if count > old.shape[1]:
            self._allocate(count, old.shape[2])
        self.values = self.values[:, :, :count]  # the same memory: a new buffer costs more than to copy
        for new_layer, old_layer in zip(self._by_row(), old, strict=True):
            new_layer[:, : self.length] = old_layer[:, : self.length].index_select(0, rows)

    def resize(self, positions: int) -> None:
        """Make room for so many positions."""
        old = self._by_row()
        self._allocate(old.shape[1], positions)
        self._by_row()[:, :, : self.length] = old[:, :, : self.length]

    def _by_row(self) -> Tensor:
        """Return the buffer as it lies in memory: (layers, B, S, 2, H, W / H)."""
        return self.values.permute(0, 2, 4, 1, 3, 5)

    def _allocate(self, rows: int, positions: int) -> None:
        layers, _, _, heads, _, head_width = self.values.shape
        buffer = self.values.new_empty(layers, rows, positions, 2, heads, head_width)
        self.values = buffer.permute(0, 3, 1, 4, 2, 5)

    def extend(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Append (B, H, T, W / H) keys and values to one layer and return all so far."""
        added = keys.shape[2]
        all_keys, all_values = self.values[layer, 0], self.values[layer, 1]
        all_keys.narrow(2, self.length, added).copy_(keys)
        all_values.narrow(2, self.length, added).copy_(values)
        end = self.length + added
        return all_keys.narrow(2, 0, end), all_values.narrow(2, 0, end)


class Packing:
    """Which positions of B rows are computed, so that captions of several lengths cost no padding.

    Only attention needs rows of one length; all else maps each position by itself, and gets them packed.

    Args:
        shape: (B, T).
        index: (N,) of the positions that are, in the flattened (B, T).
    """

    def __init__(self, shape: tuple[int, int], index: Tensor) -> None:
        self.shape = shape
        self.index = index
        self.keeps_all = len(index) == shape[0] * shape[1]

    @classmethod
    def of(cls, kept: Tensor) -> Packing:
        """Keep the positions where `kept` (B, T) is true.

        For causal attention, which looks back on all, none may follow one in its row that is not kept.
        """
        return cls((kept.shape[0], kept.shape[1]), kept.flatten().nonzero().flatten())

    def pack(self, hidden: Tensor) -> Tensor:
        """Return the kept positions (N, W) of (B, T, W), row by row."""
        flat = hidden.flatten(0, 1)
        return flat if self.keeps_all else flat.index_select(0, self.index)

    def unpack(self, packed: Tensor) -> Tensor:
        """Put (N, W) back to their places in (B, T, W), between zeros."""
        rows, length = self.shape
        if self.keeps_all:
            return packed.view(rows, length, -1)
        flat = packed.new_zeros(rows * length, packed.shape[-1])
        return flat.index_copy_(0, self.index, packed).view(rows, length, -1)


class DecoderBlock(nn.Module):
    """Causal self-attention and a feed-forward layer, each on normalised input and added back."""

    def __init__(self, config: DecoderConfig, layer: int) -> None:
        super().__init__()
        self.layer = layer
        self.heads = config.heads
        self.dropout = config.dropout
        self.attention_norm = nn.LayerNorm(config.width)
        self.query_key_value = nn.Linear(config.width, 3 * config.width)
        self.attention_output = nn.Linear(config.width, config.width)
        self.feedforward_norm = nn.LayerNorm(config.width)
        self.feedforward_input = nn.Linear(config.width, 4 * config.width)
        self.feedforward_output = nn.Linear(4 * config.width, config.width)

    def forward(
        self,
        hidden: Tensor,
        cache: KeyValueCache | None,
        packing: Packing | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Map (B, T, W) to (B, T, W), or (N, W) to (N, W) where positions are packed."""
        return self.feed_forward(self.attend(hidden, cache, packing, mask))

    def attend(
        self,
        hidden: Tensor,
        cache: KeyValueCache | None,
        packing: Packing | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Add to (B, T, W) or (N, W) what each position finds at those before it.

        Args:
            hidden: of the positions that follow those of the cache.
            cache: keys and values of the positions before, which these are added to.
            packing: of `hidden`, where it is (N, W).
            mask: (B, 1, T, S) added to the scores, where it is not the order that says what is before.
        """
        return hidden + self._drop(self._attend(self.attention_norm(hidden), cache, packing, mask))

    def feed_forward(self, hidden: Tensor) -> Tensor:
        """Add to (..., W) what each position computes by itself."""
        inner = _gelu(self.feedforward_input(self.feedforward_norm(hidden)))
        return hidden + self._drop(self.feedforward_output(inner))

    def _attend(
        self, hidden: Tensor, cache: KeyValueCache | None, packing: Packing | None, mask: Tensor | None
    ) -> Tensor:
        mixed = self.query_key_value(hidden)
        if packing is not None:
            mixed = packing.unpack(mixed)
        rows, length, width = mixed.shape[0], mixed.shape[1], hidden.shape[-1]
        mixed = mixed.view(rows, length, 3, self.heads, width // self.heads)
        queries, keys, values = mixed.permute(2, 0, 3, 1, 4).unbind()  # 3 x (B, H, T, W / H)
        if cache is not None:
            keys, values = cache.extend(self.layer, keys, values)
        attended: Tensor = F.scaled_dot_product_attention(
            queries,
            keys,
            values,
            attn_mask=mask,
            is_causal=mask is None and length > 1,
            dropout_p=self.dropout if self.training else 0.0,
        )
        merged = attended.transpose(1, 2).reshape(rows, length, width)
        output: Tensor = self.attention_output(merged if packing is None else packing.pack(merged))
        return output

    def _drop(self, hidden: Tensor) -> Tensor:
        return F.dropout(hidden, self.dropout) if self.training else hidden


class CaptionDecoder(nn.Module):
    """A causal transformer over prefix features and caption tokens."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.config = config
        self.prefix_maps = nn.ModuleList(
            nn.Linear(config.feature_width, config.width) for _ in range(config.prefix_length)
        )
        self.token_embedding = nn.Embedding(config.vocabulary_size, config.width)
        self.position_embedding = nn.Embedding(config.prefix_length + 1 + config.max_tokens, config.width)
        self.blocks = nn.ModuleList(DecoderBlock(config, layer) for layer in range(config.layers))
        self.final_norm = nn.LayerNorm(config.width)
        self.apply(_initialise)
        for block in self.blocks.children():  # keeps the sum over layers at one layer's size, as GPT-2 does
            assert isinstance(block, DecoderBlock)
            for output in (block.attention_output, block.feedforward_output):
                nn.init.normal_(output.weight, std=INITIAL_STD / (2 * config.layers) ** 0.5)

    def forward(self, prefix: Tensor, tokens: Tensor, wanted: Tensor | None = None) -> Tensor:
        """Predict the token after each given one.

        Args:
            prefix: (B, P, D) features.
            tokens: (B, L), the start mark first, at most 1 + max_tokens.
            wanted: (B, L) True where a prediction is wanted, and in a row nowhere after False; what is not
                wanted is not computed.

        Returns:
            (B, L, V) logits; those at position l are for token l + 1. The N wanted ones, (N, V), if told so.

        Raises:
            ShapeError: if the prefix or the tokens do not fit the decoder.
        """
        return self.next_logits(self.hidden_states(prefix, tokens, wanted))

    def hidden_states(self, prefix: Tensor, tokens: Tensor, wanted: Tensor | None = None) -> Tensor:
        """Return the hidden states (B, L, W) or (N, W) that `forward` predicts from; arguments as there."""
        embedded = torch.cat([self.embed_prefix(prefix), self._embed_tokens(tokens)], dim=1)
        if wanted is None:
            return self._run(embedded, None)[:, self.config.prefix_length :]
        packing = Packing.of(F.pad(wanted, (self.config.prefix_length, 0), value=True))
        hidden = self._run(embedded, None, packing)
        is_token = packing.index % packing.shape[1] >= self.config.prefix_length
        return hidden[is_token]

    def feed_start(self, prefix: Tensor, cache: KeyValueCache) -> Tensor:
        """Feed the prefix (B, P, D) and the start mark; return the last hidden state (B, W)."""
        starts = torch.full((len(prefix), 1), self.config.start_id, device=prefix.device)
        hidden = torch.cat([self.embed_prefix(prefix), self._embed_tokens(starts)], dim=1)
        return self._run(hidden, cache)[:, -1]

    def feed(self, tokens: Tensor, cache: KeyValueCache) -> Tensor:
        """Feed one token (B,) to each row; return its hidden state (B, W)."""
        hidden = self.token_embedding(tokens) + self.position_embedding.weight[cache.length]  # (B, W)
        one_each = Packing((len(tokens), 1), torch.arange(len(tokens), device=tokens.device))
        return self.run_blocks(hidden, cache, one_each)

    def next_logits(self, hidden: Tensor) -> Tensor:
        """Return the logits (..., V) of the token that follows hidden states (..., W)."""
        return hidden @ self.token_embedding.weight.T

    @torch.inference_mode()
    def greedy(
        self,
        prefix: Tensor,
        *,
        alternatives: int = 5,
        given: Sequence[int] = (),
        on_token: OnToken | None = None,
    ) -> list[Decoded]:
        """Take the most probable token at each step, see `greedy_search`.

        Args:
            prefix: (B, P, D) features.
            alternatives: how many other tokens to report at each step.
            given: the first tokens, taken whatever their probability.
            on_token: called before each token is chosen; what it raises ends the search.
        """
        logits, steps = self.begin(prefix)
        return greedy_search(
            self.config, logits, steps, alternatives=alternatives, given=given, on_token=on_token
        )

    @torch.inference_mode()
    def beam_search(
        self,
        prefix: Tensor,
        beam_size: int = 5,
        *,
        alternatives: int = 5,
        on_token: OnToken | None = None,
    ) -> list[Decoded]:
        """Keep the captions with the highest mean log probability per token, see `search.beam_search`.

        Args:
            prefix: (B, P, D) features.
            beam_size: captions kept at each step; 1 is greedy decoding.
            alternatives: how many other tokens to report at each step of the best beam.
            on_token: called before each token is chosen; what it raises ends the search.

        Raises:
            InputError: if `beam_size` is out of range.
        """
        check_beam_size(self.config, beam_size)
        logits, steps = self.begin(prefix)
        branching = BranchingSteps(steps, beam_size)
        return beam_search(
            self.config, logits, branching, beam_size, alternatives=alternatives, on_token=on_token
        )

    def embed_prefix(self, prefix: Tensor) -> Tensor:
        """Map the prefix (B, P, D) to embeddings (B, P, W).

        Raises:
            ShapeError: if it does not fit the decoder.
        """
        expected = (self.config.prefix_length, self.config.feature_width)
        if prefix.shape[1:] != expected:
            raise ShapeError(f"The prefix must be (B, *{expected}) but is {tuple(prefix.shape)}.")
        embedded = [embed(prefix[:, i]) for i, embed in enumerate(self.prefix_maps)]
        return torch.stack(embedded, dim=1)  # (B, P, W)

    def _embed_tokens(self, tokens: Tensor) -> Tensor:
        longest = 1 + self.config.max_tokens
        if not 1 <= tokens.shape[1] <= longest:
            raise ShapeError(f"The decoder takes 1..{longest} tokens but was given {tokens.shape[1]}.")
        embedded: Tensor = self.token_embedding(tokens)  # (B, L, W)
        return embedded

    def _run(self, hidden: Tensor, cache: KeyValueCache | None, packing: Packing | None = None) -> Tensor:
        """Map embeddings (B, T, W), which follow what the cache holds, to normalised hidden states.

        Those are (B, T, W), or with a packing (N, W).
        """
        start = 0 if cache is None else cache.length
        hidden = hidden + self.position_embedding.weight[start : start + hidden.shape[1]]
        if packing is not None:
            hidden = packing.pack(hidden)
        return self.run_blocks(hidden, cache, packing)

    def run_blocks(
        self,
        hidden: Tensor,
        cache: KeyValueCache | None,
        packing: Packing | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Map embedded positions to normalised hidden states; arguments as of `DecoderBlock.attend`."""
        if self.training:
            hidden = F.dropout(hidden, self.config.dropout)
        for block in self.blocks:
            hidden = block(hidden, cache, packing, mask)
        if cache is not None:
            cache.length += hidden.shape[1] if packing is None else packing.shape[1]
        normalised: Tensor = self.final_norm(hidden)
        return normalised

    def begin(self, prefix: Tensor) -> tuple[Tensor, CachedSteps]:
        """Feed the prefix and the start mark; return the first token's logits (B, V) and what follows."""
        cache = KeyValueCache(self.config, len(prefix), prefix)
        return self.next_logits(self.feed_start(prefix, cache)), CachedSteps(self, cache)


class CachedSteps:
    """A decoder in the midst of its captions, as a search drives it."""

    def __init__(self, decoder: CaptionDecoder, cache: KeyValueCache) -> None:
        self.decoder = decoder
        self.cache = cache

    def step(self, tokens: Tensor) -> Tensor:
        """Feed one token (B,) to each row; return the next one's logits (B, V)."""
        return self.decoder.next_logits(self.decoder.feed(tokens, self.cache))

    def select(self, rows: Tensor) -> None:
        """Keep these rows, in this order; a row may come more than once."""
        self.cache.select(rows)


class BranchingSteps:
    """A decoder in the midst of K captions for each of B rows, which share their beginnings.

    To the blocks, the K beams of a row are K positions, one after the other in its cache, and a mask tells
    which of all these a beam descends from. So a beam that branches copies a row of the mask; keys and values
    stay where they are.

    Args:
        steps: of the B rows, which have not branched yet.
        beams: K.
    """

    def __init__(self, steps: CachedSteps, beams: int) -> None:
        self.decoder, self.cache, self.beams = steps.decoder, steps.cache, beams
        self.position = start = self.cache.length
        rows, device = self.cache.values.shape[2], self.cache.values.device
        places = start + (self.cache.values.shape[-2] - start) * beams
        self.cache.resize(places)
        self.caption = torch.arange(rows, device=device)  # (R,) the row that each beam belongs to, ascending
        self.mask = self.cache.values.new_full((rows, places), -torch.inf)
        self.mask[:, :start] = 0  # (R, S)

    def step(self, tokens: Tensor) -> Tensor:
        """Feed one token (R,) to each beam; return the next one's logits (R, V)."""
        decoder, start = self.decoder, self.cache.length
        beams_left = self.caption.bincount(minlength=self.cache.values.shape[2])  # (B,)
        numbers = torch.arange(self.beams, device=tokens.device)
        packing = Packing.of(numbers < beams_left[:, None])
        own_place = start + packing.index % self.beams
        self.mask.scatter_(1, own_place[:, None], 0)
        mask = packing.unpack(self.mask[:, : start + self.beams])[:, None]  # (B, 1, K, S)
        hidden = decoder.token_embedding(tokens) + decoder.position_embedding.weight[self.position]
        self.position += 1
        return decoder.next_logits(decoder.run_blocks(hidden, self.cache, packing, mask))

    def select(self, rows: Tensor) -> None:
        """Keep these beams, those of a row together; one may come more than once."""
        self.caption, self.mask = self.caption[rows], self.mask[rows]
        open_captions, place = self.caption.unique_consecutive(return_inverse=True)
        if len(open_captions) <= WORTH_SELECTING * self.cache.values.shape[2]:
            self.cache.select(open_captions)
            self.caption = place


def _gelu(hidden: Tensor) -> Tensor:
    """Return GELU in its tanh form, x sigmoid(2 sqrt(2 / pi) (x + 0.044715 x^3)).

    On a CPU PyTorch takes twice as long for it as for these steps, which need the memory that gradients save.
    """
    if torch.is_grad_enabled() or hidden.device.type != "cpu":
        return F.gelu(hidden, approximate="tanh")
    inner = torch.addcmul(hidden, hidden, hidden * hidden, value=0.044715)
    return inner.mul_(math.sqrt(8 / math.pi)).sigmoid_().mul_(hidden)


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=INITIAL_STD)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
