"""Trained decoders leave and come back as a zip of two files: NAME.safetensors and NAME.json."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from ..data.atomic import write_atomically
from ..data.fingerprints import fingerprint_model
from ..errors import CheckpointError, InputError
from ..method import Variant, load_checkpoint
from ..method.components import Components

MAX_BYTES = 200_000_000
_PARTS = (".safetensors", ".json")


def pack_decoder(checkpoint: Path, target: Path) -> Path:
    """Put a decoder and its sidecar into a zip; paths of this machine are left out.

    Args:
        checkpoint: without suffix.
        target: the file to write.
    """
    sidecar = json.loads(_beside(checkpoint, ".json").read_text(encoding="utf-8"))
    settings = {k: v for k, v in sidecar.get("settings", {}).items() if k not in ("out", "work")}
    described = json.dumps({**sidecar, "settings": settings}, indent=2) + "\n"

    def write(temporary: Path) -> None:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
            archive.write(_beside(checkpoint, ".safetensors"), f"{target.stem}.safetensors")
            archive.writestr(f"{target.stem}.json", described)

    write_atomically(target, write)
    return target


def unpack_decoder(files: Sequence[Path], components: Components, folder: Path) -> dict[str, Any]:
    """Check a decoder that was handed in and write it to `folder` as VARIANT.safetensors and VARIANT.json.

    Nothing of it is trusted: sizes are compared with the profile's before memory is taken for them,
    and names inside a zip decide nothing.

    Args:
        files: one zip, or the two files.
        components: the models that the decoder must belong to.
        folder: where it goes.

    Returns:
        The sidecar.

    Raises:
        CheckpointError: if it is not a decoder, is damaged, or belongs to other models.
    """
    weights, described = _read_parts(files)
    sidecar, variant = _check_sidecar(described, components)
    checkpoint = folder / variant.name
    _write(_beside(checkpoint, ".safetensors"), weights)
    _write(_beside(checkpoint, ".json"), described)
    try:
        model, _ = load_checkpoint(checkpoint, components.profile.name)
    except CheckpointError as error:  # its sentence names a path of this machine
        raise CheckpointError("The weights are damaged or not those that the JSON file describes.") from error
    if not all(bool(torch.isfinite(value).all()) for value in model.state_dict().values()):
        raise CheckpointError("The weights hold numbers that are not finite; train the decoder again.")
    return {**sidecar, "variant": variant.name}


def _read_parts(files: Sequence[Path]) -> tuple[bytes, bytes]:
    found: dict[str, bytes] = {}
    for path in files:
        if path.stat().st_size > MAX_BYTES:
            raise CheckpointError(
                f"{path.name!r} is larger than {MAX_BYTES // 1_000_000} MB; that is no decoder."
            )
        if zipfile.is_zipfile(path):
            found |= _read_zip(path)
        elif path.suffix.lower() in _PARTS:
            found[path.suffix.lower()] = path.read_bytes()
    missing = [suffix for suffix in _PARTS if suffix not in found]
    if missing:
        raise CheckpointError(
            f"There is no {' and no '.join(missing)} file; give the downloaded zip, or both its files."
        )
    return found[".safetensors"], found[".json"]


def _read_zip(path: Path) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                suffix = Path(entry.filename).suffix.lower()
                if suffix in _PARTS and suffix not in found:
                    with archive.open(entry) as file:
                        found[suffix] = file.read(MAX_BYTES + 1)  # its stated size may be a lie
                    if len(found[suffix]) > MAX_BYTES:
                        raise CheckpointError(f"{path.name!r} unpacks to too much; that is no decoder.")
    # zipfile raises NotImplementedError for a compression it lacks, RuntimeError for an encrypted entry.
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError) as error:
        raise CheckpointError(f"{path.name!r} is a damaged zip file; download it again.") from error
    return found


def _check_sidecar(data: bytes, components: Components) -> tuple[dict[str, Any], Variant]:
    profile = components.profile
    try:
        sidecar = json.loads(data)
        sizes = {**sidecar["decoder"], "tag_heads": sidecar["tag_heads"]}
        variant = Variant.parse(sidecar["variant"])
        trained_for, trained_with = sidecar["profile"], sidecar["store"]["models"]["encoder"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, InputError) as error:
        raise CheckpointError("The JSON file does not describe a decoder of SynTIC; give its own.") from error
    if trained_for != profile.name:
        raise CheckpointError(
            f"The decoder was trained for the profile {str(trained_for)[:40]!r}, not for {profile.name!r}."
        )
    if trained_with != fingerprint_model(profile.encoder.model):
        raise CheckpointError("The decoder was trained with another CLIP model than this profile's.")
    for name, value in _expected_sizes(components).items():
        if sizes.get(name) != value:
            raise CheckpointError(
                f"The decoder's {name} is {str(sizes.get(name))[:20]}, but this profile's is {value}."
            )
    return sidecar, variant


def _expected_sizes(components: Components) -> dict[str, int]:
    tokenizer = components.encoder.tokenizer
    return {
        **asdict(components.profile.decoder),
        "feature_width": components.encoder.width,
        "vocabulary_size": tokenizer.vocabulary_size,
        "start_id": tokenizer.start_id,
        "end_id": tokenizer.end_id,
        "pad_id": tokenizer.pad_id,
    }


def _beside(checkpoint: Path, suffix: str) -> Path:
    return checkpoint.parent / f"{checkpoint.name}{suffix}"


def _write(path: Path, data: bytes) -> None:
    def write(temporary: Path) -> None:
        temporary.write_bytes(data)

    write_atomically(path, write)
