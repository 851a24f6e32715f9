"""Scenes: a setting, a time of day and one to three groups of things that stand in a relation.

A scene says what is there, not where each pixel goes: `rendering.py` draws it, `captions.py`
describes it. Sampling follows the plausibility tables of `catalogue.py`. The split is by
composition: pairs of labels that `is_held_out` names occur in validation and test pictures only,
never in a text corpus or a pre-training picture. Each hand that writes captions has scenes that it
likes to write about.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

import numpy as np

from ..errors import InputError
from .catalogue import ACTIVITIES, ANIMALS, CLOTHES, COLOURS, FURNITURE, LABELS, THINGS, Activity
from .settings import SETTINGS

Split = Literal["train", "validation", "test"]
Hand = Literal["everyday", "people", "web"]
HELD_OUT_PERCENT = 15
PEOPLE_SHARE = 0.24
ANIMALS_SHARE_OF_PEOPLE = 0.18
"""Scenes of the hand `people` that begin with an animal, as Flickr30k's pictures of dogs do."""

TIME_SHARES = {"day": 0.6, "sunset": 0.18, "night": 0.22}
WEATHER_SHARES = {"": 0.72, "cloudy": 0.08, "rain": 0.08, "snowfall": 0.06, "fog": 0.06}
NO_SNOWFALL = frozenset({"beach", "lake"})
CLOTHES_SHARE = 0.45
CLOTHES_SHARE_OF_PEOPLE = 0.8
"""People whose clothes are recoloured: everywhere, and where the hand `people` looks at them."""

SCALES = {"": 1.0, "big": 1.3, "small": 0.75}
"""How large a thing is that is called so, over its usual size."""

GROUP_SHARES: dict[str, tuple[float, float, float]] = {
    "everyday": (0.4, 0.52, 0.08),
    "people": (0.3, 0.62, 0.08),
    "web": (0.65, 0.35, 0.0),
}
"""Of a hand's scenes, those of one, two and three groups."""

RELATIONS = ("next to", "near", "in front of", "behind", "on", "above", "under", "with")


@dataclass(frozen=True, kw_only=True)
class Group:
    """One to five things of a kind.

    Attributes:
        label: COCO's class name, "person" for people.
        sprite: the Unicode sequence drawn.
        count: how many, 1 to 5.
        zone: "ground", "sky", "water" or "surface".
        size: height of the nearest one as a fraction of the picture, before perspective.
        kind: "man", "woman" or "person" for people, else "".
        activity: a name of `ACTIVITIES` for people, else "".
        colour: a name of `COLOURS` where the sprite is recoloured, of people their clothes; else "".
        scale: "big", "small" or "".
    """

    label: str
    sprite: str
    count: int = 1
    zone: str = "ground"
    size: float = 0.4
    kind: str = ""
    activity: str = ""
    colour: str = ""
    scale: str = ""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What a picture shows.

    Attributes:
        setting: a name of `SETTINGS`.
        time: a name of `TIMES`.
        groups: one to three; the first is what the picture is about.
        relations: how group i + 1 stands to the first: "GROUP0 relation GROUP(i + 1)".
        seed: of everything that is drawn by chance.
        weather: a name of `WEATHER_SHARES`; "" is fair weather, and what rooms have.
    """

    setting: str
    time: str
    groups: tuple[Group, ...]
    relations: tuple[str, ...]
    seed: int
    weather: str = ""

    @property
    def pairs(self) -> set[tuple[str, str]]:
        """The pairs of different labels in the scene, each in alphabetical order."""
        labels = sorted({group.label for group in self.groups})
        return set(combinations(labels, 2))

    @property
    def composition(self) -> Scene:
        """The scene but for what chance draws of it: two pictures with the same one show the same things."""
        return replace(self, seed=0, groups=tuple(replace(group, sprite="") for group in self.groups))

    @property
    def combination(self) -> str:
        """Whether texts show these kinds of things together: "single", "seen" or "unseen", see `TestSet`."""
        if not self.pairs:
            return "single"
        return "unseen" if any(is_held_out(*pair) for pair in self.pairs) else "seen"


def is_held_out(first: str, second: str) -> bool:
    """Whether a pair of labels is kept for validation and test pictures."""
    key = "|".join(sorted((first, second))).encode()
    return int.from_bytes(hashlib.sha256(key).digest()[:4], "big") % 100 < HELD_OUT_PERCENT


def held_out_pairs() -> list[tuple[str, str]]:
    """All pairs of labels kept for validation and test pictures, plausible or not."""
    return [pair for pair in combinations(sorted(LABELS), 2) if is_held_out(*pair)]


def sample_scene(
    rng: np.random.Generator, split: Split = "train", hand: Hand = "everyday", kinds: int = 3
) -> Scene:
    """Draw a plausible scene of a split, of the sort that a hand writes about.

    Training scenes hold no held-out pair. Scenes of the other splits that hold two or more kinds
    of things hold held-out pairs only.

    Args:
        rng: everything is drawn from it.
        split: which pairs of things there may be.
        hand: scenes of `people` begin with people or an animal; those of `web` are mostly of one kind of
            things.
        kinds: of things at most.

    Raises:
        InputError: if the hand is unknown.
    """
    if hand not in GROUP_SHARES:
        raise InputError(f"There is no hand '{hand}'; choose one of: {', '.join(GROUP_SHARES)}.")
    count = min(kinds, int(rng.choice([1, 2, 3], p=GROUP_SHARES[hand])))
    wanted = split != "train"
    if hand == "people" and wanted:
        count = min(count, 2)  # hardly any two things are held out with people and with each other
    while True:
        scene = _draw_living_first(rng, count) if hand == "people" else _draw(rng, count)
        if all(is_held_out(*pair) == wanted for pair in scene.pairs):
            return scene


def _draw(rng: np.random.Generator, count: int) -> Scene:
    """Draw a scene of `count` groups: the first thing, a place where it is found, then its company."""
    label = "person" if rng.random() < PEOPLE_SHARE else str(rng.choice(list(THINGS)))
    if label == "person":
        setting = str(rng.choice(list(SETTINGS)))
    else:
        setting = str(rng.choice(sorted(THINGS[label].places)))
    time = _draw_time(rng, setting)
    first = _draw_group(rng, setting, label, most=_most(count))
    return _complete(rng, setting, time, first, count)


def _draw_living_first(rng: np.random.Generator, count: int) -> Scene:
    """Draw a scene of `count` groups: people at an activity or animals, their place, then their company."""
    if rng.random() < ANIMALS_SHARE_OF_PEOPLE:
        label = str(rng.choice(sorted(ANIMALS)))
        setting = str(rng.choice(sorted(THINGS[label].places)))
        time = _draw_time(rng, setting)
        return _complete(rng, setting, time, _draw_group(rng, setting, label, most=_most(count)), count)
    activity = list(ACTIVITIES.values())[rng.integers(len(ACTIVITIES))]
    setting = str(rng.choice(sorted(activity.places)))
    time = _draw_time(rng, setting)
    people = _draw_people(rng, activity, most=_most(count), clothes_share=CLOTHES_SHARE_OF_PEOPLE)
    return _complete(rng, setting, time, people, count)


def _most(count: int) -> int:
    """How many things the first of `count` groups may hold."""
    return {1: 5, 2: 3, 3: 1}[count]


def _draw_time(rng: np.random.Generator, setting: str) -> str:
    times = SETTINGS[setting].times
    weights = np.array([TIME_SHARES[time] for time in times])
    return str(rng.choice(times, p=weights / weights.sum()))


def _complete(rng: np.random.Generator, setting: str, time: str, first: Group, count: int) -> Scene:
    """Give the first group its company, and the scene its weather."""
    groups = [first]
    relations: list[str] = []
    while len(groups) < count:
        label = _draw_company(rng, setting, {group.label for group in groups})
        other = _draw_group(rng, setting, label, most=1 if count == 3 or groups[0].count > 1 else 3)
        if len(groups) == 1 and other.label == "person" and rng.random() < 0.7:
            groups = [other, groups[0]]  # captions tend to begin with people
        else:
            groups.append(other)
        if len(groups) == 2:
            relations = [str(rng.choice(possible_relations(groups[0], groups[1])))]
        else:
            relations.append("near")
    return Scene(
        setting=setting,
        time=time,
        groups=tuple(groups),
        relations=tuple(relations),
        seed=int(rng.integers(2**31)),
        weather=_draw_weather(rng, setting),
    )


def _draw_weather(rng: np.random.Generator, setting: str) -> str:
    weather = str(rng.choice(list(WEATHER_SHARES), p=list(WEATHER_SHARES.values())))
    if SETTINGS[setting].indoor or (weather == "snowfall" and setting in NO_SNOWFALL):
        return ""
    return "snowfall" if weather == "rain" and setting == "snow" else weather


def _draw_company(rng: np.random.Generator, setting: str, taken: set[str]) -> str:
    if "person" not in taken and rng.random() < PEOPLE_SHARE:
        return "person"
    return str(rng.choice([t.label for t in THINGS.values() if setting in t.places and t.label not in taken]))


def _draw_group(rng: np.random.Generator, setting: str, label: str, most: int) -> Group:
    if label == "person":
        possible = [activity for activity in ACTIVITIES.values() if setting in activity.places]
        return _draw_people(rng, possible[rng.integers(len(possible))], most)
    thing = THINGS[label]
    count = min(most, int(rng.choice([1, 2, 3, 5], p=[0.7, 0.15, 0.08, 0.07])))
    if thing.size > 0.5 or thing.label in ("couch", "bed"):
        count = min(count, 2)
    scale = str(rng.choice(["", "big", "small"], p=[0.84, 0.08, 0.08])) if count == 1 else ""
    return Group(
        label=thing.label,
        sprite=str(rng.choice(thing.sprites)),
        count=count,
        zone=thing.zone,
        size=thing.size * SCALES[scale],
        colour=str(rng.choice(list(COLOURS))) if thing.tintable and rng.random() < 0.6 else "",
        scale=scale,
    )


def _draw_people(
    rng: np.random.Generator, activity: Activity, most: int, clothes_share: float = CLOTHES_SHARE
) -> Group:
    kind = str(rng.choice(list(activity.sprites)))
    return Group(
        label="person",
        sprite=activity.sprites[kind],
        count=min(most, int(rng.choice([1, 2, 3], p=[0.78, 0.15, 0.07]))),
        zone=activity.zone,
        size=activity.size,
        kind=kind,
        activity=activity.name,
        colour=str(rng.choice(CLOTHES)) if activity.wears_colours and rng.random() < clothes_share else "",
    )


def possible_relations(first: Group, second: Group) -> list[str]:
    """The relations that read and look right for "first relation second"; likely ones stand there twice."""
    if first.zone == "sky" or second.zone == "sky":
        return ["above"] if first.zone == "sky" and second.zone != "sky" else ["near"]
    if "water" in (first.zone, second.zone) or "surface" in (first.zone, second.zone):
        if second.label in FURNITURE and first.zone == "surface" and first.count == second.count == 1:
            return ["on", "next to"]
        return ["next to", "near"]
    if second.label == "umbrella":
        return ["under", "with", "next to"] if first.count == 1 else ["next to"]
    relations = ["next to", "next to", "near", "in front of", "behind"]
    if first.label == "person" and second.label in (
        "dog",
        "suitcase",
        "skateboard",
        "sports ball",
        "bicycle",
    ):
        relations += ["with", "with"]
    bearer = THINGS.get(second.label)
    thing = THINGS.get(first.label)
    if bearer and thing and bearer.carries and thing.is_small and first.count == second.count == 1:
        relations += ["on", "on", "on"]
    return relations
