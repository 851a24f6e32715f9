"""The whole way from a text or a picture to a caption, on tiny real models."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from syntic import SynTIC, Variant, load_profile
from syntic.errors import Cancelled, CheckpointError, DataError, InputError
from syntic.method import VARIANTS, CaptionModel
from syntic.method.components import Components
from syntic.types import (
    Finished,
    Stage,
    StageFinished,
    StageProgress,
    StageStarted,
    TraceSettings,
)

CPU = torch.device("cpu")
TEXT = "a dog on a bench in the park"


def stages(variant: Variant, is_text: bool) -> list[str]:
    steps = [
        (Stage.GENERATE, is_text),
        (Stage.ENCODE, True),
        (Stage.REFINE, is_text and variant.refine),
        (Stage.PROJECT, variant.project),
        (Stage.DETECT, True),
        (Stage.ATTEND, variant.tags),
        (Stage.DECODE, True),
    ]
    return [stage.value for stage, runs in steps if runs]


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
@pytest.mark.parametrize("kind", ["text", "image"])
def test_every_variant_goes_through_its_stages(tiny_syntic, picture, variant, kind):
    given = {"text": TEXT} if kind == "text" else {"image": picture}
    trace = tiny_syntic(**given, variant=variant.name)
    assert list(trace.seconds) == stages(variant, kind == "text")
    assert trace.settings.variant == variant.name
    assert trace.profile == "tiny"
    assert trace.image.mode == "RGB"
    assert trace.image_feature.shape == (32,)
    assert np.linalg.norm(trace.image_feature) == pytest.approx(1, abs=1e-5)
    assert (trace.refinement is not None) == (kind == "text" and variant.refine)
    assert (trace.projection is not None) == variant.project
    assert (trace.attention is not None) == variant.tags
    assert trace.detections
    assert trace.caption.tokens
    assert trace.caption.text == " ".join(
        token.text for token in trace.caption.tokens if not token.text.startswith("(")
    )


class TestStages:
    """What a stage reports is what the library's functions give for the same input."""

    def test_a_picture_is_encoded_and_projected_without_refinement(self, tiny_syntic, picture):
        trace = tiny_syntic(image=picture, temperature=0.05)
        feature = tiny_syntic.encoder.encode_images([picture])
        torch.testing.assert_close(torch.from_numpy(trace.image_feature), feature[0])
        support = tiny_syntic.support_set
        weights = (feature @ support.features.T / 0.05).softmax(dim=1)[0]
        best = weights.topk(10)
        assert trace.projection.top_captions == [support.captions[i] for i in best.indices.tolist()]
        assert trace.projection.top_weights == pytest.approx(best.values.tolist(), rel=1e-3)
        expected = F.normalize(weights @ support.features, dim=0)
        torch.testing.assert_close(torch.from_numpy(trace.projection.feature), expected, atol=1e-5, rtol=0)
        assert trace.projection.effective_captions == pytest.approx(np.exp(trace.projection.entropy))

    def test_the_temperature_is_the_corpus_unless_one_is_given(self, tiny_syntic, picture):
        assert tiny_syntic(image=picture).settings.temperature == 0.01
        assert tiny_syntic(image=picture, temperature=1).settings.temperature == 1.0

    def test_a_text_is_refined_with_the_seeds_batch(self, tiny_syntic):
        trace = tiny_syntic(text=TEXT, refinement_steps=30)
        refinement = trace.refinement
        assert refinement.losses.shape == (30,)
        assert refinement.losses[-1] < refinement.losses[0]
        np.testing.assert_allclose(refinement.trajectory[0], trace.image_feature, atol=1e-6)
        np.testing.assert_allclose(refinement.trajectory[-1], refinement.feature, atol=1e-6)
        text = tiny_syntic.encoder.encode_texts([TEXT])[0].numpy()
        assert refinement.feature @ text > trace.image_feature @ text
        again = tiny_syntic(text=TEXT, refinement_steps=30)
        np.testing.assert_array_equal(again.refinement.feature, refinement.feature)
        np.testing.assert_array_equal(np.asarray(again.image), np.asarray(trace.image))
        other = tiny_syntic(text=TEXT, refinement_steps=30, seed=1)
        assert not np.array_equal(other.refinement.losses, refinement.losses)
        assert not np.array_equal(np.asarray(other.image), np.asarray(trace.image))

    def test_no_refinement_steps_is_no_refinement(self, tiny_syntic):
        trace = tiny_syntic(text=TEXT, refinement_steps=0)
        assert trace.refinement is None
        assert "refine" not in trace.seconds

    def test_attention_is_over_the_distinct_labels(self, tiny_syntic, picture):
        trace = tiny_syntic(image=picture)
        assert sorted(trace.attention.tags) == sorted({d.label for d in trace.detections})
        assert trace.attention.weights.shape == (4, len(trace.attention.tags))
        np.testing.assert_allclose(trace.attention.weights.sum(axis=1), 1, atol=1e-5)

    def test_a_picture_without_objects_attends_to_nothing(self, tiny_profile, picture):
        blind = dataclasses.replace(
            tiny_profile, detector=dataclasses.replace(tiny_profile.detector, threshold=1.0)
        )
        trace = SynTIC.from_profile(blind, device=CPU)(image=picture)
        assert trace.detections == []
        assert trace.attention.tags == ["(nothing)"]
        np.testing.assert_allclose(trace.attention.weights, np.ones((4, 1)))

    def test_beams_are_shown_best_first(self, tiny_syntic, picture):
        trace = tiny_syntic(image=picture, decoding="beam", beam_size=3)
        scores = [score for _, score in trace.caption.beams]
        assert len(scores) == 3
        assert scores == sorted(scores, reverse=True)
        assert trace.caption.beams[0][0] == trace.caption.text
        assert len(tiny_syntic(image=picture).caption.beams) == 1

    def test_the_decoder_sees_v_and_the_query_before_projection(self, tiny_syntic, picture, monkeypatch):
        model = tiny_syntic.model
        seen = []
        prefix = type(model).prefix
        monkeypatch.setattr(
            type(model), "prefix", lambda self, *rest: seen.append(rest) or prefix(self, *rest)
        )
        trace = tiny_syntic(image=picture)
        (features, query, tag_features, tag_mask) = seen[0]
        np.testing.assert_array_equal(features[0].numpy(), trace.projection.feature)
        np.testing.assert_array_equal(query[0].numpy(), trace.image_feature)
        labels = tiny_syntic.encoder.encode_texts(trace.attention.tags)
        torch.testing.assert_close(tag_features[0], labels)
        assert tag_mask.all()


class TestStream:
    def test_events_come_in_order_each_with_all_that_is_known(self, tiny_syntic):
        events = list(tiny_syntic.stream(text=TEXT))
        order = [event.stage for event in events if isinstance(event, StageFinished)]
        assert [stage.value for stage in order] == stages(Variant.parse("syntic"), True)
        finished = {event.stage: event.trace for event in events if isinstance(event, StageFinished)}
        assert finished[Stage.GENERATE].image is not None
        assert finished[Stage.GENERATE].image_feature is None
        assert list(finished[Stage.ENCODE].seconds) == ["generate", "encode"]
        assert finished[Stage.PROJECT].projection is not None
        assert finished[Stage.PROJECT].detections is None
        assert isinstance(events[-1], Finished)
        assert events[-1].trace.caption is not None
        for stage in order:
            of_stage = [type(e) for e in events if not isinstance(e, Finished) and e.stage == stage]
            assert of_stage[0] is StageStarted
            assert of_stage[-1] is StageFinished

    def test_generation_and_refinement_report_their_steps(self, tiny_syntic):
        events = list(tiny_syntic.stream(text=TEXT))
        steps = [e for e in events if isinstance(e, StageProgress)]
        generated = [(e.step, e.total) for e in steps if e.stage == Stage.GENERATE]
        assert generated == [(1, 3), (2, 3), (3, 3)]
        assert any(e.preview is not None for e in steps if e.stage == Stage.GENERATE)
        refined = [e.step for e in steps if e.stage == Stage.REFINE]
        assert refined == sorted(set(refined))
        assert refined[-1] == 20
        assert len(refined) <= 21

    def test_it_ends_in_the_same_trace_as_a_call(self, tiny_syntic, picture):
        settings = TraceSettings(variant="fp+af", decoding="beam", beam_size=2, refinement_steps=20)
        *_, last = tiny_syntic.stream(image=picture, settings=settings)
        called = tiny_syntic(image=picture, variant="fp+af", decoding="beam", beam_size=2)
        assert last.trace.caption == called.caption
        assert last.trace.settings == called.settings

    @pytest.mark.parametrize("stage", [Stage.GENERATE, Stage.REFINE])
    def test_it_stops_within_a_stage(self, tiny_syntic, stage):
        stop = threading.Event()
        seen = []
        settings = TraceSettings(refinement_steps=2000)
        stream = tiny_syntic.stream(text=TEXT, settings=settings, should_stop=stop.is_set)

        def read() -> None:
            for event in stream:
                seen.append(event)
                if isinstance(event, StageProgress) and event.stage == stage:
                    stop.set()

        with pytest.raises(Cancelled, match="stopped"):
            read()
        assert not any(isinstance(e, StageFinished) and e.stage == Stage.DECODE for e in seen)
        assert tiny_syntic(text="a dog").caption is not None  # the models are as good as before

    @pytest.mark.parametrize("stage", list(Stage))
    def test_a_stop_in_any_stage_ends_it_within_a_step_or_before_the_next_stage(self, tiny_syntic, stage):
        seen = []

        def is_in_the_stage() -> bool:
            return any(isinstance(event, StageStarted) and event.stage == stage for event in seen)

        settings = TraceSettings(refinement_steps=20)
        run = tiny_syntic._prepare(TEXT, None, settings, seen.append, is_in_the_stage)
        with pytest.raises(Cancelled, match="stopped"):
            run.run()
        has_steps = stage in (Stage.GENERATE, Stage.REFINE, Stage.DECODE)
        assert type(seen[-1]) is (StageStarted if has_steps else StageFinished)
        assert seen[-1].stage == stage

    def test_closing_the_stream_stops_the_work(self, tiny_syntic):
        before = threading.active_count()
        stream = tiny_syntic.stream(text=TEXT, settings=TraceSettings(refinement_steps=2000))
        next(stream)
        stream.close()
        assert threading.active_count() == before

    def test_nothing_starts_before_the_first_event_is_asked_for(self, tiny_syntic):
        before = threading.active_count()
        stream = tiny_syntic.stream(text=TEXT)
        time.sleep(0.05)
        assert threading.active_count() == before
        del stream

    def test_an_error_in_the_work_reaches_the_reader(self, tiny_profile, tmp_path, picture):
        corpora = {"everyday": dataclasses.replace(tiny_profile.corpora["everyday"], decoders=tmp_path)}
        broken = SynTIC.from_profile(dataclasses.replace(tiny_profile, corpora=corpora), device=CPU)
        with pytest.raises(CheckpointError, match="syntic train"):
            list(broken.stream(image=picture))


class TestInput:
    """Refused before any work: nothing is loaded for it."""

    @pytest.fixture
    def unloaded(self, tiny_profile) -> SynTIC:
        return SynTIC.from_profile(tiny_profile, device=CPU)

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({}, "either a text or a picture"),
            ({"text": "a dog", "image": Image.new("RGB", (20, 20))}, "either a text or a picture"),
            ({"text": " \n "}, "empty"),
            ({"text": "dog " * 78}, "78 words; write at most 77"),
            ({"text": "d" * 1001}, "1001 characters; write at most 1000"),
            ({"text": 7}, "string"),
            ({"image": Image.new("RGB", (100, 7))}, "100 x 7 pixels"),
            ({"image": "no/such/file.png"}, "no picture 'file.png'"),
            ({"text": "a", "temperature": 0}, "temperature.*above 0.*0"),
            ({"text": "a", "temperature": -0.5}, "-0.5"),
            ({"text": "a", "temperature": float("nan")}, "nan"),
            ({"text": "a", "temperature": "warm"}, "'warm'"),
            ({"text": "a", "variant": "fo+fp"}, r"no variant 'fo\+fp'"),
            ({"text": "a", "corpus": "people"}, "no corpus 'people'; it has: everyday"),
            ({"text": "a", "decoding": "sampling"}, "'sampling'.*greedy, beam"),
            ({"text": "a", "beam_size": 0}, r"beam_size.*1\.\.10.*0"),
            ({"text": "a", "refinement_steps": 2001}, r"0\.\.2000.*2001"),
            ({"text": "a", "refinement_steps": 1.5}, "whole number"),
            ({"text": "a", "seed": -1}, "seed"),
            (
                {"text": "a", "temprature": 1},
                "no setting 'temprature'; the settings are variant, corpus, temperature",
            ),
        ],
    )
    def test_it_is_refused_in_one_sentence(self, unloaded, given, message):
        with pytest.raises(InputError, match=message) as refused:
            unloaded(**given)
        assert refused.value.detail.endswith(".")
        assert not unloaded.components._loaded

    def test_a_stream_refuses_at_once_and_not_at_its_first_event(self, unloaded):
        with pytest.raises(InputError, match="empty"):
            unloaded.stream(text="")

    def test_spaces_in_a_text_are_collapsed(self, tiny_syntic):
        assert tiny_syntic(text="  a \n dog\t").text == "a dog"

    def test_any_language_and_sign_is_taken(self, tiny_syntic):
        for text in ("один собака 🐶", "狗", "<script>alert(1)</script>", "a" * 1000):
            assert tiny_syntic(text=text, refinement_steps=1).text == text

    def test_a_path_bytes_or_an_image_are_the_same_picture(self, tiny_syntic, picture, tmp_path):
        path = tmp_path / "picture.png"
        picture.save(path)
        captions = {
            tiny_syntic(image=given).caption.text for given in (picture, path, str(path), path.read_bytes())
        }
        assert len(captions) == 1


class TestComponents:
    def test_pictures_are_captioned_without_the_generator(self, tiny_profile, tmp_path, picture):
        generator = dataclasses.replace(tiny_profile.generator, model=str(tmp_path / "nothing"))
        profile = dataclasses.replace(tiny_profile, generator=generator)
        syntic = SynTIC.from_profile(profile, device=CPU)
        assert syntic(image=picture).caption is not None
        with pytest.raises(CheckpointError, match="no generator at .*nothing.*emoji pretrain generator"):
            syntic(text="a dog")

    def test_pipelines_share_what_is_loaded(self, tiny_profile):
        components = Components.load(tiny_profile, CPU)
        one, other = SynTIC(components), SynTIC(components, Variant.parse("fp"))
        assert one.encoder is other.encoder
        assert one.detector is other.detector
        assert one.generator is other.generator
        assert one.support_set is other.support_set
        assert one.model is not other.model
        assert one.model is components.captioner("everyday", one.variant)
        assert components.captioner_details("everyday", one.variant)["profile"] == "tiny"

    def test_a_newly_trained_decoder_is_taken_up_after_forget(self, tiny_profile):
        components = Components.load(tiny_profile, CPU)
        variant = Variant.parse("fp")
        before = components.captioner("everyday", variant)
        components.forget_captioner("everyday", variant)
        assert components.captioner("everyday", variant) is not before

    def test_labels_are_encoded_once(self, tiny_profile, monkeypatch):
        components = Components.load(tiny_profile, CPU)
        encoded = []
        encode = type(components.encoder).encode_texts
        monkeypatch.setattr(
            type(components.encoder),
            "encode_texts",
            lambda self, texts: encoded.append(texts) or encode(self, texts),
        )
        first = components.tag_features(["dog", "cat"])
        second = components.tag_features(["cat", "bench", "dog"])
        assert encoded == [["dog", "cat"], ["bench"]]
        torch.testing.assert_close(first[1], second[0])
        assert components.tag_features([]).shape == (0, 32)

    def test_a_decoder_of_another_clip_is_refused(self, tiny_profile, tmp_path):
        from syntic.method import CaptionModel, load_checkpoint, save_checkpoint

        variant = Variant.parse("fp")
        model, _ = load_checkpoint(tiny_profile.corpora["everyday"].decoders / "fp", "tiny")
        config = dataclasses.replace(model.config, feature_width=64)
        save_checkpoint(tmp_path / "fp", CaptionModel(variant, config), {"profile": "tiny"})
        corpora = {"everyday": dataclasses.replace(tiny_profile.corpora["everyday"], decoders=tmp_path)}
        components = Components.load(dataclasses.replace(tiny_profile, corpora=corpora), CPU)
        with pytest.raises(CheckpointError, match="another CLIP model"):
            components.captioner("everyday", variant)

    def test_what_other_weights_of_clip_made_is_refused(self, tiny_profile, tmp_path):
        """Of the same sizes: only what is written beside features and decoders tells them apart."""
        from syntic.method import load_checkpoint, save_checkpoint

        corpus = tiny_profile.corpora["everyday"]
        shutil.copytree(corpus.features, tmp_path / "features")
        header = json.loads((tmp_path / "features" / "store.json").read_text())
        header["models"]["encoder"] = "another"
        (tmp_path / "features" / "store.json").write_text(json.dumps(header))
        model, _ = load_checkpoint(corpus.decoders / "fp", "tiny")
        save_checkpoint(tmp_path / "fp", model, {"profile": "tiny", "encoder": "another"})
        older = {"profile": "tiny", "store": {"models": {"encoder": "another"}}}
        save_checkpoint(tmp_path / "baseline", CaptionModel(Variant.parse("baseline"), model.config), older)
        corpus = dataclasses.replace(corpus, features=tmp_path / "features", decoders=tmp_path)
        components = Components.load(dataclasses.replace(tiny_profile, corpora={"everyday": corpus}), CPU)
        with pytest.raises(DataError, match=r"made with the CLIP model another.*synthesize them again"):
            components.support_set("everyday")
        for name in ("fp", "baseline"):
            with pytest.raises(CheckpointError, match=r"trained with the CLIP model another.*train it again"):
                components.captioner("everyday", Variant.parse(name))

    def test_the_default_corpus_is_the_profiles_first(self, tiny_profile):
        assert SynTIC.from_profile(tiny_profile, device=CPU).corpus == "everyday"
        assert SynTIC.from_profile(load_profile("paper"), device=CPU).settings.corpus == "coco"
        with pytest.raises(InputError, match="no corpus 'web'"):
            SynTIC.from_profile(tiny_profile, corpus="web", device=CPU)


def test_import_syntic_is_fast_and_light():
    code = (
        "import sys, syntic; print(syntic.__version__, *({'torch', 'diffusers', 'PIL'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0.1.0"]


def test_an_unknown_name_is_an_attribute_error():
    import syntic

    with pytest.raises(AttributeError, match="no attribute 'SynTic'"):
        _ = syntic.SynTic
    assert set(syntic.__all__) <= set(dir(syntic))
