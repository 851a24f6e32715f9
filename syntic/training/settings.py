"""What one training run is: read from TOML, changed by `--set`, stored in the checkpoint."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from ..baselines import PICTURE_RECIPES, RECIPES, PictureRecipe, TextRecipe
from ..data.tags import MAX_TAGS
from ..errors import InputError
from ..method.improvement import Improvement
from ..method.variant import Variant
from ..profiles import OptimizerSettings, Profile, load_profile


@dataclass(frozen=True, kw_only=True)
class ValidationSettings:
    """How often the decoder captions real pictures; their scores never reach the optimiser.

    Attributes:
        test_set: name of a test set of the profile; None takes the corpus' validation set where it has
            one, "" none at all.
        every_steps: steps between two validations; the last step is always validated.
        pictures: how many of the set's pictures to caption, None for all.
    """

    test_set: str | None = None
    every_steps: int = 200
    pictures: int | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if self.every_steps < 1:
            raise InputError(f"`validation.every_steps` must be at least 1 but is {self.every_steps}.")


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """One training run.

    Attributes:
        profile: name or TOML file of the profile.
        corpus: name of one of its corpora, whose feature store is trained on.
        variant: name of one of the eight ablations, see `syntic.method.Variant`.
        system: name of a compared system to train instead, see `syntic.baselines`: one of RECIPES, on the
            texts alone, or of PICTURE_RECIPES; the variant then has no meaning.
        improvement: name of a change of the paper's training, see `syntic.method.improvement`; None is the
            paper's way.
        pictures: for systems of PICTURE_RECIPES, a set of the profile's training pictures or a folder; None
            takes the set named as the corpus.
        seed: of the initial weights, the order of the captions and the batches of Eq. 2.
        mask_own_caption: leave each caption out of its own projection (Eq. 3). The paper keeps it.
        refinement_steps: of Eq. 2; None takes the profile's.
        temperature: of Eq. 3; None takes the profile's for the corpus.
        max_tags: tags per image that Eq. 5 attends to, best first.
        optimizer: how the decoder is trained.
        validation: how it is watched.
        out: where the checkpoint goes, without suffix; None takes the profile's folder.
        work: folder for what a run needs while it is going.
        minutes: pause after that many minutes; the run keeps its state and continues when it is
            started again. Time never changes the result, so budgets are in steps or epochs.
    """

    profile: str = "emoji"
    corpus: str = "everyday"
    variant: str = "syntic"
    system: str | None = None
    improvement: str | None = None
    pictures: str | None = None
    seed: int = 0
    mask_own_caption: bool = False
    refinement_steps: int | None = None
    temperature: float | None = None
    max_tags: int = MAX_TAGS
    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)
    validation: ValidationSettings = field(default_factory=ValidationSettings)
    out: Path | None = None
    work: Path = Path("runs")
    minutes: float | None = None

    def __post_init__(self) -> None:
        """Refuse an unknown variant and numbers out of range."""
        Variant.parse(self.variant)
        if self.system is not None and self.system not in RECIPES | PICTURE_RECIPES:
            raise InputError(
                f"There is no system {self.system!r} to train; choose one of "
                f"{', '.join([*RECIPES, *PICTURE_RECIPES])}, or a variant of SynTIC."
            )
        if self.improvement is not None:
            self._check_improvement(Improvement.parse(self.improvement))
        if self.pictures is not None and self.picture_recipe is None:
            raise InputError(
                f"{self.decoder_name!r} learns without real pictures, so leave `pictures` out; the systems "
                f"that use some are {', '.join(PICTURE_RECIPES)}."
            )
        if self.refinement_steps is not None and self.refinement_steps < 0:
            raise InputError(f"`refinement_steps` must not be negative but is {self.refinement_steps}.")
        if self.temperature is not None and self.temperature <= 0:
            raise InputError(f"`temperature` must be above 0 but is {self.temperature}.")
        if self.max_tags < 1:
            raise InputError(f"`max_tags` must be at least 1 but is {self.max_tags}.")

    def _check_improvement(self, improvement: Improvement) -> None:
        if self.system is not None:
            raise InputError(
                f"The improvement {improvement.name!r} is for SynTIC's variants, not for {self.system!r}; "
                "leave one of the two out."
            )
        if improvement.hidden_tags and not Variant.parse(self.variant).tags:
            raise InputError(
                f"The improvement {improvement.name!r} hides tags, but the variant {self.variant!r} has none."
            )
        if improvement.image_prefix and not Variant.parse(self.variant).project:
            raise InputError(
                f"The improvement {improvement.name!r} shows the feature before the projection, but the "
                f"variant {self.variant!r} has no projection and reads that feature anyway."
            )

    @property
    def recipe(self) -> TextRecipe | None:
        """What a text-only system is trained with, or None for any other."""
        return None if self.system is None else RECIPES.get(self.system)

    @property
    def picture_recipe(self) -> PictureRecipe | None:
        """What a system that uses real pictures is trained with, or None for any other."""
        return None if self.system is None else PICTURE_RECIPES.get(self.system)

    @property
    def decoder_name(self) -> str:
        """The name of the checkpoint: the system's, else the variant's, with its improvement."""
        improvement = "" if self.improvement is None else f"-{self.improvement}"
        return self.system or self.variant + improvement

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values for JSON: the variant, or the system in its place and its pictures."""
        unused = {"system" if self.system is None else "variant"}
        if self.picture_recipe is None:
            unused.add("pictures")
        if self.improvement is None:
            unused.add("improvement")
        return {n: str(v) if isinstance(v, Path) else v for n, v in asdict(self).items() if n not in unused}


def load_run(
    path: str | Path | None = None,
    overrides: Sequence[str] = (),
    *,
    known_profile: Profile | None = None,
    **given: Any,
) -> RunSettings:
    """Read a run from TOML and apply `--set` style changes.

    How the decoder is trained follows, where the run does not say it, from the recipe of a system that uses
    real pictures, else from the profile's [optimizer].

    Args:
        path: a TOML file with the keys of `RunSettings`, its two sections as tables; None starts from
            the defaults.
        overrides: "optimizer.steps=100" and the like; values as in TOML, quotes may be left out.
        known_profile: the run's profile where it is loaded already; None loads it by its name.
        given: keys set from elsewhere (command line options); None values are skipped.

    Raises:
        InputError: for a missing or broken file, or an unknown key, with the allowed ones.
    """
    raw: dict[str, Any] = {}
    if path is not None:
        try:
            raw = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise InputError(f"There is no run file {path}; see `python -m syntic train --help`.") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise InputError(f"{path} is not valid TOML: {error}.") from error
    raw.update({name: value for name, value in given.items() if value is not None})
    for override in overrides:
        _apply(raw, override)
    where = "The run" if path is None else str(path)
    if isinstance(raw.get("optimizer", {}), dict):
        profile = known_profile or load_profile(raw.get("profile", RunSettings.profile))
        recipe = PICTURE_RECIPES.get(str(raw.get("system")))
        raw["optimizer"] = _layered(
            asdict(profile.optimizer), recipe.optimizer if recipe else {}, raw.get("optimizer", {})
        )
    for name, kind in (("optimizer", OptimizerSettings), ("validation", ValidationSettings)):
        if name in raw:
            raw[name] = _build(kind, raw[name], f"{where} [{name}]")
    for name in ("out", "work"):
        if name in raw:
            raw[name] = Path(raw[name])
    settings: RunSettings = _build(RunSettings, raw, where)
    return settings


def _layered(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Put later settings over earlier ones; epochs take the place of an earlier budget in steps."""
    merged: dict[str, Any] = {}
    for layer in layers:
        if "epochs" in layer and "steps" not in layer:
            merged["steps"] = None
        merged |= layer
    return merged


def _apply(raw: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals:
        raise InputError(
            f"--set needs NAME=VALUE but got {override!r}; for example --set optimizer.steps=100."
        )
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    *sections, name = key.strip().split(".")
    for section in sections:
        raw = raw.setdefault(section, {})
        if not isinstance(raw, dict):
            raise InputError(f"--set {override}: {section!r} is not a section.")
    raw[name] = value


def _build(kind: type, raw: Any, where: str) -> Any:
    if not isinstance(raw, dict):
        raise InputError(f"{where} must be a table but is {raw!r}.")
    allowed = {f.name: str(f.type) for f in fields(kind)}
    for key, value in raw.items():
        if key not in allowed:
            raise InputError(f"{where}: unknown key {key!r}; allowed are {', '.join(allowed)}.")
        if not _fits(value, allowed[key]):
            raise InputError(f"{where}: {key!r} must be {allowed[key]} but is {value!r}.")
    return kind(**raw)


def _fits(value: Any, kind: str) -> bool:
    """Say whether a value from TOML has the type written in the dataclass."""
    name = type(value).__name__
    kinds = kind.split(" | ")
    return (
        name in kinds
        or (name == "int" and "float" in kinds)
        or kind.endswith(("Settings", "Path"))
        or (isinstance(value, Path) and "Path" in kinds)
        or (value is None and "None" in kinds)
    )
