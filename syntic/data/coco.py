"""Test sets: pictures with reference captions and boxes, in COCO's or in Karpathy's format."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import DataError
from ..profiles.profile import KarpathySplit
from ..types import Detection
from .karpathy import read_karpathy_pictures
from .text_files import read_json

COMBINATIONS = ("single", "seen", "unseen")


@dataclass(frozen=True)
class TestSet:
    """Real pictures to measure on. Nothing that trains accepts one.

    Attributes:
        folder: where it lies.
        names: the pictures' names, their file names without the suffix, in the file's order.
        images: path of each picture, aligned with `names`.
        references: name -> its reference captions; only pictures that have one are in the set.
        boxes: name -> the labelled objects in it, score 1; empty where nothing is labelled.
        settings: name -> where the scene takes place, "park" for example; only where the annotations say it,
            as `scene.setting` of the picture.
        combinations: name -> "single" where a picture shows one kind of things, "seen" where it shows kinds
            that the corpora's texts name together, "unseen" where no text does; only where the annotations
            say it, as `combination` of the picture.
    """

    __test__ = False  # pytest: not a test class

    folder: Path
    names: list[str]
    images: list[Path]
    references: dict[str, list[str]]
    boxes: dict[str, list[Detection]]
    settings: dict[str, str] = field(default_factory=dict)
    combinations: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.names)

    def head(self, limit: int | None) -> TestSet:
        """Return the first `limit` pictures, or all of them for None."""
        if limit is None or limit >= len(self):
            return self
        names = self.names[:limit]
        return TestSet(
            folder=self.folder,
            names=names,
            images=self.images[:limit],
            references={name: self.references[name] for name in names},
            boxes={name: self.boxes[name] for name in names},
            settings={name: self.settings[name] for name in names if name in self.settings},
            combinations={name: self.combinations[name] for name in names if name in self.combinations},
        )

    @classmethod
    def open(cls, source: str | Path | KarpathySplit) -> TestSet:
        """Read a test set as a profile names it.

        Args:
            source: a folder with `annotations.json`, the picture files beside it; one file holds both
                kinds of COCO annotations: captions (`image_id`, `caption`) and objects (`image_id`,
                `category_id`, `bbox` as left, top, width, height in pixels). Or a split of a file in
                Karpathy's format with the folder of its pictures.

        Raises:
            DataError: if the file or a picture is missing, the JSON is damaged, or an annotation
                names an unknown picture or category.
        """
        if isinstance(source, KarpathySplit):
            return cls._open_karpathy(source)
        folder = Path(source)
        path = folder / "annotations.json"
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise DataError(f"There is no test set at {folder}: it has no annotations.json.") from error
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise DataError(f"{path} is not valid JSON: {error}.") from error
        try:
            return cls._build(folder, path, raw)
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{path} is not in COCO's format: {type(error).__name__} {error}.") from error

    @classmethod
    def _open_karpathy(cls, source: KarpathySplit) -> TestSet:
        path = source.captions
        raw = read_json(path, "Karpathy's JSON file of splits, as `captions`")
        pictures = list(read_karpathy_pictures(path, raw, source.split, source.images))
        names = [name for name, _, _ in pictures]
        if len(set(names)) != len(names):
            raise DataError(f"{path}: two pictures share a name; file names must differ before the suffix.")
        return cls(
            folder=source.images,
            names=names,
            images=[image for _, image, _ in pictures],
            references={name: references for name, _, references in pictures},
            boxes={name: [] for name in names},
        )

    @classmethod
    def _build(cls, folder: Path, path: Path, raw: dict[str, Any]) -> TestSet:
        categories = {entry["id"]: str(entry["name"]) for entry in raw.get("categories", [])}
        files = {entry["id"]: str(entry["file_name"]) for entry in raw["images"]}
        references: dict[Any, list[str]] = {image_id: [] for image_id in files}
        boxes: dict[Any, list[Detection]] = {image_id: [] for image_id in files}
        for entry in raw["annotations"]:
            if entry["image_id"] not in files:
                raise DataError(f"{path}: an annotation names the unlisted picture {entry['image_id']!r}.")
            if "caption" in entry:
                references[entry["image_id"]].append(str(entry["caption"]))
            else:
                boxes[entry["image_id"]].append(_read_box(entry, categories, path))
        kept = [image_id for image_id in files if references[image_id]]
        if not kept:
            raise DataError(f"{path} holds no caption, so there is nothing to compare with.")
        names = {image_id: Path(files[image_id]).stem for image_id in kept}
        if len(set(names.values())) != len(names):
            raise DataError(f"{path}: two pictures share a name; file names must differ before the suffix.")
        root = folder.resolve()
        for image_id in kept:
            image = (root / files[image_id]).resolve()
            if not image.is_relative_to(root) or not image.is_file():
                raise DataError(f"{path} lists {files[image_id]!r}, but that file is not in {folder}.")
        return cls(
            folder=folder,
            names=list(names.values()),
            images=[folder / files[image_id] for image_id in kept],
            references={names[image_id]: references[image_id] for image_id in kept},
            boxes={names[image_id]: boxes[image_id] for image_id in kept},
            settings=_read_settings(raw["images"], names),
            combinations={
                names[entry["id"]]: entry["combination"]
                for entry in raw["images"]
                if entry["id"] in names and entry.get("combination") in COMBINATIONS
            },
        )


def _read_settings(images: list[dict[str, Any]], names: dict[Any, str]) -> dict[str, str]:
    settings = {}
    for entry in images:
        scene = entry.get("scene")
        setting = scene.get("setting") if isinstance(scene, dict) else None
        if entry["id"] in names and isinstance(setting, str):
            settings[names[entry["id"]]] = setting
    return settings


def _read_box(entry: dict[str, Any], categories: dict[Any, str], path: Path) -> Detection:
    if entry["category_id"] not in categories:
        raise DataError(f"{path}: an annotation names the unlisted category {entry['category_id']!r}.")
    left, top, width, height = (float(value) for value in entry["bbox"])
    return Detection(
        label=categories[entry["category_id"]], score=1.0, box=(left, top, left + width, top + height)
    )
