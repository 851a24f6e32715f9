"""`evaluate`: a system's captions of a test set, scored."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from ..profiles import Profile
from .options import (
    BUILD,
    add_captioning,
    add_json,
    add_profile,
    corpus_name,
    describe,
    note,
    open_profile,
    print_json,
    progress,
)


def add_arguments(words: Sequence[str], parser: argparse.ArgumentParser) -> None:
    """Add the options of `evaluate`."""
    describe(
        parser,
        "Caption a test set and score the captions with BLEU-4, METEOR, ROUGE-L and CIDEr (needs Java).",
        "python -m syntic evaluate --system syntic --set everyday --limit 50",
    )
    parser.add_argument(
        "--system",
        default="syntic",
        metavar="S",
        help="a variant: baseline, fo, fp, af, fo+af, fp+fo, fp+af or syntic (the default), or syntic-tt; a "
        "compared system that learns from texts: clipre, decap, decap-tt, capdec, close, magic or zerocap; "
        "one that adds unpaired real pictures: feng, laina or esper-style; or an upper bound, from real "
        "pairs: clipcap, barraco or butd",
    )
    parser.add_argument(
        "--target",
        metavar="NAME",
        help="decap-tt, syntic-tt: the corpus to project onto (default: the test set's)",
    )
    parser.add_argument(
        "--set", dest="test_set", metavar="NAME", help="test set of the profile (default: the corpus's)"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="take only the first N pictures")
    parser.add_argument(
        "--out", type=Path, metavar="F", help="where the captions go (default: build/evaluations/)"
    )
    add_captioning(parser, decoding=None)
    add_json(parser)
    add_profile(parser)
    parser.set_defaults(run=run)


def corpus_of(profile: Profile, test_set: str) -> str | None:
    """Return the corpus of a test set's domain, or None where there is none."""
    return next((name for name in profile.corpora if profile.test_set_of(name) == test_set), None)


def run(args: argparse.Namespace) -> int:
    """Caption, score, save the captions."""
    from ..baselines import SystemRequest, build_system, is_upper_bound
    from ..data.atomic import write_text_atomically
    from ..errors import InputError
    from ..evaluation import encode_for, evaluate_captioner, open_test_set
    from ..method.components import Components

    profile = open_profile(args)
    corpus = corpus_name(args, profile)
    name = args.test_set or profile.test_set_of(corpus)
    if name is None:
        known = ", ".join(profile.test_sets) or "none"
        raise InputError(f"The corpus {corpus!r} has no test set of its own; choose one with --set: {known}.")
    test_set = open_test_set(profile, name).head(args.limit)
    components = Components.load(profile)
    captioner = build_system(
        args.system,
        SystemRequest(
            components=components,
            corpus=corpus,
            target=args.target or corpus_of(profile, name),
            decoding=args.decoding,
            beam_size=args.beam_size,
        ),
    )
    pictures = encode_for(
        components,
        test_set,
        cache=BUILD / "features",
        views=captioner.views,
        on_batch=progress("encoded"),
    )
    evaluation = evaluate_captioner(captioner, pictures, test_set.references, corpus=corpus, test_set=name)
    out = args.out or BUILD / "evaluations" / f"{profile.name}-{corpus}-{captioner.name}-{name}.json"
    write_text_atomically(out, json.dumps(evaluation.captions, indent=0, ensure_ascii=False) + "\n")
    scores = evaluation.scores
    if args.json:
        print_json(
            {
                "system": captioner.name,
                "upper_bound": is_upper_bound(captioner.name),
                "profile": profile.name,
                "corpus": corpus,
                "test_set": name,
                "pictures": len(test_set),
                "scores": scores.to_dict(),
                "captions": str(out),
            }
        )
    else:
        bound = " (upper bound: learned from real pairs)" if is_upper_bound(captioner.name) else ""
        print(
            f"{captioner.name}{bound} on {len(test_set)} pictures of {name}: BLEU-4 {scores.bleu4:.1f}, "
            f"METEOR {scores.meteor:.1f}, ROUGE-L {scores.rouge_l:.1f}, CIDEr {scores.cider:.1f}"
        )
        note(f"captions: {out}")
    return 0
