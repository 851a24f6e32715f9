"""Which of a detector's labels a caption names: the bridge between unpaired pictures and texts.

Feng et al. and Laina et al. both rest on it. A label counts as named where it or its plural stands in the
caption as a whole; people are named in more ways than "person".
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..errors import DataError
from ..models import CaptionTokenizer

OTHER_NAMES = {
    "person": ("man", "men", "woman", "women", "people", "boy", "girl", "child", "children", "kid", "lady"),
}
IRREGULAR_PLURALS = {
    "sheep": "sheep",
    "knife": "knives",
    "mouse": "mice",
    "skis": "skis",
    "scissors": "scissors",
}


def names_of(label: str) -> list[str]:
    """Return the words that name a label: itself, its plural, and what else it is called."""
    known = [label, *OTHER_NAMES.get(label, ())]
    return list(dict.fromkeys([*known, *(plural(name) for name in known)]))


def plural(name: str) -> str:
    """Return the plural of a noun, made on its last word."""
    before, space, last = name.rpartition(" ")
    if last in IRREGULAR_PLURALS:
        return f"{before}{space}{IRREGULAR_PLURALS[last]}"
    if last.endswith(("s", "x", "ch", "sh")):
        return f"{name}es"
    if last.endswith("y") and last[-2:-1] not in tuple("aeiou"):
        return f"{name[:-1]}ies"
    return f"{name}s"


class ConceptFinder:
    """Finds labels in captions by their token ids, so that each is found at a place.

    Args:
        labels: K concepts.
        tokenizer: of the captions; words must be encoded alike wherever they stand.
    """

    def __init__(self, labels: Sequence[str], tokenizer: CaptionTokenizer) -> None:
        self.labels = list(labels)
        self._positions = {label: row for row, label in enumerate(self.labels)}
        self._names: dict[int, list[tuple[list[int], int]]] = {}  # first token -> (tokens, concept)
        for row, label in enumerate(self.labels):
            for name in names_of(label):
                tokens = tokenizer.encode(name)
                if tokenizer.decode(tokens) == name:  # else it has words that the tokenizer does not know
                    self._names.setdefault(tokens[0], []).append((tokens, row))

    def find(self, tokens: Sequence[int]) -> dict[int, int]:
        """Return concept -> position of the last token of its first name in a caption."""
        found: dict[int, int] = {}
        for start, token in enumerate(tokens):
            for name, concept in self._names.get(token, ()):
                if list(tokens[start : start + len(name)]) == name:
                    found.setdefault(concept, start + len(name) - 1)
        return found

    def of_captions(self, rows: Tensor) -> Tensor:
        """Return which concepts (N, K) the captions of N rows of tokens name, as 0 and 1."""
        result = torch.zeros(len(rows), len(self.labels))
        for row, tokens in enumerate(rows.tolist()):
            result[row, list(self.find(tokens))] = 1
        return result

    def of_pictures(self, tags: Sequence[Sequence[str]]) -> Tensor:
        """Return which concepts (P, K) the tags of P pictures name, as 0 and 1."""
        result = torch.zeros(len(tags), len(self.labels))
        for row, labels in enumerate(tags):
            result[row, [self._positions[label] for label in labels if label in self._positions]] = 1
        return result


def concept_labels(tags: Sequence[Sequence[str]]) -> list[str]:
    """Return every label that was found in some picture, in alphabetical order.

    Raises:
        DataError: if nothing was found in any.
    """
    found = sorted({label for labels in tags for label in labels})
    if not found:
        raise DataError(
            f"The detector found nothing in any of the {len(tags)} training pictures; take other pictures or "
            "lower the profile's detector threshold."
        )
    return found
