"""Rooms: the living room, the bedroom, and the walls and windows they share with the kitchen."""

import numpy as np

from .backdrops_canvas import WHITE, Canvas, Colour, Stage, jitter, mix
from .backdrops_sky import LAMPLIGHT, Light


def paint_living_room(canvas: Canvas, light: Light, rng: np.random.Generator) -> Stage:
    """A warm wall with window, pictures and a floor lamp; wooden floor and a round rug."""
    floor = rng.uniform(0.6, 0.64)
    wall = jitter(rng, (246, 206, 160), 6)
    paint_room(canvas, light, rng, wall, (198, 134, 86), floor)
    window_left = rng.random() < 0.5
    window_x = rng.uniform(0.24, 0.3) if window_left else rng.uniform(0.7, 0.76)
    paint_window(canvas, light, rng, window_x, 0.31, 0.13, 0.16, (226, 98, 84))
    other = 1 - window_x
    hearth_x = other + (-0.05 if other > 0.5 else 0.05)
    _picture(canvas, light, rng, hearth_x + rng.uniform(-0.02, 0.02), 0.19, 0.1, 0.075)
    _fireplace(canvas, light, hearth_x, floor)
    _sunbeam(canvas, light, window_x, floor)
    rug: list[Colour] = [(214, 92, 92), (70, 150, 160), (122, 108, 190)]
    colour = light.indoors(rug[int(rng.integers(len(rug)))])
    canvas.ellipse(0.5, 0.82, 0.42, 0.13, colour, mix(colour, (60, 20, 60), 0.2))
    canvas.ellipse(0.5, 0.82, 0.37, 0.108, mix(colour, WHITE, 0.55), mix(colour, WHITE, 0.4))
    canvas.ellipse(0.5, 0.82, 0.33, 0.092, mix(colour, WHITE, 0.12), colour)
    lamp_x = rng.uniform(0.9, 0.94) if window_left else rng.uniform(0.06, 0.1)
    _floor_lamp(canvas, light, lamp_x, floor + 0.09)
    _coffee_table(canvas, light)
    return Stage(floor, (floor + 0.12, 0.95), window_x, surface=(0.16, 0.84, 0.735))


def paint_bedroom(canvas: Canvas, light: Light, rng: np.random.Generator) -> Stage:
    """A lilac wall, a wardrobe, a night table with a lamp, a soft rug; beds are things, not scenery."""
    floor = rng.uniform(0.57, 0.6)
    wall = jitter(rng, (184, 176, 246), 6)
    paint_room(canvas, light, rng, wall, (222, 186, 158), floor)
    wardrobe_left = rng.random() < 0.5
    wardrobe_x = rng.uniform(0.2, 0.25) if wardrobe_left else rng.uniform(0.75, 0.8)
    window_x = 1 - wardrobe_x + rng.uniform(-0.03, 0.03)
    paint_window(canvas, light, rng, window_x, 0.27, 0.12, 0.15, (120, 116, 204))
    _sunbeam(canvas, light, window_x, floor)
    _picture(canvas, light, rng, 0.5, 0.2, 0.075, 0.06)
    rug = light.indoors(jitter(rng, (244, 190, 214), 5))
    canvas.ellipse(0.5, 0.87, 0.44, 0.1, rug, mix(rug, light.indoors((206, 140, 190)), 0.5))
    _wardrobe(canvas, light, rng, wardrobe_x, floor)
    _night_table(canvas, light, window_x, floor + 0.05)
    return Stage(floor, (floor + 0.18, 0.96), window_x)


def paint_room(
    canvas: Canvas,
    light: Light,
    rng: np.random.Generator,
    wall: Colour,
    floor: Colour,
    line: float,
    boards: bool = True,
) -> None:
    """Wall, skirting board and floor, its boards in perspective."""
    floor = jitter(rng, floor, 5)
    canvas.bands(
        [
            (0.0, light.indoors(mix(wall, (120, 90, 120), 0.10))),
            (0.3, light.indoors(mix(wall, WHITE, 0.18))),
            (line, light.indoors(mix(wall, (150, 110, 110), 0.12))),
        ]
    )
    canvas.bands(
        [
            (line, light.indoors(mix(floor, (90, 50, 60), 0.22))),
            (line + 0.1, light.indoors(floor)),
            (1.0, light.indoors(mix(floor, (255, 236, 200), 0.22))),
        ]
    )
    if light.is_night:
        canvas.glow(0.5, 0.3, 0.9, 0.5, (255, 206, 150), 0.16)
    if boards:
        for lane in np.arange(-3.5, 4.0, 1.0):
            canvas.line(
                [(0.5 + lane * 0.16, line), (0.5 + lane * 0.34, 1.02)],
                light.indoors(mix(floor, (90, 50, 50), 0.4)),
                0.006,
                0.45,
            )
    canvas.bands(
        [(line - 0.028, light.indoors(mix(wall, WHITE, 0.75))), (line, light.indoors(mix(wall, WHITE, 0.4)))]
    )


def paint_window(
    canvas: Canvas,
    light: Light,
    rng: np.random.Generator,
    x: float,
    y: float,
    half_width: float,
    half_height: float,
    curtain: Colour | None,
) -> None:
    """A window with the sky of the hour in it, between curtains if a colour is given."""
    top, low = y - half_height, y + half_height
    frame = light.indoors((255, 252, 246))
    canvas.box(
        x - half_width - 0.02,
        top - 0.02,
        x + half_width + 0.02,
        low + 0.02,
        frame,
        mix(frame, (150, 140, 160), 0.2),
        0.012,
    )
    canvas.box(x - half_width, top, x + half_width, low, light.sky[0], light.sky[2])
    spot = x + rng.uniform(-0.5, 0.5) * half_width
    if light.is_night:
        canvas.ball(spot, top + half_height * 0.55, 0.03, 0.03, (255, 252, 230), (226, 218, 190))
        for dx, dy in ((-0.7, 0.4), (0.65, 0.9), (-0.35, 1.2), (0.75, 0.25)):
            canvas.ellipse(x + dx * half_width, top + dy * half_height, 0.006, 0.006, (255, 250, 226))
    elif light.name == "day":
        canvas.puffs(
            [(spot, y - 0.01, 0.05, 0.022), (spot + 0.02, y - 0.022, 0.03, 0.026)], WHITE, (226, 240, 252)
        )
    else:
        canvas.ellipse(spot, y + half_height * 0.3, 0.04, 0.04, (255, 240, 170), (255, 186, 100))
    hill = low - half_height * rng.uniform(0.35, 0.5)
    ridge = [(x + half_width * t, hill - 0.018 * np.cos(2.4 * t + 0.6)) for t in np.linspace(-1, 1, 13)]
    canvas.polygon(
        [*ridge, (x + half_width, low), (x - half_width, low)],
        light.on((136, 206, 120), 0.15),
        light.on((84, 172, 92)),
    )
    canvas.box(x - 0.008, top, x + 0.008, low, frame)
    canvas.box(x - half_width, y - 0.008, x + half_width, y + 0.008, frame)
    if curtain is None:
        canvas.box(
            x - half_width - 0.04,
            low + 0.012,
            x + half_width + 0.04,
            low + 0.036,
            frame,
            mix(frame, (150, 140, 160), 0.3),
            0.008,
        )
        return
    cloth = light.indoors(jitter(rng, curtain, 8))
    for side in (-1, 1):
        outer, inner = x + side * (half_width + 0.055), x + side * half_width * 0.66
        waist = x + side * (half_width + 0.005)
        drape = [
            (outer, top - 0.04),
            (inner, top - 0.04),
            (inner + side * 0.01, y),
            (waist, low + 0.0),
            (waist - side * 0.015, low + 0.07),
            (outer, low + 0.07),
        ]
        canvas.polygon(drape, mix(cloth, WHITE, 0.18), mix(cloth, (70, 20, 60), 0.2))
        fold = outer - side * 0.03
        canvas.line([(fold, top - 0.03), (fold, low + 0.06)], mix(cloth, (70, 20, 60), 0.3), 0.01, 0.5)
    rod = light.indoors((150, 104, 74))
    canvas.line([(x - half_width - 0.08, top - 0.045), (x + half_width + 0.08, top - 0.045)], rod, 0.016)


def _picture(
    canvas: Canvas,
    light: Light,
    rng: np.random.Generator,
    x: float,
    y: float,
    half_width: float,
    half_height: float,
) -> None:
    """A framed landscape."""
    frame = light.indoors((170, 112, 72))
    canvas.glow(x, y + half_height + 0.01, half_width * 1.3, 0.04, light.indoors((110, 80, 90)), 0.5)
    canvas.box(
        x - half_width - 0.016,
        y - half_height - 0.016,
        x + half_width + 0.016,
        y + half_height + 0.016,
        mix(frame, WHITE, 0.15),
        frame,
        0.008,
    )
    sky = light.indoors(jitter(rng, (252, 226, 178), 6))
    canvas.box(x - half_width, y - half_height, x + half_width, y + half_height, sky, mix(sky, WHITE, 0.4))
    canvas.ellipse(
        x + rng.uniform(-0.4, 0.4) * half_width,
        y - half_height * 0.25,
        half_height * 0.3,
        half_height * 0.3,
        light.indoors((244, 126, 92)),
    )
    ridge = [
        (x + half_width * t, y + half_height * (0.35 - 0.25 * np.cos(3 * t + 0.5)))
        for t in np.linspace(-1, 1, 13)
    ]
    canvas.polygon(
        [*ridge, (x + half_width, y + half_height), (x - half_width, y + half_height)],
        light.indoors((86, 160, 160)),
        light.indoors((60, 120, 140)),
    )


def _sunbeam(canvas: Canvas, light: Light, x: float, floor: float) -> None:
    """Light from the window on the floor; moonlight is faint."""
    lean = (0.5 - x) * 0.5
    colour, opacity = {
        "day": ((255, 248, 214), 0.42),
        "sunset": ((255, 190, 110), 0.45),
        "night": ((150, 170, 240), 0.2),
    }[light.name]
    canvas.polygon(
        [
            (x - 0.12 + lean * 0.3, floor + 0.03),
            (x + 0.12 + lean * 0.3, floor + 0.03),
            (x + 0.2 + lean, floor + 0.24),
            (x - 0.16 + lean, floor + 0.24),
        ],
        colour,
        opacity=opacity,
    )


def _floor_lamp(canvas: Canvas, light: Light, x: float, foot: float) -> None:
    """A standing lamp, lit unless it is day."""
    metal = light.indoors((116, 84, 70))
    canvas.glow(x, foot, 0.1, 0.03, light.indoors((80, 40, 40)), 0.5)
    canvas.ellipse(x, foot - 0.004, 0.05, 0.014, metal)
    canvas.line([(x, foot), (x, foot - 0.36)], metal, 0.014)
    _shade(canvas, light, x, foot - 0.46, 0.075, 0.12)


def _shade(canvas: Canvas, light: Light, x: float, top: float, half: float, height: float) -> None:
    """A lampshade, with a glow unless it is day."""
    cloth = light.indoors((255, 240, 206)) if light.name == "day" else (255, 236, 168)
    if light.name != "day":
        strength = 0.75 if light.is_night else 0.4
        canvas.glow(x, top + height * 0.6, half * 4.2, half * 4.2, LAMPLIGHT, strength)
    canvas.polygon(
        [(x - half * 0.6, top), (x + half * 0.6, top), (x + half, top + height), (x - half, top + height)],
        cloth,
        mix(cloth, (255, 186, 92), 0.4),
    )


def _fireplace(canvas: Canvas, light: Light, x: float, floor: float) -> None:
    """A white mantelpiece with a fire, low in its grate by day."""
    stone, dark = light.indoors((255, 248, 236)), light.indoors((70, 44, 52))
    canvas.box(x - 0.15, floor - 0.005, x + 0.15, floor + 0.025, light.indoors((150, 110, 104)), radius=0.008)
    canvas.box(x - 0.135, floor - 0.23, x + 0.135, floor + 0.005, stone, mix(stone, (170, 140, 140), 0.3))
    canvas.box(
        x - 0.16, floor - 0.262, x + 0.16, floor - 0.222, stone, mix(stone, (150, 120, 120), 0.3), 0.01
    )
    canvas.box(x - 0.085, floor - 0.17, x + 0.085, floor + 0.004, dark, light.indoors((110, 60, 54)), 0.03)
    flames: list[tuple[float, float, Colour]] = [
        (0.055, 0.11, (255, 128, 56)),
        (0.034, 0.072, (255, 204, 84)),
    ]
    canvas.glow(x, floor - 0.04, 0.12, 0.1, (255, 160, 80), 0.5)
    for half, height, colour in flames:
        foot = floor - 0.012
        tongue = [
            (x, foot - height),
            (x + half * 0.55, foot - height * 0.62),
            (x + half, foot - height * 0.28),
            (x + half * 0.7, foot),
            (x - half * 0.7, foot),
            (x - half, foot - height * 0.28),
            (x - half * 0.5, foot - height * 0.6),
        ]
        canvas.polygon(tongue, colour, mix(colour, (255, 226, 120), 0.3))
    canvas.box(x - 0.065, floor - 0.022, x + 0.065, floor - 0.002, light.indoors((132, 80, 58)), radius=0.008)
    if light.is_night:
        canvas.glow(x, floor + 0.04, 0.26, 0.1, (255, 170, 90), 0.35)


def _coffee_table(canvas: Canvas, light: Light) -> None:
    """A low, wide table on the rug."""
    wood = light.indoors((176, 112, 72))
    dark = mix(wood, (70, 30, 40), 0.4)
    canvas.glow(0.5, 0.89, 0.34, 0.04, light.indoors((90, 60, 80)), 0.5)
    for x in (0.24, 0.76):
        canvas.box(x - 0.018, 0.77, x + 0.018, 0.89, wood, dark, 0.01)
    canvas.box(0.16, 0.735, 0.84, 0.785, mix(wood, WHITE, 0.22), wood, 0.02)
    canvas.box(0.17, 0.775, 0.83, 0.79, dark, radius=0.008)


def _night_table(canvas: Canvas, light: Light, x: float, foot: float) -> None:
    """A small table with a lamp."""
    wood = light.indoors((206, 144, 104))
    canvas.glow(x, foot, 0.12, 0.03, light.indoors((90, 60, 80)), 0.5)
    canvas.box(x - 0.075, foot - 0.14, x + 0.075, foot, wood, mix(wood, (90, 40, 50), 0.3), 0.012)
    canvas.box(x - 0.055, foot - 0.105, x + 0.055, foot - 0.06, mix(wood, WHITE, 0.25), radius=0.008)
    canvas.line([(x, foot - 0.14), (x, foot - 0.2)], light.indoors((150, 104, 84)), 0.018)
    _shade(canvas, light, x, foot - 0.27, 0.055, 0.085)


def _wardrobe(canvas: Canvas, light: Light, rng: np.random.Generator, x: float, floor: float) -> None:
    """A tall wardrobe with two doors, standing at the wall."""
    wood = light.indoors(jitter(rng, (250, 240, 244), 4))
    dark = mix(wood, (120, 100, 170), 0.34)
    top, foot = floor - 0.42, floor + 0.06
    canvas.glow(x, foot, 0.2, 0.03, light.indoors((90, 60, 80)), 0.5)
    canvas.box(x - 0.15, top, x + 0.15, foot, wood, dark, 0.015)
    for side in (-1, 1):
        inner, outer = sorted((x + side * 0.012, x + side * 0.132))
        canvas.box(
            inner, top + 0.025, outer, foot - 0.04, mix(wood, WHITE, 0.28), mix(wood, WHITE, 0.05), 0.012
        )
        canvas.ellipse(x + side * 0.028, floor - 0.15, 0.008, 0.012, dark)
    canvas.box(x - 0.165, top - 0.02, x + 0.165, top + 0.008, mix(wood, WHITE, 0.15), wood, 0.01)
