"""What a caption names: the way back from its words to the labels of things."""

from __future__ import annotations

import re
from functools import cache

from .catalogue import ACTIVITIES, PEOPLE, THINGS
from .grammar import finite, of_several
from .phrases import KINDS, PLACE_KEYWORDS, PLACES, ROLES, TIMES


def named_labels(caption: str) -> set[str]:
    """Return the labels of all that a caption of any hand names.

    The longest phrase counts: a hot dog is no dog, a bike that somebody rides is part of the riding,
    and an orange sky is no fruit.
    """
    labels, pattern = _phrases()
    return {label for match in pattern.finditer(caption) if (label := labels[match[0]])}


@cache
def _phrases() -> tuple[dict[str, str], re.Pattern[str]]:
    """Phrase -> label, "" for a phrase that names nothing; and the pattern that finds them."""
    labels: dict[str, str] = {}
    for table in (TIMES, PLACES, PLACE_KEYWORDS):
        labels |= dict.fromkeys((words for options in table.values() for words in options), "")
    for activity in ACTIVITIES.values():
        for participle in {*activity.phrases, *map(of_several, activity.phrases)}:
            labels |= dict.fromkeys((participle, finite(participle, 1), finite(participle, 2)), "")
    for pairs in (*PEOPLE.values(), *KINDS.values(), *ROLES.values()):
        labels |= dict.fromkeys((noun for pair in pairs for noun in pair), "person")
    for thing in THINGS.values():
        labels |= dict.fromkeys((noun for pair in thing.nouns for noun in pair), thing.label)
    longest_first = sorted(labels, key=len, reverse=True)
    return labels, re.compile(rf"\b(?:{'|'.join(map(re.escape, longest_first))})\b")
