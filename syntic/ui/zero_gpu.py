"""ZeroGPU, where a GPU is lent to single calls: training asks for it, once for each turn of a run.

Such a call runs in a forked process. It gets a run's `Work`, writes into the run's folder, and hands
its events back; all else stays in the app's process, on the CPU.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import gradio as gr

from ..jobs import Apart, JobEvent, JobFailed, Work, carry_out_apart

LOADING_SECONDS = 20


def on_zero_gpu(environment: Mapping[str, str]) -> bool:
    """Say whether this is a Space with ZeroGPU, by the variable that it sets."""
    return environment.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true")


def lent_seconds(work: Work) -> int:
    """Return how long a turn needs the GPU at most, which is what the visitor's quota is charged with."""
    return round(60 * work.minutes) + LOADING_SECONDS


def borrow_gpu() -> Apart:
    """Return what carries runs out on a lent GPU. The package `spaces` is on ZeroGPU hosts already."""
    import spaces

    lent: Apart = spaces.GPU(duration=lent_seconds)(carry_out_apart)

    def carry_out(work: Work) -> Iterator[JobEvent]:
        try:
            yield from lent(work)
        except gr.Error as error:  # no GPU is free, or the visitor's quota is used up
            yield JobFailed(sentence=str(error.message))

    return carry_out
