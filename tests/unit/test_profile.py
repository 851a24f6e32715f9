"""Profiles: the two that come along, one's own, and what is wrong with a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from syntic.errors import InputError
from syntic.profiles import REPOSITORY, load_profile

MINIMAL = """
name = "mine"
[generator]
model = "{model}"
[encoder]
model = "{clip}"
pretrained = "{pretrained}"
[detector]
model = "facebook/detr-resnet-50"
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_embedded_profile_points_into_the_repository():
    profile = load_profile("emoji")
    assert profile.generator.model == str(REPOSITORY / "checkpoints/emoji/generator")
    assert profile.encoder.model == f"local-dir:{REPOSITORY / 'checkpoints/emoji/clip'}"
    assert profile.corpus("everyday").captions == REPOSITORY / "assets/emoji/corpora/everyday.txt"
    assert all(path.is_relative_to(REPOSITORY) for path in profile.test_sets.values())
    assert load_profile() == profile


def test_a_corpus_names_the_data_set_it_stands_for_and_its_pictures():
    profile = load_profile("emoji")
    assert profile.corpus("everyday").like == "MSCOCO"
    assert profile.test_set_of("everyday") == "everyday"
    assert profile.validation_set_of("everyday") == "everyday-validation"
    paper = load_profile("paper")
    stand_for = [corpus.like for corpus in paper.corpora.values()]
    assert stand_for == ["MSCOCO", "Flickr30k", "SS1M", None, None, None], "the last are for short runs"
    assert paper.test_set_of("ss1m") is None
    with pytest.raises(InputError, match="`like` must be one of MSCOCO, Flickr30k, SS1M, not 'COCO'"):
        replace(profile.corpus("everyday"), like="COCO")
    corpora = {"everyday": replace(profile.corpus("everyday"), test_set="nowhere")}
    with pytest.raises(InputError, match="no test set 'nowhere'; it has: everyday, everyday-validation"):
        replace(profile, corpora=corpora).test_set_of("everyday")


def test_the_papers_profile_has_the_papers_settings():
    profile = load_profile("paper")
    assert profile.generator.model == "stable-diffusion-v1-5/stable-diffusion-v1-5"
    assert (profile.generator.steps, profile.generator.height_px, profile.generator.width_px) == (
        20,
        512,
        512,
    )
    assert (profile.encoder.model, profile.encoder.pretrained) == ("ViT-B-32", "openai")
    assert profile.detector.model == "facebook/detr-resnet-50"
    assert (profile.decoder.layers, profile.decoder.heads) == (4, 4)
    assert (profile.refinement.temperature, profile.refinement.learning_rate) == (1 / 100, 1e-5)
    temperatures = {name: corpus.temperature for name, corpus in profile.corpora.items()}
    emoji = load_profile("emoji").corpora
    assert {temperatures.pop(name) for name in emoji} == {1 / 100}, "for short runs, on their captions"
    assert temperatures == {"coco": 1 / 100, "flickr30k": 1 / 80, "ss1m": 1 / 100}
    turbo = load_profile("paper-turbo").corpora
    for name, corpus in emoji.items():
        assert corpus.captions == profile.corpora[name].captions == turbo[name].captions
        assert profile.corpora[name].like is turbo[name].like is None
        assert len({c.features for c in (corpus, profile.corpora[name], turbo[name])}) == 3
    assert profile.corpora["ss1m"].max_words == 15
    test_set = profile.test_sets["coco"]
    assert (test_set.images, test_set.split) == (REPOSITORY / "data/coco/images", "test")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("runwayml/some-model", "runwayml/some-model"),
        ("checkpoints/sd", "{folder}/checkpoints/sd"),
        ("./sd", "{folder}/sd"),
        ("../sd", "{parent}/sd"),
        ("/models/sd", "/models/sd"),
    ],
)
def test_folders_become_absolute_and_hub_names_stay(tmp_path, given, expected):
    path = write(tmp_path, MINIMAL.format(model=given, clip="ViT-B-32", pretrained="openai"))
    expected = expected.format(folder=tmp_path, parent=tmp_path.parent)
    assert load_profile(path).generator.model == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("local-dir:clip", "local-dir:{folder}/clip"),
        ("local-dir:/models/clip", "local-dir:/models/clip"),
        ("hf-hub:laion/some-clip", "hf-hub:laion/some-clip"),
    ],
)
def test_clip_names_keep_their_schema(tmp_path, given, expected):
    path = write(tmp_path, MINIMAL.format(model="a/b", clip=given, pretrained="./weights.safetensors"))
    encoder = load_profile(path).encoder
    assert encoder.model == expected.format(folder=tmp_path)
    assert encoder.pretrained == str(tmp_path / "weights.safetensors")


def test_an_own_profile_is_read_with_defaults(tmp_path):
    profile = load_profile(write(tmp_path, MINIMAL.format(model="a/b", clip="ViT-B-32", pretrained="openai")))
    assert profile.decoder.width == 768
    assert profile.refinement.batch_size == 128
    assert profile.corpora == {}


def test_what_is_wrong_is_said_with_what_is_allowed(tmp_path):
    good = MINIMAL.format(model="a/b", clip="ViT-B-32", pretrained="openai")
    for text, message in (
        (
            good + "\ntreshold = 0.5",
            r"mine.toml \[detector\]: unknown key 'treshold'; allowed are model, threshold",
        ),
        (good.replace('name = "mine"', ""), "'name' is missing"),
        (good.replace("[generator]", "[generators]"), "unknown key 'generators'"),
        ("name = ", "not valid TOML"),
    ):
        with pytest.raises(InputError, match=message):
            load_profile(write(tmp_path, text))
    with pytest.raises(InputError, match="no profile 'emojis'; give emoji, paper"):
        load_profile("emojis")
    with pytest.raises(InputError, match="no corpus 'nobody'; it has: everyday"):
        load_profile("emoji").corpus("nobody")


def test_a_profile_says_how_its_decoders_are_trained(tmp_path):
    paper = load_profile("paper").optimizer  # DeCap's, whose decoder the paper takes
    assert (paper.batch_size, paper.epochs, paper.steps, paper.warmup_steps) == (128, 10, None, 1000)
    assert paper.learning_rate == 1e-3
    own = MINIMAL + "[optimizer]\nbatch_size = 32\nsteps = 700\nwarmup_steps = 50\n"
    optimizer = load_profile(write(tmp_path, own)).optimizer
    assert (optimizer.batch_size, optimizer.steps, optimizer.warmup_steps) == (32, 700, 50)
    assert optimizer.learning_rate == paper.learning_rate  # what it does not name
    assert load_profile(write(tmp_path, MINIMAL)).optimizer == paper
    for wrong, message in (
        ("batches = 3", r"mine.toml \[optimizer\]: unknown key 'batches'; allowed are epochs, steps"),
        ("batch_size = 0", "`optimizer.batch_size` must be at least 1"),
    ):
        with pytest.raises(InputError, match=message):
            load_profile(write(tmp_path, f"{MINIMAL}[optimizer]\n{wrong}\n"))
