"""Several processes that train one decoder, on the GPUs of a machine, on several machines, or on CPUs.

`torchrun` or `accelerate launch` starts them, and Accelerate connects them. Each takes its share of every
batch; gradients are summed with the share of the batch's target tokens as weight, so that the loss is the
same mean over tokens, however many take part. What Eq. 2 and 3 make is computed by the first process alone
and read by the others, and the first alone writes: all need the same disk.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ..errors import Cancelled

if TYPE_CHECKING:
    from accelerate import PartialState

TIMEOUT = timedelta(hours=24)  # how long the others may wait while the first prepares or validates


@dataclass(frozen=True)
class Processes:
    """One of the processes of a run, and its way to the others; alone unless it joined some.

    Attributes:
        count: of all processes.
        rank: of this one, from 0.
        device: that this one was given; None leaves the choice to the caller.
    """

    count: int = 1
    rank: int = 0
    device: torch.device | None = None
    _state: PartialState | None = None

    @classmethod
    def join(cls) -> Processes:
        """Join those that a launcher started together with this one, or stay alone where none did."""
        if int(os.environ.get("WORLD_SIZE") or 1) < 2:
            return cls()
        from accelerate import PartialState

        state = PartialState(cpu=not torch.cuda.is_available(), timeout=TIMEOUT)
        return cls(state.num_processes, state.process_index, state.device, state)

    @property
    def is_main(self) -> bool:
        """Whether this is the one that writes and tells."""
        return self.rank == 0

    def share(self, rows: Tensor) -> Tensor:
        """Return this process's part of a batch; it may be empty."""
        return rows[self.rank :: self.count]

    def sum_gradients(self, parameters: Iterable[nn.Parameter], loss: Tensor) -> Tensor:
        """Sum all gradients over the processes, in place, and return the sum of the losses.

        Args:
            parameters: the same in every process; one without a gradient anywhere is left without.
            loss: () of this process, weighted as its gradients are.
        """
        if self._state is None:
            return loss
        trained = [p for p in parameters if p.requires_grad]
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in trained]
        found = torch.tensor([p.grad is not None for p in trained], device=loss.device)
        flat = torch.cat([*(g.flatten() for g in gradients), found.float(), loss.detach().reshape(1).float()])
        torch.distributed.all_reduce(flat)
        *summed, found, loss = flat.split([*(g.numel() for g in gradients), len(trained), 1])
        for parameter, gradient, is_found in zip(trained, summed, found.tolist(), strict=True):
            parameter.grad = gradient.view_as(parameter) if is_found else None
        return loss[0]

    def any(self, flag: bool) -> bool:
        """Say whether it is true in any process; all have to ask."""
        if self._state is None:
            return flag
        flags = torch.tensor([float(flag)], device=self.device)
        torch.distributed.all_reduce(flags)
        return bool(flags)

    @contextmanager
    def main_first(self) -> Iterator[None]:
        """Let the main process through a block before the others enter it.

        Accelerate's `main_process_first` would leave the others waiting where the main one does not get
        through.

        Raises:
            Cancelled: in the others, if the block raised in the main process.
        """
        if self._state is None:
            yield
        elif self.is_main:
            failed = True
            try:
                yield
                failed = False
            finally:
                self.any(failed)
        elif self.any(False):
            raise Cancelled("The first process was stopped or failed while the others waited for it.")
        else:
            yield

    def wait(self) -> None:
        """Wait until all are here."""
        if self._state is not None:
            self._state.wait_for_everyone()

    def leave(self) -> None:
        """Part from the others at the end."""
        if self._state is not None:
            self._state.destroy_process_group()


ALONE = Processes()
"""A process that trains by itself."""
