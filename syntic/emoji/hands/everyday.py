"""The everyday hand, after COCO: one clause about the things that catch the eye."""

from __future__ import annotations

import numpy as np

from ..grammar import (
    doing,
    join,
    name,
    noteworthy_time,
    pick,
    place,
    relation,
    sometimes,
    stays_apart,
    there_is,
    time,
)
from ..phrases import OPENINGS, SAYS_THE_VERB, SCENERY
from ..scenes import Group, Scene


def write_full(scene: Scene, rng: np.random.Generator) -> str:
    """Write a caption that names every group, its number, looks and doing, the place, time and weather."""
    first, others = scene.groups[0], scene.groups[1:]
    subject, verb, when = name(first, rng, 1.0), doing(first, rng), noteworthy_time(scene, rng)
    if not others:
        return join(subject, verb, place(scene, rng), when)
    words = relation(scene, rng)
    if words in SAYS_THE_VERB or not (first.activity or rng.random() < 0.4):
        verb = ""
    where = place(scene, rng, words)
    rest = " and ".join(_in_full(group, rng) for group in others)
    if stays_apart(scene):
        return join(subject, verb, where, words, rest, when)
    return join(subject, verb, words, rest, where, when)


def write_partial(scene: Scene, rng: np.random.Generator) -> str:
    """Write a caption that leaves something unsaid."""
    subject = name(scene.groups[0], rng, 0.55)
    return _about_two(scene, subject, rng) if len(scene.groups) > 1 else _about_one(scene, subject, rng)


def _in_full(group: Group, rng: np.random.Generator) -> str:
    return join(name(group, rng, 1.0), doing(group, rng) if group.activity else "")


def _opened(subject: str, rng: np.random.Generator) -> str:
    return there_is(subject) if rng.random() < 0.3 else f"{pick(rng, OPENINGS)} {subject}"


def _about_one(scene: Scene, subject: str, rng: np.random.Generator) -> str:
    verb, where, when = doing(scene.groups[0], rng), place(scene, rng), time(scene, rng)
    form = rng.random()
    if form < 0.45:
        return join(subject, verb, where, sometimes(when, rng, 0.25))
    if form < 0.65:
        return join(subject, where, sometimes(when, rng, 0.2))
    if form < 0.8:
        return join(_opened(subject, rng), where)
    if form < 0.9:
        return join(pick(rng, SCENERY[scene.setting]), "with", subject)
    return join(subject, verb, when)


def _about_two(scene: Scene, subject: str, rng: np.random.Generator) -> str:
    first, second = scene.groups[0], name(scene.groups[1], rng, 0.55)
    words, verb = relation(scene, rng), doing(first, rng)
    where = place(scene, rng, words)
    form = rng.random()
    if form < 0.5:
        verb = "" if words in SAYS_THE_VERB else sometimes(verb, rng, 0.5)
        where = sometimes(where, rng, 0.5)
        if stays_apart(scene):
            return join(subject, verb, where, words, second)
        return join(subject, verb, words, second, where)
    if form < 0.65:
        where = "" if stays_apart(scene) else sometimes(place(scene, rng, "and"), rng, 0.7)
        return join(subject, "and", second, where)
    if form < 0.77:
        return join(pick(rng, SCENERY[scene.setting]), "with", subject, "and", second)
    if form < 0.89:
        return join(_opened(subject, rng), words, second)
    return join(subject, verb, place(scene, rng))
