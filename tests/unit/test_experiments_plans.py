"""What each experiment consists of, on profiles that have everything and on some that lack things."""

from __future__ import annotations

from dataclasses import replace

import pytest

from syntic.errors import InputError
from syntic.experiments import PLANS, Plan, make_plan, only
from syntic.method import VARIANTS
from syntic.method.improvement import IMPROVEMENTS
from syntic.profiles import Profile, load_profile


@pytest.fixture(scope="module")
def small() -> Profile:
    """One corpus with pictures, as MSCOCO, and no real pictures to learn from, whatever ships."""
    shipped = load_profile("emoji")
    sets = ("everyday", "everyday-validation")
    return replace(
        shipped,
        corpora={"everyday": shipped.corpora["everyday"]},
        test_sets={name: shipped.test_sets[name] for name in sets},
        training_pictures={},
    )


@pytest.fixture(scope="module")
def full(small) -> Profile:
    """Corpora for all three data sets of the paper."""
    everyday, pictures = small.corpora["everyday"], small.test_sets["everyday"]
    people = replace(everyday, like="Flickr30k", temperature=0.0125)
    return replace(
        small,
        corpora={"everyday": everyday, "people": people, "web": replace(everyday, like="SS1M")},
        test_sets={**small.test_sets, "people": pictures},
        training_pictures={"everyday": pictures, "people": pictures},
    )


def rows(plan: Plan, group: str) -> list[str]:
    return [row.name for row in plan.rows if row.group == group]


def test_table1_has_all_systems_on_both_domains(full):
    plan = make_plan("table1", full)
    assert plan.groups == ["MSCOCO", "Flickr30k"]
    assert rows(plan, "MSCOCO") == rows(plan, "Flickr30k")
    assert len(rows(plan, "MSCOCO")) == 13
    by_name = {row.name: row for row in plan.rows if row.group == "Flickr30k"}
    assert {name: len(row.runs) for name, row in by_name.items()} == {
        **dict.fromkeys(by_name, 1),
        **dict.fromkeys(("capdec", "close", "decap", "syntic"), 3),
    }
    assert by_name["butd"].learns_from == "real pairs"
    assert by_name["feng"].learns_from == "unpaired pictures"
    assert by_name["syntic"].learns_from == "texts"
    assert by_name["syntic"].paper.cider == 56.6
    assert by_name["clipcap"].paper is None  # the paper has it on MSCOCO only
    assert {(run.corpus, run.domain, run.test_set) for run in by_name["syntic"].runs} == {
        ("people", "people", "people")
    }


def test_table2_goes_both_ways_with_the_targets_texts(full):
    plan = make_plan("table2", full, seeds=2)
    assert plan.groups == ["MSCOCO -> Flickr30k", "Flickr30k -> MSCOCO"]
    systems = ["clipre", "magic", "capdec", "decap", "decap-tt", "syntic", "syntic-tt"]
    assert rows(plan, plan.groups[0]) == systems
    there = next(row for row in plan.rows if row.name == "syntic-tt")
    assert [(run.corpus, run.domain, run.seed) for run in there.runs] == [
        ("everyday", "people", 0),
        ("everyday", "people", 1),
    ]
    assert there.paper.cider == 43.2


def test_table3_learns_from_the_web_and_is_tested_on_both(full):
    plan = make_plan("table3", full)
    assert plan.groups == ["SS1M -> MSCOCO", "SS1M -> Flickr30k"]
    assert {run.corpus for run in plan.runs} == {"web"}
    papers = {row.name: row.paper for row in plan.rows if row.group == "SS1M -> MSCOCO"}
    assert papers["syntic"].cider == 55.6
    assert papers["decap"].cider == 50.6


def test_table4_has_the_eight_variants_in_and_across_domains(full):
    plan = make_plan("table4", full)
    for group in ("MSCOCO", "MSCOCO -> Flickr30k", "Flickr30k"):
        assert rows(plan, group) == [variant.name for variant in VARIANTS]
    assert len(plan.runs) == 8 * 3 * 3
    assert [run.seed for run in plan.runs] == sorted(run.seed for run in plan.runs)  # whole tables first


def test_figure2_takes_shares_of_the_texts(full):
    plan = make_plan("figure2", full)
    assert sorted({run.share for run in plan.runs}) == [0.01, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert {run.system for run in plan.runs} == {"syntic", "magic", "capdec", "decap"}
    assert "syntic 1%" in rows(plan, "MSCOCO")
    papers = {row.name: row.paper for row in plan.rows}
    assert papers["syntic 100%"].cider == 101.1
    assert papers["syntic 80%"] is None  # the paper draws it and does not say it


def test_settings_are_compared_on_validation_pictures(full):
    refinement = make_plan("sweep-refinement", full)
    temperature = make_plan("sweep-temperature", full)
    assert {run.test_set for run in refinement.runs + temperature.runs} == {"everyday-validation"}
    assert len(refinement.rows) == 10
    assert {run.mask_own_caption for run in refinement.runs} == {False, True}
    usual = next(row for row in temperature.rows if row.name == "temperature 1/100")
    assert usual.runs[0].temperature is None  # the profile's own, so the decoder of the tables is used
    tested = [run for run in temperature.runs if run.tested_temperature is not None]
    assert {run.system for run in tested} == {"fp", "fp+fo", "fp+af", "syntic"}
    assert all(run.temperature is None for run in tested)  # decoders of the tables, too


def test_improvements_come_with_validation_first_and_the_upper_bound(full, small):
    plan = make_plan("improvements", full)
    assert plan.groups == ["validation", "test"]
    assert rows(plan, "test") == ["syntic", *(f"syntic, {name}" for name in IMPROVEMENTS), "clipcap"]
    without = make_plan("improvements", small)
    assert "clipcap" not in rows(without, "test")
    assert "real pictures" in without.left_out[0]


@pytest.mark.parametrize("name", PLANS)
def test_a_profile_with_one_corpus_gets_what_is_left_and_one_sentence(name, small):
    if name in ("table2", "table3"):
        with pytest.raises(InputError, match="needs a corpus.*that stands for .* in \\[corpora\\]"):
            make_plan(name, small)
        return
    plan = make_plan(name, small)
    assert plan.runs
    if name in ("table1", "table4"):
        assert any("stands for Flickr30k" in sentence for sentence in plan.left_out)
        assert plan.groups == ["MSCOCO"]


def test_what_cannot_be_planned_is_refused(small):
    with pytest.raises(InputError, match="no experiment 'table5'; choose one of table1, table2"):
        make_plan("table5", small)
    with pytest.raises(InputError, match="at least 1 seed, not 0"):
        make_plan("table1", small, seeds=0)
    nothing = replace(small, corpora={"everyday": replace(small.corpora["everyday"], like=None)})
    with pytest.raises(InputError, match="Table 1 needs a corpus with a test set that stands for MSCOCO"):
        make_plan("table1", nothing)
    unseen = replace(small, test_sets={"everyday": small.test_sets["everyday"]})
    with pytest.raises(InputError, match="measured on validation pictures.*`validation_set`"):
        make_plan("sweep-temperature", unseen)
    plan = make_plan("table4", small)
    assert {run.system for run in only(plan, ["fo"]).runs} == {"fo"}
    with pytest.raises(InputError, match="table4 has no row or system decap; it has: baseline; fo"):
        only(plan, ["decap"])
    sweep = make_plan("sweep-refinement", small)
    row = "100 steps, own caption masked"
    assert [row.name for row in only(sweep, [row]).rows] == [row]
