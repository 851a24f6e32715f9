"""Charts of lines: their axes, Figure 2 from a result file, and what a training run's curves save."""

from __future__ import annotations

import base64
import dataclasses
import html
import json
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from results import with_results

from syntic.evaluation.results import ResultRow, ResultTable, Score, read_table
from syntic.jobs import JobState, JobStatus
from syntic.ui.components.line_chart import Axis, Line, line_chart
from syntic.ui.components.share_figure import share_figure
from syntic.ui.components.training import loss_figure, score_figure

KINDS = ("png", "svg", "csv")


@pytest.fixture
def figure2(tiny_profile, tmp_path) -> ResultTable:
    table = read_table(with_results(tiny_profile, tmp_path / "results").results, "figure2")
    assert table is not None
    return table


def drawing(markup: str) -> ElementTree.Element:
    found = re.findall(r"<svg class=\"g-svg.*?</svg>", markup, re.DOTALL)
    assert len(found) == 1
    return ElementTree.fromstring(found[0])


def numbers(markup: str) -> tuple[list[str], list[str], np.ndarray]:
    table = json.loads(html.unescape(re.findall(r'data-table="(.*?)"', markup)[0]))
    values = np.frombuffer(base64.b64decode(table["values"]), dtype="<f4")
    return table["columns"], table["labels"], values.reshape(len(table["labels"]), -1)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 100, [0, 20, 40, 60, 80, 100]),
        (0, 1500, [0, 500, 1000, 1500]),
        (0.3, 1.1, [0.4, 0.6, 0.8, 1.0]),
        (-2.5, 2.5, [-2, -1, 0, 1, 2]),
    ],
)
def test_ticks_are_round_and_inside(low, high, expected):
    assert Axis(name="x", low=low, high=high).ticks() == pytest.approx(expected)


@pytest.mark.parametrize("scale", [1e-6, 0.037, 1.0, 7.3, 4999.0, 2e6])
def test_any_axis_has_some_ticks_but_not_many(scale):
    assert 2 <= len(Axis(name="x", low=0, high=scale).ticks()) <= 7


def test_a_point_is_where_its_value_says_and_names_are_escaped():
    line = Line(name="<b>a</b>", points=[(0, 0), (10, 5)], colour="red")
    chart = line_chart("what", [line], Axis(name="x", low=0, high=10), Axis(name="y", low=0, high=5))
    drawn = [path.get("d") for path in drawing(chart).iter("path") if path.get("class") == "g-line"][-1]
    (left, foot), (right, top) = (place.split() for place in drawn.removeprefix("M").split("L"))
    assert float(left) < float(right)
    assert float(foot) > float(top)
    assert "<b>" not in chart


def test_figure_2_has_a_line_a_colour_and_a_shape_for_each_system(figure2):
    markup = share_figure(figure2)
    label = drawing(markup).get("aria-label")
    assert "SynTIC 40.0 with 1 % of the texts, 120.0 with 100 %" in label
    assert "MAGIC 30.0 with 10 % of the texts, 50.0 with 100 %" in label
    texts = [text.text for text in drawing(markup).iter("text")]
    assert {"SynTIC", "MAGIC", "0 %", "100 %"} <= set(texts)
    assert {"paper: ahead of MAGIC", "paper: ahead of CapDec and DeCap"} <= set(texts)
    assert "DeCap" not in texts, "it was not measured"
    lines = {(p.get("style") or "").split(";")[0] for p in drawing(markup).iter("path")}
    assert {"stroke:var(--kind-projected)", "stroke:var(--kind-generated)"} <= lines
    marks = [path for path in drawing(markup).iter("path") if path.get("transform")]
    filled = {(path.get("d"), path.get("style")) for path in marks if "fill:var" in path.get("style")}
    hollow = {path.get("d") for path in marks if "fill:none" in path.get("style")}
    assert len(filled) == len({shape for shape, _ in filled}) == 2, "a shape of its own for each system"
    assert hollow == {shape for shape, _ in filled}, "the paper's have the shape of their system"


def test_figure_2_saves_every_number(figure2):
    markup = share_figure(figure2)
    assert [f'data-save="{kind}"' in markup for kind in KINDS] == [True] * 3
    columns, labels, values = numbers(markup)
    assert columns == ["CIDEr", "CIDEr, spread", "CIDEr of the paper"]
    assert labels == ["SynTIC 1%", "SynTIC 10%", "SynTIC 100%", "MAGIC 10%", "MAGIC 100%"]
    assert values[2] == pytest.approx([120.0, 1.5, 101.1])
    assert np.isnan(values[0, 1:]).all()


def test_a_share_may_be_a_condition_and_without_any_there_is_no_chart(figure2):
    row = ResultRow(system="decap", conditions={"share": "10%"}, scores={"cider": Score(90.5)}, paper={})
    assert "DeCap 90.5 with 10 % of the texts" in share_figure(dataclasses.replace(figure2, rows=[row]))
    bare = dataclasses.replace(row, conditions={})
    assert share_figure(dataclasses.replace(figure2, rows=[bare])) == ""


def status(**values) -> JobStatus:
    steps = {"steps": 100, "state": JobState.TRAINING}
    return JobStatus(name="run-x", label="x", variant="fp", corpus=None, captions=9, **steps, **values)


def test_the_loss_is_saved_with_its_average_while_the_run_is_live():
    markup = loss_figure(status(losses=[(10, 4.0), (20, 2.0), (30, 3.0)]))
    assert [f'data-save="{kind}"' in markup for kind in KINDS] == [True] * 3
    columns, labels, values = numbers(markup)
    assert (columns, labels) == (["loss", "moving average"], ["step 10", "step 20", "step 30"])
    assert values[:, 0].tolist() == [4.0, 2.0, 3.0]
    assert values[0, 1] == 4.0
    assert 2.0 < values[1, 1] < 4.0
    assert drawing(markup).get("aria-hidden") == "true", "the page shows it as markup already"


def test_cider_is_saved_beside_the_shipped_decoder_s():
    markup = score_figure(status(curve=[(50, 30.0)], reference=80.0))
    columns, labels, values = numbers(markup)
    assert (columns, labels) == (["CIDEr", "the shipped decoder"], ["step 50"])
    assert values.tolist() == [[30.0, 80.0]]
    assert numbers(score_figure(status(curve=[(50, 30.0)])))[0] == ["CIDEr"]
    assert 'data-name="training-cider"' in markup


def test_before_there_is_anything_there_is_nothing_to_save():
    assert "data-save" not in loss_figure(status(losses=[(10, 4.0)])) + score_figure(status())
