"""`plan`: what a run at full scale costs, before it is started."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from ..profiles import Profile
from .options import add_json, add_profile, corpus_name, describe, duration, note, open_profile, print_json
from .synthesize import MakerOfProfile

if TYPE_CHECKING:
    from ..evaluation.plan import Plan, Throughput

SAMPLE = 256  # captions that throughput is measured on, in turn


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
    parser.add_argument("--epochs", type=int, default=10, metavar="N", help="of each (default 10)")
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
    from ..evaluation.plan import RunSize, plan

    profile = open_profile(args)
    name = corpus_name(args, profile)
    if min(args.decoders, args.epochs) < 1:
        raise InputError("--decoders and --epochs must be at least 1.")
    captions = [] if args.captions else read_corpus(profile.corpus(name))
    throughput, width = _throughput(args, profile, captions[:SAMPLE])
    size = RunSize(
        captions=args.captions or len(captions),
        width=width,
        refinement_steps=profile.refinement.steps,
        refinement_batch=profile.refinement.batch_size,
        epochs=args.epochs,
        decoders=args.decoders,
    )
    result = plan(size, throughput, args.gpus)
    if args.json:
        print_json({**asdict(result), "gpu_hours": result.gpu_hours, "profile": profile.name, "corpus": name})
    else:
        print("\n".join(_lines(result, name, args)))
    return 0


def _throughput(
    args: argparse.Namespace, profile: Profile, captions: Sequence[str]
) -> tuple[Throughput, int]:
    """Return what was given, the rest measured; and the width of a feature."""
    from ..evaluation.plan import Throughput, measure_decoder, measure_synthesis, measure_tera_flops
    from ..method import DecoderConfig
    from ..method.components import Components

    given = (args.captions_per_second, args.decoder_captions_per_second, args.tera_flops)
    if None not in given:
        return Throughput(
            captions_per_second=given[0],
            decoder_captions_per_second=given[1],
            tera_flops=given[2],
            source="as given",
        ), _width_without_loading(profile)
    components = Components.load(profile)
    device, encoder = components.device, components.encoder
    note(f"measuring on {device.type}")
    synthesis, decoder, flops = given
    if synthesis is None:
        maker = MakerOfProfile(profile, seed=0, keep_images=None)()
        synthesis = measure_synthesis(maker, captions or profile.example_texts, profile.generator.batch_size)
    if decoder is None:
        tokenizer, sizes = encoder.tokenizer, profile.decoder
        config = DecoderConfig(
            feature_width=encoder.width,
            vocabulary_size=tokenizer.vocabulary_size,
            start_id=tokenizer.start_id,
            end_id=tokenizer.end_id,
            pad_id=tokenizer.pad_id,
            width=sizes.width,
            layers=sizes.layers,
            heads=sizes.heads,
            max_tokens=sizes.max_tokens,
        )
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
    ), encoder.width


def _width_without_loading(profile: Profile) -> int:
    """Return the width of a feature from CLIP's configuration; 512, as of ViT-B/32, where it is not here."""
    import open_clip

    name = profile.encoder.model
    path = Path(name.removeprefix("local-dir:")) / "open_clip_config.json"
    if path.is_file():
        return int(json.loads(path.read_text(encoding="utf-8"))["model_cfg"]["embed_dim"])
    config = open_clip.get_model_config(name) if ":" not in name else None
    return int(config["embed_dim"]) if config else 512


def _lines(result: Plan, corpus: str, args: argparse.Namespace) -> list[str]:
    rate = result.throughput
    gigabyte = 2**30
    return [
        f"{result.captions:,} captions of {corpus} on {result.gpus} GPU{'s' if result.gpus > 1 else ''}, "
        f"{args.decoders} decoder{'s' if args.decoders > 1 else ''} of {args.epochs} epochs",
        f"  throughput of one GPU ({rate.source}): {rate.captions_per_second:g} captions/s synthesized, "
        f"{rate.decoder_captions_per_second:g} captions/s trained, {rate.tera_flops:g} TFLOP/s",
        f"  synthesize  {result.synthesis_gpu_hours:10,.2f} GPU-hours, shared by all",
        f"  refine      {result.refinement_gpu_hours:10,.2f} GPU-hours (Eq. 2)",
        f"  project     {result.projection_gpu_hours:10,.2f} GPU-hours (Eq. 3)",
        f"  train       {result.training_gpu_hours:10,.2f} GPU-hours",
        f"  together    {result.gpu_hours:10,.2f} GPU-hours, "
        f"{duration(3600 * result.wall_hours)} from start to end",
        f"  disk        {result.store_bytes / gigabyte:10,.2f} GiB of features, "
        f"{result.work_bytes / gigabyte:,.2f} GiB more while it runs",
        f"  memory      {result.memory_bytes / gigabyte:10,.2f} GiB for Eq. 3 and training, "
        "without the models",
    ]
