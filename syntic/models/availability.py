"""Whether a profile's frozen models are there and fit, found out without loading or downloading them."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import open_clip
import torch
from huggingface_hub import HfApi, constants, try_to_load_from_cache
from open_clip.factory import parse_model_name

from ..errors import SynticError
from ..profiles import Profile
from .generator import dtype_of
from .loading import LOADING_ERRORS, explain

HUB_SECONDS = 10.0  # how long the hub may take to answer
_ROOM = 1.25  # memory beside the weights: activations of one picture at a time


@dataclass(frozen=True, kw_only=True)
class ModelState:
    """One frozen model, as it lies on disk or on the hub.

    Attributes:
        role: "text-to-image model", "CLIP" or "detector".
        found: whether it can be loaded or downloaded.
        detail: where it is, or what is wrong and what to do.
        parameters: numbers in its weight files; None where that is not known.
        here: whether it lies on this machine.
    """

    role: str
    found: bool
    detail: str
    parameters: int | None = None
    here: bool = False


@dataclass(frozen=True, kw_only=True)
class _Source:
    """Where a model comes from: a folder, or a hub name with a file that every such model has."""

    role: str
    name: str
    marker: str
    part: str
    folder: Path | None = None
    repository: str | None = None
    revision: str | None = None
    variant: str | None = None


def find_models(profile: Profile) -> list[ModelState]:
    """Look for the three models of a profile: folders, the hub's cache, then the hub itself."""
    generator, detector = profile.generator, profile.detector
    sources = [
        _source(
            "text-to-image model",
            generator.model,
            "model_index.json",
            "generator",
            generator.revision,
            generator.variant,
        ),
        _clip_source(profile),
        _source("detector", detector.model, "config.json", "detector", detector.revision),
    ]
    return [_find(source) if isinstance(source, _Source) else source for source in sources]


def memory_needed(profile: Profile, models: list[ModelState], device: torch.device) -> int | None:
    """Estimate the bytes that all three models need while pictures are synthesized, or None if unknown.

    Weights count in the precision they are loaded in, whatever they are stored in. A quarter more is for
    what happens between them.
    """
    counts = [model.parameters for model in models if model.parameters is not None]
    if len(counts) < len(models):
        return None
    generator, clip, detector = counts
    bytes_each = dtype_of(profile.generator, device).itemsize
    if profile.generator.offload != "none" and device.type != "cpu":
        generator //= 2  # its largest part, more or less
    return int(_ROOM * (generator * bytes_each + 4 * (clip + detector)))


def memory_free(device: torch.device) -> int | None:
    """Return the free bytes of a GPU, or of this machine; None where the system does not say."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return None


def _source(
    role: str, name: str, marker: str, part: str, revision: str | None, variant: str | None = None
) -> _Source:
    folder = Path(name)
    local = folder.is_absolute() or folder.exists()
    return _Source(
        role=role,
        name=name,
        marker=marker,
        part=part,
        folder=folder if local else None,
        repository=None if local else name,
        revision=revision,
        variant=variant,
    )


def _clip_source(profile: Profile) -> _Source | ModelState:
    """Return where CLIP comes from; open_clip's own names stand for weights on the hub or elsewhere."""
    settings = profile.encoder
    schema, identifier = parse_model_name(settings.model)
    if schema == "local-dir":
        return _Source(
            role="CLIP",
            name=settings.model,
            marker="open_clip_config.json",
            part="clip",
            folder=Path(identifier),
        )
    repository, file = identifier, "open_clip_config.json"
    if schema is None:
        if settings.pretrained and Path(settings.pretrained).is_file():
            detail = f"{settings.model} with {settings.pretrained}"
            count = _parameters([Path(settings.pretrained)])
            return ModelState(role="CLIP", found=True, detail=detail, parameters=count, here=True)
        tag = open_clip.get_pretrained_cfg(identifier, settings.pretrained or "")
        repository, _, listed = str(tag.get("hf_hub", "")).rpartition("/")
        file = listed or "open_clip_model.safetensors"
        if not repository:
            if tag:
                detail = f"{settings.model} by open_clip, which downloads its weights on first use"
                return ModelState(role="CLIP", found=True, detail=detail)
            known = ", ".join(open_clip.list_pretrained_tags_by_model(identifier)) or "none"
            detail = f"open_clip has no weights {settings.pretrained!r} for {identifier!r}; it has: {known}"
            return ModelState(role="CLIP", found=False, detail=detail)
    return _Source(
        role="CLIP",
        name=settings.model,
        marker=file,
        part="clip",
        repository=repository,
        revision=settings.revision,
    )


def _find(source: _Source) -> ModelState:
    if source.folder is not None:
        return _in_folder(source, source.folder)
    cached = try_to_load_from_cache(str(source.repository), source.marker, revision=source.revision)
    files = _weights_in(Path(cached).parent, source.variant) if isinstance(cached, str) else []
    if not files:
        return _on_hub(source)
    detail = f"{_named(source)} in the hub's cache ({_size(files)})"
    return ModelState(role=source.role, found=True, detail=detail, parameters=_parameters(files), here=True)


def _in_folder(source: _Source, folder: Path) -> ModelState:
    files = _weights_in(folder, source.variant)
    if files and (folder / source.marker).is_file():
        detail = f"{folder} ({_size(files)})"
        return ModelState(
            role=source.role, found=True, detail=detail, parameters=_parameters(files), here=True
        )
    lacks = source.marker if files else "weights as .safetensors"
    return ModelState(
        role=source.role,
        found=False,
        detail=f"train it with `python -m syntic emoji pretrain {source.part}` ({folder} lacks {lacks}), or "
        "correct its path in the profile",
    )


def _on_hub(source: _Source) -> ModelState:
    """Ask the hub about a model that is not in the cache: whether it is there, open to us, and its size."""
    try:
        api = HfApi(endpoint=constants.ENDPOINT)
        info = api.model_info(
            str(source.repository), revision=source.revision, timeout=HUB_SECONDS, files_metadata=True
        )
        if info.gated:
            api.auth_check(str(source.repository))
    except LOADING_ERRORS as error:
        what = f"The {source.role}" if source.role != "CLIP" else "CLIP"
        problem: SynticError = explain(error, what, str(source.repository), source.revision)
        return ModelState(role=source.role, found=False, detail=problem.detail.rstrip("."))
    size = sum(file.size or 0 for file in _weight_files(info.siblings or [], source))
    if not size:
        detail = f"{_named(source)} on the hub has no weights as .safetensors; choose another `revision`"
        return ModelState(role=source.role, found=False, detail=detail)
    free = shutil.disk_usage(_existing(Path(constants.HF_HUB_CACHE))).free
    if free < size:
        detail = (
            f"{_named(source)} needs {_megabytes(size)}, but {constants.HF_HUB_CACHE} has {_megabytes(free)} "
            "free; set HF_HOME to a larger disk"
        )
        return ModelState(role=source.role, found=False, detail=detail)
    detail = f"{_named(source)} on the hub, {_megabytes(size)} to download on first use"
    count = size // (2 if source.variant == "fp16" else 4)
    return ModelState(role=source.role, found=True, detail=detail, parameters=count)


def _weight_files(files: list[Any], source: _Source) -> list[Any]:
    """Return the files of the hub that would be downloaded: of one variant, in a pipeline's folders."""
    suffix = f".{source.variant}.safetensors" if source.variant else ".safetensors"
    nested = source.marker == "model_index.json"
    return [
        file
        for file in files
        if file.rfilename.endswith(suffix)
        and ("/" in file.rfilename) == nested
        and (source.variant or file.rfilename.count(".") == 1)
    ]


def _weights_in(folder: Path, variant: str | None) -> list[Path]:
    """Return the weight files in a folder, of one variant where it holds several."""
    files = list(folder.rglob("*.safetensors")) if folder.is_dir() else []
    chosen = [path for path in files if variant and path.name.endswith(f".{variant}.safetensors")]
    return chosen or files


def _parameters(files: list[Path]) -> int:
    """Count the numbers in weight files by their heads; files of another kind by their bytes."""
    total = 0
    for path in files:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            head = file.read(length) if length < 2**28 else b""
        try:
            shapes = [value["shape"] for name, value in json.loads(head).items() if name != "__metadata__"]
            total += sum(math.prod(shape) for shape in shapes)
        except (ValueError, KeyError, TypeError, AttributeError):
            total += path.stat().st_size // 4
    return total


def _named(source: _Source) -> str:
    return str(source.repository) + (f" at {source.revision}" if source.revision else "")


def _existing(path: Path) -> Path:
    return next(parent for parent in (path, *path.parents) if parent.exists())


def _size(files: list[Path]) -> str:
    return _megabytes(sum(path.stat().st_size for path in files))


def _megabytes(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB"
