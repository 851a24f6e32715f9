import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from syntic.data import TestSet
from syntic.errors import DataError


def write_test_set(folder: Path, **changes: Any) -> Path:
    for name in ("000001.webp", "000002.webp", "000003.webp"):
        Image.new("RGB", (32, 24)).save(folder / name)
    raw: dict[str, Any] = {
        "images": [
            {"id": number, "file_name": f"{number:06d}.webp", "width": 32, "height": 24}
            for number in (1, 2, 3)
        ],
        "annotations": [
            {"id": 1, "image_id": 1, "caption": "a dog"},
            {"id": 2, "image_id": 1, "caption": "one dog"},
            {"id": 3, "image_id": 2, "caption": "a cat"},
            {"id": 4, "image_id": 1, "category_id": 7, "bbox": [1, 2, 10, 20]},
        ],
        "categories": [{"id": 7, "name": "dog"}],
    }
    (folder / "annotations.json").write_text(json.dumps(raw | changes))
    return folder


def test_captions_and_boxes_are_read_by_picture(tmp_path: Path) -> None:
    test_set = TestSet.open(write_test_set(tmp_path))
    assert test_set.names == ["000001", "000002"]  # the third has no caption to compare with
    assert test_set.references == {"000001": ["a dog", "one dog"], "000002": ["a cat"]}
    assert test_set.images[0] == tmp_path / "000001.webp"
    (box,) = test_set.boxes["000001"]
    assert (box.label, box.box) == ("dog", (1.0, 2.0, 11.0, 22.0))
    assert test_set.boxes["000002"] == []


def test_how_things_go_together_is_read_where_it_is_said(tmp_path: Path) -> None:
    images = [
        {"id": 1, "file_name": "000001.webp", "combination": "unseen"},
        {"id": 2, "file_name": "000002.webp", "combination": "sideways"},
        {"id": 3, "file_name": "000003.webp", "combination": "seen"},
    ]
    test_set = TestSet.open(write_test_set(tmp_path, images=images))
    assert test_set.combinations == {"000001": "unseen"}
    assert test_set.head(1).combinations == {"000001": "unseen"}


def test_head_keeps_the_first_pictures(tmp_path: Path) -> None:
    test_set = TestSet.open(write_test_set(tmp_path))
    assert test_set.head(1).names == ["000001"]
    assert list(test_set.head(1).references) == ["000001"]
    assert len(test_set.head(None)) == len(test_set.head(99)) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"annotations": []}, "no caption"),
        ({"annotations": [{"image_id": 9, "caption": "x"}]}, "unlisted picture 9"),
        ({"annotations": [{"image_id": 1, "category_id": 8, "bbox": [0, 0, 1, 1]}]}, "unlisted category 8"),
        ({"annotations": [{"image_id": 1, "category_id": 7, "bbox": [0, 0]}]}, "not in COCO's format"),
        ({"images": [{"id": 1, "file_name": "../secret.png"}]}, "is not in"),
        ({"images": [{"file_name": "000001.webp"}]}, "not in COCO's format"),
    ],
)
def test_a_damaged_file_is_refused_with_a_reason(tmp_path: Path, changes: Any, message: str) -> None:
    if "images" in changes:
        changes = changes | {"annotations": [{"image_id": 1, "caption": "x"}]}
    with pytest.raises(DataError, match=message):
        TestSet.open(write_test_set(tmp_path, **changes))


def test_a_missing_picture_or_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no annotations.json"):
        TestSet.open(tmp_path)
    write_test_set(tmp_path)
    (tmp_path / "000002.webp").unlink()
    with pytest.raises(DataError, match="000002.webp"):
        TestSet.open(tmp_path)
    (tmp_path / "annotations.json").write_text("{")
    with pytest.raises(DataError, match="not valid JSON"):
        TestSet.open(tmp_path)
