"""Table 4 and what it is made of, on the tiny profile; its decoders have random weights."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch

from syntic.data.images import load_image
from syntic.errors import CheckpointError, DataError
from syntic.evaluation import (
    caption_images,
    encode_for,
    encode_pictures,
    evaluate,
    measure_stages,
    metrics,
    open_test_set,
    table4,
)
from syntic.evaluation.experiments import Table4, Table4Row, bootstrap
from syntic.evaluation.metrics import Scores
from syntic.evaluation.published import FIGURE2, TABLE1, TABLE2, TABLE3, TABLE4
from syntic.evaluation.scoring import Evaluation
from syntic.method import VARIANTS, Variant

needs_java = pytest.mark.skipif(not metrics.java_available(), reason="there is no Java")


@pytest.fixture
def components(tiny_syntic):
    return tiny_syntic.components


@pytest.fixture
def test_set(tiny_profile):
    return open_test_set(tiny_profile, "everyday")


def make_table(ciders: list[float], noise: float = 0.0) -> Table4:
    random = np.random.default_rng(0)
    rows = [
        Table4Row(
            evaluation=Evaluation(
                system=variant.name,
                corpus="everyday",
                test_set="everyday",
                decoding="greedy",
                scores=Scores(
                    bleu4=10,
                    meteor=20,
                    rouge_l=30,
                    cider=cider,
                    cider_each=tuple(random.normal(cider, noise, 200)),
                ),
                captions={"0000": "a dog"},
                seconds=0.1,
            ),
            checkpoint={"seed": 0},
            paper=paper.scores["MSCOCO"],
        )
        for variant, paper, cider in zip(VARIANTS, TABLE4, ciders, strict=True)
    ]
    return Table4(
        profile="tiny",
        corpus="everyday",
        test_set="everyday",
        pictures=1,
        rows=rows,
        references_hash="",
        date="",
    )


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
@pytest.mark.parametrize("decoding", ["greedy", "beam"])
def test_batches_give_the_captions_of_the_pipeline(variant, decoding, tiny_syntic, test_set):
    together = caption_images(
        tiny_syntic.components,
        test_set.images,
        corpus="everyday",
        variant=variant,
        decoding=decoding,
        beam_size=3,
    )
    one_by_one = [
        tiny_syntic(image=path, variant=variant.name, decoding=decoding, beam_size=3).caption.text
        for path in test_set.images
    ]
    assert together == one_by_one


def test_no_pictures_give_no_captions(components):
    assert caption_images(components, [], corpus="everyday", variant=Variant.parse("syntic")) == []


def test_encoded_pictures_are_kept_until_a_picture_changes(components, test_set, tmp_path, monkeypatch):
    first = encode_for(components, test_set, cache=tmp_path)
    assert first.names == test_set.names
    plain = encode_pictures(test_set.images, components.encoder, components.detector, names=test_set.names)
    assert torch.equal(first.features, plain.features)
    assert first.tags == plain.tags
    detections = components.detector.detect([load_image(test_set.images[0])])[0]
    assert set(first.tags[0]) == {detection.label for detection in detections}

    (cached,) = tmp_path.iterdir()
    monkeypatch.setattr(components.encoder, "encode_images", lambda images: pytest.fail("encoded again"))
    second = encode_for(components, test_set, cache=tmp_path)
    assert torch.equal(first.features, second.features)
    assert second.tags == first.tags
    monkeypatch.undo()
    encode_for(components, test_set.head(2), cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
    cached.write_bytes(b"damaged")
    assert torch.equal(encode_for(components, test_set, cache=tmp_path).features, first.features)


@pytest.mark.java
@needs_java
def test_an_evaluation_scores_the_captions_it_keeps(components, test_set):
    pictures = encode_for(components, test_set)
    (evaluation,) = evaluate(
        components,
        pictures,
        test_set.references,
        corpus="everyday",
        variants=[Variant.parse("fp")],
        test_set="everyday",
    )
    assert evaluation.system == "fp"
    assert list(evaluation.captions) == test_set.names
    assert evaluation.scores == metrics.score(test_set.references, evaluation.captions)


@pytest.mark.java
@needs_java
def test_table4_evaluates_the_eight_variants_and_saves_them(components, test_set, tmp_path):
    told: list[str] = []
    table = table4(
        components,
        test_set,
        corpus="everyday",
        test_set_name="everyday",
        on_captioned=lambda variant: told.append(variant.name),
    )
    assert told == [variant.name for variant in VARIANTS]
    table.save(tmp_path / "table4.json")
    saved = json.loads((tmp_path / "table4.json").read_text())
    captions = json.loads((tmp_path / "table4-captions.json").read_text())
    assert [row["variant"] for row in saved["rows"]] == told
    assert saved["pictures"] == 4
    again = metrics.score_systems(test_set.references, captions)
    for row in saved["rows"]:
        assert row["scores"]["cider"] == pytest.approx(again[row["variant"]].cider, abs=0.01)
        assert row["scores"]["meteor"] == pytest.approx(again[row["variant"]].meteor, abs=0.01)
        assert row["checkpoint"]["seed"] == 0
        assert row["checkpoint"]["weights_sha256"]


def test_a_missing_decoder_is_named_before_any_work(tiny_profile, tmp_path, test_set):
    from syntic.method.components import Components

    corpus = dataclasses.replace(tiny_profile.corpora["everyday"], decoders=tmp_path)
    profile = dataclasses.replace(tiny_profile, corpora={"everyday": corpus})
    with pytest.raises(CheckpointError, match="baseline"):
        table4(
            Components(profile, torch.device("cpu")), test_set, corpus="everyday", test_set_name="everyday"
        )


def test_the_table_names_what_the_paper_orders_otherwise():
    theirs = [row.scores["MSCOCO"].cider for row in TABLE4]
    assert make_table(theirs).differing_orders() == []
    assert "all 28 pairs" in make_table(theirs).to_markdown()
    swapped = [*theirs[:-2], theirs[-1], theirs[-2]]
    table = make_table(swapped)
    assert table.differing_orders() == [("syntic", "fp+af")]
    assert json.loads(table.to_json())["differing_orders"] == [["syntic", "fp+af"]]
    text = table.to_markdown()
    assert "| baseline | 10.0 / 25.1 | 20.0 / 23.8 | 30.0 / 49.4 | 88.5 / 88.5 |" in text
    assert "1 of 28 pairs are ordered otherwise; the paper has syntic over fp+af" in text
    assert table.clear_orders() == table.differing_orders()
    assert "Beyond chance, by a paired bootstrap over the pictures: syntic over fp+af." in text
    noisy = make_table(swapped, noise=50.0)
    assert noisy.clear_orders() == []
    assert noisy.to_markdown().endswith("over the pictures: none.")


def test_the_bootstrap_interval_is_the_means():
    values = np.random.default_rng(1).normal(5, 2, 400)
    low, high = bootstrap(values)
    assert low < values.mean() < high
    assert high - low == pytest.approx(2 * 1.96 * 2 / 20, rel=0.15)
    assert bootstrap([]) == (0.0, 0.0)


def test_the_papers_tables_keep_what_its_text_says():
    assert [row.system for row in TABLE4] == [variant.name for variant in VARIANTS]
    # "Compared with DeCap, which also uses SS1M, SynTIC greatly improves BLEU-4 by 4.4 and CIDEr by 5"
    decap, syntic = TABLE3[-2].scores["MSCOCO"], TABLE3[-1].scores["MSCOCO"]
    assert syntic.bleu4 - decap.bleu4 == pytest.approx(4.4)
    assert syntic.cider - decap.cider == pytest.approx(5)
    # SynTIC's rows of Tables 1, 2 and 4 are the same runs.
    assert TABLE1[-1].scores["MSCOCO"] == TABLE4[-1].scores["MSCOCO"]
    assert TABLE2[-2].scores["MSCOCO -> Flickr30k"] == TABLE4[-1].scores["MSCOCO -> Flickr30k"]
    # In Table 1 it is the best text-only system in every metric but Flickr30k's CIDEr.
    texts = [row for row in TABLE1 if not row.images]
    for group in ("MSCOCO", "Flickr30k"):
        for metric in ("bleu4", "meteor", "rouge_l", "cider", "spice"):
            values = {
                row.system: value
                for row in texts
                if group in row.scores and (value := getattr(row.scores[group], metric)) is not None
            }
            best = max(values, key=values.__getitem__)
            assert best == ("DeCap" if (group, metric) == ("Flickr30k", "cider") else "SynTIC")
    assert FIGURE2 == {"MAGIC": 0.1, "CapDec": 0.6, "DeCap": 0.6}


def test_the_gap_is_measured_at_every_stage(components, test_set):
    stages = measure_stages(components, "everyday", test_set=test_set)
    assert list(stages) == ["generated", "refined", "projected", "random", "real"]
    assert stages["refined"].pair_cosine > stages["generated"].pair_cosine
    assert stages["projected"].centroid_distance < stages["refined"].centroid_distance
    few = measure_stages(components, "everyday", sample=8)
    assert list(few) == ["generated", "refined", "projected", "random"]
    assert abs(few["random"].pair_cosine) < 0.3


def test_an_unknown_test_set_is_refused_with_those_there_are(tiny_profile):
    with pytest.raises(DataError, match="no test set 'coco'; it has: everyday, everyday-validation"):
        open_test_set(tiny_profile, "coco")
