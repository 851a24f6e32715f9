"""Runs on the tiny profile: what is trained, what is read again, and what makes a run another one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from syntic.baselines import PICTURE_RECIPES
from syntic.baselines.decoding import DecoderCaptioner
from syntic.errors import CheckpointError, DataError, InputError
from syntic.evaluation import metrics, scoring
from syntic.evaluation.metrics import Scores
from syntic.experiments import Bench, Choices, LeftOut, Plan, Recipes, Record, Results, Row, Run, make_plan
from syntic.experiments import trainings as trainings_module
from syntic.method import load_checkpoint
from syntic.method.components import Components
from syntic.profiles import Profile

QUICK = Recipes(overrides=("optimizer.steps=2", "optimizer.batch_size=9"))


def quick_scores(references: Mapping, systems: Mapping) -> dict[str, Scores]:
    """CIDEr alone, without Java."""
    from pycocoevalcap.cider.cider import Cider

    scores = {}
    for name, captions in systems.items():
        pairs = metrics._tokenized(references, captions, metrics.tokenize_simply)
        cider, each = Cider().compute_score(*pairs)
        scores[name] = Scores(
            bleu4=0, meteor=0, rouge_l=0, cider=100 * float(cider), cider_each=tuple(100 * each)
        )
    return scores


@pytest.fixture(autouse=True)
def _without_java(request, monkeypatch):
    if not request.node.get_closest_marker("java"):
        monkeypatch.setattr(metrics, "require_java", lambda what: None)
        monkeypatch.setattr(metrics, "score_systems", quick_scores)


@pytest.fixture(scope="module")
def profile(tiny_profile: Profile, tmp_path_factory) -> Profile:
    """The tiny profile with a second domain, a third corpus, and real pictures to learn from."""
    import shutil

    root = tmp_path_factory.mktemp("experiments")
    everyday = replace(tiny_profile.corpora["everyday"], decoders=root / "decoders")
    corpora = {
        "everyday": everyday,
        "people": replace(everyday, like="Flickr30k", temperature=0.0125),
        "web": replace(everyday, like="SS1M"),
    }
    source = tiny_profile.test_sets["everyday"]
    shutil.copytree(source, root / "pictures")
    from PIL import Image

    for path in (root / "pictures").glob("*.png"):
        Image.open(path).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(path)
    return replace(
        tiny_profile,
        corpora=corpora,
        test_sets={**tiny_profile.test_sets, "people": source},
        training_pictures={"everyday": root / "pictures"},
    )


@pytest.fixture(scope="module")
def components(profile) -> Components:
    return Components(profile, torch.device("cpu"))


@pytest.fixture
def bench(components, tmp_path) -> Bench:
    return Bench(components, tmp_path, cache=tmp_path / "features", recipes=QUICK)


def run_of(system: str, **changes) -> Run:
    return replace(Run(system=system, corpus="everyday", domain="everyday", test_set="everyday"), **changes)


def plan_of(*runs: Run) -> Plan:
    rows = tuple(Row(name=run.system, group="MSCOCO", runs=(run,)) for run in runs)
    return Plan(name="table1", title="A table", rows=rows)


@pytest.mark.parametrize(
    "system",
    ["fp", "decap", "capdec", "magic", "zerocap", "clipre", *PICTURE_RECIPES],
)
def test_every_system_is_trained_and_scored(system, bench):
    record = bench.record(run_of(system))
    assert list(record.captions) == ["0000", "0001", "0002", "0003"]
    assert len(record.cider_each) == 4
    assert {"bleu4", "cider", "clip_score", "ref_clip_score"} <= record.scores.keys()
    assert record.decoding in ("greedy", "retrieval", system)
    if system != "clipre":
        assert record.training["steps"] == 2
        assert record.training["weights_sha256"]


def test_a_finished_run_is_read_and_not_done_again(bench, components, tmp_path, monkeypatch):
    first = bench.record(run_of("fp"))
    again = Bench(components, tmp_path, recipes=QUICK)
    monkeypatch.setattr(Bench, "_evaluate", lambda *_: pytest.fail("done again"))
    assert again.record(run_of("fp")) == first
    (path,) = (tmp_path / "records").iterdir()
    fresh = Bench(components, tmp_path / "fresh", records=path.parent, recipes=QUICK)
    assert fresh.record(run_of("fp")) == first
    monkeypatch.undo()
    path.write_text("damaged")
    monkeypatch.setattr(metrics, "score_systems", quick_scores)
    monkeypatch.setattr(trainings_module, "train", lambda *_, **__: pytest.fail("trained again"))
    monkeypatch.setattr(metrics, "require_java", lambda what: None)
    assert again.record(run_of("fp")).captions == first.captions


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"share": 0.5},
        {"temperature": 0.05},
        {"refinement_steps": 3},
        {"mask_own_caption": True},
        {"improvement": "hidden-tags"},
        {"system": "syntic-tt", "domain": "people"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_setting_makes_another_run(change, bench):
    run = run_of("syntic")
    assert bench.describe(run) != bench.describe(replace(run, **change))


def test_the_search_the_pictures_and_the_models_make_another_run(bench, components, tmp_path, monkeypatch):
    usual = bench.describe(run_of("syntic"))
    for choices in (Choices(decoding="beam"), Choices(limit=2)):
        other = Bench(components, tmp_path, recipes=QUICK, choices=choices)
        assert other.describe(run_of("syntic")) != usual
    longer = Bench(components, tmp_path, recipes=Recipes(overrides=("optimizer.steps=3",)))
    assert longer.describe(run_of("syntic")) != usual
    people = bench.describe(run_of("magic", domain="people", test_set="people"))
    assert people["search"]["magic"]["candidates"] == 25  # MAGIC's settings for Flickr30k
    assert bench.describe(run_of("magic"))["search"]["magic"]["candidates"] == 45
    with pytest.raises(InputError, match="`decoding` is 'best' but must be one of greedy, beam, own"):
        Choices(decoding="best")


def test_a_decoder_that_train_has_made_is_used_however_it_was_watched(bench, profile, components):
    from syntic.training import ValidationSettings, make_validator, train

    run = run_of("fp")
    usual = profile.corpus("everyday").decoders / "fp"
    settings = replace(bench.trainings.settings(run), validation=ValidationSettings(every_steps=1), out=usual)
    validator = make_validator(settings, profile, components.encoder)
    for _ in train(
        settings,
        profile=profile,
        store=components.feature_store("everyday"),
        text_model=components.encoder,
        validator=validator,
    ):
        pass
    try:
        assert bench.trainings.decoders(run) == usual.parent
        assert bench.trainings.decoders(replace(run, seed=1)) != usual.parent
        own = bench.trainings.decoders(replace(run, seed=2))
        weights = load_checkpoint(own / "fp", "tiny")[0].state_dict()
        other = load_checkpoint(usual, "tiny")[0].state_dict()
        assert any(not torch.equal(value, other[name]) for name, value in weights.items())
    finally:
        for path in usual.parent.glob("fp.*"):
            path.unlink()


def test_a_share_has_fewer_texts_and_as_many_steps(components, tmp_path):
    epochs = Recipes(overrides=("optimizer.epochs=2", "optimizer.batch_size=9"))
    trainings = Bench(components, tmp_path, recipes=epochs).trainings
    whole, half = run_of("decap"), run_of("decap", share=0.5)
    fewer = run_of("decap", share=0.2)
    assert len(trainings.store(whole)) == 27
    assert len(trainings.store(half)) == 14
    assert set(trainings.store(fewer).captions) < set(trainings.store(half).captions)
    assert trainings.settings(whole).optimizer.total_steps(27) == 6
    assert trainings.settings(half).optimizer.steps == 6


def test_a_share_projects_onto_its_own_texts_only(bench, monkeypatch):
    seen = []
    original = scoring.evaluate_captioner

    def spy(captioner, *arguments, **options):
        seen.append(captioner)
        return original(captioner, *arguments, **options)

    monkeypatch.setattr("syntic.experiments.running.evaluate_captioner", spy)
    bench.record(run_of("decap", share=0.5))
    assert seen[0].support.captions == bench.trainings.store(run_of("decap", share=0.5)).captions
    assert len(bench.components.feature_store("everyday")) == 27  # the others keep theirs


@pytest.fixture
def captioners(monkeypatch):
    """The captioners that are evaluated from here on."""
    seen: list[DecoderCaptioner] = []
    original = scoring.evaluate_captioner
    monkeypatch.setattr(
        "syntic.experiments.running.evaluate_captioner",
        lambda captioner, *a, **k: seen.append(captioner) or original(captioner, *a, **k),
    )
    return seen


def test_a_temperature_holds_in_training_and_at_inference(bench, captioners):
    record = bench.record(run_of("fp", temperature=0.05))
    assert captioners[0].temperature == 0.05
    assert record.training["settings"]["temperature"] == 0.05


def test_a_tested_temperature_holds_at_inference_alone(bench, captioners):
    usual, tested = bench.record(run_of("fp")), bench.record(run_of("fp", tested_temperature=0.05))
    assert captioners[-1].temperature == 0.05
    assert tested.key != usual.key
    assert tested.training == usual.training


def test_the_targets_texts_are_projected_onto(bench):
    run = run_of("syntic-tt", domain="people", test_set="people")
    described = bench.describe(run)
    assert described["temperature"] == 0.0125
    assert described["training"] == bench.describe(run_of("syntic"))["training"]
    assert bench.record(run).captions


def test_missing_pictures_leave_a_row_out_with_one_sentence(components, profile, tmp_path):
    nowhere = replace(profile, training_pictures={"everyday": tmp_path / "nowhere"})
    bench = Bench(Components(nowhere, torch.device("cpu")), tmp_path, recipes=QUICK)
    told = []
    plan = plan_of(run_of("clipcap"), run_of("clipre"))
    left, record = bench.carry_out(plan, lambda done, total, run: told.append((done, total, run.system)))
    assert isinstance(left, LeftOut)
    assert "There are no training pictures at" in left.reason
    assert isinstance(record, Record)
    assert told == [(0, 2, "clipcap"), (1, 2, "clipre")]
    results = Results.of(plan, [left, record], profile="tiny", decoding="greedy")
    assert "- clipcap, MSCOCO: There are no training pictures" in results.to_markdown()


def test_what_learns_from_texts_must_not_be_missing(profile, tmp_path):
    corpora = {"everyday": replace(profile.corpora["everyday"], features=tmp_path / "nowhere")}
    components = Components(replace(profile, corpora=corpora), torch.device("cpu"))
    with pytest.raises(DataError):
        list(Bench(components, tmp_path, recipes=QUICK).carry_out(plan_of(run_of("fp"))))


def test_a_paused_training_says_how_to_go_on(components, tmp_path):
    bench = Bench(components, tmp_path, recipes=QUICK, follow=lambda events: None)
    with pytest.raises(CheckpointError, match="'fp' was paused; run the same command to go on"):
        bench.record(run_of("fp"))


def test_truth_is_asked_of_whoever_knows(components, tmp_path):
    asked: list[Path] = []

    def truth(folder: Path, captions: Mapping[str, str]) -> dict[str, float | None]:
        asked.append(folder)
        return {"things_precision": 50.0, "things_recall": None}

    record = Bench(components, tmp_path, truth=truth).record(run_of("clipre"))
    assert record.scores["things_precision"] == 50.0
    assert len(asked) == 1


def test_a_small_table4_from_plan_to_files(bench, profile, tmp_path):
    plan = make_plan("table4", profile, seeds=2)
    plan = replace(plan, rows=tuple(row for row in plan.rows if row.name in ("baseline", "fp")))
    results = Results.of(plan, bench.carry_out(plan), profile="tiny", decoding="greedy")
    results.save(tmp_path / "results")
    saved = json.loads((tmp_path / "results" / "table4.json").read_text())
    assert [(row["name"], row["group"], row["seeds"]) for row in saved["rows"]] == [
        ("baseline", "MSCOCO", [0, 1]),
        ("fp", "MSCOCO", [0, 1]),
        ("baseline", "MSCOCO -> Flickr30k", [0, 1]),
        ("fp", "MSCOCO -> Flickr30k", [0, 1]),
        ("baseline", "Flickr30k", [0, 1]),
        ("fp", "Flickr30k", [0, 1]),
    ]
    ciders = json.loads((tmp_path / "results" / "table4-cider.json").read_text())
    assert len(ciders["cider"]["MSCOCO"]["fp"]) == 2
    assert len(ciders["cider"]["MSCOCO"]["fp"][0]) == len(ciders["pictures"]["MSCOCO"]) == 4
    assert "/ 98.2 |" in results.to_markdown()


@pytest.mark.java
@pytest.mark.skipif(not metrics.java_available(), reason="there is no Java")
def test_a_run_has_the_scores_of_its_captions(bench):
    record = bench.record(run_of("clipre"))
    references = scoring.open_test_set(bench.profile, "everyday").references
    scores = metrics.score(references, record.captions)
    assert record.scores["cider"] == pytest.approx(scores.cider, abs=0.01)
    assert record.scores["meteor"] == pytest.approx(scores.meteor, abs=0.01)
