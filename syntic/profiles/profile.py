"""A profile names the frozen models, the corpora and the checkpoints; all else is the same code.

Profiles are TOML files. `emoji` (shipped, no download) and `paper` (the paper's own models) come
with the package; any other path to a TOML file of the same form works as well.
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

from ..errors import InputError

PROFILES = Path(__file__).parent
REPOSITORY = PROFILES.parent.parent
PRECISIONS = ("auto", "float32", "float16", "bfloat16")
OFFLOADS = ("none", "model", "sequential")
ENGINES = ("auto", "exact", "faiss")
DATA_SETS = ("MSCOCO", "Flickr30k", "SS1M")


@dataclass(frozen=True, kw_only=True)
class GeneratorSettings:
    """The text-to-image model: a path or hub name for `DiffusionPipeline.from_pretrained`.

    Its pictures of `height_px` x `width_px` are resized to `enlargement` times as many pixels a side.

    Attributes:
        revision: branch, tag or commit on the hub; None takes the newest.
        variant: of the weight files, "fp16" for example, where a model offers several.
        batch_size: pictures at a time when a corpus is synthesized.
        precision: "float32", "float16", "bfloat16", or "auto": float16 on CUDA, else float32.
        attention_slicing: compute attention and the autoencoder in slices; slower, less memory.
        offload: "none"; "model" keeps only the part at work on the GPU; "sequential" only its layer,
            which is slow. Neither has a meaning on a CPU.
    """

    model: str
    steps: int = 20
    guidance_scale: float = 7.5
    height_px: int = 512
    width_px: int = 512
    enlargement: int = 1
    revision: str | None = None
    variant: str | None = None
    batch_size: int = 16
    precision: str = "auto"
    attention_slicing: bool = False
    offload: str = "none"

    def __post_init__(self) -> None:
        """Refuse what no generator can do."""
        for name, allowed in (("precision", PRECISIONS), ("offload", OFFLOADS)):
            if getattr(self, name) not in allowed:
                raise InputError(
                    f"[generator] `{name}` must be one of {', '.join(allowed)}, not {getattr(self, name)!r}."
                )
        for name in ("steps", "batch_size", "height_px", "width_px", "enlargement"):
            if getattr(self, name) < 1:
                raise InputError(f"[generator] `{name}` must be at least 1 but is {getattr(self, name)}.")


@dataclass(frozen=True, kw_only=True)
class EncoderSettings:
    """CLIP: names for `open_clip.create_model_and_transforms`.

    Attributes:
        model: a name that open_clip knows, `hf-hub:NAME`, or a folder as `local-dir:PATH`.
        pretrained: the weights of a name that open_clip knows.
        revision: branch, tag or commit on the hub, for weights from there; None takes the newest.
    """

    model: str
    pretrained: str | None = None
    revision: str | None = None


@dataclass(frozen=True, kw_only=True)
class DetectorSettings:
    """The detector: a path or hub name for `AutoModelForObjectDetection.from_pretrained`.

    Attributes:
        threshold: lowest score that counts.
        revision: branch, tag or commit on the hub; None takes the newest.
    """

    model: str
    threshold: float = 0.9
    revision: str | None = None


@dataclass(frozen=True, kw_only=True)
class DecoderSettings:
    """Size of the caption decoder and of the attention over tags (Eq. 5 and 6)."""

    width: int = 768
    layers: int = 4
    heads: int = 4
    tag_heads: int = 8
    max_tokens: int = 20


@dataclass(frozen=True, kw_only=True)
class RefinementSettings:
    """Eq. 2. Temperature and learning rate are the paper's; steps and batch size ours."""

    temperature: float = 0.01
    learning_rate: float = 1e-5
    steps: int = 500
    batch_size: int = 128


@dataclass(frozen=True, kw_only=True)
class ProjectionSettings:
    """How Eq. 3 goes through the support set.

    Attributes:
        engine: "exact" weighs every text; "faiss" only the nearest, which an index finds; "auto" is exact
            up to `exact_limit` texts.
        exact_limit: texts up to which "auto" is exact. The exact sum reads all features once for 256
            pictures; an index takes time and memory to build.
        neighbours: texts that take part with "faiss".
        probes: lists of the index that are searched; more find more.
    """

    engine: str = "auto"
    exact_limit: int = 2_000_000
    neighbours: int = 1024
    probes: int = 64

    def __post_init__(self) -> None:
        """Refuse what cannot be searched."""
        if self.engine not in ENGINES:
            raise InputError(f"[projection] `engine` must be {', '.join(ENGINES)}, not {self.engine!r}.")
        for name in ("exact_limit", "neighbours", "probes"):
            if getattr(self, name) < 1:
                raise InputError(f"[projection] `{name}` must be at least 1 but is {getattr(self, name)}.")


@dataclass(frozen=True, kw_only=True)
class OptimizerSettings:
    """How the decoders of Eq. 6 are trained unless a run says otherwise. The paper names none of these.

    Batch size, optimiser and epochs are DeCap's, whose decoder the paper takes (as is the label
    smoothing, see `syntic.method.captioner`). DeCap warms up for 1000 steps in a run of some 44,000;
    here the warm-up is cut to a tenth of a run that is shorter than 10,000 steps. The learning rate
    falls linearly to zero afterwards.

    Attributes:
        epochs: passes over the corpus.
        steps: budget in steps instead of epochs; None takes the epochs.
        batch_size: captions per step.
        learning_rate: highest rate of AdamW.
        warmup_steps: steps in which the rate rises from zero.
        weight_decay: of AdamW.
        gradient_norm: gradients are scaled down to it.
    """

    epochs: int = 10
    steps: int | None = None
    batch_size: int = 128
    learning_rate: float = 1e-3
    warmup_steps: int = 1000
    weight_decay: float = 0.01
    gradient_norm: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what cannot train."""
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise InputError(f"`optimizer.{name}` must be at least 1 but is {getattr(self, name)}.")
        if self.steps is not None and self.steps < 1:
            raise InputError(f"`optimizer.steps` must be at least 1 but is {self.steps}.")
        if self.learning_rate <= 0:
            raise InputError(f"`optimizer.learning_rate` must be above 0 but is {self.learning_rate}.")

    def total_steps(self, captions: int) -> int:
        """Return the length of the run over a corpus of that many captions."""
        return self.steps if self.steps is not None else self.epochs * -(-captions // self.batch_size)

    def rate(self, step: int, total: int) -> float:
        """Return the learning rate of step number `step`, counted from 0."""
        warmup = min(self.warmup_steps, total // 10)
        if step < warmup:
            return self.learning_rate * (step + 1) / warmup
        return self.learning_rate * (total - step) / max(total - warmup, 1)


@dataclass(frozen=True, kw_only=True)
class CorpusSettings:
    """One text corpus.

    Attributes:
        captions: file or folder in any format of `syntic.data.captions`; plain text has one per line.
        features: folder of the feature store that `synthesize` wrote for it.
        decoders: folder of the trained decoders, one per variant.
        temperature: of Eq. 3 with this corpus as support set.
        map: the precomputed UMAP of its features, or None.
        column: where the captions are, in formats with columns; None looks for the usual names.
        split: what to read of a file that holds several splits.
        max_words: captions of more words are left out; None keeps all.
        like: the data set of the paper that it stands for, one of `DATA_SETS`; experiments go by it.
        test_set: of its domain, in `Profile.test_sets`; None looks for the corpus' name.
        validation_set: the same for validation; None looks for NAME-validation.
    """

    captions: Path
    features: Path
    decoders: Path
    temperature: float = 0.01
    map: Path | None = None
    column: str | None = None
    split: str = "train"
    max_words: int | None = None
    like: str | None = None
    test_set: str | None = None
    validation_set: str | None = None

    def __post_init__(self) -> None:
        """Refuse a data set that the paper has not."""
        if self.like is not None and self.like not in DATA_SETS:
            raise InputError(
                f"[corpora] `like` must be one of {', '.join(DATA_SETS)}, not {self.like!r}; leave it out "
                "where the corpus stands for none of them."
            )


@dataclass(frozen=True, kw_only=True)
class KarpathySplit:
    """Pictures to measure on: one split of a file in Karpathy's format.

    Attributes:
        captions: `dataset_coco.json` or the like.
        images: folder of its pictures.
        split: "test" or "val".
    """

    captions: Path
    images: Path
    split: str = "test"


@dataclass(frozen=True, kw_only=True)
class Profile:
    """Everything that `SynTIC.from_profile` loads.

    Attributes:
        test_sets: name -> folder with `annotations.json` in COCO's format and the pictures, or a
            table with the keys of KarpathySplit.
        training_pictures: corpus -> real pictures of its domain, in the same forms; only systems that learn
            from real pictures use them, and they need not be there.
        example_texts: sentences offered on the first page.
        example_images: folder of pictures offered on the first page, or None.
        example_links: what the first page offers to open: a sentence -> the query string of its link, which
            `Copy link` gives.
        results: folder where `experiment` writes its tables, or None.
    """

    name: str
    generator: GeneratorSettings
    encoder: EncoderSettings
    detector: DetectorSettings
    decoder: DecoderSettings = field(default_factory=DecoderSettings)
    refinement: RefinementSettings = field(default_factory=RefinementSettings)
    projection: ProjectionSettings = field(default_factory=ProjectionSettings)
    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)
    corpora: dict[str, CorpusSettings] = field(default_factory=dict)
    test_sets: dict[str, Path | KarpathySplit] = field(default_factory=dict)
    training_pictures: dict[str, Path | KarpathySplit] = field(default_factory=dict)
    example_texts: tuple[str, ...] = ()
    example_images: Path | None = None
    example_links: dict[str, str] = field(default_factory=dict)
    results: Path | None = None

    def corpus(self, name: str) -> CorpusSettings:
        """Return one corpus or raise InputError with the names there are."""
        try:
            return self.corpora[name]
        except KeyError:
            known = ", ".join(self.corpora) or "none"
            raise InputError(f"Profile {self.name!r} has no corpus {name!r}; it has: {known}.") from None

    def test_set_of(self, corpus: str) -> str | None:
        """Return the name of the test set of a corpus' domain, or None where there is none."""
        return self._set_of(self.corpus(corpus).test_set, corpus)

    def validation_set_of(self, corpus: str) -> str | None:
        """Return the name of the validation set of a corpus' domain, or None where there is none."""
        return self._set_of(self.corpus(corpus).validation_set, f"{corpus}-validation")

    def _set_of(self, named: str | None, usual: str) -> str | None:
        if named is not None and named not in self.test_sets:
            raise InputError(
                f"Profile {self.name!r} has no test set {named!r}; it has: "
                f"{', '.join(self.test_sets) or 'none'}."
            )
        return named or (usual if usual in self.test_sets else None)


def load_profile(name_or_path: str | Path = "emoji") -> Profile:
    """Read a profile by its name (`emoji`, `paper`) or from a TOML file.

    Relative paths in a shipped profile start at the repository's root, those of any other file at
    that file's folder.

    Raises:
        InputError: for an unknown profile, an unknown key, or a missing one.
    """
    path = Path(name_or_path)
    if path.suffix != ".toml":
        path = PROFILES / f"{name_or_path}.toml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in PROFILES.glob("*.toml")))
        raise InputError(
            f"There is no profile {str(name_or_path)!r}; give {known} or the path of a TOML file."
        )
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path} is not valid TOML: {error}.") from error
    base = REPOSITORY if path.parent == PROFILES else path.parent
    profile: Profile = _build(Profile, raw, base, path.name)
    return profile


_SECTIONS: dict[str, type] = {
    "generator": GeneratorSettings,
    "encoder": EncoderSettings,
    "detector": DetectorSettings,
    "decoder": DecoderSettings,
    "refinement": RefinementSettings,
    "projection": ProjectionSettings,
    "optimizer": OptimizerSettings,
}
_PATHS = {"captions", "features", "decoders", "map", "example_images", "images", "results"}


def _build(kind: type, raw: dict[str, Any], base: Path, where: str) -> Any:
    allowed = {f.name: f for f in fields(kind)}
    for key in raw:
        if key not in allowed:
            raise InputError(f"{where}: unknown key {key!r}; allowed are {', '.join(allowed)}.")
    for name, f in allowed.items():
        if name not in raw and f.default is MISSING and f.default_factory is MISSING:
            raise InputError(f"{where}: the key {name!r} is missing.")
    values: dict[str, Any] = {}
    for key, value in raw.items():
        if key in _SECTIONS:
            value = _build(_SECTIONS[key], value, base, f"{where} [{key}]")
        elif key == "corpora":
            value = {n: _build(CorpusSettings, v, base, f"{where} [corpora.{n}]") for n, v in value.items()}
        elif key in ("test_sets", "training_pictures"):
            value = {
                n: _build(KarpathySplit, v, base, f"{where} [{key}.{n}]") if isinstance(v, dict) else base / v
                for n, v in value.items()
            }
        elif key in _PATHS:
            value = base / value
        elif key == "example_texts":
            value = tuple(value)
        elif key in ("model", "pretrained"):
            value = _resolve_model(value, base)
        values[key] = value
    return kind(**values)


def _resolve_model(name: str, base: Path) -> str:
    """Make the path of a folder absolute, links in it kept; leave hub and open_clip names alone."""
    schema = "local-dir:" if name.startswith("local-dir:") else ""
    path = name.removeprefix(schema)
    if schema or path.startswith(("checkpoints/", ".", "/")):
        return f"{schema}{os.path.abspath(base / path)}"
    return name
