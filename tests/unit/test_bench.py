"""The benchmarks at tiny size: they measure what they say, and their references compute the same."""

from __future__ import annotations

import json

import pytest
import torch

from syntic.__main__ import main
from syntic.evaluation import bench_app
from syntic.evaluation.bench_decode import as_gpt2, measure_decoding
from syntic.evaluation.bench_synthesis import measure_synthesis_run
from syntic.evaluation.bench_walkthrough import bare_walk
from syntic.method import CaptionDecoder, DecoderConfig
from syntic.types import TraceSettings


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch):
    monkeypatch.setenv("SYNTIC_THREADS", "1")


@pytest.fixture
def profile(tiny_profile_path) -> list[str]:
    return ["--profile", str(tiny_profile_path)]


@pytest.fixture
def decoder() -> CaptionDecoder:
    config = DecoderConfig(
        feature_width=8, vocabulary_size=50, start_id=48, end_id=49, pad_id=0, width=16, layers=2, heads=2
    )
    torch.manual_seed(3)
    decoder = CaptionDecoder(config)
    for parameter in decoder.parameters():  # far from uniform, so that captions differ and end
        parameter.data.mul_(8 if parameter.ndim == 2 else 1)
    return decoder.eval()


def report(capsys, *command: str) -> dict:
    assert main(["bench", *command, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_what_is_printed_can_be_written_into_the_page(tmp_path, monkeypatch, capsys):
    page = tmp_path / "docs" / "scale.md"
    page.parent.mkdir()
    page.write_text("above\n<!-- bench-projection:begin -->\nold\n<!-- bench-projection:end -->\nbelow\n")
    monkeypatch.setattr("syntic.commands.bench.REPOSITORY", tmp_path)
    words = ["bench", "projection", "--texts", "50", "--width", "8", "--queries", "2", "--write"]
    monkeypatch.setattr("sys.argv", ["syntic", *words])
    assert main(words) == 0
    printed, written = capsys.readouterr().out, page.read_text()
    assert printed
    assert printed in written
    assert "$ python -m syntic bench projection --texts 50 --width 8 --queries 2\n" in written
    assert "old" not in written
    assert written.startswith("above\n")
    assert main([*words, "--json"]) == 2
    assert "leave --json away" in capsys.readouterr().err


def test_transformers_gpt2_has_the_decoders_weights(decoder):
    prefix, tokens = torch.randn(3, 1, 8), torch.randint(48, (3, 6))
    embeddings = torch.cat([decoder.embed_prefix(prefix), decoder.token_embedding(tokens)], dim=1)
    with torch.no_grad():
        theirs = as_gpt2(decoder)(inputs_embeds=embeddings).logits[:, 1:]
        torch.testing.assert_close(decoder(prefix, tokens), theirs, atol=1e-4, rtol=1e-4)


def test_greedy_decoding_is_that_of_transformers_token_for_token(decoder):
    prefix = torch.randn(16, 1, 8)
    timing = measure_decoding(decoder, prefix, decoding="greedy", repeats=1)
    assert timing.equal == timing.captions == 16
    assert timing.score == pytest.approx(timing.reference_score)
    beam = measure_decoding(decoder, prefix, decoding="beam", beam_size=3, repeats=1)
    assert beam.score > timing.score  # a search finds likelier captions than greedy decoding
    assert beam.speed_up > 0


def test_decode_and_train_report_their_ratios(profile, capsys):
    greedy, beam = report(capsys, "decode", "--captions", "4", "--repeats", "1", *profile)["decode"]
    assert (greedy["decoding"], beam["decoding"]) == ("greedy", "beam")
    assert greedy["equal"] == 4
    timing = report(capsys, "train", "--batch-size", "6", "--steps", "3", *profile)["train"]
    assert timing["reference_seconds"] > timing["encoding_seconds"] > 0
    assert timing["speed_up"] == pytest.approx(timing["reference_seconds"] / timing["seconds"])


@pytest.mark.parametrize("variant", ["baseline", "syntic"])
def test_the_bare_walk_ends_in_the_same_caption(variant, tiny_syntic):
    for seed in range(3):
        text = "a dog on a bench in the park"
        settings = TraceSettings(variant=variant, refinement_steps=5, seed=seed)
        *_, last = tiny_syntic.stream(text=text, settings=settings)
        assert bare_walk(tiny_syntic, text, settings) == last.trace.caption.text


def test_walkthrough_reports_its_ratio(profile, capsys):
    timing = report(capsys, "walkthrough", "--repeats", "1", "--refinement-steps", "5", *profile)[
        "walkthrough"
    ]
    assert timing["same_caption"]
    assert timing["ratio"] == pytest.approx(timing["seconds"] / timing["reference_seconds"])
    assert sum(timing["stages"].values()) <= timing["seconds"]


def test_synthesis_at_several_sizes(capsys, tmp_path):
    out = tmp_path / "synthesis.json"
    command = ["synthesis", "--engine", "local", "--rows", "12,24", "--batch-size", "4", "--out", str(out)]
    found = report(capsys, *command)
    assert [timing["rows"] for timing in found["synthesis"]] == [12, 24]
    assert found["exponent"] == json.loads(out.read_text())["exponent"]
    for timing in found["synthesis"]:
        assert timing["rows_per_second"] > 0
        assert timing["all_megabytes"] >= timing["own_megabytes"] > 50
    assert main(["bench", "synthesis", "--rows", "8", "--batch-size", "8"]) == 2
    assert "--rows must be more than --batch-size" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # Ray leaves its sockets and logs to the collector
@pytest.mark.filterwarnings("ignore::FutureWarning:ray")
@pytest.mark.filterwarnings("ignore::DeprecationWarning:ray")  # of its own settings
def test_synthesis_on_ray_counts_the_workers_memory():
    timing = measure_synthesis_run(24, engine="ray", batch_size=8)
    assert timing.rows == 24
    assert timing.all_megabytes > timing.own_megabytes + 100


def test_visitors_get_their_own_answers(tiny_profile_path, capsys):
    """The real app in a process of its own, five visitors at once."""
    command = ["load", "--visitors", "5", "--refinement-steps", "2", "--profile", str(tiny_profile_path)]
    timing = report(capsys, *command)["load"]
    assert (timing["visitors"], timing["errors"], timing["mixed_up"]) == (5, [], 0)
    assert timing["throughput"] > 0


def test_the_apps_start_is_timed_until_it_answers(tiny_profile_path):
    timing = bench_app.measure_start(str(tiny_profile_path), repeats=1)
    assert {"torch", "gradio", "open_clip"} <= set(timing.libraries)
    assert timing.seconds > 0
    assert timing.ratio == pytest.approx(timing.seconds / timing.reference_seconds)


def test_an_app_that_cannot_start_says_why():
    with (
        pytest.raises(
            bench_app.ResourceError, match="does not answer: The app cannot start: There is no profile"
        ),
        bench_app.serve_app("nothing"),
    ):
        pass
