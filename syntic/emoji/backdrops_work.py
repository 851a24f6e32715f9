"""The office and the bathroom: rooms with a desk and with a wash stand to put small things on."""

import numpy as np

from .backdrops_canvas import WHITE, Canvas, Colour, Stage, jitter, mix
from .backdrops_indoor import paint_room, paint_window
from .backdrops_sky import LAMPLIGHT, Light


def paint_office(canvas: Canvas, light: Light, rng: np.random.Generator) -> Stage:
    """A cool wall with window, bookshelf and chart behind a broad desk."""
    floor = rng.uniform(0.6, 0.63)
    paint_room(canvas, light, rng, jitter(rng, (172, 208, 226), 6), (150, 156, 170), floor, boards=False)
    window_left = rng.random() < 0.5
    window_x = rng.uniform(0.24, 0.28) if window_left else rng.uniform(0.72, 0.76)
    paint_window(canvas, light, rng, window_x, 0.27, 0.17, 0.16, None)
    _shelf(canvas, light, rng, 1 - window_x)
    wood = light.indoors(jitter(rng, (206, 158, 112), 5))
    canvas.glow(0.5, 0.95, 0.56, 0.05, light.indoors((70, 70, 90)), 0.6)
    for left in (0.06, 0.76):
        canvas.box(left, 0.74, left + 0.18, 0.95, mix(wood, (90, 50, 40), 0.25), wood, 0.008)
        for y in (0.8, 0.87):
            canvas.box(left + 0.06, y, left + 0.12, y + 0.012, light.indoors((240, 232, 214)), radius=0.006)
    top = [(0.1, 0.64), (0.9, 0.64), (0.985, 0.72), (0.015, 0.72)]
    canvas.polygon(top, mix(wood, WHITE, 0.35), mix(wood, WHITE, 0.1))
    canvas.box(0.015, 0.715, 0.985, 0.748, mix(wood, (110, 60, 40), 0.2), mix(wood, (90, 50, 40), 0.45), 0.01)
    if light.name != "day":
        canvas.glow(0.5, 0.2, 0.5, 0.3, LAMPLIGHT, 0.35)
    return Stage(floor, (0.86, 0.97), window_x, surface=(0.1, 0.9, 0.655))


def _shelf(canvas: Canvas, light: Light, rng: np.random.Generator, x: float) -> None:
    """Two boards with books and a box."""
    covers: list[Colour] = [(224, 92, 88), (80, 132, 206), (244, 190, 84), (104, 172, 120), (150, 112, 190)]
    board = light.indoors((236, 230, 222))
    for y in (0.26, 0.43):
        at = x - 0.13
        while at < x + 0.1:
            wide, high = rng.uniform(0.02, 0.034), rng.uniform(0.09, 0.125)
            cover = light.indoors(covers[int(rng.integers(len(covers)))])
            canvas.box(at, y - high, at + wide, y, cover, mix(cover, (40, 30, 60), 0.25), 0.004)
            at += wide + 0.005
        canvas.box(x - 0.16, y, x + 0.16, y + 0.022, board, mix(board, (120, 110, 120), 0.35), 0.006)


def paint_bathroom(canvas: Canvas, light: Light, rng: np.random.Generator) -> Stage:
    """Pale tiles, a round mirror over a wash stand, a bathtub behind, a mat on the floor."""
    floor = rng.uniform(0.66, 0.69)
    wall: list[Colour] = [(196, 234, 232), (206, 222, 246), (240, 222, 228)]
    tiles = jitter(rng, wall[int(rng.integers(len(wall)))], 4)
    paint_room(canvas, light, rng, tiles, (176, 196, 208), floor, boards=False)
    joint = light.indoors(mix(tiles, (130, 150, 160), 0.35))
    for y in np.arange(0.1, floor - 0.04, 0.11):
        canvas.line([(0.0, y), (1.0, y)], joint, 0.005, 0.6)
    for x in np.arange(0.06, 1.0, 0.125):
        canvas.line([(x, 0.0), (x, floor - 0.03)], joint, 0.005, 0.6)
    mirror_left = rng.random() < 0.5
    mirror_x = rng.uniform(0.27, 0.31) if mirror_left else rng.uniform(0.69, 0.73)
    frame, glass = light.indoors((250, 246, 236)), light.indoors((214, 240, 250))
    canvas.ellipse(mirror_x, 0.24, 0.155, 0.165, frame, mix(frame, (150, 140, 130), 0.4))
    canvas.ellipse(mirror_x, 0.24, 0.13, 0.14, mix(glass, WHITE, 0.5), glass)
    tub = light.indoors((252, 252, 250))
    left = 0.52 if mirror_left else -0.06
    canvas.box(left, 0.48, left + 0.54, floor + 0.06, tub, mix(tub, (140, 160, 180), 0.35), 0.05)
    canvas.box(left - 0.02, 0.46, left + 0.56, 0.5, tub, mix(tub, (150, 165, 185), 0.2), 0.02)
    mat = light.indoors(jitter(rng, (122, 170, 216), 8))
    canvas.ellipse(0.5, 0.94, 0.34, 0.05, mat, mix(mat, (50, 70, 130), 0.3))
    front = light.indoors(jitter(rng, (150, 120, 100), 6))
    canvas.box(0.12, 0.7, 0.88, 0.9, mix(front, WHITE, 0.15), mix(front, (70, 40, 40), 0.2), 0.01)
    canvas.line([(0.5, 0.73), (0.5, 0.89)], mix(front, (60, 40, 40), 0.45), 0.008)
    stone = light.indoors((250, 250, 246))
    canvas.polygon([(0.13, 0.63), (0.87, 0.63), (0.92, 0.7), (0.08, 0.7)], mix(stone, WHITE, 0.5), stone)
    canvas.box(
        0.08, 0.695, 0.92, 0.725, mix(stone, (150, 150, 165), 0.25), mix(stone, (120, 120, 140), 0.45), 0.01
    )
    if light.name != "day":
        canvas.glow(mirror_x, 0.06, 0.35, 0.14, LAMPLIGHT, 0.6)
    return Stage(floor, (0.92, 0.985), mirror_x, surface=(0.14, 0.86, 0.645))
