"""Whether a caption is true of its scene: what it names, how many, where, how things stand to one another.

Metrics compare a caption with other captions. In the emoji world the scene itself is known, so a caption can
be held against it, whichever hand wrote it. What a caption leaves unsaid is missing from its recall, not
false.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .reading import Claims, read_claims

ASPECTS = ("things", "counts", "settings", "relations")
WEAK = frozenset({"near", "with"})  # true of any two that stand in some relation
INVERSE = {
    "in front of": "behind",
    "behind": "in front of",
    "above": "under",
    "under": "above",
    "next to": "next to",
}


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

    main, *others = scene["groups"]
    pairs = list(zip(scene["relations"], others, strict=True))
    held = [
        {other["label"] for how, other in pairs if _holds(claim, main, how, other)}
        for claim in claims.relations
    ]
    related = [other["label"] for other in others]
    _add(tallies["relations"], [bool(labels) for labels in held], related, set().union(*held))


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


def _holds(
    claim: tuple[str, frozenset[str], str], main: Mapping[str, Any], how: str, other: Mapping[str, Any]
) -> bool:
    first, words, second = claim
    if {first, second} != {main["label"], other["label"]}:
        return False
    facts = {how}
    if other["zone"] == "sky" != main["zone"]:  # such scenes say no more than "near"
        facts.add("under")
    if first != main["label"]:
        facts = {INVERSE[fact] for fact in facts if fact in INVERSE}
    return bool(words & (facts | WEAK))
