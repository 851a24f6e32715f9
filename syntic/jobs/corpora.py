"""What a run can learn from and be validated on: what of a profile's data is on this host."""

from __future__ import annotations

from pathlib import Path

from ..data import StoreHeader, read_corpus
from ..data.features import shard_path
from ..errors import DataError, InputError
from ..profiles import CorpusSettings, Profile
from ..profiles.profile import KarpathySplit
from .request import JobLimits


def captions_drawn(corpus: CorpusSettings) -> int | None:
    """Return how many captions of a corpus have their features, or None where they are not all drawn."""
    try:
        header = StoreHeader.read(corpus.features)
    except DataError:
        return None
    whole = all(shard_path(corpus.features, shard).is_file() for shard in range(header.shards))
    return header.captions if whole else None


def captions_to_draw(profile: Profile, name: str, limits: JobLimits) -> tuple[str, ...]:
    """Return what a run on a corpus of the profile has to draw: none where the host has drawn it all.

    Else these are its first captions, as many as a run may draw on this host.

    Raises:
        DataError: if its captions are not there.
        InputError: if this host draws none for a run.
    """
    corpus = profile.corpus(name)
    if captions_drawn(corpus) is not None:
        return ()
    if not limits.captions:
        raise InputError(f"“{name}” is not drawn yet, and this host draws no pictures for runs.")
    return tuple(read_corpus(corpus, limits.captions))


def validation_set(profile: Profile, corpus: str | None) -> str:
    """Return the name of the test set to validate on, "" where its pictures are not on this host.

    It is the corpus' own. A corpus may have none, as texts of the web have no pictures: then it is the first
    of the profile's other corpora that is there.

    Args:
        profile: names the test sets.
        corpus: one of the profile, or None for captions of one's own.
    """
    own = profile.validation_set_of(corpus) if corpus is not None and corpus in profile.corpora else None
    others = (profile.validation_set_of(other) for other in profile.corpora)
    names = others if own is None else iter([own])
    return next((name for name in names if name is not None and _is_here(profile.test_sets[name])), "")


def _is_here(pictures: Path | KarpathySplit) -> bool:
    if isinstance(pictures, KarpathySplit):
        return pictures.captions.is_file() and pictures.images.is_dir()
    return (pictures / "annotations.json").is_file()
