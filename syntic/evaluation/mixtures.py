"""What Eq. 3 mixes: over how many texts the weight is spread, and how much of it the own caption takes.

The support set holds the caption that a picture was generated from. After refinement the projection may
keep little else, and training on it comes close to writing a text back from its own feature; a test picture
has no own caption there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from ..method import SupportSet, project_onto_support
from .gap import GapMeasures


@dataclass(frozen=True, eq=False, kw_only=True)
class Mixtures:
    """What n features were projected to (Eq. 3), and of what.

    Attributes:
        projected: (n, D) unit norm.
        effective_texts: (n,) exp of the entropy of the weights, 1..M.
        own_weights: (n,) weight of the own caption, 0..1; None where the support set holds none.
    """

    projected: np.ndarray
    effective_texts: np.ndarray
    own_weights: np.ndarray | None


def mix(
    image_features: np.ndarray,
    support: SupportSet,
    *,
    temperature: float,
    own_texts: np.ndarray | None = None,
) -> Mixtures:
    """Project features and say what they are made of.

    The own weight follows from the largest: w_own = w_1 exp((s.t_own - s.t_1) / tau). A caption that is
    in the corpus more than once counts once, so the others of the same words take from it.

    Args:
        image_features: (n, D) unit norm.
        support: M texts.
        temperature: of Eq. 3.
        own_texts: (n, D) features of the captions in the support set that the pictures belong to.
    """
    queries = torch.from_numpy(np.ascontiguousarray(image_features, dtype=np.float32))
    found = project_onto_support(queries, support, temperature=temperature, top_k=1)
    own_weights = None
    if own_texts is not None:
        own = (image_features.astype(np.float64) * own_texts).sum(axis=1)  # (n,)
        best = found.top_similarities[:, 0].double().cpu().numpy()
        top = found.top_weights[:, 0].double().cpu().numpy()
        own_weights = top * np.exp(np.minimum((own - best) / temperature, 0.0))
    return Mixtures(
        projected=found.features.cpu().numpy(),
        effective_texts=found.effective_captions.cpu().numpy(),
        own_weights=own_weights,
    )


def with_mixtures(measures: GapMeasures, found: Mixtures, rows: np.ndarray | None = None) -> GapMeasures:
    """Return measures with the medians over all mixtures, or over some rows of them."""
    chosen = slice(None) if rows is None else rows
    own = found.own_weights
    return replace(
        measures,
        effective_texts=float(np.median(found.effective_texts[chosen])),
        own_weight=None if own is None else float(np.median(own[chosen])),
    )
