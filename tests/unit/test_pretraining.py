"""Pre-training of the emoji profile's models: tiny real runs on drawn shapes, read back by the libraries."""

from __future__ import annotations

import argparse
import json
import os
import signal
import string
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import open_clip
import pytest
import torch
from diffusers import AutoencoderKL, DiffusionPipeline, StableDiffusionPipeline
from PIL import Image, ImageDraw
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast

from syntic.emoji.cells import describe_cells
from syntic.emoji.pretraining import loop
from syntic.emoji.pretraining.autoencoder import (
    AutoencoderSettings,
    AutoencoderTask,
    Perception,
    build_autoencoder,
    export_autoencoder,
)
from syntic.emoji.pretraining.cli import add_pretrain_arguments, run_pretrain
from syntic.emoji.pretraining.clip import (
    ClipSettings,
    ClipTask,
    export_clip,
    load_clip,
    matching_loss,
    prepare,
)
from syntic.emoji.pretraining.codec import LinearCodec, encode_scenes
from syntic.emoji.pretraining.data import EpochSampler, SceneData, save_sheet
from syntic.emoji.pretraining.export import replaced_folder
from syntic.emoji.pretraining.generator import GeneratorSettings, GeneratorTask, export_generator
from syntic.emoji.pretraining.loop import LoopSettings, Run
from syntic.emoji.pretraining.planner import (
    PLAN_LENGTH,
    PlannerSettings,
    PlannerTask,
    PlanReader,
    export_planner,
    load_planner,
    plan_tokens,
)
from syntic.emoji.pretraining.tokenizer import CONTEXT_LENGTH, END, START, train_tokenizer
from syntic.errors import CheckpointError, DataError
from syntic.models.encoder import encode_tokens

COLOURS = {"red": (220, 40, 40), "green": (40, 180, 60), "blue": (50, 80, 220), "yellow": (240, 210, 40)}
SHAPES = ["circle", "square"]
SMALLEST_CLIP = ClipSettings(
    image_size_px=32, embedding_width=32, vision_width=8, text_width=32, text_layers=2, text_heads=2
)
SMALLEST_GENERATOR = GeneratorSettings(channels=32, heads=2)
SMALLEST_PLANNER = PlannerSettings(width=32, layers=2, heads=2)
MEGABYTES_10 = 10_000_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """64 drawn scenes of 96 px with one or two shapes on grey; scenes 7 and 57 are held out."""
    folder = tmp_path_factory.mktemp("scenes")
    random = np.random.default_rng(0)
    pictures, cells, lines = [], [], []
    for number in range(64):
        picture = Image.new("RGB", (96, 96), (128, 128, 128))
        words, boxes = [], []
        owner = np.full((96, 96), -1, np.int16)
        for column in random.permutation(2)[: 1 + number % 2]:
            colour, shape = str(random.choice(list(COLOURS))), str(random.choice(SHAPES))
            left, top, side = int(3 + 48 * column), int(random.integers(3, 52)), int(random.integers(24, 39))
            box = (left, top, left + side, top + side)
            draw = ImageDraw.Draw(picture)
            (draw.ellipse if shape == "circle" else draw.rectangle)(box, fill=COLOURS[colour])
            words.append(f"a {colour} {shape}")
            owner[top : top + side, left : left + side] = len(boxes)
            boxes.append([shape, *box])
        pictures.append(np.asarray(picture))
        cells.append(describe_cells(owner, [name for name, *_ in boxes], [tuple(box) for _, *box in boxes]))
        captions = [" and ".join(words) + " on grey", " and ".join(words), words[0]]
        style = "noto" if number % 4 == 0 else "fluent"
        lines.append(json.dumps({"captions": captions, "boxes": boxes, "style": style, "setting": "grey"}))
    np.save(folder / "images.npy", np.stack(pictures))
    np.save(folder / "cells.npy", np.stack(cells).astype(np.float16))
    (folder / "scenes.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "labels.json").write_text(json.dumps(SHAPES), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def data(folder: Path) -> SceneData:
    return SceneData.open(folder)


@pytest.fixture(scope="module")
def tokenizer(data: SceneData, tmp_path_factory: pytest.TempPathFactory) -> PreTrainedTokenizerFast:
    captions = [caption for scene in data.scenes for caption in scene.captions]
    return train_tokenizer(captions, tmp_path_factory.mktemp("tokenizer"))


@pytest.fixture(scope="module")
def clip(
    data: SceneData, tokenizer: PreTrainedTokenizerFast, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Run, list[float], Path]:
    """A CLIP after some steps, its losses, and the folder that open_clip reads."""
    torch.manual_seed(0)
    out = tmp_path_factory.mktemp("clip") / "clip"
    tokenizer.save_pretrained(out)
    run = start(ClipTask(data, tokenizer, SMALLEST_CLIP, 32), out.parent / "work", learning_rate=3e-3)
    losses = [run.step()["loss"] for _ in range(30)]
    export_clip(run.average, SMALLEST_CLIP, out, out)
    return run, losses, out


def start(task: ClipTask | GeneratorTask | Line, work: Path, *, learning_rate: float) -> Run:
    work.mkdir(parents=True, exist_ok=True)
    settings = LoopSettings(
        work=work, minutes=1, learning_rate=learning_rate, warmup_steps=1, average_decay=0.8
    )
    run = Run(task, settings)
    run.task.model.train()
    return run


# --- data ------------------------------------------------------------------------------------------------


def test_the_held_out_scenes_stay_the_same_whatever_styles_are_chosen(data: SceneData) -> None:
    train, held_out = data.split()
    assert held_out.tolist() == [7, 57]
    assert sorted([*train, *held_out]) == list(range(64))
    fluent, fluent_held_out = data.split(["fluent"])
    assert set(fluent) <= set(train)
    assert fluent_held_out.tolist() == [7, 57]
    with pytest.raises(DataError, match=r"No scene has a style of \['plasticine'\].*fluent"):
        data.split(["plasticine"])


def test_pictures_can_be_mirrored(data: SceneData) -> None:
    indices, flips = np.array([4, 4]), np.array([False, True])
    pictures = data.pictures(indices, flips)
    assert torch.equal(pictures[1], pictures[0].flip(2))


def test_a_folder_without_scenes_says_how_to_make_them(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(DataError, match="python -m syntic emoji scenes"):
        SceneData.open(tmp_path)
    for name in ("images.npy", "cells.npy", "labels.json"):
        (tmp_path / name).symlink_to(folder / name)
    lines = (folder / "scenes.jsonl").read_text(encoding="utf-8").splitlines()
    (tmp_path / "scenes.jsonl").write_text("\n".join(lines[:-1]) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match="scenes.jsonl has 63 lines"):
        SceneData.open(tmp_path)


def test_an_epoch_visits_everything_once_and_is_the_same_after_a_restart() -> None:
    indices = np.arange(100, 120)
    sampler = EpochSampler(indices, 5)
    epoch = np.concatenate([sampler.batch(step) for step in range(4)])
    assert sorted(epoch) == indices.tolist()
    next_epoch = np.concatenate([sampler.batch(step) for step in range(4, 8)])
    assert sorted(next_epoch) == indices.tolist()
    assert next_epoch.tolist() != epoch.tolist()
    assert EpochSampler(indices, 5).batch(6).tolist() == sampler.batch(6).tolist()


def test_a_sheet_holds_all_pictures_with_their_captions(tmp_path: Path) -> None:
    save_sheet(tmp_path / "sheet.png", torch.rand(5, 3, 64, 64), columns=3, captions=["a dog on a bench"] * 5)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (3 * 64, 2 * (64 + 36))
    assert [path.name for path in tmp_path.iterdir()] == ["sheet.png"]


def test_an_export_that_fails_leaves_the_old_model(tmp_path: Path) -> None:
    out = tmp_path / "model"
    with replaced_folder(out) as new:
        (new / "weights").write_text("old", encoding="utf-8")

    def fail() -> None:
        with replaced_folder(out) as new:
            (new / "weights").write_text("half of the n", encoding="utf-8")
            raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space left"):
        fail()
    assert (out / "weights").read_text(encoding="utf-8") == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


# --- the loop --------------------------------------------------------------------------------------------


class Line:
    """y = 3 x + 1 with noise: the smallest thing to train."""

    def __init__(self, on_step: Callable[[int], None] = lambda step: None) -> None:
        torch.manual_seed(1)
        self.model: nn.Module = nn.Linear(1, 1)
        self.batch_size = 16
        self.learning_rate_scales: dict[str, float] = {}
        self.on_step = on_step

    def loss(self, step: int, random: np.random.Generator) -> tuple[Tensor, dict[str, float]]:
        self.on_step(step)
        x = torch.from_numpy(random.normal(size=(16, 1))).float()
        return (self.model(x) - 3 * x - 1 + 0.1 * torch.randn(16, 1)).square().mean(), {}

    def report(self, average: nn.Module, folder: Path) -> dict[str, float]:
        return {"slope": float(average.weight)}


def weights(module: nn.Module) -> list[float]:
    return torch.cat([value.flatten() for value in module.state_dict().values()]).tolist()


def test_a_resumed_run_is_the_run_that_was_not_interrupted(tmp_path: Path) -> None:
    through = start(Line(), tmp_path / "through", learning_rate=0.05)
    torch.manual_seed(5)
    for _ in range(20):
        through.step()
    first = start(Line(), tmp_path / "halves", learning_rate=0.05)
    torch.manual_seed(5)
    for _ in range(10):
        first.step()
    first.save()
    torch.manual_seed(999)  # what another process would have
    second = start(Line(), tmp_path / "halves", learning_rate=0.05)
    second.resume()
    for _ in range(10):
        second.step()
    assert second.progress.step == 20
    assert weights(second.task.model) == weights(through.task.model)
    assert weights(second.average) == weights(through.average)


def test_a_terminated_run_saves_and_the_same_command_finishes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = count()  # a clock of our own: on a busy machine a second holds any number of steps
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: next(ticks) / 250))

    def terminate_at_30(step: int) -> None:
        if step == 30:
            os.kill(os.getpid(), signal.SIGTERM)

    settings = LoopSettings(work=tmp_path, minutes=0.02, learning_rate=0.05, warmup_steps=5)
    previous = signal.getsignal(signal.SIGTERM)
    stopped = Run(Line(terminate_at_30), settings)
    assert not stopped.train()
    assert signal.getsignal(signal.SIGTERM) is previous
    assert stopped.progress.step == 31
    assert sorted(path.name for path in tmp_path.iterdir()) == ["state.safetensors"]

    finished = Run(Line(), settings)
    assert finished.train()
    assert finished.progress.step > 31
    assert finished.progress.elapsed_seconds == pytest.approx(1.2, rel=0.5)
    reports = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert reports[-1]["slope"] == pytest.approx(3, abs=0.2)

    unchanged = Run(Line(), LoopSettings(work=tmp_path, minutes=0, learning_rate=0.05))
    assert unchanged.train()
    assert weights(unchanged.average) == weights(finished.average)


def test_a_line_of_progress_says_samples_loss_and_time_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    task = Line()
    run = Run(task, LoopSettings(work=tmp_path, minutes=0.02, learning_rate=0.05, log_seconds=0.2))
    run.train()
    (line, *_) = capsys.readouterr().out.splitlines()
    shown = dict(zip(line.split()[::2], line.split()[1::2], strict=True))
    assert int(shown["samples"].replace(",", "")) == task.batch_size * int(shown["step"].replace(",", ""))
    assert float(shown["loss"]) > 0
    assert float(shown["minutes_left"]) == pytest.approx(0.02 - float(shown["minutes"]), abs=1e-4)
    kept = json.loads((tmp_path / "log.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert kept["samples"] == task.batch_size * kept["step"]
    assert "minutes_left" not in kept


def test_more_minutes_on_a_finished_run_restart_the_cosine_lower(tmp_path: Path) -> None:
    settings = LoopSettings(work=tmp_path, minutes=0.01, learning_rate=0.1, warmup_steps=1)
    first = Run(Line(), settings)
    first.train()
    assert first.progress.learning_rate(settings) == pytest.approx(0.1 * 0.02)
    again = Run(Line(), settings)
    again.resume()
    assert not again.progress.is_finished
    assert again.progress.learning_rate(settings) == pytest.approx(0.1 * settings.restart_scale)
    step = again.progress.step
    again = Run(Line(), settings)
    assert again.train()
    assert again.progress.step > step
    step = again.progress.step
    finished = Run(Line(), replace(settings, extends=False))
    assert finished.train()
    assert finished.progress.step == step


@pytest.mark.parametrize("damage", ["other model", "cut off"])
def test_a_state_that_does_not_fit_is_refused_and_kept(tmp_path: Path, damage: str) -> None:
    run = start(Line(), tmp_path, learning_rate=0.1)
    run.step()
    run.save()
    other = Line()
    if damage == "other model":
        other.model = nn.Linear(2, 2)
    else:
        run.state_path.write_bytes(run.state_path.read_bytes()[:-5])
    before = run.state_path.read_bytes()
    with pytest.raises(CheckpointError, match="another --work folder"):
        start(other, tmp_path, learning_rate=0.1).resume()
    assert run.state_path.read_bytes() == before


def test_bfloat16_computes_so_and_keeps_the_weights_in_float32(tmp_path: Path) -> None:
    task, seen = Line(), set()
    task.model.register_forward_hook(lambda module, inputs, output: seen.add(output.dtype))
    settings = LoopSettings(work=tmp_path, minutes=1, learning_rate=0.1, bfloat16=True)
    run = Run(task, settings)
    for _ in range(3):
        run.step()
    assert seen == {torch.bfloat16}
    assert {value.dtype for value in task.model.state_dict().values()} == {torch.float32}


def test_group_norms_compute_in_float32_under_autocast() -> None:
    model = loop.normalise_in_float32(nn.Sequential(nn.Conv2d(3, 8, 1), nn.GroupNorm(2, 8)))
    with torch.autocast("cpu", torch.bfloat16):
        assert model[0](torch.rand(1, 3, 4, 4)).dtype == torch.bfloat16
        assert model(torch.rand(1, 3, 4, 4)).dtype == torch.float32


# --- tokenizer -------------------------------------------------------------------------------------------


def test_a_caption_is_framed_and_comes_back(tokenizer: PreTrainedTokenizerFast) -> None:
    ids = tokenizer("A red circle  and a BLUE square").input_ids
    assert tokenizer.convert_ids_to_tokens([ids[0], ids[-1]]) == [START, END]
    assert ids[-1] == len(tokenizer) - 1 == max(ids)
    assert tokenizer.decode(ids, skip_special_tokens=True).strip() == "a red circle and a blue square"
    assert len(ids) == 2 + 7  # every word of the corpus is one token


@pytest.mark.parametrize("text", ["", string.printable, "größe, naïve: 犬 #!", "x" * 500, "two cats " * 50])
def test_any_text_can_be_encoded(tokenizer: PreTrainedTokenizerFast, text: str) -> None:
    ids = tokenizer(text, padding="max_length", truncation=True, max_length=CONTEXT_LENGTH).input_ids
    assert len(ids) == CONTEXT_LENGTH
    assert tokenizer.unk_token_id not in ids
    assert ids.count(tokenizer.eos_token_id) == 1


# --- CLIP ------------------------------------------------------------------------------------------------


def test_equal_captions_share_the_target() -> None:
    sure = torch.tensor([[9.0, 9.0, -9.0], [9.0, 9.0, -9.0], [-9.0, -9.0, 9.0]])
    shared = matching_loss(sure, ["a dog", "a dog", "a cat"])
    assert float(shared) == pytest.approx(2 * np.log(2) / 3, abs=1e-5)  # the entropy of the targets
    order = [2, 0, 1]
    assert matching_loss(sure[order][:, order], ["a cat", "a dog", "a dog"]) == pytest.approx(shared)
    assert matching_loss(sure, ["a dog", "a cow", "a cat"]) == pytest.approx(shared)


def test_a_caption_that_is_true_elsewhere_is_no_mismatch_there() -> None:
    captions = ["a photo of a dog", "a dog in a park", "a cat"]
    is_true = torch.tensor([[True, False, False], [True, False, False], [False, False, False]])
    fits_both = torch.tensor([[9.0, 0.0, 0.0], [9.0, 9.0, 0.0], [0.0, 0.0, 9.0]])
    fits_one = torch.tensor([[9.0, 0.0, 0.0], [0.0, 9.0, 0.0], [0.0, 0.0, 9.0]])
    assert matching_loss(fits_both, captions, is_true) < matching_loss(fits_one, captions, is_true)
    assert matching_loss(fits_both, captions) > matching_loss(fits_one, captions)
    assert torch.isfinite(matching_loss(fits_both, captions, torch.ones(3, 3, dtype=torch.bool)))


def test_clip_learns_and_open_clip_reads_it(clip: tuple[Run, list[float], Path], data: SceneData) -> None:
    run, losses, out = clip
    assert np.mean(losses[-5:]) < 0.8 * losses[0]
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{out}")
    tokenize = open_clip.get_tokenizer(f"local-dir:{out}")
    model.eval()
    texts = ["a red circle on grey", "a blue square and a green circle", "something else entirely!"]
    tokens = tokenize(texts)
    assert tokens.shape == (3, CONTEXT_LENGTH)
    with torch.no_grad():
        expected = encode_tokens(run.average, run.task.tokens(texts), normalize=True)
        assert torch.allclose(model.encode_text(tokens, normalize=True), expected, atol=2e-3)
        picture = preprocess(Image.fromarray(data.images[3]))
        ours = prepare(data.pictures(np.array([3])), SMALLEST_CLIP.image_size_px)[0]
        assert (picture - ours).abs().max() < 0.03  # Pillow rounds to whole numbers
        expected = run.average.encode_image(ours[None], normalize=True)
        assert torch.allclose(model.encode_image(picture[None], normalize=True), expected, atol=1e-2)


def test_clip_reports_its_recall(clip: tuple[Run, list[float], Path], tmp_path: Path) -> None:
    with torch.no_grad():
        values = clip[0].task.report(clip[0].average, tmp_path)
    assert 0 <= values["image_to_text_recall_1"] <= values["image_to_text_recall_5"] == 1


# --- generator -------------------------------------------------------------------------------------------


def test_the_codec_keeps_what_matters(data: SceneData, tmp_path: Path) -> None:
    indices = np.arange(20)
    pictures, errors = data.pictures(indices), []
    for components in (4, 16, 32):
        codec = LinearCodec.fit(data, components)
        latents = encode_scenes(codec, data, indices)
        assert latents.shape == (20, codec.channels, 6, 6)
        assert 0.2 < float(latents[:, :components].square().mean()) < 2, "of order one, things most"
        assert torch.equal(latents[:, components:-2], data.cells(indices))
        across, down = latents[:, -2], latents[:, -1]
        assert (across.diff(dim=2) > 0).all()
        assert (down.diff(dim=1) > 0).all()
        errors.append(float((codec.decode(latents) - pictures).square().mean()))
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.1 * float((pictures - pictures.mean()).square().mean())
    codec.save(tmp_path / "codec.safetensors")
    assert torch.equal(
        encode_scenes(LinearCodec.load(tmp_path / "codec.safetensors"), data, indices), latents
    )


def test_the_autoencoder_draws_the_codecs_latents(data: SceneData, tmp_path: Path) -> None:
    codec = LinearCodec.fit(data, 8)
    settings = AutoencoderSettings(channels=(8, 8, 16, 16, 16))
    run = start(AutoencoderTask(data, codec, settings, 4), tmp_path / "work", learning_rate=3e-3)
    losses = [run.step()["loss"] for _ in range(30)]
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])
    with torch.no_grad():
        values = run.task.report(run.average, tmp_path)
    assert values["linear_psnr"] > 15
    assert (tmp_path / "reconstructions.png").stat().st_size > 0
    export_autoencoder(run.average, tmp_path / "out")
    loaded = AutoencoderKL.from_pretrained(tmp_path / "out")
    pictures = data.pictures(np.arange(2))
    with torch.no_grad():
        latents = loaded.encode(pictures * 2 - 1).latent_dist
        assert torch.allclose(latents.sample(), latents.mode(), atol=1e-3)
        assert loaded.decode(encode_scenes(codec, data, np.arange(2))).sample.shape == pictures.shape


def test_the_decoder_draws_what_the_planner_tells_and_sees_with_clip(
    data: SceneData,
    planner: tuple[Run, list[float], Path],
    clip: tuple[Run, list[float], Path],
    tmp_path: Path,
) -> None:
    codec = LinearCodec.fit(data, 4)
    plans = PlanReader.fit(*load_planner(planner[2]), data, codec)
    indices = data.split()[0][:8]
    latents = encode_scenes(codec, data, indices)
    captions = [data.scenes[index].full_caption for index in indices]
    told = plans.latents(captions)
    assert told.shape == latents[:, :-2].shape
    spread = (latents[:, :-2] - latents[:, :-2].mean((0, 2, 3), keepdim=True)).square().mean()
    assert (told - latents[:, :-2]).square().mean() < 0.9 * spread, "better than the mean of all cells"

    perception = Perception(load_clip(clip[2]))
    pictures = data.pictures(indices) * 2 - 1
    assert float(perception.distance(pictures, pictures)) == 0
    near, far = (
        perception.distance(pictures + noise * torch.randn_like(pictures), pictures) for noise in (0.05, 0.5)
    )
    assert 0 < float(near) < float(far)

    settings = AutoencoderSettings(channels=(8, 8, 16, 16, 16))
    task = AutoencoderTask(data, codec, settings, 4, plans, perception)
    run = start(task, tmp_path / "work", learning_rate=3e-3)
    values = [run.step() for _ in range(20)]
    assert np.mean([v["seen"] for v in values[-5:]]) < np.mean([v["seen"] for v in values[:5]])
    with torch.no_grad():
        assert run.task.report(run.average, tmp_path)["planned_psnr"] > 5
    assert (tmp_path / "from_captions.png").stat().st_size > 0


@pytest.fixture(scope="module")
def planner(
    data: SceneData, tokenizer: PreTrainedTokenizerFast, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Run, list[float], Path]:
    """A planner after some steps, its losses, and the folder of its text encoder and tokenizer."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("planner")
    task = PlannerTask(data, LinearCodec.fit(data, 4), tokenizer, SMALLEST_PLANNER, 32)
    run = start(task, folder / "work", learning_rate=3e-3)
    losses = [run.step()["loss"] for _ in range(40)]
    export_planner(run.average, tokenizer, folder / "out")
    return run, losses, folder / "out"


def test_the_planner_learns_what_cells_show_and_transformers_reads_it(
    planner: tuple[Run, list[float], Path], tmp_path: Path
) -> None:
    run, losses, out = planner
    assert np.mean(losses[-5:]) < 0.9 * np.mean(losses[:5])
    with torch.no_grad():
        values = run.task.report(run.average, tmp_path)
    assert 0 <= values["thing_codes_told"] <= 1
    assert (tmp_path / "plans.png").stat().st_size > 0
    text_encoder, tokenizer = load_planner(out)
    tokens = plan_tokens(tokenizer, ["a red circle on grey", "a square"])
    assert tokens.shape == (2, PLAN_LENGTH)
    assert tokenizer.model_max_length == PLAN_LENGTH
    with torch.no_grad():
        expected = run.average.text_encoder(tokens).last_hidden_state
        assert torch.allclose(text_encoder(tokens).last_hidden_state, expected, atol=2e-2)


# diffusers' DPM solver builds its table of noise levels the way that NumPy 2 deprecates.
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")
def test_the_generator_trains_and_diffusers_reads_it(
    data: SceneData, planner: tuple[Run, list[float], Path], tmp_path: Path
) -> None:
    codec = LinearCodec.fit(data, 4)
    text_encoder, tokenizer = load_planner(planner[2])
    before = text_encoder.embeddings.token_embedding.weight.detach().clone()
    task = GeneratorTask(data, codec, tokenizer, text_encoder, SMALLEST_GENERATOR, 16)
    run = start(task, tmp_path / "work", learning_rate=2e-3)
    losses = [run.step()["loss"] for _ in range(30)]
    assert np.mean(losses[-5:]) < 0.9 * np.mean(losses[:5])
    assert torch.equal(text_encoder.embeddings.token_embedding.weight, before), "the plan stays"
    with torch.no_grad():
        values = task.report(run.average, tmp_path)
    assert values["held_out_loss"] > 0
    assert (tmp_path / "samples.png").stat().st_size > 0

    autoencoder = build_autoencoder(AutoencoderSettings(channels=(8,) * 5), codec.channels)
    export_generator(task, run.average, autoencoder, tmp_path / "out")
    pipeline = DiffusionPipeline.from_pretrained(tmp_path / "out")
    pipeline.set_progress_bar_config(disable=True)
    assert isinstance(pipeline, StableDiffusionPipeline)
    assert {part.dtype for part in (pipeline.unet, pipeline.vae, pipeline.text_encoder)} == {torch.float32}
    text = "A Red circle"
    assert pipeline.tokenizer(text).input_ids == tokenizer(text).input_ids
    pictures = [
        pipeline(
            text, num_inference_steps=3, guidance_scale=1.0, generator=torch.Generator().manual_seed(seed)
        )
        for seed in (1, 1, 2)
    ]
    first, same, other = (np.asarray(result.images[0]) for result in pictures)
    assert first.shape == (96, 96, 3)
    assert (first == same).all()
    assert (first != other).any()


# --- the command -----------------------------------------------------------------------------------------


def run_command(*words: str) -> int:
    parser = argparse.ArgumentParser()
    add_pretrain_arguments(parser)
    return run_pretrain(parser.parse_args(words))


def test_diffusion_is_another_name_of_the_generator() -> None:
    parser = argparse.ArgumentParser()
    add_pretrain_arguments(parser)
    assert parser.parse_args(["diffusion"]).model == "generator"


def test_the_commands_write_a_clip_of_the_size_that_ships(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = ("--data", str(folder), "--out", str(tmp_path / "clip"), "--clip", str(tmp_path / "clip"))
    work = ("--work", str(tmp_path / "work"))
    assert run_command("tokenizer", *shared) == 0
    real_loss = ClipTask.loss

    def terminated_loss(
        task: ClipTask, step: int, random: np.random.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        os.kill(os.getpid(), signal.SIGTERM)
        return real_loss(task, step, random)

    with monkeypatch.context() as patch:
        patch.setattr(ClipTask, "loss", terminated_loss)
        assert run_command("clip", *shared, *work, "--minutes", "60", "--batch-size", "8") == 3
    assert "the same command continues" in capsys.readouterr().out
    assert not (tmp_path / "clip" / "open_clip_model.safetensors").exists()
    assert run_command("clip", *shared, *work, "--minutes", "0") == 0
    assert all(path.stat().st_size < MEGABYTES_10 for path in (tmp_path / "clip").iterdir())
    model, _, _ = open_clip.create_model_and_transforms(f"local-dir:{tmp_path / 'clip'}")
    assert model.encode_image(torch.zeros(1, 3, 96, 96)).shape == (1, 256)
    warm = ("--warm", str(tmp_path / "clip"), "--work", str(tmp_path / "again"), "--minutes", "0")
    assert run_command("clip", *shared[:2], "--out", str(tmp_path / "same"), *shared[4:], *warm) == 0
    files = [tmp_path / name / "open_clip_model.safetensors" for name in ("clip", "same")]
    assert files[0].read_bytes() == files[1].read_bytes(), "no minutes: the weights it started from"
    with pytest.raises(CheckpointError, match="no weights"):
        run_command("clip", *shared, *warm[2:], "--warm", str(tmp_path / "nothing"))
