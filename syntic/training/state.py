"""Where a run is: weights, optimiser and step in one file, so that it can go on after a kill.

The order of the captions and the dropout follow from seed and step, not from what happened before, so
nothing else has to be kept and a resumed run ends with the same weights as one that was not stopped.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from ..data.atomic import write_atomically
from ..errors import CheckpointError


@dataclass
class Progress:
    """What a run has done.

    Attributes:
        step: optimiser steps taken.
        curve: (step, CIDEr x 100) of every validation.
        losses: (step, loss) of about 500 steps.
        seconds: time spent in earlier sessions.
    """

    step: int = 0
    curve: list[tuple[int, float]] = field(default_factory=list)
    losses: list[tuple[int, float]] = field(default_factory=list)
    seconds: float = 0.0


def save_state(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, progress: Progress) -> None:
    """Write everything to one file, whole or not at all."""
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    for index, values in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value for name, value in values.items()}
    data = save(
        {name: value.detach().cpu().contiguous() for name, value in tensors.items()},
        metadata={"progress": json.dumps(vars(progress))},
    )

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    write_atomically(path, write)


def load_state(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> Progress:
    """Put model and optimiser into the state that `save_state` wrote.

    Raises:
        CheckpointError: if the file is damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            raw = json.loads(file.metadata()["progress"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        weights = {n.removeprefix("model."): v for n, v in tensors.items() if n.startswith("model.")}
        model.load_state_dict(weights, strict=True)
        moments: dict[int, dict[str, Any]] = {}
        for name, value in tensors.items():
            if name.startswith("optimizer."):
                _, index, key = name.split(".")
                moments.setdefault(int(index), {})[key] = value
        optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})
        for name in ("curve", "losses"):
            raw[name] = [(int(step), float(value)) for step, value in raw[name]]
        return Progress(**raw)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(
            f"The state of the run, {path}, is damaged; delete it to start the run from its beginning."
        ) from error
