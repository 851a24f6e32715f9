"""How words become phrases: articles, agreement, where, when, and how one thing stands to another."""

from __future__ import annotations

import numpy as np

from .catalogue import ACTIVITIES, PEOPLE, THINGS
from .phrases import (
    BASES,
    CLOTHES,
    CLOTHES_OF_SEVERAL,
    COUNTS,
    IN_WATER,
    INDOOR_TIMES,
    ON_SURFACE,
    ON_WATER,
    PLACES,
    PLURAL_OBJECTS,
    RELATIONS,
    SCENERY,
    SIZES,
    TIMES,
    WEATHER,
    Words,
)
from .scenes import Group, Scene
from .settings import SETTINGS


def pick(rng: np.random.Generator, options: Words) -> str:
    """Draw one of the options."""
    return options[rng.integers(len(options))]


def sometimes(words: str, rng: np.random.Generator, chance: float) -> str:
    """Return the words or, else, nothing."""
    return words if rng.random() < chance else ""


def join(*parts: str) -> str:
    """Put the parts that say something behind one another."""
    return " ".join(part for part in parts if part)


def with_article(words: str) -> str:
    """Put "a" or "an" before the words."""
    return f"an {words}" if words[0] in "aeiou" and not words.startswith("one") else f"a {words}"


def counted(group: Group, singular: str, plural: str, rng: np.random.Generator) -> str:
    """Name a group by its number: "a dog", "two dogs", "a group of dogs"; nothing comes in pairs of pairs."""
    if group.count == 1:
        return with_article(singular)
    options = COUNTS[group.count]
    if " of " in plural:
        options = tuple(words for words in options if not words.endswith(" of"))
    return f"{pick(rng, options)} {plural}"


def clothes(group: Group, rng: np.random.Generator, one: Words, several: Words) -> str:
    """What a group of people wears, or "" where nothing is to be said."""
    if not group.colour:
        return ""
    return pick(rng, one if group.count == 1 else several).format(group.colour)


def adjectives(group: Group, rng: np.random.Generator, detail: float) -> str:
    """Size and colour of things, with a space behind; each is said with the chance `detail`."""
    size = pick(rng, SIZES[group.scale]) + " " if group.scale and rng.random() < detail else ""
    colour = group.colour + " " if group.colour and rng.random() < detail else ""
    return size + colour


def noun_pair(
    pairs: tuple[tuple[str, str], ...], rng: np.random.Generator, usual: float = 0.7
) -> tuple[str, str]:
    """Draw singular and plural of a noun; `usual` is the least share of the first."""
    return pairs[0 if rng.random() < usual else int(rng.integers(len(pairs)))]


def name(group: Group, rng: np.random.Generator, detail: float) -> str:
    """The noun phrase of a group; `detail` is the chance that each of colour and size is said."""
    if group.label == "person":
        singular, plural = noun_pair(PEOPLE[group.kind], rng)
        said = rng.random() < detail
        worn = clothes(group, rng, CLOTHES, CLOTHES_OF_SEVERAL) if said else ""
        return join(counted(group, singular, plural, rng), worn)
    singular, plural = noun_pair(THINGS[group.label].nouns, rng)
    described = adjectives(group, rng, detail)
    return counted(group, described + singular, described + plural, rng)


def doing(group: Group, rng: np.random.Generator) -> str:
    """What a group does, as a participle: "riding a bike", "parked"."""
    if not group.activity:
        return pick(rng, THINGS[group.label].verbs)
    phrase = pick(rng, ACTIVITIES[group.activity].phrases)
    return of_several(phrase) if group.count > 1 else phrase


def of_several(phrase: str) -> str:
    """What several people do who have one thing each: "riding bikes"."""
    for single, several in PLURAL_OBJECTS.items():
        if phrase.endswith(f" {single}"):
            return phrase.removesuffix(single) + several
    return phrase


def finite(phrase: str, count: int) -> str:
    """Turn a participle into the present tense: "riding a bike" -> "rides a bike" or "ride a bike"."""
    first, *rest = phrase.split(" ")
    if first not in BASES:
        return f"{'is' if count == 1 else 'are'} {phrase}"
    base = BASES[first]
    if count == 1 and base.endswith(("ch", "sh", "ss", "o")):
        base += "es"
    elif count == 1:
        base = base[:-1] + "ies" if base == "fly" else base + "s"
    return " ".join([base, *rest])


def there_is(phrase: str) -> str:
    """Begin with "there is a dog", "there is a group of dogs" or "there are two dogs"."""
    several = phrase.startswith(("a couple of ", "a few ")) or not phrase.startswith(("a ", "an "))
    return f"there {'are' if several else 'is'} {phrase}"


def place(scene: Scene, rng: np.random.Generator, relation: str = "") -> str:
    """Where the first group is.

    Args:
        scene: of which settings and groups count.
        rng: draws the words.
        relation: the words that stand between the first group and the second in the same sentence; the
            place does not repeat them.
    """
    first = scene.groups[0]
    if first.zone == "sky" and not relation:
        return f"{pick(rng, ('over', 'above'))} {pick(rng, SCENERY[scene.setting])}"
    options = PLACES[scene.setting]
    if first.zone == "water" and scene.setting in ON_WATER:
        options = (IN_WATER if first.activity == "swimming" else ON_WATER)[scene.setting]
    elif first.zone == "surface" and scene.setting in ON_SURFACE and "on" not in relation.split(" "):
        options = ON_SURFACE[scene.setting]
    elif any(group.zone == "water" for group in scene.groups[1:]):
        options = tuple(words for words in options if not words.startswith(("in ", "on ")))
    taken = "on" if "on" in relation.split(" ") else relation
    fresh = tuple(words for words in options if not taken or not words.startswith(f"{taken} "))
    return pick(rng, fresh or options)


def stays_apart(scene: Scene) -> bool:
    """Whether the place is the first group's alone, as a boat's on a lake, and has to stand next to it."""
    first, *others = scene.groups
    tables = {"water": ON_WATER, "surface": ON_SURFACE}
    is_special = first.zone in tables and scene.setting in tables[first.zone]
    return is_special and scene.relations[0] != "on" and any(group.zone != first.zone for group in others)


def time(scene: Scene, rng: np.random.Generator) -> str:
    """When it is and in what weather; "" for a day in a room."""
    if scene.weather:
        options = WEATHER[scene.weather][scene.time]
        if scene.setting == "snow":
            options = tuple(words for words in options if not words.startswith("in falling snow"))
        return pick(rng, options)
    options = (INDOOR_TIMES if SETTINGS[scene.setting].indoor else TIMES)[scene.time]
    return pick(rng, options) if options else ""


def noteworthy_time(scene: Scene, rng: np.random.Generator) -> str:
    """The same; "" for a fair day too."""
    return time(scene, rng) if scene.time != "day" or scene.weather else ""


def relation(scene: Scene, rng: np.random.Generator) -> str:
    """How the first group stands to the second."""
    options = RELATIONS[scene.relations[0]]
    first = scene.groups[0]
    if first.count > 1 or first.label == "person":
        options = tuple(words for words in options if words != "sitting on")
    return pick(rng, options)
