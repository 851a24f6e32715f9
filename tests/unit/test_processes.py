"""Training in several processes: two real ones under torchrun against one, on the CPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from syntic.errors import InputError
from syntic.training import Processes, RunSettings, train_from_profile
from syntic.training.processes import ALONE

REPOSITORY = Path(__file__).parents[2]
# Dropout masks are drawn for the rows at hand, so that they differ with the shares; without them the
# processes compute the same sum in another order.
WITHOUT_DROPOUT = """
import sys
from torch import nn
from syntic.method import decoder
make = decoder.DecoderConfig.__post_init__
def without_dropout(self):
    object.__setattr__(self, "dropout", 0.0)
    make(self)
decoder.DecoderConfig.__post_init__ = without_dropout
from syntic.__main__ import main
sys.exit(main())
"""


@pytest.fixture
def start(tiny_profile_path, tmp_path):
    """Runs `train` in some processes and returns the main one's sidecar and what they said."""
    script = tmp_path / "without_dropout.py"
    script.write_text(WITHOUT_DROPOUT)

    def start(name: str, processes: int, *options: str, program: list[str] | None = None) -> tuple[dict, str]:
        launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
        command = [sys.executable, *(launcher if processes > 1 else []), *(program or [str(script)]), "train"]
        command += ["--profile", str(tiny_profile_path), "--set", "optimizer.batch_size=8"]
        command += ["--out", str(tmp_path / name), "--work", str(tmp_path / f"{name}-runs"), *options]
        environment = {**os.environ, "SYNTIC_THREADS": "1", "PYTHONPATH": str(REPOSITORY)}
        done = subprocess.run(
            command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=500
        )
        assert done.returncode == 0, done.stderr
        sidecar = tmp_path / f"{name}.json"
        return json.loads(sidecar.read_text()) if sidecar.exists() else {}, done.stderr

    return start


def test_two_processes_learn_what_one_learns(start, tmp_path):
    """27 captions in batches of 8: the last one of an epoch has 3, so that shares differ in size."""
    options = ["--variant", "syntic", "--set", "optimizer.steps=24", "--set", "validation.every_steps=12"]
    one, _ = start("one", 1, *options)
    two, told = start("two", 2, *options)
    assert (one["processes"], two["processes"]) == (1, 2)
    assert [step for step, _ in two["losses"]] == list(range(1, 25))
    for (_, alone), (_, together) in zip(one["losses"], two["losses"], strict=True):
        assert together == pytest.approx(alone, abs=1e-4)
    assert [step for step, _ in two["validation_curve"]] == [12, 24]
    assert told.count("step 24 of 24, loss") == 1  # one process tells
    assert not list((tmp_path / "two-runs").rglob("syntic-*"))  # the state went with the run
    left, right = (load_file(tmp_path / f"{name}.safetensors") for name in ("one", "two"))
    for name, value in left.items():
        torch.testing.assert_close(value.float(), right[name].float(), atol=2e-3, rtol=0, msg=name)


def test_a_paused_run_of_two_goes_on_with_another_number(start):
    options = ["--variant", "fp", "--set", "optimizer.steps=4", "--set", "validation.test_set=''"]
    sidecar, told = start("paused", 2, "--minutes", "0", *options, program=["-m", "syntic"])
    assert sidecar == {}
    assert told.count("paused at step 1 of 4") == 1
    sidecar, told = start("paused", 1, *options, program=["-m", "syntic"])
    assert "continuing at step 1" in told
    assert sidecar["steps"] == 4


def test_the_others_do_not_wait_for_a_main_process_that_failed(tmp_path):
    script = tmp_path / "failing.py"
    script.write_text(
        """
from syntic.errors import Cancelled
from syntic.training import Processes

processes = Processes.join()
with processes.main_first():
    print("first", processes.rank, flush=True)
try:
    with processes.main_first():
        print("second", processes.rank, flush=True)
        raise OSError
except (OSError, Cancelled) as error:
    print(type(error).__name__, processes.rank, flush=True)
processes.leave()
"""
    )
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = {**os.environ, "SYNTIC_THREADS": "1", "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [sys.executable, *launcher, str(script)], env=environment, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "first 0"
    assert sorted(done.stdout.splitlines()) == ["Cancelled 1", "OSError 0", "first 0", "first 1", "second 0"]


def test_alone_nothing_is_shared():
    rows = torch.arange(5)
    assert torch.equal(ALONE.share(rows), rows)
    assert Processes.join() == ALONE
    assert ALONE.any(True)
    assert not ALONE.any(False)


def test_shares_are_the_whole_batch():
    rows = torch.arange(5)
    shares = [Processes(count=3, rank=rank).share(rows) for rank in range(3)]
    assert sorted(torch.cat(shares).tolist()) == rows.tolist()
    assert len(Processes(count=8, rank=7).share(rows)) == 0


def test_systems_that_learn_from_pictures_train_in_one_process(tiny_profile_path):
    settings = RunSettings(profile=str(tiny_profile_path), system="clipcap")
    with pytest.raises(InputError, match="which one process does, not 2; start it without torchrun"):
        next(train_from_profile(settings, processes=Processes(count=2)))
