"""The paper's models at full size, with random weights: a Trace goes through, what it took is written down.

Their configurations are those published with the weights (stable-diffusion-v1-5, ViT-B-32,
detr-resnet-50); nothing is downloaded. Opt-in, because it needs 12 GiB of memory: `make test-fullsize`.
"""

from __future__ import annotations

import dataclasses
import os
import platform
import re
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch

from syntic import SynTIC
from syntic.data.features import (
    FeatureRows,
    FeatureWriter,
    StoreHeader,
)
from syntic.data.fingerprints import fingerprint_model, hash_captions, identify_encoder
from syntic.method import CaptionModel, Variant, save_checkpoint
from syntic.models import ClipEncoder, Detector, Generator
from syntic.models.availability import memory_free
from syntic.profiles import REPOSITORY, CorpusSettings, Profile, load_profile
from syntic.training.loop import decoder_config
from syntic.types import Finished, Stage, StageFinished, TraceSettings

pytestmark = [
    pytest.mark.fullsize,
    pytest.mark.skipif("SYNTIC_FULLSIZE" not in os.environ, reason="opt-in: make test-fullsize"),
]
CPU = torch.device("cpu")
NEEDED_BYTES = 12 * 2**30
TEXTS = 1000
WIDTH = 512
TEXT = "a dog catching a frisbee in the park"
DOCUMENT = REPOSITORY / "docs" / "scale.md"


def stable_diffusion() -> Any:
    """The pipeline of stable-diffusion-v1-5/stable-diffusion-v1-5, without its safety checker."""
    from diffusers import AutoencoderKL, PNDMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    with torch.device("meta"):  # 860 million numbers, for which any small ones will do
        unet = UNet2DConditionModel(
            sample_size=64,
            in_channels=4,
            out_channels=4,
            block_out_channels=(320, 640, 1280, 1280),
            layers_per_block=2,
            cross_attention_dim=768,
            attention_head_dim=8,
        )
    unet.to_empty(device="cpu")
    noise = torch.randn(2**22) * 0.02
    with torch.no_grad():
        for name, parameter in unet.named_parameters():
            if parameter.ndim == 1:
                parameter.fill_(1.0 if name.endswith("weight") else 0.0)
            else:
                flat = parameter.view(-1)
                for start in range(0, len(flat), len(noise)):
                    flat[start : start + len(noise)] = noise[: len(flat) - start]
    words = open_clip.get_tokenizer("ViT-B-32")  # CLIP's own, as Stable Diffusion's
    marks = {"<start_of_text>": "<|startoftext|>", "<end_of_text>": "<|endoftext|>"}
    tokenizer = CLIPTokenizer(
        vocab={marks.get(token, token): number for token, number in words.encoder.items()},
        merges=list(words.bpe_ranks),
        model_max_length=77,
    )
    assert len(tokenizer) == 49408
    text_encoder = CLIPTextModel(
        CLIPTextConfig(
            hidden_size=768,
            intermediate_size=3072,
            num_hidden_layers=12,
            num_attention_heads=12,
            projection_dim=768,
        )
    )
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(128, 256, 512, 512),
        layers_per_block=2,
        latent_channels=4,
        sample_size=512,
    )
    scheduler = PNDMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        skip_prk_steps=True,
        steps_offset=1,
    )
    return StableDiffusionPipeline(
        vae=vae,
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        unet=unet,
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def detr() -> tuple[Any, Any]:
    """facebook/detr-resnet-50, on timm's ResNet-50."""
    from transformers import DetrConfig, DetrForObjectDetection, DetrImageProcessor

    config = DetrConfig(id2label={number: f"class {number}" for number in range(91)})
    assert config.backbone_config.backbone == "resnet50"
    return DetrForObjectDetection(config), DetrImageProcessor(
        size={"shortest_edge": 800, "longest_edge": 1333}
    )


def make_corpus(folder: Path, profile: Profile) -> None:
    """Random features of the paper's width for made-up captions."""
    captions = [f"caption number {row}" for row in range(TEXTS)]
    header = StoreHeader(
        profile=profile.name,
        models={"encoder": fingerprint_model(profile.encoder.model, profile.encoder.revision)},
        settings={"seed": 0, "pretrained": profile.encoder.pretrained},
        captions=TEXTS,
        captions_hash=hash_captions(captions),
        feature_width=WIDTH,
        shard_size=TEXTS,
    )
    features = np.random.default_rng(0).normal(size=(2, TEXTS, WIDTH)).astype(np.float32)
    features /= np.linalg.norm(features, axis=-1, keepdims=True)
    rows = FeatureRows(
        captions=captions,
        seeds=list(range(TEXTS)),
        text_features=features[0],
        image_features=features[1],
        tags=[["dog"]] * TEXTS,
        tag_scores=[[1.0]] * TEXTS,
    )
    FeatureWriter(folder, header).add(range(TEXTS), rows.to_table())


def peak_bytes() -> int:
    """Return the most memory since this was last asked, and begin anew."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    highest = int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024  # type: ignore[index]
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return highest


def write_table(rows: list[tuple[str, float, int]], parameters: dict[str, int]) -> str:
    """Put what was measured between the marks of docs/scale.md."""
    sizes = ", ".join(f"{name} {count / 1e6:,.0f} M" for name, count in parameters.items())
    lines = [
        f"Float32 on a CPU ({platform.machine()}) with {torch.get_num_threads()} thread(s), which other work "
        f"may have shared; parameters: {sizes}.",
        "",
        "| stage | seconds | peak memory, GiB |",
        "|---|---|---|",
        *(f"| {stage} | {seconds:.2f} | {peak / 2**30:.2f} |" for stage, seconds, peak in rows),
    ]
    table = "\n".join(lines)
    text = DOCUMENT.read_text(encoding="utf-8")
    pattern = r"(<!-- fullsize:begin -->\n).*?(<!-- fullsize:end -->)"
    DOCUMENT.write_text(re.sub(pattern, rf"\1{table}\n\2", text, flags=re.DOTALL), encoding="utf-8")
    return table


def test_a_trace_goes_through_at_full_size(tmp_path, monkeypatch, capsys):
    free = memory_free(CPU)
    if free is not None and free < NEEDED_BYTES:
        pytest.skip(f"needs 12 GiB of free memory, of which {free / 2**30:.1f} are there")
    profile = load_profile("paper")
    corpus = CorpusSettings(captions=tmp_path, features=tmp_path / "features", decoders=tmp_path / "decoders")
    profile = dataclasses.replace(
        profile,
        generator=dataclasses.replace(profile.generator, steps=1),
        corpora={"everyday": corpus},
    )
    make_corpus(corpus.features, profile)
    torch.manual_seed(0)
    encoder = ClipEncoder.with_random_weights(profile.encoder, CPU)
    assert encoder.width == WIDTH
    config = decoder_config(profile, encoder.tokenizer, encoder.width)
    variant = Variant.parse("syntic")
    model = CaptionModel(variant, config, profile.decoder.tag_heads)
    save_checkpoint(
        corpus.decoders / "syntic",
        model,
        {"profile": profile.name, "encoder": identify_encoder(profile.encoder)},
    )
    generator = Generator(stable_diffusion(), profile.generator, CPU)
    detector = Detector(*detr(), profile.detector.threshold, CPU)
    for kind, ready in ((Generator, generator), (ClipEncoder, encoder), (Detector, detector)):
        monkeypatch.setattr(kind, "from_settings", lambda *_, ready=ready: ready)
    parts = {
        "UNet": generator.pipeline.unet,
        "VAE": generator.pipeline.vae,
        "text encoder": generator.pipeline.text_encoder,
        "CLIP": encoder.model,
        "DETR": detector.model,
        "decoder": model,
    }
    parameters = {name: sum(p.numel() for p in part.parameters()) for name, part in parts.items()}
    # As published: 859.5, 83.7, 123.1, 151.3 and 41.5 million.
    assert [round(count / 1e6) for count in parameters.values()][:5] == [860, 84, 123, 151, 42]

    rows = [("all models loaded", 0.0, peak_bytes())]
    syntic = SynTIC.from_profile(profile, variant=variant, device=CPU)
    settings = TraceSettings(corpus="everyday", refinement_steps=profile.refinement.steps)
    trace = None
    for event in syntic.stream(text=TEXT, settings=settings):
        if isinstance(event, StageFinished):
            rows.append((event.stage.value, event.seconds, peak_bytes()))
        elif isinstance(event, Finished):
            trace = event.trace
    assert trace is not None
    assert trace.image.size == (512, 512)
    assert trace.image_feature.shape == (WIDTH,)
    assert trace.refinement.losses.shape == (500,)
    assert np.isfinite(trace.refinement.losses).all()
    assert trace.projection.feature.shape == (WIDTH,)
    assert trace.attention.weights.shape[0] == 8
    assert 1 <= len(trace.caption.tokens) <= 20
    assert [stage for stage, *_ in rows[1:]] == [stage.value for stage in Stage]
    with capsys.disabled():
        print("\n" + write_table(rows, parameters))
