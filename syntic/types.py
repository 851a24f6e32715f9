"""What the parts of SynTIC hand to one another.

Shape letters, the same in the whole project:
    B  batch of images or captions      N  captions of a corpus       M  size of the support set
    D  CLIP width                       L  tokens of a caption        K  tags of an image
    S  refinement steps                 H  attention heads            V  vocabulary
Feature arrays are float32 of unit norm unless a docstring says otherwise.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field, fields
from enum import StrEnum
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


class Stage(StrEnum):
    """The steps from a text or a picture to a caption, in their order."""

    GENERATE = "generate"
    ENCODE = "encode"
    REFINE = "refine"
    PROJECT = "project"
    DETECT = "detect"
    ATTEND = "attend"
    DECODE = "decode"


@dataclass(frozen=True, kw_only=True)
class Detection:
    """One object that the detector found.

    Attributes:
        label: the class name, which is the tag of Eq. 4.
        score: confidence in 0..1.
        box: left, top, right, bottom in pixels of the picture, inside it.
    """

    label: str
    score: float
    box: tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class RefinementTrace:
    """Eq. 2 on one image feature.

    Attributes:
        feature: (D,) the refined feature.
        losses: (S,) the contrastive loss of the whole batch at each step.
        trajectory: (T, D) the feature at T <= S + 1 evenly spaced steps, from the start to the end.
        trajectory_steps: (T,) the steps those features belong to.
    """

    feature: np.ndarray
    losses: np.ndarray
    trajectory: np.ndarray
    trajectory_steps: np.ndarray


@dataclass(frozen=True, kw_only=True)
class ProjectionTrace:
    """Eq. 3 on one image feature.

    Attributes:
        feature: (D,) the projected feature v.
        top_captions: the captions with the largest weights, largest first.
        top_weights: their softmax weights.
        top_similarities: their cosines to the image feature, so that a figure can recompute the
            weights at another temperature.
        entropy: of all M weights, in nats.
        effective_captions: exp(entropy).
    """

    feature: np.ndarray
    top_captions: list[str]
    top_weights: list[float]
    top_similarities: list[float]
    entropy: float
    effective_captions: float


@dataclass(frozen=True, kw_only=True)
class AttentionTrace:
    """Eq. 5 on one image.

    Attributes:
        tags: the K distinct labels attended to; the learned null token is named "(nothing)".
        weights: (H, K) attention of each head over the tags, rows sum to 1.
    """

    tags: list[str]
    weights: np.ndarray


@dataclass(frozen=True, kw_only=True)
class TokenTrace:
    """One decoded token with its probability and what else the decoder considered.

    Attributes:
        text: the token as people read it.
        probability: given the tokens before.
        alternatives: other tokens and their probabilities, most probable first.
        id: of the token, -1 where it is not known.
        alternative_ids: of the alternatives, so that a caption can be continued from one of them.
    """

    text: str
    probability: float
    alternatives: list[tuple[str, float]]
    id: int = -1
    alternative_ids: list[int] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class CaptionTrace:
    """The decoded caption.

    Attributes:
        text: the caption.
        tokens: its tokens, the end mark last where it was reached.
        beams: every finished beam with its mean log probability per token, best first; one under
            greedy decoding.
    """

    text: str
    tokens: list[TokenTrace]
    beams: list[tuple[str, float]]


@dataclass(frozen=True, kw_only=True)
class TraceSettings:
    """What a person may choose for one run.

    Attributes:
        variant: name of one of the eight ablations, see `syntic.method.Variant`.
        corpus: the corpus whose decoder and support set are used.
        temperature: of Eq. 3, > 0; None takes the profile's value for the corpus.
        refinement_steps: of Eq. 2, 0..2000; applied to generated images only, as in the paper.
        decoding: "greedy" or "beam".
        beam_size: used by "beam".
        seed: of the generated image and of the batch that Eq. 2 is computed in.
    """

    variant: str = "syntic"
    corpus: str = "everyday"
    temperature: float | None = None
    refinement_steps: int = 500
    decoding: str = "greedy"
    beam_size: int = 5
    seed: int = 0


@dataclass(kw_only=True)
class Trace:
    """Everything that happened between one text or image and its caption.

    Fields stay None until their stage is done, or where the variant or the input leaves it out.
    """

    settings: TraceSettings
    profile: str
    text: str | None = None
    image: Image.Image | None = None
    image_feature: np.ndarray | None = None
    refinement: RefinementTrace | None = None
    projection: ProjectionTrace | None = None
    detections: list[Detection] | None = None
    attention: AttentionTrace | None = None
    caption: CaptionTrace | None = None
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def refined_feature(self) -> np.ndarray | None:
        """(D,) the image feature that Eq. 3 and Eq. 5 see: refined where Eq. 2 ran."""
        return self.image_feature if self.refinement is None else self.refinement.feature

    def to_json(self) -> str:
        """Serialise to one JSON object; arrays as base64 of float32, the image as PNG."""
        return json.dumps({f.name: _encode(getattr(self, f.name)) for f in fields(self)})

    @classmethod
    def from_json(cls, text: str) -> Trace:
        """Read back what `to_json` wrote."""
        raw = {name: _decode(value) for name, value in json.loads(text).items()}
        raw["settings"] = TraceSettings(**raw["settings"])
        for name, kind in (
            ("refinement", RefinementTrace),
            ("projection", ProjectionTrace),
            ("attention", AttentionTrace),
        ):
            if raw[name] is not None:
                raw[name] = kind(**raw[name])
        if raw["detections"] is not None:
            raw["detections"] = [Detection(**{**d, "box": tuple(d["box"])}) for d in raw["detections"]]
        if raw["caption"] is not None:
            caption = raw["caption"]
            tokens = [
                TokenTrace(**{**token, "alternatives": [(t, p) for t, p in token["alternatives"]]})
                for token in caption["tokens"]
            ]
            raw["caption"] = CaptionTrace(
                text=caption["text"], tokens=tokens, beams=[(t, s) for t, s in caption["beams"]]
            )
        return cls(**raw)

    def save(self, path: Path) -> None:
        """Write `to_json` to `path`."""
        path.write_text(self.to_json(), encoding="utf-8")


def _encode(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        data = np.ascontiguousarray(value, dtype=np.float32)
        return {"__array__": base64.b64encode(data.tobytes()).decode(), "shape": list(data.shape)}
    if isinstance(value, Image.Image):
        buffer = BytesIO()
        value.save(buffer, "PNG")
        return {"__image__": base64.b64encode(buffer.getvalue()).decode()}
    if isinstance(value, list | tuple):
        return [_encode(item) for item in value]
    if isinstance(value, dict):
        return {key: _encode(item) for key, item in value.items()}
    if hasattr(value, "__dataclass_fields__"):
        return {f.name: _encode(getattr(value, f.name)) for f in fields(value)}
    return value


def _decode(value: Any) -> Any:
    if isinstance(value, dict):
        if "__array__" in value:
            data = np.frombuffer(base64.b64decode(value["__array__"]), dtype=np.float32)
            return data.reshape(value["shape"]).copy()
        if "__image__" in value:
            return Image.open(BytesIO(base64.b64decode(value["__image__"]))).convert("RGB")
        return {key: _decode(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_decode(item) for item in value]
    return value


@dataclass(frozen=True, kw_only=True)
class StageStarted:
    """A stage begins; `total` is its number of steps where it has any."""

    stage: Stage
    total: int | None = None


@dataclass(frozen=True, kw_only=True)
class StageProgress:
    """A step of a stage is done; `preview` is the image so far while one is generated."""

    stage: Stage
    step: int
    total: int
    preview: Image.Image | None = None


@dataclass(frozen=True, kw_only=True)
class StageFinished:
    """A stage is done; `trace` holds everything up to and including it."""

    stage: Stage
    trace: Trace
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Finished:
    """All stages are done."""

    trace: Trace


Event = StageStarted | StageProgress | StageFinished | Finished
