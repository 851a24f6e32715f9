"""Writing models: whole folders at once, half precision, files below 10 MB."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch

MAX_SHARD_SIZE = "9MB"  # a Space takes no larger file outside large-file storage


@contextmanager
def replaced_folder(out: Path) -> Iterator[Path]:
    """A temporary folder that takes the place of `out` if nothing goes wrong.

    Args:
        out: the folder to replace; made with its parents where missing.

    Yields:
        An empty folder beside it.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        yield folder
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)  # whatever the umask: another user may serve them
        if out.exists():
            previous = folder.with_name(folder.name + "-previous")
            out.rename(previous)
            folder.rename(out)
            shutil.rmtree(previous)
        else:
            folder.rename(out)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def save_diffusers_half(model: Any, folder: Path) -> None:
    """Save a diffusers model in half precision; `from_pretrained` reads it as float32."""
    deepcopy(model).to(torch.float16).save_pretrained(folder, max_shard_size=MAX_SHARD_SIZE)


def save_transformers_half(model: Any, folder: Path) -> None:
    """Save a transformers model in half precision that is read as float32.

    transformers 5 loads in the dtype that the configuration names, and half precision is slow on a processor.
    """
    deepcopy(model).to(torch.float16).save_pretrained(folder, max_shard_size=MAX_SHARD_SIZE)
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8")) | {"dtype": "float32"}
    path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
