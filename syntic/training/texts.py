"""The training data of a text-only system: a corpus' text features, as the system's recipe has them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..baselines import TextOnly, TextRecipe
from ..method.tokens import encode_captions
from .preparation import TextModel, TrainingData


@dataclass(frozen=True, kw_only=True)
class TextTrainingData(TrainingData):
    """Training data without any picture, generated ones included.

    Attributes:
        recipe: what becomes of the text features in each step.
    """

    recipe: TextRecipe

    def batch(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None, Tensor]:
        """Return the arguments of `CaptionModel.loss` for some rows; features follow the recipe."""
        _, texts, tag_features, tag_mask, tokens = super().batch(rows)
        return self.recipe.training_features(texts), texts, tag_features, tag_mask, tokens


def prepare_texts(
    texts: TextOnly,
    recipe: TextRecipe,
    text_model: TextModel,
    *,
    max_tokens: int,
    device: torch.device | None = None,
) -> TextTrainingData:
    """Make the training data of a text-only system.

    No picture has a way in: `TextOnly` holds captions and their text features alone.

    Args:
        texts: N captions with their CLIP text features.
        recipe: the system's.
        text_model: for its tokenizer.
        max_tokens: captions are cut there.
        device: where to keep the result; None is the CPU.
    """
    device = device or torch.device("cpu")
    features = texts.features.to(device)
    tokens, lengths = encode_captions(texts.captions, text_model.tokenizer, max_tokens)
    return TextTrainingData(
        features=features,
        query=features,
        tokens=tokens.to(device),
        lengths=lengths.to(device),
        tag_positions=None,
        tag_table=None,
        recipe=recipe,
    )
