"""Where one sprite of a scene goes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where one sprite goes; all lengths as fractions of the picture.

    Attributes:
        group: index of its group.
        x: horizontal centre.
        bottom: lower edge.
        height: height.
        depth: 0 far to 1 near; decides what hides what.
        shadow: whether it casts one on the ground.
    """

    group: int
    x: float
    bottom: float
    height: float
    depth: float
    mirrored: bool = False
    shadow: bool = True
