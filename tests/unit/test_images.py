"""Pictures as people have them: odd modes and sizes are converted, broken ones refused."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from syntic.data.images import load_image
from syntic.errors import InputError


def saved(image: Image.Image, kind: str, **options) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def huge_png(width: int, height: int) -> bytes:
    """A file of some bytes whose header promises that many pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_the_usual_formats_are_read(picture, kind):
    loaded = load_image(saved(picture, kind))
    assert loaded.mode == "RGB"
    assert loaded.size == picture.size
    assert np.abs(np.asarray(loaded, int) - np.asarray(picture, int)).mean() < 12


def test_cmyk_is_converted(picture):
    loaded = load_image(saved(picture.convert("CMYK"), "JPEG", quality=95))
    assert loaded.mode == "RGB"
    assert np.abs(np.asarray(loaded, int) - np.asarray(picture, int)).mean() < 12


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_becomes_white(mode):
    clear = Image.new("RGBA", (20, 20), (200, 30, 30, 0))
    options = {}
    if mode == "P":
        clear, options = Image.new("RGB", (20, 20), "red").quantize(4), {"transparency": 0}
    elif mode == "LA":
        clear = clear.convert("LA")
    assert load_image(saved(clear, "PNG", **options)).getpixel((5, 5)) == (255, 255, 255)


def test_sixteen_bit_grey_keeps_its_shades():
    ramp = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    loaded = np.asarray(load_image(saved(Image.fromarray(ramp), "PNG")))[..., 0].ravel()
    np.testing.assert_allclose(loaded, np.arange(256), atol=1)


def test_the_cameras_rotation_is_applied(picture):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees to the right
    loaded = load_image(saved(picture, "JPEG", exif=exif))
    assert loaded.size == (picture.height, picture.width)


def test_a_photo_of_12_megapixels_is_made_smaller():
    photo = Image.effect_noise((4000, 3000), 20)
    loaded = load_image(saved(photo, "JPEG"))
    assert loaded.size == (1024, 768)


def test_the_given_image_is_not_changed(picture):
    rgba = picture.convert("RGBA")
    load_image(rgba)
    assert rgba.mode == "RGBA"
    large = Image.new("RGB", (3000, 1000))
    assert load_image(large).size == (1024, 341)
    assert large.size == (3000, 1000)


@pytest.mark.parametrize("size", [(1, 1), (7, 100), (100, 7)])
def test_a_picture_of_few_pixels_is_refused(size):
    with pytest.raises(InputError, match=f"{size[0]} x {size[1]} pixels.*at least 8"):
        load_image(saved(Image.new("RGB", size), "PNG"))


def test_a_ribbon_is_refused():
    with pytest.raises(InputError, match="narrow"):
        load_image(saved(Image.new("RGB", (6000, 9)), "PNG"))


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_moving_pictures_are_refused(kind):
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue")]
    data = saved(frames[0], kind, save_all=True, append_images=frames[1:])
    with pytest.raises(InputError, match="animated"):
        load_image(data)


def test_a_text_file_named_png_is_refused(tmp_path):
    path = tmp_path / "holiday.png"
    path.write_text("not a picture")
    with pytest.raises(InputError, match=r"'holiday.png' cannot be read as a picture"):
        load_image(path)
    with pytest.raises(InputError, match="no picture 'away.png'"):
        load_image(tmp_path / "away.png")
    with pytest.raises(InputError):
        load_image(tmp_path)
    with pytest.raises(InputError):
        load_image(b"")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_a_cut_off_file_is_refused(kind):
    data = saved(Image.effect_noise((200, 200), 50).convert("RGB"), kind)
    with pytest.raises(InputError, match="damaged|cannot be read"):
        load_image(data[: len(data) // 2])


@pytest.mark.parametrize("size", [(8001, 8000), (10_000, 9000), (30_000, 30_000), (1_000_000, 1_000_000)])
def test_bombs_are_refused_before_they_are_decoded(size):
    with pytest.raises(InputError, match="64,000,000 pixels"):
        load_image(huge_png(*size))


def test_formats_that_start_other_programs_are_not_read():
    with pytest.raises(InputError, match="cannot be read"):
        load_image(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 20 20\nshowpage\n")
