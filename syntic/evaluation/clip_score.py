"""CLIPScore and RefCLIPScore, with the profile's CLIP (Hessel et al., EMNLP 2021).

    CLIPScore    = 2.5 max(cos(picture, caption), 0)
    RefCLIPScore = harmonic mean of CLIPScore and max(max_r cos(caption, reference r), 0)

both x 100 and averaged over the pictures. The paper puts "A photo depicts" before each text; here the text
stands alone, because a small profile's CLIP knows captions only. Another CLIP gives other numbers, so they
compare systems of one profile. Systems that look at CLIP's cosine while they write (MAGIC, ZeroCap) are
favoured by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ..data.tags import TextEncoder
from ..errors import InputError

WEIGHT = 2.5


@torch.no_grad()
def clip_scores(
    features: Tensor,
    captions: Sequence[str],
    references: Sequence[Sequence[str]],
    encoder: TextEncoder,
) -> Mapping[str, float]:
    """Return both scores x 100 as "clip_score" and "ref_clip_score".

    Args:
        features: (B, D) of the pictures, unit norm.
        captions: one for each picture.
        references: the reference captions of each.
        encoder: the same CLIP's text side.

    Raises:
        InputError: if the three are not of the same pictures, or there are none.
    """
    if not captions or not len(features) == len(captions) == len(references):
        raise InputError(
            f"CLIPScore needs one caption and references for each picture, but there are {len(features)} "
            f"pictures, {len(captions)} captions and references of {len(references)}."
        )
    written = encoder.encode_texts(list(captions)).float().cpu()  # (B, D)
    score = WEIGHT * (features.float().cpu() * written).sum(dim=1).clamp(min=0)  # (B,)
    texts = encoder.encode_texts([text for group in references for text in group]).float().cpu()
    groups = texts.split([len(group) for group in references])
    nearest = torch.stack([(group @ row).max() for group, row in zip(groups, written, strict=True)])
    nearest = nearest.clamp(min=0)
    both = 2 * score * nearest / (score + nearest).clamp(min=1e-12)
    return {"clip_score": 100 * float(score.mean()), "ref_clip_score": 100 * float(both.mean())}
