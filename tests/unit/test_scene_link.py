"""Links to a composed scene are a contract: what was written is read back, and stays readable."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest

from syntic.emoji.composition import Composition, Part
from syntic.errors import InputError
from syntic.types import TraceSettings
from syntic.ui.permalink import Choice, names_anything, read_query, write_query
from syntic.ui.scene_link import FIELDS, from_fields, read_scene, to_fields, write_scene

STANDARD = Composition(parts=(Part(what="dog"),), style="fluent")
RICH = Composition(
    setting="living room",
    time="sunset",
    weather="",
    parts=(
        Part(what="woman doing yoga", count=2, colour="blue"),
        Part(what="couch", colour="red", scale="big"),
        Part(what="cat"),
    ),
    relation="in front of",
    style="noto",
    arrangement=4711,
)


@pytest.mark.parametrize("composition", [STANDARD, RICH])
def test_a_link_restores_the_scene(composition):
    assert read_scene(write_scene(composition), Composition()) == composition
    assert from_fields(to_fields(composition), Composition()) == composition
    assert tuple(to_fields(composition)) == FIELDS


def test_a_link_with_settings_restores_both():
    choice = Choice("scene", write_scene(RICH))
    settings = TraceSettings(variant="fp", seed=7)
    query = dict(parse_qsl(write_query(choice, settings)[1:]))
    restored, read = read_query(query, TraceSettings())
    assert read == settings
    assert restored is not None
    assert restored.kind == "scene"
    assert read_scene(restored.value, Composition()) == RICH


def test_a_link_that_was_given_out_stays_readable():
    query = dict(parse_qsl("setting=beach&thing=dog&size=small&thing_2=umbrella&colour_2=red&relation=under"))
    assert names_anything(query)
    choice, _ = read_query(query, TraceSettings())
    assert choice is not None
    assert read_scene(choice.value, STANDARD) == Composition(
        setting="beach",
        parts=(Part(what="dog", scale="small"), Part(what="umbrella", colour="red")),
        relation="under",
        style="fluent",
    )


def test_what_is_left_out_of_the_middle_moves_up():
    fields = {"thing": "dog", "thing_2": None, "thing_3": "cat", "count_3": 2.0, "weather": "fair"}
    read = from_fields(fields, STANDARD)
    assert read.weather == ""
    assert read.parts == (Part(what="dog"), Part(what="cat", count=2))


@pytest.mark.parametrize("number", ["many", "1.5", "inf", "nan"])
def test_words_for_numbers_are_refused(number):
    with pytest.raises(InputError, match="scene's count must be a whole number"):
        read_scene(f"thing=dog&count={number}", STANDARD)


def test_a_plain_link_names_no_scene():
    choice, _ = read_query({"variant": "fp", "__theme": "dark"}, TraceSettings())
    assert choice is None
