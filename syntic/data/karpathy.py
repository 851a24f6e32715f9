"""Karpathy's splits of MSCOCO and Flickr30k: `dataset_coco.json`, `dataset_flickr30k.json`.

One file holds all splits: `{"images": [{"filename", "filepath", "split", "sentences": [{"raw"}]}]}`.
Here two functions read it, and each sees half: one the captions of a split, for training, the other
the pictures of a split with their references, for evaluation.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import DataError


def splits_of(split: str) -> tuple[str, ...]:
    """Return the names that belong to a split: the paper's "train" is Karpathy's "train" and "restval"."""
    return ("train", "restval") if split == "train" else (split,)


def is_karpathy(raw: Any) -> bool:
    """Say whether a JSON value is in Karpathy's format."""
    images = raw.get("images") if isinstance(raw, dict) else None
    return isinstance(images, list) and bool(images) and isinstance(images[0], dict) and "split" in images[0]


def read_karpathy_captions(path: Path, raw: Any, split: str) -> Iterator[str]:
    """Yield the raw captions of a split, in the file's order; nothing else of the file.

    Args:
        path: of the file, for messages.
        raw: what it holds.
        split: "train", "val" or "test".

    Raises:
        DataError: if an entry has no caption or the file has no such split.
    """
    for number, image in _images(path, raw, split):
        yield from _sentences(path, number, image)


def read_karpathy_pictures(
    path: Path, raw: Any, split: str, folder: Path
) -> Iterator[tuple[str, Path, list[str]]]:
    """Yield (name, picture file, reference captions) of every picture in a split.

    Args:
        path: of the file, for messages.
        raw: what it holds.
        split: "train", "val" or "test".
        folder: where the pictures lie, in the folders that the file names or without them.

    Raises:
        DataError: as above, and if a picture is missing; the first one is named.
    """
    missing: list[tuple[int, str]] = []
    total = 0
    for number, image in _images(path, raw, split):
        total += 1
        if not isinstance(image.get("filename"), str):
            raise DataError(f"{path}, entry {number} of `images`, has no `filename`; download it again.")
        listed = Path(str(image.get("filepath", ""))) / image["filename"]
        places = (folder / listed, folder / image["filename"])
        found = next((place for place in places if _is_inside(place, folder)), None)
        if found is None:
            missing.append((number, listed.as_posix()))
        else:
            yield found.stem, found, list(_sentences(path, number, image))
    if missing:
        number, name = missing[0]
        raise DataError(
            f"{path}, entry {number} of `images`, lists {name!r}, but that file is not in {folder}; "
            f"{len(missing)} of {total} pictures of {split!r} are missing, unpack them there."
        )


def _images(path: Path, raw: Any, split: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (number, entry) of the images of a split."""
    if not is_karpathy(raw):
        raise DataError(f"{path} is not in Karpathy's format: it has no `images` with a `split`.")
    wanted, seen = splits_of(split), set()
    for number, image in enumerate(raw["images"], start=1):
        if not isinstance(image, dict) or "split" not in image:
            raise DataError(f"{path}, entry {number} of `images`, has no `split`; download it again.")
        seen.add(image["split"])
        if image["split"] in wanted:
            yield number, image
    if not seen.intersection(wanted):
        raise DataError(f"{path} has no split {split!r}; it has: {', '.join(sorted(map(str, seen)))}.")


def _sentences(path: Path, number: int, image: dict[str, Any]) -> Iterator[str]:
    sentences = image.get("sentences")
    if not isinstance(sentences, list) or not sentences:
        raise DataError(f"{path}, entry {number} of `images`, has no `sentences`; download it again.")
    for sentence in sentences:
        if not isinstance(sentence, dict) or not isinstance(sentence.get("raw"), str):
            raise DataError(f"{path}, entry {number} of `images`, has a sentence without `raw` text.")
        yield " ".join(sentence["raw"].split())


def _is_inside(file: Path, folder: Path) -> bool:
    return file.resolve().is_relative_to(folder.resolve()) and file.is_file()
