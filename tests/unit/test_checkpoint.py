"""Decoders on disk: what is written comes back, and what does not fit is refused."""

from __future__ import annotations

import json

import pytest
import torch

from syntic.errors import CheckpointError
from syntic.method import VARIANTS, CaptionModel, DecoderConfig, load_checkpoint, save_checkpoint

CONFIG = DecoderConfig(
    feature_width=16, vocabulary_size=30, start_id=28, end_id=29, pad_id=27, width=32, layers=2, heads=2
)


@pytest.fixture
def model() -> CaptionModel:
    return CaptionModel(VARIANTS[-1], CONFIG, tag_heads=4).eval()


def arguments():
    return torch.randn(2, 16), torch.randn(2, 16), torch.randn(2, 3, 16), torch.ones(2, 3, dtype=torch.bool)


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_a_model_comes_back_as_it_was(tmp_path, variant):
    model = CaptionModel(variant, CONFIG, tag_heads=4).eval()
    path = tmp_path / "decoders" / variant.name
    save_checkpoint(path, model, {"profile": "emoji", "seed": 7, "settings": {"epochs": 2}})
    loaded, sidecar = load_checkpoint(path, "emoji")
    assert loaded.variant == variant
    assert loaded.config == model.config
    assert not loaded.training
    assert (sidecar["seed"], sidecar["settings"], sidecar["variant"]) == (7, {"epochs": 2}, variant.name)
    state = loaded.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert sorted(p.name for p in path.parent.iterdir()) == [
        f"{variant.name}.json",
        f"{variant.name}.safetensors",
    ]


def test_an_image_prefix_comes_back_and_older_files_have_none(tmp_path):
    model = CaptionModel(VARIANTS[-1], CONFIG, tag_heads=4, image_prefix=True).eval()
    save_checkpoint(tmp_path / "syntic", model, {"profile": "emoji"})
    assert load_checkpoint(tmp_path / "syntic", "emoji")[0].image_prefix
    path = tmp_path / "older.json"
    save_checkpoint(tmp_path / "older", CaptionModel(VARIANTS[-1], CONFIG, tag_heads=4), {"profile": "emoji"})
    sidecar = json.loads(path.read_text())
    assert sidecar.pop("image_prefix") is False
    path.write_text(json.dumps(sidecar))
    assert not load_checkpoint(tmp_path / "older", "emoji")[0].image_prefix


def test_half_precision_halves_the_file_and_keeps_the_captions(tmp_path, model):
    save_checkpoint(tmp_path / "full", model, {"profile": "emoji"})
    save_checkpoint(tmp_path / "half", model, {"profile": "emoji"}, dtype=torch.float16)
    sizes = [(tmp_path / f"{name}.safetensors").stat().st_size for name in ("full", "half")]
    assert sizes[1] < 0.55 * sizes[0]
    loaded, _ = load_checkpoint(tmp_path / "half", "emoji")
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}
    features = arguments()
    torch.testing.assert_close(loaded.prefix(*features), model.prefix(*features), atol=1e-3, rtol=0)


def test_another_profiles_decoder_is_refused(tmp_path, model):
    save_checkpoint(tmp_path / "syntic", model, {"profile": "paper"})
    with pytest.raises(CheckpointError, match="profile 'paper', not 'emoji'.*syntic train"):
        load_checkpoint(tmp_path / "syntic", "emoji")
    with pytest.raises(CheckpointError, match="profile"):
        save_checkpoint(tmp_path / "nameless", model, {})


def test_what_is_missing_or_damaged_is_said(tmp_path, model):
    path = tmp_path / "syntic"
    with pytest.raises(CheckpointError, match="no .*syntic.json.*syntic train"):
        load_checkpoint(path, "emoji")
    save_checkpoint(path, model, {"profile": "emoji"})
    weights, sidecar = path.with_suffix(".safetensors"), path.with_suffix(".json")
    data, described = weights.read_bytes(), json.loads(sidecar.read_text())

    weights.write_bytes(data[:-10])
    with pytest.raises(CheckpointError, match="damaged"):
        load_checkpoint(path, "emoji")
    weights.unlink()
    with pytest.raises(CheckpointError, match="missing"):
        load_checkpoint(path, "emoji")
    weights.write_bytes(data)

    for change in ({"format": 99}, {"variant": "other"}, {"decoder": {}}, {"tag_heads": 3}):
        sidecar.write_text(json.dumps({**described, **change}))
        with pytest.raises(CheckpointError):
            load_checkpoint(path, "emoji")
    sidecar.write_text("{")
    with pytest.raises(CheckpointError, match="not valid JSON"):
        load_checkpoint(path, "emoji")


def test_a_failed_write_leaves_the_old_checkpoint(tmp_path, model, monkeypatch):
    path = tmp_path / "syntic"
    save_checkpoint(path, model, {"profile": "emoji", "seed": 1})

    def full_disk(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(Exception, match="disk is full"):
        save_checkpoint(
            path, CaptionModel(VARIANTS[-1], CONFIG, tag_heads=4), {"profile": "emoji", "seed": 2}
        )
    assert load_checkpoint(path, "emoji")[1]["seed"] == 1
    assert len(list(tmp_path.iterdir())) == 2
