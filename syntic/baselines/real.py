"""What systems that train on real pictures may learn from: one type for pairs, another where there are none.

Both are made from pictures that the frozen models have encoded. A system names the type it learns from, and
whoever trains it checks that it is handed that type: text-only systems and SynTIC name one that has no place
for a real picture, and an unpaired system never sees whose caption a text is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import DataError
from .protocol import EncodedPictures, TextOnly


@dataclass(frozen=True, kw_only=True)
class PictureFeatures:
    """Pictures as tensors, for models; what no system asked for is None.

    Attributes:
        features: (B, D) CLIP image features, unit norm.
        grids: (B, G, W) CLIP's features before pooling.
        regions: (B, R, W) the detector's embeddings.
    """

    features: Tensor
    grids: Tensor | None = None
    regions: Tensor | None = None

    def __len__(self) -> int:
        """Return the number of pictures B."""
        return len(self.features)

    @classmethod
    def of(cls, pictures: EncodedPictures) -> PictureFeatures:
        """Take the tensors of encoded pictures."""
        return cls(features=pictures.features, grids=pictures.grids, regions=pictures.regions)

    @property
    def fingerprint(self) -> str:
        """A hash of all tensors."""
        digest = hashlib.sha256()
        for value in (self.features, self.grids, self.regions):
            if value is not None:
                digest.update(value.cpu().contiguous().numpy())  # type: ignore[arg-type] # read in place
        return digest.hexdigest()[:16]

    def rows(self, rows: Tensor | slice) -> PictureFeatures:
        """Return some of the pictures, in float32."""
        return PictureFeatures(
            features=self.features[rows],
            grids=None if self.grids is None else self.grids[rows].float(),
            regions=None if self.regions is None else self.regions[rows].float(),
        )

    def to(self, device: torch.device) -> PictureFeatures:
        """Return them on a device."""
        return PictureFeatures(
            features=self.features.to(device),
            grids=None if self.grids is None else self.grids.to(device),
            regions=None if self.regions is None else self.regions.to(device),
        )


@dataclass(frozen=True)
class RealPairs:
    """Real pictures with the captions that people wrote of them; what trains on it is an upper bound.

    Attributes:
        pictures: P of them.
        captions: of each picture one or more.

    Raises:
        DataError: if a picture has no caption, or the numbers differ.
    """

    pictures: PictureFeatures
    captions: list[list[str]]

    def __post_init__(self) -> None:
        """Refuse what are not pairs."""
        if not self.captions or len(self.pictures) != len(self.captions):
            raise DataError(
                f"Real pairs need captions for each picture, but there are {len(self.pictures)} pictures and "
                f"captions for {len(self.captions)}; encode the pictures again."
            )
        bare = sum(not captions for captions in self.captions)
        if bare:
            raise DataError(
                f"{bare} of {len(self.captions)} training pictures have no caption, but real pairs need one "
                "for each; give a folder with annotations.json."
            )

    def __len__(self) -> int:
        """Return the number of captions N."""
        return sum(map(len, self.captions))

    @property
    def fingerprints(self) -> dict[str, str]:
        """Hashes of all that is learned from."""
        return {"pictures": self.pictures.fingerprint, "captions": _hash(self.captions)}


@dataclass(frozen=True)
class UnpairedPictures:
    """Real pictures, and texts that nobody can put together with them again. Made by `separate`.

    Attributes:
        pictures: P of them, in an order of their own and without names.
        concepts: the distinct labels found in each by the detector, best first.
        texts: a corpus.

    Raises:
        DataError: if there is no picture.
    """

    pictures: PictureFeatures
    concepts: list[list[str]]
    texts: TextOnly

    def __post_init__(self) -> None:
        """Refuse what cannot be learned from."""
        if not len(self.pictures) or len(self.pictures) != len(self.concepts):
            raise DataError(
                f"Unpaired training needs pictures with tags, but there are {len(self.pictures)} pictures "
                f"and tags of {len(self.concepts)}; give a folder with pictures."
            )

    @property
    def fingerprints(self) -> dict[str, str]:
        """Hashes of all that is learned from."""
        return {
            "pictures": self.pictures.fingerprint,
            "concepts": _hash(self.concepts),
            "texts": _hash(self.texts.captions),
        }

    @classmethod
    def separate(cls, pictures: EncodedPictures, texts: TextOnly, seed: int) -> UnpairedPictures:
        """Shuffle pictures by a seed and put them beside a corpus; names and captions stay behind."""
        generator = torch.Generator().manual_seed(seed)
        order = torch.randperm(len(pictures.features), generator=generator)
        shuffled: Sequence[int] = order.tolist()
        return cls(
            pictures=PictureFeatures.of(pictures).rows(order),
            concepts=[pictures.tags[row] for row in shuffled],
            texts=texts,
        )


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]
