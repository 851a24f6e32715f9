"""Captions: what people write under a scene, from a grammar with synonyms and things left unsaid.

Every caption is lower case without a full stop, as COCO's captions look after tokenisation. No
caption says left or right, so a mirrored picture keeps its captions.
"""

from __future__ import annotations

import numpy as np

from .catalogue import ACTIVITIES, PEOPLE, THINGS
from .scenes import Group, Scene
from .settings import SETTINGS

_PLACES: dict[str, tuple[str, ...]] = {
    "park": ("in a park", "in the park", "in a grassy park", "on the grass in a park"),
    "beach": ("on a beach", "at the beach", "on a sandy beach", "by the ocean"),
    "street": ("on a street", "on the street", "on the road", "in the street"),
    "snow": ("in the snow", "on a snowy slope", "on a snowy mountain", "on the snow"),
    "lake": ("by a lake", "at the lake", "next to a lake", "near the water"),
    "field": ("in a field", "on a farm", "in a grassy field", "in a green field"),
    "city": ("in the city", "in a city", "in front of tall buildings", "downtown"),
    "living room": ("in a living room", "in the living room", "in a room"),
    "kitchen": ("in a kitchen", "in the kitchen"),
    "bedroom": ("in a bedroom", "in the bedroom", "in a room"),
    "office": ("in an office", "in the office", "at the office"),
    "bathroom": ("in a bathroom", "in the bathroom"),
}
_ON_WATER: dict[str, tuple[str, ...]] = {
    "lake": ("on a lake", "on the water", "on the lake"),
    "beach": ("in the ocean", "in the sea", "on the water"),
}
_ON_SURFACE: dict[str, tuple[str, ...]] = {
    "office": ("on a desk", "on a desk in an office", "on an office desk"),
    "bathroom": ("on a bathroom counter", "on a counter in a bathroom"),
    "kitchen": ("on a kitchen counter", "on a counter in a kitchen", "on a table in a kitchen"),
    "living room": ("on a table in a living room", "on a coffee table", "on a table"),
}
_SCENERY: dict[str, tuple[str, ...]] = {
    "park": ("a park", "a green park"),
    "beach": ("a beach", "a sandy beach"),
    "street": ("a street", "a road"),
    "snow": ("a snowy slope", "a snowy hill"),
    "lake": ("a lake", "a calm lake"),
    "field": ("a field", "a farm field"),
    "city": ("a city street", "a city"),
    "living room": ("a living room", "a room"),
    "kitchen": ("a kitchen",),
    "bedroom": ("a bedroom", "a room"),
    "office": ("an office", "an office room"),
    "bathroom": ("a bathroom", "a tiled bathroom"),
}
_TIMES: dict[str, tuple[str, ...]] = {
    "day": ("on a sunny day", "during the day", "on a clear day"),
    "sunset": ("at sunset", "in the evening", "under an orange sky"),
    "night": ("at night", "in the dark", "late at night"),
}
_INDOOR_TIMES = {"day": (), "sunset": ("in the evening",), "night": ("at night", "in the dark")}
_WEATHER: dict[str, tuple[str, ...]] = {
    "cloudy": ("on a cloudy day", "under a cloudy sky", "under grey clouds"),
    "rain": ("in the rain", "on a rainy day", "while it rains"),
    "snowfall": ("in falling snow", "while it is snowing", "in a snowfall"),
    "fog": ("in the fog", "on a foggy day", "in thick fog"),
}
_COUNTS: dict[int, tuple[str, ...]] = {
    2: ("two", "two", "a couple of", "a pair of"),
    3: ("three", "three", "a few", "several"),
    5: ("a group of", "several", "a bunch of", "many"),
}
_CLOTHES = ("in {}", "dressed in {}", "wearing {}", "in {} clothes", "in a {} outfit")
_CLOTHES_OF_SEVERAL = ("in {}", "dressed in {}", "wearing {}", "in {} clothes")
_SIZES = {"big": ("large", "big", "huge"), "small": ("small", "little", "tiny")}
_RELATIONS: dict[str, tuple[str, ...]] = {
    "next to": ("next to", "beside", "next to"),
    "near": ("near", "close to", "and"),
    "in front of": ("in front of", "in front of"),
    "behind": ("behind",),
    "on": ("on top of", "on", "sitting on"),
    "above": ("above", "over", "flying over"),
    "under": ("under", "beneath"),
    "with": ("with", "with"),
}
_OPENINGS = ("there is", "a picture of", "a photo of", "an image of", "a close up of")


def write_captions(scene: Scene, rng: np.random.Generator, count: int = 5) -> list[str]:
    """Write `count` captions of a scene, the first of which leaves nothing out.

    The others differ in words and in what they mention, as the captions of five people do.
    """
    captions = [_write_full(scene, rng)]
    attempts = 0
    while len(captions) < count:
        caption = _write_partial(scene, rng)
        attempts += 1
        if caption not in captions or attempts > 20:
            captions.append(caption)
    return captions


def _pick(rng: np.random.Generator, options: tuple[str, ...]) -> str:
    return options[rng.integers(len(options))]


def _article(words: str) -> str:
    return f"an {words}" if words[0] in "aeiou" and not words.startswith("one") else f"a {words}"


def _name(group: Group, rng: np.random.Generator, detail: float) -> str:
    """The noun phrase of a group; `detail` is the chance that colour and size are said."""
    pairs = PEOPLE[group.kind] if group.label == "person" else THINGS[group.label].nouns
    index = 0 if rng.random() < 0.7 else int(rng.integers(len(pairs)))
    singular, plural = pairs[index]
    adjectives = ""
    if group.scale and rng.random() < detail:
        adjectives += _pick(rng, _SIZES[group.scale]) + " "
    clothes = ""
    if group.colour and rng.random() < detail:
        if group.label == "person":
            clothes = " " + _pick(rng, _CLOTHES if group.count == 1 else _CLOTHES_OF_SEVERAL)
            clothes = clothes.format(group.colour)
        else:
            adjectives += group.colour + " "
    if group.count == 1:
        return _article(adjectives + singular) + clothes
    return f"{_pick(rng, _COUNTS[group.count])} {adjectives}{plural}{clothes}"


def _verb(group: Group, rng: np.random.Generator) -> str:
    if group.activity:
        return _pick(rng, ACTIVITIES[group.activity].phrases)
    return _pick(rng, THINGS[group.label].verbs)


def _place(scene: Scene, rng: np.random.Generator) -> str:
    group = scene.groups[0]
    if group.zone == "water" and scene.setting in _ON_WATER:
        return _pick(rng, _ON_WATER[scene.setting])
    if group.zone == "surface" and scene.setting in _ON_SURFACE:
        return _pick(rng, _ON_SURFACE[scene.setting])
    return _pick(rng, _PLACES[scene.setting])


def _time(scene: Scene, rng: np.random.Generator) -> str:
    indoor = SETTINGS[scene.setting].indoor
    options = (_INDOOR_TIMES if indoor else _TIMES)[scene.time]
    if scene.weather:
        weather = _pick(rng, _WEATHER[scene.weather])
        return weather if scene.time == "day" else _join(weather, _pick(rng, options))
    return _pick(rng, options) if options else ""


def _relation(scene: Scene, rng: np.random.Generator) -> str:
    words = _pick(rng, _RELATIONS[scene.relations[0]])
    if words == "sitting on" and scene.groups[0].count > 1:
        words = "on"
    return words


def _join(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def _write_full(scene: Scene, rng: np.random.Generator) -> str:
    first = scene.groups[0]
    verb = _verb(first, rng)
    parts = [_name(first, rng, 1.0)]
    if len(scene.groups) == 1:
        parts.append(verb)
    else:
        relation = _relation(scene, rng)
        says_verb = relation not in ("and", "sitting on", "flying over") and (
            first.activity or rng.random() < 0.4
        )
        parts += [verb if says_verb else "", relation, _name(scene.groups[1], rng, 1.0)]
    if len(scene.groups) == 3:
        parts += ["and", _name(scene.groups[2], rng, 1.0)]
    place = _place(scene, rng)
    if place.startswith("on ") and scene.relations and scene.relations[0] == "on":
        place = _pick(rng, _PLACES[scene.setting])
    time = _time(scene, rng) if scene.time != "day" or scene.weather else ""
    return _join(*parts, place, time)


def _write_partial(scene: Scene, rng: np.random.Generator) -> str:
    first, others = scene.groups[0], scene.groups[1:]
    name = _name(first, rng, 0.55)
    form = rng.random()
    if not others:
        if form < 0.45:
            return _join(
                name, _verb(first, rng), _place(scene, rng), _sometimes(_time(scene, rng), rng, 0.25)
            )
        if form < 0.65:
            return _join(name, _place(scene, rng), _sometimes(_time(scene, rng), rng, 0.2))
        if form < 0.8:
            opening = _pick(rng, _OPENINGS) if first.count == 1 else "there are"
            return _join(opening, name, _place(scene, rng))
        if form < 0.9:
            return _join(_pick(rng, _SCENERY[scene.setting]), "with", name)
        return _join(name, _verb(first, rng), _time(scene, rng))
    second = _name(others[0], rng, 0.55)
    if form < 0.5:
        relation = _relation(scene, rng)
        verb = _verb(first, rng) if relation in ("next to", "near", "behind", "with") else ""
        place = _sometimes(_place(scene, rng), rng, 0.5 if scene.relations[0] != "on" else 0.0)
        return _join(name, _sometimes(verb, rng, 0.5), relation, second, place)
    if form < 0.65:
        return _join(name, "and", second, _sometimes(_place(scene, rng), rng, 0.7))
    if form < 0.77:
        return _join(_pick(rng, _SCENERY[scene.setting]), "with", name, "and", second)
    if form < 0.89:
        opening = _pick(rng, _OPENINGS) if first.count == 1 else "there are"
        return _join(opening, name, _relation(scene, rng), second)
    return _join(name, _verb(first, rng), _place(scene, rng))


def _sometimes(words: str, rng: np.random.Generator, chance: float) -> str:
    return words if rng.random() < chance else ""
