"""Eq. 2, feature optimisation (FO): sharpen which text each generated picture belongs to.

    L = -1/b sum_i log [ exp(f_sim(s_i, t_i) / tau) / sum_j exp(f_sim(s_i, t_j) / tau) ]

The b image features s of a batch are the parameters, their b text features t stay fixed. Adam's
learning rate 1e-5 and tau = 1/100 are the paper's. The paper leaves open, so these are ours (A):

- Features have unit norm at the start and again at the end. Adam's step is absolute, so the same
  learning rate on raw CLIP features of norm 10 would need about ten times the steps.
- 500 steps, b = 128, and one Adam per batch kept for its whole run. One Adam over a whole corpus
  would keep moving, by its momentum, rows that are not in the batch.
- Batches are drawn at random, because neighbours in a corpus often describe the same picture and
  would be each other's negatives, and their sizes differ by one at most, because in a small last
  batch the loss has little to contrast.

Eq. 2 sharpens the pairing; it hardly moves the features towards the texts. Eq. 3 does that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError, ShapeError
from .similarity import require_same_width, unit_norm

TRAJECTORY_POINTS = 21
ADAM_BETAS = (0.9, 0.999)
ADAM_EPSILON = 1e-8


@dataclass(frozen=True, kw_only=True)
class Refinement:
    """What Eq. 2 made of N image features.

    Attributes:
        features: (N, D) the refined features, unit norm.
        losses: (S,) the mean loss before each step.
        trajectory: (T, D) one row's feature, unit norm, at T <= 21 evenly spaced steps from the
            start to the end; None unless it was asked for.
        trajectory_steps: (T,) the steps of those features.
        kept: step -> (N, D) all features after that many steps, unit norm, for the steps asked for.
    """

    features: Tensor
    losses: Tensor
    trajectory: Tensor | None = None
    trajectory_steps: Tensor | None = None
    kept: Mapping[int, Tensor] = field(default_factory=dict)


@torch.no_grad()
def refine_features(
    image_features: Tensor | np.ndarray,
    text_features: Tensor | np.ndarray,
    *,
    temperature: float = 0.01,
    learning_rate: float = 1e-5,
    steps: int = 500,
    batch_size: int = 128,
    seed: int = 0,
    trajectory_row: int | None = None,
    keep_steps: Sequence[int] = (),
    on_step: Callable[[int, int], None] | None = None,
) -> Refinement:
    """Optimise image features towards their own texts and away from the others (SynTIC, Eq. 2).

    Args:
        image_features: (N, D) of generated pictures.
        text_features: (N, D) of the captions they were generated from, row by row.
        temperature: tau of Eq. 2, > 0.
        learning_rate: Adam's.
        steps: of Adam per batch; 0 returns the features as they are.
        batch_size: b, at least 2 to have something to contrast.
        seed: of the split into batches.
        trajectory_row: the row whose way is recorded.
        keep_steps: steps after which the features of all rows are kept, each in 0..steps.
        on_step: called with the steps done and their total over all batches; what it raises ends
            the run.

    Returns:
        Refinement with features (N, D) on the device of `image_features`.

    Raises:
        ShapeError: if the two do not pair up.
        InputError: if a setting is out of range or a feature is not finite.
    """
    images = unit_norm(image_features, "image_features")
    texts = unit_norm(text_features, "text_features").to(images.device)
    require_same_width(images, texts, ("image_features", "text_features"))
    if len(images) != len(texts):
        raise ShapeError(f"Eq. 2 needs pairs, but there are {len(images)} images and {len(texts)} texts.")
    _check_settings(temperature, learning_rate, steps, batch_size)
    if trajectory_row is not None and not 0 <= trajectory_row < len(images):
        raise InputError(f"`trajectory_row` must be in 0..{len(images) - 1} but is {trajectory_row}.")

    if not all(0 <= step <= steps for step in keep_steps):
        raise InputError(f"`keep_steps` must lie in 0..{steps} but are {list(keep_steps)}.")

    refined = images.clone()
    kept = {step: images.clone() for step in keep_steps}
    losses = torch.zeros(steps, device=images.device)
    trajectory_steps = torch.linspace(0, steps, min(TRAJECTORY_POINTS, steps + 1)).round().long()
    trajectory = None
    batches = _batches(len(images), batch_size, seed)
    for number, rows in enumerate(batches):
        run = _BatchRefinement(images[rows], texts[rows], temperature, learning_rate)
        recorded: list[Tensor] = []
        record = _position(rows, trajectory_row)
        wanted = set(trajectory_steps.tolist()) if record is not None else set()
        for step in range(steps):
            if step in wanted:
                recorded.append(run.features[record].clone())
            if step in kept:
                kept[step][rows] = torch.nn.functional.normalize(run.features, dim=1)
            losses[step] += run.step() * (len(rows) / len(images))
            if on_step is not None:
                on_step(number * steps + step + 1, len(batches) * steps)
        if record is not None:
            recorded.append(run.features[record].clone())
            trajectory = torch.nn.functional.normalize(torch.stack(recorded), dim=1)  # (T, D)
        refined[rows] = torch.nn.functional.normalize(run.features, dim=1)
        if steps in kept:
            kept[steps][rows] = refined[rows]
    return Refinement(
        features=refined,
        losses=losses,
        trajectory=trajectory,
        trajectory_steps=None if trajectory is None else trajectory_steps,
        kept=kept,
    )


class _BatchRefinement:
    """One batch with its own Adam; gradient and update are written out, which is faster than autograd."""

    def __init__(self, images: Tensor, texts: Tensor, temperature: float, learning_rate: float) -> None:
        self.features = images.clone()  # (b, D), the parameters
        self._texts = texts
        self._temperature = temperature
        self._learning_rate = learning_rate
        self._mean = torch.zeros_like(images)
        self._square = torch.zeros_like(images)
        self._steps = 0

    def step(self) -> Tensor:
        """Take one step and return the loss before it."""
        norms = torch.linalg.vector_norm(self.features, dim=1, keepdim=True)  # (b, 1)
        units = self.features / norms
        logits = units @ self._texts.T / self._temperature  # (b, b), Eq. 1 over tau
        log_probabilities = torch.log_softmax(logits, dim=1)
        loss = -log_probabilities.diagonal().mean()
        error = log_probabilities.exp_()
        error.diagonal().sub_(1)
        towards_units = error @ self._texts / (self._temperature * len(units))  # dL/d(s / ||s||)
        radial = (towards_units * units).sum(dim=1, keepdim=True)
        self._update((towards_units - radial * units) / norms)  # dL/ds
        return loss

    def _update(self, gradient: Tensor) -> None:
        """Adam (Kingma and Ba 2015, Algorithm 1)."""
        self._steps += 1
        self._mean.lerp_(gradient, 1 - ADAM_BETAS[0])
        self._square.mul_(ADAM_BETAS[1]).addcmul_(gradient, gradient, value=1 - ADAM_BETAS[1])
        mean_correction, square_correction = (1 - beta**self._steps for beta in ADAM_BETAS)
        scale = (self._square / square_correction).sqrt_().add_(ADAM_EPSILON)
        self.features.addcdiv_(self._mean, scale, value=-self._learning_rate / mean_correction)


def _check_settings(temperature: float, learning_rate: float, steps: int, batch_size: int) -> None:
    if not temperature > 0:
        raise InputError(f"`temperature` of Eq. 2 must be above 0 but is {temperature}.")
    if not learning_rate > 0:
        raise InputError(f"`learning_rate` of Eq. 2 must be above 0 but is {learning_rate}.")
    if steps < 0:
        raise InputError(f"`steps` of Eq. 2 must be 0 or more but is {steps}.")
    if batch_size < 2:
        raise InputError(f"`batch_size` of Eq. 2 must be at least 2 but is {batch_size}.")


def _batches(rows: int, batch_size: int, seed: int) -> tuple[Tensor, ...]:
    order = torch.randperm(rows, generator=torch.Generator().manual_seed(seed))
    return torch.tensor_split(order, -(-rows // batch_size))


def _position(rows: Tensor, row: int | None) -> int | None:
    found = [] if row is None else (rows == row).nonzero().flatten().tolist()
    return found[0] if found else None
