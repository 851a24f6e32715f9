"""One training loop for all of them: a wall-clock budget, resumable, with an average of the weights.

The schedule runs by time, not by steps: a linear warm-up, then a cosine that reaches its end when the minutes
are over, however fast the machine is. The state goes to `state.safetensors` in the work folder every few
minutes and on SIGTERM, under a temporary name first; the same command continues from it. More minutes on a
finished run start a second, warm-restarted cosine.
"""

from __future__ import annotations

import json
import math
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from syntic.errors import CheckpointError


class Task(Protocol):
    """What is trained: a model, its loss, and what to look at now and then.

    Attributes:
        model: everything that is trained, one module.
        batch_size: samples per step, for the throughput in the log.
        learning_rate_scales: factors on the learning rate by the start of a parameter's name.
    """

    model: nn.Module
    batch_size: int
    learning_rate_scales: dict[str, float]

    def loss(self, step: int, random: np.random.Generator) -> tuple[Tensor, dict[str, float]]:
        """The loss of one batch, and values for the log."""

    def report(self, average: nn.Module, folder: Path) -> dict[str, float]:
        """Measure the averaged model, write pictures into the folder; returns values for the log."""


@dataclass(frozen=True, kw_only=True)
class LoopSettings:
    """How to train.

    Attributes:
        work: folder of the state and the logs.
        minutes: wall-clock budget of the whole run; on a finished run, minutes to add; 0 trains nothing.
        extends: whether a finished run is given `minutes` more; else it stays as it is.
        learning_rate: the highest of the schedule.
        restart_scale: the highest learning rate of a warm restart, as a part of `learning_rate`.
        warmup_steps: of linear warm-up, also after a warm restart.
        weight_decay: on matrices and kernels.
        average_decay: of the weights' moving average; it starts at 0.1 and rises.
        save_seconds, log_seconds, report_seconds: how often.
        seed: of the first run.
        bfloat16: compute matrix products and convolutions in bfloat16 (PyTorch's autocast); weights, their
            average and the optimizer's moments stay float32. Faster on CPUs with instructions for it
            (AVX512-BF16, AMX), slower on others.
    """

    work: Path
    minutes: float
    extends: bool = True
    learning_rate: float
    restart_scale: float = 0.5
    warmup_steps: int = 200
    weight_decay: float = 0.01
    average_decay: float = 0.999
    betas: tuple[float, float] = (0.9, 0.99)
    gradient_norm: float = 1.0
    save_seconds: float = 180
    log_seconds: float = 20
    report_seconds: float = 180
    seed: int = 0
    bfloat16: bool = False


@dataclass(kw_only=True)
class Progress:
    """Where a run stands: steps, seconds, and the span of the present cosine."""

    step: int = 0
    samples: int = 0
    elapsed_seconds: float = 0.0
    span_start_seconds: float = 0.0
    span_end_seconds: float = 0.0
    span_start_step: int = 0
    restarts: int = 0

    @property
    def is_finished(self) -> bool:
        """Whether the present cosine has reached its end."""
        return self.elapsed_seconds >= self.span_end_seconds

    def learning_rate(self, settings: LoopSettings) -> float:
        """Linear warm-up times a cosine from 1 to 0.02 over the span's time."""
        span = max(self.span_end_seconds - self.span_start_seconds, 1e-9)
        part = min((self.elapsed_seconds - self.span_start_seconds) / span, 1.0)
        cosine = 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * part))
        warmup = min(1.0, (self.step - self.span_start_step + 1) / max(settings.warmup_steps, 1))
        scale = settings.restart_scale if self.restarts else 1.0
        return settings.learning_rate * scale * warmup * cosine


class Run:
    """One model in training, with its optimizer, average and progress.

    Args:
        task: what is trained.
        settings: how.
    """

    def __init__(self, task: Task, settings: LoopSettings) -> None:
        self.task = task
        self.settings = settings
        self.average = deepcopy(task.model).eval().requires_grad_(False)
        self.optimizer = torch.optim.AdamW(
            _parameter_groups(task.model, settings.weight_decay, task.learning_rate_scales),
            lr=settings.learning_rate,
            betas=settings.betas,
            fused=True,
        )
        self.random = np.random.default_rng(settings.seed)
        self.progress = Progress(span_end_seconds=settings.minutes * 60)
        self._pairs = _tensor_pairs(self.average, task.model)

    @property
    def state_path(self) -> Path:
        """The file the run continues from."""
        return self.settings.work / "state.safetensors"

    def train(self) -> bool:
        """Train until the minutes are over or a signal comes.

        Returns:
            True if the budget is used up, False if a signal ended the run early; both are saved.
        """
        self.settings.work.mkdir(parents=True, exist_ok=True)
        self.resume()
        if self.progress.is_finished:
            return True
        self.task.model.train()
        now = time.monotonic()
        last, saved, reported = now, now, now
        log = _ThroughputLog(self.settings, self.task.batch_size)
        with _stop_signals() as stopped:
            while not stopped and not self.progress.is_finished:
                values = self.step()
                now = time.monotonic()
                self.progress.elapsed_seconds += now - last
                last = now
                log.add(values)
                log.write_if_due(self.progress, self.optimizer.param_groups[0]["lr"])
                if now - reported > self.settings.report_seconds:
                    reported = now
                    self.report(log)
                if now - saved > self.settings.save_seconds:
                    saved = now
                    self.save()
        self.save()
        if self.progress.is_finished:
            self.report(log)
        return self.progress.is_finished

    def step(self) -> dict[str, float]:
        """One update of the weights and of their average."""
        rate = self.progress.learning_rate(self.settings)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["scale"]
        with torch.autocast("cpu", torch.bfloat16, enabled=self.settings.bfloat16):
            loss, values = self.task.loss(self.progress.step, self.random)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.task.model.parameters(), self.settings.gradient_norm)
        self.optimizer.step()
        self.progress.step += 1
        self.progress.samples += self.task.batch_size
        self._update_average()
        return {"loss": float(loss.detach()), **values, "gradient": float(norm)}

    @torch.no_grad()
    def _update_average(self) -> None:
        step = self.progress.step
        decay = min(self.settings.average_decay, (1 + step) / (10 + step))
        floats, counters = self._pairs
        torch._foreach_lerp_([a for a, _ in floats], [m.detach() for _, m in floats], 1 - decay)
        for average, value in counters:
            average.copy_(value)

    def report(self, log: _ThroughputLog) -> None:
        """Let the task measure the average and write its pictures."""
        start = time.monotonic()
        with torch.no_grad():
            values = self.task.report(self.average, self.settings.work)
        log.write({"step": self.progress.step, "report_seconds": time.monotonic() - start, **values})

    def save(self) -> None:
        """Write the whole state, atomically."""
        tensors: dict[str, Tensor] = {"random/torch": torch.get_rng_state()}
        for prefix, module in (("model", self.task.model), ("average", self.average)):
            tensors |= {f"{prefix}/{name}": value for name, value in module.state_dict().items()}
        for number, moments in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer/{number}/{name}": value for name, value in moments.items()}
        header = {"progress": vars(self.progress), "random": self.random.bit_generator.state}
        temporary = self.state_path.with_suffix(".part")
        save_file(
            {name: value.detach().contiguous().clone() for name, value in tensors.items()},
            temporary,
            metadata={"run": json.dumps(header)},
        )
        temporary.replace(self.state_path)

    def resume(self) -> None:
        """Continue from the saved state, if there is one.

        Raises:
            CheckpointError: if the state is damaged or of another model.
        """
        if not self.state_path.exists():
            return
        try:
            with safe_open(self.state_path, framework="pt") as file:
                header = json.loads(file.metadata()["run"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no iterator
            self._load_tensors(tensors)
        except (SafetensorError, RuntimeError, KeyError, ValueError) as error:
            raise CheckpointError(
                f"{self.state_path} does not fit this model ({str(error).splitlines()[0]}); "
                "use the sizes it was started with, or another --work folder."
            ) from error
        self.random.bit_generator.state = header["random"]
        self.progress = Progress(**header["progress"])
        seconds = self.settings.minutes * 60
        if not self.progress.is_finished and seconds > 0:
            self.progress.span_end_seconds = self.progress.span_start_seconds + seconds
        elif seconds > 0 and self.settings.extends:
            self.progress.span_start_seconds = self.progress.elapsed_seconds
            self.progress.span_end_seconds = self.progress.elapsed_seconds + seconds
            self.progress.span_start_step = self.progress.step
            self.progress.restarts += 1
        else:
            self.progress.span_end_seconds = self.progress.elapsed_seconds

    def _load_tensors(self, tensors: dict[str, Tensor]) -> None:
        for prefix, module in (("model/", self.task.model), ("average/", self.average)):
            own = {name: value for name, value in tensors.items() if name.startswith(prefix)}
            module.load_state_dict({name.removeprefix(prefix): value for name, value in own.items()})
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            if name.startswith("optimizer/"):
                _, number, key = name.split("/")
                moments.setdefault(int(number), {})[key] = value
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": moments, "param_groups": groups})
        torch.set_rng_state(tensors["random/torch"])


Model = TypeVar("Model", bound=nn.Module)


def normalise_in_float32(model: Model) -> Model:
    """Let every GroupNorm compute in float32, also under autocast, and return the model.

    PyTorch's backward pass of it in bfloat16 takes longer than that of a convolution.
    """
    for module in model.modules():
        if isinstance(module, nn.GroupNorm):
            module.register_forward_pre_hook(_to_float32)
    return model


def _to_float32(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(value.float() for value in inputs)


def _parameter_groups(
    model: nn.Module, weight_decay: float, scales: dict[str, float]
) -> list[dict[str, Any]]:
    """Matrices decay, vectors do not; one group for each of both and each learning rate."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            scale = next((value for start, value in scales.items() if name.startswith(start)), 1.0)
            decay = weight_decay if parameter.ndim > 1 else 0.0
            groups.setdefault((scale, decay), []).append(parameter)
    return [{"params": p, "scale": scale, "weight_decay": decay} for (scale, decay), p in groups.items()]


Pairs = list[tuple[Tensor, Tensor]]


def _tensor_pairs(average: nn.Module, model: nn.Module) -> tuple[Pairs, Pairs]:
    """(average, model) tensors, tied ones once: those to be averaged, and integer counters to be copied."""
    values = model.state_dict(keep_vars=True)
    averages = {id(tensor): (tensor, name) for name, tensor in average.state_dict(keep_vars=True).items()}
    pairs = [(tensor, values[name]) for tensor, name in averages.values()]
    floats = [pair for pair in pairs if pair[0].is_floating_point()]
    return floats, [pair for pair in pairs if not pair[0].is_floating_point()]


@contextmanager
def _stop_signals() -> Iterator[list[int]]:
    """Collects SIGTERM and SIGINT instead of dying from them."""
    received: list[int] = []
    numbers = (signal.SIGTERM, signal.SIGINT)
    previous = [signal.signal(number, lambda n, _: received.append(n)) for number in numbers]
    try:
        yield received
    finally:
        for number, handler in zip(numbers, previous, strict=True):
            signal.signal(number, handler)


class _ThroughputLog:
    """Means over the last seconds, to standard output and to log.jsonl."""

    def __init__(self, settings: LoopSettings, batch_size: int) -> None:
        self.settings = settings
        self.batch_size = batch_size
        self._reset()

    def _reset(self) -> None:
        self.start = time.monotonic()
        self.sums: dict[str, float] = {}
        self.steps = 0

    def add(self, values: dict[str, float]) -> None:
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
        self.steps += 1

    def write_if_due(self, progress: Progress, learning_rate: float) -> None:
        seconds = time.monotonic() - self.start
        if seconds < self.settings.log_seconds:
            return
        means = {name: total / self.steps for name, total in self.sums.items()}
        self.write(
            {
                "step": progress.step,
                "minutes": progress.elapsed_seconds / 60,
                "of": progress.span_end_seconds / 60,
                "samples": progress.samples,
                "samples_per_second": self.steps * self.batch_size / seconds,
                "learning_rate": learning_rate,
                **means,
            }
        )
        self._reset()

    def write(self, values: dict[str, float]) -> None:
        shown = dict(values)
        if "of" in shown:
            shown["minutes_left"] = max(shown["of"] - shown["minutes"], 0)
        sys.stdout.write(" ".join(f"{name} {_short(value)}" for name, value in shown.items()) + "\n")
        sys.stdout.flush()
        with (self.settings.work / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps({name: round(value, 6) for name, value in values.items()}) + "\n")


def _short(value: float) -> str:
    """Whole numbers in full, others at four digits."""
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
