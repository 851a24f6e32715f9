"""A trained decoder on disk: weights as NAME.safetensors, everything about them as NAME.json beside it.

Both are written to a temporary name first and renamed, so a reader sees a whole file or none. The
sidecar holds the digest of its weights, so that a pair that does not belong together is refused.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load as parse_weights
from safetensors.torch import save as serialise_weights
from torch import nn

from ..data.atomic import write_atomically
from ..errors import CheckpointError, SynticError
from .captioner import CaptionModel
from .decoder import DecoderConfig
from .variant import Variant

FORMAT = 1
M = TypeVar("M", bound=nn.Module)


def save_checkpoint(
    path: Path, model: CaptionModel, sidecar: dict[str, Any], *, dtype: torch.dtype = torch.float32
) -> None:
    """Write a model and what is known about it.

    Args:
        path: without suffix; its folder is made if need be.
        model: on any device.
        sidecar: JSON values: `profile` (required), and whatever reproduces the run: settings, seed,
            library versions, fingerprint of the data. The model's own sizes are added.
        dtype: of the weights on disk; float16 halves what is shipped.

    Raises:
        CheckpointError: if the sidecar does not name the profile.
    """
    sizes = {
        "variant": model.variant.name,
        "decoder": asdict(model.config),
        "tag_heads": model.tag_heads,
        "image_prefix": model.image_prefix,
    }
    write_weights(path, model, {**sidecar, **sizes}, dtype=dtype)


def write_weights(
    path: Path, model: nn.Module, sidecar: dict[str, Any], *, dtype: torch.dtype = torch.float32
) -> None:
    """Write the weights of any model, and a sidecar that has to hold what builds it; see above.

    Raises:
        CheckpointError: if the sidecar does not name the profile.
    """
    if not sidecar.get("profile"):
        raise CheckpointError("The sidecar must name the `profile` that the decoder was trained with.")
    weights = serialise_weights(
        {name: value.detach().to("cpu", dtype).contiguous() for name, value in model.state_dict().items()}
    )
    described = {**sidecar, "format": FORMAT, "weights_sha256": hashlib.sha256(weights).hexdigest()}
    _write(_with_suffix(path, ".safetensors"), weights)
    _write(_with_suffix(path, ".json"), json.dumps(described, indent=2, default=str).encode() + b"\n")


def load_checkpoint(path: Path, profile_name: str) -> tuple[CaptionModel, dict[str, Any]]:
    """Read a model that `save_checkpoint` wrote, in float32 on the CPU and ready to decode.

    Args:
        path: without suffix.
        profile_name: the profile in use; features of another profile's CLIP mean nothing to the decoder.

    Raises:
        CheckpointError: if a file is missing or damaged, or the decoder is another profile's.
    """

    def build(sidecar: dict[str, Any]) -> CaptionModel:
        config = DecoderConfig(**sidecar["decoder"])
        return CaptionModel(
            Variant.parse(sidecar["variant"]),
            config,
            sidecar["tag_heads"],
            image_prefix=sidecar.get("image_prefix", False),  # older ones do not say it
        )

    return read_weights(path, profile_name, build)


def read_weights(
    path: Path, profile_name: str, build: Callable[[dict[str, Any]], M]
) -> tuple[M, dict[str, Any]]:
    """Read a model that `write_weights` wrote, in float32 on the CPU and in evaluation mode.

    Args:
        path: without suffix.
        profile_name: the profile in use.
        build: makes the model from the sidecar.

    Raises:
        CheckpointError: if a file is missing or damaged, or the model is another profile's.
    """
    sidecar = _read_sidecar(_with_suffix(path, ".json"))
    if sidecar.get("profile") != profile_name:
        raise CheckpointError(
            f"The decoder {path} was trained for profile {sidecar.get('profile')!r}, not {profile_name!r}; "
            "train one for this profile with `python -m syntic train`."
        )
    weights_path = _with_suffix(path, ".safetensors")
    if not weights_path.is_file():
        raise CheckpointError(f"The weights {weights_path} are missing; restore them or train again.")
    data = weights_path.read_bytes()
    if hashlib.sha256(data).hexdigest() != sidecar.get("weights_sha256"):
        raise CheckpointError(f"The weights {weights_path} are damaged or not those its JSON file describes.")
    try:
        model = build(sidecar)
        model.load_state_dict(parse_weights(data), strict=True)
    except (SafetensorError, SynticError, KeyError, TypeError, RuntimeError) as error:
        raise CheckpointError(f"The decoder {path} cannot be read; train it again.") from error
    return model.float().eval(), sidecar


def _read_sidecar(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise CheckpointError(f"There is no {path}; train this decoder with `python -m syntic train`.")
    try:
        sidecar = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise CheckpointError(f"{path} is not valid JSON; restore it or train the decoder again.") from error
    if not isinstance(sidecar, dict) or sidecar.get("format") != FORMAT:
        raise CheckpointError(f"{path} does not describe a decoder of format {FORMAT}; train it again.")
    return sidecar


def _with_suffix(path: Path, suffix: str) -> Path:
    return path.parent / f"{path.name}{suffix}"  # a name may contain a dot or a plus sign


def _write(path: Path, data: bytes) -> None:
    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    write_atomically(path, write)
