"""`synthesize`: captions -> generated pictures -> features and tags."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from ..profiles import Profile
from .options import add_profile, describe, duration, note, open_profile

if TYPE_CHECKING:
    from ..data import SynthesisProgress, SynthesisSettings
    from ..data.synthesis import RowMaker


def add_arguments(words: Sequence[str], parser: argparse.ArgumentParser) -> None:
    """Add the options of `synthesize`."""
    describe(
        parser,
        "Generate a picture for every caption of a corpus, encode both with CLIP, detect tags, and keep the\n"
        "features. That is what decoders are trained on. Run it again to continue where it was stopped.",
        "python -m syntic synthesize my-captions.txt runs/my-features --limit 500",
    )
    parser.add_argument(
        "corpus",
        metavar="CORPUS",
        help="a corpus of the profile; or a text file, one caption per line, a JSON, CSV or Parquet file, "
        "or a folder that Hugging Face's libraries saved",
    )
    parser.add_argument(
        "out",
        metavar="OUT",
        nargs="?",
        type=Path,
        help="folder for the features (default: the profile's, for its corpora)",
    )
    parser.add_argument(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="what runs the work: this process (the default), or workers on Ray, here or on a cluster",
    )
    parser.add_argument(
        "--workers", type=int, metavar="N", help="of Ray (default: one per GPU of the cluster)"
    )
    parser.add_argument(
        "--gpus-per-worker", type=float, metavar="N", help="of Ray (default: 1 where the cluster has any)"
    )
    parser.add_argument("--ray-address", metavar="A", help="of a running cluster (default: started here)")
    parser.add_argument(
        "--column", metavar="NAME", help="where a table's captions are (default: caption, text ...)"
    )
    parser.add_argument("--split", metavar="NAME", help="of a file that holds several (default train)")
    parser.add_argument("--max-words", type=int, metavar="N", help="leave out captions of more words")
    parser.add_argument("--limit", type=int, metavar="N", help="take only the first N captions")
    parser.add_argument(
        "--part",
        type=_parse_part,
        default=(1, 1),
        metavar="K/N",
        help="do the K-th of N parts, to share the work",
    )
    parser.add_argument(
        "--batch-size", type=int, metavar="N", help="captions at a time (default: the profile's)"
    )
    parser.add_argument(
        "--shard-size", type=int, default=250, metavar="N", help="captions per file (default 250)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the generated pictures (default 0)")
    parser.add_argument(
        "--keep-images", type=Path, metavar="DIR", help="keep the generated pictures there, as WebP"
    )
    add_profile(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Make the missing shards of the store."""
    from ..data import SynthesisSettings

    profile = open_profile(args)
    settings = SynthesisSettings(
        seed=args.seed,
        batch_size=profile.generator.batch_size if args.batch_size is None else args.batch_size,
        shard_size=args.shard_size,
        part=args.part,
        keep_images=args.keep_images,
    )
    if args.limit is not None and args.limit < 1:
        raise InputError(f"--limit must be at least 1 but is {args.limit}.")
    captions, out = _read(args, profile)
    started = last = time.monotonic()
    done = 0
    for state in _start(args, profile, captions, out, settings):
        done = state.done
        if time.monotonic() - last > 10 or done == state.total:
            last = time.monotonic()
            note(
                f"{done} of {state.total} captions, {state.captions_per_second:.2f} per second, "
                f"{duration(state.remaining_seconds)} left"
            )
    print(
        f"{out}: finished in {duration(time.monotonic() - started)}" if done else f"{out}: nothing left to do"
    )
    return 0


def _start(
    args: argparse.Namespace, profile: Profile, captions: list[str], out: Path, settings: SynthesisSettings
) -> Iterator[SynthesisProgress]:
    """Begin the work with the engine that was asked for."""
    from ..data import make_header, synthesize, synthesize_with
    from ..data.ray_engine import RaySettings, ray_engine
    from ..method.components import Components

    if args.engine == "ray":
        import torch

        ray = RaySettings(
            workers=args.workers, gpus_per_worker=args.gpus_per_worker, address=args.ray_address
        )
        engine = ray_engine(MakerOfProfile(profile, settings.seed, settings.keep_images), ray)
        width = Components(profile, torch.device("cpu")).encoder.width
        header = make_header(profile, captions, width, settings)
        return synthesize_with(engine, captions, out, header=header, settings=settings)
    components = Components.load(profile)
    return synthesize(
        captions,
        out,
        header=make_header(profile, captions, components.encoder.width, settings),
        generator=components.generator,
        encoder=components.encoder,
        detector=components.detector,
        settings=settings,
    )


@dataclass(frozen=True)
class MakerOfProfile:
    """Loads a profile's models where it is called: in a worker."""

    profile: Profile
    seed: int
    keep_images: Path | None

    def __call__(self) -> RowMaker:
        """Load them."""
        from ..data.synthesis import RowMaker
        from ..method.components import Components

        components = Components.load(self.profile)
        return RowMaker(
            generator=components.generator,
            encoder=components.encoder,
            detector=components.detector,
            seed=self.seed,
            keep_images=self.keep_images,
        )


def _read(args: argparse.Namespace, profile: Profile) -> tuple[list[str], Path]:
    """Return the captions and the folder for their features."""
    from ..data import read_captions, read_corpus

    if args.corpus in profile.corpora:
        given = {"--column": args.column, "--split": args.split, "--max-words": args.max_words}
        if refused := [option for option, value in given.items() if value is not None]:
            raise InputError(
                f"{' and '.join(refused)} cannot be given for {args.corpus!r}, a corpus of profile "
                f"{profile.name!r}; set it in the profile, or give the corpus's file."
            )
        corpus = profile.corpus(args.corpus)
        return read_corpus(corpus, args.limit), args.out or corpus.features
    if not Path(args.corpus).exists():
        known = ", ".join(profile.corpora) or "none"
        raise InputError(
            f"There is no corpus or file {args.corpus!r}; profile {profile.name!r} has: {known}."
        )
    if args.out is None:
        raise InputError("Say where the features go: python -m syntic synthesize CORPUS OUT.")
    captions = read_captions(
        args.corpus, args.limit, column=args.column, split=args.split or "train", max_words=args.max_words
    )
    return captions, args.out


def _parse_part(text: str) -> tuple[int, int]:
    try:
        number, parts = (int(piece) for piece in text.split("/"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form 1/2") from None
    return number, parts
