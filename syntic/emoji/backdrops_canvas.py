"""A small canvas of gradient-filled, antialiased shapes, in fractions of the picture's side.

Everything is drawn three times too large with Pillow and shrunk once at the end. Positions and sizes are
fractions of the side: (0, 0) is the top left corner, (1, 1) the bottom right. Colours are (red, green, blue)
in 0..255, floats allowed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw

Colour = tuple[float, float, float]
Point = tuple[float, float]

OVERSAMPLING = 3
WHITE: Colour = (255, 255, 255)


@dataclass(frozen=True)
class Stage:
    """Where things may go in a painted setting, in fractions of the picture's height and width.

    Args:
        horizon: height at which the ground starts.
        ground: heights of the farthest and the nearest line that things stand on.
        light_x: where the light comes from, 0 left to 1 right.
        surface: (left, right, y) of a table top, or None.
        water: heights of the farthest and the nearest line that things float on, or None.
    """

    horizon: float
    ground: tuple[float, float]
    light_x: float
    surface: tuple[float, float, float] | None = None
    water: tuple[float, float] | None = None


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """Blend two colours; a share of 0 is the first, of 1 the second."""
    red, green, blue = (a + (b - a) * share for a, b in zip(first, second, strict=True))
    return red, green, blue


def jitter(rng: np.random.Generator, colour: Colour, amount: float = 7.0) -> Colour:
    """Shift a colour a little: all channels together, and each on its own half as much."""
    shift = rng.uniform(-amount, amount) + rng.uniform(-amount / 2, amount / 2, size=3)
    red, green, blue = np.clip(np.asarray(colour) + shift, 0, 255)
    return float(red), float(green), float(blue)


def curve(rng: np.random.Generator, height: float, waves: float, points: int = 48) -> list[Point]:
    """A smooth ridge over the picture's width, as (x, offset) with offsets in -height..height."""
    xs = np.linspace(-0.02, 1.02, points)
    first, second = rng.uniform(0, 2 * np.pi, size=2)
    offsets = 0.7 * np.sin(2 * np.pi * waves * xs + first) + 0.3 * np.sin(4.6 * np.pi * waves * xs + second)
    return [(float(x), float(height * offset)) for x, offset in zip(xs, offsets, strict=True)]


@lru_cache(maxsize=1)
def _soft_disc() -> Image.Image:
    """A disc that fades smoothly from its centre to its rim, 96 x 96."""
    axis = np.linspace(-1, 1, 96)
    distance = np.hypot(axis[:, None], axis[None, :])
    fade = np.clip(1 - distance, 0, 1) ** 2 * (1 + 2 * np.clip(distance, 0, 1))  # smoothstep
    return Image.fromarray((255 * fade).astype(np.uint8))


@lru_cache(maxsize=2)
def _highlight(from_right: bool) -> Image.Image:
    """How much light each point of a ball gets that is lit from above and one side, 96 x 96."""
    axis = np.linspace(-1, 1, 96)
    lamp = 0.4 if from_right else -0.4
    distance = np.hypot(axis[:, None] + 0.5, axis[None, :] - lamp)
    return Image.fromarray((255 * np.clip(1 - distance / 1.5, 0, 1)).astype(np.uint8))


class Canvas:
    """A square picture under construction.

    Args:
        size_px: side of the finished picture.
    """

    def __init__(self, size_px: int) -> None:
        self.size_px = size_px
        self.side = size_px * OVERSAMPLING
        self.image = Image.new("RGB", (self.side, self.side))
        self.lit_from_right = False

    def finish(self) -> Image.Image:
        """The picture at its final size."""
        return self.image.resize((self.size_px, self.size_px), Image.Resampling.LANCZOS)

    def bands(self, stops: Sequence[tuple[float, Colour]]) -> None:
        """Fill full-width from the first stop's height to the last with smooth vertical gradients."""
        top, bottom = round(stops[0][0] * self.side), round(stops[-1][0] * self.side)
        rows = (np.arange(top, bottom) + 0.5) / self.side
        heights = [height for height, _ in stops]
        column = np.stack([np.interp(rows, heights, [c[i] for _, c in stops]) for i in range(3)], axis=-1)
        strip = Image.fromarray(np.clip(column + 0.5, 0, 255).astype(np.uint8)[:, None])
        self.image.paste(strip.resize((self.side, bottom - top), Image.Resampling.NEAREST), (0, top))

    def polygon(
        self, points: Sequence[Point], top: Colour, bottom: Colour | None = None, opacity: float = 1.0
    ) -> None:
        """A filled polygon with a vertical gradient over its height."""

        def draw(pen: ImageDraw.ImageDraw, place: Callable[[Point], Point], value: int) -> None:
            pen.polygon([place(point) for point in points], fill=value)

        self._stamp(points, draw, top, bottom, opacity)

    def ellipse(
        self,
        x: float,
        y: float,
        radius_x: float,
        radius_y: float,
        top: Colour,
        bottom: Colour | None = None,
        opacity: float = 1.0,
    ) -> None:
        """A filled ellipse with a vertical gradient."""
        self.puffs([(x, y, radius_x, radius_y)], top, bottom, opacity)

    def puffs(
        self,
        ellipses: Sequence[tuple[float, float, float, float]],
        top: Colour,
        bottom: Colour | None = None,
        opacity: float = 1.0,
    ) -> None:
        """The union of several ellipses (x, y, radius_x, radius_y) under one vertical gradient."""

        def draw(pen: ImageDraw.ImageDraw, place: Callable[[Point], Point], value: int) -> None:
            for x, y, rx, ry in ellipses:
                pen.ellipse((place((x - rx, y - ry)), place((x + rx, y + ry))), fill=value)

        corners = [(x + s * rx, y + s * ry) for x, y, rx, ry in ellipses for s in (-1, 1)]
        self._stamp(corners, draw, top, bottom, opacity)

    def box(
        self,
        left: float,
        top_y: float,
        right: float,
        bottom_y: float,
        top: Colour,
        bottom: Colour | None = None,
        radius: float = 0.0,
        opacity: float = 1.0,
    ) -> None:
        """A rectangle, its corners rounded by radius, with a vertical gradient."""

        def draw(pen: ImageDraw.ImageDraw, place: Callable[[Point], Point], value: int) -> None:
            pen.rounded_rectangle(
                (place((left, top_y)), place((right, bottom_y))), radius * self.side, fill=value
            )

        self._stamp([(left, top_y), (right, bottom_y)], draw, top, bottom, opacity)

    def line(self, points: Sequence[Point], colour: Colour, width: float, opacity: float = 1.0) -> None:
        """A polyline with round ends and joints."""
        thickness = max(1, round(width * self.side))

        def draw(pen: ImageDraw.ImageDraw, place: Callable[[Point], Point], value: int) -> None:
            placed = [place(point) for point in points]
            pen.line(placed, fill=value, width=thickness, joint="curve")
            for x, y in (placed[0], placed[-1]):
                pen.ellipse(
                    (
                        x - width * self.side / 2,
                        y - width * self.side / 2,
                        x + width * self.side / 2,
                        y + width * self.side / 2,
                    ),
                    fill=value,
                )

        reach = [(x + s * width, y + s * width) for x, y in points for s in (-1, 1)]
        self._stamp(reach, draw, colour, colour, opacity)

    def ball(self, x: float, y: float, radius_x: float, radius_y: float, lit: Colour, shaded: Colour) -> None:
        """An ellipse shaded like a ball under the scene's light."""
        width, height = (max(2, round(2 * r * self.side)) for r in (radius_x, radius_y))
        corner = (round((x - radius_x) * self.side), round((y - radius_y) * self.side))
        lights = _highlight(self.lit_from_right).resize((width, height))
        fill = Image.composite(
            Image.new("RGB", (width, height), _pixel(lit)),
            Image.new("RGB", (width, height), _pixel(shaded)),
            lights,
        )
        mask = Image.new("L", (width, height))
        ImageDraw.Draw(mask).ellipse((0, 0, width - 1, height - 1), fill=255)
        self.image.paste(fill, corner, mask)

    def glow(
        self, x: float, y: float, radius_x: float, radius_y: float, colour: Colour, opacity: float
    ) -> None:
        """A soft spot of light or shade that fades out towards its rim."""
        width, height = (max(2, round(2 * r * self.side)) for r in (radius_x, radius_y))
        corner = (round((x - radius_x) * self.side), round((y - radius_y) * self.side))
        mask = _soft_disc().resize((width, height), Image.Resampling.BILINEAR)
        mask = mask.point([round(value * opacity) for value in range(256)])
        self.image.paste(_pixel(colour), (*corner, corner[0] + width, corner[1] + height), mask)

    def reflect(self, line: float, bottom: float, tint: Colour, shares: tuple[float, float]) -> None:
        """Mirror what lies above a line down to bottom, tinted by shares that run from line to bottom."""
        upper, lower = round(line * self.side), round(bottom * self.side)
        mirrored = self.image.crop((0, max(0, 2 * upper - lower), self.side, upper))
        mirrored = mirrored.transpose(Image.Transpose.FLIP_TOP_BOTTOM).resize((self.side, lower - upper))
        rows = np.linspace(255 * shares[0], 255 * shares[1], lower - upper).astype(np.uint8)
        mask = Image.fromarray(rows[:, None]).resize((self.side, lower - upper), Image.Resampling.NEAREST)
        mirrored.paste(_pixel(tint), (0, 0, *mirrored.size), mask)
        self.image.paste(mirrored, (0, upper))

    def _stamp(
        self,
        extent: Sequence[Point],
        draw: Callable[[ImageDraw.ImageDraw, Callable[[Point], Point], int], None],
        top: Colour,
        bottom: Colour | None,
        opacity: float,
    ) -> None:
        """Draw a mask over the extent's bounding box and paint a vertical gradient through it."""
        xs, ys = [point[0] * self.side for point in extent], [point[1] * self.side for point in extent]
        left, upper = max(0, int(min(xs)) - 1), max(0, int(min(ys)) - 1)
        right, lower = min(self.side, int(max(xs)) + 2), min(self.side, int(max(ys)) + 2)
        if right <= left or lower <= upper:
            return

        def place(point: Point) -> Point:
            return point[0] * self.side - left, point[1] * self.side - upper

        mask = Image.new("L", (right - left, lower - upper))
        draw(ImageDraw.Draw(mask), place, round(255 * opacity))
        if bottom is None or bottom == top:
            self.image.paste(_pixel(top), (left, upper, right, lower), mask)
            return
        span = max(max(ys) - min(ys), 1.0)
        share = np.clip((np.arange(upper, lower) - min(ys)) / span, 0, 1)[:, None]
        column = np.asarray(top) * (1 - share) + np.asarray(bottom) * share  # (rows, 3)
        strip = Image.fromarray(np.clip(column + 0.5, 0, 255).astype(np.uint8)[:, None])
        self.image.paste(strip.resize(mask.size, Image.Resampling.NEAREST), (left, upper), mask)


def _pixel(colour: Colour) -> tuple[int, int, int]:
    """A colour as the whole numbers that Pillow takes."""
    red, green, blue = (min(255, max(0, round(value))) for value in colour)
    return red, green, blue
