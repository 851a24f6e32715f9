"""The three libraries' loading calls, on tiny real models in the libraries' own formats."""

from __future__ import annotations

import dataclasses
import json
import logging
import shutil
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from tiny_models import LABELS, draw_picture, register_clip_by_name

from syntic.errors import Cancelled, CheckpointError, ShapeError
from syntic.models import ClipEncoder, Detector, Generator
from syntic.models.encoder import reads_forward
from syntic.models.generator import redraw_seed
from syntic.profiles.profile import DetectorSettings, EncoderSettings, GeneratorSettings

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def encoder(tiny_profile) -> ClipEncoder:
    return ClipEncoder.from_settings(tiny_profile.encoder, CPU)


@pytest.fixture(scope="module")
def generator(tiny_profile) -> Generator:
    return Generator.from_settings(tiny_profile.generator, CPU)


@pytest.fixture(scope="module")
def guarded(tiny_profile) -> tuple[Generator, tuple[int, int]]:
    """A pipeline with Stable Diffusion's safety checker; a seed that it refuses and one that it does not."""
    from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
    from torch.nn import functional as F
    from transformers import CLIPConfig, CLIPImageProcessor

    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    torch.manual_seed(0)
    checker = StableDiffusionSafetyChecker(
        CLIPConfig(
            text_config=sizes, vision_config={**sizes, "image_size": 32, "patch_size": 8}, projection_dim=16
        )
    ).eval()
    processor = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    generator = Generator.from_settings(tiny_profile.generator, CPU)
    seeds = list(range(6))
    seen = seeds + [redraw_seed(seed, 1) for seed in seeds]
    pixels = processor(images=generator.generate(["a dog"] * len(seen), seen), return_tensors="pt")
    with torch.no_grad():
        hidden = checker.vision_model(pixels.pixel_values)[1]
        features = F.normalize(checker.visual_projection(hidden), dim=1)
        concepts = F.normalize(features[: len(seeds)] - features.mean(dim=0), dim=1)
        cosines = concepts @ features.T
        own = cosines.diagonal().clone()
        cosines.fill_diagonal_(-1)
        first = int((own - cosines.amax(dim=1)).argmax())  # the picture least like any other
        checker.special_care_embeds_weights.fill_(2)
        checker.concept_embeds_weights.fill_(2)
        checker.concept_embeds_weights[0] = (own[first] + cosines[first].max()) / 2
        checker.concept_embeds[0] = concepts[first]
    generator.pipeline.register_modules(safety_checker=checker, feature_extractor=processor)
    return generator, (seeds[first], seeds[first - 1])


@pytest.fixture(scope="module")
def detector(tiny_profile) -> Detector:
    return Detector.from_settings(tiny_profile.detector, CPU)


@pytest.fixture(scope="module")
def rt_detector() -> Detector:
    """As the emoji profile's: an RT-DETRv2, which scores each label for itself."""
    from transformers import RTDetrImageProcessor, RTDetrResNetConfig, RTDetrV2Config
    from transformers import RTDetrV2ForObjectDetection as Model

    torch.manual_seed(0)
    backbone = RTDetrResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic", out_features=["stage2"]
    )
    config = RTDetrV2Config(
        backbone_config=backbone,
        encoder_in_channels=[16],
        feat_strides=[8],
        encode_proj_layers=[0],
        encoder_hidden_dim=16,
        encoder_ffn_dim=16,
        encoder_layers=1,
        encoder_attention_heads=2,
        d_model=16,
        num_queries=6,
        decoder_in_channels=[16],
        decoder_n_levels=1,
        num_feature_levels=1,
        decoder_layers=2,
        decoder_attention_heads=2,
        decoder_ffn_dim=16,
        num_labels=3,
    )
    return Detector(Model(config), RTDetrImageProcessor(size={"height": 64, "width": 64}), 0.5, CPU)


@pytest.fixture(scope="module")
def named_encoder(tmp_path_factory) -> ClipEncoder:
    """As the paper's: a model that open_clip knows by its name, with CLIP's own tokenizer."""
    weights = register_clip_by_name(tmp_path_factory.mktemp("named") / "clip", "tiny-clip")
    return ClipEncoder.from_settings(EncoderSettings(model="tiny-clip", pretrained=str(weights)), CPU)


@pytest.fixture(scope="module")
def resnet_encoder(encoder, tiny_profile) -> ClipEncoder:
    """As the emoji profile's: CLIP's own kind of ResNet as the image tower."""
    config = json.loads((Path(tiny_profile.encoder.model[10:]) / "open_clip_config.json").read_text())
    model = config["model_cfg"] | {"vision_cfg": {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8}}
    torch.manual_seed(0)
    return ClipEncoder(open_clip.CLIP(**model), encoder.preprocess, encoder.tokenize, CPU)


class TestEncoder:
    @pytest.mark.parametrize("which", ["encoder", "named_encoder"])
    def test_features_have_unit_norm_and_one_width(self, request, which):
        encoder = request.getfixturevalue(which)
        images = encoder.encode_images([draw_picture(1), draw_picture(2)])
        texts = encoder.encode_texts(["a dog on a bench", "two cats", ""])
        assert images.shape == (2, encoder.width)
        assert texts.shape == (3, encoder.width)
        for features in (images, texts):
            assert features.dtype == torch.float32
            torch.testing.assert_close(features.norm(dim=1), torch.ones(len(features)))
        assert not torch.allclose(images[0], images[1])
        assert not torch.allclose(texts[0], texts[1])

    def test_many_at_once_are_the_same_as_one_by_one(self, encoder, monkeypatch):
        monkeypatch.setattr("syntic.models.encoder.IMAGE_BATCH", 2)
        monkeypatch.setattr("syntic.models.encoder.TEXT_BATCH", 2)
        pictures, texts = (
            [draw_picture(i) for i in range(5)],
            ["a dog", "a cat", "two cats", "a bird", "a bench"],
        )
        one_by_one = torch.cat([encoder.encode_images([picture]) for picture in pictures])
        torch.testing.assert_close(encoder.encode_images(pictures), one_by_one)
        torch.testing.assert_close(
            encoder.encode_texts(texts), torch.cat([encoder.encode_texts([text]) for text in texts])
        )

    def test_nothing_gives_no_rows(self, encoder):
        assert encoder.encode_images([]).shape == (0, encoder.width)
        assert encoder.encode_texts([]).shape == (0, encoder.width)

    def test_a_vision_transformers_grid_is_what_clip_pools(self, encoder):
        pictures = [draw_picture(1), draw_picture(2)]
        grids = encoder.encode_grids(pictures)
        assert grids.shape == (2, 16, 32)  # 32 px in patches of 8
        pixels = torch.stack([encoder.preprocess(picture) for picture in pictures])
        encoder.model.visual.output_tokens = True
        try:
            _, tokens = encoder.model.visual(pixels)
        finally:
            encoder.model.visual.output_tokens = False
        torch.testing.assert_close(grids, tokens)
        assert encoder.encode_grids([]).shape == (0, 16, 32)

    def test_a_resnets_grid_gives_its_feature_when_it_is_pooled(self, resnet_encoder):
        pictures = [draw_picture(1), draw_picture(2)]
        grids = resnet_encoder.encode_grids(pictures)
        assert grids.shape == (2, 1, 8 * 32)  # 32 px, reduced 32 times; four times the last stage's planes
        pooled = resnet_encoder.model.visual.attnpool(grids.transpose(1, 2)[..., None])
        features = torch.nn.functional.normalize(pooled, dim=1)
        torch.testing.assert_close(features, resnet_encoder.encode_images(pictures))

    def test_a_text_longer_than_the_context_is_cut(self, encoder, named_encoder):
        for model in (encoder, named_encoder):
            assert model.encode_texts(["dog " * 200]).shape == (1, model.width)

    @pytest.mark.parametrize("which", ["encoder", "named_encoder", "resnet_encoder"])
    def test_padding_is_not_computed_and_changes_nothing(self, request, which):
        encoder = request.getfixturevalue(which)
        texts = ["a dog", "two cats on a bench", "", "dog " * 200]
        whole = encoder.model.encode_text(encoder.tokenize(texts), normalize=True)
        torch.testing.assert_close(encoder.encode_texts(texts), whole)
        torch.testing.assert_close(encoder.encode_texts(texts[:3]), whole[:3])

    @pytest.mark.parametrize("which", ["encoder", "named_encoder", "resnet_encoder"])
    def test_a_beginning_that_many_texts_share_is_computed_once(self, request, which):
        encoder = request.getfixturevalue(which)
        ends = ["", "dog", "cat", "dog and a cat", "bench", "dog", "bird in the snow"]
        texts = [f"two cats on a bench beside a {end}" for end in ends] + ["a dog", ""]
        whole = encoder.model.encode_text(encoder.tokenize(texts), normalize=True)
        shapes: list[torch.Size] = []
        hook = encoder.model.ln_final if hasattr(encoder.model, "ln_final") else encoder.model.text.ln_final
        handle = hook.register_forward_hook(lambda module, inputs, hidden: shapes.append(hidden.shape))
        torch.testing.assert_close(encoder.encode_texts(texts), whole)
        handle.remove()
        assert shapes[0][0] == 1
        assert shapes[0][1] < int((encoder.tokenize(texts) != 0).sum()) / 2

    def test_a_text_tower_that_looks_both_ways_reads_the_padding_too(self, encoder, tiny_profile):
        config = json.loads((Path(tiny_profile.encoder.model[10:]) / "open_clip_config.json").read_text())
        model = config["model_cfg"] | {"text_cfg": config["model_cfg"]["text_cfg"] | {"no_causal_mask": True}}
        model.pop("custom_text", None)
        torch.manual_seed(0)
        both_ways = ClipEncoder(open_clip.CustomTextCLIP(**model), encoder.preprocess, encoder.tokenize, CPU)
        tokens = encoder.tokenize(["a dog"])
        whole = both_ways.model.encode_text(tokens, normalize=True)
        torch.testing.assert_close(both_ways.encode_texts(["a dog"]), whole)
        assert not reads_forward(both_ways.model)

    def test_features_can_be_trained_on(self, encoder):
        layer = torch.nn.Linear(encoder.width, 1)
        layer(encoder.encode_texts(["a dog"])).sum().backward()
        assert not any(p.requires_grad for p in encoder.model.parameters())

    @pytest.mark.parametrize("which", ["encoder", "named_encoder"])
    def test_the_tokenizer_reads_back_what_it_wrote(self, request, which):
        tokenizer = request.getfixturevalue(which).tokenizer
        ids = tokenizer.encode("a dog on a bench")
        assert tokenizer.decode(ids) == "a dog on a bench"
        assert (
            tokenizer.decode([tokenizer.start_id, *ids, tokenizer.end_id, tokenizer.pad_id])
            == "a dog on a bench"
        )
        marks = {tokenizer.start_id, tokenizer.end_id}
        assert len(marks) == 2
        assert not marks & set(ids)
        assert max(*ids, *marks, tokenizer.pad_id) < tokenizer.vocabulary_size

    def test_openais_weights_get_the_activation_they_were_trained_with(self):
        from syntic.models.encoder import _loading_options

        paper = _loading_options(EncoderSettings(model="ViT-B-32", pretrained="openai"))
        laion = _loading_options(EncoderSettings(model="ViT-B-32", pretrained="laion2b_s34b_b79k"))
        assert (paper["force_quick_gelu"], laion["force_quick_gelu"]) == (True, False)

    def test_a_missing_model_is_said(self, tmp_path):
        with pytest.raises(CheckpointError, match="open_clip_config.json"):
            ClipEncoder.from_settings(EncoderSettings(model=f"local-dir:{tmp_path}"), CPU)
        with pytest.raises(CheckpointError, match="pretrained"):
            ClipEncoder.from_settings(EncoderSettings(model="ViT-B-32"), CPU)
        with pytest.raises(CheckpointError, match="no-such-model"):
            ClipEncoder.from_settings(EncoderSettings(model="no-such-model", pretrained="openai"), CPU)


class TestGenerator:
    def test_one_rgb_picture_of_the_profiles_size_for_each_text(self, generator):
        pictures = generator.generate(["a dog", "two cats"], [1, 2])
        assert [(p.mode, p.size) for p in pictures] == [("RGB", (32, 32))] * 2
        assert generator.generate([], []) == []

    def test_a_small_generators_pictures_are_enlarged(self, generator):
        settings = dataclasses.replace(generator.settings, enlargement=2)
        enlarging = Generator(generator.pipeline, settings, CPU)
        small, large = (model.generate(["a dog"], [1])[0] for model in (generator, enlarging))
        assert large.size == (64, 64)
        assert np.abs(np.asarray(large.resize((32, 32)), int) - np.asarray(small, int)).mean() < 12

    def test_a_picture_follows_from_its_text_and_seed_alone(self, generator):
        def pixels(texts, seeds):
            return [np.asarray(p, dtype=int) for p in generator.generate(texts, seeds)]

        alone = pixels(["a dog"], [1])[0]
        assert np.array_equal(alone, pixels(["a dog"], [1])[0])
        in_a_batch = pixels(["two cats", "a dog"], [5, 1])[1]
        assert np.abs(alone - in_a_batch).max() <= 2  # a batch may round differently
        assert np.abs(alone - pixels(["a dog"], [2])[0]).max() > 20

    def test_steps_of_a_short_run_are_reported_with_a_preview_each(self, generator):
        seen = []
        generator.generate(["a dog"], [1], lambda *step: seen.append(step))
        assert [(step, total) for step, total, _ in seen] == [(1, 3), (2, 3), (3, 3)]
        *previews, last = (preview for *_, preview in seen)
        assert all(preview.size == (32, 32) for preview in previews)
        assert last is None  # the picture itself follows at once

    @torch.no_grad()
    def test_a_long_run_has_a_preview_now_and_then(self, generator):
        latents = torch.randn(1, 4, 8, 8)
        shown = [step for step in range(1, 51) if generator._preview(latents, step, 50) is not None]
        assert shown == [*range(5, 50, 5)]

    def test_a_large_autoencoder_is_replaced_by_a_linear_map(self, generator, monkeypatch):
        monkeypatch.setattr("syntic.models.generator.SMALL_VAE_PARAMETERS", 0)
        monkeypatch.setattr(type(generator.pipeline.vae), "decode", None)
        preview = generator._preview(torch.randn(2, 4, 8, 8), 2, 3)
        assert preview.size == (32, 32)

    def test_what_on_step_raises_stops_it_at_once(self, generator):
        seen = []

        def stop(step, total, preview):
            seen.append(step)
            raise Cancelled("stop")

        with pytest.raises(Cancelled):
            generator.generate(["a dog"], [1], stop)
        assert seen == [1]
        assert len(generator.generate(["a dog"], [1])) == 1  # and it still works

    def test_texts_and_seeds_must_pair_up(self, generator):
        with pytest.raises(ShapeError, match="1 texts but 2 seeds"):
            generator.generate(["a dog"], [1, 2])

    def test_what_the_safety_checker_blackens_is_drawn_again(self, guarded, caplog):
        """Its concept is one picture's own feature: that one is refused, another seed's is not."""
        generator, (first, second) = guarded
        with caplog.at_level(logging.WARNING):
            images = generator.generate(["a dog", "a dog"], [first, second])
        assert caplog.text.count("drawing it again (1 of 3)") == 1
        expected = generator.generate(["a dog"], [redraw_seed(first, 1)])[0]
        assert np.array_equal(np.asarray(images[0]), np.asarray(expected))
        assert all(np.asarray(image).any() for image in images)

    def test_drawing_again_ends(self, guarded, caplog):
        generator, (first, _) = guarded
        thresholds = generator.pipeline.safety_checker.concept_embeds_weights
        known = thresholds.clone()
        thresholds.fill_(-2)  # refuses everything
        try:
            with caplog.at_level(logging.WARNING):
                (image,) = generator.generate(["a dog"], [first])
        finally:
            thresholds.copy_(known)
        assert caplog.text.count("drawing it again") == 3
        assert "stays black" in caplog.text
        assert not np.asarray(image).any()

    def test_a_missing_model_is_said_with_what_builds_it(self, tmp_path):
        with pytest.raises(
            CheckpointError, match="no generator at .*model_index.json.*emoji pretrain generator"
        ):
            Generator.from_settings(GeneratorSettings(model=str(tmp_path)), CPU)
        with pytest.raises(CheckpointError, match="someone/some-model"):
            Generator.from_settings(GeneratorSettings(model="someone/some-model"), CPU)


class TestDetector:
    def test_labelled_boxes_inside_the_picture_best_first(self, detector):
        pictures = [draw_picture(1), Image.new("RGB", (200, 50), "red"), draw_picture(3)]
        found = detector.detect(pictures, threshold=0.1)
        assert [len(f) > 0 for f in found] == [True, True, True]
        for picture, detections in zip(pictures, found, strict=True):
            scores = [detection.score for detection in detections]
            assert scores == sorted(scores, reverse=True)
            for detection in detections:
                left, top, right, bottom = detection.box
                assert 0 <= left <= right <= picture.width
                assert 0 <= top <= bottom <= picture.height
                assert detection.label in LABELS
                assert detection.score >= 0.1

    def test_a_picture_does_not_depend_on_its_batch(self, detector):
        pictures = [draw_picture(1), Image.new("RGB", (200, 50), "red"), draw_picture(3)]
        for picture, found in zip(pictures, detector.detect(pictures, threshold=0.0), strict=True):
            (alone,) = detector.detect([picture], threshold=0.0)
            assert [d.label for d in found] == [d.label for d in alone]
            assert [d.box for d in found] == [pytest.approx(d.box, abs=0.01) for d in alone]

    def test_boxes_are_in_the_pictures_own_pixels(self, detector):
        small = draw_picture(1)
        large = small.resize((small.width * 4, small.height * 4), Image.Resampling.NEAREST)
        boxes = [max(d.box[2] for d in detector.detect([p], threshold=0.0)[0]) for p in (small, large)]
        assert boxes[1] == pytest.approx(4 * boxes[0], rel=0.2)

    def test_the_threshold_decides_what_is_reported(self, detector):
        picture = draw_picture(1)
        assert detector.detect([picture], threshold=1.0) == [[]]
        assert len(detector.detect([picture], threshold=0.0)[0]) == 5  # its queries
        assert detector.detect([]) == []

    def test_regions_are_its_queries_best_first(self, detector):
        pictures = [draw_picture(1), Image.new("RGB", (200, 50), "red"), draw_picture(3)]
        regions = detector.regions(pictures)
        assert regions.features.shape == (3, 5, 16)  # five queries of width 16
        assert regions.boxes.shape == (3, 5, 4)
        assert (regions.boxes[..., :2] <= regions.boxes[..., 2:]).all()
        assert 0 <= regions.boxes.min() <= regions.boxes.max() <= 1
        assert (regions.scores.diff(dim=1) <= 0).all()
        for row, picture in enumerate(pictures):
            (detections,) = detector.detect([picture], threshold=0.0)
            assert regions.scores[row].tolist() == pytest.approx([d.score for d in detections], abs=1e-5)
            left, top, right, bottom = detections[0].box
            box = (left / picture.width, top / picture.height, right / picture.width, bottom / picture.height)
            assert regions.boxes[row, 0].tolist() == pytest.approx(box, abs=1e-4)
        assert detector.regions(pictures, count=2).features.shape == (3, 2, 16)
        torch.testing.assert_close(detector.regions(pictures[1:2]).features[0], regions.features[1])
        assert detector.regions([]).features.shape == (0, 0, 16)

    def test_regions_of_a_detector_of_the_emoji_profiles_kind(self, rt_detector):
        pictures = [draw_picture(1), draw_picture(2)]
        regions = rt_detector.regions(pictures)
        assert regions.features.shape == (2, 6, 16)
        for row, picture in enumerate(pictures):
            best = rt_detector.detect([picture], threshold=0.0)[0][0]
            assert float(regions.scores[row, 0]) == pytest.approx(best.score, abs=1e-5)

    def test_it_knows_its_labels(self, detector):
        assert detector.labels == LABELS

    def test_a_missing_model_is_said(self, tmp_path):
        with pytest.raises(CheckpointError, match="no detector at .*emoji pretrain detector"):
            Detector.from_settings(DetectorSettings(model=str(tmp_path)), CPU)
        with pytest.raises(CheckpointError, match="someone/some-model"):
            Detector.from_settings(DetectorSettings(model="someone/some-model"), CPU)

    def test_a_damaged_model_is_said(self, tiny_profile, tmp_path):
        folder = tmp_path / "detector"
        shutil.copytree(tiny_profile.detector.model, folder)
        (folder / "config.json").write_text("{")
        with pytest.raises(CheckpointError, match="cannot be loaded"):
            Detector.from_settings(dataclasses.replace(tiny_profile.detector, model=str(folder)), CPU)
