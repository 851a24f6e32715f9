"""BUTD: one LSTM decides where to look and one speaks, over a detector's regions. An upper bound.

Anderson et al., "Bottom-Up and Top-Down Attention for Image Captioning and Visual Question Answering" (CVPR
2018).

    h1 = LSTM1([h2_before, mean_i v_i, word])      a_i = w . tanh(W_v v_i + W_h h1)
    v  = sum_i softmax(a)_i v_i                    h2  = LSTM2([v, h1]),    p = softmax(W_p h2)

From the paper, as public implementations have it: the two layers and their inputs, and the attention. From
memory: up to 36 regions, the number of the features that its authors published; attention half as wide as
the LSTMs (512 to 1000); beam 5; and that the row of Table 1 is the one trained with cross-entropy, so there
is no second stage on CIDEr here.

Deviations:
- The regions are the profile's detector's: the decoder's embeddings of its best-scoring queries, of a DETR
  or RT-DETR. The paper has pooled features of a Faster R-CNN trained on Visual Genome with attributes, which
  no profile has; a query's embedding likewise says what is there and where.
- The LSTMs are as wide as the profile's decoder. Dropout on what is predicted from, label smoothing and
  optimiser are those of all systems.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..method.search import Steps
from .learning import ModelSizes, PairedLearner, PictureModel, PictureRecipe
from .protocol import View
from .real import PictureFeatures, RealPairs

NAME = "butd"


@dataclass
class State:
    """What the LSTMs remember of B captions, and what they look at.

    Attributes:
        regions: (B, R, W_r).
        keys: (B, R, A) the regions as the attention sees them.
        attention: hidden and cell state (B, W) of the first LSTM.
        language: those of the second.
    """

    regions: Tensor
    keys: Tensor
    attention: tuple[Tensor, Tensor]
    language: tuple[Tensor, Tensor]


class TwoLayerModel(PictureModel):
    """The attention LSTM and the language LSTM.

    Args:
        sizes: `decoder.width` is the LSTMs'.
    """

    def __init__(self, sizes: ModelSizes) -> None:
        super().__init__(sizes)
        width, regions = sizes.decoder.width, sizes.region_width
        self.token_embedding = nn.Embedding(sizes.decoder.vocabulary_size, width)
        self.attention_lstm = nn.LSTMCell(width + regions + width, width)
        self.language_lstm = nn.LSTMCell(regions + width, width)
        self.region_map = nn.Linear(regions, width // 2, bias=False)
        self.hidden_map = nn.Linear(width, width // 2, bias=False)
        self.attention = nn.Linear(width // 2, 1, bias=False)
        self.output = nn.Linear(width, sizes.decoder.vocabulary_size)

    def forward(self, pictures: PictureFeatures, tokens: Tensor) -> Tensor:
        """Return the logits (B, L, V) of the token after each of (B, L)."""
        state = self.look(pictures)
        return torch.stack([self.advance(state, token) for token in tokens.T], dim=1)

    def begin(self, pictures: PictureFeatures) -> tuple[Tensor, Steps]:
        """Return the first token's logits (B, V), and what predicts those that follow."""
        steps = LstmSteps(self, self.look(pictures))
        start = torch.full((len(pictures),), self.sizes.decoder.start_id, device=steps.state.keys.device)
        return steps.step(start), steps

    def look(self, pictures: PictureFeatures) -> State:
        """Begin the captions of B pictures."""
        assert pictures.regions is not None
        nothing = pictures.features.new_zeros(len(pictures), self.sizes.decoder.width)
        keys = self.region_map(pictures.regions)
        return State(pictures.regions, keys, (nothing, nothing), (nothing, nothing))

    def advance(self, state: State, tokens: Tensor) -> Tensor:
        """Feed one token (B,) to each row; return the next one's logits (B, V)."""
        words = self.token_embedding(tokens)
        inputs = torch.cat([state.language[0], state.regions.mean(dim=1), words], dim=1)
        state.attention = self.attention_lstm(inputs, state.attention)
        shares = self.attend(state)
        looked_at = (shares[..., None] * state.regions).sum(dim=1)  # (B, W_r)
        state.language = self.language_lstm(torch.cat([looked_at, state.attention[0]], dim=1), state.language)
        spoken = F.dropout(state.language[0], self.sizes.decoder.dropout, self.training)
        logits: Tensor = self.output(spoken)
        return logits

    def attend(self, state: State) -> Tensor:
        """Return (B, R) the share of each region; rows sum to 1."""
        mixed = (state.keys + self.hidden_map(state.attention[0])[:, None]).tanh()  # (B, R, A)
        shares: Tensor = self.attention(mixed).squeeze(-1).softmax(dim=-1)
        return shares


class LstmSteps:
    """The LSTMs in the midst of their captions."""

    def __init__(self, model: TwoLayerModel, state: State) -> None:
        self.model = model
        self.state = state

    def step(self, tokens: Tensor) -> Tensor:
        """Feed one token (B,) to each row; return the next one's logits (B, V)."""
        return self.model.advance(self.state, tokens)

    def select(self, rows: Tensor) -> None:
        """Keep these rows, in this order."""
        (h1, c1), (h2, c2) = self.state.attention, self.state.language
        self.state = State(
            self.state.regions[rows], self.state.keys[rows], (h1[rows], c1[rows]), (h2[rows], c2[rows])
        )


RECIPE = PictureRecipe(
    name=NAME,
    trains_on=RealPairs,
    make_model=TwoLayerModel,
    make_learner=PairedLearner,
    views=frozenset({View.REGIONS}),
)
