"""Whether a caption is true of its scene: what it names, how many, where, how things stand to one another.

Metrics compare a caption with other captions. In the emoji world the scene itself is known, so a caption can
be held against it. Captions are read with the grammar's own words: every table of `captions.py` takes part
by what its keys are (settings, relations, numbers), so that a word added there is understood here. Words
that are in no table are passed over, and what a caption leaves unsaid is missing from its recall, not false.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any

from . import captions as grammar
from .catalogue import ACTIVITIES, PEOPLE, THINGS
from .scenes import RELATIONS
from .settings import SETTINGS

ASPECTS = ("things", "counts", "settings", "relations")
WEAK = frozenset({"near", "with"})  # true of any two that stand in some relation
INVERSE = {"in front of": "behind", "behind": "in front of", "above": "under", "under": "above"}
SYMMETRIC = frozenset({"next to"})


@dataclass(frozen=True)
class Claims:
    """What a caption says.

    Attributes:
        things: the labels it names.
        counts: (label, the numbers that its words can mean).
        settings: for each place named, the settings that it can be.
        relations: (first label, the relations that the words can mean, second label).
    """

    things: frozenset[str] = frozenset()
    counts: tuple[tuple[str, frozenset[int]], ...] = ()
    settings: tuple[frozenset[str], ...] = ()
    relations: tuple[tuple[str, frozenset[str], str], ...] = ()


@dataclass
class _Meaning:
    """What a phrase can mean; a phrase in several tables means several things."""

    labels: set[str] = field(default_factory=set)
    is_plural: bool = False
    counts: set[int] = field(default_factory=set)
    settings: set[str] = field(default_factory=set)
    relations: set[str] = field(default_factory=set)
    is_activity: bool = False


@dataclass
class Tally:
    """Right and wrong statements of one aspect over a set of captions.

    Attributes:
        said: statements made.
        true: those that hold.
        there: what could have been said.
        found: how much of it was.
    """

    said: int = 0
    true: int = 0
    there: int = 0
    found: int = 0

    @property
    def precision(self) -> float | None:
        """The share x 100 of what was said that holds; None where nothing was said."""
        return 100 * self.true / self.said if self.said else None

    @property
    def recall(self) -> float | None:
        """The share x 100 of what is there that was said; None where nothing is there."""
        return 100 * self.found / self.there if self.there else None


def read_claims(caption: str) -> Claims:
    """Read what a caption claims, by the longest phrase of the grammar that starts at each word."""
    things: set[str] = set()
    counts: list[tuple[str, frozenset[int]]] = []
    settings: list[frozenset[str]] = []
    relations: list[tuple[str, frozenset[str], str]] = []
    first: str | None = None
    pending: frozenset[int] = frozenset()
    relation: frozenset[str] = frozenset()
    for meaning in _phrases(caption):
        if meaning.labels:
            label = min(meaning.labels)
            things.add(label)
            number = frozenset(meaning.counts) or pending
            if number and not (meaning.is_plural and number == {1}):
                counts.append((label, number))
            if relation and first is not None and first != label:
                relations.append((first, relation, label))
            first = first or label
            pending, relation = frozenset(), frozenset()
        elif meaning.counts:
            pending = frozenset(meaning.counts)
        elif meaning.settings:
            settings.append(frozenset(meaning.settings))
            pending, relation = frozenset(), frozenset()
        elif meaning.relations:
            relation, pending = frozenset(meaning.relations), frozenset()
    return Claims(frozenset(things), tuple(counts), tuple(settings), tuple(relations))


def check(claims: Claims, scene: Mapping[str, Any], tallies: Mapping[str, Tally]) -> None:
    """Add one caption's claims about a scene to the tallies of `ASPECTS`.

    Args:
        claims: of the caption.
        scene: with the keys of `Scene`, as a picture set's annotations hold it.
        tallies: one for each aspect.
    """
    numbers: dict[str, set[int]] = defaultdict(set)
    for group in scene["groups"]:
        numbers[group["label"]].add(int(group["count"]))
    _add(tallies["things"], [label in numbers for label in claims.things], numbers, claims.things)

    about = [(label, number) for label, number in claims.counts if label in numbers]
    right = {label for label, number in about if numbers[label] & number}
    _add(tallies["counts"], [bool(numbers[label] & number) for label, number in about], numbers, right)

    here = scene["setting"]
    true_places = [here in places for places in claims.settings]
    _add(tallies["settings"], true_places, [here], [here] if any(true_places) else [])

    main = scene["groups"][0]["label"]
    pairs = list(zip(scene["relations"], [g["label"] for g in scene["groups"][1:]], strict=False))
    held = [
        {(other, how) for how, other in pairs if _holds(claim, (main, how, other))}
        for claim in claims.relations
    ]
    found = set().union(*held) if held else set()
    _add(tallies["relations"], [bool(pairs) for pairs in held], [(o, h) for h, o in pairs], found)


def measure(folder: Path, captions: Mapping[str, str]) -> dict[str, float | None] | None:
    """Hold captions against the scenes of a picture set.

    Args:
        folder: of the set; its `annotations.json` holds the scenes.
        captions: picture's name -> caption.

    Returns:
        Precision and recall x 100 of each aspect, over all captions together, as "things_precision" and so
        on; or None where the set has no scenes.
    """
    scenes = read_scenes(folder)
    if not scenes.keys() >= captions.keys():
        return None
    tallies = {aspect: Tally() for aspect in ASPECTS}
    for name, caption in captions.items():
        check(read_claims(caption), scenes[name], tallies)
    return {
        f"{aspect}_{figure}": getattr(tally, figure)
        for aspect, tally in tallies.items()
        for figure in ("precision", "recall")
    }


def read_scenes(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the scenes of a picture set by the pictures' names; empty where it has none."""
    path = folder / "annotations.json"
    if not path.is_file():
        return {}
    images = json.loads(path.read_text(encoding="utf-8")).get("images", [])
    return {Path(image["file_name"]).stem: image["scene"] for image in images if "scene" in image}


def _add(tally: Tally, true: list[bool], there: Iterable[Any], found: Iterable[Any]) -> None:
    wanted = set(there)
    tally.said += len(true)
    tally.true += sum(true)
    tally.there += len(wanted)
    tally.found += len(wanted & set(found))


def _holds(claim: tuple[str, frozenset[str], str], fact: tuple[str, str, str]) -> bool:
    (first, words, second), (main, how, other) = claim, fact
    if {first, second} != {main, other}:
        return False
    if words & WEAK or (how in SYMMETRIC and how in words):
        return True
    return (how if first == main else INVERSE.get(how)) in words


def _phrases(caption: str) -> Iterator[_Meaning]:
    """Yield the phrases of a caption that mean something, the longest at each word.

    What people do counts only behind people: a cat "on a horse" sits on one, a man "on a horse" rides.
    """
    lexicon, longest = _lexicon()
    words = [word.strip(".,;:!?()\"'") for word in caption.lower().split()]
    words = [word for word in words if word]
    position, is_person = 0, False
    while position < len(words):
        for length in range(min(longest, len(words) - position), 0, -1):
            meaning = lexicon.get(tuple(words[position : position + length]))
            if meaning is None or (meaning.is_activity and not is_person):
                continue
            yield meaning
            is_person = meaning.labels == {"person"} if meaning.labels else is_person
            position += length
            break
        else:
            position += 1


@cache
def _lexicon() -> tuple[dict[tuple[str, ...], _Meaning], int]:
    """Return every phrase of the grammar with what it can mean, and how many words the longest has."""
    lexicon: dict[tuple[str, ...], _Meaning] = defaultdict(_Meaning)
    for keyed, phrase in _tables(grammar):
        if "{" in phrase:
            continue
        meaning = lexicon[tuple(phrase.split())]
        if isinstance(keyed, int):
            meaning.counts.add(keyed)
        elif keyed in SETTINGS:
            meaning.settings.add(keyed)
        elif keyed in RELATIONS and phrase != "and":  # "and" joins any two
            meaning.relations.add(keyed)
    for activity in ACTIVITIES.values():
        for phrase in activity.phrases:
            lexicon[tuple(phrase.split())].is_activity = True
    lexicon["a",].counts.add(1)
    lexicon["an",].counts.add(1)
    nouns = [(thing.label, pair) for thing in THINGS.values() for pair in thing.nouns]
    nouns += [("person", pair) for pairs in PEOPLE.values() for pair in pairs]
    for label, (singular, plural) in nouns:
        for phrase, is_plural in ((plural, plural != singular), (singular, False)):
            words = tuple(phrase.split())
            lexicon[words] = _Meaning(labels={label}, is_plural=is_plural)
            if not is_plural:
                for article in ("a", "an", "one"):
                    lexicon[article, *words] = _Meaning(labels={label}, counts={1})
    _add_readings(lexicon)
    return dict(lexicon), max(map(len, lexicon))


def _add_readings(lexicon: dict[tuple[str, ...], _Meaning]) -> None:
    """Add what else a noun phrase can be read as: "a pair of skis" is one thing, or two of them."""
    for words, meaning in list(lexicon.items()):
        for cut in range(1, len(words)) if meaning.labels and meaning.counts else ():
            number, noun = lexicon.get(words[:cut]), lexicon.get(words[cut:])
            if number is not None and noun is not None and noun.labels == meaning.labels:
                meaning.counts |= number.counts


def _tables(module: Any) -> Iterator[tuple[Any, str]]:
    """Yield (key, phrase) of all tables of a module: dicts from a key to its phrases, at any depth."""
    for name, value in vars(module).items():
        if not name.startswith("__"):
            yield from _entries(value)


def _entries(value: Any) -> Iterator[tuple[Any, str]]:
    if isinstance(value, Mapping):
        for key, phrases in value.items():
            if isinstance(phrases, str):
                yield key, phrases
            elif isinstance(phrases, list | tuple | set | frozenset):
                yield from ((key, phrase) for phrase in phrases if isinstance(phrase, str))
                for part in phrases:
                    yield from _entries(part)
            else:
                yield from _entries(phrases)
    elif is_dataclass(value) and not isinstance(value, type):
        for part in fields(value):
            yield from _entries(getattr(value, part.name))
