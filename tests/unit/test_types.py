"""A Trace goes to JSON and back without loss."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from syntic.types import Trace, TraceSettings


def assert_equal(left, right) -> None:
    """Compare field by field; arrays and pictures by their content."""
    assert type(left) is type(right)
    if dataclasses.is_dataclass(left):
        for f in dataclasses.fields(left):
            assert_equal(getattr(left, f.name), getattr(right, f.name))
    elif isinstance(left, np.ndarray):
        np.testing.assert_array_equal(left, right)
    elif isinstance(left, Image.Image):
        np.testing.assert_array_equal(np.asarray(left), np.asarray(right))
    elif isinstance(left, list | tuple):
        assert len(left) == len(right)
        for one, other in zip(left, right, strict=True):
            assert_equal(one, other)
    else:
        assert left == right


@pytest.mark.parametrize("variant", ["baseline", "syntic"])
def test_a_trace_of_a_text_comes_back(tiny_syntic, variant):
    trace = tiny_syntic(text="a dog on a bench", variant=variant, decoding="beam", beam_size=3)
    again = Trace.from_json(trace.to_json())
    assert_equal(dataclasses.replace(trace, image=None), dataclasses.replace(again, image=None))
    np.testing.assert_array_equal(np.asarray(trace.image), np.asarray(again.image))
    assert again.to_json() == trace.to_json()


def test_an_unfinished_trace_comes_back():
    trace = Trace(settings=TraceSettings(seed=3), profile="emoji", text="zwei Hunde \U0001f436")
    again = Trace.from_json(trace.to_json())
    assert_equal(trace, again)
    assert again.caption is None


def test_json_is_one_strict_object(tiny_syntic, picture, tmp_path):
    trace = tiny_syntic(image=picture)
    path = tmp_path / "trace.json"
    trace.save(path)

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    raw = json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
    assert raw["settings"]["variant"] == "syntic"
    assert raw["caption"]["text"] == trace.caption.text
    assert Trace.from_json(path.read_text(encoding="utf-8")).caption == trace.caption


def test_the_refined_feature_is_the_image_feature_where_nothing_was_refined(tiny_syntic, picture):
    of_picture = tiny_syntic(image=picture)
    assert of_picture.refined_feature is of_picture.image_feature
    of_text = tiny_syntic(text="a dog")
    assert of_text.refined_feature is of_text.refinement.feature
