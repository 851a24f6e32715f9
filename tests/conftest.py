"""Fixtures for all tests: a tiny profile with real models, so that everything runs offline in seconds."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch
from PIL import Image
from tiny_models import draw_picture

from syntic.profiles import Profile, load_profile

torch.set_num_threads(1)

TINY_CAPTIONS = [
    f"{count} {animal} {action} {place}"
    for count, animal in (("a", "dog"), ("two", "cats"), ("a", "bird"))
    for action in ("on a bench", "in the grass", "next to a car")
    for place in ("in the park", "at the beach", "on the street")
]
TINY_PROFILE = f"""
name = "tiny"
example_images = "gallery"
example_texts = ["{TINY_CAPTIONS[0]}", "{TINY_CAPTIONS[-1]}"]

[generator]
model = "./generator"
steps = 3
guidance_scale = 2.0
height_px = 32
width_px = 32

[encoder]
model = "local-dir:clip"

[detector]
model = "./detector"
threshold = 0.25

[decoder]
width = 32
layers = 2
heads = 2
tag_heads = 4
max_tokens = 12

[refinement]
steps = 20
batch_size = 8

[corpora.everyday]
captions = "everyday.txt"
features = "features/everyday"
decoders = "decoders/everyday"
temperature = 0.01
like = "MSCOCO"

[test_sets]
everyday = "test_sets/everyday"
everyday-validation = "test_sets/everyday"
"""


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Commands choose their threads for the whole process; another number adds in another order."""
    yield
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _same_random_numbers() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def tiny_profile_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The TOML file of a profile whose folder holds everything: models, corpus, features, decoders."""
    folder = tmp_path_factory.mktemp("tiny")
    path = folder / "tiny.toml"
    path.write_text(TINY_PROFILE, encoding="utf-8")
    (folder / "everyday.txt").write_text("\n".join(TINY_CAPTIONS) + "\n", encoding="utf-8")
    _save_models(folder)
    _save_pictures(folder)
    profile = load_profile(path)
    _save_features(profile, "everyday")
    _save_decoders(profile, "everyday")
    return path


@pytest.fixture(scope="session")
def tiny_profile(tiny_profile_path: Path) -> Profile:
    return load_profile(tiny_profile_path)


@pytest.fixture(scope="session")
def three_corpora(tiny_profile: Profile, tmp_path_factory: pytest.TempPathFactory) -> Profile:
    """The tiny profile with a second domain, `people`, and with texts of the `web`.

    The web has no pictures of its own and decoders of two variants only.
    """
    folder = tmp_path_factory.mktemp("three")
    everyday, pictures = tiny_profile.corpora["everyday"], tiny_profile.test_sets["everyday"]
    corpora = {"everyday": everyday}
    for name, captions, like, temperature in (
        ("people", TINY_CAPTIONS[:4:-1], "Flickr30k", 0.0125),
        ("web", TINY_CAPTIONS[:18], "SS1M", 0.02),
    ):
        (folder / f"{name}.txt").write_text("\n".join(captions) + "\n", encoding="utf-8")
        corpora[name] = replace(
            everyday,
            captions=folder / f"{name}.txt",
            features=folder / "features" / name,
            decoders=folder / "decoders" / name,
            temperature=temperature,
            like=like,
        )
    sets = {**tiny_profile.test_sets, "people": pictures, "people-validation": pictures}
    profile = replace(tiny_profile, corpora=corpora, test_sets=sets)
    for name in ("people", "web"):
        _save_features(profile, name)
    _save_decoders(profile, "people")
    _save_decoders(profile, "web", only=("baseline", "fp"))
    return profile


@pytest.fixture(scope="session")
def tiny_syntic(tiny_profile: Profile):
    """A pipeline on the tiny profile; its decoders have random weights."""
    from syntic import SynTIC

    return SynTIC.from_profile(tiny_profile, device=torch.device("cpu"))


@pytest.fixture
def picture() -> Image.Image:
    """A real RGB picture, 64 x 48."""
    return draw_picture(1)


def _save_models(folder: Path) -> None:
    from tiny_models import save_clip_folder, save_detector_folder, save_generator_folder

    words = [word for caption in TINY_CAPTIONS for word in caption.split()] + ["dog", "cat", "bench"]
    save_generator_folder(folder / "generator", words)
    save_clip_folder(folder / "clip", words)
    save_detector_folder(folder / "detector")


def _save_pictures(folder: Path) -> None:
    """A gallery of three pictures and a test set of four, with five references each."""
    gallery, test_set = folder / "gallery", folder / "test_sets" / "everyday"
    gallery.mkdir()
    test_set.mkdir(parents=True)
    for number in range(3):
        draw_picture(number).save(gallery / f"{number}.png")
    annotations = []
    for number in range(4):
        draw_picture(10 + number).save(test_set / f"{number:04d}.png")
        annotations += [
            {"id": 100 * number + i, "image_id": number, "caption": TINY_CAPTIONS[5 * number + i]}
            for i in range(5)
        ]
        annotations.append(
            {"id": 100 * number + 99, "image_id": number, "category_id": 1, "bbox": [20, 10, 24, 30]}
        )
    images = [{"id": n, "file_name": f"{n:04d}.png", "width": 64, "height": 48} for n in range(4)]
    (test_set / "annotations.json").write_text(
        json.dumps({"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "dog"}]}),
        encoding="utf-8",
    )


def _save_features(profile: Profile, name: str) -> None:
    from syntic.data import SynthesisSettings, make_header, read_captions, synthesize
    from syntic.method.components import Components

    components = Components(profile, torch.device("cpu"))
    corpus = profile.corpora[name]
    captions = read_captions(corpus.captions)
    settings = SynthesisSettings(shard_size=20)
    for _ in synthesize(
        captions,
        corpus.features,
        header=make_header(profile, captions, components.encoder.width, settings),
        generator=components.generator,
        encoder=components.encoder,
        detector=components.detector,
        settings=settings,
    ):
        pass


def _save_decoders(profile: Profile, corpus: str, only: tuple[str, ...] = ()) -> None:
    from syntic.method import VARIANTS, CaptionModel, save_checkpoint
    from syntic.method.components import Components
    from syntic.training.loop import decoder_config

    encoder = Components(profile, torch.device("cpu")).encoder
    config = decoder_config(profile, encoder.tokenizer, encoder.width)
    for variant in VARIANTS:
        if only and variant.name not in only:
            continue
        torch.manual_seed(0)
        model = CaptionModel(variant, config, profile.decoder.tag_heads)
        path = profile.corpora[corpus].decoders / variant.name
        save_checkpoint(path, model, {"profile": profile.name, "corpus": corpus, "seed": 0})
