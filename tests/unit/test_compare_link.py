"""Links of the page "Compare": what is written can be read, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import parse_qsl

import pytest

from syntic.compare_service import PairView, PictureChoice, Source
from syntic.errors import InputError
from syntic.ui.pages.compare_link import (
    CompareState,
    names_comparison,
    read_compare_query,
    write_compare_query,
)

PAIR = PairView(test_set="everyday", first="syntic", second="baseline")
STANDARD = CompareState(systems=("syntic", "fp"), pair=PAIR)


def again(state: CompareState) -> CompareState:
    return read_compare_query(dict(parse_qsl(write_compare_query(state, STANDARD)[1:])), STANDARD)


@pytest.mark.parametrize(
    "state",
    [
        STANDARD,
        replace(STANDARD, picture=PictureChoice(Source.TEST, "0007", "everyday")),
        replace(STANDARD, picture=PictureChoice(Source.EXAMPLE, "a&b")),
        replace(STANDARD, systems=("clipre", "decap-tt@web>people", "run-x"), table="figure2"),
        replace(STANDARD, pair=replace(PAIR, label="hot dog", count=4, setting="living room")),
        replace(STANDARD, pair=replace(PAIR, combination="unseen")),
        replace(STANDARD, pair=replace(PAIR, first="fo+af", second="fp+fo", test_set="people")),
    ],
)
def test_a_link_holds_what_is_on_the_page(state):
    assert again(state) == state


def test_a_first_visit_and_an_upload_have_no_query():
    assert write_compare_query(STANDARD, STANDARD) == ""
    upload = replace(STANDARD, picture=PictureChoice(Source.UPLOAD, "/tmp/x.png"))
    assert write_compare_query(upload, STANDARD) == ""
    assert not names_comparison({"__theme": "dark"})


@pytest.mark.parametrize(
    ("query", "message"), [({"table": "table9"}, "one of table1"), ({"count": "x"}, "whole")]
)
def test_a_damaged_link_says_what_is_wrong(query, message):
    with pytest.raises(InputError, match=message):
        read_compare_query(query, STANDARD)
