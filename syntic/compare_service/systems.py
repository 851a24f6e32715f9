"""Which systems a profile has on disk, by the keys that the page, its links and scripts use."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ..baselines import SYSTEMS, Captioner, SystemRequest, TextOnly, build_system, is_upper_bound
from ..errors import InputError
from ..method import VARIANTS
from ..method.components import Components
from ..profiles import Profile
from .views import Group, SystemChoice

NAMES = {
    "syntic": "SynTIC",
    "clipre": "CLIPRe",
    "decap": "DeCap",
    "decap-tt": "DeCap-TT",
    "capdec": "CapDec",
    "close": "CLOSE",
    "magic": "MAGIC",
    "zerocap": "ZeroCap",
    "clipcap": "ClipCap",
    "barraco": "Barraco et al.",
    "butd": "BUTD",
    "feng": "Feng et al.",
    "laina": "Laina et al.",
    "esper-style": "ESPER-Style",
    "syntic-tt": "SynTIC-TT",
}
"""As the paper calls them; a variant is called by its letters."""
SLOW = {"zerocap", "magic"}  # they ask CLIP, or take gradient steps, for every word
_TARGETED = "decap-tt"


@dataclass(frozen=True)
class SystemKey:
    """A key taken apart.

    Attributes:
        name: of the registry, or of a variant.
        corpus: whose texts it learned from.
        target: whose texts it projects onto, where that is another.
    """

    name: str
    corpus: str
    target: str | None = None

    @classmethod
    def parse(cls, key: str, profile: Profile) -> SystemKey:
        """Take a key apart: `NAME`, `NAME@CORPUS` or `NAME@CORPUS>TARGET`."""
        name, _, corpus = key.strip().partition("@")
        corpus, _, target = corpus.partition(">")
        return cls(name.lower(), corpus or next(iter(profile.corpora), ""), target or None)

    def write(self, profile: Profile) -> str:
        """Put it together again, as short as it can be."""
        target = f">{self.target}" if self.target else ""
        if self.corpus == next(iter(profile.corpora), "") and not target:
            return self.name
        return f"{self.name}@{self.corpus}{target}"


def name_for_people(name: str) -> str:
    """Return what a system or variant is called: `SynTIC`, `FP + AF`, `DeCap`; a share of its texts stays."""
    system, _, share = name.rpartition(" ")
    if system and share.endswith("%"):
        return f"{name_for_people(system)} {share}"
    if name in NAMES or name == "baseline":
        return NAMES.get(name, name)
    return name.upper().replace("+", " + ") if name in {variant.name for variant in VARIANTS} else name


def list_systems(profile: Profile) -> list[SystemChoice]:
    """Return every system that the profile has what it needs for, the variants in Table 4's order first."""
    return [*_variants(profile), *_compared(profile)]


def build(components: Components, key: str, variant_of_run: Callable[[str], str | None]) -> Captioner:
    """Make a system ready to caption.

    Args:
        components: of the profile.
        key: of the system, or the name of a training run.
        variant_of_run: name of a run -> its variant, or None where there is no such run.

    Raises:
        InputError: if there is no such system or run.
        CheckpointError: if its decoder is missing or damaged.
        DataError: if its corpus has no features.
    """
    variant = variant_of_run(key)
    if variant is not None:
        return build_system(variant, SystemRequest(components=components, corpus=key))
    system = SystemKey.parse(key, components.profile)
    components.profile.corpus(system.corpus)
    request = SystemRequest(components=components, corpus=system.corpus, target=system.target)
    return build_system(system.name, request)


def check_keys(keys: tuple[str, ...], most: int) -> None:
    """Refuse no system, too many, or one twice.

    Raises:
        InputError: saying so.
    """
    if not keys:
        raise InputError("No system is chosen; tick at least one.")
    if len(set(keys)) > most:
        raise InputError(f"{len(set(keys))} systems are chosen; compare at most {most} at once.")


def _variants(profile: Profile) -> Iterator[SystemChoice]:
    for corpus, settings in profile.corpora.items():
        for variant in reversed(VARIANTS):  # SynTIC itself first, then what is left out of it
            if (settings.decoders / f"{variant.name}.safetensors").is_file():
                yield _choice(profile, SystemKey(variant.name, corpus), Group.VARIANT)


def _compared(profile: Profile) -> Iterator[SystemChoice]:
    for corpus, settings in profile.corpora.items():
        for name, system in SYSTEMS.items():
            checkpoint = system.checkpoint
            if checkpoint is not None and not (settings.decoders / f"{checkpoint}.safetensors").is_file():
                continue
            if name == "clipre" and not (settings.features / "store.json").is_file():
                continue
            group = Group.TEXTS if system.trains_on is TextOnly else Group.PICTURES
            targets = [other for other in profile.corpora if other != corpus] if name == _TARGETED else [None]
            for target in targets:
                yield _choice(profile, SystemKey(name, corpus, target), group)


def _choice(profile: Profile, key: SystemKey, group: Group) -> SystemChoice:
    label = name_for_people(key.name)
    if len(profile.corpora) > 1:
        label += f" ({key.corpus} → {key.target})" if key.target else f" ({key.corpus})"
    return SystemChoice(
        key=key.write(profile),
        label=label,
        group=group,
        corpus=key.corpus,
        is_upper_bound=is_upper_bound(key.name),
        is_slow=key.name in SLOW,
    )
