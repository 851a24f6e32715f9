"""The detector: pictures at 96x96 to labelled boxes, a small transformers `RTDetrV2ForObjectDetection`.

Of the DETR family in transformers, RT-DETR suits a short training from nothing: its queries start from the
encoder's best proposals, and denoising queries give its decoder a target from the first step. Differences
from the published models (Lv et al., arXiv 2407.17140):

- no pretrained backbone, so its batch norms learn, and all batch norms start at scale 1;
- two feature levels, 12x12 and 6x6 cells, because objects are 18 to 75 px high;
- while training, a dense head marks every object's centre in both levels, as CenterNet does (Zhou et al.,
  arXiv 1904.07850). One-to-one matching alone teaches the backbone from a few cells per picture. As in
  Co-DETR (Zong et al., arXiv 2211.12860), this head is dropped when the model is saved.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import RTDetrImageProcessor, RTDetrResNetConfig, RTDetrV2Config, RTDetrV2ForObjectDetection

from syntic.emoji.pretraining.data import EpochSampler, SceneData, save_sheet
from syntic.emoji.pretraining.export import replaced_folder, save_transformers_half
from syntic.emoji.pretraining.precision import Found, average_precision_50, draw_boxes, precision_and_recall

MEASURED_PICTURES = 512
REPORT_THRESHOLD = 0.5
SMALLEST_SOFT = (0.4, 0.8)  # sides of pictures before they are enlarged, as parts of what they become


@dataclass(frozen=True, kw_only=True)
class DetectorSettings:
    """Sizes and weights of the loss.

    Attributes:
        image_size_px: what pictures are scaled to; at 128 a CPU sees fewer of them in the same time.
        stem_channels: of the backbone at a quarter of the picture's size.
        backbone_channels: at strides 4, 8 and 16; the last two feed the encoder.
        backbone_depths: residual blocks at these strides.
        width: of the encoder and the decoder.
        heads: of all attentions.
        expansion: width inside the encoder's convolution blocks, as a part of `width`.
        decoder_layers: at least 2, because transformers ties the heads of the later ones to the first.
        sampled_points: per query, head and level.
        queries: the most objects found in a picture.
        denoising_queries: boxes with noise per picture that the decoder repairs while training.
        dense_weight: of the loss on object centres.
        soften_share: how many pictures are shown as if enlarged from a smaller one, as a generator's are.
        tidy_share: how many are tidy ones, which is what the generator draws: their two sizes, flush with the
            cells, are rare in other pictures.
    """

    image_size_px: int = 96
    stem_channels: int = 32
    backbone_channels: tuple[int, int, int] = (32, 64, 128)
    backbone_depths: tuple[int, int, int] = (1, 2, 2)
    width: int = 128
    heads: int = 4
    expansion: float = 0.5
    decoder_layers: int = 2
    sampled_points: int = 4
    queries: int = 30
    denoising_queries: int = 12
    dense_weight: float = 1.0
    soften_share: float = 0.3
    tidy_share: float = 0.4


def build_detector(settings: DetectorSettings, labels: list[str]) -> RTDetrV2ForObjectDetection:
    """Make an untrained detector.

    Args:
        settings: its sizes.
        labels: the class names, in the order of the class numbers.
    """
    backbone = RTDetrResNetConfig(
        embedding_size=settings.stem_channels,
        hidden_sizes=list(settings.backbone_channels),
        depths=list(settings.backbone_depths),
        layer_type="basic",
        out_indices=[2, 3],  # type: ignore[call-arg]  # the configuration takes it beside its fields
    )
    width = settings.width
    config = RTDetrV2Config(
        backbone_config=backbone,
        freeze_backbone_batch_norms=False,
        initializer_range=0.05,  # what PyTorch draws at this width; 0.01 is for fine-tuning
        encoder_hidden_dim=width,
        encoder_in_channels=list(settings.backbone_channels[1:]),
        feat_strides=[8, 16],
        encode_proj_layers=[1],
        encoder_ffn_dim=2 * width,
        encoder_attention_heads=settings.heads,
        hidden_expansion=settings.expansion,
        d_model=width,
        num_queries=settings.queries,
        num_denoising=settings.denoising_queries,
        num_feature_levels=2,
        decoder_in_channels=[width, width],
        decoder_n_levels=2,
        decoder_n_points=settings.sampled_points,
        decoder_ffn_dim=2 * width,
        decoder_layers=settings.decoder_layers,
        decoder_attention_heads=settings.heads,
        id2label=dict(enumerate(labels)),
        label2id={label: number for number, label in enumerate(labels)},
    )
    model = RTDetrV2ForObjectDetection(config)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)  # transformers draws it around 0
    return model


def build_processor(size_px: int) -> RTDetrImageProcessor:
    """Make the processor: any picture is resized to the model's square, its aspect ratio is not kept."""
    return RTDetrImageProcessor(size={"height": size_px, "width": size_px})


class DetectorInTraining(nn.Module):
    """A detector and the head that only training needs.

    Args:
        settings: sizes.
        labels: the class names.
    """

    def __init__(self, settings: DetectorSettings, labels: list[str]) -> None:
        super().__init__()
        self.detector = build_detector(settings, labels)
        self.dense_head = nn.Conv2d(settings.width, len(labels), 1)
        nn.init.constant_(self.dense_head.bias, -4.0)  # type: ignore[arg-type]  # centres are rare

    def forward(self, pixels: Tensor, targets: list[dict[str, Tensor]]) -> tuple[Any, list[Tensor]]:
        """The detector's own output and, for both levels, the logits of object centres (B, labels, H, W)."""
        output = self.detector(pixel_values=pixels, labels=targets)
        return output, [self.dense_head(level) for level in output.encoder_last_hidden_state]


class DetectorTask:
    """Find the objects of rendered scenes.

    Args:
        data: the scenes, all styles.
        settings: sizes and weights of the loss.
        batch_size: pictures per step.
        tidy: scenes laid out for the generator, of the same labels; None learns from the others alone.
    """

    def __init__(
        self, data: SceneData, settings: DetectorSettings, batch_size: int, tidy: SceneData | None = None
    ) -> None:
        self.data = data
        self.tidy = tidy
        self.settings = settings
        train, held_out = data.split()
        self.held_out = held_out[:MEASURED_PICTURES]
        self.batch_size = min(batch_size, len(train))
        tidy_count = round(settings.tidy_share * self.batch_size) if tidy else 0
        self.sampler = EpochSampler(train, self.batch_size - tidy_count)
        self.tidy_sampler = EpochSampler(tidy.split()[0], tidy_count) if tidy and tidy_count else None
        self.learning_rate_scales: dict[str, float] = {}
        model = DetectorInTraining(settings, data.labels)
        self.model: nn.Module = model.to(memory_format=torch.channels_last)
        self.processor = build_processor(settings.image_size_px)
        self._numbers = {label: number for number, label in enumerate(data.labels)}

    def target(
        self, index: int, *, is_flipped: bool = False, data: SceneData | None = None
    ) -> dict[str, Tensor]:
        """What the model shall find in one scene.

        Args:
            index: of the scene.
            is_flipped: whether its picture is mirrored.
            data: where the scene is from; None takes those that are not tidy.

        Returns:
            class_labels (T,) int64 and boxes (T, 4) as centre, width and height in 0..1.
        """
        data = data or self.data
        boxes = data.scenes[index].boxes
        corners = torch.tensor([box[1:] for box in boxes], dtype=torch.float32).reshape(-1, 4)
        x0, y0, x1, y1 = corners.div(data.size_px).clamp(0, 1).unbind(1)
        if is_flipped:
            x0, x1 = 1 - x1, 1 - x0
        return {
            "class_labels": torch.tensor([self._numbers[box[0]] for box in boxes], dtype=torch.int64),
            "boxes": torch.stack([(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0], dim=1),
        }

    def loss(self, step: int, random: np.random.Generator) -> tuple[Tensor, dict[str, float]]:
        """RT-DETR's set prediction and denoising losses, and object centres in both levels."""
        pixels, targets = self._batch(self.data, self.sampler.batch(step), random)  # (B, 3, H, W)
        if self.tidy and self.tidy_sampler:
            tidy_pixels, tidy_targets = self._batch(self.tidy, self.tidy_sampler.batch(step), random)
            pixels, targets = torch.cat([pixels, tidy_pixels]), targets + tidy_targets
        output, heatmaps = self.model(pixels, targets)
        dense = cast(Tensor, sum(centre_loss(heatmap, targets) for heatmap in heatmaps))
        parts = output.loss_dict
        values = {
            "classes": float(parts["loss_vfl"].detach()),
            "boxes": float(parts["loss_bbox"].detach()),
            "overlap": float(parts["loss_giou"].detach()),
            "centres": float(dense.detach()),
        }
        return output.loss + self.settings.dense_weight * dense, values

    def _batch(
        self, data: SceneData, indices: np.ndarray, random: np.random.Generator
    ) -> tuple[Tensor, list[dict[str, Tensor]]]:
        """Pictures (B, 3, H, W) at the model's size, some mirrored, some soft, and what is in them."""
        flips = random.random(len(indices)) < 0.5
        pixels = data.pictures(indices, flips)
        is_soft = random.random(len(indices)) < self.settings.soften_share
        pixels[is_soft] = soften(pixels[is_soft], random.uniform(*SMALLEST_SOFT))
        targets = [self.target(i, is_flipped=flip, data=data) for i, flip in zip(indices, flips, strict=True)]
        return self._resized(pixels), targets

    def report(self, average: nn.Module, folder: Path) -> dict[str, float]:
        """AP50, and precision and recall at a score of 0.5; `detections.png` shows what is found so."""
        detector = cast(DetectorInTraining, average).detector
        found = self.detect(detector, self.held_out)
        truth = [self._found_truth(index) for index in self.held_out]
        precision, recall = precision_and_recall(found, truth, REPORT_THRESHOLD)
        shown = self.held_out[:32]
        pictures = [
            draw_boxes(picture, result, self.data.labels, REPORT_THRESHOLD)
            for picture, result in zip(self.data.pictures(shown), found, strict=False)
        ]
        save_sheet(folder / "detections.png", torch.stack(pictures), columns=8)
        return {
            "held_out_ap50": average_precision_50(found, truth),
            "precision": precision,
            "recall": recall,
        }

    def detect(self, detector: RTDetrV2ForObjectDetection, indices: np.ndarray) -> list[Found]:
        """Everything a detector finds in some scenes, boxes as corners in pixels."""
        found: list[Found] = []
        size = self.data.size_px
        for start in range(0, len(indices), 32):
            pixels = self._resized(self.data.pictures(indices[start : start + 32]))
            results = self.processor.post_process_object_detection(
                detector(pixel_values=pixels), threshold=0.0, target_sizes=[(size, size)] * len(pixels)
            )
            found += [Found(labels=r["labels"], scores=r["scores"], boxes=r["boxes"]) for r in results]
        return found

    def _resized(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) at the model's size, as the processor makes them."""
        size = (self.settings.image_size_px,) * 2
        if pixels.shape[-2:] == size:
            return pixels
        return F.interpolate(pixels, size=size, mode="bilinear", antialias=True)

    def _found_truth(self, index: int) -> Found:
        boxes = torch.tensor([box[1:] for box in self.data.scenes[index].boxes]).reshape(-1, 4)
        return Found(labels=self.target(index)["class_labels"], scores=torch.ones(len(boxes)), boxes=boxes)


def soften(pixels: Tensor, part: float) -> Tensor:
    """Shrink (B, 3, H, W) pictures to a part of their side and enlarge them again."""
    if not len(pixels):
        return pixels
    height, width = pixels.shape[-2:]
    size = (max(1, round(height * part)), max(1, round(width * part)))
    small = F.interpolate(pixels, size=size, mode="bilinear", antialias=True)
    return F.interpolate(small, size=(height, width), mode="bicubic").clamp(0, 1)


def centre_targets(targets: list[dict[str, Tensor]], label_count: int, height: int, width: int) -> Tensor:
    """Where the objects' centres are: a Gaussian for each, a quarter of its box in deviation.

    Args:
        targets: B of `DetectorTask.target`.
        label_count: number of classes.
        height, width: cells of the feature level.

    Returns:
        (B, labels, height, width) in 0..1; where objects of a class overlap, the larger value.
    """
    rows = torch.cat([number * label_count + target["class_labels"] for number, target in enumerate(targets)])
    boxes = torch.cat([target["boxes"] for target in targets])  # (T, 4)
    x = (torch.arange(width) + 0.5) / width
    y = (torch.arange(height) + 0.5) / height
    deviation = boxes[:, 2:] / 4
    across = ((x - boxes[:, :1]) / deviation[:, :1].clamp(min=0.25 / width)).square()  # (T, width)
    down = ((y - boxes[:, 1:2]) / deviation[:, 1:].clamp(min=0.25 / height)).square()  # (T, height)
    bumps = torch.exp(-(down[:, :, None] + across[:, None, :]) / 2).flatten(1)  # (T, height * width)
    heatmap = torch.zeros(len(targets) * label_count, height * width)
    heatmap.scatter_reduce_(0, rows[:, None].expand_as(bumps), bumps, "amax")
    return heatmap.view(len(targets), label_count, height, width)


def centre_loss(logits: Tensor, targets: list[dict[str, Tensor]]) -> Tensor:
    """Quality focal loss |t - p|^2 BCE(p, t) per object (Li et al., arXiv 2006.04388, Eq. 6).

    Args:
        logits: (B, labels, H, W).
        targets: B of `DetectorTask.target`.
    """
    wanted = centre_targets(targets, *logits.shape[1:])
    weight = (wanted - logits.detach().sigmoid()).square()
    loss = F.binary_cross_entropy_with_logits(logits, wanted, weight=weight, reduction="sum")
    return loss / max(1, sum(len(target["class_labels"]) for target in targets))


def export_detector(average: nn.Module, settings: DetectorSettings, out: Path) -> None:
    """Save the averaged detector in half precision, with its processor.

    Args:
        average: a DetectorInTraining.
        settings: what it was built from.
        out: the folder to replace.
    """
    with replaced_folder(out) as folder:
        save_transformers_half(cast(DetectorInTraining, average).detector, folder)
        build_processor(settings.image_size_px).save_pretrained(folder)
