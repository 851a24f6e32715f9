"""Barraco et al.: CLIP's features before pooling, into a transformer encoder and decoder. An upper bound.

Barraco, Cornia, Cascianelli, Baraldi and Cucchiara, "The Unreasonable Effectiveness of CLIP Features for
Image Captioning: An Experimental Analysis" (CVPR workshops 2022).

    memory = Encoder(grid),    p(w_i | w_<i, grid) = Decoder(w_<i, memory)

What makes it that system: the grid of a frozen CLIP image tower instead of one feature or a detector's
regions, self-attention over it, and cross-attention to it from every layer of the decoder. From memory, the
row of Table 1 is the one trained with cross-entropy, so there is no second stage on CIDEr here.

Deviations:
- Sizes are the profile's decoder's, encoder and decoder alike (4 layers, 4 heads); from memory, the paper
  has three layers of width 512 and 8 heads, as the authors' earlier captioners.
- Blocks are pre-norm with GELU and tied embeddings, as the profile's decoder; dropout, label smoothing and
  optimiser are those of all systems.
- Beam 5, from memory.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..method import DecoderConfig
from ..method.decoder import INITIAL_STD, DecoderBlock, KeyValueCache
from ..method.search import Steps
from .learning import ModelSizes, PairedLearner, PictureModel, PictureRecipe
from .protocol import View
from .real import PictureFeatures, RealPairs

NAME = "barraco"


class CrossBlock(nn.Module):
    """A block of the profile's decoder with attention to a memory between its two halves."""

    def __init__(self, config: DecoderConfig, layer: int) -> None:
        super().__init__()
        self.block = DecoderBlock(config, layer)
        self.memory_norm = nn.LayerNorm(config.width)
        self.memory_attention = nn.MultiheadAttention(
            config.width, config.heads, dropout=config.dropout, batch_first=True
        )

    def forward(self, hidden: Tensor, memory: Tensor, cache: KeyValueCache | None) -> Tensor:
        """Map (B, T, W), with a memory (B, G, W), to (B, T, W)."""
        hidden = self.block.attend(hidden, cache)
        found, _ = self.memory_attention(self.memory_norm(hidden), memory, memory, need_weights=False)
        return self.block.feed_forward(hidden + F.dropout(found, self.block.dropout, self.training))


class GridModel(PictureModel):
    """A transformer encoder over a grid and a decoder that attends to it.

    Args:
        sizes: of both.
    """

    def __init__(self, sizes: ModelSizes) -> None:
        super().__init__(sizes)
        config = sizes.decoder
        self.grid_map = nn.Linear(sizes.grid_width, config.width)
        layer = nn.TransformerEncoderLayer(
            config.width,
            config.heads,
            4 * config.width,
            config.dropout,
            activation="gelu",
            batch_first=True,
            norm_first=True,
        )
        self.encoder = nn.TransformerEncoder(
            layer, config.layers, norm=nn.LayerNorm(config.width), enable_nested_tensor=False
        )
        self.token_embedding = nn.Embedding(config.vocabulary_size, config.width)
        self.position_embedding = nn.Embedding(1 + config.max_tokens, config.width)
        self.blocks = nn.ModuleList(CrossBlock(config, layer) for layer in range(config.layers))
        self.final_norm = nn.LayerNorm(config.width)
        for embedding in (self.token_embedding, self.position_embedding):
            nn.init.normal_(embedding.weight, std=INITIAL_STD)

    def forward(self, pictures: PictureFeatures, tokens: Tensor) -> Tensor:
        """Return the logits (B, L, V) of the token after each of (B, L)."""
        return self.decode_tokens(tokens, self.remember(pictures), None)

    def begin(self, pictures: PictureFeatures) -> tuple[Tensor, Steps]:
        """Return the first token's logits (B, V), and what predicts those that follow."""
        memory = self.remember(pictures)
        steps = GridSteps(self, memory)
        start = torch.full((len(pictures),), self.sizes.decoder.start_id, device=memory.device)
        return steps.step(start), steps

    def remember(self, pictures: PictureFeatures) -> Tensor:
        """Encode the grids; return the memory (B, G, W)."""
        assert pictures.grids is not None
        memory: Tensor = self.encoder(self.grid_map(pictures.grids))
        return memory

    def decode_tokens(self, tokens: Tensor, memory: Tensor, cache: KeyValueCache | None) -> Tensor:
        """Return the logits (B, L, V) after tokens (B, L), which follow what the cache holds."""
        start = 0 if cache is None else cache.length
        hidden = self.token_embedding(tokens)
        hidden = hidden + self.position_embedding.weight[start : start + tokens.shape[1]]
        hidden = F.dropout(hidden, self.sizes.decoder.dropout, self.training)
        for block in self.blocks:
            hidden = block(hidden, memory, cache)
        if cache is not None:
            cache.length += tokens.shape[1]
        logits: Tensor = self.final_norm(hidden) @ self.token_embedding.weight.T
        return logits


class GridSteps:
    """The decoder in the midst of its captions."""

    def __init__(self, model: GridModel, memory: Tensor) -> None:
        self.model = model
        self.memory = memory
        self.cache = KeyValueCache(model.sizes.decoder, len(memory), memory)

    def step(self, tokens: Tensor) -> Tensor:
        """Feed one token (B,) to each row; return the next one's logits (B, V)."""
        return self.model.decode_tokens(tokens[:, None], self.memory, self.cache)[:, -1]

    def select(self, rows: Tensor) -> None:
        """Keep these rows, in this order."""
        self.memory = self.memory[rows]
        self.cache.select(rows)


RECIPE = PictureRecipe(
    name=NAME,
    trains_on=RealPairs,
    make_model=GridModel,
    make_learner=PairedLearner,
    views=frozenset({View.GRIDS}),
)
