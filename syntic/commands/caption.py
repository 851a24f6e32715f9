"""`caption` and `trace`: the pipeline on pictures and texts."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from ..types import Finished, StageFinished
from .options import (
    add_captioning,
    add_json,
    add_profile,
    add_variant,
    corpus_name,
    describe,
    note,
    open_profile,
    print_json,
)


def add_arguments(words: Sequence[str], parser: argparse.ArgumentParser) -> None:
    """Add the options of `caption` or `trace`."""
    if words[0] == "caption":
        describe(
            parser,
            "Caption pictures with a trained decoder, one line each.",
            "python -m syntic caption holiday.jpg --variant fp",
        )
        parser.add_argument("images", nargs="+", type=Path, metavar="IMAGE", help="picture files")
        add_json(parser)
        parser.set_defaults(run=run_caption)
    else:
        describe(
            parser,
            "Follow one text or picture through every step and print all that happened as JSON.\n"
            "A text is first turned into a picture; a picture is captioned as it is.",
            'python -m syntic trace --text "a dog on a bench in the park" --out trace.json',
        )
        source = parser.add_mutually_exclusive_group(required=True)
        source.add_argument("--text", help="a sentence to generate a picture from")
        source.add_argument("--image", type=Path, help="a picture file")
        parser.add_argument(
            "--refinement-steps", type=int, metavar="N", help="steps of Eq. 2 (default: the profile's)"
        )
        parser.add_argument("--seed", type=int, default=0, help="of the generated picture (default 0)")
        parser.add_argument(
            "--out", type=Path, metavar="F", help="write the JSON there instead of printing it"
        )
        parser.set_defaults(run=run_trace)
    add_variant(parser)
    add_captioning(parser)
    parser.add_argument(
        "--temperature", type=float, metavar="T", help="of the projection, Eq. 3 (default: the profile's)"
    )
    add_profile(parser)


def run_caption(args: argparse.Namespace) -> int:
    """Caption all pictures in one batch."""
    from ..data.images import load_image
    from ..evaluation import caption_images
    from ..method import Variant
    from ..method.components import Components

    profile = open_profile(args)
    variant, corpus = Variant.parse(args.variant), corpus_name(args, profile)
    images = [load_image(path) for path in args.images]
    captions = caption_images(
        Components.load(profile),
        images,
        corpus=corpus,
        variant=variant,
        decoding=args.decoding,
        beam_size=args.beam_size,
        temperature=args.temperature,
    )
    if args.json:
        print_json(
            [
                {"image": str(path), "caption": caption, "variant": variant.name}
                for path, caption in zip(args.images, captions, strict=True)
            ]
        )
    else:
        for path, caption in zip(args.images, captions, strict=True):
            print(f"{path}: {caption}")
    return 0


def run_trace(args: argparse.Namespace) -> int:
    """Run the pipeline once and write its Trace."""
    from ..method import Variant
    from ..method.pipeline import SynTIC
    from ..types import TraceSettings

    profile = open_profile(args)
    corpus = corpus_name(args, profile)
    steps = profile.refinement.steps if args.refinement_steps is None else args.refinement_steps
    settings = TraceSettings(
        variant=args.variant,
        corpus=corpus,
        temperature=args.temperature,
        refinement_steps=steps,
        decoding=args.decoding,
        beam_size=args.beam_size,
        seed=args.seed,
    )
    syntic = SynTIC.from_profile(profile, variant=Variant.parse(args.variant), corpus=corpus)
    for event in syntic.stream(text=args.text, image=args.image, settings=settings):
        if isinstance(event, StageFinished):
            note(f"{event.stage.value}: {event.seconds:.2f} s")
        elif isinstance(event, Finished):
            if args.out is None:
                print(event.trace.to_json())
            else:
                event.trace.save(args.out)
                caption = event.trace.caption
                note(f"caption: {caption.text if caption else ''}\nwrote {args.out}")
    return 0
