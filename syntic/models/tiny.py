"""Tiny real models of diffusers, open_clip and transformers, saved as folders in seconds, offline.

Their weights are random: they say nothing, but they load, run and answer as large ones do. Tests and the
benchmarks of what surrounds the models use them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import open_clip
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import CLIPTokenizer, PreTrainedTokenizerFast

CLIP_WIDTH = 32
IMAGE_PX = 32
LABELS = ["dog", "cat", "bench"]
START, END, PAD, UNKNOWN = "<start>", "<end>", "<pad>", "<unknown>"


def save_word_tokenizer(folder: Path, words: list[str], context_length: int = 32) -> int:
    """One token per word; the end mark has the highest id, which CLIP's text tower looks for."""
    vocabulary = {token: i for i, token in enumerate([UNKNOWN, PAD, *sorted(set(words)), START, END])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.decoder = decoders.WordPiece()
    marks = [(START, vocabulary[START]), (END, vocabulary[END])]
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{START} $A {END}", special_tokens=marks)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=START,
        eos_token=END,
        pad_token=PAD,
        unk_token=UNKNOWN,
        model_max_length=context_length,
    ).save_pretrained(folder)
    return len(vocabulary)


def clip_config(vocabulary_size: int, context_length: int = 32, **text: str) -> dict[str, Any]:
    """The configuration of an open_clip model of a few thousand parameters."""
    return {
        "embed_dim": CLIP_WIDTH,
        "vision_cfg": {
            "image_size": IMAGE_PX,
            "layers": 1,
            "width": 32,
            "head_width": 16,
            "patch_size": 8,
        },
        "text_cfg": {
            "context_length": context_length,
            "vocab_size": vocabulary_size,
            "width": 32,
            "heads": 2,
            "layers": 1,
            **text,
        },
    }


def save_clip_folder(folder: Path, words: list[str]) -> None:
    """A `local-dir:` model with its own tokenizer, as the emoji profile has."""
    folder.mkdir(parents=True)
    size = save_word_tokenizer(folder, words)
    config = clip_config(size, hf_tokenizer_name="own")
    preprocess = {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}
    (folder / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": config, "preprocess_cfg": preprocess}), encoding="utf-8"
    )
    torch.manual_seed(0)
    model = open_clip.CLIP(**config)
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")


def register_clip_by_name(folder: Path, name: str) -> Path:
    """A model that open_clip knows by name, with CLIP's own tokenizer, as the paper profile has."""
    folder.mkdir(parents=True)
    config = clip_config(49408, context_length=77)
    (folder / f"{name}.json").write_text(json.dumps(config), encoding="utf-8")
    open_clip.add_model_config(folder)
    torch.manual_seed(0)
    weights = folder / "weights.safetensors"
    save_file(open_clip.CLIP(**config).state_dict(), weights)
    return weights


def save_generator_folder(folder: Path, words: list[str], kind: str = "ddim") -> None:
    """A pipeline with random weights: Stable Diffusion's, or "turbo" or "lcm", which take a step or few."""
    from diffusers import (
        AutoencoderKL,
        DDIMScheduler,
        EulerDiscreteScheduler,
        LatentConsistencyModelPipeline,
        LCMScheduler,
        StableDiffusionPipeline,
        UNet2DConditionModel,
    )
    from transformers import CLIPTextConfig, CLIPTextModel

    letters = sorted({letter for word in words for letter in word})
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), "do", "dog</w>"]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    tokenizer = CLIPTokenizer(
        vocab={token: i for i, token in enumerate(tokens)},
        merges=[("d", "o"), ("do", "g</w>")],  # type: ignore[list-item] # the annotation is of another form
        model_max_length=77,
    )
    torch.manual_seed(0)
    text_encoder = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokens),
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=77,
            bos_token_id=len(tokens) - 2,
            eos_token_id=len(tokens) - 1,
            pad_token_id=len(tokens) - 1,
        )
    )
    unet = UNet2DConditionModel(
        sample_size=IMAGE_PX // 4,
        in_channels=4,
        out_channels=4,
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=16,
        attention_head_dim=4,
        norm_num_groups=4,
        time_cond_proj_dim=8 if kind == "lcm" else None,
    )
    vae = AutoencoderKL(
        block_out_channels=(8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        latent_channels=4,
        norm_num_groups=4,
        sample_size=IMAGE_PX,
    )
    scheduler = {
        "ddim": DDIMScheduler(clip_sample=False, steps_offset=1),
        "turbo": EulerDiscreteScheduler(timestep_spacing="trailing", steps_offset=1),
        "lcm": LCMScheduler(clip_sample=False),
    }[kind]
    pipeline = LatentConsistencyModelPipeline if kind == "lcm" else StableDiffusionPipeline
    pipeline(
        vae=vae,
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        unet=unet,
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder, safe_serialization=True)


def save_detector_folder(folder: Path) -> None:
    """A DETR with random weights that reports its three labels with scores of about a quarter."""
    from transformers import DetrConfig, DetrForObjectDetection, DetrImageProcessor, ResNetConfig

    torch.manual_seed(0)
    config = DetrConfig(
        backbone_config=ResNetConfig(
            embedding_size=8,
            hidden_sizes=[8, 16],
            depths=[1, 1],
            layer_type="basic",
            out_features=["stage2"],  # type: ignore[call-arg] # of its base class
        ),
        num_queries=5,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        d_model=16,
        id2label=dict(enumerate(LABELS)),
        label2id={label: i for i, label in enumerate(LABELS)},
    )
    model = DetrForObjectDetection(config)
    torch.nn.init.normal_(model.class_labels_classifier.weight, std=1.0)  # so that labels and scores differ
    model.save_pretrained(folder)
    DetrImageProcessor(size={"shortest_edge": 64, "longest_edge": 96}).save_pretrained(folder)
