"""Tidy scenes: things in rows of equal places, as a child would draw them; the generator learns from these.

Of a sprite that may be anywhere, at any size, lit by any hour, a cell of the generator's grid has thousands
of things to show. Here a sprite has two sizes, stands flush with the cells and always looks the same, so
that it has 13: `LARGE` x `LARGE` and `SMALL` x `SMALL` cells. Where a thing stands follows from the
sentence: things of one row stand in the order of the words, what is above comes first.
"""

from __future__ import annotations

from collections.abc import Callable

from .cells import GRID
from .placement import Placement
from .scenes import Group, Scene
from .settings import Backdrop

LARGE, SMALL = 3, 2  # cells
TIDY_SIZE_PX = 96  # 16 px a cell


def lay_out_tidily(scene: Scene, backdrop: Backdrop, aspect: Callable[[str], float]) -> list[Placement]:
    """Place the things of a scene.

    Args:
        scene: what is there.
        backdrop: before which.
        aspect: width over height of a sprite.
    """
    size = LARGE if sum(group.count for group in scene.groups) <= 2 else SMALL
    placements = []
    for row in _rows(scene, backdrop, size):
        start = (GRID - size * len(row)) // 2
        for place, (number, bottom) in enumerate(row):
            group = scene.groups[number]
            cells = SMALL if group.scale == "small" else size
            placements.append(
                Placement(
                    group=number,
                    x=(start + size * place + cells / 2) / GRID,
                    bottom=bottom / GRID,
                    height=min(cells, cells / aspect(group.sprite)) / GRID,
                    depth=bottom / GRID + 0.01 * place,
                    shadow=group.zone not in ("sky", "water"),
                )
            )
    return placements


def _rows(scene: Scene, backdrop: Backdrop, size: int) -> list[list[tuple[int, int]]]:
    """Rows of things side by side: the group of each, and the line of the grid that it stands on."""
    members = [[number] * group.count for number, group in enumerate(scene.groups)]
    relation = scene.relations[0] if scene.relations else ""
    if len(members) == 2 and relation in ("on", "above", "under"):
        upper, lower = (members[1], members[0]) if relation == "under" else (members[0], members[1])
        line = GRID if size == LARGE else GRID - 1
        return [[(number, line - size) for number in upper], [(number, line) for number in lower]]
    if len(members) == 2 and sum(map(len, members)) > GRID // size:
        return [[(number, 3) for number in members[1]], [(number, 5) for number in members[0]]]
    if len(members) == 1 and len(members[0]) > GRID // size:
        half = GRID // size
        return [[(0, 3)] * (len(members[0]) - half), [(0, 5)] * half]
    lines = [_line(group, backdrop, size) for group in scene.groups]
    if len(members) == 2 and relation in ("in front of", "behind"):
        lines = [GRID, GRID - 2] if relation == "in front of" else [GRID - 2, GRID]
    return [[(number, lines[number]) for each in members for number in each]]


def _line(group: Group, backdrop: Backdrop, size: int) -> int:
    if group.zone == "sky":
        return size
    if group.zone == "surface" and backdrop.surface is not None:
        return 4
    return 5
