"""What the trainings took: tiny logs in, thinned logs, a page and drawings out."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from syntic.__main__ import main
from syntic.emoji.pretraining import curves, panels
from syntic.emoji.pretraining.cli import PRESETS
from syntic.emoji.pretraining.curves import TrainingLog, write_curves
from syntic.errors import DataError, InputError

SVG = "{http://www.w3.org/2000/svg}"
PAGE = "# Models\n\n<!-- curves:begin -->\nold\n<!-- curves:end -->\n\nThe end.\n"


def line(step: int, *, of: float = 10, rate: float = 12.8) -> dict[str, float]:
    """A line of progress: a step of 128 pictures takes ten seconds."""
    return {
        "step": step,
        "minutes": step / 6,
        "of": of,
        "samples_per_second": rate,
        "learning_rate": 0.00123456,
        "loss": 9 / (1 + step),
    }


def report(step: int, **measures: float) -> dict[str, float]:
    return {"step": step, "report_seconds": 2.0, **measures}


def write_log(path: Path, lines: list[dict[str, float]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(entry) + "\n" for entry in lines))
    return path


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "docs" / "pretraining.md"
    path.parent.mkdir()
    path.write_text(PAGE)
    return path


def test_thinning_keeps_the_first_and_the_last_line_and_all_reports(tmp_path):
    reports = [report(step, held_out_ap50=step / 1000) for step in range(9, 1000, 60)]
    lines = sorted([line(step) for step in range(3, 1001)] + reports, key=lambda entry: entry["step"])
    log = TrainingLog.read(write_log(tmp_path / "log.jsonl", lines))
    thin = log.thinned()
    assert len(thin.progress) == curves.LOG_LINES
    assert [entry["step"] for entry in thin.progress[:1] + thin.progress[-1:]] == [3, 1000]
    assert thin.curve("held_out_ap50")[-1] == pytest.approx((log.curve("held_out_ap50")[-1]), rel=1e-3)
    assert [entry["step"] for entry in thin.reports] == [entry["step"] for entry in reports]
    assert thin.progress[-1]["samples"] == pytest.approx(128_000, rel=1e-6)
    thin.save(tmp_path / "thin.jsonl")
    assert (tmp_path / "thin.jsonl").stat().st_size < 25_000
    assert TrainingLog.read(tmp_path / "thin.jsonl").thinned() == thin


def test_what_a_killed_run_did_twice_counts_once(tmp_path):
    lines = [line(6), line(12), report(12, recall=0.1), line(18, rate=99), report(18, recall=0.2)]
    again = [line(14), line(20), report(20, recall=0.3)]
    log = TrainingLog.read(write_log(tmp_path / "log.jsonl", lines + again)).thinned()
    assert [entry["step"] for entry in log.progress] == [6, 12, 14, 20]
    assert log.progress[-1]["samples"] == 20 * 128
    assert [value for _, value in log.curve("recall")] == [0.1, 0.3]


def test_a_restart_is_where_a_finished_run_was_given_more(tmp_path):
    more_in_time = [line(30), line(36, of=12)]  # the same cosine, made longer
    restarted = [line(72, of=12), line(78, of=20)]
    log = TrainingLog.read(write_log(tmp_path / "log.jsonl", more_in_time + restarted))
    assert log.restarts() == [12]
    assert log.thinned().restarts() == [12]
    assert "stroke-dasharray" in panels.draw_panels("clip", log.curve, log.restarts())


def test_reports_take_their_minutes_from_the_lines_around(tmp_path):
    lines = [line(6), report(9, recall=0.5), line(12), report(14, recall=0.6)]
    log = TrainingLog.read(write_log(tmp_path / "log.jsonl", lines))
    assert log.curve("recall") == [(pytest.approx(1.5), 0.5), (pytest.approx(2.0), 0.6)]


def test_the_page_says_what_each_model_took(tmp_path, page):
    runs, kept = tmp_path / "runs", tmp_path / "kept"
    measured = [report(6, held_out_ap50=0.25, odd_measure=3), report(90, held_out_ap50=0.75, odd_measure=2)]
    write_log(runs / "detector" / "log.jsonl", [line(6), measured[0], line(90), measured[1]])
    write_log(tmp_path / "earlier" / "planner.jsonl", [line(60), report(60, thing_codes_told=0.5)])
    write_curves([runs, tmp_path / "earlier"], kept, page)
    text = page.read_text()
    assert "| planner | 10 | 60 | 7,680 | 13 |" in text
    assert "| detector | 15 | 90 | 11,500 | 13 |" in text
    assert "| detector | AP50 | 0.25 | 0.75 |" in text
    assert "| detector | odd measure | 3 | 2 |" in text
    assert "![detector: held-out measures and training loss over 15 minutes](curves/detector.svg)" in text
    assert "old" not in text
    assert text.endswith("The end.\n")
    assert "clip" not in text
    assert sorted(path.name for path in kept.iterdir()) == ["detector.jsonl", "planner.jsonl"]


def test_a_model_that_started_from_another_training_has_the_hours_of_both(tmp_path, page):
    write_log(
        tmp_path / "a" / "detector.jsonl", [line(6, of=40), line(60, of=40), report(60, held_out_ap50=0.5)]
    )
    write_log(tmp_path / "b" / "detector" / "log.jsonl", [line(6), line(24), report(24, held_out_ap50=0.8)])
    write_curves([tmp_path / "a", tmp_path / "b"], tmp_path / "kept", page)
    assert "| detector | 14 | 84 | 10,800 | 13 |" in page.read_text()
    assert "| detector | AP50 | 0.5 | 0.8 |" in page.read_text()
    log = TrainingLog.read(tmp_path / "kept" / "detector.jsonl")
    assert log.curve("held_out_ap50") == [(10.0, 0.5), (14.0, 0.8)]
    assert log.restarts() == [10]


def test_a_drawing_has_a_white_ground_axes_with_units_and_every_curve(tmp_path, page):
    lines = [line(6), report(6, held_out_psnr=20, planned_psnr=19), line(90), report(90, held_out_psnr=27)]
    write_log(tmp_path / "runs" / "autoencoder" / "log.jsonl", lines)
    write_curves([tmp_path / "runs"], tmp_path / "kept", page)
    root = ElementTree.parse(page.parent / "curves" / "autoencoder.svg").getroot()
    words = ["".join(element.itertext()) for element in root.iter(f"{SVG}text")]
    assert {"PSNR, dB", "training loss", "minutes", "from true latents, dB"} <= set(words)
    assert "from disturbed latents, dB" not in words  # not in this log
    tracks = [element.attrib["points"].split() for element in root.iter(f"{SVG}polyline")]
    assert [len(track) for track in tracks] == [2, 1, 2]
    assert all(
        0 <= float(number) <= 250 for track in tracks for point in track for number in point.split(",")
    )
    ground = root.find(f"{SVG}rect")
    assert ground is not None
    assert ground.attrib == {"width": root.get("width"), "height": root.get("height"), "fill": "#ffffff"}


def test_a_kept_log_stays_where_a_run_is_gone(tmp_path, page):
    runs, kept = tmp_path / "runs", tmp_path / "kept"
    log = write_log(runs / "clip" / "log.jsonl", [line(step) for step in range(1, 500)])
    write_curves([runs], kept, page)
    before, drawn = page.read_text(), (page.parent / "curves" / "clip.svg").read_text()
    log.unlink()
    write_curves([runs], kept, page)
    assert page.read_text() == before
    assert (page.parent / "curves" / "clip.svg").read_text() == drawn


def test_no_logs_at_all_is_one_sentence_with_what_to_run(tmp_path, page):
    with pytest.raises(
        InputError, match=r"no log of a training in .*runs; `python -m syntic emoji pretrain clip`"
    ):
        write_curves([tmp_path / "runs"], tmp_path / "kept", page)
    assert page.read_text() == PAGE


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ('{"step": 1, "minutes": 1}\n{"step": 2, "min\n', "Line 2 of"),
        ("[1]\n", "Line 1 of"),
        ("", "no line of progress yet"),
    ],
)
def test_a_damaged_log_is_named(tmp_path, text, match):
    (tmp_path / "log.jsonl").write_text(text)
    with pytest.raises(DataError, match=match):
        TrainingLog.read(tmp_path / "log.jsonl")


def test_a_page_without_marks_is_named(tmp_path, page):
    page.write_text("# Models\n")
    write_log(tmp_path / "runs" / "clip" / "log.jsonl", [line(6)])
    with pytest.raises(DataError, match="curves:begin"):
        write_curves([tmp_path / "runs"], tmp_path / "kept", page)


def test_the_command_takes_several_folders(tmp_path, page, monkeypatch):
    monkeypatch.setattr(curves, "KEPT", tmp_path / "kept")
    monkeypatch.setattr(curves, "PAGE", page)
    write_log(tmp_path / "b" / "clip.jsonl", [line(6)])
    assert main(["emoji", "curves", "--runs", str(tmp_path / "a"), str(tmp_path / "b")]) == 0
    assert "| clip | 1 | 6 | 768 | 13 |" in page.read_text()


def test_every_trained_model_has_its_panels():
    assert set(panels.MEASURES) == set(panels.PANELS) == set(PRESETS) - {"tokenizer"}
    for model, axes in panels.PANELS.items():
        names = [name for some in axes.values() for name in some]
        assert set(names) <= set(panels.MEASURES[model])
        assert all(len(some) <= len(panels.COLOURS) for some in axes.values())


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0, 42, [0, 10, 20, 30, 40, 50]),
        (20.1, 27.4, [20, 22, 24, 26, 28]),
        (0, 0, [0, 0.2]),
    ],
)
def test_ticks_are_round_and_hold_everything(low, high, expected):
    assert panels.ticks(low, high) == pytest.approx(expected)
