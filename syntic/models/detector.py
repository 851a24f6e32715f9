"""The detector by transformers: pictures to labelled boxes, frozen. Its labels are the tags of Eq. 4."""

from __future__ import annotations

from typing import Any

import torch
from PIL import Image

from ..profiles.profile import DetectorSettings
from ..types import Detection
from .folders import require_model, silence_loading_bars
from .loading import LOADING_ERRORS, explain

IMAGE_BATCH = 16


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
                found[number] = self._read(result, images[number])
        return found

    def _read(self, result: dict[str, torch.Tensor], image: Image.Image) -> list[Detection]:
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
