"""What a run costs: the arithmetic in round numbers, the measuring on the tiny models."""

from __future__ import annotations

import json

import pytest

from syntic.__main__ import main
from syntic.errors import InputError
from syntic.evaluation.plan import RunSize, Throughput, measure_tera_flops, plan
from syntic.profiles import REPOSITORY, load_profile
from syntic.training import load_run

GIVEN = Throughput(
    captions_per_second=2.0, decoder_captions_per_second=4000.0, tera_flops=60.0, source="as given"
)
COCO = RunSize(captions=566_747)


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
    command += ["--captions-per-second", "2", "--decoder-captions-per-second", "4000", "--tera-flops", "60"]
    assert main(command) == 0
    text = capsys.readouterr().out
    assert text.startswith("566,747 captions of coco on 64 GPUs, 1 decoder of 10 epochs")
    assert "78.71 GPU-hours, shared by all" in text
    assert main([*command, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["gpu_hours"] == pytest.approx(plan(COCO, GIVEN, gpus=64).gpu_hours)
    assert main(command[:7]) == 2  # without a size the corpus must be here
    assert "no corpus at" in capsys.readouterr().err


def test_what_is_not_given_is_measured(tiny_profile_path, capsys, monkeypatch):
    monkeypatch.setenv("SYNTIC_THREADS", "1")
    monkeypatch.setattr("syntic.evaluation.plan.measure_synthesis.__defaults__", (0.0,))  # a single batch
    command = ["plan", "--profile", str(tiny_profile_path), "--tera-flops", "0.1", "--json"]
    assert main(command) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["captions"] == 27
    assert report["throughput"]["source"] == "measured on this machine's cpu: synthesis, decoder"
    assert report["throughput"]["captions_per_second"] > 0
    assert measure_tera_flops("cpu", side=64) > 0


@pytest.mark.parametrize("path", sorted((REPOSITORY / "recipes").glob("*.toml")), ids=lambda path: path.stem)
def test_every_recipe_is_a_run_that_its_profile_knows(path):
    settings = load_run(path)
    profile = load_profile(settings.profile)
    profile.corpus(settings.corpus)
    test_set = settings.validation.test_set or f"{settings.corpus}-validation"
    assert test_set in profile.test_sets
    assert settings.optimizer.epochs == 10
    assert path.name in (REPOSITORY / "docs" / "scale.md").read_text(encoding="utf-8")
