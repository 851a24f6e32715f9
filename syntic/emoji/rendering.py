"""Rendering: a scene becomes a picture with exact boxes.

Things stand on the ground of a painted backdrop with perspective: what is nearer is lower, larger
and drawn later, so it hides what is behind it. Each thing casts a soft shadow and takes the light
of the time of day.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from .catalogue import THINGS
from .cells import Rectangle, describe_cells
from .placement import Placement
from .scenes import Group, Scene
from .settings import Backdrop, paint_backdrop
from .sprites import SpriteSet
from .tidy import TIDY_SIZE_PX, lay_out_tidily
from .weather import apply_weather

SIZE_PX = 128
BACKDROPS_PER_PLACE = 12  # paintings per setting and time; scenes share them
MIN_VISIBLE = 0.35  # a thing hidden more than this is not boxed


@dataclass(frozen=True)
class Rendering:
    """A picture and the boxes of what is visible in it.

    Attributes:
        image: RGB, SIZE_PX square.
        boxes: (label, left, top, right, bottom) in pixels, tight around the visible sprite.
        cells: (C, G, G) which part of which sprite shows where, of tidy pictures (cells.py); else empty.
    """

    image: Image.Image
    boxes: list[tuple[str, float, float, float, float]]
    cells: NDArray[np.float32]


class Renderer:
    """Draws scenes with the sprites of one style.

    Args:
        style: of the sprites.
        tidy: lay the scene out as tidy.py does, before the one painting of its place and weather, with
            sprites in their own light.
        kept: how many scaled sprites stay in memory.
    """

    def __init__(self, style: str = "fluent", *, tidy: bool = False, kept: int = 6000) -> None:
        self.sprites = SpriteSet(style, kept=kept)
        self.size_px = TIDY_SIZE_PX if tidy else SIZE_PX
        self.tidy = tidy

    def render(self, scene: Scene, *, last_in_front: bool = False) -> Rendering:
        """Draw a scene. The same scene always gives the same picture.

        Args:
            scene: what to draw.
            last_in_front: bring the third group to the front, where it was hidden behind the first two.
        """
        rng = np.random.default_rng(0 if self.tidy else scene.seed)
        number = 0 if self.tidy else int(rng.integers(BACKDROPS_PER_PLACE))
        size = self.size_px
        backdrop = _backdrop(scene.setting, scene.time, number, size)
        image = backdrop.image.copy()
        if self.tidy:
            image = apply_weather(image, scene.weather, backdrop.horizon, rng)
            placements = lay_out_tidily(scene, backdrop, self.sprites.aspect)
        else:
            placements = self._lay_out(scene, backdrop, rng, last_in_front)
        placements.sort(key=lambda place: place.depth)
        owner = np.full((size, size), -1, dtype=np.int16)
        areas, labels = [], []
        looks: list[str] = []
        rectangles: list[Rectangle] = []
        for index, place in enumerate(placements):
            group = scene.groups[place.group]
            sprite = self.sprites.scaled(
                group.sprite, group.colour, max(6, round(place.height * size)), place.mirrored
            )
            left = round(place.x * size - sprite.width / 2)
            top = round(place.bottom * size) - sprite.height
            if place.shadow:
                _cast_shadow(image, place, sprite, backdrop)
            lit = sprite if self.tidy else _lit(sprite, backdrop.light)
            image.paste(lit, (left, top), sprite.getchannel("A"))
            mask = Image.new("L", (size, size))
            mask.paste(sprite.getchannel("A"), (left, top))
            covered = np.asarray(mask) > 100
            owner[covered] = index
            areas.append(sprite_area(sprite))
            labels.append(group.label)
            looks.append(f"{group.sprite}/{group.colour}")
            rectangles.append((left, top, left + sprite.width, top + sprite.height))
        boxes = []
        for index, (area, label) in enumerate(zip(areas, labels, strict=True)):
            rows, columns = np.nonzero(owner == index)
            if len(rows) >= MIN_VISIBLE * area:
                boxes.append(
                    (label, float(columns.min()), float(rows.min()), columns.max() + 1.0, rows.max() + 1.0)
                )
        if not self.tidy:
            image = apply_weather(image, scene.weather, backdrop.horizon, rng)
        return Rendering(image, boxes, describe_cells(owner, looks, rectangles))

    def _lay_out(
        self, scene: Scene, backdrop: Backdrop, rng: np.random.Generator, last_in_front: bool = False
    ) -> list[Placement]:
        groups = scene.groups
        if len(groups) == 1:
            return self._row(
                0, groups[0], rng.uniform(0.42, 0.58), rng.uniform(0.5, 0.85), 0.86, backdrop, rng, 1.25
            )
        relation = scene.relations[0]
        side = -1 if rng.random() < 0.5 else 1
        first, second = groups[:2]
        if relation in ("on", "under"):
            placements = self._stacked(relation, first, second, backdrop, rng)
        elif relation in ("in front of", "behind"):
            near, far = (0, 1) if relation == "in front of" else (1, 0)
            x = 0.5 - side * rng.uniform(0.12, 0.18)
            placements = self._row(near, groups[near], x, rng.uniform(0.85, 1.0), 0.52, backdrop, rng, 0.85)
            x = 0.5 + side * rng.uniform(0.12, 0.18)
            placements += self._row(far, groups[far], x, rng.uniform(0.0, 0.15), 0.6, backdrop, rng, 1.25)
        elif relation == "above":
            placements = self._row(0, first, 0.5 + side * rng.uniform(0.0, 0.22), 0.5, 0.6, backdrop, rng)
            placements += self._row(1, second, 0.5 - side * rng.uniform(0.0, 0.14), 0.7, 0.8, backdrop, rng)
        else:
            gap = {"with": 0.17, "next to": 0.24}.get(relation, 0.27)
            depth = rng.uniform(0.45, 0.85)
            drift = rng.uniform(-0.03, 0.03)
            placements = self._row(0, first, 0.5 + side * gap + drift, depth, 0.46, backdrop, rng)
            depth = depth + (rng.uniform(-0.4, 0.1) if relation == "near" else rng.uniform(-0.12, 0.12))
            placements += self._row(
                1, second, 0.5 - side * gap + drift, max(depth, 0.05), 0.46, backdrop, rng
            )
        if len(groups) == 3:
            x = rng.choice([0.14, 0.86])
            depth = rng.uniform(0.0, 0.3)
            if last_in_front:
                depth = 1 - depth / 3
            placements += self._row(2, groups[2], float(x), depth, 0.25, backdrop, rng, 0.75)
        return placements

    def _row(
        self,
        index: int,
        group: Group,
        x: float,
        depth: float,
        room: float,
        backdrop: Backdrop,
        rng: np.random.Generator,
        enlarge: float = 1.0,
    ) -> list[Placement]:
        """Place the things of one group side by side around x, within `room` of the width."""
        far, near = backdrop.ground
        height = group.size * enlarge * (0.78 + 0.3 * depth) * rng.uniform(0.93, 1.07)
        aspect = self.sprites.aspect(group.sprite)
        across = {1: 1.0, 2: 1.7, 3: 2.1, 5: 3.0}[group.count]  # widths that a row takes: neighbours overlap
        height = min(height, 1.12 * room / (aspect * across), 0.8)
        mirrored = bool(rng.random() < 0.5)
        placements = []
        for i in range(group.count):
            offset = (i - (group.count - 1) / 2) * height * aspect * (across / group.count) * 1.06
            at = float(np.clip(depth + (0 if group.count == 1 else rng.uniform(-0.22, 0.22)), 0, 1))
            bottom, shadow = far + (near - far) * at, True
            if group.zone == "sky":
                bottom, shadow = rng.uniform(0.1, 0.2) + height * 0.85 + 0.04 * (i % 2), False
            elif group.zone == "water":
                bottom, shadow = _afloat(backdrop, height, at), False
            elif group.zone == "surface" and backdrop.surface is not None:
                bottom = backdrop.surface[2] + rng.uniform(0.02, 0.07)
            half = height * aspect / 2
            centre = float(np.clip(x + offset, min(half, 0.5), max(1 - half, 0.5)))
            placements.append(
                Placement(
                    group=index,
                    x=centre,
                    bottom=min(bottom, 0.985),
                    height=height,
                    depth=at + 0.001 * i,
                    mirrored=mirrored,
                    shadow=shadow,
                )
            )
        return placements

    def _stacked(
        self, relation: str, first: Group, second: Group, backdrop: Backdrop, rng: np.random.Generator
    ) -> list[Placement]:
        """Place one thing on another, or under an umbrella."""
        x = rng.uniform(0.42, 0.58)
        if relation == "under":
            below = self._row(0, first, x, 0.75, 0.5, backdrop, rng, 1.05)[0]
            cover = replace(
                below,
                group=1,
                x=x + rng.uniform(-0.05, 0.05),
                height=0.52,
                depth=below.depth - 0.1,
                shadow=False,
            )
            cover = replace(cover, bottom=max(below.bottom - below.height * 0.42, 0.56))
            return [below, cover]
        base = self._row(1, second, x, 0.7, 0.7, backdrop, rng, 1.12)[0]
        carries = THINGS[second.label].carries or 0.9
        height = min(first.size * 0.9, base.height * 0.85, 0.36)
        aspect = self.sprites.aspect(first.sprite)
        height = min(height, 0.9 * base.height * self.sprites.aspect(second.sprite) / aspect)
        bottom = max(base.bottom - base.height * carries, height + 0.02)
        sitting = Placement(
            group=0,
            x=base.x + rng.uniform(-0.03, 0.03),
            bottom=bottom,
            height=height,
            depth=base.depth + 0.1,
            mirrored=bool(rng.random() < 0.5),
            shadow=False,
        )
        return [base, sitting]


def _afloat(backdrop: Backdrop, height: float, depth: float) -> float:
    """Lower edge of something in the water; large things reach over the shore line."""
    far, near = backdrop.water or (backdrop.horizon, backdrop.ground[0])
    return max(far + (near - far) * (0.5 + 0.5 * depth), height * 0.9) + 0.04


@lru_cache(maxsize=4096)
def _backdrop(setting: str, time: str, number: int, size_px: int) -> Backdrop:
    seed = [number, sum(map(ord, setting)), sum(map(ord, time))]
    return paint_backdrop(setting, time, np.random.default_rng(seed), size_px)


def sprite_area(sprite: Image.Image) -> int:
    """Number of visible pixels of a sprite."""
    return int((np.asarray(sprite.getchannel("A")) > 100).sum())


def _lit(sprite: Image.Image, light: tuple[float, float, float]) -> Image.Image:
    if light == (1, 1, 1):
        return sprite
    table = [min(255, round(value * factor)) for factor in light for value in range(256)]
    return sprite.convert("RGB").point(table)


def _cast_shadow(image: Image.Image, place: Placement, sprite: Image.Image, backdrop: Backdrop) -> None:
    direction, strength = backdrop.shadow
    size = image.width
    width, height = round(sprite.width * 1.05), max(4, round(sprite.width * 0.22))
    shape = _shadow_shape(max(8, width), height, round(strength * 255))
    x = round(place.x * size - shape.width / 2 + direction * sprite.width * 0.12)
    y = round(place.bottom * size - shape.height * 0.55)
    image.paste((12, 16, 32), (x, y), shape)


@lru_cache(maxsize=2048)
def _shadow_shape(width_px: int, height_px: int, opacity: int) -> Image.Image:
    y, x = np.mgrid[-1 : 1 : height_px * 1j, -1 : 1 : width_px * 1j]
    alpha = np.clip(1.15 - np.sqrt(x * x + y * y), 0, 1) * opacity
    return Image.fromarray(alpha.astype(np.uint8)).filter(ImageFilter.GaussianBlur(1))
