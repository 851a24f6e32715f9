"""What a run at full scale costs before anyone starts it: GPU-hours, disk, memory.

Throughput is given, or measured by running the profile's models for a few batches. All else is
arithmetic on the sizes of the method: one picture and two features per caption (Eq. 1), the steps of Eq. 2,
M x N products for Eq. 3, and the decoder's epochs.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ..data.features import LARGE_BYTES
from ..data.synthesis import Batch, RowMaker
from ..errors import InputError
from ..method import CaptionModel, DecoderConfig, Variant

STORED_BYTES = 2  # half precision
TEXT_BYTES = 160  # of a caption with its tags, seed and scores in a store: about what the emoji world's take
COMPUTED_BYTES = 4
STATE_VALUES = 3  # of a parameter in training: itself and the two moments of AdamW
WORKSPACE_BYTES = 64 * 2**20  # what Eq. 3 takes beside the features, at most
EFFICIENCY = 0.5  # of a device's matrix products, in Eq. 2 and 3
STEP_SECONDS = 5e-4  # a step of Eq. 2 is some twenty small operations, and starting them takes the most


@dataclass(frozen=True, kw_only=True)
class Throughput:
    """How fast one device is.

    Attributes:
        captions_per_second: of `synthesize`: generate, encode, detect.
        decoder_captions_per_second: of decoder training.
        tera_flops: of float32 matrix products, for Eq. 2 and 3.
        source: where the numbers are from, for the reader.
    """

    captions_per_second: float
    decoder_captions_per_second: float
    tera_flops: float
    source: str

    def __post_init__(self) -> None:
        """Refuse what no device can do."""
        for name in ("captions_per_second", "decoder_captions_per_second", "tera_flops"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise InputError(f"`{name}` must be above 0 but is {value}.")


@dataclass(frozen=True, kw_only=True)
class RunSize:
    """How much there is to do.

    Attributes:
        captions: N of the corpus, which is also the size of the support set.
        width: D.
        refinement_steps: S of Eq. 2; its batch is `refinement_batch`.
        refinement_batch: b of Eq. 2.
        epochs: of one decoder; parts of one, where its budget is in steps.
        decoders: trained ones, all with one seed; eight for Table 4.
        decoder_parameters: of one decoder.
    """

    captions: int
    decoder_parameters: int
    width: int = 512
    refinement_steps: int = 500
    refinement_batch: int = 128
    epochs: float = 10
    decoders: int = 1


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The cost of a run.

    Attributes:
        captions: N.
        gpus: devices that share the synthesis; Eq. 2, 3 and the decoders take one.
        synthesis_gpu_hours: of all devices together.
        refinement_gpu_hours: Eq. 2.
        projection_gpu_hours: Eq. 3 over all captions.
        training_gpu_hours: of all decoders.
        wall_hours: from start to end.
        store_bytes: of the feature store on disk.
        unpacked_bytes: on disk, of a large store's features as they are mapped.
        prepared_bytes: on disk, of what Eq. 2 and 3 made of the pictures' features.
        state_bytes: on disk, of the decoder in training, twice while a new state takes the old one's place.
        decoder_bytes: on disk, of all trained decoders.
        memory_bytes: of Eq. 3 and training: features of texts and images, float32.
        throughput: that this rests on.
    """

    captions: int
    gpus: int
    synthesis_gpu_hours: float
    refinement_gpu_hours: float
    projection_gpu_hours: float
    training_gpu_hours: float
    wall_hours: float
    store_bytes: int
    unpacked_bytes: int
    prepared_bytes: int
    state_bytes: int
    decoder_bytes: int
    memory_bytes: int
    throughput: Throughput

    @property
    def gpu_hours(self) -> float:
        """All GPU-hours together."""
        return (
            self.synthesis_gpu_hours
            + self.refinement_gpu_hours
            + self.projection_gpu_hours
            + self.training_gpu_hours
        )

    @property
    def disk_bytes(self) -> int:
        """All that is on disk at the end of the last training."""
        return (
            self.store_bytes
            + self.unpacked_bytes
            + self.prepared_bytes
            + self.state_bytes
            + self.decoder_bytes
        )


def plan(size: RunSize, throughput: Throughput, gpus: int) -> Plan:
    """Compute what a run costs.

    Args:
        size: how much there is to do.
        throughput: of one device.
        gpus: how many devices.

    Raises:
        InputError: for less than one GPU or caption.
    """
    if gpus < 1 or size.captions < 1:
        raise InputError(f"A plan needs at least 1 GPU and 1 caption, not {gpus} and {size.captions}.")
    rate = EFFICIENCY * throughput.tera_flops * 1e12
    # Eq. 2: a step multiplies b x D by D x b forward and twice backward; Eq. 3: two products with all texts.
    steps = math.ceil(size.captions / size.refinement_batch) * size.refinement_steps
    refinement = steps * max(6 * size.refinement_batch**2 * size.width / rate, STEP_SECONDS)
    projections = min(size.decoders, 2)  # of the refined pictures and, for other variants, as they are
    projection = projections * 4 * size.captions**2 * size.width / rate
    synthesis = size.captions / throughput.captions_per_second
    training = size.decoders * size.epochs * size.captions / throughput.decoder_captions_per_second
    features = size.captions * size.width
    both = 2 * features * COMPUTED_BYTES
    return Plan(
        captions=size.captions,
        gpus=gpus,
        synthesis_gpu_hours=synthesis / 3600,
        refinement_gpu_hours=refinement / 3600,
        projection_gpu_hours=projection / 3600,
        training_gpu_hours=training / 3600,
        wall_hours=(synthesis / gpus + refinement + projection + training) / 3600,
        store_bytes=2 * features * STORED_BYTES + size.captions * TEXT_BYTES,
        unpacked_bytes=both if both > LARGE_BYTES else 0,
        prepared_bytes=(1 + projections) * features * COMPUTED_BYTES,
        state_bytes=2 * STATE_VALUES * size.decoder_parameters * COMPUTED_BYTES,
        decoder_bytes=size.decoders * size.decoder_parameters * STORED_BYTES,
        memory_bytes=3 * features * COMPUTED_BYTES + WORKSPACE_BYTES,
        throughput=throughput,
    )


def count_parameters(config: DecoderConfig, tag_heads: int) -> int:
    """Return the parameters of the largest variant's decoder, without making it.

    Args:
        config: of the decoder.
        tag_heads: H of Eq. 5.
    """
    with torch.device("meta"):
        model = CaptionModel(Variant.parse("syntic"), config, tag_heads)
    return sum(parameter.numel() for parameter in model.parameters())


def measure_synthesis(
    maker: RowMaker, captions: Sequence[str], batch_size: int, seconds: float = 20.0
) -> float:
    """Return captions per second of the frozen models, after one batch that is not counted.

    Args:
        maker: the profile's models.
        captions: some of the corpus; taken in turn.
        batch_size: captions at a time.
        seconds: for which to measure; at least one batch is.
    """

    def batch(number: int) -> Batch:
        rows = range(number * batch_size, (number + 1) * batch_size)
        return Batch(rows=rows, captions=[captions[row % len(captions)] for row in rows])

    maker.make(batch(0))
    started, done = time.perf_counter(), 0
    while done == 0 or time.perf_counter() - started < seconds:
        maker.make(batch(done + 1))
        done += 1
    return done * batch_size / (time.perf_counter() - started)


def measure_tera_flops(device: torch.device, side: int = 2048) -> float:
    """Return the float32 matrix products of a device, in 10^12 per second, the best of three."""
    left, right = torch.randn(side, side, device=device), torch.randn(side, side, device=device)
    seconds = []
    for _ in range(4):  # the first is a warm-up
        started = time.perf_counter()
        float((left @ right)[0, 0])  # waits for the device
        seconds.append(time.perf_counter() - started)
    return 2 * side**3 / min(seconds[1:]) / 1e12


def measure_decoder(
    config: DecoderConfig, device: torch.device, *, batch_size: int = 128, steps: int = 4
) -> float:
    """Return captions per second of decoder training on random features, after one step not counted.

    Args:
        config: of the decoder.
        device: where it is trained.
        batch_size: captions per step.
        steps: to measure.
    """
    model = CaptionModel(Variant.parse("fp"), config).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    features = torch.randn(batch_size, config.feature_width, device=device)
    tokens = torch.randint(config.vocabulary_size, (batch_size, config.max_tokens + 2), device=device)
    started = 0.0
    for step in range(steps + 1):
        loss = model.loss(features, None, None, None, tokens)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        float(loss.detach())  # waits for the device
        if step == 0:
            started = time.perf_counter()
    return steps * batch_size / (time.perf_counter() - started)
