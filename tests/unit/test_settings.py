"""The painted settings: repeatable, varied, and honest about where things may stand."""

import itertools

import numpy as np
import pytest
from PIL import Image

from syntic.emoji.settings import SETTINGS, TIMES, Backdrop, paint_backdrop
from syntic.errors import InputError

PLACES = [(setting, time) for setting, kind in SETTINGS.items() for time in kind.times]


def paint(setting: str, time: str, seed: int = 0, size_px: int = 128) -> Backdrop:
    return paint_backdrop(setting, time, np.random.default_rng(seed), size_px)


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image, dtype=np.float32)


@pytest.mark.parametrize(("setting", "time"), PLACES)
def test_things_can_stand_in_every_setting(setting, time):
    for seed in range(3):
        backdrop = paint(setting, time, seed)
        assert backdrop.image.mode == "RGB"
        assert backdrop.image.size == (128, 128)
        far, near = backdrop.ground
        assert 0.3 < backdrop.horizon < far < near < 1
        assert -1 <= backdrop.shadow[0] <= 1
        assert 0 < backdrop.shadow[1] <= 1
        assert all(0.5 < factor <= 1 for factor in backdrop.light)
        if backdrop.surface is not None:
            left, right, y = backdrop.surface
            assert right - left > 0.5
            assert 0.5 < y < near
        if backdrop.water is not None:
            assert backdrop.water[0] < backdrop.water[1] < far


@pytest.mark.parametrize(("setting", "time"), PLACES)
def test_a_seed_repeats_and_another_varies(setting, time):
    first, again, other = (pixels(paint(setting, time, seed).image) for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert np.abs(first - other).mean() > 2


@pytest.mark.parametrize("time", TIMES)
def test_settings_are_told_apart_by_coarse_colour(time):
    """A nearest-mean classifier on 8 x 8 thumbnails names nine of ten new paintings."""

    def thumbnails(setting: str, seeds: range) -> np.ndarray:
        return np.stack([pixels(paint(setting, time, s, 64).image.resize((8, 8))).ravel() for s in seeds])

    means = np.stack([thumbnails(setting, range(8)).mean(0) for setting in SETTINGS])
    right = []
    for index, setting in enumerate(SETTINGS):
        distances = np.linalg.norm(thumbnails(setting, range(100, 104))[:, None] - means, axis=-1)
        right += (distances.argmin(1) == index).tolist()
    assert np.mean(right) >= 0.9


def test_night_is_darker_than_day_everywhere():
    for setting in SETTINGS:
        assert (
            pixels(paint(setting, "night").image).mean() < 0.85 * pixels(paint(setting, "day").image).mean()
        )


def test_paintings_have_no_noise():
    """Halving and restoring a painting changes it little, so that a small autoencoder can reproduce it."""
    for setting, time in itertools.product(SETTINGS, TIMES):
        image = paint(setting, time).image
        small = image.resize((64, 64), Image.Resampling.BICUBIC).resize((128, 128), Image.Resampling.BICUBIC)
        assert np.abs(pixels(image) - pixels(small)).mean() < 8


def test_one_painting_serves_every_size():
    large, small = paint("lake", "day", size_px=256), paint("lake", "day", size_px=128)
    assert large.ground == small.ground
    assert np.abs(pixels(large.image.resize((128, 128))) - pixels(small.image)).mean() < 4


@pytest.mark.parametrize(("setting", "time"), [("moon", "day"), ("park", "noon")])
def test_unknown_names_are_refused_with_the_known_ones(setting, time):
    with pytest.raises(InputError, match="choose one of: (park, beach|day, sunset)"):
        paint(setting, time)
