"""What a visitor may ask for, and what the host allows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from ..errors import InputError
from ..method.variant import Variant
from ..profiles import Profile

MAX_NAME_CHARACTERS = 40
OWN_CORPUS = "own captions"
"""What a decoder's record names as its corpus when the captions were a visitor's."""


@dataclass(frozen=True, kw_only=True)
class JobLimits:
    """What a host lets visitors do, each number set by an environment variable, see `from_environment`.

    Attributes:
        captions: most captions of one's own in a run; each needs a generated picture.
        minutes: largest budget in minutes; 0 switches training off. A run whose steps take longer
            than that and half as long again is stopped, and may be resumed behind those that wait.
        steps: most optimiser steps of a run.
        waiting: most runs in the queue.
        kept: most runs kept; the oldest that are done or stopped are removed for new ones.
        days: runs that were started longer ago are removed.
        megabytes: for all runs together; the oldest go first.
    """

    captions: int = 500
    minutes: float = 30.0
    steps: int = 5000
    waiting: int = 8
    kept: int = 50
    days: float = 7.0
    megabytes: int = 1000

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> JobLimits:
        """Read SYNTIC_TRAIN_CAPTIONS, SYNTIC_TRAIN_MINUTES and so on, one for each attribute.

        Raises:
            InputError: for a value that is no number of the right kind, or negative.
        """
        values = {}
        for field in fields(cls):
            name = f"SYNTIC_TRAIN_{field.name.upper()}"
            if not (text := environment.get(name, "").strip()):
                continue
            try:
                value = int(text) if field.type == "int" else float(text)
            except ValueError:
                value = math.nan
            if not (math.isfinite(value) and value >= 0):
                raise InputError(f"{name} must be a number of 0 or more but is {text!r}.")
            values[field.name] = value
        return cls(**values)  # type: ignore[arg-type]  # the kind follows from the field


MIN_CAPTIONS = 5


@dataclass(frozen=True, kw_only=True)
class JobRequest:
    """One training run, as a visitor asks for it.

    Attributes:
        corpus: a corpus of the profile; None for captions of one's own.
        captions: for which the run draws pictures: one's own, distinct, or those of a corpus that the host
            has not drawn, see `captions_to_draw`.
        variant: name of one of the eight ablations.
        steps: budget in optimiser steps; or
        minutes: budget in minutes of training. The steps that fit are measured once and then fixed,
            so that the result follows from its record.
        device: "cpu" or "cuda".
        keep_going: whether the run goes on while nobody looks at it; otherwise it is stopped then.
        name: what the visitor calls it; "" names it after its settings.
    """

    corpus: str | None = None
    captions: tuple[str, ...] = ()
    variant: str = "syntic"
    steps: int | None = None
    minutes: float | None = None
    device: str = "cpu"
    keep_going: bool = True
    name: str = ""

    @property
    def corpus_name(self) -> str:
        """What the record names as the corpus."""
        return self.corpus or OWN_CORPUS

    @property
    def draws(self) -> bool:
        """Whether the run draws the pictures that it learns from."""
        return bool(self.captions)

    @property
    def label(self) -> str:
        """What the run is called."""
        budget = f"{self.steps:,} steps" if self.steps is not None else f"{self.minutes:g} min"
        texts = self.corpus or f"{len(self.captions):,} own captions"
        return self.name or f"{self.variant}, {texts}, {budget}"


def check_request(
    request: JobRequest, profile: Profile, limits: JobLimits, devices: tuple[str, ...]
) -> JobRequest:
    """Return the request with its name cleaned, or raise InputError for what cannot be done here."""
    if limits.minutes == 0:
        raise InputError("Training is switched off on this host; run the app on a machine of your own.")
    Variant.parse(request.variant)
    if request.corpus is not None:
        profile.corpus(request.corpus)
    else:
        _check_captions(request.captions, limits)
    _check_budget(request, limits)
    if request.device not in devices:
        raise InputError(f"There is no device {request.device!r} here; choose {' or '.join(devices)}.")
    name = " ".join(request.name.split())
    if len(name) > MAX_NAME_CHARACTERS:
        raise InputError(f"The name has {len(name)} characters; write at most {MAX_NAME_CHARACTERS}.")
    return replace(request, name=name)


def _check_captions(captions: tuple[str, ...], limits: JobLimits) -> None:
    count = len(captions)
    if count < MIN_CAPTIONS:
        raise InputError(f"There are {count} captions; give at least {MIN_CAPTIONS} different ones.")
    if count > limits.captions:
        raise InputError(
            f"There are {count:,} captions, but this host draws pictures for at most {limits.captions:,}; "
            "leave some out."
        )


def _check_budget(request: JobRequest, limits: JobLimits) -> None:
    if (request.steps is None) == (request.minutes is None):
        raise InputError("Give the budget either in steps or in minutes.")
    if request.steps is not None and not 1 <= request.steps <= limits.steps:
        raise InputError(
            f"The budget must be 1 to {limits.steps:,} steps on this host but is {request.steps:,}."
        )
    if request.minutes is not None and not 0 < request.minutes <= limits.minutes:
        raise InputError(
            f"The budget must be above 0 and at most {limits.minutes:g} minutes on this host "
            f"but is {request.minutes:g}."
        )
