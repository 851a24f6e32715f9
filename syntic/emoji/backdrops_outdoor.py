"""Park, beach and field."""

import numpy as np

from .backdrops_canvas import WHITE, Canvas, Point, Stage, curve, jitter, mix
from .backdrops_sky import (
    LAMPLIGHT,
    Light,
    paint_bush,
    paint_hills,
    paint_sky,
    paint_tree,
)


def paint_park(canvas: Canvas, light: Light, rng: np.random.Generator) -> Stage:
    """A lawn with a winding path, round trees and a lamp post."""
    horizon = rng.uniform(0.5, 0.55)
    light_x = paint_sky(canvas, light, rng, horizon)
    paint_hills(
        canvas,
        rng,
        horizon - 0.09,
        0.03,
        1.1,
        light.on((124, 190, 150), 0.55),
        light.on((134, 204, 140), 0.4),
        horizon + 0.05,
    )
    for x in np.linspace(0.0, 1.0, 8) + rng.uniform(-0.04, 0.04, size=8):
        paint_bush(canvas, light, rng, x, horizon + 0.02, rng.uniform(0.075, 0.11), 0.3)
    lawn = jitter(rng, (128, 206, 84), 6)
    paint_hills(
        canvas,
        rng,
        horizon,
        0.008,
        0.7,
        light.on_pale(mix(lawn, (206, 236, 130), 0.45), (104, 168, 120)),
        light.on_pale(mix(lawn, (40, 142, 66), 0.55), (40, 110, 96)),
        1.02,
    )
    _path(canvas, light, rng, horizon + 0.012)
    canvas.glow(light_x, 0.74, 0.5, 0.16, light.on_pale((226, 246, 140), (130, 190, 140)), 0.3)
    left_first = rng.random() < 0.5
    left, right = rng.uniform(0.04, 0.14), rng.uniform(0.86, 0.96)
    tall, short = (left, right) if left_first else (right, left)
    inner = 0.17 if tall < 0.5 else -0.17
    paint_tree(canvas, light, rng, tall + inner, horizon + 0.045, rng.uniform(0.24, 0.3), 0.14)
    paint_tree(canvas, light, rng, short, horizon + 0.05, rng.uniform(0.3, 0.38), 0.08)
    paint_tree(canvas, light, rng, tall, horizon + 0.13, rng.uniform(0.54, 0.62))
    _lamp_post(canvas, light, short + (0.16 if short < 0.5 else -0.16), horizon + 0.07, 0.3)
    return Stage(horizon, (horizon + 0.1, 0.95), light_x)


def _path(canvas: Canvas, light: Light, rng: np.random.Generator, top: float) -> None:
    """A pale path that bends towards the viewer and widens."""
    far, near, bend = (
        rng.uniform(0.42, 0.58),
        rng.uniform(0.3, 0.7),
        rng.choice([-1, 1]) * rng.uniform(0.1, 0.2),
    )
    steps = np.linspace(0, 1, 24)
    centres = far + (near - far) * steps + bend * np.sin(np.pi * steps * 1.1) * (1 - steps) ** 0.5
    heights, halves = top + (1.02 - top) * steps**1.6, 0.012 + 0.17 * steps**1.8
    left = [(float(c - h), float(y)) for c, h, y in zip(centres, halves, heights, strict=True)]
    right = [(float(c + h), float(y)) for c, h, y in zip(centres, halves, heights, strict=True)]
    canvas.polygon(
        [*left, *right[::-1]],
        light.on_pale((246, 232, 196), (190, 180, 190)),
        light.on_pale((232, 206, 156), (160, 140, 160)),
    )


def _lamp_post(canvas: Canvas, light: Light, x: float, foot: float, height: float) -> None:
    """A slim park lamp, glowing unless it is day."""
    iron = light.on((70, 84, 104))
    canvas.line([(x, foot), (x, foot - height)], iron, 0.014)
    canvas.box(x - 0.018, foot - 0.02, x + 0.018, foot, iron, radius=0.006)
    top = foot - height - 0.012
    if light.name == "day":
        canvas.ball(x, top, 0.028, 0.028, WHITE, (214, 226, 236))
        return
    canvas.glow(x, top, 0.2, 0.2, LAMPLIGHT, 0.6)
    canvas.glow(x, foot + 0.01, 0.2, 0.05, LAMPLIGHT, 0.35)
    canvas.ball(x, top, 0.03, 0.03, (255, 252, 226), (255, 224, 140))


def paint_beach(canvas: Canvas, light: Light, rng: np.random.Generator) -> Stage:
    """Sea with foam, sand, and a palm at one side."""
    sea, shore = rng.uniform(0.38, 0.43), rng.uniform(0.57, 0.62)
    light_x = paint_sky(canvas, light, rng, sea)
    if rng.random() < 0.6:
        x = rng.uniform(0.15, 0.85)
        canvas.puffs(
            [(x, sea + 0.01, 0.13, 0.05), (x + 0.1, sea + 0.01, 0.09, 0.03)],
            light.on((96, 170, 140), 0.4),
            light.on((110, 180, 160), 0.5),
        )
    deep, shallow = jitter(rng, (30, 134, 214), 6), jitter(rng, (98, 222, 222), 6)
    canvas.bands(
        [
            (sea, light.on(deep, 0.12)),
            (sea + 0.1, light.on(mix(deep, shallow, 0.5))),
            (shore + 0.05, light.on(shallow)),
            (1.0, light.on(shallow)),
        ]
    )
    glitter = {"day": WHITE, "sunset": (255, 226, 160), "night": (190, 206, 255)}[light.name]
    canvas.glow(light_x, (sea + shore) / 2 - 0.02, 0.17, 0.12, glitter, 0.55)
    for share in (0.3, 0.62):
        y = sea + (shore - sea) * share
        start = rng.uniform(0.05, 0.55)
        crest = [(start + t * 0.4, y + 0.006 * np.sin(9 * t)) for t in np.linspace(0, 1, 12)]
        canvas.line(crest, light.on(WHITE), 0.008 + 0.006 * share, 0.45)
    _sand(canvas, light, rng, shore, light_x)
    side = rng.choice([0.0, 1.0])
    _palm(canvas, light, rng, float(abs(side - rng.uniform(0.03, 0.1))), rng.uniform(0.74, 0.8), side < 0.5)
    return Stage(shore, (shore + 0.09, 0.95), light_x, water=(sea + 0.05, shore - 0.02))


def _sand(canvas: Canvas, light: Light, rng: np.random.Generator, shore: float, light_x: float) -> None:
    """Foam, a wet edge and warm sand, along one wavy waterline."""
    tilt = rng.uniform(-0.025, 0.025)
    line = [(x, shore + offset + tilt * (x - 0.5)) for x, offset in curve(rng, 0.011, 1.4)]
    sand, moon = jitter(rng, (246, 216, 158), 5), (222, 190, 164)
    for drop, colour, opacity in (
        (-0.016, light.on_snow(WHITE), 0.5),
        (0.0, light.on_snow(WHITE), 1.0),
        (0.018, light.on(mix(sand, (150, 110, 80), 0.35)), 1.0),
    ):
        edge = [(x, y + drop) for x, y in line]
        canvas.polygon([*edge, (1.02, 1.02), (-0.02, 1.02)], colour, colour, opacity)
    edge = [(x, y + 0.05) for x, y in line]
    canvas.polygon(
        [*edge, (1.02, 1.02), (-0.02, 1.02)],
        light.on_pale(mix(sand, WHITE, 0.25), moon),
        light.on_pale(mix(sand, (226, 158, 88), 0.5), mix(moon, (120, 84, 100), 0.4)),
    )
    canvas.glow(light_x, 0.76, 0.5, 0.14, light.on_pale((255, 244, 210), moon), 0.45)


def _palm(
    canvas: Canvas, light: Light, rng: np.random.Generator, x: float, foot: float, leans_right: bool
) -> None:
    """A palm that leans into the picture."""
    lean = rng.uniform(0.08, 0.14) * (1 if leans_right else -1)
    height = rng.uniform(0.54, 0.6)
    canvas.glow(x, foot, 0.13, 0.03, light.on((150, 104, 66)), 0.6)
    steps = np.linspace(0, 1, 14)
    spine = [(float(x + lean * t**1.7), float(foot - height * t)) for t in steps]
    widths = 0.03 - 0.014 * steps
    trunk = [(px - w, py) for (px, py), w in zip(spine, widths, strict=True)]
    trunk += [(px + w, py) for (px, py), w in zip(spine, widths, strict=True)][::-1]
    canvas.polygon(trunk, light.on((196, 142, 88)), light.on((140, 92, 60)))
    crown_x, crown_y = spine[-1]
    for angle in (-168, -12, -205, 25, -130, -50, -92):
        turn = np.radians(angle + rng.uniform(-7, 7))
        length = rng.uniform(0.2, 0.25)
        tip_x, tip_y = crown_x + length * np.cos(turn), crown_y + 0.55 * length * np.sin(turn) + 0.06
        mid_x, mid_y = crown_x + 0.55 * length * np.cos(turn), crown_y + 0.8 * length * np.sin(turn) - 0.035
        upper = _bezier((crown_x, crown_y), (mid_x, mid_y - 0.02), (tip_x, tip_y))
        lower = _bezier((crown_x, crown_y + 0.012), (mid_x, mid_y + 0.055), (tip_x, tip_y))
        green = jitter(rng, (72, 178, 88), 10)
        canvas.polygon(
            [*upper, *lower[::-1]],
            light.on(mix(green, (200, 236, 110), 0.35)),
            light.on(mix(green, (16, 98, 78), 0.45)),
        )
    for dx in (-0.016, 0.016):
        canvas.ball(
            crown_x + dx, crown_y + 0.016, 0.017, 0.017, light.on((176, 118, 70)), light.on((96, 60, 44))
        )


def _bezier(start: Point, control: Point, end: Point) -> list[Point]:
    """Nine points along a quadratic Bezier curve."""
    return [
        (
            float((1 - t) ** 2 * start[0] + 2 * t * (1 - t) * control[0] + t**2 * end[0]),
            float((1 - t) ** 2 * start[1] + 2 * t * (1 - t) * control[1] + t**2 * end[1]),
        )
        for t in np.linspace(0, 1, 9)
    ]


def paint_field(canvas: Canvas, light: Light, rng: np.random.Generator) -> Stage:
    """Farmland: striped hills, a red barn, a wooden fence and golden ground."""
    horizon = rng.uniform(0.5, 0.54)
    light_x = paint_sky(canvas, light, rng, horizon - 0.06)
    paint_hills(
        canvas,
        rng,
        horizon - 0.1,
        0.035,
        0.8,
        light.on((130, 190, 130), 0.5),
        light.on((160, 206, 120), 0.4),
        horizon + 0.06,
    )
    wheat = jitter(rng, (250, 206, 92), 5)
    paint_hills(
        canvas,
        rng,
        horizon - 0.03,
        0.02,
        0.6,
        light.on((158, 204, 92), 0.15),
        light.on((132, 186, 78), 0.1),
        horizon + 0.1,
    )
    barn_x = float(rng.uniform(0.14, 0.3) if rng.random() < 0.5 else rng.uniform(0.7, 0.86))
    _barn(canvas, light, rng, barn_x, horizon + 0.035)
    tree_x = 1 - barn_x + rng.uniform(-0.06, 0.06)
    paint_tree(canvas, light, rng, tree_x, horizon + 0.03, rng.uniform(0.2, 0.27), 0.12)
    top, moon = horizon + 0.02, (224, 176, 78)
    paint_hills(
        canvas,
        rng,
        top,
        0.006,
        0.6,
        light.on_pale(mix(wheat, (255, 238, 170), 0.4), moon),
        light.on_pale(mix(wheat, (206, 140, 48), 0.6), mix(moon, (90, 60, 50), 0.35)),
        1.02,
    )
    vanish = rng.uniform(0.4, 0.6)
    for lane in np.arange(-3.25, 3.5, 1.0):
        near = vanish + lane * 0.4
        canvas.polygon(
            [
                (vanish + lane * 0.16 - 0.008, top + 0.06),
                (vanish + lane * 0.16 + 0.008, top + 0.06),
                (near + 0.09, 1.02),
                (near - 0.09, 1.02),
            ],
            light.on_pale((236, 178, 70), mix(moon, (90, 60, 50), 0.4)),
            light.on_pale((196, 128, 44), mix(moon, (90, 60, 50), 0.6)),
            0.42,
        )
    canvas.glow(light_x, 0.78, 0.5, 0.14, light.on_pale((255, 246, 180), moon), 0.35)
    _fence(canvas, light, horizon + 0.075)
    return Stage(horizon, (horizon + 0.14, 0.95), light_x)


def _barn(canvas: Canvas, light: Light, rng: np.random.Generator, x: float, foot: float) -> None:
    """A red barn with a silo beside it."""
    red, white = jitter(rng, (214, 66, 58), 6), light.on((255, 244, 232))
    silo = x + (0.15 if x < 0.5 else -0.15)
    canvas.box(
        silo - 0.035,
        foot - 0.24,
        silo + 0.035,
        foot,
        light.on((220, 228, 238)),
        light.on((168, 182, 204)),
        0.03,
    )
    canvas.puffs([(silo, foot - 0.225, 0.037, 0.036)], light.on((176, 196, 220)), light.on((140, 160, 190)))
    wall = [
        (x - 0.105, foot),
        (x - 0.105, foot - 0.12),
        (x - 0.065, foot - 0.19),
        (x, foot - 0.225),
        (x + 0.065, foot - 0.19),
        (x + 0.105, foot - 0.12),
        (x + 0.105, foot),
    ]
    canvas.polygon(wall, light.on(mix(red, (255, 150, 110), 0.2)), light.on(mix(red, (110, 20, 40), 0.3)))
    roof = [
        (x - 0.122, foot - 0.112),
        (x - 0.07, foot - 0.198),
        (x, foot - 0.236),
        (x + 0.07, foot - 0.198),
        (x + 0.122, foot - 0.112),
    ]
    canvas.line(roof, light.on((112, 84, 92)), 0.022)
    canvas.box(x - 0.045, foot - 0.085, x + 0.045, foot, white)
    canvas.box(x - 0.034, foot - 0.074, x + 0.034, foot, light.on(mix(red, (110, 20, 40), 0.35)))
    pane = light.on((120, 60, 56)) if light.name == "day" else LAMPLIGHT
    if light.is_night:
        canvas.glow(x, foot - 0.145, 0.08, 0.08, LAMPLIGHT, 0.5)
    canvas.box(x - 0.026, foot - 0.166, x + 0.026, foot - 0.12, white, radius=0.006)
    canvas.box(x - 0.018, foot - 0.158, x + 0.018, foot - 0.128, pane, radius=0.004)


def _fence(canvas: Canvas, light: Light, foot: float) -> None:
    """A wooden fence across the picture."""
    wood, dark = light.on((250, 240, 222)), light.on((206, 186, 164))
    for rise in (0.036, 0.066):
        canvas.line([(-0.05, foot - rise), (1.05, foot - rise)], dark, 0.014)
    for x in np.arange(0.06, 1.0, 0.147):
        canvas.box(x - 0.013, foot - 0.092, x + 0.013, foot, wood, dark, 0.008)
