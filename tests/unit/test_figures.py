"""What the page shows for given results: markup, the map's figure, the presenter, links."""

from __future__ import annotations

import dataclasses
import html
import json
import re

import numpy as np
import pytest
from PIL import Image

from syntic.errors import CheckpointError, InputError
from syntic.evaluation.map import GapMap, Kind, MapPoints
from syntic.service import Waiting
from syntic.types import (
    AttentionTrace,
    CaptionTrace,
    Detection,
    Finished,
    ProjectionTrace,
    RefinementTrace,
    Stage,
    StageFinished,
    StageProgress,
    StageStarted,
    TokenTrace,
    Trace,
    TraceSettings,
)
from syntic.ui.components import stages
from syntic.ui.components.stage_card import seconds_text
from syntic.ui.errors import describe, to_gradio
from syntic.ui.figures import draw_map, path_markup, wrap
from syntic.ui.permalink import Choice, read_query, write_query
from syntic.ui.presenter import WalkView
from syntic.ui.theme import KIND_COLOURS, KIND_NAMES

NASTY = "<img src=x onerror=alert(1)>"
PICTURE = Image.new("RGB", (64, 48), "teal")


def unit(seed: int, count: int | None = None) -> np.ndarray:
    values = np.random.default_rng(seed).normal(size=8 if count is None else (count, 8)).astype(np.float32)
    return values / np.linalg.norm(values, axis=-1, keepdims=True)


def projection(caption: str = "a dog") -> ProjectionTrace:
    return ProjectionTrace(
        feature=unit(2),
        top_captions=[caption, "two cats"],
        top_weights=[0.7, 0.2],
        top_similarities=[0.9, 0.8],
        entropy=1.0,
        effective_captions=2.7,
    )


@pytest.fixture(scope="module")
def gap_map() -> GapMap:
    def points(seed: int, count: int) -> MapPoints:
        features = unit(seed, count)
        return MapPoints(features=features, coordinates=features[:, :2], labels=[NASTY] * count)

    return GapMap({kind: points(i, 20) for i, kind in enumerate(Kind)}, {})


# -- the map ---------------------------------------------------------------------------------------


def test_the_map_shows_every_kind_once_in_the_legend_in_its_own_colour(gap_map):
    figure = draw_map(gap_map)
    legend = {trace.name: trace.marker.color for trace in figure.data if trace.showlegend is not False}
    assert legend == {KIND_NAMES[kind]: KIND_COLOURS[kind] for kind in Kind}
    assert len(set(legend.values())) == len(Kind)


def test_the_path_of_a_sample_lies_over_the_map_in_order(gap_map):
    path = {Kind.GENERATED: unit(50), Kind.REFINED: unit(51), Kind.PROJECTED: unit(52)}
    markup = path_markup(gap_map, path)
    restyle = json.loads(html.unescape(re.search(r'data-path="([^"]*)"', markup)[1]))
    assert re.findall(r"<b>(\w+)</b>", "".join(restyle["text"][0])) == ["generated", "refined", "projected"]
    drawn = np.stack([restyle["x"][0], restyle["y"][0]], 1)
    np.testing.assert_allclose(drawn[1], gap_map.place(path[Kind.REFINED])[0])
    assert len(draw_map(gap_map).data[-1].x) == 0, "the last trace waits for a path"
    assert '"x": [[]]' in html.unescape(path_markup(gap_map, {}))


def test_kinds_differ_in_shape_and_what_is_filled_lies_on_top(gap_map):
    marks = [trace for trace in draw_map(gap_map).data if trace.showlegend is False and trace.meta]
    assert len({trace.marker.symbol for trace in marks}) == len(Kind)
    hollow = [trace.marker.symbol.endswith("-open") for trace in marks]
    assert hollow == [True] * 3 + [False] * 2
    assert {trace.legendgroup for trace in marks[3:]} == {"generated", "text"}
    legend = sorted((t for t in draw_map(gap_map).data if t.legendrank), key=lambda t: t.legendrank)
    assert [trace.legendgroup for trace in legend] == [kind.value for kind in Kind]


@pytest.mark.parametrize("width_px", [326, 858])
def test_labels_of_a_path_stay_on_the_map_and_miss_each_other(width_px):
    """Labels as boxes, on maps whose corners and middle are places of a path."""
    corners = np.array([[0, 0], [1, 0], [0, 1], [1, 1]], np.float32)
    features = np.eye(4, 8, dtype=np.float32)
    around = GapMap({Kind.TEXT: MapPoints(features=features, coordinates=corners, labels=[""] * 4)}, {})
    low, span, label = -0.08, 1.16, (70, 16)
    for kinds in ((0, 1), (2, 3), (0, 2, 3), (1, 3, 0), (2,)):
        path = dict(zip((Kind.GENERATED, Kind.REFINED, Kind.PROJECTED), features[list(kinds)], strict=False))
        markup = path_markup(around, path)
        drawn = json.loads(html.unescape(re.search(r'data-path="([^"]*)"', markup)[1]))
        boxes = []
        for x, y, side in zip(drawn["x"][0], drawn["y"][0], drawn["textposition"][0], strict=True):
            height, beside = side.split()
            left = (x - low) / span * width_px - {"left": label[0], "center": label[0] / 2, "right": 0}[
                beside
            ]
            top = (1 - (y - low) / span) * 430 + {"top": -26, "middle": -8, "bottom": 10}[height]
            assert 0 <= left <= width_px - label[0], (kinds, side)
            assert 0 <= top <= 430 - label[1], (kinds, side)
            boxes.append((left, top))
        for i, (left, top) in enumerate(boxes):
            for other, over in boxes[:i]:
                assert abs(left - other) >= label[0] or abs(top - over) >= label[1], kinds


def test_captions_on_the_map_are_escaped_and_broken_into_lines(gap_map):
    assert NASTY not in draw_map(gap_map).to_json()
    assert wrap("a dog and a very long sentence that does not fit in one line at all").count("<br>") == 1


# -- the stages ------------------------------------------------------------------------------------


def test_bars_show_the_weights_and_what_the_rest_shares():
    markup = stages.projection_bars(projection(), corpus_size=8000)
    assert "70.0 %" in markup
    assert "20.0 %" in markup
    assert "the other 7,998 texts together" in markup
    assert "10.0 %" in markup
    assert "2.7" in markup


def test_boxes_are_drawn_where_they_are_with_label_and_score():
    found = [
        Detection(label="dog", score=0.97, box=(8, 12, 40, 36)),
        Detection(label="dog", score=0.5, box=(48, 0, 64, 10)),
        Detection(label="bench", score=0.81, box=(0, 24, 64, 48)),
    ]
    markup = stages.detections(PICTURE, found, used=True)
    assert 'viewBox="0 0 64 48"' in markup
    assert '<rect x="8.0" y="12.0" width="32.0" height="24.0"' in markup
    assert markup.count("<rect") == 3
    assert "dog 0.97" in markup
    assert "dog × 2" in markup
    assert "left:12.5%;top:25.0%" in markup
    assert "right:0.0%;top:0.0%" in markup


def test_nothing_detected_is_said():
    assert "null token" in stages.detections(PICTURE, [], used=True)
    assert "null token" not in stages.detections(PICTURE, [], used=False)


def test_attention_has_a_row_per_tag_and_a_column_per_head():
    weights = np.array([[0.25, 0.75], [0.5, 0.5]], np.float32)
    markup = stages.attention(AttentionTrace(tags=["dog", "bench"], weights=weights))
    rows = re.findall(r"<tr><th scope=\"row\">(\w+)</th>(.*?)</tr>", markup)
    cells = {name: re.findall(r">(\d+)</td>", row) for name, row in rows}
    assert cells == {"dog": ["38", "25", "50"], "bench": ["62", "75", "50"]}


def test_the_caption_shows_probabilities_alternatives_and_beams():
    token = TokenTrace(text="dog", probability=0.91, alternatives=[("cat", 0.05)])
    end = TokenTrace(text="(end)", probability=0.5, alternatives=[])
    greedy = CaptionTrace(text="dog", tokens=[token, end], beams=[("dog", -0.1)])
    markup = stages.caption(greedy)
    assert "0.91" in markup
    assert "cat" in markup
    assert "5.0 %" in markup
    assert "All beams" not in markup
    beams = stages.caption(dataclasses.replace(greedy, beams=[("dog", -0.1), ("a dog", -0.4)]))
    assert "All beams" in beams
    assert "−0.40" in beams


def test_a_little_never_reads_as_nothing():
    token = TokenTrace(text="ice", probability=0.002, alternatives=[("snow", 0.0004)])
    trace = CaptionTrace(text="ice", tokens=[token], beams=[])
    assert "With “ice” (&lt; 1 %) instead of “ice” (&lt; 1 %)" in stages.followed(trace, trace, 0)
    markup = stages.caption(trace)
    for words in ("<small>&lt; 0.01</small>", "“ice” (&lt; 1 %)", "&lt; 0.1 %"):
        assert words in markup
    weights = np.array([[0.004, 0.996]], dtype=np.float32)
    markup = stages.attention(AttentionTrace(tags=["dog", "bench"], weights=weights))
    assert ">&lt; 1</td>" in markup
    assert ">0</td>" not in markup


def test_the_loss_of_the_refinement_is_drawn_from_its_first_to_its_last_step():
    losses = np.array([2.0, 1.5, 1.25], np.float32)
    trace = RefinementTrace(
        feature=unit(1), losses=losses, trajectory=unit(0, 2), trajectory_steps=np.array([0, 3])
    )
    markup = stages.refinement(unit(1), trace)
    assert "2.000 → 1.250" in markup
    assert 'd="M0.00 0.00L50.00 66.67L100.00 100.00"' in markup
    assert "0.0°" in markup


def test_nothing_that_people_or_models_write_becomes_markup():
    found = [Detection(label=NASTY, score=0.9, box=(0, 0, 10, 10))]
    token = TokenTrace(text=NASTY, probability=0.9, alternatives=[(NASTY, 0.1)])
    written = CaptionTrace(text=NASTY, tokens=[token], beams=[(NASTY, 0.0), (NASTY, -1.0)])
    view = WalkView(TraceSettings(), NASTY, True)
    for markup in (
        stages.projection_bars(projection(NASTY), 3),
        stages.detections(PICTURE, found, used=True),
        stages.attention(AttentionTrace(tags=[NASTY], weights=np.ones((1, 1), np.float32))),
        stages.caption(written),
        view.start()["sample"],
        view.stop(NASTY, failed=True)["sample"],
    ):
        assert NASTY not in markup
        assert "&lt;img" in markup


@pytest.mark.parametrize(("seconds", "text"), [(0.0123, "12 ms"), (0.43, "0.43 s"), (7.46, "7.5 s")])
def test_seconds_read_well(seconds, text):
    assert seconds_text(seconds) == text


# -- the presenter ---------------------------------------------------------------------------------


def test_a_run_starts_with_what_it_will_leave_out():
    slots = WalkView(TraceSettings(variant="baseline"), "x", from_text=False).start()
    assert "Nothing is generated" in slots["figure-generate"]
    assert "A real picture is not refined" in slots["figure-refine"]
    assert "leaves the projection (FP) out" in slots["figure-project"]
    assert "does not attend" in slots["figure-attend"]
    assert "left out" in slots["head-project"]
    assert "not run yet" in slots["head-encode"]


def test_stages_appear_as_they_are_done():
    view = WalkView(TraceSettings(), "From the sentence", from_text=True, corpus_size=100)
    view.start()
    assert (
        "1 ahead" in view.apply(Waiting(1))["sample"]
        or "one run is ahead" in view.apply(Waiting(1))["sample"]
    )
    slots = view.apply(StageStarted(stage=Stage.GENERATE, total=20))
    assert "step 0 of 20" in slots["head-generate"]
    slots = view.apply(StageProgress(stage=Stage.GENERATE, step=4, total=20, preview=PICTURE))
    assert "step 4 of 20" in slots["head-generate"]
    assert "after step 4" in slots["figure-generate"]
    trace = Trace(settings=TraceSettings(), profile="tiny", text="x", image=PICTURE)
    slots = view.apply(StageFinished(stage=Stage.GENERATE, trace=trace, seconds=0.5))
    assert "done in 0.50 s" in slots["head-generate"]
    assert "The generated picture" in slots["figure-generate"]
    trace = dataclasses.replace(trace, image_feature=unit(0))
    view.apply(StageFinished(stage=Stage.ENCODE, trace=trace, seconds=0.1))
    trace = dataclasses.replace(trace, projection=projection())
    slots = view.apply(StageFinished(stage=Stage.PROJECT, trace=trace, seconds=0.1))
    assert "a dog" in slots["figure-project"]
    assert list(view.path) == [Kind.GENERATED, Kind.PROJECTED]
    trace.caption = CaptionTrace(text="a dog", tokens=[], beams=[("a dog", 0.0)])
    assert "a dog" in view.apply(Finished(trace=trace))["sample"]


def test_a_real_picture_is_real_on_the_map_too():
    view = WalkView(TraceSettings(), "x", from_text=False)
    trace = Trace(settings=TraceSettings(), profile="tiny", image=PICTURE, image_feature=unit(0))
    slots = view.apply(StageFinished(stage=Stage.ENCODE, trace=trace, seconds=0.1))
    assert list(view.path) == [Kind.REAL]
    assert "The picture handed in" in slots["figure-generate"]


def test_steps_without_a_picture_do_not_flood_the_page():
    view = WalkView(TraceSettings(), "x", from_text=True)
    shown = [view.apply(StageProgress(stage=Stage.REFINE, step=i, total=500)) for i in range(100)]
    assert sum(bool(slots) for slots in shown) < 20


def test_a_stopped_run_says_where():
    view = WalkView(TraceSettings(), "x", from_text=True)
    view.apply(StageStarted(stage=Stage.REFINE, total=500))
    slots = view.stop("Stopped.", failed=False)
    assert "stopped" in slots["head-refine"]
    assert "Stopped." in slots["sample"]


# -- links and errors ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("choice", "settings"),
    [
        (Choice("text", "two dogs & a cat = 3?"), TraceSettings()),
        (
            Choice("example", "park"),
            TraceSettings(variant="fo+af", temperature=0.02, decoding="beam", beam_size=3, seed=7),
        ),
    ],
)
def test_a_link_restores_what_it_was_made_from(choice, settings):
    from urllib.parse import parse_qsl

    query = write_query(choice, settings)
    assert read_query(dict(parse_qsl(query[1:])), TraceSettings()) == (choice, settings)


def test_an_upload_is_not_in_the_link():
    assert "secret" not in write_query(Choice("upload", "/tmp/secret.png"), TraceSettings())


def test_a_link_with_words_for_numbers_is_refused():
    with pytest.raises(InputError, match="seed must be a number"):
        read_query({"seed": "many"}, TraceSettings())


def test_our_errors_are_shown_and_others_keep_their_inside():
    error = to_gradio(CheckpointError("The decoder is missing; train it."))
    assert (error.title, error.message) == ("Checkpoint cannot be used", "The decoder is missing; train it.")
    assert "secret" not in describe(RuntimeError("secret path"))
