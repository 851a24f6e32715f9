"""The text-to-image model by diffusers: captions to synthetic images, frozen."""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import Callable
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from ..errors import ResourceError, ShapeError
from ..profiles.profile import GeneratorSettings
from .folders import require_model, silence_loading_bars
from .loading import LOADING_ERRORS, explain, is_out_of_memory

logger = logging.getLogger(__name__)

OnStep = Callable[[int, int, Image.Image | None], None]

PREVIEWS = 10
PREVIEW_REST = (
    8  # times as long as a preview took there is none, so that a run is slowed by an eighth at most
)
REDRAWS = 3  # of a picture that the pipeline's safety checker has blackened
SMALL_VAE_PARAMETERS = 20_000_000
# Colours of Stable Diffusion 1's four latent channels: one linear map instead of its large decoder.
# From the diffusers forum, "Decoding latents to RGB without upscaling".
LATENT_COLOURS = (
    (0.298, 0.207, 0.208),
    (0.187, 0.286, 0.173),
    (-0.158, 0.189, 0.264),
    (-0.184, -0.271, -0.473),
)


class Generator:
    """A frozen `DiffusionPipeline`.

    Attributes:
        pipeline: the diffusers pipeline, in the precision that the settings name.
        settings: steps, guidance and size.
    """

    def __init__(self, pipeline: Any, settings: GeneratorSettings, device: torch.device) -> None:
        for part in ("unet", "vae"):  # convolutions prefer it, on CPUs too
            if hasattr(pipeline, part):
                getattr(pipeline, part).to(memory_format=torch.channels_last)
        self.pipeline = _placed(pipeline, settings, device)
        self.pipeline.set_progress_bar_config(disable=True)
        self.settings = settings
        self.device = device

    @classmethod
    def from_settings(cls, settings: GeneratorSettings, device: torch.device) -> Generator:
        """Load the pipeline that a profile names.

        Raises:
            CheckpointError: if it is not there or cannot be loaded; the cause is named.
            ResourceError: if memory is short.
        """
        from diffusers import DiffusionPipeline

        require_model(
            settings.model, "model_index.json", "generator", "python -m syntic emoji pretrain generator"
        )
        silence_loading_bars()
        try:
            pipeline = DiffusionPipeline.from_pretrained(
                settings.model,
                revision=settings.revision,
                variant=settings.variant,
                dtype=dtype_of(settings, device),
                use_safetensors=True,
                trust_remote_code=False,
            )
            return cls(pipeline, settings, device)
        except LOADING_ERRORS as error:
            raise explain(error, "The generator", settings.model, settings.revision) from error

    @torch.inference_mode()
    def generate(
        self, texts: list[str], seeds: list[int], on_step: OnStep | None = None
    ) -> list[Image.Image]:
        """Generate one image for each text.

        Each image's noise comes from its own seed, drawn on the CPU, so an image does not depend on
        the batch it is made in. A pipeline's safety checker returns black pictures for what it takes
        amiss; those are drawn again with another seed, which follows from the first, a few times at most.

        Args:
            texts: captions.
            seeds: one for each.
            on_step: called with the steps done, their number, and now and then a preview of the
                first image; what it raises ends the run.

        Raises:
            ShapeError: if the two differ in number.
            ResourceError: if memory is short.
        """
        if len(texts) != len(seeds):
            raise ShapeError(f"There are {len(texts)} texts but {len(seeds)} seeds; give each text one.")
        if not texts:
            return []
        images, flagged = self._draw(texts, seeds, on_step)
        for attempt in range(1, REDRAWS + 1):
            rows = [row for row, is_flagged in enumerate(flagged) if is_flagged]
            if not rows:
                break
            again = [redraw_seed(seeds[row], attempt) for row in rows]
            for row in rows:
                logger.warning(
                    "the safety checker blackened the picture of %r; drawing it again (%d of %d)",
                    *(texts[row], attempt, REDRAWS),
                )
            redrawn, still = self._draw([texts[row] for row in rows], again, on_step)
            for row, image, is_flagged in zip(rows, redrawn, still, strict=True):
                images[row], flagged[row] = image, is_flagged
        for text, is_flagged in zip(texts, flagged, strict=True):
            if is_flagged:
                logger.warning("the picture of %r stays black: the safety checker refused all of them", text)
        return [self._enlarge(image.convert("RGB")) for image in images]

    def _draw(
        self, texts: list[str], seeds: list[int], on_step: OnStep | None
    ) -> tuple[list[Image.Image], list[bool]]:
        """Run the pipeline; also say which pictures its safety checker, where it has one, has blackened."""

        next_preview = 0.0

        def after_step(pipeline: Any, step: int, at: Any, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
            nonlocal next_preview
            total, started, preview = int(pipeline.num_timesteps), time.perf_counter(), None
            if started >= next_preview or total <= PREVIEWS:
                preview = self._preview(tensors["latents"], step + 1, total)
                ended = time.perf_counter()
                next_preview = ended + PREVIEW_REST * (ended - started)
            if on_step is not None:
                on_step(step + 1, total, preview)
            return {}

        options = {
            "num_inference_steps": self.settings.steps,
            "guidance_scale": self.settings.guidance_scale,
            "height": self.settings.height_px,
            "width": self.settings.width_px,
            "generator": [torch.Generator("cpu").manual_seed(seed) for seed in seeds],
            "callback_on_step_end": None if on_step is None else after_step,
            "callback_on_step_end_tensor_inputs": ["latents"],
        }
        known = inspect.signature(self.pipeline.__call__).parameters  # not every pipeline has them all
        try:
            output = self.pipeline(prompt=texts, **{n: v for n, v in options.items() if n in known})
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise ResourceError(
                f"{len(texts)} pictures of {self.settings.width_px} x {self.settings.height_px} pixels at a "
                "time do not fit into memory; lower `batch_size`, or set `attention_slicing = true` or "
                '`offload = "model"` in the [generator] section of the profile.'
            ) from error
        flagged = getattr(output, "nsfw_content_detected", None) or [False] * len(texts)
        return list(output.images), [bool(is_flagged) for is_flagged in flagged]

    def _preview(self, latents: Tensor, step: int, total: int) -> Image.Image | None:
        """Show the first image so far: after every step of a short run, now and then in a long one."""
        if step == total or step % max(1, total // PREVIEWS):
            return None
        latents = latents[:1]
        vae = self.pipeline.vae
        if latents.shape[1] == len(LATENT_COLOURS) and vae.num_parameters() > SMALL_VAE_PARAMETERS:
            colours = latents.new_tensor(LATENT_COLOURS)
            pixels = torch.einsum("bchw,cr->brhw", latents, colours)
        else:
            shift = getattr(vae.config, "shift_factor", None) or 0.0
            pixels = vae.decode(latents / vae.config.scaling_factor + shift, return_dict=False)[0]
        picture: Image.Image = self.pipeline.image_processor.postprocess(pixels.float(), output_type="pil")[0]
        return picture.resize((self.settings.width_px, self.settings.height_px))

    def _enlarge(self, image: Image.Image) -> Image.Image:
        times = self.settings.enlargement
        if times == 1:
            return image
        return image.resize((image.width * times, image.height * times), Image.Resampling.LANCZOS)


def redraw_seed(seed: int, attempt: int) -> int:
    """Return the seed of a picture's next attempt, 1 being the first after the picture itself."""
    return (seed + attempt * 1_000_003) & 0x7FFFFFFF


def dtype_of(settings: GeneratorSettings, device: torch.device) -> torch.dtype:
    """Return the type of the weights: half precision on CUDA unless the settings say otherwise."""
    if settings.precision == "auto":
        return torch.float16 if device.type == "cuda" else torch.float32
    return {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}[
        settings.precision
    ]


def _placed(pipeline: Any, settings: GeneratorSettings, device: torch.device) -> Any:
    """Bring a pipeline to its device, or leave it beside the GPU and let it come in parts."""
    if settings.attention_slicing:
        pipeline.enable_attention_slicing()
        if hasattr(getattr(pipeline, "vae", None), "enable_slicing"):
            pipeline.vae.enable_slicing()
    if settings.offload == "none" or device.type == "cpu":
        return pipeline.to(device)
    if settings.offload == "model":
        pipeline.enable_model_cpu_offload(device=device)
    else:
        pipeline.enable_sequential_cpu_offload(device=device)
    return pipeline
