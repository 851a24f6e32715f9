"""Improvements on the paper's training that need no picture either.

Each is a change of what a decoder is shown: in a step of its training alone, or in use as well. They
are ours, not the paper's, so none is on unless a run names it (`train --improvement NAME`), and the
experiment `improvements` says what each gives.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import InputError


@dataclass(frozen=True, kw_only=True)
class Improvement:
    """A change of the training of a variant's decoder.

    Attributes:
        name: on the command line and in checkpoints.
        summary: one sentence for people.
        text_share: the chance that a row of a batch shows, in place of v of the generated picture, v of the
            caption's own text feature, projected in the same way. The decoder then reads both kinds of v,
            and no longer learns what is peculiar to generated pictures.
        hidden_tags: the chance that a tag of a row is hidden. The detector finds less in real pictures than
            in generated ones or the other way round; a decoder that often misses a tag relies on them less.
        image_prefix: whether the prefix also holds the picture's own feature s, beside v and u, in training
            and in use. The projection mixes texts that there are, so what no text says is lost in v: things
            that none names together, say. In s it is still there; the decoder learns what to read where.
    """

    name: str
    summary: str
    text_share: float = 0.0
    hidden_tags: float = 0.0
    image_prefix: bool = False

    def __post_init__(self) -> None:
        """Refuse what are no chances."""
        for name in ("text_share", "hidden_tags"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"`{name}` must lie in 0..1, 1 excluded, but is {getattr(self, name)}.")

    @classmethod
    def parse(cls, name: str) -> Improvement:
        """Return the improvement of that name.

        Raises:
            InputError: if there is none.
        """
        try:
            return IMPROVEMENTS[name.strip().lower()]
        except KeyError:
            raise InputError(
                f"There is no improvement {name!r}; choose one of {', '.join(IMPROVEMENTS)}."
            ) from None

    def mix_views(self, features: Tensor, text_views: Tensor) -> Tensor:
        """Return v (B, D) of a batch, some rows from the captions' own text features.

        Args:
            features: (B, D) v of the generated pictures.
            text_views: (B, D) v of the captions.
        """
        chosen = torch.rand(len(features), 1, device=features.device) < self.text_share
        return torch.where(chosen, text_views, features)

    def hide_tags(self, tag_mask: Tensor) -> Tensor:
        """Return (B, K), True where there is a tag that is still shown."""
        return tag_mask & (torch.rand(tag_mask.shape, device=tag_mask.device) >= self.hidden_tags)


IMPROVEMENTS: dict[str, Improvement] = {
    improvement.name: improvement
    for improvement in (
        Improvement(
            name="text-views",
            summary="a third of the rows show the caption's own text feature, projected alike",
            text_share=1 / 3,
        ),
        Improvement(name="hidden-tags", summary="each tag is hidden in three of ten steps", hidden_tags=0.3),
        Improvement(
            name="image-prefix",
            summary="the decoder also reads the picture's own feature, as it was before the projection",
            image_prefix=True,
        ),
        Improvement(
            name="text-views-and-hidden-tags",
            summary="captions' own features are shown, and tags are hidden",
            text_share=1 / 3,
            hidden_tags=0.3,
        ),
        Improvement(
            name="image-prefix-and-hidden-tags",
            summary="the picture's own feature is read too, and tags are hidden",
            hidden_tags=0.3,
            image_prefix=True,
        ),
    )
}
"""The improvements by name."""
