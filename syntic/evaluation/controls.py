"""What can be turned on the page of the modality gap, one thing at a time, and what it does to features."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from ..errors import InputError
from ..method import Variant
from .gap import add_noise, shift_gap
from .gap_sample import MAX_STEPS, STEPS_BETWEEN, GapSample
from .map import Kind
from .mixtures import Mixtures

Pairs = tuple[np.ndarray, np.ndarray]


class Control(StrEnum):
    """What is turned."""

    TEMPERATURE = "temperature"
    REFINEMENT = "refinement"
    NOISE = "noise"
    SHIFT = "shift"


@dataclass(frozen=True, kw_only=True)
class ControlRange:
    """The values of a control.

    Attributes:
        low: the smallest.
        high: the largest.
        step: between two.
        standard: what changes nothing: the profile's setting, or zero.
    """

    low: float
    high: float
    step: float
    standard: float


@dataclass(frozen=True, kw_only=True)
class Moved:
    """What a control made of the features.

    Attributes:
        measured: name -> images and texts (n, D) to be measured against each other.
        clouds: the kinds that lie elsewhere now, (n, D) each; the others stay.
        mixtures: name -> what Eq. 3 made of it, where it was projected.
    """

    measured: dict[str, Pairs]
    clouds: dict[Kind, np.ndarray]
    mixtures: dict[str, Mixtures] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Features for a decoder to read, before and after a control is turned.

    Attributes:
        items: k items of the sample.
        before: (k, D) at the control's standard.
        now: (k, D).
        variant: whose decoder learned from such features.
    """

    items: list[int]
    before: np.ndarray
    now: np.ndarray
    variant: Variant


def control_range(sample: GapSample, control: Control) -> ControlRange:
    """Return the values that a control takes on a sample; the temperature's are those of 1 / tau."""
    return {
        Control.TEMPERATURE: ControlRange(low=5, high=500, step=5, standard=round(1 / sample.temperature)),
        Control.REFINEMENT: ControlRange(
            low=0, high=MAX_STEPS, step=STEPS_BETWEEN, standard=min(sample.refinement.steps, MAX_STEPS)
        ),
        Control.NOISE: ControlRange(low=0, high=0.3, step=0.01, standard=0),
        Control.SHIFT: ControlRange(low=-1, high=2, step=0.05, standard=0),
    }[control]


def check_value(sample: GapSample, control: Control, value: float) -> float:
    """Return the value, or raise InputError where it is out of the control's range."""
    limits = control_range(sample, control)
    if not limits.low <= value <= limits.high:
        raise InputError(
            f"The {control} is {value:g} but must lie in {limits.low:g}..{limits.high:g}"
            + (" (it is given as 1 / temperature)." if control is Control.TEMPERATURE else ".")
        )
    return float(value)


def name_value(control: Control, value: float) -> str:
    """Say in a few words what the features went through."""
    name = {
        Control.TEMPERATURE: f"projected at 1/{value:g}",
        Control.REFINEMENT: f"refined, {value:.0f} steps",
        Control.NOISE: f"generated, texts + noise {value:g}",
        Control.SHIFT: f"generated, shifted by {value:g}",
    }[control]
    return name.replace("-", "−")  # a real minus sign, as everywhere on the page


def move(sample: GapSample, control: Control, value: float) -> Moved:
    """Turn a control and see where the features of the sample go.

    - temperature: the refined features are projected (Eq. 3) at 1 / value.
    - refinement: `value` steps of Eq. 2, and the projection that follows at the profile's temperature.
    - noise: the texts get Gaussian noise of that standard deviation per dimension, as CapDec trains.
    - shift: generated pictures and texts move along the difference of their means (Liang et al. 2022).
    """
    value = check_value(sample, control, value)
    texts, generated = sample.features[Kind.TEXT], sample.features[Kind.GENERATED]
    name = name_value(control, value)
    if control is Control.TEMPERATURE:
        found = sample.mix(sample.features[Kind.REFINED], 1 / value, texts)
        return Moved(
            measured={name: (found.projected, texts)},
            clouds={Kind.PROJECTED: found.projected},
            mixtures={name: found},
        )
    if control is Control.REFINEMENT:
        refined = sample.refined(round(value))
        found = sample.mix(refined, sample.temperature, texts)
        return Moved(
            measured={name: (refined, texts), "… then projected": (found.projected, texts)},
            clouds={Kind.REFINED: refined, Kind.PROJECTED: found.projected},
            mixtures={name: found},
        )
    if control is Control.NOISE:
        noisy = add_noise(texts, value, sample.seed)
        return Moved(measured={name: (generated, noisy)}, clouds={Kind.TEXT: noisy})
    images, shifted = shift_gap(generated, texts, value)
    return Moved(measured={name: (images, shifted)}, clouds={Kind.GENERATED: images, Kind.TEXT: shifted})


def read(sample: GapSample, control: Control, value: float, items: list[int]) -> Reading:
    """Return what a decoder reads of some items, before and after a control is turned.

    - temperature: pictures, projected; the decoder of FP learned from projected features.
    - refinement: generated pictures, refined, not projected; the decoder of FO.
    - noise: texts with noise, read by the decoder of FP, which learned from mixtures of texts.
    - shift: pictures, moved all the way, norm(x - l D), and read by the decoder of FP: it knows the
      texts where they are, so they cannot come halfway.
    """
    value = check_value(sample, control, value)
    chosen = np.array(items, dtype=int)
    standard = control_range(sample, control).standard
    if control is Control.REFINEMENT:
        steps = sample.refined(round(standard)), sample.refined(round(value))
        return Reading(
            items=items, before=steps[0][chosen], now=steps[1][chosen], variant=Variant.parse("fo")
        )
    images, texts = _of_items(sample, chosen)
    if control is Control.TEMPERATURE:
        before, now = (sample.project(images, 1 / v) for v in (standard, value))
    elif control is Control.NOISE:
        before, now = texts, add_noise(texts, value, sample.seed)
    else:
        gap = _domain_mean(sample, chosen) - sample.features[Kind.TEXT].mean(axis=0)  # (D,)
        before, moved = images, images - value * gap
        now = (moved / np.linalg.norm(moved, axis=1, keepdims=True)).astype(np.float32)
    return Reading(items=items, before=before, now=now, variant=Variant.parse("fp"))


def readable_items(sample: GapSample, control: Control) -> np.ndarray:
    """Return the items that `read` takes: real pictures where there are, for Eq. 2 generated ones."""
    real = sample.real
    if control is Control.REFINEMENT or real is None or (control is Control.NOISE and real.texts is None):
        return np.arange(len(sample))
    return np.arange(len(sample), sample.items)


def _of_items(sample: GapSample, items: np.ndarray) -> Pairs:
    """Images and texts of items that are all captions or all real pictures."""
    if sample.real is None or items.max() < len(sample):
        return sample.features[Kind.GENERATED][items], sample.features[Kind.TEXT][items]
    rows = items - len(sample)
    images = sample.real.features[rows]
    return images, images if sample.real.texts is None else sample.real.texts[rows]


def _domain_mean(sample: GapSample, items: np.ndarray) -> np.ndarray:
    is_real = sample.real is not None and items.max() >= len(sample)
    features = sample.real.features if is_real and sample.real else sample.features[Kind.GENERATED]
    mean: np.ndarray = features.mean(axis=0)
    return mean
