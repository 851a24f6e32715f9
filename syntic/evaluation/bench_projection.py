"""How fast Eq. 3 is and what memory it needs, against the plain softmax in the same run.

The reference is softmax(q K^T / tau) V in PyTorch, as DeCap's notebook writes it. Texts are unit vectors
around common centres, so that a picture has near and far texts, as in a corpus.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from ..method import SupportSet, project_onto_support
from ..method.neighbours import NeighbourIndex, weight_recall

TEXTS_PER_CENTRE = 20
GENERATED_ROWS = 2**16
TEMPERATURE = 0.01


@dataclass(frozen=True, kw_only=True)
class ProjectionTiming:
    """Eq. 3 at one size.

    Attributes:
        texts: M.
        queries: B.
        seconds: ours, the fastest of the repeats.
        reference_seconds: the plain softmax's; None where it was left out.
        extra_megabytes: memory beyond the features at the highest point; None where the system does not say.
        difference: largest difference of a feature to the reference's; None as above.
    """

    texts: int
    queries: int
    seconds: float
    reference_seconds: float | None
    extra_megabytes: float | None
    difference: float | None

    @property
    def speed_up(self) -> float | None:
        """The reference's time over ours."""
        return None if self.reference_seconds is None else self.reference_seconds / self.seconds


@dataclass(frozen=True, kw_only=True)
class IndexTiming:
    """FAISS in place of the exact sum.

    Attributes:
        texts: M.
        build_seconds: to make the index.
        seconds: to project the queries.
        exact_seconds: the same by the exact sum.
        recall_mean: mean share of the exact weight that the found texts hold.
        recall_lowest: of the worst query.
        cosine_lowest: of the worst query's two projections.
    """

    texts: int
    build_seconds: float
    seconds: float
    exact_seconds: float
    recall_mean: float
    recall_lowest: float
    cosine_lowest: float


def make_texts(count: int, width: int, seed: int = 0) -> Tensor:
    """Return (M, D) unit vectors in groups around common centres, made in bounded extra memory."""
    generator = torch.Generator().manual_seed(seed)
    centres = F.normalize(torch.randn(max(1, count // TEXTS_PER_CENTRE), width, generator=generator), dim=1)
    texts = torch.empty(count, width)
    for start in range(0, count, GENERATED_ROWS):
        rows = texts[start : start + GENERATED_ROWS]
        chosen = torch.randint(len(centres), (len(rows),), generator=generator)
        rows.normal_(generator=generator).mul_(1 / math.sqrt(width)).add_(centres[chosen])
        rows.div_(rows.norm(dim=1, keepdim=True))
    return texts


def make_queries(texts: Tensor, count: int, seed: int = 1) -> Tensor:
    """Return (B, D) unit vectors, each at a cosine of about 0.5 to a text: pictures of captions."""
    generator = torch.Generator().manual_seed(seed)
    rows = texts[torch.randint(len(texts), (count,), generator=generator)]
    noise = torch.randn(rows.shape, generator=generator) * math.sqrt(3 / rows.shape[1])
    return F.normalize(rows + noise, dim=1)


def plain_projection(queries: Tensor, texts: Tensor, temperature: float) -> Tensor:
    """Eq. 3 in one line; its weights take B x M numbers."""
    return F.normalize((queries @ texts.T / temperature).softmax(dim=1) @ texts, dim=1)


def measure_projection(
    texts: Tensor, queries: int, *, repeats: int = 3, reference: bool = True
) -> ProjectionTiming:
    """Time Eq. 3 and measure its memory, then the reference.

    Args:
        texts: (M, D) unit norm.
        queries: B.
        repeats: how often each is run; the fastest counts.
        reference: whether to run the plain softmax, which needs 8 B M bytes more.
    """
    support = SupportSet(texts, [""] * len(texts))  # nobody reads the captions
    images = make_queries(texts, queries)

    def ours() -> Tensor:
        return project_onto_support(images, support, temperature=TEMPERATURE).features

    features, extra = _peak(ours)
    seconds = _fastest(ours, repeats)
    reference_seconds = difference = None
    if reference:
        expected = plain_projection(images, texts, TEMPERATURE)
        difference = float((features - expected).abs().max())
        reference_seconds = _fastest(lambda: plain_projection(images, texts, TEMPERATURE), repeats)
    return ProjectionTiming(
        texts=len(texts),
        queries=queries,
        seconds=seconds,
        reference_seconds=reference_seconds,
        extra_megabytes=extra,
        difference=difference,
    )


def measure_index(texts: Tensor, queries: int, *, neighbours: int = 1024, probes: int = 64) -> IndexTiming:
    """Build an index, project with it, and measure what of the exact weight it finds."""
    captions = [""] * len(texts)
    images = make_queries(texts, queries)
    started = time.perf_counter()
    index = NeighbourIndex(texts, neighbours=neighbours, probes=probes)
    built = time.perf_counter() - started
    exact = SupportSet(texts, captions)
    nearest = SupportSet(texts, captions, index=index)
    found, whole = (project_onto_support(images, s, temperature=TEMPERATURE) for s in (nearest, exact))
    recall = weight_recall(images, exact, index, TEMPERATURE)
    return IndexTiming(
        texts=len(texts),
        build_seconds=built,
        seconds=_fastest(lambda: project_onto_support(images, nearest, temperature=TEMPERATURE), 2),
        exact_seconds=_fastest(lambda: project_onto_support(images, exact, temperature=TEMPERATURE), 2),
        recall_mean=float(recall.mean()),
        recall_lowest=float(recall.min()),
        cosine_lowest=float((found.features * whole.features).sum(dim=1).min()),
    )


def exponent(sizes: Sequence[int], seconds: Sequence[float]) -> float:
    """Return e of seconds ~ size ** e, by least squares on logarithms; 1 is linear."""
    x = torch.tensor(sizes, dtype=torch.float64).log()
    y = torch.tensor(seconds, dtype=torch.float64).log()
    x, y = x - x.mean(), y - y.mean()
    return float((x * y).sum() / (x * x).sum())


def _fastest(run: Callable[[], object], repeats: int) -> float:
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def _peak(run: Callable[[], Tensor]) -> tuple[Tensor, float | None]:
    """Run something and return the megabytes by which this process grew at most, where Linux tells."""
    try:
        Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts anew
        before = _status("VmRSS")
        result = run()
        return result, (_status("VmHWM") - before) / 1024
    except (OSError, StopIteration):
        return run(), None


def _status(name: str) -> int:
    """Return a line of this process's memory status, in KiB."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))
