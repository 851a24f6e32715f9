import dataclasses
import logging
from pathlib import Path

import numpy as np
import pytest

from syntic.data import features as store_module
from syntic.data.features import (
    FeatureRows,
    FeatureStore,
    FeatureWriter,
    StoreHeader,
    shard_path,
)
from syntic.data.fingerprints import fingerprint_model, hash_captions, identify_encoder
from syntic.errors import DataError
from syntic.profiles.profile import EncoderSettings

CAPTIONS = [f"caption number {index}" for index in range(10)]


def make_header(**changes: object) -> StoreHeader:
    header = StoreHeader(
        profile="tiny",
        models={"encoder": "abc"},
        settings={"seed": 0},
        captions=len(CAPTIONS),
        captions_hash=hash_captions(CAPTIONS),
        feature_width=8,
        shard_size=4,
    )
    return dataclasses.replace(header, **changes)  # type: ignore[arg-type]


def make_rows(indices: range, seed: int = 0) -> FeatureRows:
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(2, len(CAPTIONS), 8)).astype(np.float32)
    features /= np.linalg.norm(features, axis=-1, keepdims=True)
    chosen = list(indices)
    return FeatureRows(
        captions=[CAPTIONS[index] for index in chosen],
        seeds=chosen,
        text_features=features[0][chosen],
        image_features=features[1][chosen],
        tags=[["dog", "cat"][: index % 3] for index in chosen],
        tag_scores=[[0.9, 0.5][: index % 3] for index in chosen],
    )


def write_store(folder: Path, shards: tuple[int, ...] = (0, 1, 2)) -> FeatureWriter:
    writer = FeatureWriter(folder, make_header())
    for shard in shards:
        writer.add(writer.header.rows(shard), make_rows(writer.header.rows(shard)).to_table())
    return writer


def test_a_store_gives_back_what_was_written(tmp_path: Path) -> None:
    write_store(tmp_path, (2, 0, 1))  # any order
    store = FeatureStore.open(tmp_path)
    expected = make_rows(range(10))
    assert len(store) == 10
    assert store.captions == CAPTIONS
    assert store.seeds == list(range(10))
    assert store.tags == expected.tags
    assert store.tag_scores[2] == pytest.approx([0.9, 0.5])
    np.testing.assert_allclose(store.text_features, expected.text_features, atol=1e-3)
    np.testing.assert_allclose(store.image_features, expected.image_features, atol=1e-3)
    for features in (store.text_features, store.image_features):
        assert features.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1.0, atol=1e-6)


def test_the_fingerprint_follows_the_contents(tmp_path: Path) -> None:
    write_store(tmp_path / "a")
    write_store(tmp_path / "b", (1, 2, 0))
    first = FeatureStore.open(tmp_path / "a").fingerprint
    assert FeatureStore.open(tmp_path / "b").fingerprint == first
    FeatureWriter(tmp_path / "b", make_header()).add(range(4, 8), make_rows(range(4, 8), seed=5).to_table())
    assert FeatureStore.open(tmp_path / "b").fingerprint != first


def test_another_run_is_refused_with_what_differs(tmp_path: Path) -> None:
    write_store(tmp_path)
    changed = make_header(profile="paper", settings={"seed": 1})
    with pytest.raises(DataError, match="profile 'tiny' instead of 'paper'; settings.seed 0 instead of 1"):
        FeatureWriter(tmp_path, changed)


def test_an_unfinished_store_opens_only_on_request(tmp_path: Path) -> None:
    write_store(tmp_path, (0, 2))
    with pytest.raises(DataError, match="2 of 3 shards"):
        FeatureStore.open(tmp_path)
    store = FeatureStore.open(tmp_path, allow_partial=True)
    assert store.captions == CAPTIONS[:4] + CAPTIONS[8:]
    assert FeatureWriter(tmp_path, make_header()).missing_rows(CAPTIONS) == [range(4, 8)]


def test_a_damaged_shard_is_named_and_made_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    writer = write_store(tmp_path)
    path = shard_path(tmp_path, 1)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match="part-00001.parquet is damaged"):
        FeatureStore.open(tmp_path)
    with caplog.at_level(logging.WARNING):
        assert writer.missing_rows(CAPTIONS) == [range(4, 8)]
    assert "part-00001.parquet" in caplog.text
    writer.add(range(4, 8), make_rows(range(4, 8)).to_table())
    assert FeatureStore.open(tmp_path).captions == CAPTIONS


def test_flipped_bits_are_noticed(tmp_path: Path) -> None:
    write_store(tmp_path)
    path = shard_path(tmp_path, 0)
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 0xFF
    path.write_bytes(bytes(content))
    with pytest.raises(DataError, match="part-00000.parquet is damaged"):
        FeatureStore.open(tmp_path)


def test_nothing_half_written_stays_behind(tmp_path: Path) -> None:
    writer = FeatureWriter(tmp_path, make_header())
    rows = make_rows(range(4))
    rows.text_features[0, 0] = np.nan
    with pytest.raises(DataError, match="not finite"):
        writer.add(range(4), rows.to_table())
    with pytest.raises(DataError, match="must be of shape"):
        writer.add(range(8, 10), make_rows(range(4)).to_table())
    assert [path.name for path in tmp_path.iterdir()] == ["store.json"]


def test_batches_are_kept_until_their_shard_is_whole(tmp_path: Path) -> None:
    writer = FeatureWriter(tmp_path, make_header())
    for rows in (range(6, 8), range(0, 4), range(4, 5)):  # any order
        writer.add(rows, make_rows(rows).to_table())
    again = FeatureWriter(tmp_path, make_header())
    assert again.missing_rows(CAPTIONS) == [range(5, 6), range(8, 10)]
    assert again.missing_rows(CAPTIONS, [2]) == [range(8, 10)]
    again.add(range(5, 6), make_rows(range(5, 6)).to_table())
    assert not (tmp_path / "pieces").exists()
    again.add(range(8, 10), make_rows(range(8, 10)).to_table())
    write_store(tmp_path / "whole")
    assert FeatureStore.open(tmp_path).fingerprint == FeatureStore.open(tmp_path / "whole").fingerprint


def test_a_folder_without_a_store_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="synthesize"):
        FeatureStore.open(tmp_path / "nothing")
    (tmp_path / "store.json").write_text("{}")
    with pytest.raises(DataError, match="damaged"):
        FeatureStore.open(tmp_path)


def test_a_model_is_known_by_its_files(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"1")
    first = fingerprint_model(f"local-dir:{tmp_path}")
    assert fingerprint_model(str(tmp_path)) == first
    (tmp_path / "model.safetensors").write_bytes(b"2")
    assert fingerprint_model(str(tmp_path)) != first
    assert fingerprint_model("facebook/detr-resnet-50") == "facebook/detr-resnet-50"


def test_a_large_store_is_mapped_and_equal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = write_store(tmp_path)
    small = FeatureStore.open(tmp_path)
    monkeypatch.setattr(store_module, "LARGE_BYTES", 0)
    large = FeatureStore.open(tmp_path)
    assert (small.is_large, large.is_large) == (False, True)
    assert large.fingerprint == small.fingerprint
    assert (large.captions, large.tags, large.seeds) == (small.captions, small.tags, small.seeds)
    for column in ("text_features", "image_features"):
        assert isinstance(getattr(large, column), np.memmap)
        np.testing.assert_array_equal(getattr(large, column), getattr(small, column))
        np.testing.assert_array_equal(getattr(large.head(5), column), getattr(small.head(5), column))
    assert large.head(5).fingerprint == small.head(5).fingerprint
    assert large.take([9, 0, 9]).captions == [CAPTIONS[9], CAPTIONS[0], CAPTIONS[9]]
    np.testing.assert_array_equal(large.take([9, 0]).text_features, small.take([9, 0]).text_features)
    assert large.take([]).text_features.shape == (0, 8)
    large.text_features[:] = 0  # reaches no file
    np.testing.assert_array_equal(FeatureStore.open(tmp_path).text_features, small.text_features)

    writer.add(range(4, 8), make_rows(range(4, 8), seed=5).to_table())
    again = FeatureStore.open(tmp_path)
    assert not np.array_equal(again.text_features, small.text_features)
    assert len(list(tmp_path.glob("text_feature-*.npy"))) == 1


def test_a_damaged_shard_of_a_large_store_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_store(tmp_path)
    monkeypatch.setattr(store_module, "LARGE_BYTES", 0)
    store = FeatureStore.open(tmp_path)
    path = shard_path(tmp_path, 1)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(bytes(content))
    with pytest.raises(DataError, match="part-00001.parquet is damaged"):
        store.text_features, store.image_features  # noqa: B018 - reading is what fails
    assert not list(tmp_path.glob(".*.tmp"))


def test_features_of_another_clip_are_refused(tmp_path: Path) -> None:
    header = make_header(models={"encoder": "ViT-B-32"}, settings={"pretrained": "openai"})
    FeatureWriter(tmp_path, header).add(range(4), make_rows(range(4)).to_table())
    store = FeatureStore.open(tmp_path, allow_partial=True)
    store.require_encoder(identify_encoder(EncoderSettings(model="ViT-B-32", pretrained="openai")))
    other = identify_encoder(EncoderSettings(model="ViT-B-32", pretrained="laion2b_s34b_b79k"))
    with pytest.raises(
        DataError, match=r"CLIP model ViT-B-32 \(openai\), but the profile's is ViT-B-32 \(laion"
    ):
        store.require_encoder(other)
