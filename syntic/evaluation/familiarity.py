"""Is a picture of the world that the decoders know? What it shows, and how it is drawn, each have a say.

A decoder captions whatever it is given, also a photo of what it never saw. Two measures tell, because each
misses what the other finds. What it shows: the cosine of CLIP's feature to the nearest picture that was
learned from. How it is drawn: the Mahalanobis distance of its texture (the contrasts between neighbouring
pixels at several sizes, as statistics of natural images take them; Torralba & Oliva, "Statistics of natural
image categories", 2003) to that of the world's own pictures, as Lee et al. ("A Simple Unified Framework for
Detecting Out-of-Distribution Samples", NeurIPS 2018) do with a network's features. CLIP's features hold
little of the second: they are trained to tell what is there in any style.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

USUAL = 0.975  # the share of the world's own pictures that have a usual cosine
USUAL_TEXTURE = 0.99  # and that of those with a usual texture: few are learned from, and few are needed
DOUBTFUL = 0.25  # the share of them whose content is known least
DOUBTFUL_TEXTURE = 0.97  # their texture has to be more usual than that of others
SIDE_PX = 64  # of the middle square that the texture is taken from, so that the picture's size has no say
SCALES = (1, 2, 4, 8)  # pixels are averaged over so many a side
QUANTILES = (0.3, 0.6, 0.9)
FLOOR = 0.02  # of contrasts and colours: 5 of 255 grey levels, which compression changes
SHRINKAGE = 0.01  # of the mean variance, added to the covariance
_LUMA = (0.299, 0.587, 0.114)
_OWN_SAMPLE = 1_000
_ROWS = 2**15  # compared at once


@dataclass(frozen=True, kw_only=True)
class Familiarity:
    """How far a picture is from the known ones.

    Attributes:
        similarity: cosine to the nearest of them.
        usual_similarity: at least this have 97.5 % of the world's own pictures.
        texture: Mahalanobis distance of its texture to theirs; 0 where none is known.
        usual_texture: at most this have 99 % of them, or 97 % where what the picture shows is little known.
    """

    similarity: float
    usual_similarity: float
    texture: float = 0.0
    usual_texture: float = float("inf")

    @property
    def is_outside(self) -> bool:
        """Whether one of the two is beyond what is usual."""
        return self.similarity < self.usual_similarity or self.texture > self.usual_texture


def describe_texture(image: Image.Image) -> np.ndarray:
    """Return the texture (T,) of a picture: quantiles of its contrasts at each scale, and of its colours.

    A contrast is the size of the Laplacian of the luminance, on a logarithmic scale.
    """
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = image.convert("RGB").crop((left, top, left + side, top + side))
    resample = Image.Resampling.BOX if side > 2 * SIDE_PX else Image.Resampling.BICUBIC
    pixels = np.asarray(square.resize((SIDE_PX, SIDE_PX), resample), dtype=np.float64) / 255
    luminance = pixels @ _LUMA
    parts = []
    for scale in SCALES:
        tiles = luminance.reshape(SIDE_PX // scale, scale, SIDE_PX // scale, scale).mean(axis=(1, 3))
        middle, around = tiles[1:-1, 1:-1], tiles[:-2, 1:-1] + tiles[2:, 1:-1]
        laplacian = 4 * middle - around - tiles[1:-1, :-2] - tiles[1:-1, 2:]
        parts.append(np.quantile(np.abs(laplacian), QUANTILES))
    colour = np.linalg.norm(pixels - pixels.mean(axis=2, keepdims=True), axis=2)
    parts.append(np.quantile(colour, QUANTILES))
    return np.log(np.concatenate(parts) + FLOOR)


@dataclass(frozen=True, eq=False)
class KnownTextures:
    """The textures of a world's own pictures.

    Attributes:
        mean: (T,) of them.
        precision: (T, T) inverse of their shrunk covariance.
        usual: largest Mahalanobis distance that is usual.
        usual_if_doubtful: the same for pictures whose content is little known.
    """

    mean: np.ndarray
    precision: np.ndarray
    usual: float = float("inf")
    usual_if_doubtful: float = float("inf")

    @classmethod
    def learn(cls, images: Sequence[Image.Image]) -> KnownTextures:
        """Learn what is usual from at least two pictures."""
        textures = np.stack([describe_texture(image) for image in images])
        covariance = np.cov(textures.T)
        ridge = SHRINKAGE * np.trace(covariance) / len(covariance) + 1e-9
        known = cls(textures.mean(axis=0), np.linalg.inv(covariance + ridge * np.eye(len(covariance))))
        limits = np.quantile(known._distances(textures), (USUAL_TEXTURE, DOUBTFUL_TEXTURE)).tolist()
        return cls(known.mean, known.precision, *limits)

    def distance(self, image: Image.Image) -> float:
        """Return the Mahalanobis distance of a picture's texture."""
        return float(self._distances(describe_texture(image)[None])[0])

    def _distances(self, textures: np.ndarray) -> np.ndarray:
        centred = textures - self.mean
        squares = np.einsum("nd,de,ne->n", centred, self.precision, centred)
        distances: np.ndarray = np.sqrt(np.maximum(squares, 0.0))
        return distances


@dataclass(frozen=True, eq=False)
class KnownWorld:
    """The pictures that a decoder learned from, as features, and what is usual among them.

    Attributes:
        features: (M, D) unit norm.
        usual_similarity: lowest cosine that is usual.
        sure_similarity: a lower cosine leaves in doubt what the picture shows.
        textures: of the world's own pictures; None where there are none to look at.
    """

    features: np.ndarray
    usual_similarity: float = -1.0
    sure_similarity: float = -1.0
    textures: KnownTextures | None = None

    @classmethod
    def learn(
        cls, features: np.ndarray, own: np.ndarray | None = None, images: Sequence[Image.Image] = ()
    ) -> KnownWorld:
        """Learn what is usual.

        Args:
            features: (M, D) of the pictures that were learned from, unit norm.
            own: (n, D) of other pictures of the same world; None takes some of the features, each compared
                with all others.
            images: some of the world's own pictures; of fewer than two no texture is learned.
        """
        world = cls(np.asarray(features, dtype=np.float32))
        rows = None
        if own is None or not len(own):
            rows = np.sort(np.random.default_rng(0).permutation(len(features))[:_OWN_SAMPLE])
            own = world.features[rows]
        similarities = world.similarities(np.asarray(own, dtype=np.float32), leave_out=rows)
        usual, sure = np.quantile(similarities, (1 - USUAL, DOUBTFUL)).tolist()
        textures = KnownTextures.learn(images) if len(images) > 1 else None
        return cls(world.features, usual, sure, textures)

    def measure(self, feature: np.ndarray, image: Image.Image | None = None) -> Familiarity:
        """Return how far one picture is: its feature (D,) and, where it is given, itself."""
        similarity = float(self.similarities(np.asarray(feature, dtype=np.float32)[None])[0])
        if self.textures is None or image is None:
            return Familiarity(similarity=similarity, usual_similarity=self.usual_similarity)
        is_sure = similarity >= self.sure_similarity
        return Familiarity(
            similarity=similarity,
            usual_similarity=self.usual_similarity,
            texture=self.textures.distance(image),
            usual_texture=self.textures.usual if is_sure else self.textures.usual_if_doubtful,
        )

    def similarities(self, rows: np.ndarray, *, leave_out: np.ndarray | None = None) -> np.ndarray:
        """Return the cosine (n,) of each row (n, D) to its nearest feature, but the one to leave out."""
        best = np.full(len(rows), -1.0, dtype=np.float32)
        for start in range(0, len(self.features), _ROWS):
            cosines = rows @ self.features[start : start + _ROWS].T  # (n, m)
            if leave_out is not None:
                inside = (leave_out >= start) & (leave_out < start + _ROWS)
                cosines[np.flatnonzero(inside), leave_out[inside] - start] = -1.0
            best = np.maximum(best, cosines.max(axis=1))
        return best
