"""Captions to features: on tiny real models, killed, split and continued."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from dying_maker import DawdlingMaker, DyingMaker, die
from PIL import Image

from syntic.data import (
    FeatureStore,
    SynthesisSettings,
    make_header,
    synthesize,
    synthesize_with,
    unique_tags,
)
from syntic.data import ray_engine as ray_module
from syntic.data.features import shard_path
from syntic.data.ray_engine import RaySettings, ray_engine
from syntic.data.synthesis import caption_seed
from syntic.data.tags import TagTable
from syntic.errors import Cancelled, DataError, InputError, MissingToolError, ResourceError
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
    assert [state.done for state in run(components, tmp_path)] == [4, 5]  # the third caption is kept, too
    assert not (tmp_path / "pieces").exists()
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


def test_a_batch_that_was_cut_off_is_made_again(components, tmp_path):
    run(components, tmp_path / "whole", shard_size=5, batch_size=2)
    asked = iter([False, False, True])
    with pytest.raises(Cancelled):
        run(components, tmp_path / "cut", shard_size=5, batch_size=2, should_stop=lambda: next(asked))
    first, second = sorted((tmp_path / "cut" / "pieces").iterdir())
    first.write_bytes(b"PAR1 and nothing else")
    assert [s.done for s in run(components, tmp_path / "cut", shard_size=5, batch_size=2)] == [4, 5]
    whole, cut = (FeatureStore.open(tmp_path / name) for name in ("whole", "cut"))
    assert whole.fingerprint == cut.fingerprint


def of_ray(test):
    """Let warnings of Ray pass."""
    for warning in (
        "ignore::ResourceWarning",  # Ray leaves its sockets and logs to the collector
        "ignore::FutureWarning:ray",
        "ignore::DeprecationWarning:ray",  # of its own settings
    ):
        test = pytest.mark.filterwarnings(warning)(test)
    return test


@of_ray
def test_workers_on_ray_make_the_store_of_one_process_though_one_is_killed(
    components, tiny_profile_path, tmp_path, monkeypatch
):
    pytest.importorskip("ray.data")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))  # for workers to find `dying_maker`
    captions = [f"a dog and {number} cats" for number in range(12)]
    run(components, tmp_path / "local", captions, shard_size=4, batch_size=2)
    engine = ray_engine(DyingMaker(tiny_profile_path, tmp_path / "died"), RaySettings(workers=2))
    settings = SynthesisSettings(shard_size=4, batch_size=2)
    header = make_header(components.profile, captions, components.encoder.width, settings)
    progress = list(synthesize_with(engine, captions, tmp_path / "ray", header=header, settings=settings))
    assert len(list((tmp_path / "died").iterdir())) == 1
    assert progress[-1].done == 12
    assert len(progress) == 6  # one batch each; none was counted twice
    local, distributed = (FeatureStore.open(tmp_path / name) for name in ("local", "ray"))
    assert local.tags == distributed.tags
    np.testing.assert_array_equal(local.text_features, distributed.text_features)
    np.testing.assert_array_equal(local.image_features, distributed.image_features)
    assert local.fingerprint == distributed.fingerprint
    assert not list(synthesize_with(engine, captions, tmp_path / "ray", header=header, settings=settings))


@of_ray
@pytest.mark.fullsize
@pytest.mark.skipif("SYNTIC_FULLSIZE" not in os.environ, reason="opt-in, minutes: make test-fullsize")
def test_a_slow_batch_stops_no_other_and_what_ends_every_worker_ends_the_run(
    components, tiny_profile_path, tmp_path, monkeypatch
):
    """All on one Ray, which takes long to start."""
    ray = pytest.importorskip("ray")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    captions = [f"a dog and {number} cats" for number in range(12)]
    settings = SynthesisSettings(shard_size=4, batch_size=2)
    header = make_header(components.profile, captions, components.encoder.width, settings)

    def work(name: str, maker):
        engine = ray_engine(maker, RaySettings(workers=2))
        return synthesize_with(engine, captions, tmp_path / name, header=header, settings=settings)

    ray_module._connect(ray, RaySettings(workers=2))
    try:
        progress = work("slow", DawdlingMaker(tiny_profile_path, tmp_path / "allowed"))
        others = [next(progress).done for _ in range(5)]
        store = FeatureStore.open(tmp_path / "slow", allow_partial=True)
        assert others == [2, 4, 6, 8, 10]
        assert store.captions == captions[4:]  # all but the first shard, which the slow batch belongs to
        (tmp_path / "allowed").touch()
        assert [state.done for state in progress] == [12]

        monkeypatch.setattr(ray_module, "TRIES", 1)  # starting a worker takes long, too
        with pytest.raises(ResourceError, match="^Rows 4 to 5 ended 1 workers, one after the other"):
            list(work("deadly", DyingMaker(tiny_profile_path, tmp_path / "died", deaths=99)))
        assert len(list((tmp_path / "died").iterdir())) == 1

        with pytest.raises(ResourceError, match="^Workers ended 2 times while they loaded the models"):
            list(work("unloadable", die))
    finally:
        ray.shutdown()


def test_what_ray_is_asked_for_must_be_there(monkeypatch):
    assert ray_module._share({"CPU": 8, "GPU": 4}, RaySettings()) == (4, 1)
    assert ray_module._share({"CPU": 8, "GPU": 4}, RaySettings(gpus_per_worker=0.5)) == (8, 0.5)
    assert ray_module._share({"CPU": 8}, RaySettings()) == (1, 0)
    with pytest.raises(ResourceError, match="9 workers need 9 cores, but the cluster has 8"):
        ray_module._share({"CPU": 8}, RaySettings(workers=9))
    with pytest.raises(ResourceError, match="need 1 GPUs, but the cluster has 0"):
        ray_module._share({"CPU": 8}, RaySettings(gpus_per_worker=1))
    with pytest.raises(InputError, match="`workers` must be at least 1"):
        RaySettings(workers=0)
    monkeypatch.setitem(sys.modules, "ray", None)  # as where it is not installed
    with pytest.raises(MissingToolError, match="requirements-scale.txt"):
        ray_engine(lambda: None, RaySettings())


def test_our_own_error_of_a_worker_is_told_as_it_is():
    traceback = (
        "ray::map failed\nTraceback ...\nsyntic.errors.DataError: The disk is full.\nTo change retries ..."
    )
    told = ray_module._explain(RuntimeError(traceback))
    assert isinstance(told, DataError)
    assert told.detail == "The disk is full."
    assert "ray::map failed" in ray_module._explain(RuntimeError("traceback\n\nray::map failed")).detail


def test_batches_that_come_together_are_told_apart():
    table = pa.table({"caption": ["a", "b", "c", "d"], "batch": pa.array([2, 2, 4, 4], pa.int64())})
    parts = list(ray_module._split(table))
    assert [(rows, part.column("caption").to_pylist()) for rows, part in parts] == [
        (range(2, 4), ["a", "b"]),
        (range(4, 6), ["c", "d"]),
    ]
