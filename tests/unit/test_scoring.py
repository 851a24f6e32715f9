"""What every experiment is made of, on the tiny profile; its decoders have random weights."""

from __future__ import annotations

import pytest
import torch

from syntic.data.images import load_image
from syntic.errors import DataError, InputError
from syntic.evaluation import (
    caption_images,
    clip_scores,
    encode_for,
    encode_pictures,
    evaluate,
    measure_stages,
    metrics,
    open_test_set,
)
from syntic.evaluation.published import FIGURE2, PAPER_NAMES, TABLE1, TABLE2, TABLE3, TABLE4, find
from syntic.method import VARIANTS, Variant

needs_java = pytest.mark.skipif(not metrics.java_available(), reason="there is no Java")


@pytest.fixture
def components(tiny_syntic):
    return tiny_syntic.components


@pytest.fixture
def test_set(tiny_profile):
    return open_test_set(tiny_profile, "everyday")


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


def test_the_papers_numbers_are_found_by_our_names():
    names = {row.system for table in (TABLE1, TABLE2, TABLE3) for row in table}
    assert names == set(PAPER_NAMES.values())
    assert find(TABLE1, "esper-style", "MSCOCO").cider == 78.2
    assert find(TABLE1, "close", "Flickr30k") is None
    assert find(TABLE2, "syntic-tt", "Flickr30k -> MSCOCO").cider == 64.4
    assert find(TABLE3, "decap", "MSCOCO", "SS1M").cider == 50.6
    assert find(TABLE3, "clipre", "MSCOCO", "SS1M") is None  # the paper's is from CC3M
    assert find(TABLE3, "zerocap", "MSCOCO", "SS1M").cider == 14.6
    assert find(TABLE4, "fp+af", "MSCOCO").meteor == 26.0
    assert find(TABLE4, "decap", "MSCOCO") is None


def test_clip_score_is_the_weighted_cosine(components, test_set):
    pictures = encode_for(components, test_set)
    captions = [test_set.references[name][0] for name in test_set.names]
    references = [test_set.references[name] for name in test_set.names]
    scores = clip_scores(pictures.features, captions, references, components.encoder)
    cosines = (pictures.features * components.encoder.encode_texts(captions)).sum(dim=1).clamp(min=0)
    assert scores["clip_score"] == pytest.approx(250 * cosines.mean().item(), abs=1e-3)
    each = 2.5 * cosines  # a caption that is a reference is as near to one as can be
    harmonic = (2 * each / (each + 1)).mean().item()
    assert scores["ref_clip_score"] == pytest.approx(100 * harmonic, abs=1e-2)
    with pytest.raises(InputError, match="4 pictures, 1 captions"):
        clip_scores(pictures.features, captions[:1], references, components.encoder)


def test_spice_says_what_it_lacks(tmp_path, monkeypatch):
    monkeypatch.setattr(metrics, "java_available", lambda: True)
    monkeypatch.setattr(metrics, "_spice_folder", lambda: tmp_path)
    (tmp_path / "lib").mkdir()
    assert "stanford-corenlp-3.6.0-models.jar" in metrics.spice_missing()
    for name in ("stanford-corenlp-3.6.0.jar", "stanford-corenlp-3.6.0-models.jar"):
        (tmp_path / "lib" / name).touch()
    assert metrics.spice_missing() is None
    monkeypatch.setattr(metrics, "java_available", lambda: False)
    assert "Java" in metrics.spice_missing()


def test_the_gap_is_measured_at_every_stage(components, test_set):
    stages = measure_stages(components, "everyday", test_set=test_set)
    assert list(stages) == ["generated", "refined", "projected", "random", "real"]
    assert stages["refined"].pair_cosine > stages["generated"].pair_cosine
    assert stages["projected"].centroid_distance < stages["refined"].centroid_distance
    generated, refined = stages["generated"], stages["refined"]
    texts = len(components.feature_store("everyday"))
    assert all(1 <= stage.effective_texts <= texts for stage in (generated, refined))
    assert 0 < generated.own_weight < refined.own_weight <= 1, "Eq. 2 draws a picture to its own caption"
    assert 1 <= stages["real"].effective_texts <= texts
    for stage in ("real", "projected", "random"):
        assert stages[stage].own_weight is None, stage
    few = measure_stages(components, "everyday", sample=8)
    assert list(few) == ["generated", "refined", "projected", "random"]
    assert abs(few["random"].pair_cosine) < 0.3


def test_an_unknown_test_set_is_refused_with_those_there_are(tiny_profile):
    with pytest.raises(DataError, match="no test set 'coco'; it has: everyday, everyday-validation"):
        open_test_set(tiny_profile, "coco")
