"""What the page "Modality gap" asks and what it is answered."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from ..evaluation.controls import Control
from ..evaluation.gap import GapMeasures
from ..evaluation.heatmap import Clusters, Heatmap
from ..evaluation.map import Kind

RANDOM = "random"


class Layout(StrEnum):
    """How features become places."""

    UMAP = "umap"
    PCA = "pca"


@dataclass(frozen=True, kw_only=True)
class GapView:
    """What the page shows.

    Attributes:
        corpus: a corpus of the profile.
        pictures: a test set of the profile for the real pictures; None is the map's own.
        layout: UMAP or PCA.
        dimensions: 2 or 3.
        control: what is turned.
        value: how far; the temperature as 1 / tau.
        selection: items of the sample, ascending; none means all.
    """

    corpus: str
    pictures: str | None = None
    layout: Layout = Layout.UMAP
    dimensions: int = 2
    control: Control = Control.TEMPERATURE
    value: float = 100
    selection: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where everything lies.

    Attributes:
        coordinates: kind -> (n, dimensions) float32; items in their order.
        explained: share of the variance along each axis under PCA, else None.
    """

    coordinates: dict[Kind, np.ndarray]
    explained: np.ndarray | None


@dataclass(frozen=True, kw_only=True)
class StageMeasures:
    """One column of the table.

    Attributes:
        key: a `Kind`, "random" or "now".
        name: for people.
        pairs: how many were measured.
        measures: None where there are fewer than 4 pairs, or no texts to pair with.
        is_now: whether it is what the control made.
    """

    key: str
    name: str
    pairs: int
    measures: GapMeasures | None
    is_now: bool = False


@dataclass(frozen=True, kw_only=True)
class Panel:
    """Images and texts of one step, seen along the gap.

    Attributes:
        key: as for `StageMeasures`.
        name: for people.
        images: (n, 2) along the gap and across it.
        texts: (n, 2).
        distance: between their means, in all dimensions.
    """

    key: str
    name: str
    images: np.ndarray
    texts: np.ndarray
    distance: float


@dataclass(frozen=True, kw_only=True)
class OrderedHeatmap:
    """A heatmap with what its rows are.

    Attributes:
        heatmap: the cosines.
        clusters: of its captions; the order is that of `items`.
        items: the items of the rows, in the clusters' order.
        captions: their texts.
    """

    heatmap: Heatmap
    clusters: Clusters
    items: list[int]
    captions: list[str]


@dataclass(frozen=True, kw_only=True)
class ItemRow:
    """An item with the cosine to its own text at every step, by kind; a real picture has one."""

    item: int
    caption: str
    cosines: dict[Kind, float]


@dataclass(frozen=True, kw_only=True)
class Neighbour:
    """A point near another, in CLIP's space, not on the map."""

    kind: Kind
    item: int
    caption: str
    cosine: float


@dataclass(frozen=True, kw_only=True)
class SampleCaption:
    """What a decoder writes for an item before and after a control is turned.

    Attributes:
        item: of the sample.
        reference: its own text.
        before: the caption at the control's standard value.
        now: the caption at the value asked for.
    """

    item: int
    reference: str
    before: str
    now: str
