"""Links to the page "Modality gap" are a contract: what was written is read back, and stays readable."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest

from syntic.errors import InputError
from syntic.evaluation.controls import Control
from syntic.evaluation.map import Kind
from syntic.gap_service import GapView, Layout
from syntic.ui.pages.gap_link import Marks, names_gap, pack, read_gap_query, unpack, write_gap_query

STANDARD = GapView(corpus="everyday", pictures="everyday-validation")


def standard_view(corpus: str) -> GapView:
    """The web has no pictures of its own."""
    name = corpus or "everyday"
    return GapView(corpus=name, pictures=None if name == "web" else f"{name}-validation")


def standard_value(corpus: str, control: Control) -> float:
    return 100 if control is Control.TEMPERATURE else 0


def read(query: str) -> tuple[GapView, Marks]:
    return read_gap_query(
        dict(parse_qsl(query.lstrip("?"), keep_blank_values=True)), standard_view, standard_value
    )


@pytest.mark.parametrize(
    ("view", "marks"),
    [
        (STANDARD, Marks()),
        (
            GapView(
                corpus="people",
                pictures="everyday",
                layout=Layout.PCA,
                dimensions=3,
                control=Control.SHIFT,
                value=-0.35,
                selection=(0, 7, 8, 749),
            ),
            Marks(shown=(Kind.TEXT, Kind.REAL), thumbnails=True, focus=(Kind.REAL, 510), heatmap="now"),
        ),
        (STANDARD, Marks(shown=())),
    ],
)
def test_a_link_restores_everything(view, marks):
    assert read(write_gap_query(view, marks, standard_view)) == (view, marks)


def test_a_link_that_was_given_out_stays_readable():
    view, marks = read("?layout=pca&control=noise&value=0.12&selection=gQ&shown=text%2Creal&focus=text%2C3")
    assert view == GapView(
        corpus="everyday",
        pictures="everyday-validation",
        layout=Layout.PCA,
        control=Control.NOISE,
        value=0.12,
        selection=(0, 7),
    )
    assert marks == Marks(shown=(Kind.TEXT, Kind.REAL), focus=(Kind.TEXT, 3))
    assert read("?control=shift")[0].value == 0
    assert write_gap_query(STANDARD, Marks(), standard_view) == ""
    assert not names_gap({"__theme": "dark"})


@pytest.mark.parametrize(("corpus", "pictures"), [("people", "people-validation"), ("web", None)])
def test_a_link_to_another_corpus_comes_with_the_pictures_of_its_domain(corpus, pictures):
    view = GapView(corpus=corpus, pictures=pictures)
    assert write_gap_query(view, Marks(), standard_view) == f"?corpus={corpus}"
    assert read(f"?corpus={corpus}")[0] == GapView(corpus=corpus, pictures=pictures, value=100)
    other = GapView(corpus=corpus, pictures="everyday", value=100)
    assert read(write_gap_query(other, Marks(), standard_view))[0] == other


def test_a_selection_of_all_stays_short():
    everything = tuple(range(750))
    assert len(pack(everything)) <= 126
    assert unpack(pack(everything)) == everything


@pytest.mark.parametrize(
    "query",
    [
        *("?layout=x", "?control=x", "?value=many", "?dimensions=x", "?selection=!!", "?shown=x"),
        *("?focus=text,x", "?focus=text,inf", "?dimensions=nan", "?dimensions=inf", "?value=nan"),
    ],
)
def test_a_broken_link_is_refused_with_its_reason(query):
    with pytest.raises(InputError, match="link's"):
        read(query)
