"""Links to the page "Learn" are a contract: what was written is read back, and stays readable."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest

from syntic.errors import InputError
from syntic.lesson_service import LessonView, Reads, Step
from syntic.ui.lesson_texts import READS, STEPS
from syntic.ui.pages.lesson_link import names_lesson, read_lesson_query, write_lesson_query


def read(query: str) -> LessonView:
    return read_lesson_query(dict(parse_qsl(query.lstrip("?"))), "everyday")


@pytest.mark.parametrize(
    "view",
    [
        LessonView(step=Step.CLIP, corpus="everyday", picture=7),
        LessonView(step=Step.GAP, corpus="people", value=-0.35),
        LessonView(step=Step.TEXTS, corpus="everyday", reads=Reads.PROJECTED),
        LessonView(step=Step.PROJECTION, corpus="everyday", value=20, picture=3),
        LessonView(step=Step.TAGS, corpus="everyday", picture=2, without=("dining table", "cat")),
    ],
)
def test_a_link_restores_everything(view):
    assert read(write_lesson_query(view, LessonView(step=view.step, corpus="everyday"))) == view


def test_a_link_that_was_given_out_stays_readable():
    assert read("?step=noise&value=0.12") == LessonView(step=Step.NOISE, corpus="everyday", value=0.12)
    tags = read("?step=tags&picture=4&without=dining+table%2Ccat")
    assert tags.without == ("dining table", "cat")
    assert ",".join(Step) == "clip,cone,gap,texts,noise,projection,refinement,tags"
    assert write_lesson_query(read("?step=cone"), read("?step=cone")) == "?step=cone"
    assert not names_lesson({"__theme": "dark"})


@pytest.mark.parametrize("query", ["?step=x", "?reads=x", "?value=many", "?value=nan", "?picture=inf"])
def test_a_broken_link_is_refused_with_its_reason(query):
    with pytest.raises(InputError, match="link's"):
        read(query)


def test_every_step_has_its_words():
    assert list(STEPS) == list(Step)
    assert set(READS) == set(Reads)
