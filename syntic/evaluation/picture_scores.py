"""CIDEr-D of single captions, with the words' weights taken from the references of a whole test set.

A table's CIDEr is a mean over pictures; this is one term of that mean. Vedantam et al., "CIDEr:
Consensus-based Image Description Evaluation" (CVPR 2015), in the form CIDEr-D that COCO's evaluation and
pycocoevalcap compute: n-grams of 1 to 4 words, clipped counts, a Gaussian penalty of standard deviation 6
on the difference in length. Words are split by `tokenize_simply`, so no Java is needed; on plain captions
that is what the Penn Treebank tokenizer makes of them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..errors import InputError
from .metrics import tokenize_simply

LONGEST = 4  # words of an n-gram
LENGTH_DEVIATION = 6.0

_Gram = tuple[str, ...]


@dataclass(frozen=True)
class _Weighted:
    """A caption as weighted n-grams: for each n a mapping and its norm; and its length in pairs of words."""

    weights: tuple[dict[_Gram, float], ...]
    norms: tuple[float, ...]
    length: int


class PictureScorer:
    """Scores captions against references, one picture at a time.

    Args:
        references: picture -> its reference captions; their n-grams say how telling each n-gram is.

    Raises:
        InputError: if there are none.
    """

    def __init__(self, references: Mapping[str, Sequence[str]]) -> None:
        if not references:
            raise InputError("There are no reference captions to weigh words by.")
        self.pictures = len(references)
        self._documents: Counter[_Gram] = Counter()
        self._weighted: dict[str, _Weighted] = {}
        for captions in references.values():
            self._documents.update({gram for words in tokenize_simply(captions) for gram in _grams(words)})

    def cider(self, caption: str, references: Sequence[str]) -> float:
        """Return CIDEr-D x 100 of one caption; 0 where nothing is shared, 1000 for the reference itself."""
        if not references:
            raise InputError("This picture has no reference captions.")
        own = self._weigh(caption)
        total = sum(_similarity(own, self._weigh(reference)) for reference in references)
        return 100 * 10 * total / len(references)

    def _weigh(self, caption: str) -> _Weighted:
        if caption not in self._weighted:
            self._weighted[caption] = self._weigh_anew(caption)
        return self._weighted[caption]

    def _weigh_anew(self, caption: str) -> _Weighted:
        weights: tuple[dict[_Gram, float], ...] = tuple({} for _ in range(LONGEST))
        length = 0
        for gram, count in Counter(_grams(tokenize_simply([caption])[0])).items():
            telling = math.log(self.pictures) - math.log(max(1.0, self._documents[gram]))
            weights[len(gram) - 1][gram] = count * telling
            length += count if len(gram) == 2 else 0  # pairs of words, as pycocoevalcap counts the length
        norms = tuple(math.sqrt(sum(value**2 for value in grams.values())) for grams in weights)
        return _Weighted(weights, norms, length)


def _similarity(caption: _Weighted, reference: _Weighted) -> float:
    """Return the mean over n of the clipped cosines, less what the difference in length costs, 0..1."""
    total = 0.0
    for grams, others, norm, other_norm in zip(
        caption.weights, reference.weights, caption.norms, reference.norms, strict=True
    ):
        shared = sum(
            min(value, others[gram]) * others[gram] for gram, value in grams.items() if gram in others
        )
        if norm and other_norm:
            total += shared / (norm * other_norm)
    difference = caption.length - reference.length
    return total / LONGEST * math.exp(-(difference**2) / (2 * LENGTH_DEVIATION**2))


def _grams(line: str) -> list[_Gram]:
    words = line.split()
    return [
        tuple(words[start : start + n]) for n in range(1, LONGEST + 1) for start in range(len(words) - n + 1)
    ]
