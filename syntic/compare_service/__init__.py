"""The use cases of the page "Compare": systems side by side, on one picture and over a test set."""

from __future__ import annotations

from .comparison import LISTED, MANY, MOST_SYSTEMS, Comparison
from .systems import NAMES, SystemKey, list_systems, name_for_people
from .views import (
    CompareEvent,
    CompareRequest,
    Difference,
    Filters,
    Group,
    PairOutcome,
    PairView,
    PictureChoice,
    PictureRead,
    Source,
    SystemCaption,
    SystemChoice,
    SystemFailed,
    SystemStarted,
)

__all__ = [
    "LISTED",
    "MANY",
    "MOST_SYSTEMS",
    "NAMES",
    "CompareEvent",
    "CompareRequest",
    "Comparison",
    "Difference",
    "Filters",
    "Group",
    "PairOutcome",
    "PairView",
    "PictureChoice",
    "PictureRead",
    "Source",
    "SystemCaption",
    "SystemChoice",
    "SystemFailed",
    "SystemKey",
    "SystemStarted",
    "list_systems",
    "name_for_people",
]
