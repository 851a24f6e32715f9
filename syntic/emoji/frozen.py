"""How good the frozen models are: `python -m syntic emoji evaluate`, on pictures that none of them saw."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import logging
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.linalg import sqrtm

from ..data.atomic import write_text_atomically
from ..data.coco import TestSet
from ..data.images import load_image
from ..errors import InputError
from ..evaluation import gap, open_test_set
from ..method.components import Components
from ..models import ClipEncoder, Detector
from ..profiles import REPOSITORY, load_profile
from ..types import Detection

logger = logging.getLogger(__name__)

RESULTS = REPOSITORY / "assets" / "emoji" / "results" / "frozen-models.json"
TEMPLATES = ("a {}", "a picture of a {}", "a photo of a {}")
BATCH = 50
LEAST_SCORE = 0.01  # average precision counts detections of every score
TIMED_PICTURES = 5


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One figure.

    Attributes:
        model: "CLIP", "detector" or "generator".
        what: is measured.
        value: the figure.
        unit: "%", "s" or "".
    """

    model: str
    what: str
    value: float
    unit: str = ""

    def __str__(self) -> str:
        """Return the value as it is printed."""
        return f"{100 * self.value:.1f} %" if self.unit == "%" else f"{self.value:.3g} {self.unit}".strip()


def add_evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `emoji evaluate`."""
    parser.description = (
        "Measure the frozen models on the test pictures, and the generator on their fullest captions; "
        f"prints a table and writes it to {RESULTS.relative_to(REPOSITORY)}."
    )
    parser.add_argument(
        "--limit", type=int, metavar="N", help="take only the first N pictures; writes nothing"
    )
    parser.add_argument("--keep-images", type=Path, metavar="DIR", help="keep the generated pictures there")


def run_evaluate(args: argparse.Namespace) -> int:
    """Measure, print, write."""
    if args.limit is not None and args.limit < 10:
        raise InputError(f"--limit must be at least 10 but is {args.limit}.")
    profile = load_profile(args.profile)
    components = Components.load(profile)
    name = next(iter(profile.corpora))
    test_set = open_test_set(profile, name).head(args.limit)
    measures = measure_models(
        components, test_set, open_test_set(profile, f"{name}-validation"), args.keep_images
    )
    sys.stdout.write(to_markdown(measures, name, len(test_set)) + "\n")
    if args.limit is None:
        content = {
            "test_set": name,
            "pictures": len(test_set),
            "measures": [asdict(measure) for measure in measures],
        }
        write_text_atomically(RESULTS, json.dumps(content, indent=1) + "\n")
        logger.info("wrote %s", RESULTS)
    return 0


def to_markdown(measures: Sequence[Measure], test_set: str, pictures: int) -> str:
    """Return a table with one line per measure."""
    lines = [f"{pictures} pictures of {test_set}.", "", "| model | measure | value |", "|---|---|---|"]
    return "\n".join([*lines, *(f"| {m.model} | {m.what} | {m} |" for m in measures)])


def measure_models(
    components: Components, test_set: TestSet, other: TestSet, keep_images: Path | None = None
) -> list[Measure]:
    """Measure all three models.

    Args:
        components: the frozen models.
        test_set: pictures, boxes, and references whose first says everything.
        other: another set of rendered pictures, to compare the distance of generated ones with.
        keep_images: folder for the generated pictures, or None.
    """
    encoder, detector = components.encoder, components.detector
    settings = replace(components.profile.detector, threshold=LEAST_SCORE)
    sensitive = Detector.from_settings(settings, components.device)
    pictures = [load_image(path) for path in test_set.images]
    captions = [test_set.references[name][0] for name in test_set.names]
    truth = [test_set.boxes[name] for name in test_set.names]
    features = encoder.encode_images(pictures).cpu().numpy()  # (n, D)
    text_features = encoder.encode_texts(captions).cpu().numpy()  # (n, D)
    measures = measure_clip(encoder, features, text_features, truth, detector.labels)
    measures += measure_detector(sensitive.detect(pictures), truth)
    logger.info("generating %d pictures", len(captions))
    generated: list[Image.Image] = []
    for start in range(0, len(captions), BATCH):
        part = captions[start : start + BATCH]
        generated += components.generator.generate(part, list(range(start, start + len(part))))
    started = time.perf_counter()
    for seed, caption in enumerate(captions[:TIMED_PICTURES]):
        components.generator.generate([caption], [seed])
    seconds = (time.perf_counter() - started) / TIMED_PICTURES
    if keep_images is not None:
        keep_images.mkdir(parents=True, exist_ok=True)
        for name, picture in zip(test_set.names, generated, strict=True):
            picture.save(keep_images / f"{name}.png")
    others = encoder.encode_images([load_image(path) for path in other.images]).cpu().numpy()
    fakes = encoder.encode_images(generated).cpu().numpy()
    return measures + [
        *measure_generator(detector.detect(generated), truth),
        Measure(
            model="generator",
            what="cosine to its caption, over that of the rendered picture",
            value=float((fakes * text_features).sum(1).mean() / (features * text_features).sum(1).mean()),
        ),
        Measure(
            model="generator",
            what="Fréchet distance to the test pictures in CLIP space",
            value=frechet_distance(fakes, features),
        ),
        Measure(
            model="generator",
            what="the same of another rendered set",
            value=frechet_distance(others, features),
        ),
        Measure(model="generator", what="time for one picture", value=seconds, unit="s"),
    ]


def measure_clip(
    encoder: ClipEncoder,
    features: np.ndarray,
    text_features: np.ndarray,
    truth: Sequence[Sequence[Detection]],
    labels: Sequence[str],
) -> list[Measure]:
    """Zero-shot classification of pictures with one kind of thing, retrieval, and the gap.

    Args:
        encoder: CLIP.
        features: (n, D) of the pictures, unit norm.
        text_features: (n, D) of their fullest captions, unit norm.
        truth: n pictures' things.
        labels: all class names.
    """
    prompts = [template.format(label) for label in labels for template in TEMPLATES]
    classes = encoder.encode_texts(prompts).cpu().numpy().reshape(len(labels), len(TEMPLATES), -1).mean(1)
    kinds = [{thing.label for thing in things} for things in truth]
    single = [row for row, kind in enumerate(kinds) if len(kind) == 1]
    guesses = (features[single] @ classes.T).argmax(1)
    right = [labels[guess] in kinds[row] for guess, row in zip(guesses, single, strict=True)]
    similarity = features @ text_features.T  # (n, n)
    ranks = (similarity > similarity.diagonal()[:, None]).sum(1)
    measured = gap.measure(features, text_features)
    clip = "CLIP"
    return [
        Measure(
            model=clip, what="class of pictures with one kind of thing", value=float(np.mean(right)), unit="%"
        ),
        Measure(model=clip, what="picture to caption, R@1", value=float((ranks < 1).mean()), unit="%"),
        Measure(model=clip, what="picture to caption, R@5", value=float((ranks < 5).mean()), unit="%"),
        Measure(model=clip, what="distance of the centroids", value=measured.centroid_distance),
        Measure(model=clip, what="relative modality gap", value=measured.relative_modality_gap),
    ]


def measure_detector(
    found: Sequence[Sequence[Detection]], truth: Sequence[Sequence[Detection]]
) -> list[Measure]:
    """COCO's average precision, by pycocotools.

    Args:
        found: n pictures' detections.
        truth: n pictures' things.
    """
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    labels = sorted({thing.label for things in truth for thing in things})
    numbers = {label: number for number, label in enumerate(labels, 1)}

    def annotations(pictures: Sequence[Sequence[Detection]]) -> list[dict[str, object]]:
        rows = [
            (image, thing)
            for image, things in enumerate(pictures, 1)
            for thing in things
            if thing.label in numbers
        ]
        return [
            {
                "id": i,
                "image_id": image,
                "category_id": numbers[thing.label],
                "bbox": [left, top, right - left, bottom - top],
                "area": (right - left) * (bottom - top),
                "iscrowd": 0,
                "score": thing.score,
            }
            for i, (image, thing) in enumerate(rows, 1)
            for left, top, right, bottom in [thing.box]
        ]

    with contextlib.redirect_stdout(io.StringIO()):  # it prints what it does
        coco = COCO()
        coco.dataset = {
            "images": [{"id": image} for image in range(1, len(truth) + 1)],
            "categories": [{"id": number, "name": label} for label, number in numbers.items()],
            "annotations": annotations(truth),
        }
        coco.createIndex()
        detections = annotations(found)
        scored = COCOeval(coco, coco.loadRes(detections) if detections else COCO(), "bbox")
        scored.evaluate()
        scored.accumulate()
        scored.summarize()
    return [
        Measure(model="detector", what="AP50", value=float(scored.stats[1])),
        Measure(model="detector", what="AP50:95", value=float(scored.stats[0])),
    ]


def measure_generator(
    found: Sequence[Sequence[Detection]], truth: Sequence[Sequence[Detection]]
) -> list[Measure]:
    """Which things the detector finds in pictures that were generated from captions.

    Args:
        found: n generated pictures' detections.
        truth: n rendered pictures' things; the caption names them all.
    """
    wanted = [Counter(thing.label for thing in things) for things in truth]
    seen = [Counter(thing.label for thing in things) for things in found]
    pairs = [(count, s[label]) for w, s in zip(wanted, seen, strict=True) for label, count in w.items()]
    shown = [count for count, number in pairs if number]
    exact = [count for count, number in pairs if number == count]
    every = [all(s[label] for label in w) for w, s in zip(wanted, seen, strict=True)]
    name = "generator"
    return [
        Measure(model=name, what="named things that are found", value=len(shown) / len(pairs), unit="%"),
        Measure(model=name, what="pictures with all of them", value=float(np.mean(every)), unit="%"),
        Measure(model=name, what="things found in the right number", value=len(exact) / len(shown), unit="%"),
    ]


def frechet_distance(x: np.ndarray, y: np.ndarray) -> float:
    """Squared Fréchet distance of two sets of features as normal distributions (Heusel et al. 2017).

    Args:
        x: (n, D).
        y: (m, D).
    """
    a, b = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = np.real(sqrtm(a @ b))
    return float(((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(a + b - 2 * root))
