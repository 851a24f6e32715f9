"""Watching a run: captions of real pictures, scored, and kept away from the optimiser."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..data.tags import MAX_TAGS, TextEncoder
from ..evaluation import metrics
from ..evaluation.pictures import Pictures, TokenDecoder, caption_pictures
from ..method import CaptionModel, SupportSet


@dataclass(frozen=True, kw_only=True)
class Validator:
    """Captions the validation pictures and measures CIDEr.

    This is the only object that knows real pictures in the training of SynTIC and of text-only systems. It
    gets a model and gives back a number, which is recorded; for no system do gradients or the choice of
    weights depend on it.

    Attributes:
        pictures: features and tags of the validation pictures.
        references: picture -> its reference captions.
        text_encoder: CLIP, for the tags.
        tokenizer: of the captions.
        temperature: of Eq. 3.
        max_tags: tags per picture.
        samples: how many captions to show with each score.
    """

    pictures: Pictures
    references: Mapping[str, Sequence[str]]
    text_encoder: TextEncoder
    tokenizer: TokenDecoder
    temperature: float
    max_tags: int = MAX_TAGS
    samples: int = 5

    def score(self, model: CaptionModel, support: SupportSet) -> tuple[float, list[tuple[str, str]]]:
        """Return CIDEr x 100 and a few (picture, caption) pairs, always of the same pictures."""
        model.eval()
        captions = caption_pictures(
            model,
            self.pictures,
            tokenizer=self.tokenizer,
            text_encoder=self.text_encoder,
            support=support,
            temperature=self.temperature,
            max_tags=self.max_tags,
        )
        return self.score_captions(captions)

    def score_captions(self, captions: Sequence[str]) -> tuple[float, list[tuple[str, str]]]:
        """Return the same of captions of its pictures, in their order, from any system."""
        named = dict(zip(self.pictures.names, captions, strict=True))
        stride = max(1, len(named) // max(self.samples, 1))
        return metrics.cider(self.references, named), list(named.items())[::stride][: self.samples]
