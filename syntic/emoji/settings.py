"""The twelve settings of the emoji world and the one call that paints them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ..errors import InputError
from .backdrops_canvas import Canvas, Stage
from .backdrops_indoor import paint_bedroom, paint_living_room
from .backdrops_kitchen import paint_kitchen
from .backdrops_mountains import paint_lake, paint_snow
from .backdrops_outdoor import paint_beach, paint_field, paint_park
from .backdrops_sky import LIGHTS, Light
from .backdrops_town import paint_city, paint_street
from .backdrops_work import paint_bathroom, paint_office

TIMES = ("day", "sunset", "night")


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One kind of place.

    Args:
        paint: draws it on a canvas and says where things may go.
        indoor: whether it is a room, where the time of day shows only through the window and the lamps.
        times: the times of day it is painted at.
    """

    paint: Callable[[Canvas, Light, np.random.Generator], Stage]
    indoor: bool = False
    times: tuple[str, ...] = TIMES


@dataclass(frozen=True)
class Backdrop:
    """A painted setting without the things that will stand in it.

    All positions are fractions of the picture's side, from the top left corner.

    Args:
        image: RGB, size_px x size_px.
        horizon: height at which the ground starts.
        ground: heights of the farthest and the nearest line that things stand on.
        surface: (left, right, y) of the table top that food and small things stand on, or None.
        shadow: (dx, strength): direction of cast shadows, -1 left to 1 right, and their opacity, 0..1.
        light: factor per colour channel on the things in the scene.
        water: heights of the farthest and the nearest line that boats and swimmers float on, or None.
    """

    image: Image.Image
    horizon: float
    ground: tuple[float, float]
    surface: tuple[float, float, float] | None
    shadow: tuple[float, float]
    light: tuple[float, float, float]
    water: tuple[float, float] | None = None


SETTINGS: dict[str, Setting] = {
    "park": Setting(paint=paint_park),
    "beach": Setting(paint=paint_beach),
    "street": Setting(paint=paint_street),
    "snow": Setting(paint=paint_snow),
    "lake": Setting(paint=paint_lake),
    "field": Setting(paint=paint_field),
    "living room": Setting(paint=paint_living_room, indoor=True),
    "kitchen": Setting(paint=paint_kitchen, indoor=True),
    "bedroom": Setting(paint=paint_bedroom, indoor=True),
    "city": Setting(paint=paint_city),
    "office": Setting(paint=paint_office, indoor=True),
    "bathroom": Setting(paint=paint_bathroom, indoor=True),
}


def paint_backdrop(setting: str, time: str, rng: np.random.Generator, size_px: int = 128) -> Backdrop:
    """Paint one variation of a setting; the same generator state gives the same picture.

    Args:
        setting: a key of SETTINGS.
        time: one of TIMES.
        rng: decides shapes, places and shades.
        size_px: side of the picture.

    Returns:
        The painted Backdrop.

    Raises:
        InputError: if the setting or the time is unknown.
    """
    if setting not in SETTINGS:
        raise InputError(f"There is no setting '{setting}'; choose one of: {', '.join(SETTINGS)}.")
    kind = SETTINGS[setting]
    if time not in kind.times:
        raise InputError(f"A {setting} has no time '{time}'; choose one of: {', '.join(kind.times)}.")
    light, canvas = LIGHTS[time], Canvas(size_px)
    stage = kind.paint(canvas, light, rng)
    dx = float(np.clip((0.5 - stage.light_x) * 2, -1, 1))
    return Backdrop(
        image=canvas.finish(),
        horizon=float(stage.horizon),
        ground=(float(stage.ground[0]), float(stage.ground[1])),
        surface=stage.surface,
        shadow=(dx, 0.26 if kind.indoor else light.shadow),
        light=light.indoor_sprite if kind.indoor else light.sprite,
        water=stage.water,
    )
