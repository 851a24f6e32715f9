"""The use cases of the page "Learn": what the figure of every step of the lesson shows, as numbers."""

from __future__ import annotations

from .lesson import CANDIDATES, CLIP_TEMPERATURE, CONTROLS, LOOKS_AT_ONE, MIXED, PICTURES, Lesson
from .views import (
    BINS,
    Candidate,
    Distribution,
    Group,
    LessonView,
    Matching,
    Mixture,
    Reads,
    RefinementCurve,
    Step,
    Tagging,
    TagReading,
)

__all__ = [
    "BINS",
    "CANDIDATES",
    "CLIP_TEMPERATURE",
    "CONTROLS",
    "Candidate",
    "Distribution",
    "Group",
    "LOOKS_AT_ONE",
    "Lesson",
    "LessonView",
    "MIXED",
    "Matching",
    "Mixture",
    "PICTURES",
    "Reads",
    "RefinementCurve",
    "Step",
    "TagReading",
    "Tagging",
]
