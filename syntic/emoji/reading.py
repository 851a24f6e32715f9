"""What a caption says: the way back from the words of any hand to things, numbers, places and relations.

The tables that captions are written with are the ones that they are read with, so a word added there is
understood here. Words that are in no table are passed over.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

from .catalogue import ACTIVITIES, COLOURS, PEOPLE, THINGS
from .grammar import finite, of_several
from .phrases import (
    CLOTHES,
    CLOTHES_OF_SEVERAL,
    COUNT_KEYWORDS,
    COUNTS,
    GARMENTS,
    GARMENTS_OF_SEVERAL,
    IN_WATER,
    INDOOR_TIMES,
    KINDS,
    ON_SURFACE,
    ON_WATER,
    OPENINGS,
    OVERHEAD,
    PLACE_KEYWORDS,
    PLACES,
    POSITIONS,
    PRONOUNS,
    RELATIONS,
    ROLES,
    SCENERY,
    SEXES,
    SIZES,
    TIME_KEYWORDS,
    TIMES,
    WEATHER,
    WEATHER_KEYWORDS,
    Words,
)

Key = TypeVar("Key", int, str)

_ARTICLES = ("a", "an", "one")
_SCENERY = {name: tuple(words.split(" ", 1)[1] for words in options) for name, options in SCENERY.items()}
"""Without the articles, which alt text leaves out."""

_SETTING_TABLES = (PLACES, ON_WATER, IN_WATER, ON_SURFACE, _SCENERY, PLACE_KEYWORDS)
_COUNT_TABLES = (COUNTS, COUNT_KEYWORDS)
_POSITION_TABLES = (POSITIONS, {"under": OVERHEAD})
_TIME_TABLES = (TIMES, INDOOR_TIMES, TIME_KEYWORDS)
_WEATHER_TABLES = (*WEATHER.values(), WEATHER_KEYWORDS)
"""When it is and in what weather, of which no claim is made: an orange sky is no fruit."""


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


@dataclass(frozen=True, kw_only=True)
class _Meaning:
    """What a phrase means; nothing, if it only has to be told from phrases that mean something.

    Attributes:
        label: of the things that it names.
        is_plural: whether it can only name several.
        counts: the numbers that it can state.
        settings: what the place that it names can be.
        relations: how what stands before it can stand to what comes after it.
        positions: how the first thing of a caption can stand to the last one named.
        is_activity: whether it says what people do, and means nothing behind anything else.
        aspect: what it speaks of where it makes no claim, as the time or a colour.
    """

    label: str = ""
    is_plural: bool = False
    counts: frozenset[int] = frozenset()
    settings: frozenset[str] = frozenset()
    relations: frozenset[str] = frozenset()
    positions: frozenset[str] = frozenset()
    is_activity: bool = False
    aspect: str = ""


@dataclass(frozen=True)
class _Lexicon:
    """Every phrase with its meaning, and the lengths of those that begin with a word, longest first."""

    meanings: Mapping[tuple[str, ...], _Meaning]
    lengths: Mapping[str, tuple[int, ...]]


def named_labels(caption: str) -> set[str]:
    """Return the labels of all that a caption of any hand names.

    The longest phrase counts: a hot dog is no dog, a bike that somebody rides is part of the riding,
    and an orange sky is no fruit.
    """
    return {meaning.label for meaning in _phrases(caption) if meaning.label}


def names_several(caption: str) -> bool:
    """Whether a caption names two things or more, be they of one kind or of several."""
    claims = read_claims(caption)
    stated = any(1 not in numbers for _, numbers in claims.counts)
    return len(claims.things) > 1 or stated or any(meaning.is_plural for meaning in _phrases(caption))


def aspects(caption: str) -> frozenset[str]:
    """Return what a caption speaks of: labels, and which of number, place, time, weather, clothes and so on.

    Two captions that say the same in other words speak of the same.
    """
    spoken: set[str] = set()
    for meaning in _phrases(caption):
        named = {
            meaning.label: True,
            meaning.aspect: True,
            "number": meaning.is_plural or 1 not in (meaning.counts or {1}),
            "place": meaning.settings,
            "relation": meaning.relations or meaning.positions,
            "activity": meaning.is_activity,
        }
        spoken.update(aspect for aspect, is_named in named.items() if aspect and is_named)
    return frozenset(spoken)


def read_claims(caption: str) -> Claims:
    """Read what a caption of any hand claims, by the longest phrase that starts at each word."""
    things: set[str] = set()
    counts: list[tuple[str, frozenset[int]]] = []
    settings: list[frozenset[str]] = []
    relations: list[tuple[str, frozenset[str], str]] = []
    first = last = ""
    number: frozenset[int] = frozenset()
    relation: frozenset[str] = frozenset()
    for meaning in _phrases(caption):
        if meaning.aspect:
            continue
        if meaning.label:
            last = meaning.label
            things.add(last)
            number = meaning.counts or number
            if number and not (meaning.is_plural and number == {1}):
                counts.append((last, number))
            if relation and first not in ("", last):
                relations.append((first, relation, last))
            first = first or last
            relation = frozenset()
        elif meaning.settings:
            settings.append(meaning.settings)
            relation = frozenset()
        elif meaning.positions and first != last:
            if relations and relations[-1] == (first, frozenset({"with"}), last):
                relations.pop()  # "with a couch behind her" says one thing
            relations.append((first, meaning.positions, last))
        elif meaning.relations:
            relation = meaning.relations
        number = frozenset() if meaning.label else meaning.counts
    return Claims(frozenset(things), tuple(counts), tuple(settings), tuple(relations))


def _phrases(caption: str) -> Iterator[_Meaning]:
    """Yield the phrases of a caption that mean something, the longest at each word.

    What people do counts only behind people: a cat "in a small boat" sits in one, a man rows.
    """
    lexicon = _lexicon()
    words = [word.strip(".,;:!?()\"'") for word in caption.lower().split()]
    words = [word for word in words if word]
    position, is_person = 0, False
    while position < len(words):
        for length in lexicon.lengths.get(words[position], ()):
            meaning = lexicon.meanings.get(tuple(words[position : position + length]))
            if meaning is None or (meaning.is_activity and not is_person):
                continue
            yield meaning
            if meaning.label:
                is_person = meaning.label == "person"
            position += length
            break
        else:
            position += 1


@cache
def _lexicon() -> _Lexicon:
    """Gather the phrases of all tables; none is in tables of two sorts."""
    phrases = {phrase: _Meaning(aspect=aspect) for phrase, aspect in _silent_phrases()}
    phrases |= {phrase: _Meaning(is_activity=True) for phrase in _activity_phrases()}
    for phrase, relations in _by_phrase((RELATIONS,)).items():
        phrases[phrase] = _Meaning(relations=relations)
    for phrase, positions in _by_phrase(_POSITION_TABLES).items():
        for pronoun in PRONOUNS.values():
            phrases[phrase.format(pronoun)] = _Meaning(positions=positions)
    for phrase, counts in _by_phrase(_COUNT_TABLES).items():
        phrases[phrase] = _Meaning(counts=counts)
    phrases |= dict.fromkeys(_ARTICLES, _Meaning(counts=frozenset({1})))
    for phrase, settings in _by_phrase(_SETTING_TABLES).items():
        phrases[phrase] = _Meaning(settings=settings)
    for label, singular, plural in _nouns():
        phrases[plural] = _Meaning(label=label, is_plural=plural != singular)
        phrases[singular] = _Meaning(label=label)
        for article in _ARTICLES:  # "a pair of skis" is one thing
            phrases[f"{article} {singular}"] = _Meaning(label=label, counts=frozenset({1}))
    for phrase in _verbose(RELATIONS):
        del phrases[phrase]
    meanings = {tuple(phrase.split()): meaning for phrase, meaning in phrases.items()}
    lengths: dict[str, set[int]] = defaultdict(set)
    for words in meanings:
        lengths[words[0]].add(len(words))
    return _Lexicon(meanings, {word: tuple(sorted(n, reverse=True)) for word, n in lengths.items()})


def _by_phrase(tables: Iterable[Mapping[Key, Words]]) -> dict[str, frozenset[Key]]:
    """Turn tables round: phrase -> all that it can mean."""
    keys: dict[str, set[Key]] = defaultdict(set)
    for table in tables:
        for key, options in table.items():
            for phrase in options:
                keys[phrase].add(key)
    return {phrase: frozenset(meant) for phrase, meant in keys.items()}


def _verbose(table: Mapping[str, Words]) -> set[str]:
    """Phrases that end in another with the same meaning: "sitting on" need not be told from "on".

    The shorter one does not take the beginning of a place: a cup may be "sitting on a desk".
    """
    return {
        phrase
        for options in table.values()
        for phrase in options
        for other in options
        if phrase.endswith(f" {other}")
    }


def _silent_phrases() -> Iterator[tuple[str, str]]:
    """Yield phrases that make no claim, with what they speak of."""
    tables = {"time": _TIME_TABLES, "weather": _WEATHER_TABLES, "size": (SIZES,)}
    for aspect, several in tables.items():
        for table in several:
            yield from ((phrase, aspect) for options in table.values() for phrase in options)
    yield from ((opening, "") for opening in OPENINGS)
    for colour in COLOURS:
        yield colour, "colour"
        for worn in (*CLOTHES, *CLOTHES_OF_SEVERAL, *GARMENTS, *GARMENTS_OF_SEVERAL):
            yield worn.format(colour), "clothes"


def _activity_phrases() -> Iterator[str]:
    for activity in ACTIVITIES.values():
        for participle in {*activity.phrases, *map(of_several, activity.phrases)}:
            yield from (participle, finite(participle, 1), finite(participle, 2))


def _nouns() -> Iterator[tuple[str, str, str]]:
    """Yield (label, singular, plural) of all that can be named."""
    for thing in THINGS.values():
        yield from ((thing.label, *pair) for pair in thing.nouns)
    for pairs in (*PEOPLE.values(), *KINDS.values()):
        yield from (("person", *pair) for pair in pairs)
    for pairs in ROLES.values():
        for singular, plural in pairs:
            yield from (("person", sex + singular, sex + plural) for sex in SEXES.values())
