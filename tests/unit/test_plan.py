"""What a run costs: the arithmetic in round numbers, the measuring on the tiny models."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import pytest

from syntic.__main__ import main
from syntic.errors import InputError
from syntic.evaluation.plan import RunSize, Throughput, measure_tera_flops, plan
from syntic.experiments import make_plan
from syntic.models import ClipEncoder
from syntic.profiles import REPOSITORY, load_profile
from syntic.training import load_run

GIVEN = Throughput(
    captions_per_second=2.0, decoder_captions_per_second=4000.0, tera_flops=60.0, source="as given"
)
PARAMETERS = 68_000_000
COCO = RunSize(captions=566_747, decoder_parameters=PARAMETERS)
SCALE = (REPOSITORY / "docs" / "scale.md").read_text(encoding="utf-8")
GIVEN_OPTIONS = ["--captions-per-second", "2", "--decoder-captions-per-second", "4000", "--tera-flops", "60"]


def test_hours_disk_and_memory_follow_from_the_sizes():
    one = plan(COCO, GIVEN, gpus=1)
    assert one.synthesis_gpu_hours == pytest.approx(566_747 / 2 / 3600)
    assert one.training_gpu_hours == pytest.approx(10 * 566_747 / 4000 / 3600)
    # Eq. 3: two products of N x D x N multiply-adds, at half of 60 TFLOP/s.
    assert one.projection_gpu_hours == pytest.approx(4 * 566_747**2 * 512 / 30e12 / 3600)
    # Eq. 2: 500 steps for each batch of 128, which on a GPU cost their start, not their arithmetic.
    assert one.refinement_gpu_hours == pytest.approx(4428 * 500 * 5e-4 / 3600)
    assert one.wall_hours == pytest.approx(one.gpu_hours)
    assert one.store_bytes == 566_747 * (2 * 512 * 2 + 160)
    assert one.memory_bytes == 3 * 566_747 * 512 * 4 + 64 * 2**20


def test_disk_is_the_sum_of_what_a_run_leaves_there():
    features = 566_747 * 512 * 4  # of one side, in float32
    one = plan(COCO, GIVEN, gpus=1)
    assert one.unpacked_bytes == 2 * features  # more than 1 GiB: texts and pictures, mapped
    assert one.prepared_bytes == 2 * features  # refined, projected
    assert one.state_bytes == 2 * 3 * PARAMETERS * 4  # with AdamW's moments, the old and the new one
    assert one.decoder_bytes == PARAMETERS * 2
    parts = (one.store_bytes, one.unpacked_bytes, one.prepared_bytes, one.state_bytes, one.decoder_bytes)
    assert one.disk_bytes == sum(parts)
    eight = plan(replace(COCO, decoders=8), GIVEN, gpus=1)
    assert eight.prepared_bytes == 3 * features  # and the unrefined ones, projected
    assert eight.decoder_bytes == 8 * one.decoder_bytes
    assert plan(replace(COCO, captions=100_000), GIVEN, gpus=1).unpacked_bytes == 0


def test_many_gpus_share_the_synthesis_and_nothing_else():
    one, many = plan(COCO, GIVEN, gpus=1), plan(COCO, GIVEN, gpus=64)
    assert many.gpu_hours == one.gpu_hours
    saved = one.wall_hours - many.wall_hours
    assert saved == pytest.approx(one.synthesis_gpu_hours * 63 / 64)


def test_what_cannot_be_planned_is_refused():
    with pytest.raises(InputError, match="at least 1 GPU and 1 caption, not 0 and 566747"):
        plan(COCO, GIVEN, gpus=0)
    with pytest.raises(InputError, match="`tera_flops` must be above 0 but is 0"):
        Throughput(captions_per_second=1, decoder_captions_per_second=1, tera_flops=0, source="")


def test_the_command_takes_what_is_given_and_loads_nothing(capsys, monkeypatch):
    monkeypatch.setenv("SYNTIC_THREADS", "1")
    command = ["plan", "--profile", "paper", "--corpus", "coco", "--gpus", "64", "--captions", "566747"]
    command += GIVEN_OPTIONS
    assert main(command) == 0
    text = capsys.readouterr().out
    assert text.startswith("566,747 captions of coco on 64 GPUs, 1 decoder of 10 epochs")
    assert "78.71 GPU-hours, shared by all" in text
    assert "7.14 GiB: features 1.17, the same unpacked 2.16, Eq. 2 and 3 2.16, the training's" in text
    assert main([*command, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    planned = plan(COCO, GIVEN, gpus=64)
    assert report["gpu_hours"] == pytest.approx(planned.gpu_hours)
    assert report["disk_bytes"] == pytest.approx(planned.disk_bytes, rel=1e-2)
    assert main(command[:7]) == 2  # without a size the corpus must be here
    assert "no corpus at" in capsys.readouterr().err


def test_what_is_not_given_is_measured(tiny_profile_path, capsys, monkeypatch):
    monkeypatch.setenv("SYNTIC_THREADS", "1")
    monkeypatch.setattr("syntic.evaluation.plan.measure_synthesis.__defaults__", (0.0,))  # a single batch
    command = ["plan", "--profile", str(tiny_profile_path), "--tera-flops", "0.1", "--json"]
    load, loaded = ClipEncoder.from_settings, []

    def counted(*args):
        loaded.append(args)
        return load(*args)

    monkeypatch.setattr(ClipEncoder, "from_settings", counted)
    assert main(command) == 0
    assert len(loaded) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["captions"] == 27
    assert report["throughput"]["source"] == "measured on this machine's cpu: synthesis, decoder"
    assert report["throughput"]["captions_per_second"] > 0
    assert measure_tera_flops("cpu", side=64) > 0


def test_the_budget_is_the_profiles(capsys, monkeypatch):
    monkeypatch.setenv("SYNTIC_THREADS", "1")
    command = ["plan", "--profile", "emoji", "--captions", "8000", *GIVEN_OPTIONS]
    assert main(command) == 0  # 1250 steps of 64
    assert "1 decoder of 10 epochs" in capsys.readouterr().out
    assert main([*command, "--captions", "4000"]) == 0
    assert "1 decoder of 20 epochs" in capsys.readouterr().out
    assert main([*command, "--epochs", "3"]) == 0
    assert "1 decoder of 3 epochs" in capsys.readouterr().out
    assert main([*command, "--epochs", "0"]) == 2
    assert "--decoders and --epochs must be at least 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("row", "runs"),
    [
        ("1, MSCOCO", [("coco", 566_747, 1)]),
        ("1, Flickr30k", [("flickr30k", 145_000, 1)]),
        ("2, both of Table 1", [("coco", 566_747, 1), ("flickr30k", 145_000, 1)]),
        ("3, SS1M", [("ss1m", 978_662, 1)]),
        ("4, MSCOCO, eight decoders", [("coco", 566_747, 8)]),
        ("4, Flickr30k, eight decoders", [("flickr30k", 145_000, 8)]),
    ],
)
def test_the_page_on_scale_says_what_the_command_says(row, runs, capsys, monkeypatch):
    monkeypatch.setenv("SYNTIC_THREADS", "1")

    def planned(corpus, captions, decoders, gpus):
        command = ["plan", "--profile", "paper", "--corpus", corpus, "--captions", str(captions), "--json"]
        assert main([*command, "--decoders", str(decoders), "--gpus", str(gpus), *GIVEN_OPTIONS]) == 0
        return json.loads(capsys.readouterr().out)

    one, many = ([planned(*run, gpus) for run in runs] for gpus in (1, 64))
    names = ("synthesis_gpu_hours", "refinement_gpu_hours", "projection_gpu_hours", "training_gpu_hours")
    synthesis, *rest = (sum(report[name] for report in one) for name in names)
    cells = [row, f"{sum(captions for _, captions, _ in runs):,}", f"{synthesis:.1f}"]
    cells += [f"{hours:.2f}" for hours in rest]
    cells += [f"{sum(report['wall_hours'] for report in reports):.1f}" for reports in (one, many)]
    cells.append(f"{sum(report['disk_bytes'] for report in one) / 2**30:.2f}")
    cells.append(f"{max(report['memory_bytes'] for report in one) / 2**30:.2f}")
    assert f"| {' | '.join(cells)} |" in SCALE


def test_table_4_trains_as_many_decoders_as_the_page_prices():
    command = next(line for line in SCALE.splitlines() if "experiment table4" in line).split()
    runs = make_plan("table4", load_profile("paper"), int(command[command.index("--seeds") + 1])).runs
    trainings = Counter(corpus for _, corpus, _ in {(run.system, run.corpus, run.seed) for run in runs})
    assert trainings == {"coco": 8, "flickr30k": 8}


@pytest.mark.parametrize("path", sorted((REPOSITORY / "recipes").glob("*.toml")), ids=lambda path: path.stem)
def test_every_recipe_is_a_run_that_its_profile_knows(path):
    settings = load_run(path)
    profile = load_profile(settings.profile)
    profile.corpus(settings.corpus)
    test_set = settings.validation.test_set or f"{settings.corpus}-validation"
    assert test_set in profile.test_sets
    assert settings.optimizer.epochs == 10
    assert path.name in SCALE
