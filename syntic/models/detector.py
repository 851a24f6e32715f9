"""The detector by transformers: pictures to labelled boxes, frozen. Its labels are the tags of Eq. 4."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image

from ..profiles.profile import DetectorSettings
from ..types import Detection
from .folders import require_model, silence_loading_bars
from .loading import LOADING_ERRORS, explain

IMAGE_BATCH = 16
REGIONS = 36  # per picture; the fixed number that Anderson et al. (2018) published features of


@dataclass(frozen=True, kw_only=True)
class Regions:
    """What the detector looked at in B pictures, whether it is sure of it or not.

    Attributes:
        features: (B, R, W) its embedding of each region, best first.
        boxes: (B, R, 4) left, top, right, bottom as fractions of the picture.
        scores: (B, R) of each region's best label, 0..1.
    """

    features: torch.Tensor
    boxes: torch.Tensor
    scores: torch.Tensor


class Detector:
    """A frozen detector of the DETR family.

    Attributes:
        model: of `AutoModelForObjectDetection`.
        processor: its `AutoImageProcessor`.
        threshold: lowest score reported, unless `detect` is given another.
    """

    def __init__(self, model: Any, processor: Any, threshold: float, device: torch.device) -> None:
        self.model = model.eval().requires_grad_(False).to(device)
        self.processor = processor
        self.threshold = threshold
        self.device = device

    @classmethod
    def from_settings(cls, settings: DetectorSettings, device: torch.device) -> Detector:
        """Load the model that a profile names.

        Raises:
            CheckpointError: if it is not there or cannot be loaded; the cause is named.
            ResourceError: if memory is short.
        """
        from transformers import AutoImageProcessor, AutoModelForObjectDetection

        require_model(settings.model, "config.json", "detector", "python -m syntic emoji pretrain detector")
        silence_loading_bars()
        revision = settings.revision or "main"
        try:
            model = AutoModelForObjectDetection.from_pretrained(
                settings.model, revision=revision, use_safetensors=True, trust_remote_code=False
            )
            processor = AutoImageProcessor.from_pretrained(
                settings.model, revision=revision, trust_remote_code=False
            )
            return cls(model, processor, settings.threshold, device)
        except LOADING_ERRORS as error:
            raise explain(error, "The detector", settings.model, settings.revision) from error

    @property
    def labels(self) -> list[str]:
        """Every class name it knows."""
        return list(self.model.config.id2label.values())

    @torch.inference_mode()
    def detect(self, images: list[Image.Image], threshold: float | None = None) -> list[list[Detection]]:
        """Find objects.

        Args:
            images: RGB pictures of any sizes.
            threshold: lowest score reported; None takes the profile's.

        Returns:
            For each picture its detections, best first, with boxes inside the picture.
        """
        threshold = self.threshold if threshold is None else threshold
        found: list[list[Detection]] = [[] for _ in images]
        for numbers in _batches_of_one_size(images):
            batch = [images[number] for number in numbers]
            inputs = self.processor(images=batch, return_tensors="pt").to(self.device)
            results = self.processor.post_process_object_detection(
                self.model(**inputs),
                threshold=threshold,
                target_sizes=[(image.height, image.width) for image in batch],
            )
            for number, result in zip(numbers, results, strict=True):
                found[number] = self.read(result, images[number])
        return found

    @torch.no_grad()
    def regions(self, images: list[Image.Image], count: int = REGIONS) -> Regions:
        """Return the embeddings of the regions that score best: the decoder's outputs for its queries.

        Args:
            images: RGB pictures of any sizes.
            count: regions per picture, at most the detector's number of queries.
        """
        found: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = [()] * len(images)  # type: ignore[list-item]
        for numbers in _batches_of_one_size(images):
            inputs = self.processor(images=[images[n] for n in numbers], return_tensors="pt").to(self.device)
            output = self.model(**inputs)
            scores, order = self._region_scores(output.logits).topk(
                min(count, output.logits.shape[1]), dim=1
            )  # (B, R)
            features = output.last_hidden_state.gather(
                1, order[..., None].expand(-1, -1, output.last_hidden_state.shape[2])
            )
            centres = output.pred_boxes.gather(1, order[..., None].expand(-1, -1, 4))  # x, y, width, height
            corners = torch.cat(
                [centres[..., :2] - centres[..., 2:] / 2, centres[..., :2] + centres[..., 2:] / 2], dim=-1
            ).clamp(0, 1)
            for row, number in enumerate(numbers):
                found[number] = (features[row].float(), corners[row].float(), scores[row].float())
        if not found:
            empty = torch.zeros(0, 0, self.model.config.d_model, device=self.device)
            return Regions(features=empty, boxes=empty[..., :4], scores=empty[..., 0])
        features, boxes, scores = (torch.stack(part) for part in zip(*found, strict=True))
        return Regions(features=features, boxes=boxes, scores=scores)

    def _region_scores(self, logits: torch.Tensor) -> torch.Tensor:
        """Return the score of each query's best label, (B, Q), from logits (B, Q, labels)."""
        if logits.shape[-1] > len(self.labels):  # DETR: a last class for "nothing", all classes exclusive
            return logits.softmax(dim=-1)[..., :-1].amax(dim=-1)
        return logits.sigmoid().amax(dim=-1)  # RT-DETR: each class for itself

    def read(self, result: dict[str, torch.Tensor], image: Image.Image) -> list[Detection]:
        """Return what the processor found in one picture, best first, with boxes inside the picture."""
        detections = []
        for label, score, corners in zip(
            result["labels"].tolist(), result["scores"].tolist(), result["boxes"].tolist(), strict=True
        ):
            left, right = (min(max(x, 0.0), float(image.width)) for x in corners[::2])
            top, bottom = (min(max(y, 0.0), float(image.height)) for y in corners[1::2])
            name = self.model.config.id2label[label]
            detections.append(Detection(label=name, score=score, box=(left, top, right, bottom)))
        return sorted(detections, key=lambda detection: -detection.score)


def _batches_of_one_size(images: list[Image.Image]) -> list[list[int]]:
    """Put together positions of pictures of the same size: padding would change what is found in them."""
    by_size: dict[tuple[int, int], list[int]] = {}
    for number, image in enumerate(images):
        by_size.setdefault(image.size, []).append(number)
    return [
        numbers[start : start + IMAGE_BATCH]
        for numbers in by_size.values()
        for start in range(0, len(numbers), IMAGE_BATCH)
    ]
