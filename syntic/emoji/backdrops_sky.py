"""Light by time of day, skies with sun, moon, stars and clouds, and the trees that several settings share."""

from dataclasses import dataclass

import numpy as np

from .backdrops_canvas import WHITE, Canvas, Colour, curve, jitter, mix


@dataclass(frozen=True)
class Light:
    """What a time of day does to colours.

    Args:
        sky: colours from the top of the sky to the horizon.
        multiply: factor per channel on the daylight colours of land and buildings.
        veil: colour and share of the air's own tint over everything, near or far.
        haze: the colour that distance fades to.
        sprite: factor per channel on things that stand in an outdoor scene.
        room: factor per channel on walls and furniture.
        shadow: opacity of cast shadows outdoors, 0..1.
    """

    name: str
    sky: tuple[Colour, Colour, Colour]
    multiply: Colour
    veil: tuple[Colour, float]
    haze: Colour
    sprite: Colour
    room: Colour
    shadow: float

    @property
    def is_night(self) -> bool:
        """Whether lamps are on and windows lit."""
        return self.name == "night"

    @property
    def indoor_sprite(self) -> Colour:
        """Factor per channel on things in a room, which lamps keep brighter than the room's far wall."""
        red, green, blue = (1 - 0.55 * (1 - value) for value in self.room)
        return red, green, blue

    def on(self, colour: Colour, distance: float = 0.0) -> Colour:
        """A daylight colour under this light, faded by distance in 0..1."""
        lit = (
            colour[0] * self.multiply[0],
            colour[1] * self.multiply[1],
            colour[2] * self.multiply[2],
        )
        return mix(mix(lit, *self.veil), self.haze, distance)

    def on_pale(self, colour: Colour, moonlit: Colour, distance: float = 0.0) -> Colour:
        """A colour of pale ground (snow, sand, straw), which moonlight lifts towards a tone of its own."""
        seen = self.on(colour, distance)
        return mix(seen, moonlit, 0.42) if self.is_night else seen

    def on_snow(self, colour: Colour, distance: float = 0.0) -> Colour:
        """A snow colour under this light."""
        return self.on_pale(colour, (178, 198, 250), distance)

    def indoors(self, colour: Colour) -> Colour:
        """A daylight colour inside a room at this time."""
        return colour[0] * self.room[0], colour[1] * self.room[1], colour[2] * self.room[2]


LIGHTS = {
    "day": Light(
        "day",
        ((66, 150, 240), (132, 196, 252), (214, 240, 255)),
        (1.0, 1.0, 1.0),
        (WHITE, 0.0),
        (196, 226, 250),
        (1.0, 1.0, 1.0),
        (1.0, 1.0, 1.0),
        0.34,
    ),
    "sunset": Light(
        "sunset",
        ((98, 88, 178), (240, 128, 128), (255, 212, 140)),
        (0.98, 0.77, 0.74),
        ((255, 150, 150), 0.06),
        (248, 176, 146),
        (1.0, 0.90, 0.82),
        (1.0, 0.89, 0.80),
        0.38,
    ),
    "night": Light(
        "night",
        ((16, 22, 66), (36, 50, 116), (78, 98, 172)),
        (0.42, 0.47, 0.66),
        ((52, 74, 164), 0.22),
        (70, 90, 164),
        (0.80, 0.83, 0.97),
        (0.77, 0.70, 0.75),
        0.42,
    ),
}

LAMPLIGHT: Colour = (255, 214, 120)


def paint_sky(
    canvas: Canvas, light: Light, rng: np.random.Generator, horizon: float, clouds: int = 3
) -> float:
    """Fill the sky down to the horizon and return where the sun or moon stands, x in 0..1."""
    top, middle, low = (jitter(rng, colour, 5) for colour in light.sky)
    canvas.bands([(0.0, top), (horizon * 0.6, middle), (horizon + 0.02, low), (1.0, low)])
    x = float(rng.uniform(0.12, 0.3) if rng.random() < 0.5 else rng.uniform(0.7, 0.88))
    canvas.lit_from_right = x > 0.5
    if light.name == "day":
        y = rng.uniform(0.11, 0.19)
        canvas.glow(x, y, 0.26, 0.26, (255, 250, 220), 0.75)
        canvas.ball(x, y, 0.062, 0.062, (255, 244, 170), (255, 206, 70))
    elif light.name == "sunset":
        y = horizon - rng.uniform(0.09, 0.17)
        canvas.glow(x, y, 0.5, 0.36, (255, 226, 150), 0.8)
        canvas.ellipse(x, y, 0.085, 0.085, (255, 240, 170), (255, 176, 92))
    else:
        y = rng.uniform(0.13, 0.2)
        paint_stars(canvas, rng, horizon)
        canvas.glow(x, y, 0.22, 0.22, (170, 190, 255), 0.5)
        canvas.ball(x, y, 0.062, 0.062, (255, 252, 230), (222, 214, 190))
        side = 0.02 if rng.random() < 0.5 else -0.02
        canvas.ellipse(x + side, y - 0.012, 0.014, 0.013, (228, 220, 196))
        canvas.ellipse(x - side, y + 0.018, 0.01, 0.009, (228, 220, 196))
    for index in range(int(rng.integers(max(1, clouds - 1), clouds + 1))):
        slot = (index + rng.uniform(0.15, 0.85)) / clouds
        paint_cloud(canvas, light, rng, slot, rng.uniform(0.1, horizon * 0.66), rng.uniform(0.07, 0.12))
    return x


def paint_stars(canvas: Canvas, rng: np.random.Generator, horizon: float) -> None:
    """A handful of round stars, spread so that none touch."""
    for index in range(14):
        x, y = (index + rng.uniform(0.1, 0.9)) / 14, rng.uniform(0.03, horizon * 0.72)
        radius = rng.uniform(0.005, 0.009)
        canvas.glow(x, y, radius * 3, radius * 3, (200, 214, 255), 0.5)
        canvas.ellipse(x, y, radius, radius, (255, 250, 226))


def paint_cloud(
    canvas: Canvas, light: Light, rng: np.random.Generator, x: float, y: float, size: float
) -> None:
    """A puffy cloud with a flat base; size is half its width."""
    crown, base, opacity = {
        "day": (WHITE, (218, 234, 250), 0.95),
        "sunset": ((255, 206, 176), (226, 128, 150), 0.85),
        "night": ((88, 104, 170), (56, 72, 138), 0.8),
    }[light.name]
    lean = rng.uniform(-0.25, 0.25)
    puffs = [
        (x, y, size, size * 0.30),
        (x - size * 0.45, y - size * 0.16, size * 0.40, size * 0.32),
        (x + size * lean, y - size * 0.34, size * 0.46, size * 0.46),
        (x + size * 0.5, y - size * 0.12, size * 0.38, size * 0.30),
    ]
    canvas.puffs(puffs, crown, base, opacity)


def paint_hills(
    canvas: Canvas,
    rng: np.random.Generator,
    base: float,
    height: float,
    waves: float,
    top: Colour,
    bottom: Colour,
    foot: float,
) -> list[tuple[float, float]]:
    """A rolling ridge around base, filled down to foot; returns the ridge line."""
    ridge = [(x, base + offset) for x, offset in curve(rng, height, waves)]
    canvas.polygon([*ridge, (1.02, foot), (-0.02, foot)], top, bottom)
    return ridge


def paint_mountains(
    canvas: Canvas, light: Light, rng: np.random.Generator, base: float, height: float, snow: float
) -> None:
    """Three overlapping peaks with snow on the upper share of each."""
    for centre in rng.permutation([0.14, 0.5, 0.86]):
        x, peak = centre + rng.uniform(-0.08, 0.08), base - height * rng.uniform(0.68, 1.0)
        half = rng.uniform(0.26, 0.34)
        rock = light.on(jitter(rng, (112, 130, 176), 5), 0.28)
        canvas.polygon([(x - half, base), (x, peak), (x + half, base)], rock, light.on((150, 176, 206), 0.5))
        shade = x - half if canvas.lit_from_right else x + half
        ridge_x = x + (0.04 if shade > x else -0.04)
        canvas.polygon(
            [(x, peak), (ridge_x, base), (shade, base)],
            light.on((84, 100, 152), 0.25),
            light.on((128, 154, 194), 0.5),
            0.7,
        )
        reach, low = half * snow, peak + (base - peak) * snow
        cap = [
            (x, peak),
            (x + reach, low),
            (x + reach * 0.5, low - 0.02),
            (x + reach * 0.12, low + 0.012),
            (x - reach * 0.4, low - 0.022),
            (x - reach, low),
        ]
        canvas.polygon(cap, light.on_snow(WHITE, 0.04), light.on_snow((226, 236, 252), 0.12))


def paint_tree(
    canvas: Canvas,
    light: Light,
    rng: np.random.Generator,
    x: float,
    foot: float,
    height: float,
    distance: float = 0.0,
    leaf: Colour = (92, 184, 78),
) -> None:
    """A round, puffy tree standing at (x, foot)."""
    leaf = jitter(rng, leaf, 9)
    lit = light.on(mix(leaf, (214, 240, 120), 0.45), distance)
    shaded = light.on(mix(leaf, (20, 92, 72), 0.55), distance)
    trunk = light.on((142, 96, 62), distance)
    width = height * 0.06
    canvas.glow(x, foot, height * 0.34, height * 0.07, light.on((24, 70, 40)), 0.5 * (1 - distance))
    canvas.box(
        x - width, foot - height * 0.5, x + width, foot, trunk, mix(trunk, (50, 30, 30), 0.35), width / 2
    )
    crown = foot - height * 0.62
    spread = height * rng.uniform(0.19, 0.24)
    for dx, dy, size in (
        (-0.8, 0.42, 0.78),
        (0.8, 0.42, 0.78),
        (0.0, 0.5, 0.8),
        (-0.42, -0.3, 0.85),
        (0.45, -0.25, 0.85),
        (0.0, -0.75, 0.8),
    ):
        radius = spread * size * rng.uniform(0.95, 1.1)
        canvas.ball(x + dx * spread, crown + dy * spread, radius, radius, lit, shaded)


def paint_bush(
    canvas: Canvas,
    light: Light,
    rng: np.random.Generator,
    x: float,
    foot: float,
    size: float,
    distance: float = 0.0,
    leaf: Colour = (84, 172, 80),
) -> None:
    """A low shrub of three balls; size is half its width."""
    leaf = jitter(rng, leaf, 9)
    lit = light.on(mix(leaf, (214, 240, 120), 0.4), distance)
    shaded = light.on(mix(leaf, (20, 92, 72), 0.5), distance)
    for dx, rise, radius in ((-0.55, 0.38, 0.45), (0.55, 0.36, 0.45), (0.0, 0.5, 0.6)):
        canvas.ball(x + dx * size, foot - rise * size, radius * size, radius * size, lit, shaded)


def paint_fir(
    canvas: Canvas,
    light: Light,
    rng: np.random.Generator,
    x: float,
    foot: float,
    height: float,
    distance: float = 0.0,
    snowy: bool = False,
) -> None:
    """A fir of three tiers, with snow on each if snowy."""
    green = jitter(rng, (46, 128, 104), 8)
    trunk = light.on((122, 84, 66), distance)
    canvas.box(x - height * 0.05, foot - height * 0.2, x + height * 0.05, foot, trunk, trunk)
    for tier, (low, high, half) in enumerate(((0.12, 0.60, 0.30), (0.34, 0.80, 0.24), (0.58, 1.0, 0.17))):
        bottom, peak, reach = foot - low * height, foot - high * height, half * height
        lit = light.on(mix(green, (150, 214, 150), 0.16 + 0.08 * tier), distance)
        shaded = light.on(mix(green, (12, 58, 72), 0.4), distance)
        sag = [(x + reach * s, bottom + height * 0.05 * (1 - abs(s) ** 2)) for s in np.linspace(1, -1, 9)]
        canvas.polygon([(x, peak), *sag], lit, shaded)
        if snowy:
            middle = peak + (bottom - peak) * 0.66
            wide = reach * 0.68
            cap = [
                (x, peak - height * 0.01),
                (x + wide, middle),
                (x + wide * 0.45, middle - height * 0.015),
                (x + wide * 0.1, middle + height * 0.045),
                (x - wide * 0.45, middle - height * 0.01),
                (x - wide, middle),
            ]
            canvas.polygon(
                cap, light.on_snow(WHITE, distance * 0.6), light.on_snow((222, 234, 250), distance * 0.6)
            )
