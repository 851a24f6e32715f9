"""The hand of the web, after SS1M: alt texts, two to fifteen words of which some name nothing one sees."""

from __future__ import annotations

import numpy as np

from ..catalogue import ACTIVITIES, THINGS
from ..grammar import (
    adjectives,
    clothes,
    counted,
    doing,
    join,
    noun_pair,
    pick,
    place,
    relation,
    sometimes,
    stays_apart,
)
from ..phrases import (
    COUNT_KEYWORDS,
    KINDS,
    PLACE_KEYWORDS,
    RELATIONS,
    ROLES,
    SCENERY,
    SEXES,
    TIME_KEYWORDS,
    WEATHER_KEYWORDS,
    Words,
)
from ..scenes import Group, Scene

MOST_WORDS = 15

MEDIA = (
    "vector illustration of",
    "stock photo of",
    "illustration of",
    "royalty free image of",
    "stock vector of",
    "clip art of",
    "cartoon illustration of",
    "digital art of",
    "high quality photo of",
    "hand drawn sketch of",
    "photograph of",
    "poster of",
    "postcard of",
    "icon of",
    "3d rendering of",
    "watercolor painting of",
    "portrait of",
    "screenshot of",
)
"""What a file is said to be, before what it shows."""

PRAISE = (
    "beautiful",
    "cute",
    "funny",
    "amazing",
    "awesome",
    "lovely",
    "happy",
    "stunning",
    "cool",
    "modern",
    "vintage",
    "realistic",
    "colorful",
    "original",
    "best",
    "new",
    "adorable",
    "simple",
    "classic",
    "perfect",
)
"""Adjectives that say nothing that could be seen."""

NOISE = (
    "stock photo",
    "stock image",
    "stock illustration",
    "royalty free",
    "vector illustration",
    "isolated",
    "isolated vector",
    "clip art",
    "hd wallpaper",
    "desktop background",
    "free download",
    "high resolution",
    "design element",
    "template for website",
    "concept",
    "banner design",
    "greeting card",
    "coloring page for kids",
    "travel blog",
    "for sale",
    "gallery",
    "canvas print",
    "web icon",
    "flat style",
    "graphic design",
    "lifestyle magazine",
    "premium quality",
    "social media post",
    "cover photo",
    "video footage",
    "image search",
    "creative commons",
    "pictures and ideas",
    "tips and tricks",
    "official site",
    "online shop",
)
"""What is said of a file after what it shows."""

NUMBERED = ("stock photo {}", "image {}", "photo no {}", "picture {}", "page {}", "part {}")
TITLES = (
    "the ultimate guide to {}",
    "everything about {}",
    "how to draw {}",
    "meaning of {}",
    "facts about {}",
    "collection of {}",
    "photo of the day {}",
    "the story of {}",
)


def write_full(scene: Scene, rng: np.random.Generator) -> str:
    """Write the keywords of everything there is, in at most `MOST_WORDS` words for one or two groups."""
    for _ in range(8):
        parts, words = [_named(scene.groups[0], rng, 1.0)], ""
        if len(scene.groups) > 1:
            words = relation(scene, rng)
            parts += [words, *(_named(group, rng, 1.0) for group in scene.groups[1:])]
        where = pick(rng, PLACE_KEYWORDS[scene.setting])
        if rng.random() < 0.4 and not (words and stays_apart(scene)):
            where = place(scene, rng, words)
        plain = join(*parts, where, _when(scene, rng))
        for caption in (join(plain, sometimes(_noise(rng), rng, 0.3)), plain):
            if len(caption.split()) <= MOST_WORDS:
                return caption
    return _write_briefly(scene)


def write_partial(scene: Scene, rng: np.random.Generator) -> str:
    """Write an alt text of two to `MOST_WORDS` words that leaves something unsaid."""
    while True:
        caption = _write_form(scene, rng)
        if 2 <= len(caption.split()) <= MOST_WORDS:
            return caption


def _write_form(scene: Scene, rng: np.random.Generator) -> str:
    first = scene.groups[0]
    subject = _named(first, rng, 0.55)
    where = pick(rng, PLACE_KEYWORDS[scene.setting])
    form = rng.random()
    if len(scene.groups) > 1 and form < 0.6:
        second = _named(scene.groups[1], rng, 0.55)
        between = relation(scene, rng) if rng.random() < 0.5 else pick(rng, ("and", ""))
        if form < 0.2:
            return join(pick(rng, MEDIA), subject, between or "and", second)
        where = sometimes(where, rng, 0.6)
        return join(subject, between, second, where, sometimes(_noise(rng), rng, 0.5))
    form = rng.random()
    if form < 0.3:
        return join(subject, sometimes(where, rng, 0.75), sometimes(_when(scene, rng), rng, 0.4), _noise(rng))
    if form < 0.48:
        return join(pick(rng, MEDIA), subject, sometimes(place(scene, rng), rng, 0.6))
    if form < 0.62:
        return join(pick(rng, PRAISE), _named(first, rng, 0.55, count=False), where)
    if form < 0.72:
        return join(
            pick(rng, TITLES).format(_named(first, rng, 0.55, count=False)), sometimes(where, rng, 0.4)
        )
    if form < 0.86:
        return join(_sentence_subject(first, rng), doing(first, rng), place(scene, rng))
    if form < 0.93:
        scenery = pick(rng, SCENERY[scene.setting])
        return join(pick(rng, PRAISE), scenery.split(" ", 1)[1], "with", subject)
    return join(subject, where, _when(scene, rng))


def _named(group: Group, rng: np.random.Generator, detail: float, *, count: bool = True) -> str:
    """A group without articles: "man in red surfing", "two small dogs"."""
    number = pick(rng, COUNT_KEYWORDS[group.count]) if group.count > 1 else ""
    number = number if count and (detail == 1.0 or rng.random() < 0.6) else ""
    if group.label != "person":
        pair = noun_pair(THINGS[group.label].nouns, rng)
        return join(number, adjectives(group, rng, detail) + pair[group.count > 1])
    said = rng.random() < detail
    worn = clothes(group, rng, ("in {}", "wearing {}"), ("in {}", "wearing {}")) if said else ""
    if group.activity in ROLES and rng.random() < 0.35:
        sex = SEXES[group.kind] if detail == 1.0 or rng.random() < 0.5 else ""
        return join(number, sex + noun_pair(ROLES[group.activity], rng)[group.count > 1], worn)
    noun = noun_pair(KINDS[group.kind], rng)[group.count > 1]
    return join(number, noun, worn, doing(group, rng) if rng.random() < max(detail, 0.8) else "")


def _sentence_subject(group: Group, rng: np.random.Generator) -> str:
    pairs = KINDS[group.kind] if group.label == "person" else THINGS[group.label].nouns
    return counted(group, *noun_pair(pairs, rng), rng)


def _when(scene: Scene, rng: np.random.Generator) -> str:
    says_time = scene.time != "day" or (not scene.weather and rng.random() < 0.15)
    when = pick(rng, TIME_KEYWORDS[scene.time]) if says_time else ""
    return join(when, pick(rng, WEATHER_KEYWORDS[scene.weather]) if scene.weather else "")


def _noise(rng: np.random.Generator) -> str:
    if rng.random() < 0.15:
        return pick(rng, NUMBERED).format(int(rng.integers(1, 100)))
    return pick(rng, NOISE)


def _write_briefly(scene: Scene) -> str:
    """The shortest keywords, always the same: labels, activities, one word each where there is one."""
    parts = []
    for number, group in enumerate(scene.groups):
        counts = [COUNT_KEYWORDS[group.count][0]] if group.count > 1 else []
        if number == 1:
            parts.append(RELATIONS[scene.relations[0]][0])
        if group.label == "person":
            noun = KINDS[group.kind][0][group.count > 1]
            worn = f"in {group.colour}" if group.colour else ""
            parts += [*counts, noun, worn, _shortest(ACTIVITIES[group.activity].phrases)]
        else:
            noun = _shortest(tuple(pair[group.count > 1] for pair in THINGS[group.label].nouns))
            parts += [*counts, group.scale, group.colour, noun]
    when = "" if scene.time == "day" else TIME_KEYWORDS[scene.time][0]
    weather = WEATHER_KEYWORDS[scene.weather][0] if scene.weather else ""
    return join(*parts, PLACE_KEYWORDS[scene.setting][0], when, weather)


def _shortest(options: Words) -> str:
    return min(options, key=lambda words: len(words.split()))
