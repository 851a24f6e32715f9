"""Snow and lake, both under mountains."""

import numpy as np

from .backdrops_canvas import WHITE, Canvas, Point, Stage, curve, jitter, mix
from .backdrops_sky import (
    LAMPLIGHT,
    Light,
    paint_bush,
    paint_fir,
    paint_hills,
    paint_mountains,
    paint_sky,
)


def paint_snow(canvas: Canvas, light: Light, rng: np.random.Generator) -> Stage:
    """Snow-capped mountains, firs and drifts, sometimes a cabin."""
    horizon = rng.uniform(0.52, 0.57)
    light_x = paint_sky(canvas, light, rng, horizon, clouds=2)
    paint_mountains(canvas, light, rng, horizon + 0.02, 0.4, 0.5)
    for x in np.linspace(0.03, 0.97, 9) + rng.uniform(-0.04, 0.04, size=9):
        paint_fir(canvas, light, rng, x, horizon + 0.02, rng.uniform(0.11, 0.16), 0.35, snowy=True)
    snow = jitter(rng, (240, 247, 255), 3)
    paint_hills(
        canvas, rng, horizon + 0.01, 0.012, 0.8, light.on_snow(snow), light.on_snow((206, 226, 250)), 1.02
    )
    if rng.random() < 0.45:
        _cabin(canvas, light, rng, rng.uniform(0.34, 0.66), horizon + 0.05)
    paint_hills(
        canvas, rng, horizon + 0.14, 0.018, 0.9, light.on_snow(WHITE), light.on_snow((190, 212, 246)), 1.02
    )
    canvas.glow(light_x, horizon + 0.22, 0.45, 0.1, light.on_snow((255, 255, 246)), 0.7)
    left, right = rng.uniform(0.04, 0.12), rng.uniform(0.88, 0.96)
    for x, step in ((left, 1), (right, -1)):
        paint_fir(
            canvas, light, rng, x + 0.13 * step, horizon + 0.07, rng.uniform(0.22, 0.3), 0.12, snowy=True
        )
        height = rng.uniform(0.42, 0.56)
        canvas.glow(x, horizon + 0.15, 0.14, 0.03, light.on((140, 170, 220)), 0.7)
        paint_fir(canvas, light, rng, x, horizon + 0.17, height, snowy=True)
    if rng.random() < 0.5:
        for index in range(18):
            x, y = (index + rng.uniform(0, 1)) / 18, rng.uniform(0.03, 0.6)
            radius = rng.uniform(0.007, 0.012)
            canvas.ellipse(x, y, radius, radius, mix(light.on(WHITE), WHITE, 0.5), opacity=0.9)
    return Stage(horizon, (horizon + 0.13, 0.95), light_x)


def _cabin(canvas: Canvas, light: Light, rng: np.random.Generator, x: float, foot: float) -> None:
    """A small log cabin under a snowy roof."""
    wood = jitter(rng, (176, 112, 74), 8)
    canvas.box(x + 0.035, foot - 0.17, x + 0.06, foot - 0.1, light.on((150, 96, 84)))
    canvas.box(
        x - 0.085, foot - 0.09, x + 0.085, foot, light.on(wood), light.on(mix(wood, (80, 40, 40), 0.4))
    )
    canvas.polygon(
        [(x - 0.115, foot - 0.08), (x, foot - 0.17), (x + 0.115, foot - 0.08)],
        light.on_snow(WHITE),
        light.on_snow((220, 232, 250)),
    )
    pane = light.on((190, 226, 246)) if light.name == "day" else LAMPLIGHT
    if light.name != "day":
        canvas.glow(x - 0.03, foot - 0.045, 0.1, 0.08, LAMPLIGHT, 0.5)
    canvas.box(x - 0.055, foot - 0.066, x - 0.012, foot - 0.026, pane, radius=0.004)
    canvas.box(x + 0.02, foot - 0.066, x + 0.055, foot, light.on((112, 66, 52)), radius=0.006)


def paint_lake(canvas: Canvas, light: Light, rng: np.random.Generator) -> Stage:
    """Mountains and firs mirrored in water, with a wooden pier and a grassy shore."""
    horizon, shore = rng.uniform(0.4, 0.44), rng.uniform(0.7, 0.74)
    light_x = paint_sky(canvas, light, rng, horizon, clouds=2)
    paint_mountains(canvas, light, rng, horizon + 0.01, 0.3, 0.36)
    xs = np.linspace(0.0, 1.0, 11) + rng.uniform(-0.03, 0.03, size=11)
    for x in xs:
        paint_fir(canvas, light, rng, x, horizon + 0.005, rng.uniform(0.09, 0.15), 0.22)
    _mirror(canvas, light, rng, horizon, shore, light_x)
    line = [(x, shore + offset) for x, offset in curve(rng, 0.014, 0.8)]
    rim = [(x, y - 0.012) for x, y in line]
    canvas.polygon([*rim, (1.02, 1.02), (-0.02, 1.02)], light.on((196, 176, 132)))
    grass = jitter(rng, (112, 190, 88), 6)
    canvas.polygon(
        [*line, (1.02, 1.02), (-0.02, 1.02)],
        light.on(mix(grass, (204, 232, 130), 0.4)),
        light.on(mix(grass, (34, 126, 74), 0.6)),
    )
    side = 1 if rng.random() < 0.5 else -1
    _pier(canvas, light, rng, side, shore)
    for x in (0.06, 0.15):
        reed_x = x if side > 0 else 1 - x
        paint_bush(
            canvas,
            light,
            rng,
            reed_x + rng.uniform(-0.02, 0.02),
            shore + 0.035,
            rng.uniform(0.06, 0.09),
            leaf=(96, 170, 78),
        )
    return Stage(horizon, (shore + 0.06, 0.95), light_x, water=(horizon + 0.1, shore - 0.04))


def _mirror(
    canvas: Canvas, light: Light, rng: np.random.Generator, horizon: float, shore: float, light_x: float
) -> None:
    """Water that reflects what is above it, bluer towards the viewer, with a few long ripples."""
    canvas.reflect(horizon, shore + 0.03, light.on((40, 128, 196)), (0.22, 0.74))
    glitter = {"day": WHITE, "sunset": (255, 222, 150), "night": (196, 210, 255)}[light.name]
    canvas.glow(light_x, horizon + 0.1, 0.11, 0.12, glitter, 0.5)
    for share in (0.22, 0.42, 0.62, 0.8):
        y, start, length = horizon + (shore - horizon) * share, rng.uniform(0.0, 0.7), 0.16 + 0.2 * share
        canvas.line([(start, y), (start + length, y)], light.on((214, 240, 255)), 0.005 + 0.006 * share, 0.4)


def _pier(canvas: Canvas, light: Light, rng: np.random.Generator, side: int, shore: float) -> None:
    """A plank pier that runs from the near shore into the lake."""

    def along(depth: float, across: float) -> Point:
        """Depth 0 is on the shore and 1 the far end; across is -1..1."""
        centre, half = 0.5 + side * (0.36 - 0.12 * depth), 0.11 - 0.062 * depth
        return centre + across * half, shore + 0.05 - 0.17 * depth

    wood = jitter(rng, (198, 146, 96), 6)
    dark = light.on(mix(wood, (70, 40, 40), 0.55))
    for depth in (0.95, 0.5):
        for across in (-0.9, 0.9):
            x, y = along(depth, across)
            canvas.line([(x, y), (x, y + 0.06 - 0.02 * depth)], dark, 0.018 - 0.006 * depth)
    corners = [along(0, -1), along(1, -1), along(1, 1), along(0, 1)]
    canvas.polygon([(x, y + 0.014) for x, y in corners], dark)
    canvas.polygon(corners, light.on(mix(wood, (255, 230, 190), 0.4)), light.on(wood))
    for depth in (0.2, 0.45, 0.72):
        canvas.line([along(depth, -1), along(depth, 1)], dark, 0.005, 0.5)
