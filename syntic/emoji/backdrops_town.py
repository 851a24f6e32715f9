"""Street and city."""

from collections.abc import Callable, Sequence

import numpy as np

from .backdrops_canvas import WHITE, Canvas, Colour, Point, Stage, jitter, mix
from .backdrops_sky import LAMPLIGHT, Light, paint_bush, paint_hills, paint_sky

FACADES: tuple[Colour, ...] = (
    (244, 150, 118),
    (250, 206, 124),
    (136, 196, 176),
    (150, 178, 226),
    (232, 136, 148),
    (204, 182, 226),
)


def paint_street(canvas: Canvas, light: Light, rng: np.random.Generator) -> Stage:
    """Colourful houses on both sides of a road that runs away from the viewer."""
    vanish_x, vanish_y = rng.uniform(0.45, 0.55), rng.uniform(0.46, 0.49)
    light_x = paint_sky(canvas, light, rng, vanish_y)
    paint_hills(
        canvas,
        rng,
        vanish_y - 0.04,
        0.02,
        1.0,
        light.on((120, 180, 140), 0.5),
        light.on((120, 180, 130), 0.4),
        0.7,
    )
    for step in (-0.1, 0.0, 0.1):
        paint_bush(canvas, light, rng, vanish_x + step, vanish_y + 0.03, 0.07, 0.35)

    def project(across: float, rise: float, depth: float) -> Point:
        """A point of the street; across and rise are measured where depth is 1."""
        return vanish_x + across / depth, vanish_y + (0.56 - rise) / depth

    pavement = jitter(rng, (214, 206, 204), 5)
    canvas.polygon(
        [project(-1.1, 0, 14), project(1.1, 0, 14), project(1.1, 0, 1), project(-1.1, 0, 1)],
        light.on(pavement, 0.15),
        light.on(mix(pavement, (170, 156, 160), 0.5)),
    )
    order = rng.permutation(len(FACADES))
    for side in (-1, 1):
        _terrace(
            canvas, light, rng, side, project, [FACADES[i] for i in (order if side < 0 else order[::-1])]
        )
    canvas.polygon(
        [project(-0.44, 0, 14), project(0.44, 0, 14), project(0.44, 0, 1), project(-0.44, 0, 1)],
        light.on((240, 236, 230), 0.1),
    )
    asphalt = jitter(rng, (118, 124, 144), 4)
    canvas.polygon(
        [project(-0.41, 0, 14), project(0.41, 0, 14), project(0.41, 0, 1), project(-0.41, 0, 1)],
        light.on(mix(asphalt, WHITE, 0.22)),
        light.on(mix(asphalt, (70, 74, 98), 0.5)),
    )
    start = rng.uniform(0.0, 0.3)
    for near in (1.02 + start, 1.6 + 1.4 * start, 2.6 + 2 * start, 4.4 + 3 * start):
        far = near * 1.3
        canvas.polygon(
            [
                project(-0.022, 0, near),
                project(0.022, 0, near),
                project(0.022, 0, far),
                project(-0.022, 0, far),
            ],
            _marking(light),
        )
    for side, depth in ((-1, 3.2), (1, 3.2), (-1, 1.75), (1, 1.75)):
        _street_lamp(
            canvas, light, project(side * 0.53, 0, depth), project(side * 0.53, 0.62, depth), side, depth
        )
    return Stage(vanish_y, (vanish_y + 0.16, 0.95), light_x)


def _marking(light: Light) -> Colour:
    """Road paint, which shines a little in the dark."""
    paint: Colour = (255, 246, 214)
    return mix(light.on(paint), paint, 0.25)


def _terrace(
    canvas: Canvas,
    light: Light,
    rng: np.random.Generator,
    side: int,
    project: Callable[[float, float, float], Point],
    colours: Sequence[Colour],
) -> None:
    """One row of houses along the street, far ones first."""
    edges = [1.0, 1.8, 2.75, 4.2, 6.6, 12.0]
    for index in reversed(range(5)):
        near, far = edges[index], edges[index + 1]
        wall, height = jitter(rng, colours[index], 6), rng.uniform(0.78, 1.0)
        distance = 0.1 * index
        shade = 0.16 if (side > 0) == canvas.lit_from_right else 0.0
        wall = mix(wall, (96, 74, 120), shade)
        quad = [
            project(side * 0.64, 0, near),
            project(side * 0.64, height, near),
            project(side * 0.64, height, far),
            project(side * 0.64, 0, far),
        ]
        canvas.polygon(
            quad,
            light.on(mix(wall, WHITE, 0.12), distance),
            light.on(mix(wall, (120, 70, 90), 0.18), distance),
        )
        roof = [
            quad[1],
            project(side * 0.74, height + 0.14, near),
            project(side * 0.74, height + 0.14, far),
            quad[2],
        ]
        canvas.polygon(roof, light.on((150, 84, 84), distance), light.on((178, 96, 88), distance))

        def panel(
            left: float, right: float, low: float, high: float, near: float = near, far: float = far
        ) -> list[Point]:
            """A rectangle on this facade; left and right are shares of its length, seen in perspective."""
            first, second = near + (far - near) * left, near + (far - near) * right
            return [
                project(side * 0.638, low, first),
                project(side * 0.638, high, first),
                project(side * 0.638, high, second),
                project(side * 0.638, low, second),
            ]

        canvas.polygon(panel(0.0, 1.0, height - 0.03, height), light.on(mix(wall, WHITE, 0.6), distance))
        for low in (0.33, 0.33 + (height - 0.3) / 2):
            for left in (0.16, 0.6):
                lit = light.is_night and rng.random() < 0.7 or light.name == "sunset" and rng.random() < 0.4
                frame = light.on(mix(wall, WHITE, 0.75), distance)
                pane = LAMPLIGHT if lit else light.on((120, 168, 212), distance)
                if index < 3:
                    canvas.polygon(panel(left - 0.03, left + 0.27, low - 0.015, low + 0.185), frame)
                canvas.polygon(panel(left, left + 0.24, low, low + 0.17), mix(pane, WHITE, 0.12), pane)
        awning = light.on(mix(colours[(index + 2) % 6], (210, 50, 70), 0.35), distance)
        door = LAMPLIGHT if light.is_night else light.on((104, 128, 160), distance)
        canvas.polygon(panel(0.14, 0.86, 0.0, 0.2), door, mix(door, light.on((90, 70, 80)), 0.4))
        canvas.polygon(panel(0.1, 0.9, 0.17, 0.25), mix(awning, light.on(WHITE), 0.2), awning)


def _street_lamp(canvas: Canvas, light: Light, foot: Point, top: Point, side: int, depth: float) -> None:
    """A lamp on a bent pole that reaches over the road."""
    iron, reach, width = light.on((84, 94, 122)), 0.11 / depth, 0.022 / depth
    head = (top[0] - side * reach, top[1] + 0.01)
    canvas.line([foot, top, head], iron, width)
    if light.name != "day":
        canvas.glow(*head, 0.3 / depth, 0.3 / depth, LAMPLIGHT, 0.6)
        canvas.glow(head[0], foot[1], 0.3 / depth, 0.07 / depth, LAMPLIGHT, 0.4)
    bulb = (255, 250, 220) if light.name != "day" else (244, 246, 250)
    canvas.puffs([(head[0], head[1] + 0.01 / depth, 0.05 / depth, 0.028 / depth)], bulb)


def paint_city(canvas: Canvas, light: Light, rng: np.random.Generator) -> Stage:
    """A skyline of towers in three layers behind a broad avenue."""
    horizon = rng.uniform(0.56, 0.6)
    light_x = paint_sky(canvas, light, rng, horizon, clouds=2)
    canvas.glow(0.5, horizon, 0.8, 0.22, (255, 176, 190) if light.is_night else light.sky[2], 0.35)
    for distance, low, high, width in ((0.66, 0.26, 0.44, 0.1), (0.4, 0.18, 0.38, 0.13)):
        x = rng.uniform(-0.1, -0.02)
        while x < 1.0:
            wide = width * rng.uniform(0.75, 1.2)
            wall = jitter(rng, (104, 128, 190), 8)
            top = horizon - rng.uniform(low, high)
            canvas.box(
                x,
                top,
                x + wide,
                horizon + 0.02,
                light.on(wall, distance),
                light.on(wall, distance + 0.14),
                0.008,
            )
            x += wide * rng.uniform(0.95, 1.15)
    _towers(canvas, light, rng, horizon)
    for x in np.arange(0.03, 1.0, 0.118) + rng.uniform(-0.015, 0.015):
        paint_bush(canvas, light, rng, x, horizon + 0.025, 0.05, 0.1)
    _avenue(canvas, light, rng, horizon + 0.02)
    return Stage(horizon, (horizon + 0.08, 0.95), light_x)


def _towers(canvas: Canvas, light: Light, rng: np.random.Generator, horizon: float) -> None:
    """The nearest row of skyscrapers, with large windows."""
    shades: list[Colour] = [(92, 128, 206), (110, 106, 186), (66, 158, 192), (196, 128, 150), (224, 158, 120)]
    first = int(rng.integers(len(shades)))
    x = rng.uniform(-0.06, 0.0)
    for index in range(6):
        wide = rng.uniform(0.13, 0.18)
        # The middle of the row stays low, so that the sky is open above what stands there.
        tall = rng.uniform(0.36, 0.48) if abs(x + wide / 2 - 0.5) > 0.26 else rng.uniform(0.16, 0.28)
        wall = jitter(rng, shades[(first + index) % len(shades)], 6)
        top, right = horizon - tall, x + wide
        canvas.box(
            x,
            top,
            right,
            horizon + 0.02,
            light.on(mix(wall, WHITE, 0.25), 0.24 if light.name == "sunset" else 0.1),
            light.on(mix(wall, (60, 50, 120), 0.25)),
            0.012,
        )
        edge = right - wide * 0.24 if not canvas.lit_from_right else x
        canvas.box(
            edge, top + 0.004, edge + wide * 0.24, horizon + 0.02, light.on((50, 54, 120)), opacity=0.22
        )
        _crown(canvas, light, rng, wall, x, top, wide)
        pitch = wide / 3
        for row in range(int((tall - 0.03) / 0.058)):
            for column in range(3):
                lit = rng.random() < {"day": 0.0, "sunset": 0.35, "night": 0.6}[light.name]
                pane = LAMPLIGHT if lit else light.on(mix(wall, (206, 236, 255), 0.62), 0.05)
                left, upper = x + pitch * (column + 0.24), top + 0.026 + row * 0.058
                canvas.box(
                    left,
                    upper,
                    left + pitch * 0.52,
                    upper + 0.032,
                    pane,
                    radius=0.004,
                    opacity=1.0 if lit else 0.75,
                )
        x = right + rng.uniform(0.004, 0.03)


def _crown(
    canvas: Canvas, light: Light, rng: np.random.Generator, wall: Colour, x: float, top: float, wide: float
) -> None:
    """What a tower ends in: nothing, a step, a spire or a slanted roof."""
    kind, tone = rng.integers(5), light.on(mix(wall, WHITE, 0.3), 0.1)
    middle = x + wide / 2
    if kind == 1:
        canvas.box(x + wide * 0.2, top - 0.03, x + wide * 0.8, top + 0.02, tone, radius=0.006)
    elif kind == 2:
        canvas.box(x + wide * 0.25, top - 0.025, x + wide * 0.75, top + 0.02, tone, radius=0.006)
        canvas.line([(middle, top - 0.02), (middle, top - 0.085)], tone, 0.01)
    elif kind == 3:
        canvas.polygon([(x, top + 0.01), (x + wide, top + 0.01), (x + wide, top - 0.05)], tone)
    elif kind == 4:
        canvas.puffs([(middle, top + 0.006, wide * 0.5, 0.045)], tone, light.on(wall, 0.1))


def _avenue(canvas: Canvas, light: Light, rng: np.random.Generator, top: float) -> None:
    """Pavement, kerb and a road with a dashed line that crosses the picture."""
    paving = jitter(rng, (222, 214, 214), 4)
    canvas.bands([(top, light.on(paving)), (1.0, light.on(mix(paving, (180, 166, 180), 0.4)))])
    kerb = top + 0.05
    asphalt = jitter(rng, (106, 114, 142), 4)
    canvas.bands([(kerb, light.on((246, 242, 238))), (kerb + 0.014, light.on((196, 190, 200)))])
    canvas.bands(
        [(kerb + 0.014, light.on(mix(asphalt, WHITE, 0.2))), (1.0, light.on(mix(asphalt, (60, 64, 96), 0.5)))]
    )
    middle, start = kerb + 0.13, rng.uniform(-0.2, 0.0)
    for x in np.arange(start, 1.0, 0.26):
        lean = (x + 0.07 - 0.5) * 0.03
        canvas.polygon(
            [(x, middle), (x + 0.14, middle), (x + 0.14 + lean, middle + 0.022), (x + lean, middle + 0.022)],
            _marking(light),
        )
    if light.is_night:
        for x in (0.2, 0.5, 0.8):
            canvas.glow(x, kerb + 0.03, 0.16, 0.05, LAMPLIGHT, 0.3)
