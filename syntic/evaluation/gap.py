"""Measures of the modality gap between paired image and text features, and the gap shift.

x are image features, y text features, both of unit norm, x_i and y_i a pair, n pairs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import InputError, ShapeError

_CHUNK = 1024  # rows of the similarity matrix at a time


@dataclass(frozen=True, kw_only=True)
class GapMeasures:
    """How far apart two modalities lie, and how they lie in themselves.

    Attributes:
        centroid_distance: ||mean x - mean y|| (Liang et al. 2022).
        relative_modality_gap: with d(c) = (1 - c) / 2, mean d(x_i.y_i) divided by the sum of itself and
            1/2 [mean_{i!=j} d(x_i.x_j) + mean_{i!=j} d(y_i.y_j)] (Schrodi et al. 2024).
        alignment: mean ||x_i - y_i||^2 (Wang & Isola 2020).
        image_uniformity: log mean_{i!=j} exp(-2 ||x_i - x_j||^2) (Wang & Isola 2020).
        text_uniformity: the same of the texts.
        linear_separability: accuracy of a logistic regression that tells images from texts, on the
            half of the pairs that it was not fitted on (Liang et al. 2022).
        image_cone: mean_{i!=j} x_i.x_j, how narrow the cone of the images is (Liang et al. 2022).
        text_cone: the same of the texts.
        pair_cosine: mean x_i.y_i.
        effective_texts: how many texts Eq. 3 mixes for an image, the median (`mixtures`); None where
            nothing was projected.
        own_weight: the weight that its own caption has there, the median; None as well where the support
            set does not hold it.
    """

    centroid_distance: float
    relative_modality_gap: float
    alignment: float
    image_uniformity: float
    text_uniformity: float
    linear_separability: float
    image_cone: float
    text_cone: float
    pair_cosine: float
    effective_texts: float | None = None
    own_weight: float | None = None


def measure(image_features: np.ndarray, text_features: np.ndarray, *, seed: int = 0) -> GapMeasures:
    """Measure the gap between n >= 4 pairs.

    Args:
        image_features: (n, D) unit norm.
        text_features: (n, D) unit norm.
        seed: of the split for the linear separability.

    Raises:
        ShapeError: if the two are not paired, or fewer than 4.
        InputError: if a feature is not finite or not of unit norm.
    """
    x, y = _checked(image_features, text_features)
    pair_cosine = float((x * y).sum(axis=1).mean())
    image_cone, text_cone = _cone(x), _cone(y)
    between = (1 - pair_cosine) / 2
    within = ((1 - image_cone) / 2 + (1 - text_cone) / 2) / 2
    return GapMeasures(
        centroid_distance=centroid_distance(x, y),
        relative_modality_gap=between / (between + within) if between + within > 0 else 0.0,
        alignment=float(((x - y) ** 2).sum(axis=1).mean()),
        image_uniformity=_uniformity(x),
        text_uniformity=_uniformity(y),
        linear_separability=_separability(x, y, seed),
        image_cone=image_cone,
        text_cone=text_cone,
        pair_cosine=pair_cosine,
    )


def centroid_distance(image_features: np.ndarray, text_features: np.ndarray) -> float:
    """Return ||mean x - mean y|| of features (n, D) and (m, D) (Liang et al. 2022)."""
    return float(np.linalg.norm(image_features.mean(axis=0) - text_features.mean(axis=0)))


def shift_gap(
    image_features: np.ndarray, text_features: np.ndarray, amount: float
) -> tuple[np.ndarray, np.ndarray]:
    """Move the two modalities toward each other along the gap (Liang et al. 2022, Fig. 3).

    x' = norm(x - l D / 2), y' = norm(y + l D / 2), with D = mean x - mean y.

    Args:
        image_features: (n, D) unit norm.
        text_features: (m, D) unit norm.
        amount: l; 0 changes nothing, 1 brings the means together (before the normalisation), negative
            values widen the gap.

    Returns:
        The shifted image and text features, unit norm.
    """
    gap = image_features.mean(axis=0) - text_features.mean(axis=0)  # (D,)
    return _normalise(image_features - amount * gap / 2), _normalise(text_features + amount * gap / 2)


def contrastive_loss(
    image_features: np.ndarray, text_features: np.ndarray, temperature: float = 0.01
) -> float:
    """Return CLIP's symmetric contrastive loss of n pairs taken as one batch, in nats."""
    x, y = _checked(image_features, text_features)
    diagonal = (x * y).sum(axis=1) / temperature  # (n,)
    losses = []
    for queries, keys in ((x, y), (y, x)):
        for start in range(0, len(queries), _CHUNK):
            logits = queries[start : start + _CHUNK] @ keys.T / temperature  # (chunk, n)
            top = logits.max(axis=1)
            total = np.log(np.exp(logits - top[:, None]).sum(axis=1)) + top
            losses.append(total - diagonal[start : start + _CHUNK])
    return float(np.concatenate(losses).mean())


@dataclass(frozen=True, kw_only=True)
class ShiftCurve:
    """The contrastive loss while two modalities are moved along the gap (Liang et al. 2022, Fig. 3).

    Attributes:
        amounts: (A,) the shift l.
        losses: (A,) in nats.
        distances: (A,) centroid distance after the shift.
    """

    amounts: np.ndarray
    losses: np.ndarray
    distances: np.ndarray


def loss_along_shift(
    image_features: np.ndarray, text_features: np.ndarray, amounts: np.ndarray, temperature: float = 0.01
) -> ShiftCurve:
    """Shift n pairs by each amount and take their contrastive loss, see `shift_gap`."""
    losses, distances = [], []
    for amount in amounts.tolist():
        x, y = shift_gap(image_features, text_features, amount)
        losses.append(contrastive_loss(x, y, temperature))
        distances.append(centroid_distance(x, y))
    return ShiftCurve(amounts=amounts, losses=np.array(losses), distances=np.array(distances))


def random_pairs(pairs: int, width: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return two sets (n, D) of independent directions, uniform on the sphere: the control.

    Any two finite sets have different means, so a measure says something only where it exceeds what
    it says of these.
    """
    generator = np.random.default_rng(seed)
    x, y = _normalise(generator.normal(size=(2 * pairs, width))).astype(np.float32).reshape(2, pairs, width)
    return x, y


def add_noise(features: np.ndarray, std: float, seed: int = 0) -> np.ndarray:
    """Return norm(f + std n), n ~ N(0, I), as CapDec trains on (`baselines.capdec`).

    The noise comes from the seed alone, so that a larger deviation moves every feature further the
    same way.

    Raises:
        InputError: if the deviation is negative.
    """
    if not std >= 0:
        raise InputError(f"The noise's standard deviation must be 0 or more but is {std}.")
    noise = np.random.default_rng(seed).normal(size=features.shape)
    return _normalise(features + std * noise).astype(np.float32)


def _checked(image_features: np.ndarray, text_features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.asarray(image_features, dtype=np.float64), np.asarray(text_features, dtype=np.float64)
    if x.shape != y.shape or x.ndim != 2:
        raise ShapeError(
            f"Image and text features must be paired (n, D) arrays but are {x.shape} and {y.shape}."
        )
    if len(x) < 4:
        raise ShapeError(f"The gap needs at least 4 pairs but got {len(x)}.")
    for name, values in (("image", x), ("text", y)):
        norms = np.linalg.norm(values, axis=1)
        if not np.allclose(norms, 1, atol=1e-3):
            raise InputError(
                f"The {name} features must have unit norm but lie in {norms.min()}..{norms.max()}."
            )
    return x, y


def _cone(features: np.ndarray) -> float:
    """Return mean_{i!=j} f_i.f_j, from ||sum f||^2 = sum_i f_i.f_i + sum_{i!=j} f_i.f_j."""
    n = len(features)
    return float((np.square(features.sum(axis=0)).sum() - np.square(features).sum()) / (n * (n - 1)))


def _uniformity(features: np.ndarray) -> float:
    n = len(features)
    squares = np.square(features).sum(axis=1)  # (n,)
    total = 0.0
    for start in range(0, n, _CHUNK):
        rows = slice(start, start + _CHUNK)
        distances = squares[rows, None] + squares[None] - 2 * features[rows] @ features.T  # (chunk, n)
        total += float(np.exp(-2 * np.maximum(distances, 0)).sum())
    return float(np.log(max((total - n) / (n * (n - 1)), np.finfo(np.float64).tiny)))


def _separability(x: np.ndarray, y: np.ndarray, seed: int) -> float:
    from sklearn.linear_model import LogisticRegression  # takes a second to import

    order = np.random.default_rng(seed).permutation(len(x))
    fitted, held_out = order[: len(x) // 2], order[len(x) // 2 :]

    def both(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.concatenate([x[rows], y[rows]]), np.repeat([0, 1], len(rows))

    model = LogisticRegression(max_iter=1000).fit(*both(fitted))
    return float(model.score(*both(held_out)))


def _normalise(features: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(features, axis=1, keepdims=True)
    shifted: np.ndarray = features / np.maximum(norms, 1e-12)
    return shifted
