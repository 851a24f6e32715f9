"""What a feature store and a decoder were made with, named by content: models and corpora."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from ..profiles.profile import EncoderSettings

WEIGHT_SUFFIXES = {".safetensors", ".bin", ".pt", ".json"}


def fingerprint_model(name: str, revision: str | None = None) -> str:
    """Name a model by what it is: a hash of its weights and configuration files, or its hub name.

    Args:
        name: a folder, `local-dir:` and a folder, or a hub name, as in a profile.
        revision: on the hub, where the profile names one.
    """
    folder = Path(name.removeprefix("local-dir:"))
    if not folder.is_dir():
        return name if revision is None else f"{name}@{revision}"
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.suffix in WEIGHT_SUFFIXES):
        digest.update(path.relative_to(folder).as_posix().encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def hash_captions(captions: Sequence[str]) -> str:
    """Hash a corpus: its captions in their order."""
    return hashlib.sha256("\n".join(captions).encode()).hexdigest()[:16]


def identify_encoder(encoder: EncoderSettings) -> str:
    """Name a profile's CLIP by what it is: its fingerprint, and its weights where it has them by name."""
    return name_encoder(fingerprint_model(encoder.model, encoder.revision), encoder.pretrained)


def name_encoder(fingerprint: str, pretrained: str | None) -> str:
    """Name CLIP by the fingerprint of its model and, where it has any, the name of its weights."""
    return f"{fingerprint} ({Path(pretrained).name})" if pretrained else fingerprint
