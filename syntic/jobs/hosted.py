"""A profile that also knows the corpora and decoders of visitors' runs, each by its name alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields

from ..errors import InputError
from ..profiles import CorpusSettings, Profile

RUN_PREFIX = "run-"


@dataclass(frozen=True, kw_only=True)
class HostedProfile(Profile):
    """A profile in which a finished run is one more corpus, with its one decoder.

    Whatever takes the name of a corpus takes the name of a run, so a trained decoder can be used at
    once. Runs are looked up, never listed: `corpora` holds the profile's own only.

    Attributes:
        find_run: name of a run -> where its features and its decoder lie, or None.
    """

    find_run: Callable[[str], CorpusSettings | None] = field(compare=False, repr=False)

    @classmethod
    def of(cls, profile: Profile, find_run: Callable[[str], CorpusSettings | None]) -> HostedProfile:
        """Return the profile with a way to find runs."""
        values = {f.name: getattr(profile, f.name) for f in fields(Profile)}
        return cls(**values, find_run=find_run)

    def corpus(self, name: str) -> CorpusSettings:
        """Return a corpus of the profile or of a run, or raise InputError."""
        if not name.startswith(RUN_PREFIX):
            return super().corpus(name)
        if (corpus := self.find_run(name)) is None:
            raise InputError("The trained decoder is not here any more; choose another, or train it again.")
        return corpus
