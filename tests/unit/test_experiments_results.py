"""Tables made of records, the intervals in them, and what becomes of the paper's claims."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from syntic.__main__ import main
from syntic.errors import DataError
from syntic.evaluation.published import TABLE4, find
from syntic.experiments import (
    Plan,
    Record,
    Results,
    Row,
    Run,
    analyse,
    claims,
    difference,
    write_block,
)
from syntic.experiments.analysis import to_markdown
from syntic.experiments.records import load_record, record_path, save_record
from syntic.experiments.statistics import spread

PICTURES = 200


def record(run: Run, cider: float, noise: float = 5.0, seed: int = 0) -> Record:
    each = np.random.default_rng(seed).normal(cider, noise, PICTURES)
    scores = {"bleu4": 10.0, "meteor": 20.0, "rouge_l": 30.0, "cider": float(each.mean()), "spice": None}
    return Record(
        key=f"{run.system}{run.seed}",
        run=asdict(run),
        described={},
        decoding="greedy",
        scores={**scores, "clip_score": 60.0},
        cider_each=each.tolist(),
        captions={f"{number:04d}": "a dog" for number in range(PICTURES)},
        training={"seed": run.seed, "steps": 3},
    )


def make_results(
    ciders: dict[str, list[float]],
    plan: str = "table4",
    noise: float = 5.0,
    combinations: dict[str, dict[str, str]] | None = None,
) -> Results:
    """Rows with one CIDEr for each seed; the pictures are as hard for all."""
    rows, records = [], []
    for name, values in ciders.items():
        runs = tuple(
            Run(system=name, corpus="everyday", domain="everyday", test_set="everyday", seed=seed)
            for seed in range(len(values))
        )
        rows.append(Row(name=name, group="MSCOCO", runs=runs, paper=find(TABLE4, name, "MSCOCO")))
        records += [record(run, value, noise) for run, value in zip(runs, values, strict=True)]
    made = Plan(name=plan, title="A table", rows=tuple(rows), left_out=("Flickr30k is missing.",))
    return Results.of(made, records, profile="tiny", decoding="greedy", combinations=combinations)


def test_an_interval_covers_the_truth_as_often_as_it_says():
    random, covered = np.random.default_rng(0), 0
    for _ in range(400):
        hard = random.normal(0, 20, 100)  # of the pictures, for both systems
        first = [5 + random.normal(0, 2) + hard + random.normal(0, 10, 100) for _ in range(3)]
        second = [random.normal(0, 2) + hard + random.normal(0, 10, 100) for _ in range(3)]
        interval = difference(first, second)
        covered += interval.low < 5 < interval.high
    assert 0.9 < covered / 400 < 0.995


def test_an_interval_of_one_seed_is_the_paired_one_of_the_pictures():
    random = np.random.default_rng(1)
    first, second = random.normal(3, 1, 400), random.normal(0, 1, 400)
    interval = difference([first], [second])
    half = 1.96 * (first - second).std(ddof=1) / 20
    assert interval.mean == pytest.approx((first - second).mean())
    assert interval.high - interval.mean == pytest.approx(half, rel=1e-3)
    assert interval.is_clear
    assert not difference([first], [first]).is_clear
    assert spread([1.0, 3.0]) == pytest.approx(2**0.5)
    assert spread([1.0]) is None


def test_a_table_has_ours_with_its_spread_beside_the_papers():
    text = make_results({"baseline": [80, 84], "fo": [90]}).to_markdown()
    assert "| baseline | 10.0 ± 0.0 / 25.1 | 20.0 ± 0.0 / 23.8 | 30.0 ± 0.0 / 49.4 |" in text
    assert "± 2.8 / 88.5 | - / 17.7 | 60.0 ± 0.0 | 2 |" in text
    assert "/ 89.8 | - / 17.8 | 60.0 | 1 |" in text  # one seed has no spread
    assert "200 pictures of everyday" in text
    assert "- Flickr30k is missing." in text
    assert "- S: SPICE was not installed" in text


def test_results_come_back_from_their_files(tmp_path):
    results = make_results({"baseline": [80.0, 84.0], "fo": [90.0]})
    names = [path.name for path in results.save(tmp_path)]
    assert names == ["table4.json", "table4-cider.json", "table4-captions.json"]
    saved = json.loads((tmp_path / "table4.json").read_text())
    row = saved["rows"][0]
    assert (row["name"], row["seeds"], row["learns_from"]) == ("baseline", [0, 1], "texts")
    assert row["paper"]["cider"] == 88.5
    assert row["scores"]["cider"]["spread"] == pytest.approx(2.83, abs=0.01)
    assert "captions" not in row
    captions = json.loads((tmp_path / "table4-captions.json").read_text())
    assert captions["MSCOCO"]["fo"]["0000"] == "a dog"


def test_a_newer_record_of_the_same_run_takes_the_place_of_the_older(tmp_path):
    run = Run(system="fp", corpus="everyday", domain="everyday", test_set="everyday")
    masked = replace(run, mask_own_caption=True)
    older, other, newer = (
        replace(record(one, cider), key=key)
        for one, cider, key in ((run, 80.0, "a"), (masked, 81.0, "b"), (run, 82.0, "c"))
    )
    for one in (older, other, newer):
        save_record(tmp_path, one)
    assert load_record(record_path(tmp_path, run, "a")) is None
    assert load_record(record_path(tmp_path, masked, "b")) == other
    assert load_record(record_path(tmp_path, run, "c")) == newer


def test_improvements_say_how_much_of_the_gap_they_close():
    rows = {"syntic": [100.0], "syntic, text-views": [105.0], "clipcap": [120.0]}
    text = make_results(rows, "improvements", noise=0.0).to_markdown()
    assert (
        "- MSCOCO: syntic, text-views over syntic +5.0 [+5.0, +5.0] CIDEr, 25% of the gap to clipcap." in text
    )
    rows["clipcap"] = [90.0]
    text = make_results(rows, "improvements", noise=0.0).to_markdown()
    assert "(clipcap is not ahead of syntic)" in text


def test_claims_are_orderings_that_the_papers_numbers_show():
    found = {(claim.plan, claim.group, claim.better, claim.worse): claim.paper for claim in claims()}
    assert len(found) == len(claims())
    assert all(by is None or by > 0 for by in found.values())
    assert found["table4", "MSCOCO", "fo", "baseline"] == 1.3
    assert found["table4", "MSCOCO", "fp", "baseline"] == 9.7
    assert found["table1", "MSCOCO", "syntic", "decap"] == 9.9
    assert found["table2", "Flickr30k -> MSCOCO", "syntic-tt", "syntic"] == 17.4
    assert found["table3", "SS1M -> MSCOCO", "syntic", "decap"] == 5.0
    assert found["figure2", "MSCOCO", "syntic 10%", "magic 100%"] is None
    # Its numbers show no gain of these two, whatever the text says of the others.
    assert ("table1", "Flickr30k", "syntic", "decap") not in found
    assert ("table4", "MSCOCO -> Flickr30k", "af", "baseline") not in found


def test_the_analysis_says_what_holds_and_what_is_undecided(tmp_path):
    make_results({"baseline": [80.0], "fo": [90.0], "fp": [70.0], "af": [80.0]}, noise=0.0).save(tmp_path)
    verdicts = {
        (finding.claim.better, finding.claim.worse): finding.verdict
        for finding in analyse(tmp_path)
        if finding.claim.group == "MSCOCO" and finding.claim.plan == "table4"
    }
    assert verdicts["fo", "baseline"] == "holds"
    assert verdicts["fp", "baseline"] == "does not hold"
    assert verdicts["af", "baseline"] == "undecided"
    assert verdicts["syntic", "fp"] == "not measured"
    text = to_markdown(analyse(tmp_path))
    assert "3 were measured here: 1 hold, 1 are the other way round, 1 are undecided" in text
    assert "| MSCOCO | fo over baseline | +1.3 | +10.0 [+10.0, +10.0] | holds |" in text
    assert "Not measured yet; `python -m syntic experiment table2` does." in text


def test_pictures_are_set_apart_by_what_texts_show_together(tmp_path):
    known = {f"{number:04d}": "single" if number < 50 else "unseen" for number in range(PICTURES)}
    results = make_results({"baseline": [80.0], "fo": [90.0]}, combinations={"everyday": known})
    for result in results.rows:
        result.records[0].cider_each[:50] = [100.0] * 50
    text = results.to_markdown()
    assert "| system | one kind | together in texts | together in no text |" in text
    assert "| fo, MSCOCO | 100.0 (50) | - | " in text
    assert "(150) |" in text
    assert "one kind" not in results.to_markdown(brief=True)
    assert "one kind" not in make_results({"fo": [90.0]}).to_markdown()
    results.save(tmp_path)
    (found,) = (one for one in analyse(tmp_path) if one.claim.worse == "baseline" and one.ours is not None)
    assert found.parts.keys() == {"single", "unseen"}
    assert found.parts["single"].mean == 0
    assert found.parts["unseen"].mean > found.ours.mean > 0
    assert "| on one kind of things | on kinds together in no text |" in to_markdown(analyse(tmp_path))


def test_damaged_results_are_named(tmp_path):
    (tmp_path / "table4-cider.json").write_text("{}")
    with pytest.raises(DataError, match="table4-cider.json is damaged; make it again"):
        analyse(tmp_path)


def test_a_block_is_replaced_between_its_marks_and_nothing_else(tmp_path):
    path = tmp_path / "page.md"
    path.write_text("above\n<!-- table4:begin, made by a command -->\nold\n<!-- table4:end -->\nbelow\n")
    assert write_block(path, "table4", "| new |\n\ntext")
    expected = (
        "above\n<!-- table4:begin, made by a command -->\n| new |\n\ntext\n<!-- table4:end -->\nbelow\n"
    )
    assert path.read_text() == expected
    assert not write_block(path, "table1", "text")
    path.write_text("<!-- table4:end -->\n<!-- table4:begin -->\n")
    with pytest.raises(DataError, match="needs one <!-- table4:begin -->"):
        write_block(path, "table4", "text")


def test_the_command_lists_runs_and_analyses_what_there_is(tiny_profile_path, tmp_path, capsys):
    profile = ["--profile", str(tiny_profile_path)]
    assert main(["experiment", "table4", "--list", "--seeds", "1", *profile]) == 0
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == 8
    assert "syntic: everyday on everyday, seed 0" in printed.out
    assert "The cross-domain half needs a corpus" in printed.err
    assert main(["experiment", "all", "--list", "--only", "syntic", *profile]) == 0
    printed = capsys.readouterr()
    assert "own caption masked" in printed.out
    assert "table2 is left out." in printed.err
    assert main(["experiment", "table2", *profile]) == 2
    assert "Table 2 needs a corpus" in capsys.readouterr().err
    assert main(["experiment", "analysis", "--json", "--out", str(tmp_path), *profile]) == 0
    findings = json.loads(capsys.readouterr().out)
    assert {finding["verdict"] for finding in findings} == {"not measured"}
