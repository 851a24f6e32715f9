"""Pictures to captions by one trained decoder: the part that most systems share.

SynTIC's eight variants, DeCap, CapDec and CLOSE differ in what their decoder was trained on. What it gets
at inference follows from its variant: the picture's feature, projected or as it is, and tags where it
attends to them.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from ..data.features import FeatureStore
from ..data.tags import MAX_TAGS, TagTable, TextEncoder
from ..errors import InputError
from ..method import CaptionModel, Decoded, Projection, SupportSet, project_onto_support
from ..method.search import OnToken
from ..method.stages import read_caption
from ..models import CaptionTokenizer
from .protocol import BATCH, NO_VIEWS, Captioned, EncodedPictures, SupportText, TextOnly

EVIDENCE = 5  # support texts, and other tokens at each step, that are reported


@torch.no_grad()
def decode_pictures(
    model: CaptionModel,
    pictures: EncodedPictures,
    *,
    support: SupportSet | None = None,
    temperature: float = 0.01,
    text_encoder: TextEncoder | None = None,
    max_tags: int = MAX_TAGS,
    decoding: str = "greedy",
    beam_size: int = 5,
    evidence: int = EVIDENCE,
    on_token: OnToken | None = None,
) -> Iterator[tuple[list[Decoded], Projection | None]]:
    """Decode pictures batch by batch, as the paper does: project, attend to tags, decode.

    Args:
        model: a trained decoder, in evaluation mode.
        pictures: B of them.
        support: what Eq. 3 projects onto; needed where the model's variant projects.
        temperature: of Eq. 3.
        text_encoder: CLIP's text side; needed where the variant has tags.
        max_tags: tags per picture, best first.
        decoding: "greedy" or "beam".
        beam_size: of "beam".
        evidence: support texts, and other tokens at each step, to report.
        on_token: called before each token is chosen; what it raises ends the work.

    Yields:
        For each batch what was decoded and the projection, or None where there was none.

    Raises:
        InputError: if the variant needs a support set or an encoder that was not given.
    """
    variant, device = model.variant, next(model.parameters()).device
    if variant.project and support is None:
        raise InputError(f"The decoder {variant.name!r} projects its features; give it a support set.")
    if variant.tags and text_encoder is None:
        raise InputError(f"The decoder {variant.name!r} attends to tags; give it CLIP's text side.")
    table = TagTable(text_encoder, pictures.tags, max_tags) if variant.tags and text_encoder else None
    for start in range(0, len(pictures.features), BATCH):
        rows = slice(start, start + BATCH)
        query = pictures.features[rows].to(device)  # (B, D)
        features, projection = query, None
        if variant.project and support is not None:
            projection = project_onto_support(query, support, temperature=temperature, top_k=max(evidence, 1))
            features = projection.features
        tag_features = tag_mask = None
        if table is not None:
            tag_features, tag_mask = (
                t.to(device) for t in table.gather(table.positions(pictures.tags[rows]))
            )
        decoded = model.decode(
            features,
            query,
            tag_features,
            tag_mask,
            decoding=decoding,
            beam_size=beam_size,
            alternatives=evidence,
            on_token=on_token,
        )
        yield decoded, projection


class DecoderCaptioner:
    """A system that is one trained decoder: an adapter to `Captioner`.

    Args:
        name: of the system.
        model: its decoder, in evaluation mode.
        tokenizer: that it was trained with.
        trains_on: the type of what it learned from.
        support: what its features are projected onto, where its variant projects.
        temperature: of Eq. 3.
        text_encoder: CLIP's text side, where its variant has tags.
        decoding: "greedy" or "beam".
        beam_size: of "beam".
    """

    views = NO_VIEWS

    def __init__(
        self,
        name: str,
        model: CaptionModel,
        tokenizer: CaptionTokenizer,
        *,
        trains_on: type[TextOnly] | type[FeatureStore],
        support: SupportSet | None = None,
        temperature: float = 0.01,
        text_encoder: TextEncoder | None = None,
        decoding: str = "greedy",
        beam_size: int = 5,
    ) -> None:
        self.name = name
        self.model = model
        self.tokenizer = tokenizer
        self.trains_on = trains_on
        self.support = support
        self.temperature = temperature
        self.text_encoder = text_encoder
        self.decoding = decoding
        self.beam_size = beam_size

    def caption(self, pictures: EncodedPictures, on_token: OnToken | None = None) -> list[Captioned]:
        """Caption B pictures; the evidence is the decoded tokens and the captions projected onto."""
        captions: list[Captioned] = []
        for decoded, projection in decode_pictures(
            self.model,
            pictures,
            support=self.support,
            temperature=self.temperature,
            text_encoder=self.text_encoder,
            decoding=self.decoding,
            beam_size=self.beam_size,
            on_token=on_token,
        ):
            for row, result in enumerate(decoded):
                captions.append(
                    Captioned(
                        trace=read_caption(result, self.tokenizer),
                        support=[] if projection is None else self._support_of(projection, row),
                    )
                )
        return captions

    def _support_of(self, projection: Projection, row: int) -> list[SupportText]:
        assert self.support is not None
        return [
            SupportText(caption=self.support.captions[index], similarity=similarity, weight=weight)
            for index, similarity, weight in zip(
                projection.top_indices[row].tolist(),
                projection.top_similarities[row].tolist(),
                projection.top_weights[row].tolist(),
                strict=True,
            )
        ]
