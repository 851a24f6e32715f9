"""Many small pictures in one file."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from syntic.data.contact_sheet import COLUMNS, TILE_PX, ContactSheet
from syntic.errors import DataError


def test_every_picture_is_found_where_it_was_put(tmp_path):
    colours = [(8 * i, 255 - 8 * i, 90) for i in range(COLUMNS + 3)]
    sheet = ContactSheet.of([Image.new("RGB", (96, 128), colour) for colour in colours])
    sheet.save(tmp_path / "sheet.webp")
    loaded = ContactSheet.load(tmp_path / "sheet.webp", len(colours))
    for number, colour in enumerate(colours):
        assert loaded.tile(number).size == (TILE_PX, TILE_PX)
        middle = np.array(loaded.tile(number).getpixel((32, 32)))
        np.testing.assert_allclose(middle, colour, atol=12)


def test_what_is_not_there_is_refused(tmp_path):
    sheet = ContactSheet.of([Image.new("RGB", (8, 8))])
    with pytest.raises(DataError, match="no number 1"):
        sheet.tile(1)
    sheet.save(tmp_path / "sheet.webp")
    with pytest.raises(DataError, match="does not hold 30"):
        ContactSheet.load(tmp_path / "sheet.webp", 30)
    (tmp_path / "broken.webp").write_bytes(b"no picture")
    with pytest.raises(DataError, match="cannot be read"):
        ContactSheet.load(tmp_path / "broken.webp", 1)
