"""How sure a mean is: one way for all tables, over the pictures and the seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

NORMAL_95 = 1.959964


@dataclass(frozen=True)
class Interval:
    """A mean with its 95 % interval.

    Attributes:
        mean: of all values.
        low: lower end.
        high: upper end.
    """

    mean: float
    low: float
    high: float

    @property
    def is_clear(self) -> bool:
        """Whether zero lies outside."""
        return self.low > 0 or self.high < 0

    def __str__(self) -> str:
        """Return it as tables print it."""
        return f"{self.mean:+.1f} [{self.low:+.1f}, {self.high:+.1f}]"


def difference(first: ArrayLike, second: ArrayLike) -> Interval:
    """Return by how much one system is ahead of another on the same pictures, by normal approximation.

    The variance of the difference is that of the pictures, paired, plus that of the seeds of both systems:

        var(d) = var_p(mean over seeds of the difference) / P + sum_k var_s(means of system k) / S_k

    Noise of single captions is in both parts, so the interval is rather too wide than too narrow. With one
    seed of a system its second part is unknown and counts as zero.

    Args:
        first: (S1, P) a value for each seed and picture.
        second: (S2, P) of the other system, of the same pictures in the same order.
    """
    ours, theirs = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    each = ours.mean(axis=0) - theirs.mean(axis=0)  # (P,)
    variance = each.var(ddof=1) / len(each) if len(each) > 1 else 0.0
    for values in (ours, theirs):
        if len(values) > 1:
            variance += values.mean(axis=1).var(ddof=1) / len(values)
    mean, half = float(each.mean()), NORMAL_95 * float(variance) ** 0.5
    return Interval(mean, mean - half, mean + half)


def spread(values: Sequence[float]) -> float | None:
    """Return the standard deviation over seeds, or None where there is one seed."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else None
