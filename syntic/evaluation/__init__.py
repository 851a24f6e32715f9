"""Caption metrics, the measures of the modality gap, and the paper's numbers."""

from . import gap, metrics, published
from .clip_score import clip_scores
from .gap import GapMeasures
from .metrics import Scores
from .pictures import Pictures, caption_pictures, encode_pictures, encode_test_set
from .scoring import (
    Evaluation,
    caption_encoded,
    caption_images,
    encode_for,
    evaluate,
    evaluate_captioner,
    open_test_set,
)
from .stages import measure_stages

__all__ = [
    "Evaluation",
    "GapMeasures",
    "Pictures",
    "Scores",
    "caption_encoded",
    "caption_images",
    "caption_pictures",
    "clip_scores",
    "encode_for",
    "encode_pictures",
    "encode_test_set",
    "evaluate",
    "evaluate_captioner",
    "gap",
    "measure_stages",
    "metrics",
    "open_test_set",
    "published",
]
