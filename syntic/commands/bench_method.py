"""`bench` of the method: Eq. 3, decoding and training, each beside a reference in the same run."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING

from ..errors import InputError
from .bench_options import add_repeats, add_verbose, numbers, require_positive
from .options import (
    add_corpus,
    add_profile,
    add_variant,
    corpus_name,
    describe,
    note,
    open_profile,
    print_json,
)

if TYPE_CHECKING:
    from ..evaluation.bench_projection import ProjectionTiming

PAPER_TEXTS = 978_662  # SS1M after the fifteen-word filter


def add_projection(projection: argparse.ArgumentParser) -> None:
    """Add the options of `bench projection`."""
    describe(
        projection,
        "Project made-up picture features onto made-up text features. The default is the size of SS1M and\n"
        "needs 4 GB of memory, 6 GB with 256 queries.",
        "python -m syntic bench projection --texts 10000,100000,1000000 --queries 32 --no-reference",
    )
    projection.add_argument(
        "--texts",
        type=numbers,
        default=[PAPER_TEXTS],
        metavar="M,...",
        help=f"sizes of the support set (default {PAPER_TEXTS}); several give an exponent, too",
    )
    projection.add_argument("--width", type=int, default=512, metavar="D", help="of a feature (default 512)")
    projection.add_argument(
        "--queries", type=numbers, default=[1, 32, 256], metavar="B,...", help="pictures (default 1,32,256)"
    )
    projection.add_argument(
        "--repeats", type=int, default=3, metavar="N", help="the fastest counts (default 3)"
    )
    projection.add_argument("--no-reference", action="store_true", help="leave the plain softmax out")
    projection.add_argument(
        "--faiss",
        action="store_true",
        help="measure the index, too: its time, and the weight it finds",
    )
    add_verbose(projection)


def add_decode(decode: argparse.ArgumentParser) -> None:
    """Add the options of `bench decode`."""
    describe(
        decode,
        "Decode captions greedily and by beam search, and by `generate` of transformers on the same weights.",
        "python -m syntic bench decode --captions 64 --beam-size 5",
    )
    decode.add_argument("--captions", type=int, default=64, metavar="B", help="at a time (default 64)")
    decode.add_argument("--beam-size", type=int, default=5, metavar="N", help="default 5")
    add_repeats(decode)
    add_variant(decode)
    add_corpus(decode)
    add_profile(decode)


def add_train(train: argparse.ArgumentParser) -> None:
    """Add the options of `bench train`."""
    describe(
        train,
        "Take training steps on features that were computed once, and steps of DeCap's loop, which runs\n"
        "CLIP's text encoder in each of them.",
        "python -m syntic bench train --batch-size 128 --steps 5",
    )
    train.add_argument("--batch-size", type=int, default=128, metavar="B", help="captions (default 128)")
    train.add_argument("--steps", type=int, default=5, metavar="N", help="of each loop (default 5)")
    train.add_argument(
        "--random-weights",
        action="store_true",
        help="CLIP with random weights instead of the profile's; takes as long and downloads nothing",
    )
    add_corpus(train)
    add_profile(train)


def run_projection(args: argparse.Namespace) -> int:
    """Measure Eq. 3."""
    from ..evaluation.bench_projection import exponent, make_texts, measure_index, measure_projection
    from ..runtime import describe_threads

    if min([args.width, args.repeats, *args.texts, *args.queries]) < 1:
        raise InputError("--texts, --width, --queries and --repeats must be at least 1.")
    note(describe_threads())
    timings, indices = [], []
    for count in args.texts:
        texts = make_texts(count, args.width)
        for queries in args.queries:
            timing = measure_projection(texts, queries, repeats=args.repeats, reference=not args.no_reference)
            timings.append(timing)
            if not args.json:
                print(_line(timing))
        if args.faiss:
            indices.append(measure_index(texts, max(args.queries)))
    exponents = {
        queries: exponent(
            [timing.texts for timing in timings if timing.queries == queries],
            [timing.seconds for timing in timings if timing.queries == queries],
        )
        for queries in args.queries
        if len(args.texts) > 1
    }
    if args.json:
        rows = [{**asdict(timing), "speed_up": timing.speed_up} for timing in timings]
        print_json({"projection": rows, "exponents": exponents, "faiss": [asdict(i) for i in indices]})
        return 0
    for queries, value in exponents.items():
        print(f"{queries} queries: time grows as the number of texts to the {value:.2f}")
    for index in indices:
        print(
            f"faiss, {index.texts:,} texts: built in {index.build_seconds:.1f} s, "
            f"{index.seconds * 1e3:.1f} ms against {index.exact_seconds * 1e3:.1f} ms exact; finds "
            f"{index.recall_mean:.4f} of the weight, {index.recall_lowest:.4f} at worst, "
            f"cosine {index.cosine_lowest:.4f} at worst"
        )
    return 0


def run_decode(args: argparse.Namespace) -> int:
    """Measure greedy and beam search."""
    import torch

    from ..evaluation.bench_decode import measure_decoding
    from ..method import Variant, project_onto_support
    from ..method.components import Components

    require_positive(args, "captions", "repeats")
    profile = open_profile(args)
    name, components = corpus_name(args, profile), Components.load(profile)
    model = components.captioner(name, Variant.parse(args.variant))
    support = components.support_set(name)
    store = components.feature_store(name)
    rows = [row % len(store) for row in range(args.captions)]
    query = torch.from_numpy(store.image_features[rows]).to(components.device)
    features = project_onto_support(query, support, temperature=profile.corpus(name).temperature).features
    tags = [components.tag_features(store.tags[row][:1] or ["person"]) for row in rows]
    mask = torch.ones(len(rows), 1, dtype=torch.bool, device=components.device)
    with torch.no_grad():
        prefix = model.prefix(features, query, torch.stack(tags), mask)
    timings = [
        measure_decoding(
            model.decoder, prefix, decoding=decoding, beam_size=args.beam_size, repeats=args.repeats
        )
        for decoding in ("greedy", "beam")
    ]
    if args.json:
        print_json({"decode": [{**asdict(timing), "speed_up": timing.speed_up} for timing in timings]})
        return 0
    for timing in timings:
        print(
            f"{timing.captions} captions, {timing.decoding}: {timing.seconds * 1e3:.0f} ms, "
            f"{timing.speed_up:.2f}x as fast as transformers ({timing.reference_seconds * 1e3:.0f} ms); "
            f"{timing.equal} of {timing.captions} equal token for token, log probability per token "
            f"{timing.score:.4f} against {timing.reference_score:.4f}"
        )
    return 0


def run_train(args: argparse.Namespace) -> int:
    """Measure decoder steps."""
    from ..data import read_corpus
    from ..evaluation.bench_train import measure_training
    from ..models import ClipEncoder
    from ..runtime import pick_device
    from ..training.loop import decoder_config

    require_positive(args, "batch_size", "steps")
    profile, device = open_profile(args), pick_device()
    captions = read_corpus(profile.corpus(corpus_name(args, profile)), args.batch_size * (args.steps + 1))
    load = ClipEncoder.with_random_weights if args.random_weights else ClipEncoder.from_settings
    encoder = load(profile.encoder, device)
    config = decoder_config(profile, encoder.tokenizer, encoder.width)
    timing = measure_training(encoder, config, captions, batch_size=args.batch_size, steps=args.steps)
    if args.json:
        print_json({"train": {**asdict(timing), "speed_up": timing.speed_up}})
    else:
        print(
            f"{timing.captions} captions a step: {timing.seconds * 1e3:.0f} ms, {timing.speed_up:.2f}x as "
            f"fast as DeCap's loop ({timing.reference_seconds * 1e3:.0f} ms, of which CLIP's text encoder "
            f"takes {timing.encoding_seconds * 1e3:.0f})"
        )
    return 0


def _line(timing: ProjectionTiming) -> str:
    text = f"{timing.texts:,} texts, {timing.queries} queries: {timing.seconds * 1e3:.1f} ms"
    if timing.reference_seconds is not None:
        text += (
            f", {timing.speed_up:.2f}x as fast as the plain softmax "
            f"({timing.reference_seconds * 1e3:.1f} ms), equal to {timing.difference:.1e}"
        )
    if timing.extra_megabytes is not None:
        text += f", {timing.extra_megabytes:.0f} MiB extra"
    return text
