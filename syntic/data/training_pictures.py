"""Real pictures to learn from, for the systems that may: a folder of pictures, with or without captions.

Kept apart from `TestSet`, so that nothing that measures is handed to what trains. Neither SynTIC nor a
text-only system has a use for one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..errors import DataError
from ..profiles import KarpathySplit
from .coco import TestSet

SUFFIXES = (".webp", ".png", ".jpg", ".jpeg")


@dataclass(frozen=True)
class TrainingPictures:
    """Pictures, and the captions that people wrote of them.

    Attributes:
        folder: where they lie.
        images: path of each.
        captions: of each picture; empty lists where the folder has no annotations.
    """

    folder: Path
    images: list[Path]
    captions: list[list[str]]

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.images)

    @classmethod
    def open(cls, source: str | Path | KarpathySplit) -> TrainingPictures:
        """Read a folder of pictures; captions are in its `annotations.json`, as a test set has, or absent.

        Args:
            source: the folder, or a split of a file in Karpathy's format, which has captions.

        Raises:
            DataError: if it is missing, holds no picture, or its annotations are damaged.
        """
        if isinstance(source, KarpathySplit):
            return cls._described(TestSet.open(source))
        folder = Path(source)
        if not folder.is_dir():
            raise DataError(
                f"There are no training pictures at {folder}; for the emoji profile render them with "
                "`python -m syntic emoji scenes --train 2000`, for another name a folder with --pictures."
            )
        if (folder / "annotations.json").is_file():
            return cls._described(TestSet.open(folder))
        images = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
        if not images:
            raise DataError(f"{folder} holds no picture; give a folder with {', '.join(SUFFIXES)} files.")
        return cls(folder, images, [[] for _ in images])

    @classmethod
    def _described(cls, pictures: TestSet) -> TrainingPictures:
        captions = [pictures.references[name] for name in pictures.names]
        return cls(pictures.folder, pictures.images, captions)

    def shared_with(self, others: Iterable[Path]) -> list[Path]:
        """Return those of its pictures that are byte by byte the same as one of some other files."""
        sizes: dict[int, list[Path]] = {}
        for path in others:
            sizes.setdefault(path.stat().st_size, []).append(path)
        shared = []
        for image in self.images:
            alike = sizes.get(image.stat().st_size, [])
            if alike and _digest(image) in {_digest(path) for path in alike}:
                shared.append(image)
        return shared


def _digest(path: Path) -> bytes:
    return hashlib.sha256(path.read_bytes()).digest()
