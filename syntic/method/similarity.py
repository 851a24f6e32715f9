"""Eq. 1: image and text features are compared by their cosine.

    f_sim(s, t) = s . t / (||s|| ||t||)

Features are brought to unit norm once, where they enter a stage; from there on Eq. 1 is a product.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError, ShapeError


def unit_norm(features: Tensor | np.ndarray, name: str = "features") -> Tensor:
    """Return features as float32 rows of unit norm, or refuse them.

    Args:
        features: (N, D) of any floating type; returned as it is where its rows have unit norm.
        name: what the caller calls them, for the message.

    Raises:
        ShapeError: if it is not a matrix with at least one row and column.
        InputError: if a value is NaN or infinite, or a row is zero and so has no direction.
    """
    rows = torch.as_tensor(features).float()
    if rows.ndim != 2 or 0 in rows.shape:
        raise ShapeError(f"`{name}` must be a matrix (rows, width) but its shape is {tuple(rows.shape)}.")
    norms: Tensor = torch.linalg.vector_norm(rows, dim=1, keepdim=True)  # (N, 1)
    if not bool(torch.isfinite(norms).all()):
        bad = int((~torch.isfinite(norms)).sum())
        raise InputError(f"{bad} of {len(rows)} rows of `{name}` hold NaN or infinity; compute them again.")
    if not bool((norms > 0).all()):
        raise InputError(f"`{name}` has rows of zeros, which have no direction; compute them again.")
    if bool(((norms - 1).abs() < 1e-6).all()):
        return rows
    return rows / norms


def require_same_width(left: Tensor, right: Tensor, names: tuple[str, str]) -> None:
    """Raise ShapeError unless the last dimensions of both agree."""
    if left.shape[-1] != right.shape[-1]:
        raise ShapeError(
            f"`{names[0]}` has width {left.shape[-1]} but `{names[1]}` has {right.shape[-1]}; "
            "both must come from the same CLIP model."
        )
