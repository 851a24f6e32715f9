"""CLIPRe: the caption of the corpus that CLIP finds nearest to the picture.

Su et al., "Language Models Can See: Plugging Visual Controls in Text Generation" (MAGIC, 2022), where it
is the retrieval baseline. It has no settings and trains nothing. No deviation.
"""

from __future__ import annotations

import torch

from ..method import SupportSet, project_onto_support
from ..method.search import OnToken
from ..types import CaptionTrace
from .decoding import EVIDENCE
from .protocol import NO_VIEWS, Captioned, EncodedPictures, SupportText, TextOnly

NAME = "clipre"


class ClipRetrieval:
    """Retrieves the caption with the highest cosine.

    Args:
        texts: the corpus.
        device: where its features are compared.
    """

    name = NAME
    trains_on = TextOnly
    views = NO_VIEWS
    decoding = "retrieval"

    def __init__(self, texts: TextOnly, device: torch.device) -> None:
        self.support: SupportSet = texts.support_set(device)

    def caption(self, pictures: EncodedPictures, on_token: OnToken | None = None) -> list[Captioned]:
        """Return the nearest caption of each picture; the evidence is it and the next ones.

        The search is Eq. 3's: it reads the corpus once, in chunks, and keeps the largest cosines. It chooses
        no tokens, so `on_token` is never called.
        """
        if not len(pictures.features):
            return []
        found = project_onto_support(pictures.features, self.support, top_k=EVIDENCE)
        captions = []
        for indices, similarities in zip(
            found.top_indices.tolist(), found.top_similarities.tolist(), strict=True
        ):
            support = [
                SupportText(caption=self.support.captions[i], similarity=s, weight=float(rank == 0))
                for rank, (i, s) in enumerate(zip(indices, similarities, strict=True))
            ]
            trace = CaptionTrace(text=support[0].caption, tokens=[], beams=[])
            captions.append(Captioned(trace=trace, support=support, similarity=similarities[0]))
        return captions
