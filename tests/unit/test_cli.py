"""The command line as a person meets it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from syntic import Trace
from syntic.__main__ import main
from syntic.commands import COMMANDS
from syntic.commands.evaluate import corpus_of
from syntic.data import FeatureStore
from syntic.evaluation import metrics

needs_java = pytest.mark.skipif(not metrics.java_available(), reason="there is no Java")


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch):
    monkeypatch.setenv("SYNTIC_THREADS", "1")


@pytest.fixture
def profile(tiny_profile_path) -> list[str]:
    return ["--profile", str(tiny_profile_path)]


@pytest.fixture
def pictures(tiny_profile_path) -> list[str]:
    return [str(path) for path in sorted((tiny_profile_path.parent / "gallery").iterdir())]


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "emoji"])
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as left:
        main([command, "--help"])
    assert left.value.code == 0
    text = capsys.readouterr().out
    assert f"example:\n  python -m syntic {command}" in text
    if command not in ("experiment", "bench"):
        assert "--profile" in text


def test_help_lists_the_commands_without_loading_a_model_library():
    code = "import sys, syntic.__main__ as m\ntry: m.main(['--help'])\nexcept SystemExit: pass\n"
    code += "print('torch' in sys.modules, file=sys.stderr)"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert all(command in done.stdout for command in COMMANDS)
    assert done.stderr.strip() == "False"


def test_captions_of_several_pictures(profile, pictures, capsys):
    assert main(["caption", *pictures, "--variant", "fp", *profile]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(": ")[0] for line in lines] == pictures
    assert main(["caption", *pictures, "--variant", "fp", "--json", *profile]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [f"{entry['image']}: {entry['caption']}" for entry in report] == lines
    assert report[0]["variant"] == "fp"


def test_a_trace_as_json_and_as_a_file(profile, pictures, capsys, tmp_path):
    assert (
        main(
            ["trace", "--text", "a dog on a bench", "--variant", "fo+af", "--refinement-steps", "3", *profile]
        )
        == 0
    )
    printed = capsys.readouterr()
    trace = Trace.from_json(printed.out)
    assert trace.text == "a dog on a bench"
    assert len(trace.refinement.losses) == 3
    assert trace.projection is None
    assert "refine:" in printed.err
    out = tmp_path / "trace.json"
    assert main(["trace", "--image", pictures[0], "--out", str(out), *profile]) == 0
    assert capsys.readouterr().out == ""
    assert Trace.from_json(out.read_text()).caption is not None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["caption", "nothing.png"], "There is no picture 'nothing.png'"),
        (["caption", "{picture}", "--variant", "best"], "There is no variant 'best'"),
        (["caption", "{picture}", "--corpus", "coco"], "has no corpus 'coco'; it has: everyday"),
        (["caption", "{picture}", "--decoding", "beam", "--beam-size", "0"], "`beam_size` must be"),
        (["trace", "--text", " "], "The text is empty"),
        (["synthesize", "nothing.txt", "out"], "no corpus or file 'nothing.txt'"),
        (["synthesize", "{text}"], "Say where the features go"),
        (["synthesize", "everyday", "--limit", "0"], "--limit must be at least 1"),
        (["synthesize", "everyday", "--split", "val"], "--split cannot be given for 'everyday', a corpus of"),
        (["synthesize", "everyday", "--column", "c", "--max-words", "9"], "--column and --max-words cannot"),
        (["evaluate", "--set", "coco"], "has no test set 'coco'"),
        (["train", "--set", "speed=9"], "unknown key 'speed'"),
        (["train", "nothing.toml"], "no run file nothing.toml"),
    ],
)
def test_an_error_is_one_line_and_status_2(arguments, message, profile, pictures, capsys, tmp_path):
    text = tmp_path / "corpus.txt"
    text.write_text("a dog\n")
    filled = [argument.format(picture=pictures[0], text=text) for argument in arguments]
    assert main([*filled, *profile]) == 2
    printed = capsys.readouterr()
    assert message in printed.err
    lines = [line for line in printed.err.strip().splitlines() if "Loading weights" not in line]
    assert len(lines) == 1
    assert printed.out == ""


def test_an_unknown_profile_is_refused_with_those_there_are(capsys):
    assert main(["doctor", "--profile", "coco"]) == 2
    assert "emoji, paper" in capsys.readouterr().err


def test_stopping_by_hand_is_no_traceback(profile, pictures, capsys, monkeypatch):
    def interrupt(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("syntic.data.images.load_image", interrupt)
    assert main(["caption", *pictures, *profile]) == 130
    assert capsys.readouterr().err == "stopped\n"


def test_synthesize_a_file_in_two_parts(profile, capsys, tmp_path):
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("a dog\n\na cat on a bench\na bird\n")
    out = tmp_path / "features"
    command = ["synthesize", str(corpus), str(out), "--shard-size", "1", "--limit", "2", *profile]
    assert main([*command, "--part", "1/2"]) == 0
    assert len(FeatureStore.open(out, allow_partial=True)) == 1
    assert main([*command, "--part", "2/2"]) == 0
    assert FeatureStore.open(out).captions == ["a dog", "a cat on a bench"]
    capsys.readouterr()
    assert main(command) == 0
    assert "nothing left to do" in capsys.readouterr().out
    assert main([*command, "--seed", "1"]) == 2
    assert "settings.seed 0 instead of 1" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*command, "--part", "half"])
    assert "is not of the form 1/2" in capsys.readouterr().err


def test_train_then_caption_with_the_new_decoder(profile, capsys, tmp_path):
    run = tmp_path / "run.toml"
    run.write_text(
        f'variant = "fp"\nwork = "{tmp_path / "runs"}"\n[optimizer]\nsteps = 6\nbatch_size = 9\n'
        "[validation]\nevery_steps = 3\n"
    )
    command = ["train", str(run), "--out", str(tmp_path / "decoder"), *profile]
    assert main([*command, "--minutes", "0"]) == 0
    assert "paused at step 1 of 6" in capsys.readouterr().err
    assert main([*command, "--json"]) == 0
    printed = capsys.readouterr()
    report = json.loads(printed.out)
    assert report["checkpoint"] == str(tmp_path / "decoder")
    assert [step for step, _ in report["curve"]] == [3, 6]
    assert "continuing at step 1" in printed.err
    assert json.loads((tmp_path / "decoder.json").read_text())["variant"] == "fp"
    assert not list((tmp_path / "runs").rglob("fp-*"))  # the state is gone with the run


@pytest.mark.java
@needs_java
def test_evaluate_reports_scores_and_saves_captions(profile, capsys, tmp_path):
    out = tmp_path / "captions.json"
    command = ["evaluate", "--system", "fp", "--set", "everyday", "--limit", "3", "--out", str(out), *profile]
    assert main([*command, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["pictures"] == len(json.loads(out.read_text())) == 3
    assert report["scores"].keys() == {"bleu4", "meteor", "rouge_l", "cider", "spice"}


@pytest.mark.java
@needs_java
def test_an_experiment_trains_what_is_missing_and_keeps_it(profile, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("syntic.commands.experiment.BUILD", tmp_path / "build")
    run = tmp_path / "run.toml"
    run.write_text("[optimizer]\nsteps = 2\n")
    out = tmp_path / "results"
    command = ["experiment", "table4", "--only", "fp", "--seeds", "2", "--limit", "2", *profile]
    command += ["--run", str(run), "--out", str(out)]
    assert main(command) == 0
    first = capsys.readouterr()
    assert "table4, 2 of 2: fp from everyday on everyday, seed 1" in first.err
    assert "step 2 of 2" in first.err
    assert re.search(r"\| fp \| .* / 98.2 \| .* \| 2 \|", first.out)
    saved = json.loads((out / "table4.json").read_text())
    assert saved["rows"][0]["pictures"] == 2
    assert main(command) == 0
    again = capsys.readouterr()
    assert "step 2 of 2" not in again.err  # nothing is trained twice
    assert again.out == first.out


def test_gap_prints_a_column_for_each_stage(profile, capsys):
    assert main(["gap", "--set", "everyday", *profile]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["generated", "refined", "projected", "random", "real"]
    assert any(line.startswith("relative modality gap") for line in lines)
    rows = {line[:24].strip(): line[24:].split() for line in lines}
    assert [cell == "–" for cell in rows["effective texts"]] == [False, False, True, True, False]
    assert [cell == "–" for cell in rows["own weight"]] == [False, False, True, True, True]
    assert main(["gap", "--json", *profile]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["generated"]["centroid_distance"] > 0
    assert found["refined"]["effective_texts"] >= 1
    assert found["real"]["own_weight"] is None


def test_doctor_says_what_is_missing_and_what_to_do(profile, tiny_profile_path, capsys, tmp_path):
    assert main(["doctor", *profile]) == 0
    text = capsys.readouterr().out
    assert "Profile tiny can caption pictures." in text
    assert "27 captions" in text
    path = tmp_path / "bare.toml"
    path.write_text(tiny_profile_path.read_text())
    assert main(["doctor", "--profile", str(path)]) == 1
    text = capsys.readouterr().out
    assert "MISSING  CLIP: train it with `python -m syntic emoji pretrain clip`" in text
    assert "python -m syntic synthesize" in text
    assert "Profile tiny cannot caption pictures." in text
    assert main(["doctor", "--json", "--profile", str(path)]) == 1
    assert json.loads(capsys.readouterr().out)["can_caption"] is False


def test_doctor_looks_for_all_that_the_papers_scale_needs(capsys, monkeypatch):
    """The paper's profile, of which only packages are here: what is missing is said, nothing is loaded."""
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")  # no hub answers
    assert main(["doctor", "--profile", "paper", "--json"]) == 1
    checks = {check["name"]: check for check in json.loads(capsys.readouterr().out)["checks"]}
    assert checks["Ray"]["found"]
    assert checks["FAISS"]["found"]
    assert {"Java", "SPICE", "text-to-image model", "CLIP", "detector"} <= checks.keys()
    for name in ("corpus coco", "test set flickr30k", "training pictures coco", "features of ss1m"):
        assert not checks[name]["found"], name
        assert checks[name]["detail"], name
    assert checks["corpus everyday"]["found"]


def test_commands_take_the_pictures_of_the_corpus_domain(three_corpora, monkeypatch, capsys):
    monkeypatch.setattr("syntic.commands.options.load_profile", lambda name: three_corpora)
    assert main(["evaluate", "--corpus", "web"]) == 2
    said = capsys.readouterr().err
    assert "'web' has no test set of its own; choose one with --set: everyday, everyday-validation" in said
    assert corpus_of(three_corpora, "people") == "people"
    assert corpus_of(three_corpora, "people-validation") is None
    assert main(["gap", "--set", "web", "--sample", "12", "--json"]) == 0
    assert list(json.loads(capsys.readouterr().out)) == ["generated", "refined", "projected", "random"]
