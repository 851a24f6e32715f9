"""Pictures from outside the world that the decoders know."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from syntic.evaluation.familiarity import KnownWorld
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


def test_the_distances_are_those_of_their_definitions(cloud):
    world = KnownWorld.learn(cloud)
    row = cloud[7]
    assert world.similarities(row[None])[0] == pytest.approx(1, abs=1e-5)
    others = np.delete(cloud, 7, axis=0)
    left_out = world.similarities(row[None], leave_out=np.array([7]))[0]
    assert left_out == pytest.approx((others @ row).max(), abs=1e-6)
    centred = row - world.mean
    assert world.measure(row).distance == pytest.approx(np.sqrt(centred @ world.precision @ centred))


def test_most_of_the_world_is_inside_and_two_kinds_of_strangers_are_outside(cloud):
    world, fresh = KnownWorld.learn(cloud[:2000]), cloud[2000:]
    outside = np.mean([world.measure(row).is_outside for row in fresh])
    assert outside < 0.1
    opposite = world.measure(-cloud[0])
    assert opposite.is_outside
    assert opposite.similarity < opposite.usual_similarity
    pushed = unit(cloud[:1] + np.eye(16)[15:] * 0.8)[0]  # along the axis in which pictures hardly differ
    assert world.measure(pushed).distance > world.usual_distance


def test_one_picture_alone_does_not_break_it():
    world = KnownWorld.learn(np.eye(4, dtype=np.float32)[:1])
    assert np.isfinite(world.measure(np.eye(4, dtype=np.float32)[1]).distance)


def test_the_shipped_world_knows_its_test_pictures_and_not_a_plain_colour_or_noise():
    profile = load_profile("emoji")
    components = Components.load(profile)
    encoder: ClipEncoder = components.encoder
    drawn = np.asarray(components.feature_store("everyday").image_features)
    validation = open_test_set(profile, "everyday-validation").head(80)
    test = open_test_set(profile, "everyday").head(40)

    def features(paths) -> np.ndarray:
        return encoder.encode_images([Image.open(path).convert("RGB") for path in paths]).cpu().numpy()

    world = KnownWorld.learn(drawn, features(validation.images))
    assert np.mean([world.measure(row).is_outside for row in features(test.images)]) <= 0.15
    noise = np.random.default_rng(0).integers(0, 255, (128, 128, 3), dtype=np.uint8)
    strangers = [Image.fromarray(noise), Image.new("RGB", (128, 128), (200, 30, 90))]
    assert all(world.measure(row).is_outside for row in encoder.encode_images(strangers).cpu().numpy())
