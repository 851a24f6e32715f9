"""Captions with tags and without: what the last step of the lesson compares, and what it opens with."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ..evaluation.gap_sample import GapSample
from ..evaluation.map import Kind
from ..method import VARIANTS, Variant
from ..method.components import Components
from ..method.stages import read_caption
from .views import TagReading

_PLURALS = {"person": "people", "mouse": "mice", "knife": "knives"}  # of COCO's labels that do not just add s


def variant_with_tags(trained: Sequence[str]) -> Variant | None:
    """Return the whole method where it is trained, else the fullest variant that learned with tags.

    Args:
        trained: the names of those that have a decoder.
    """
    return next((v for v in reversed(VARIANTS) if v.tags and v.name in trained), None)


def read_with_tags(
    components: Components,
    sample: GapSample,
    variant: Variant,
    items: Sequence[int],
    given: Sequence[Sequence[str]],
) -> list[TagReading]:
    """Let a decoder that learned with tags write of generated pictures, with some tags and with none.

    Args:
        components: of the profile.
        sample: has the pictures' features.
        variant: whose decoder reads.
        items: B of its captions.
        given: the tags of each.

    Raises:
        CheckpointError: if the decoder is not there.
    """
    rows, device, longest = list(items), components.device, max(1, *map(len, given))
    kind = Kind.REFINED if variant.refine else Kind.GENERATED
    query = sample.features[kind][rows]  # (B, D)
    features = sample.project(query, sample.temperature) if variant.project else query
    if variant.refine and variant.project:
        features = sample.features[Kind.PROJECTED][rows]
    model = components.captioner(sample.corpus, variant)
    assert model.tag_attention is not None
    tags = torch.zeros(len(rows), longest, query.shape[1], device=device)
    mask = torch.zeros(len(rows), longest, dtype=torch.bool, device=device)
    for row, labels in enumerate(given):
        tags[row, : len(labels)] = components.tag_features(labels)
        mask[row, : len(labels)] = True
    asked, read = (torch.from_numpy(np.ascontiguousarray(f)).to(device) for f in (query, features))
    with torch.no_grad():
        _, weights = model.tag_attention(asked, tags, mask)  # (B, H, K + 1)
        twice = model.decode(
            torch.cat([read, read]),
            torch.cat([asked, asked]),
            torch.cat([tags, tags]),
            torch.cat([mask, torch.zeros_like(mask)]),
            alternatives=0,
        )
    texts = [read_caption(one, components.encoder.tokenizer).text.strip() for one in twice]
    shares = weights.mean(dim=1).cpu()  # (B, K + 1)
    return [
        TagReading(
            attention=shares[row, : len(labels)].tolist(),
            with_tags=texts[row],
            without_tags=texts[len(rows) + row],
        )
        for row, labels in enumerate(given)
    ]


@dataclass(frozen=True, order=True)
class Gain:
    """How much a caption gains from tags; the larger of two shows it better.

    A tag is right where the text that the picture was drawn from names the thing.

    Attributes:
        gained: right tags that only the caption with tags names, less those that only the other names.
        named: right tags that the caption with tags names.
        missed: minus the tags that the text does not name.
        cosine: of the picture and its text, the larger where it shows what the text says.
    """

    gained: int
    named: int
    missed: int
    cosine: float


def gain_of(reading: TagReading, tags: Sequence[str], text: str, cosine: float) -> Gain:
    """Compare the two captions of a picture with the text that it was drawn from."""
    right = [tag for tag in tags if names(text, tag)]
    here = {tag for tag in right if names(reading.with_tags, tag)}
    there = {tag for tag in right if names(reading.without_tags, tag)}
    return Gain(
        gained=len(here - there) - len(there - here),
        named=len(here),
        missed=len(right) - len(tags),
        cosine=cosine,
    )


def names(text: str, tag: str) -> bool:
    """Say whether a text has the very word of a tag, or its plural."""
    forms = "|".join(re.escape(form) for form in (tag, f"{tag}s", f"{tag}es", _PLURALS.get(tag, tag)))
    return re.search(rf"\b({forms})\b", text, re.IGNORECASE) is not None
