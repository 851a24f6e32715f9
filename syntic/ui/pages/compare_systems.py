"""Who captions, on the page "Compare": first whose texts were learned from, then the systems of these."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from ...compare_service import Group, SystemChoice, SystemKey, name_for_people
from ...profiles import Profile

STANDARD_SYSTEMS = ("syntic", "fp+af", "fp", "baseline", "decap", "capdec", "clipre", "clipcap")


@dataclass(frozen=True, kw_only=True)
class SystemBoxes:
    """What a visitor ticks.

    Attributes:
        corpora: whose texts the systems learned from.
        systems: those of each corpus; the box of a corpus that is not ticked is hidden.
        own: the visitor's own runs.
    """

    corpora: gr.CheckboxGroup
    systems: dict[str, gr.CheckboxGroup]
    own: gr.CheckboxGroup

    @property
    def inputs(self) -> dict[str, gr.CheckboxGroup]:
        """The boxes of systems, by the handlers' argument."""
        return {f"systems_{i}": box for i, box in enumerate((*self.systems.values(), self.own))}


class ChooseSystems:
    """What the boxes offer, and what is ticked in them, on one profile."""

    def __init__(self, profile: Profile, systems: Sequence[SystemChoice]) -> None:
        self.profile = profile
        self.systems = list(systems)
        self.corpora = list(dict.fromkeys(system.corpus for system in systems))

    def build(self) -> SystemBoxes:
        """Draw the boxes, as a first visit has them."""
        corpora = gr.CheckboxGroup(
            [(name, name) for name in self.corpora],
            value=self.corpora[:1],
            label="Whose texts they learned from",
            visible=len(self.corpora) > 1,
            elem_id="c-corpora",
        )
        boxes = {
            corpus: gr.CheckboxGroup(
                self.choices(corpus),
                value=[key for key in self.standard() if key in self.keys(corpus)],
                label=f"Learned from “{corpus}”" if len(self.corpora) > 1 else "Systems",
                visible=corpus in self.corpora[:1],
                elem_classes="c-systems",
            )
            for corpus in self.corpora
        }
        own = gr.CheckboxGroup([], label="Yours, from the page Train", visible=False, elem_id="c-own")
        # A link may name a training run, which is among the choices of its visitor only.
        own.preprocess = lambda payload: payload  # type: ignore[method-assign]
        return SystemBoxes(corpora=corpora, systems=boxes, own=own)

    def keys(self, corpus: str) -> list[str]:
        """Return the keys of a corpus' systems."""
        return [system.key for system in self.systems if system.corpus == corpus]

    def choices(self, corpus: str) -> list[tuple[str, str]]:
        """Return (label, key) of a corpus' systems; what has to be known of one stands behind its name."""
        return [(self._label(system), system.key) for system in self.systems if system.corpus == corpus]

    def standard(self, corpus: str | None = None) -> tuple[str, ...]:
        """Return the keys that are ticked first, of one corpus or of the first that there is."""
        for first in self.corpora[:1] if corpus is None else [corpus]:
            return tuple(key for key in self.keys(first) if self._name(key) in STANDARD_SYSTEMS)
        return ()

    def follow(self, corpora: Sequence[str], ticked: Iterable[str]) -> tuple[str, ...]:
        """Return what is ticked once the corpora are others.

        A corpus of which nothing is ticked yet gets the systems that were ticked of the others, or the
        usual ones where it has none of these.
        """
        ticked = set(ticked)
        names = {self._name(key) for key in ticked}
        found: list[str] = []
        for corpus in self.corpora:
            if corpus in corpora:
                keys = self.keys(corpus)
                found += (
                    [key for key in keys if key in ticked]
                    or [key for key in keys if self._name(key) in names]
                    or self.standard(corpus)
                )
        return tuple(found)

    def corpora_of(self, ticked: Iterable[str]) -> list[str]:
        """Return whose texts these systems learned from; the first corpus where they say none."""
        keys = set(ticked)
        return [corpus for corpus in self.corpora if keys.intersection(self.keys(corpus))] or self.corpora[:1]

    def show(self, boxes: SystemBoxes, corpora: Sequence[str], ticked: Iterable[str]) -> dict[Any, Any]:
        """Return the updates that offer the systems of these corpora, some of them ticked."""
        keys = set(ticked)
        return {
            box: gr.update(value=[key for key in self.keys(corpus) if key in keys], visible=corpus in corpora)
            for corpus, box in boxes.systems.items()
        }

    def _name(self, key: str) -> str:
        return SystemKey.parse(key, self.profile).name

    def _label(self, system: SystemChoice) -> str:
        key = SystemKey.parse(system.key, self.profile)
        label = name_for_people(key.name) + (f" → {key.target}" if key.target else "")
        marks = system_mark(system)
        if system.group is Group.PICTURES and not system.is_upper_bound:
            marks = f"real pictures, {marks}".removesuffix(", ")
        return label + (f" — {marks}" if marks else "")


def system_mark(system: SystemChoice) -> str:
    """Return what has to be known of a system before its numbers are compared."""
    marks = ["real pairs: an upper bound"] if system.is_upper_bound else []
    return ", ".join([*marks, *(["slow"] if system.is_slow else [])])
