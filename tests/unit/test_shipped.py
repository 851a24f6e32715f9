"""What ships of the emoji profile: complete, small enough for a Space, of one piece, and doing its work."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from syntic import SynTIC, load_profile
from syntic.data.coco import TestSet
from syntic.data.images import load_image
from syntic.evaluation.map_command import describe_steps
from syntic.experiments.plans import Run
from syntic.experiments.trainings import Trainings
from syntic.method import VARIANTS
from syntic.method.components import Components
from syntic.profiles import REPOSITORY
from syntic.service import SynticService

SAVED = Path(__file__).parents[1] / "saved_captions"
SHOWN = 0.8  # of the things named; a person counts about as many


@pytest.fixture(scope="module")
def components() -> Components:
    return Components.load(load_profile("emoji"), torch.device("cpu"))


@pytest.fixture(scope="module")
def gallery(components) -> TestSet:
    return TestSet.open(components.profile.example_images)


def test_nothing_is_missing():
    assert SynticService(load_profile("emoji"), torch.device("cpu")).missing() == []


def test_a_space_takes_every_file():
    sizes = {
        path: path.stat().st_size
        for folder in ("checkpoints", "assets")
        for path in (REPOSITORY / folder).rglob("*")
        if path.is_file()
    }
    assert [path for path, size in sizes.items() if size > 10_000_000] == []
    weights = [size for path, size in sizes.items() if path.is_relative_to(REPOSITORY / "checkpoints")]
    assert sum(weights) < 100_000_000


def test_the_features_were_made_by_the_shipped_clip(components):
    least = {"everyday": 8000, "people": 5000, "web": 8000}
    for corpus in components.profile.corpora:
        store = components.feature_store(corpus)
        assert len(store) >= least[corpus]
        rows = [0, len(store) // 2, len(store) - 1]
        features = components.encoder.encode_texts([store.captions[row] for row in rows]).numpy()
        np.testing.assert_allclose(features, store.text_features[rows], atol=2e-3)  # in half precision


def test_the_maps_show_the_steps_as_the_profile_takes_them(components):
    service = SynticService(components.profile, torch.device("cpu"))
    for corpus in components.profile.corpora:
        settings = service.gap_map(corpus).settings
        expected = describe_steps(components, corpus)
        assert {name: settings.get(name) for name in expected} == expected


def test_the_decoders_were_trained_with_the_settings_and_texts_that_ship(components, tmp_path):
    def refuse(events):
        pytest.fail(f"{run.corpus}: {run.system} is not what these settings train")

    trainings = Trainings(components, tmp_path, follow=refuse)
    for corpus, shipped in components.profile.corpora.items():
        for variant in VARIANTS:
            run = Run(system=variant.name, corpus=corpus, domain=corpus, test_set="")
            assert trainings.decoders(run) == shipped.decoders


# diffusers' DPM solver builds its table of noise levels the way that NumPy 2 deprecates.
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")
def test_generated_pictures_show_what_their_captions_name(components):
    """On captions of scenes, held-out pairs among them, that were sampled for this test alone."""
    named = json.loads((SAVED / "generated.json").read_text(encoding="utf-8"))
    captions = list(named)
    pictures = components.generator.generate(captions, list(range(len(captions))))
    found = [{detection.label for detection in each} for each in components.detector.detect(pictures)]
    shown = sum(len(seen & set(labels)) for labels, seen in zip(named.values(), found, strict=True))
    assert shown / sum(map(len, named.values())) > SHOWN


def test_captions_name_what_gallery_pictures_show(components, gallery):
    syntic = SynTIC(components)
    right = 0
    for path, name in zip(gallery.images, gallery.names, strict=True):
        caption = syntic(image=load_image(path)).caption.text
        words = set(caption.split()) - {"a", "an", "the", "on", "in", "at", "and", "of", "with", "near", "to"}
        right += len(words & set(" ".join(gallery.references[name]).split())) >= 2
    assert right > 0.8 * len(gallery)


def test_the_example_links_of_the_first_page_restore():
    from urllib.parse import parse_qsl

    from syntic.method.inputs import check_settings
    from syntic.types import TraceSettings
    from syntic.ui.permalink import read_query

    profile = load_profile("emoji")
    assert profile.example_links
    for words, query in profile.example_links.items():
        choice, settings = read_query(dict(parse_qsl(query)), TraceSettings())
        check_settings(profile, settings)
        assert choice is not None, words
        if choice.kind == "example":
            assert (profile.example_images / f"{choice.value}.webp").is_file(), words
