"""The hand for people, after Flickr30k: who wears what and does what, often in two clauses.

Some of its captions begin with animals, as Flickr30k's do.
"""

from __future__ import annotations

import numpy as np

from ...errors import InputError
from ..catalogue import ANIMALS
from ..grammar import (
    clothes,
    counted,
    doing,
    finite,
    join,
    name,
    noteworthy_time,
    noun_pair,
    pick,
    place,
    relation,
    sometimes,
    stays_apart,
    there_is,
    time,
)
from ..phrases import (
    ANIMALS_LOOK_ON,
    GARMENTS,
    GARMENTS_OF_SEVERAL,
    KINDS,
    MOVERS,
    OPENINGS,
    OVERHEAD,
    POSITIONS,
    PRONOUNS,
    ROLES,
    SAYS_THE_VERB,
    SEXES,
)
from ..scenes import Group, Scene


def write_full(scene: Scene, rng: np.random.Generator) -> str:
    """Write a caption that leaves nothing out.

    Raises:
        InputError: if the scene does not begin with people or animals.
    """
    first, others = _first(scene), scene.groups[1:]
    subject, when = _name(first, rng, 1.0), noteworthy_time(scene, rng)
    if not others:
        return join(subject, _acting(first, rng), place(scene, rng), when)
    if len(others) == 1 and scene.relations[0] in POSITIONS and rng.random() < 0.6:
        return _in_two_clauses(scene, rng, subject, place(scene, rng), when, 1.0)
    words = relation(scene, rng)
    rest = " and ".join(name(group, rng, 1.0) for group in others)
    where = place(scene, rng, words)
    parts = (where, words, rest) if stays_apart(scene) else (words, rest, where)
    verb = "" if words in SAYS_THE_VERB else _acting(first, rng)
    return join(subject, verb, *parts, when)


def write_partial(scene: Scene, rng: np.random.Generator) -> str:
    """Write a caption that leaves something unsaid, though seldom what somebody does.

    Raises:
        InputError: if the scene does not begin with people or animals.
    """
    first = _first(scene)
    subject = _name(first, rng, 0.6)
    verb, where = _acting(first, rng), place(scene, rng)
    when = sometimes(time(scene, rng), rng, 0.25)
    form = rng.random()
    if len(scene.groups) == 1 or form < 0.15:
        if form < 0.1:
            return join(_opened(subject, rng), doing(first, rng), where)
        return join(subject, verb, where, when)
    if form < 0.55 and scene.relations[0] in POSITIONS:
        return _in_two_clauses(
            scene, rng, subject, sometimes(where, rng, 0.6), sometimes(when, rng, 0.5), 0.6
        )
    words = relation(scene, rng)
    verb = "" if words in SAYS_THE_VERB else verb
    second = name(scene.groups[1], rng, 0.6)
    where = sometimes(place(scene, rng, words), rng, 0.6)
    parts = (where, words, second) if stays_apart(scene) else (words, second, where)
    if form < 0.65:
        return join(_opened(subject, rng), doing(first, rng) if verb else "", *parts)
    return join(subject, verb, *parts)


def writes_about(scene: Scene) -> bool:
    """Whether the scene begins with people or animals."""
    return scene.groups[0].label in ANIMALS | {"person"}


def _first(scene: Scene) -> Group:
    if not writes_about(scene):
        raise InputError(
            "The hand 'people' writes about scenes that begin with people or animals, "
            f"not with a {scene.groups[0].label}."
        )
    return scene.groups[0]


def _name(group: Group, rng: np.random.Generator, detail: float) -> str:
    """Who it is and what they wear: "a young woman in a red jacket", "two male surfers", "a small dog"."""
    if group.label != "person":
        return name(group, rng, detail)
    singular, plural = noun_pair(KINDS[group.kind], rng, usual=0.4)
    if group.activity in ROLES and rng.random() < 0.15:
        sex = SEXES[group.kind] if rng.random() < max(detail, 0.5) else ""
        singular, plural = (sex + noun for noun in noun_pair(ROLES[group.activity], rng))
    worn = clothes(group, rng, GARMENTS, GARMENTS_OF_SEVERAL) if rng.random() < detail else ""
    return join(counted(group, singular, plural, rng), worn)


def _acting(group: Group, rng: np.random.Generator) -> str:
    """What they do, in one of three tenses: "juggles", "is juggling", "juggling"."""
    phrase = doing(group, rng)
    form = rng.random()
    if form < 0.45:
        return finite(phrase, group.count)
    return join("is" if group.count == 1 else "are", phrase) if form < 0.8 else phrase


def _opened(subject: str, rng: np.random.Generator) -> str:
    return there_is(subject) if rng.random() < 0.5 else f"{pick(rng, OPENINGS)} {subject}"


def _in_two_clauses(
    scene: Scene, rng: np.random.Generator, subject: str, where: str, when: str, detail: float
) -> str:
    """Say what the first group does and then, in a clause of its own, who or what is there too."""
    acting, clause = _acting(scene.groups[0], rng), _clause(scene, rng, detail)
    if clause.startswith("with "):
        return join(subject, acting, where, clause, when)
    conjunction = "and" if when.startswith(("while ", "as ")) else pick(rng, ("while", "as", "and"))
    return join(subject, acting, where, when, conjunction, clause)


def _clause(scene: Scene, rng: np.random.Generator, detail: float) -> str:
    """The second group: "a dog watches nearby", "with a couch behind her"."""
    first, other = scene.groups[:2]
    relation_name = scene.relations[0]
    positions = OVERHEAD if other.zone == "sky" else POSITIONS[relation_name]
    where = pick(rng, positions).format(PRONOUNS[first.kind] if first.count == 1 else "them")
    words = name(other, rng, detail)
    if other.label not in MOVERS or rng.random() < 0.25:
        return join("with", words, where)
    verb = "flying" if other.zone == "sky" else doing(other, rng)
    if other.label in ANIMALS and relation_name == "near" and rng.random() < 0.5:
        verb = pick(rng, ANIMALS_LOOK_ON)
    return join(words, finite(verb, other.count), where)
