"""`plan`: what a run at full scale costs, before it is started."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from ..profiles import Profile
from .options import add_json, add_profile, corpus_name, describe, duration, note, open_profile, print_json

if TYPE_CHECKING:
    from ..evaluation.plan import Plan, RunSize, Throughput
    from ..method import DecoderConfig
    from ..profiles.profile import OptimizerSettings

SAMPLE = 256  # captions that throughput is measured on, in turn
CLIP_WIDTH, CLIP_VOCABULARY = 512, 49408  # of ViT-B/32
GIGABYTE = 2**30


@dataclass
class _Vocabulary:
    """Of a tokenizer that is not loaded; where its marks are costs nothing."""

    vocabulary_size: int
    start_id: int = 0
    end_id: int = 0
    pad_id: int = 0


def add_arguments(words: Sequence[str], parser: argparse.ArgumentParser) -> None:
    """Add the options of `plan`."""
    describe(
        parser,
        "Say how many GPU-hours, how much disk and memory a corpus takes: its pictures, Eq. 2, Eq. 3 and\n"
        "the decoders. Throughput is measured on this machine, where the models are, unless you give it.",
        "python -m syntic plan --profile paper --corpus coco --gpus 64 --captions 566747 \\\n"
        "      --captions-per-second 2 --decoder-captions-per-second 4000 --tera-flops 60",
    )
    parser.add_argument("--corpus", help="a corpus of the profile (default: its first)")
    parser.add_argument("--gpus", type=int, default=1, metavar="N", help="that share the work (default 1)")
    parser.add_argument(
        "--captions", type=int, metavar="N", help="size of the corpus, where its file is not here"
    )
    parser.add_argument(
        "--decoders", type=int, default=1, metavar="N", help="to train; 8 for Table 4 (default 1)"
    )
    parser.add_argument("--epochs", type=int, metavar="N", help="of each (default: the profile's)")
    group = parser.add_argument_group("throughput of one GPU; what is not given is measured here")
    group.add_argument("--captions-per-second", type=float, metavar="X", help="of synthesize")
    group.add_argument("--decoder-captions-per-second", type=float, metavar="X", help="of train")
    group.add_argument("--tera-flops", type=float, metavar="X", help="of float32 matrix products")
    add_json(parser)
    add_profile(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure what is missing, compute, print."""
    from ..data import read_corpus
    from ..evaluation.plan import RunSize, count_parameters, plan

    profile = open_profile(args)
    name = corpus_name(args, profile)
    if args.decoders < 1 or (args.epochs is not None and args.epochs < 1):
        raise InputError("--decoders and --epochs must be at least 1.")
    captions = [] if args.captions else read_corpus(profile.corpus(name))
    count = args.captions or len(captions)
    throughput, config = _throughput(args, profile, captions[:SAMPLE])
    size = RunSize(
        captions=count,
        decoder_parameters=count_parameters(config, profile.decoder.tag_heads),
        width=config.feature_width,
        refinement_steps=profile.refinement.steps,
        refinement_batch=profile.refinement.batch_size,
        epochs=args.epochs or _epochs(profile.optimizer, count),
        decoders=args.decoders,
    )
    result = plan(size, throughput, args.gpus)
    if args.json:
        computed = {"gpu_hours": result.gpu_hours, "disk_bytes": result.disk_bytes}
        print_json({**asdict(result), **computed, "profile": profile.name, "corpus": name})
    else:
        print("\n".join(_lines(result, name, size)))
    return 0


def _epochs(settings: OptimizerSettings, captions: int) -> float:
    """Return how often a decoder sees each caption; the profile's budget may be in steps."""
    if settings.steps is None:
        return settings.epochs
    return settings.steps * settings.batch_size / captions


def _throughput(
    args: argparse.Namespace, profile: Profile, captions: Sequence[str]
) -> tuple[Throughput, DecoderConfig]:
    """Return what was given, the rest measured; and the decoder, which follows from CLIP."""
    from ..data.synthesis import RowMaker
    from ..evaluation.plan import Throughput, measure_decoder, measure_synthesis, measure_tera_flops
    from ..method.components import Components
    from ..training.loop import decoder_config

    synthesis, decoder, flops = given = (
        args.captions_per_second,
        args.decoder_captions_per_second,
        args.tera_flops,
    )
    if None not in given:
        width, vocabulary_size = _clip_sizes_without_loading(profile)
        config = decoder_config(profile, _Vocabulary(vocabulary_size), width)
        return Throughput(
            captions_per_second=synthesis,
            decoder_captions_per_second=decoder,
            tera_flops=flops,
            source="as given",
        ), config
    components = Components.load(profile)
    device, encoder = components.device, components.encoder
    note(f"measuring on {device.type}")
    if synthesis is None:
        maker = RowMaker(generator=components.generator, encoder=encoder, detector=components.detector)
        synthesis = measure_synthesis(maker, captions or profile.example_texts, profile.generator.batch_size)
    config = decoder_config(profile, encoder.tokenizer, encoder.width)
    if decoder is None:
        decoder = measure_decoder(config, device)
    measured = ", ".join(
        name
        for name, value in zip(("synthesis", "decoder", "matrix products"), given, strict=True)
        if value is None
    )
    return Throughput(
        captions_per_second=synthesis,
        decoder_captions_per_second=decoder,
        tera_flops=measure_tera_flops(device) if flops is None else flops,
        source=f"measured on this machine's {device.type}: {measured}",
    ), config


def _clip_sizes_without_loading(profile: Profile) -> tuple[int, int]:
    """Return D and V from CLIP's configuration, or those of ViT-B/32 where it is not here."""
    import open_clip

    name = profile.encoder.model
    path = Path(name.removeprefix("local-dir:")) / "open_clip_config.json"
    if path.is_file():
        config = json.loads(path.read_text(encoding="utf-8"))["model_cfg"]
    else:
        config = (open_clip.get_model_config(name) if ":" not in name else None) or {}
    vocabulary_size = config.get("text_cfg", {}).get("vocab_size", CLIP_VOCABULARY)
    return int(config.get("embed_dim", CLIP_WIDTH)), int(vocabulary_size)


def _lines(result: Plan, corpus: str, size: RunSize) -> list[str]:
    rate = result.throughput
    several = "s" if size.decoders > 1 else ""
    parts = (
        ("features", result.store_bytes),
        ("the same unpacked", result.unpacked_bytes),
        ("Eq. 2 and 3", result.prepared_bytes),
        ("the training's state", result.state_bytes),
        (f"decoder{several}", result.decoder_bytes),
    )
    return [
        f"{result.captions:,} captions of {corpus} on {result.gpus} GPU{'s' if result.gpus > 1 else ''}, "
        f"{size.decoders} decoder{several} of {size.epochs:.3g} epochs",
        f"  throughput of one GPU ({rate.source}): {rate.captions_per_second:g} captions/s synthesized, "
        f"{rate.decoder_captions_per_second:g} captions/s trained, {rate.tera_flops:g} TFLOP/s",
        f"  synthesize  {result.synthesis_gpu_hours:10,.2f} GPU-hours, shared by all",
        f"  refine      {result.refinement_gpu_hours:10,.2f} GPU-hours (Eq. 2)",
        f"  project     {result.projection_gpu_hours:10,.2f} GPU-hours (Eq. 3)",
        f"  train       {result.training_gpu_hours:10,.2f} GPU-hours",
        f"  together    {result.gpu_hours:10,.2f} GPU-hours, "
        f"{duration(3600 * result.wall_hours)} from start to end",
        f"  disk        {result.disk_bytes / GIGABYTE:10,.2f} GiB: "
        + ", ".join(f"{name} {value / GIGABYTE:,.2f}" for name, value in parts),
        f"  memory      {result.memory_bytes / GIGABYTE:10,.2f} GiB for Eq. 3 and training, "
        "without the models",
    ]
