"""Improvements of the training: what a step shows with each, and that only the named ones are on."""

from __future__ import annotations

import json

import pytest
import torch

from syntic.errors import InputError
from syntic.method import Variant
from syntic.method.improvement import IMPROVEMENTS, Improvement
from syntic.training import OptimizerSettings, RunSettings, TrainingFinished, train
from syntic.training.preparation import TrainingData, prepare


def prepared(tiny_syntic, name: str | None, variant: str = "fp+af") -> TrainingData:
    return prepare(
        tiny_syntic.feature_store,
        Variant.parse(variant),
        tiny_syntic.encoder,
        refinement=tiny_syntic.profile.refinement,
        temperature=0.01,
        max_tokens=12,
        improvement=None if name is None else Improvement.parse(name),
    )


def test_text_views_show_the_projected_text_in_some_rows(tiny_syntic):
    data, plain = prepared(tiny_syntic, "text-views"), prepared(tiny_syntic, None)
    rows = torch.arange(len(data)).repeat(40)
    features, query, _, mask, _ = data.batch(rows)
    is_text = (features == data.text_views[rows]).all(dim=1)
    assert is_text.float().mean().item() == pytest.approx(1 / 3, abs=0.05)
    assert torch.equal(features[~is_text], plain.features[rows][~is_text])
    assert torch.equal(query, plain.query[rows])  # the attention over tags still asks with the picture
    assert torch.equal(mask, plain.batch(rows)[3])
    torch.testing.assert_close(data.text_views.norm(dim=1), torch.ones(len(data)))


def test_without_projection_the_text_view_is_the_text_itself(tiny_syntic):
    data = prepared(tiny_syntic, "text-views", "af")
    torch.testing.assert_close(
        data.text_views, torch.from_numpy(tiny_syntic.feature_store.text_features), rtol=0, atol=0
    )


def test_hidden_tags_are_some_of_those_that_are_there():
    improvement, mask = IMPROVEMENTS["hidden-tags"], torch.rand(500, 8) < 0.5
    shown = improvement.hide_tags(mask)
    assert not (shown & ~mask).any()
    assert (shown.sum() / mask.sum()).item() == pytest.approx(0.7, abs=0.05)
    everything = torch.ones(3, 4, dtype=torch.bool)
    assert torch.equal(Improvement(name="none", summary="").hide_tags(everything), everything)


@pytest.mark.parametrize("name", IMPROVEMENTS)
def test_each_trains_and_says_so_in_its_checkpoint(name, tiny_syntic, tmp_path):
    settings = RunSettings(
        profile="tiny",
        improvement=name,
        optimizer=OptimizerSettings(steps=2, batch_size=8),
        out=tmp_path / "decoder",
        work=tmp_path / "runs",
    )
    *_, last = train(
        settings,
        profile=tiny_syntic.profile,
        store=tiny_syntic.feature_store,
        text_model=tiny_syntic.encoder,
    )
    assert isinstance(last, TrainingFinished)
    sidecar = json.loads((tmp_path / "decoder.json").read_text())
    assert sidecar["settings"]["improvement"] == name
    assert sidecar["variant"] == "syntic"
    assert sidecar["image_prefix"] == name.startswith("image-prefix")
    assert settings.decoder_name == f"syntic-{name}"


def test_a_run_without_one_is_described_as_before():
    assert "improvement" not in RunSettings().to_dict()


def test_what_cannot_be_improved_is_refused():
    with pytest.raises(InputError, match="no improvement 'more'; choose one of text-views, hidden-tags"):
        RunSettings(improvement="more")
    with pytest.raises(InputError, match="for SynTIC's variants, not for 'decap'"):
        RunSettings(improvement="text-views", system="decap")
    with pytest.raises(InputError, match="hides tags, but the variant 'fp' has none"):
        RunSettings(improvement="hidden-tags", variant="fp")
    with pytest.raises(InputError, match="the variant 'af' has no projection and reads that feature anyway"):
        RunSettings(improvement="image-prefix", variant="af")
    with pytest.raises(InputError, match=r"`text_share` must lie in 0\.\.1"):
        Improvement(name="x", summary="", text_share=1.0)
