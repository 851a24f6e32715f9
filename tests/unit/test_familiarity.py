"""Pictures from outside the world that the decoders know."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_image

from syntic.evaluation.familiarity import KnownTextures, KnownWorld, describe_texture
from syntic.evaluation.scoring import open_test_set
from syntic.method.components import Components
from syntic.models import ClipEncoder
from syntic.profiles import load_profile


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def cloud() -> np.ndarray:
    random = np.random.default_rng(0)
    spread = np.linspace(1.0, 0.05, 16)
    return unit(np.eye(16)[0] * 3 + random.normal(size=(3000, 16)) * spread)


def pictures(count: int, noise: float) -> list[Image.Image]:
    """Squares of one colour on another, with some noise over them."""
    random = np.random.default_rng(0)
    made = []
    for _ in range(count):
        picture = np.full((96, 96, 3), random.uniform(0.2, 0.8, 3))
        left, top = random.integers(0, 48, 2)
        picture[top : top + 48, left : left + 48] = random.uniform(0.2, 0.8, 3)
        picture += random.normal(0, noise, picture.shape)
        made.append(Image.fromarray((picture.clip(0, 1) * 255).astype(np.uint8)))
    return made


def test_the_similarity_is_the_cosine_to_the_nearest(cloud):
    world = KnownWorld.learn(cloud)
    row = cloud[7]
    assert world.similarities(row[None])[0] == pytest.approx(1, abs=1e-5)
    others = np.delete(cloud, 7, axis=0)
    left_out = world.similarities(row[None], leave_out=np.array([7]))[0]
    assert left_out == pytest.approx((others @ row).max(), abs=1e-6)


def test_most_of_the_world_is_inside_and_what_looks_like_nothing_in_it_is_outside(cloud):
    world, fresh = KnownWorld.learn(cloud[:2000]), cloud[2000:]
    assert np.mean([world.measure(row).is_outside for row in fresh]) < 0.1
    opposite = world.measure(-cloud[0])
    assert opposite.is_outside
    assert opposite.similarity < opposite.usual_similarity


def test_a_texture_is_known_whatever_the_picture_shows_and_however_large_it_is():
    known = KnownTextures.learn(pictures(60, noise=0.03))
    own = pictures(80, noise=0.03)[60:]
    assert np.mean([known.distance(picture) <= known.usual for picture in own]) > 0.7
    large = [picture.resize((300, 300), Image.Resampling.NEAREST) for picture in own]
    assert np.mean([known.distance(picture) <= known.usual for picture in large]) > 0.7
    assert all(known.distance(picture) > known.usual for picture in pictures(20, noise=0.15))
    assert known.distance(Image.new("RGB", (64, 64), "red")) > known.usual


def test_the_distance_is_mahalanobis():
    known = KnownTextures.learn(pictures(20, noise=0.05))
    (picture,) = pictures(1, noise=0.1)
    centred = describe_texture(picture) - known.mean
    assert known.distance(picture) == pytest.approx(np.sqrt(centred @ known.precision @ centred))


def test_without_pictures_or_a_picture_the_texture_has_no_say(cloud):
    world = KnownWorld.learn(cloud)
    red = Image.new("RGB", (64, 64), "red")
    assert world.measure(cloud[0], red) == world.measure(cloud[0])
    world = KnownWorld.learn(cloud, images=pictures(20, noise=0.05))
    assert not world.measure(cloud[0]).is_outside
    assert world.measure(cloud[0], red).is_outside


def test_one_picture_alone_does_not_break_it():
    world = KnownWorld.learn(np.eye(4, dtype=np.float32)[:1], images=pictures(1, noise=0.1))
    assert np.isfinite(world.measure(np.eye(4, dtype=np.float32)[1]).similarity)


def test_the_shipped_world_knows_its_test_pictures_and_no_photo_colour_or_noise():
    profile = load_profile("emoji")
    components = Components.load(profile)
    encoder: ClipEncoder = components.encoder
    drawn = np.asarray(components.feature_store("everyday").image_features)

    def read(name: str, count: int) -> list[Image.Image]:
        return [Image.open(path).convert("RGB") for path in open_test_set(profile, name).head(count).images]

    def features(images: list[Image.Image]) -> np.ndarray:
        return encoder.encode_images(images).cpu().numpy()

    known = [*read("everyday-validation", 200), *read("people-validation", 200)]
    world = KnownWorld.learn(drawn, features(known[::4]), known)
    test = [*read("everyday", 40), *read("people", 40)]
    outside = [world.measure(row, image).is_outside for row, image in zip(features(test), test, strict=True)]
    assert np.mean(outside) <= 0.15
    noise = np.random.default_rng(0).integers(0, 255, (128, 128, 3), dtype=np.uint8)
    strangers = [Image.fromarray(noise), Image.new("RGB", (128, 128), (200, 30, 90))]
    strangers += [Image.fromarray(load_sample_image(name)) for name in ("china.jpg", "flower.jpg")]
    rows = features(strangers)
    assert all(world.measure(row, image).is_outside for row, image in zip(rows, strangers, strict=True))
