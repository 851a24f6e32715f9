"""The kitchen."""

import numpy as np

from .backdrops_canvas import WHITE, Canvas, Colour, Stage, jitter, mix
from .backdrops_indoor import paint_room, paint_window
from .backdrops_sky import LAMPLIGHT, Light


def paint_kitchen(canvas: Canvas, light: Light, rng: np.random.Generator) -> Stage:
    """Cabinets, tiles and a stove behind a wide island with a wooden top."""
    wall = jitter(rng, (226, 240, 234), 4)
    paint_room(canvas, light, rng, wall, (226, 150, 116), 0.72, boards=False)
    front: list[Colour] = [(84, 178, 166), (96, 158, 208), (112, 196, 172)]
    cabinet = jitter(rng, front[int(rng.integers(len(front)))], 5)
    _tiles(canvas, light)
    stove_left = rng.random() < 0.5
    stove_x = rng.uniform(0.2, 0.26) if stove_left else rng.uniform(0.74, 0.8)
    window_x = 1 - stove_x - (0.08 if stove_left else -0.08)
    _upper_cabinets(canvas, light, cabinet, stove_x)
    paint_window(canvas, light, rng, window_x, 0.25, 0.14, 0.13, None)
    _lower_cabinets(canvas, light, cabinet)
    _stove(canvas, light, stove_x)
    _island(canvas, light, rng, cabinet)
    return Stage(0.72, (0.91, 0.97), window_x, surface=(0.08, 0.92, 0.635))


def _tiles(canvas: Canvas, light: Light) -> None:
    """A backsplash of large pale tiles."""
    tile, gap = light.indoors((250, 246, 236)), light.indoors((222, 222, 214))
    canvas.bands([(0.36, tile), (0.52, mix(tile, gap, 0.6))])
    canvas.line([(0.0, 0.435), (1.0, 0.435)], gap, 0.006)
    for x in np.arange(0.0625, 1.0, 0.125):
        canvas.line([(x, 0.36), (x, 0.5)], gap, 0.006)


def _upper_cabinets(canvas: Canvas, light: Light, cabinet: Colour, stove_x: float) -> None:
    """Wall cabinets over the whole width with a hood above the stove."""
    face, dark = light.indoors(mix(cabinet, WHITE, 0.12)), light.indoors(mix(cabinet, (30, 60, 90), 0.3))
    doors = np.linspace(0.0, 1.0, 7)
    for left, right in zip(doors[:-1], doors[1:], strict=True):
        canvas.box(left + 0.006, 0.0, right - 0.006, 0.33, face, mix(face, dark, 0.5), 0.012)
        canvas.ellipse(right - 0.03, 0.29, 0.009, 0.009, light.indoors((250, 236, 200)))
    steel = light.indoors((214, 222, 232))
    canvas.box(stove_x - 0.055, 0.0, stove_x + 0.055, 0.24, steel, mix(steel, (120, 130, 150), 0.3))
    canvas.polygon(
        [(stove_x - 0.055, 0.22), (stove_x + 0.055, 0.22), (stove_x + 0.12, 0.33), (stove_x - 0.12, 0.33)],
        steel,
        mix(steel, (110, 120, 144), 0.45),
    )
    if light.name != "day":
        canvas.glow(stove_x, 0.38, 0.2, 0.16, LAMPLIGHT, 0.6)


def _lower_cabinets(canvas: Canvas, light: Light, cabinet: Colour) -> None:
    """The counter along the wall."""
    face, dark = light.indoors(cabinet), light.indoors(mix(cabinet, (30, 60, 90), 0.35))
    canvas.box(0.0, 0.51, 1.0, 0.74, face, dark)
    stone = light.indoors((250, 242, 228))
    canvas.box(-0.02, 0.49, 1.02, 0.52, stone, mix(stone, (170, 150, 140), 0.35))


def _stove(canvas: Canvas, light: Light, x: float) -> None:
    """A stove set into the counter."""
    steel = light.indoors((226, 230, 238))
    canvas.box(x - 0.1, 0.485, x + 0.1, 0.72, steel, mix(steel, (120, 130, 150), 0.3), 0.008)
    canvas.box(x - 0.1, 0.475, x + 0.1, 0.497, light.indoors((70, 76, 96)), radius=0.008)
    for dx in (-0.06, -0.02, 0.02, 0.06):
        canvas.ellipse(x + dx, 0.522, 0.011, 0.011, light.indoors((232, 96, 84)))
    canvas.box(x - 0.075, 0.56, x + 0.075, 0.68, light.indoors((66, 72, 94)), radius=0.012)


def _island(canvas: Canvas, light: Light, rng: np.random.Generator, cabinet: Colour) -> None:
    """The wide table in front, its wooden top seen from above."""
    wood = light.indoors(jitter(rng, (232, 178, 116), 5))
    panel = light.indoors((250, 244, 232))
    canvas.glow(0.5, 0.9, 0.56, 0.05, light.indoors((100, 84, 96)), 0.6)
    canvas.box(0.08, 0.7, 0.92, 0.895, mix(panel, (120, 100, 120), 0.22), panel, 0.008)
    for left in (0.105, 0.375, 0.645):
        canvas.box(left, 0.755, left + 0.25, 0.875, mix(panel, light.indoors(cabinet), 0.5), radius=0.012)
    canvas.polygon(
        [(0.1, 0.62), (0.9, 0.62), (0.985, 0.705), (0.015, 0.705)], mix(wood, (255, 240, 210), 0.35), wood
    )
    canvas.box(0.015, 0.7, 0.985, 0.735, mix(wood, (130, 70, 50), 0.15), mix(wood, (120, 60, 50), 0.4), 0.012)
