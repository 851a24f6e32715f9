"""Captions to features: on tiny real models, killed, split and continued."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from syntic.data import FeatureStore, SynthesisSettings, make_header, synthesize, unique_tags
from syntic.data.features import shard_path
from syntic.data.synthesis import caption_seed
from syntic.data.tags import TagTable
from syntic.errors import Cancelled, DataError, InputError
from syntic.types import Detection

CAPTIONS = ["a dog", "two cats on a bench", "a bird in the grass", "a car", "a dog at the beach"]


def run(components, folder: Path, captions=CAPTIONS, *, should_stop=lambda: False, **settings) -> list:
    options = SynthesisSettings(**{"shard_size": 2, "batch_size": 1, **settings})
    return list(
        synthesize(
            captions,
            folder,
            header=make_header(components.profile, captions, components.encoder.width, options),
            generator=components.generator,
            encoder=components.encoder,
            detector=components.detector,
            settings=options,
            should_stop=should_stop,
        )
    )


@pytest.fixture
def components(tiny_syntic):
    return tiny_syntic.components


def test_features_are_those_of_the_caption_and_of_its_picture(components, tmp_path):
    progress = run(components, tmp_path / "store", keep_images=tmp_path / "images")
    assert (progress[-1].done, progress[-1].total, progress[-1].remaining_seconds) == (5, 5, 0)
    store = FeatureStore.open(tmp_path / "store")
    assert store.captions == CAPTIONS
    assert store.seeds == [caption_seed(0, index) for index in range(5)]
    np.testing.assert_allclose(store.text_features, components.encoder.encode_texts(CAPTIONS), atol=2e-3)
    pictures = components.generator.generate(CAPTIONS[:1], store.seeds[:1])
    np.testing.assert_allclose(
        store.image_features[:1], components.encoder.encode_images(pictures), atol=2e-3
    )
    assert store.tags[0] == unique_tags(components.detector.detect(pictures)[0])[0]
    with Image.open(tmp_path / "images" / "0000000.webp") as kept:
        assert kept.size == pictures[0].size


def test_two_parts_make_the_store_that_one_run_makes(components, tmp_path):
    run(components, tmp_path / "whole")
    run(components, tmp_path / "split", part=(2, 2))
    half = FeatureStore.open(tmp_path / "split", allow_partial=True)
    assert half.captions == CAPTIONS[2:4]
    run(components, tmp_path / "split", part=(1, 2))
    whole, split = FeatureStore.open(tmp_path / "whole"), FeatureStore.open(tmp_path / "split")
    assert whole.fingerprint == split.fingerprint


def test_a_stopped_run_keeps_its_finished_shards_and_goes_on(components, tmp_path):
    asked = iter([False] * 3 + [True])
    with pytest.raises(Cancelled, match="Stopped after 3 of 5"):
        run(components, tmp_path, should_stop=lambda: next(asked))
    assert FeatureStore.open(tmp_path, allow_partial=True).captions == CAPTIONS[:2]
    assert [state.done for state in run(components, tmp_path)] == [3, 4, 5]
    assert run(components, tmp_path) == []  # nothing is left to do


def test_a_damaged_shard_is_made_again(components, tmp_path):
    run(components, tmp_path)
    fingerprint = FeatureStore.open(tmp_path).fingerprint
    shard_path(tmp_path, 1).write_bytes(b"PAR1 and nothing else")
    assert len(run(components, tmp_path)) == 2
    assert FeatureStore.open(tmp_path).fingerprint == fingerprint


def test_other_captions_or_seeds_need_another_folder(components, tmp_path):
    run(components, tmp_path)
    with pytest.raises(DataError, match="captions 5 instead of 4"):
        run(components, tmp_path, CAPTIONS[:4])
    with pytest.raises(DataError, match=r"settings.seed 0 instead of 7"):
        run(components, tmp_path, seed=7)


def test_each_caption_has_a_seed_of_its_own():
    seeds = {caption_seed(0, index) for index in range(1000)}
    assert len(seeds) == 1000
    assert caption_seed(0, 0) == 171_340_460  # the stored features depend on it: never change it
    assert caption_seed(1, 0) != caption_seed(0, 0)


@pytest.mark.parametrize(
    "options", [{"part": (0, 2)}, {"part": (3, 2)}, {"batch_size": 0}, {"shard_size": 0}]
)
def test_impossible_settings_are_refused(options):
    with pytest.raises(InputError, match="must be"):
        SynthesisSettings(**options)


def test_tags_are_distinct_labels_best_first():
    box = (0.0, 0.0, 1.0, 1.0)
    found = [
        Detection(label=label, score=score, box=box) for label, score in (("b", 0.5), ("a", 0.9), ("b", 0.7))
    ]
    assert unique_tags(found) == (["a", "b"], [0.9, 0.7])
    assert unique_tags([]) == ([], [])


def test_the_tag_table_pads_and_masks(components):
    lists = [["dog", "cat", "bench"], [], ["cat"]]
    table = TagTable(components.encoder, lists, max_tags=2)
    features, mask = table.gather(table.positions(lists))
    assert mask.tolist() == [[True, True], [False, False], [True, False]]
    expected = components.encoder.encode_texts(["dog", "cat"])
    torch.testing.assert_close(features[0], expected)
    torch.testing.assert_close(features[2, 0], expected[1])
    assert not features[1].any()
