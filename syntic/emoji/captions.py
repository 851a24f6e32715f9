"""Captions: what people write under a scene, from a grammar with synonyms and things left unsaid.

Every caption is lower case without punctuation, as COCO's captions look after tokenisation. No
caption says left or right, so a mirrored picture keeps its captions. Three hands write: see `hands/`.
"""

from __future__ import annotations

import numpy as np

from ..errors import InputError
from .hands import everyday, people, web
from .scenes import Hand, Scene

LONGEST = 24
"""Words of a full caption where it can be helped; models read some thirty."""

_FULL = {"everyday": everyday.write_full, "people": people.write_full, "web": web.write_full}
_PARTIAL = {"everyday": everyday.write_partial, "people": people.write_partial, "web": web.write_partial}


def write_captions(
    scene: Scene, rng: np.random.Generator, count: int = 5, hand: Hand = "everyday"
) -> list[str]:
    """Write `count` captions of a scene, the first of which leaves nothing out.

    The others differ in words and in what they mention, as the captions of five people do.

    Args:
        scene: what is there.
        rng: draws words and what is left unsaid.
        count: how many captions.
        hand: who writes; `people` needs a scene that begins with people or animals.

    Raises:
        InputError: if the hand is unknown or does not write about such a scene.
    """
    if hand not in _FULL:
        raise InputError(f"There is no hand '{hand}'; choose one of: {', '.join(_FULL)}.")
    captions = [_FULL[hand](scene, rng)]
    for _ in range(12):
        if len(captions[0].split()) > LONGEST:
            captions = [min(captions[0], _FULL[hand](scene, rng), key=lambda caption: len(caption.split()))]
    attempts = 0
    while len(captions) < count:
        caption = _PARTIAL[hand](scene, rng)
        attempts += 1
        if caption not in captions or attempts > 20:
            captions.append(caption)
    return captions
