"""The command `python -m syntic emoji pretrain NAME`."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from safetensors.torch import load_file
from torch import nn

from syntic.emoji.pretraining.data import SceneData
from syntic.emoji.pretraining.loop import LoopSettings, Run
from syntic.errors import CheckpointError
from syntic.runtime import set_threads

DATA = Path("build/emoji/pretraining")
TIDY_DATA = Path("build/emoji/pretraining-tidy")
RUNS = Path("build/emoji/runs")
CODEC = Path("build/emoji/models/codec.safetensors")


@dataclass(frozen=True, kw_only=True)
class Preset:
    """What a model takes where the command line leaves it out.

    Attributes:
        out: where the trained model goes.
        data: the scenes it learns from.
        minutes: training time, what the shipped model took; by the clock, so that a faster machine does more.
        batch_size: samples per step.
        learning_rate: the highest.
        warmup_steps: of the learning rate.
        weight_decay: on matrices and kernels.
        average_decay: of the moving average.
        report_seconds: between two measurements.
    """

    out: Path
    data: Path = DATA
    minutes: float = 0
    batch_size: int = 0
    learning_rate: float = 0
    warmup_steps: int = 200
    weight_decay: float = 0.01
    average_decay: float = 0.999
    report_seconds: float = 180


PRESETS = {
    "tokenizer": Preset(out=Path("checkpoints/emoji/clip")),
    "clip": Preset(
        out=Path("checkpoints/emoji/clip"),
        minutes=95,
        batch_size=128,
        learning_rate=1e-3,
        warmup_steps=100,
        weight_decay=0.1,
        average_decay=0.99,
    ),
    "planner": Preset(
        out=Path("build/emoji/models/planner"),
        data=TIDY_DATA,
        minutes=75,
        batch_size=32,
        learning_rate=1e-3,
        report_seconds=300,
    ),
    "autoencoder": Preset(
        out=Path("build/emoji/models/autoencoder"),
        data=TIDY_DATA,
        minutes=60,
        batch_size=8,
        learning_rate=2e-3,
    ),
    "generator": Preset(
        out=Path("checkpoints/emoji/generator"),
        data=TIDY_DATA,
        minutes=42,
        batch_size=32,
        learning_rate=1e-3,
        report_seconds=300,
    ),
    "detector": Preset(
        out=Path("checkpoints/emoji/detector"),
        minutes=80,
        batch_size=16,
        learning_rate=1e-3,
        weight_decay=0.05,
    ),
}
ALIASES = {"diffusion": "generator"}


def add_pretrain_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `emoji pretrain`."""
    parser.add_argument(
        "model",
        choices=list(PRESETS),
        type=lambda name: ALIASES.get(name, name),
        help="what to train; `diffusion` is another name of `generator`",
    )
    parser.add_argument(
        "--data", type=Path, help="folder of rendered scenes (default build/emoji/pretraining...)"
    )
    parser.add_argument(
        "--tidy-data",
        type=Path,
        default=TIDY_DATA,
        help="detector: folder of the tidy scenes among the others",
    )
    parser.add_argument(
        "--work", type=Path, help="folder of the resumable state (default build/emoji/runs/NAME)"
    )
    parser.add_argument("--out", type=Path, help="folder of the trained model")
    parser.add_argument(
        "--minutes",
        type=float,
        help="training time, or time to add to a finished run; 0 only writes the model of a saved state",
    )
    parser.add_argument("--batch-size", type=int, help="samples per step")
    parser.add_argument("--learning-rate", type=float, help="the highest of the schedule")
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch; more than one rarely helps")
    parser.add_argument(
        "--clip", type=Path, default=PRESETS["clip"].out, help="folder of the tokenizer and of CLIP"
    )
    parser.add_argument(
        "--autoencoder",
        type=Path,
        default=PRESETS["autoencoder"].out,
        help="generator: where the autoencoder is",
    )
    parser.add_argument(
        "--planner",
        type=Path,
        default=PRESETS["planner"].out,
        help="autoencoder and generator: where the planner is",
    )
    parser.add_argument(
        "--codec", type=Path, default=CODEC, help="file of the latents' linear codec; fitted if missing"
    )
    parser.add_argument(
        "--warm",
        type=Path,
        metavar="DIR",
        help="start from the weights of a written model instead of nothing",
    )
    parser.add_argument(
        "--bfloat16",
        action="store_true",
        help="compute in bfloat16: faster on CPUs with instructions for it (AVX512-BF16, AMX)",
    )
    parser.add_argument("--seed", type=int, default=0)


def run_pretrain(args: argparse.Namespace) -> int:
    """Train one model and write it.

    Args:
        args: what `add_pretrain_arguments` parsed.

    Returns:
        0 when the model is written, 3 when a signal ended the run early (its state is saved).
    """
    set_threads(args.threads)
    torch.manual_seed(args.seed)
    preset = PRESETS[args.model]
    out = args.out or preset.out
    data = SceneData.open(args.data or preset.data)
    if args.model == "tokenizer":
        from syntic.emoji.pretraining.tokenizer import train_tokenizer

        train_tokenizer([caption for scene in data.scenes for caption in scene.captions], out)
        return 0
    settings = LoopSettings(
        work=args.work or RUNS / args.model,
        minutes=preset.minutes if args.minutes is None else args.minutes,
        extends=args.minutes is not None,
        learning_rate=args.learning_rate or preset.learning_rate,
        warmup_steps=preset.warmup_steps,
        weight_decay=preset.weight_decay,
        average_decay=preset.average_decay,
        report_seconds=preset.report_seconds,
        seed=args.seed,
        bfloat16=args.bfloat16,
    )
    batch_size = args.batch_size or preset.batch_size
    return TRAINERS[args.model](args, data, settings, batch_size, out)


def _warm_up(part: nn.Module, args: argparse.Namespace, names: str) -> None:
    """Load the weights of a written model into a part of the task's model, if the command says so."""
    if args.warm is None:
        return
    weights: dict[str, torch.Tensor] = {}
    for path in sorted(args.warm.glob(names)):
        weights |= {name: value.float() for name, value in load_file(path).items()}
    if not weights:
        raise CheckpointError(f"There are no weights {names} in {args.warm}; name a folder that was written.")
    _load_into(part, weights, args.warm)


def _load_into(part: nn.Module, weights: dict[str, torch.Tensor], folder: Path) -> None:
    try:
        part.load_state_dict(weights)
    except RuntimeError as error:
        last = str(error).splitlines()[-1].strip()
        raise CheckpointError(f"{folder} is of another size: {last}") from error


def _train_autoencoder(
    args: argparse.Namespace, data: SceneData, settings: LoopSettings, batch_size: int, out: Path
) -> int:
    from syntic.emoji.pretraining.autoencoder import (
        AutoencoderSettings,
        AutoencoderTask,
        Perception,
        export_autoencoder,
    )
    from syntic.emoji.pretraining.clip import WEIGHTS, load_clip
    from syntic.emoji.pretraining.codec import load_or_fit_codec
    from syntic.emoji.pretraining.planner import PlanReader, load_planner

    codec = load_or_fit_codec(data, args.codec)
    plans = PlanReader.fit(*load_planner(args.planner), data, codec)
    perception = Perception(load_clip(args.clip)) if (args.clip / WEIGHTS).exists() else None
    task = AutoencoderTask(data, codec, AutoencoderSettings(), batch_size, plans, perception)
    _warm_up(task.model, args, "*.safetensors")
    run = Run(task, settings)
    if not run.train():
        return _stopped(run)
    export_autoencoder(run.average, out)
    return _written(out)


def _train_clip(
    args: argparse.Namespace, data: SceneData, settings: LoopSettings, batch_size: int, out: Path
) -> int:
    from syntic.emoji.pretraining.clip import WEIGHTS, ClipSettings, ClipTask, export_clip
    from syntic.emoji.pretraining.tokenizer import load_tokenizer

    sizes = ClipSettings()
    task = ClipTask(data, load_tokenizer(args.clip), sizes, batch_size)
    _warm_up(task.model, args, WEIGHTS)
    run = Run(task, settings)
    if not run.train():
        return _stopped(run)
    export_clip(run.average, sizes, args.clip, out)
    return _written(out)


def _train_detector(
    args: argparse.Namespace, data: SceneData, settings: LoopSettings, batch_size: int, out: Path
) -> int:
    from transformers import RTDetrV2ForObjectDetection

    from syntic.emoji.pretraining.detector import (
        DetectorInTraining,
        DetectorSettings,
        DetectorTask,
        export_detector,
    )

    sizes = DetectorSettings()
    task = DetectorTask(data, sizes, batch_size, SceneData.open(args.tidy_data))
    if args.warm is not None:
        own = RTDetrV2ForObjectDetection.from_pretrained(args.warm)  # transformers renames weights in files
        _load_into(cast(DetectorInTraining, task.model).detector, own.state_dict(), args.warm)
    run = Run(task, settings)
    if not run.train():
        return _stopped(run)
    export_detector(run.average, sizes, out)
    return _written(out)


def _train_planner(
    args: argparse.Namespace, data: SceneData, settings: LoopSettings, batch_size: int, out: Path
) -> int:
    from syntic.emoji.pretraining.codec import load_or_fit_codec
    from syntic.emoji.pretraining.planner import (
        Planner,
        PlannerSettings,
        PlannerTask,
        export_planner,
        load_planner,
    )
    from syntic.emoji.pretraining.tokenizer import load_tokenizer

    tokenizer = load_tokenizer(args.clip)
    codec = load_or_fit_codec(data, args.codec)
    task = PlannerTask(data, codec, tokenizer, PlannerSettings(), batch_size)
    if args.warm is not None:
        own, _ = load_planner(args.warm)
        _load_into(cast(Planner, task.model).text_encoder, own.state_dict(), args.warm)
    run = Run(task, settings)
    if not run.train():
        return _stopped(run)
    export_planner(run.average, tokenizer, out)
    return _written(out)


def _train_generator(
    args: argparse.Namespace, data: SceneData, settings: LoopSettings, batch_size: int, out: Path
) -> int:
    from diffusers import AutoencoderKL

    from syntic.emoji.pretraining.codec import load_or_fit_codec
    from syntic.emoji.pretraining.generator import GeneratorSettings, GeneratorTask, export_generator
    from syntic.emoji.pretraining.planner import load_planner

    text_encoder, tokenizer = load_planner(args.planner)
    codec = load_or_fit_codec(data, args.codec)
    task = GeneratorTask(data, codec, tokenizer, text_encoder, GeneratorSettings(), batch_size)
    _warm_up(task.model, args, "unet/*.safetensors")
    run = Run(task, settings)
    if not run.train():
        return _stopped(run)
    export_generator(task, run.average, AutoencoderKL.from_pretrained(args.autoencoder), out)
    return _written(out)


def _stopped(run: Run) -> int:
    sys.stdout.write(
        f"stopped at step {run.progress.step}; the same command continues from {run.state_path}\n"
    )
    return 3


def _written(out: Path) -> int:
    sys.stdout.write(f"wrote {out}\n")
    return 0


TRAINERS = {
    "planner": _train_planner,
    "autoencoder": _train_autoencoder,
    "clip": _train_clip,
    "generator": _train_generator,
    "detector": _train_detector,
}
