"""How good detections are: AP50, precision and recall, and a look at the boxes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor
from torchvision.ops import box_iou

OVERLAP = 0.5
RECALL_STEPS = np.linspace(0, 1, 101)


@dataclass(frozen=True, kw_only=True)
class Found:
    """The objects of one picture.

    Attributes:
        labels: (T,) class numbers.
        scores: (T,) in 0..1.
        boxes: (T, 4) left, top, right, bottom in pixels.
    """

    labels: Tensor
    scores: Tensor
    boxes: Tensor

    def of_label(self, label: int) -> Found:
        """The objects of one class, best first."""
        chosen = (self.labels == label).nonzero().flatten()
        chosen = chosen[self.scores[chosen].argsort(descending=True, stable=True)]
        return Found(labels=self.labels[chosen], scores=self.scores[chosen], boxes=self.boxes[chosen])


def average_precision_50(found: list[Found], truth: list[Found]) -> float:
    """Mean over the classes of the average precision at an overlap (IoU) of 0.5, as COCO computes it.

    Args:
        found: N pictures' detections.
        truth: N pictures' objects; their scores are not read.

    Returns:
        0..1, over the classes that occur in `truth`; 0 where none does.
    """
    labels = sorted({int(label) for picture in truth for label in picture.labels})
    precisions = [_label_precision(found, truth, label) for label in labels]
    return float(np.mean(precisions)) if precisions else 0.0


def precision_and_recall(found: list[Found], truth: list[Found], threshold: float) -> tuple[float, float]:
    """Over all classes together: the part of detections that are right, the part of objects that are found.

    Args:
        found: N pictures' detections.
        truth: N pictures' objects.
        threshold: the lowest score that counts as a detection.
    """
    scores, hits, total = _all_matches(found, truth)
    kept = hits[scores >= threshold]
    return float(kept.sum()) / max(1, len(kept)), float(kept.sum()) / max(1, total)


def _all_matches(found: list[Found], truth: list[Found]) -> tuple[np.ndarray, np.ndarray, int]:
    labels = sorted({int(label) for picture in [*found, *truth] for label in picture.labels})
    matches = [_label_matches(found, truth, label) for label in labels]
    if not matches:
        return np.zeros(0), np.zeros(0, dtype=bool), 0
    scores, hits, totals = zip(*matches, strict=True)
    return np.concatenate(scores), np.concatenate(hits), sum(totals)


def _label_precision(found: list[Found], truth: list[Found], label: int) -> float:
    scores, hits, total = _label_matches(found, truth, label)
    hits = hits[np.argsort(-scores, kind="stable")]
    right = np.cumsum(hits)
    precision = right / np.arange(1, len(hits) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]  # the best precision at this recall or more
    first = np.searchsorted(right / total, RECALL_STEPS, side="left")
    return float(np.where(first < len(hits), np.append(envelope, 0.0)[first], 0.0).mean())


def _label_matches(found: list[Found], truth: list[Found], label: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Scores and hits of one class's detections, and the number of objects; each is found once."""
    scores: list[float] = []
    hits: list[bool] = []
    total = 0
    for picture, objects in zip(found, truth, strict=True):
        detections, wanted = picture.of_label(label), objects.of_label(label)
        total += len(wanted.boxes)
        overlaps = box_iou(detections.boxes, wanted.boxes) if len(wanted.boxes) else None
        for number, score in enumerate(detections.scores.tolist()):
            best = int(overlaps[number].argmax()) if overlaps is not None else -1
            is_hit = overlaps is not None and float(overlaps[number, best]) >= OVERLAP
            if is_hit and overlaps is not None:
                overlaps[:, best] = -1.0
            scores.append(score)
            hits.append(is_hit)
    return np.array(scores), np.array(hits, dtype=bool), total


def draw_boxes(picture: Tensor, found: Found, labels: list[str], threshold: float) -> Tensor:
    """Draw the detections into a picture.

    Args:
        picture: (3, H, W) in 0..1.
        found: its detections.
        labels: the class names.
        threshold: the lowest score drawn.

    Returns:
        (3, 2H, 2W) in 0..1.
    """
    pixels = picture.mul(255).round().byte().permute(1, 2, 0).numpy()
    image = Image.fromarray(pixels)
    image = image.resize((2 * image.width, 2 * image.height), Image.Resampling.LANCZOS)
    draw = ImageDraw.Draw(image)
    for number in (found.scores >= threshold).nonzero().flatten().tolist():
        label, score = int(found.labels[number]), float(found.scores[number])
        left, top, right, bottom = (found.boxes[number] * 2).tolist()
        if right > left and bottom > top:
            draw.rectangle((left, top, right, bottom), outline="red")
            draw.text((left + 2, top + 1), f"{labels[label]} {score:.2f}", fill="red", font_size=10)
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255
