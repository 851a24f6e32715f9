"""What the walk from a text to its caption costs beyond the forward passes that it cannot avoid.

The reference calls the same models by hand, with nothing around them: no events, previews, Trace or lock.
Eq. 2 and 3 are the method's own functions in both, as they are what there is to compute.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from ..data.tags import MAX_TAGS, unique_tags
from ..method import Variant, project_onto_support, refine_features
from ..method.pipeline import SynTIC
from ..types import Finished, Trace, TraceSettings


@dataclass(frozen=True, kw_only=True)
class WalkTiming:
    """One walk from a text to its caption.

    Attributes:
        seconds: of the stream from its start to its last event, the fastest of the repeats.
        reference_seconds: of the bare passes.
        stages: seconds of each stage, of the fastest walk.
        same_caption: whether both ended in the same caption.
    """

    seconds: float
    reference_seconds: float
    stages: dict[str, float]
    same_caption: bool

    @property
    def ratio(self) -> float:
        """Our time over the bare passes'."""
        return self.seconds / self.reference_seconds


def measure_walk(syntic: SynTIC, text: str, settings: TraceSettings, *, repeats: int = 3) -> WalkTiming:
    """Walk from a text to its caption, with everything that the app shows and without, in turn.

    Args:
        syntic: the pipeline; the models are loaded before anything is timed.
        text: what is drawn and captioned.
        settings: of the run; decoding must be greedy.
        repeats: how often each is run; the fastest counts.
    """
    ours: list[tuple[float, Trace]] = []
    reference: list[tuple[float, str]] = []
    for repeat in range(repeats + 1):
        started = time.perf_counter()
        *_, last = syntic.stream(text=text, settings=settings)
        middle = time.perf_counter()
        caption = bare_walk(syntic, text, settings)
        ended = time.perf_counter()
        assert isinstance(last, Finished)
        if repeat:  # the first is a warm-up
            ours.append((middle - started, last.trace))
            reference.append((ended - middle, caption))
    seconds, trace = min(ours, key=lambda run: run[0])
    return WalkTiming(
        seconds=seconds,
        reference_seconds=min(run[0] for run in reference),
        stages=dict(trace.seconds),
        same_caption=trace.caption is not None and trace.caption.text == reference[0][1],
    )


@torch.no_grad()
def bare_walk(syntic: SynTIC, text: str, settings: TraceSettings) -> str:
    """Return the caption by the shortest way through the same models."""
    components, variant = syntic.components, Variant.parse(settings.variant)
    corpus, encoder = components.profile.corpus(settings.corpus), components.encoder
    image = _draw(components.generator.pipeline, syntic, text, settings.seed)
    pixels = encoder.preprocess(image)[None].to(components.device)
    feature = F.normalize(encoder.model.encode_image(pixels).float(), dim=1)
    if variant.refine:
        feature = _refined(syntic, feature, text, settings)
    projected = feature
    if variant.project:
        temperature = settings.temperature or corpus.temperature
        support = components.support_set(settings.corpus)
        projected = project_onto_support(feature, support, temperature=temperature).features
    detector = components.detector
    inputs = detector.processor(images=[image], return_tensors="pt").to(components.device)
    (found,) = detector.processor.post_process_object_detection(
        detector.model(**inputs), threshold=detector.threshold, target_sizes=[(image.height, image.width)]
    )
    model = components.captioner(settings.corpus, variant)
    tags: tuple[Tensor, ...] = ()
    if variant.tags:
        labels = unique_tags(detector.read(found, image))[0][:MAX_TAGS]
        known = components.tag_features(labels)[None]
        tags = (feature, known, torch.ones(known.shape[:2], dtype=torch.bool, device=known.device))
    (decoded,) = model.decode(projected, *tags, alternatives=0)
    return encoder.tokenizer.decode(decoded.tokens)


def _draw(pipeline: Any, syntic: SynTIC, text: str, seed: int) -> Image.Image:
    """Stable Diffusion's loop with classifier-free guidance, as its paper has it."""
    settings = syntic.generator.settings
    guidance, device = settings.guidance_scale, syntic.generator.device
    guided = guidance > 1
    states, negative = pipeline.encode_prompt(text, device, 1, guided)
    if guided:
        states = torch.cat([negative, states])
    pipeline.scheduler.set_timesteps(settings.steps, device=device)
    channels, size = pipeline.unet.config.in_channels, pipeline.vae_scale_factor
    latents = torch.randn(
        (1, channels, settings.height_px // size, settings.width_px // size),
        generator=torch.Generator("cpu").manual_seed(seed),
        dtype=states.dtype,
    ).to(device)
    latents = latents * pipeline.scheduler.init_noise_sigma
    for step in pipeline.scheduler.timesteps:
        given = pipeline.scheduler.scale_model_input(torch.cat([latents] * (1 + guided)), step)
        noise = pipeline.unet(given, step, encoder_hidden_states=states, return_dict=False)[0]
        if guided:
            without, conditioned = noise.chunk(2)
            noise = without + guidance * (conditioned - without)
        latents = pipeline.scheduler.step(noise, step, latents, return_dict=False)[0]
    vae = pipeline.vae
    shift = getattr(vae.config, "shift_factor", None) or 0.0
    pixels = vae.decode(latents / vae.config.scaling_factor + shift, return_dict=False)[0]
    values = (pixels[0].float() / 2 + 0.5).clamp(0, 1).permute(1, 2, 0).cpu().numpy()
    image = Image.fromarray((values * 255).round().astype(np.uint8))
    times = settings.enlargement
    return image.resize((image.width * times, image.height * times), Image.Resampling.LANCZOS)


def _refined(syntic: SynTIC, feature: Tensor, text: str, settings: TraceSettings) -> Tensor:
    """Eq. 2 in a batch with the same other pairs as the walk draws."""
    components, options = syntic.components, syntic.profile.refinement
    store, encoder = components.feature_store(settings.corpus), components.encoder
    text_feature = F.normalize(
        encoder.model.encode_text(encoder.tokenize([text]).to(components.device)).float(), dim=1
    )
    others = np.random.default_rng(settings.seed).choice(
        len(store), size=min(options.batch_size - 1, len(store)), replace=False
    )
    images, texts = (
        torch.cat([own, torch.from_numpy(known[others]).to(components.device)])
        for own, known in ((feature, store.image_features), (text_feature, store.text_features))
    )
    return refine_features(
        images,
        texts,
        temperature=options.temperature,
        learning_rate=options.learning_rate,
        steps=settings.refinement_steps,
        batch_size=options.batch_size,
    ).features[:1]
