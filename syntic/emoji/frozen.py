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
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy.linalg import sqrtm

from ..data.atomic import write_text_atomically
from ..data.coco import TestSet
from ..data.images import load_image
from ..errors import DataError, InputError
from ..evaluation import gap, open_test_set
from ..experiments import write_block
from ..method.components import Components
from ..models import ClipEncoder, Detector, Generator
from ..profiles import REPOSITORY, load_profile
from ..types import Detection
from .catalogue import PROMPTS
from .reading import read_claims

logger = logging.getLogger(__name__)

RESULTS = REPOSITORY / "assets" / "emoji" / "results" / "frozen-models.json"
PAGE, MARKS = REPOSITORY / "docs" / "pretraining.md", "frozen-models"
BATCH = 50
LEAST_SCORE = 0.01  # average precision counts detections of every score
TIMED_PICTURES = 5
CUSTOMARY_STEPS = 20  # of DPM-Solver, where no planner has made most of them idle
GENERATED = 500
VALIDATION = "-validation"  # end of the name of a domain's second set


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One figure.

    Attributes:
        model: "CLIP", "detector" or "generator".
        what: is measured.
        value: the figure.
        unit: "%", "s" or "".
        domain: what it was measured on.
    """

    model: str
    what: str
    value: float
    unit: str = ""
    domain: str = ""

    def __str__(self) -> str:
        """Return the value as it is printed."""
        return f"{100 * self.value:.1f} %" if self.unit == "%" else f"{self.value:.3g} {self.unit}".strip()


def add_evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `emoji evaluate`."""
    parser.description = (
        "Measure the frozen models on the test pictures, and the generator on their fullest captions; "
        f"prints a table and writes it to {RESULTS.relative_to(REPOSITORY)} and "
        f"{PAGE.relative_to(REPOSITORY)}."
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
    names = [name for name in profile.test_sets if f"{name}{VALIDATION}" in profile.test_sets]
    domains = [
        Domain(name, open_test_set(profile, name).head(args.limit), open_test_set(profile, name + VALIDATION))
        for name in names
    ]
    measures = measure_models(components, domains, args.keep_images)
    pictures = sum(len(domain.test_set) for domain in domains)
    table = to_markdown(measures, " and ".join(names), pictures)
    sys.stdout.write(table + "\n")
    if args.limit is None:
        content = {
            "test_sets": names,
            "pictures": pictures,
            "measures": [asdict(measure) for measure in measures],
        }
        write_text_atomically(RESULTS, json.dumps(content, indent=1) + "\n")
        write_block(PAGE, MARKS, table)
        logger.info("wrote %s and %s", RESULTS, PAGE)
    return 0


def to_markdown(measures: Sequence[Measure], test_sets: str, pictures: int) -> str:
    """Return a table with one line per measure."""
    lines = [
        f"{pictures} pictures of {test_sets}.",
        "",
        "| model | measure | on | value |",
        "|---|---|---|---|",
    ]
    return "\n".join([*lines, *(f"| {m.model} | {m.what} | {m.domain} | {m} |" for m in measures)])


@dataclass(frozen=True)
class Domain:
    """One domain's pictures, and what the models make of them.

    Attributes:
        name: of the domain.
        test_set: pictures, boxes, and references whose first says everything.
        other: another set of rendered pictures, to compare the distance of generated ones with.
    """

    name: str
    test_set: TestSet
    other: TestSet

    @property
    def captions(self) -> list[str]:
        """The fullest caption of each picture."""
        return [self.test_set.references[name][0] for name in self.test_set.names]

    @property
    def truth(self) -> list[list[Detection]]:
        """The things in each picture."""
        return [self.test_set.boxes[name] for name in self.test_set.names]


def measure_models(
    components: Components, domains: Sequence[Domain], keep_images: Path | None = None
) -> list[Measure]:
    """Measure all three models.

    Args:
        components: the frozen models.
        domains: what to measure on; the generator draws the captions of as many pictures of each as make
            `GENERATED` together.
        keep_images: folder for the generated pictures, or None.
    """
    encoder, detector = components.encoder, components.detector
    settings = replace(components.profile.detector, threshold=LEAST_SCORE)
    sensitive = Detector.from_settings(settings, components.device)
    measures: list[Measure] = []
    found: list[Measure] = []
    features, text_features = [], []
    for domain in domains:
        pictures = [load_image(path) for path in domain.test_set.images]
        features.append(encoder.encode_images(pictures).cpu().numpy())  # (n, D)
        text_features.append(encoder.encode_texts(domain.captions).cpu().numpy())  # (n, D)
        measures.append(measure_classes(encoder, features[-1], domain, detector.labels))
        found += measure_detector(sensitive.detect(pictures), domain.truth, domain.name)
    measures += measure_retrieval(np.concatenate(features), np.concatenate(text_features), domains)
    return [*measures, *found, *_measure_generated(components, domains, features, text_features, keep_images)]


def _measure_generated(
    components: Components,
    domains: Sequence[Domain],
    features: Sequence[np.ndarray],
    text_features: Sequence[np.ndarray],
    keep_images: Path | None,
) -> list[Measure]:
    """What the generator draws from fullest captions that are in no corpus, an equal share of each domain."""
    encoder, detector, generator = components.encoder, components.detector, components.generator
    share = -(-GENERATED // len(domains))
    corpora = components.profile.corpora
    known = {caption for corpus in corpora for caption in components.feature_store(corpus).captions}
    chosen = [
        [row for row, caption in enumerate(domain.captions) if caption not in known][:share]
        for domain in domains
    ]

    def pick(parts: Sequence[Any]) -> list[Any]:
        return [part[row] for part, rows in zip(parts, chosen, strict=True) for row in rows]

    if not any(chosen):
        raise DataError(
            "The fullest caption of every test picture is in a corpus; the generator needs others."
        )
    captions = pick([domain.captions for domain in domains])
    truth = pick([domain.truth for domain in domains])
    logger.info("generating %d pictures", len(captions))
    pictures: list[Image.Image] = []
    for start in range(0, len(captions), BATCH):
        part = captions[start : start + BATCH]
        pictures += generator.generate(part, list(range(start, start + len(part))))
    if keep_images is not None:
        keep_images.mkdir(parents=True, exist_ok=True)
        for number, picture in enumerate(pictures):
            picture.save(keep_images / f"{number:04d}.png")
    fakes = encoder.encode_images(pictures).cpu().numpy()
    rendered, texts = np.stack(pick(features)), np.stack(pick(text_features))
    others = [load_image(path) for domain in domains for path in domain.other.images]
    found = detector.detect(pictures)
    name = " and ".join(domain.name for domain in domains)
    figures = {
        "cosine to its caption, over that of the rendered picture": float(
            (fakes * texts).sum(1).mean() / (rendered * texts).sum(1).mean()
        ),
        "Fréchet distance to the test pictures in CLIP space": frechet_distance(fakes, rendered),
        "the same of another rendered set": frechet_distance(
            encoder.encode_images(others).cpu().numpy(), rendered
        ),
    }
    return [
        *measure_generator(found, truth, name),
        *measure_relations(found, captions, name),
        *(Measure(model="generator", what=what, value=value, domain=name) for what, value in figures.items()),
        *measure_times(generator, captions[:TIMED_PICTURES], name),
    ]


def measure_times(generator: Generator, captions: Sequence[str], domain: str = "") -> list[Measure]:
    """Mean time that one picture takes alone, at the profile's number of steps and at a customary one.

    Args:
        generator: as the profile sets it.
        captions: to draw.
        domain: where they are from.
    """
    measures = []
    for steps in sorted({generator.settings.steps, CUSTOMARY_STEPS}):
        drawing = Generator(
            generator.pipeline, replace(generator.settings, steps=steps), device=generator.device
        )
        started = time.perf_counter()
        for seed, caption in enumerate(captions):
            drawing.generate([caption], [seed])
        seconds = (time.perf_counter() - started) / len(captions)
        what = f"time for one picture, {steps} steps"
        measures.append(Measure(model="generator", what=what, value=seconds, unit="s", domain=domain))
    return measures


def measure_classes(
    encoder: ClipEncoder, features: np.ndarray, domain: Domain, labels: Sequence[str]
) -> Measure:
    """Zero-shot classification of the pictures with one kind of thing.

    Args:
        encoder: CLIP.
        features: (n, D) of the pictures, unit norm.
        domain: with what is in them.
        labels: all class names.
    """
    prompts = [template.format(label) for label in labels for template in PROMPTS]
    classes = encoder.encode_texts(prompts).cpu().numpy().reshape(len(labels), len(PROMPTS), -1).mean(1)
    kinds = [{thing.label for thing in things} for things in domain.truth]
    single = [row for row, kind in enumerate(kinds) if len(kind) == 1]
    guesses = (features[single] @ classes.T).argmax(1)
    right = [labels[guess] in kinds[row] for guess, row in zip(guesses, single, strict=True)]
    what = "class of pictures with one kind of thing"
    return Measure(model="CLIP", what=what, value=float(np.mean(right)), unit="%", domain=domain.name)


def measure_retrieval(
    features: np.ndarray, text_features: np.ndarray, domains: Sequence[Domain]
) -> list[Measure]:
    """Retrieval of each picture's fullest caption among those of all pictures, and the gap.

    Args:
        features: (n, D) of all domains' pictures, unit norm.
        text_features: (n, D) of their fullest captions, unit norm.
        domains: where they come from; pictures with word for word the same caption count as matches.
    """
    captions = [caption for domain in domains for caption in domain.captions]
    name = " and ".join(domain.name for domain in domains)
    similarity = features @ text_features.T  # (n, n)
    first = {caption: column for column, caption in reversed(list(enumerate(captions)))}
    distinct = sorted(first.values())
    own = similarity[np.arange(len(captions)), [first[caption] for caption in captions]]
    ranks = (similarity[:, distinct] > own[:, None]).sum(1)
    measured = gap.measure(features, text_features)
    among = f"picture to caption among {len(distinct)}"
    return [
        Measure(model="CLIP", what=f"{among}, R@1", value=float((ranks < 1).mean()), unit="%", domain=name),
        Measure(model="CLIP", what=f"{among}, R@5", value=float((ranks < 5).mean()), unit="%", domain=name),
        Measure(
            model="CLIP", what="distance of the centroids", value=measured.centroid_distance, domain=name
        ),
        Measure(
            model="CLIP", what="relative modality gap", value=measured.relative_modality_gap, domain=name
        ),
    ]


def measure_detector(
    found: Sequence[Sequence[Detection]], truth: Sequence[Sequence[Detection]], domain: str = ""
) -> list[Measure]:
    """COCO's average precision, by pycocotools.

    Args:
        found: n pictures' detections.
        truth: n pictures' things.
        domain: where the pictures are from.
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
        Measure(model="detector", what="AP50", value=float(scored.stats[1]), domain=domain),
        Measure(model="detector", what="AP50:95", value=float(scored.stats[0]), domain=domain),
    ]


def measure_generator(
    found: Sequence[Sequence[Detection]], truth: Sequence[Sequence[Detection]], domain: str = ""
) -> list[Measure]:
    """Which things the detector finds in pictures that were generated from captions.

    Args:
        found: n generated pictures' detections.
        truth: n rendered pictures' things; the caption names them all.
        domain: where the captions are from.
    """
    wanted = [Counter(thing.label for thing in things) for things in truth]
    seen = [Counter(thing.label for thing in things) for things in found]
    pairs = [(count, s[label]) for w, s in zip(wanted, seen, strict=True) for label, count in w.items()]
    shown = [(count, number) for count, number in pairs if number]
    exact = [number == count for count, number in shown]
    stated = [number == count for count, number in shown if count > 1]
    every = [all(s[label] for label in w) for w, s in zip(wanted, seen, strict=True)]
    figures = {
        "named things that are found": len(shown) / len(pairs),
        "pictures with all of them": float(np.mean(every)),
        "things found in the right number": sum(exact) / max(len(exact), 1),
        f"the same of {len(stated)} that are two or more": sum(stated) / max(len(stated), 1),
    }
    return [
        Measure(model="generator", what=what, value=value, unit="%", domain=domain)
        for what, value in figures.items()
    ]


def measure_relations(
    found: Sequence[Sequence[Detection]], captions: Sequence[str], domain: str = ""
) -> list[Measure]:
    """Whether boxes lie as captions say, where a relation of `JUDGES` is stated and both things are found.

    Args:
        found: n generated pictures' detections.
        captions: what they were generated from.
        domain: where the captions are from.
    """
    verdicts = []
    for things, caption in zip(found, captions, strict=True):
        for first, meant, second in read_claims(caption).relations:
            here, there = ([thing for thing in things if thing.label == label] for label in (first, second))
            if meant <= JUDGES.keys() and here and there:
                verdicts.append(any(JUDGES[relation](_middle(here), _middle(there)) for relation in meant))
    return [
        Measure(
            model="generator",
            what=f"{'/'.join(JUDGES)} right, of {len(verdicts)} stated between things that are found",
            value=float(np.mean(verdicts)) if verdicts else 0.0,
            unit="%",
            domain=domain,
        )
    ]


def _middle(things: Sequence[Detection]) -> tuple[float, float]:
    """Mean centre and mean lower edge of some things, downwards."""
    tops, bottoms = zip(*((thing.box[1], thing.box[3]) for thing in things), strict=True)
    return float(np.mean(tops) + np.mean(bottoms)) / 2, float(np.mean(bottoms))


JUDGES: dict[str, Callable[[tuple[float, float], tuple[float, float]], bool]] = {
    "in front of": lambda first, second: first[1] > second[1],
    "behind": lambda first, second: first[1] < second[1],
    "on": lambda first, second: first[0] < second[0],
    "above": lambda first, second: first[0] < second[0],
    "under": lambda first, second: first[0] > second[0],
}
"""How centre and lower edge of the first thing lie to those of the second, where boxes can show it."""


def frechet_distance(x: np.ndarray, y: np.ndarray) -> float:
    """Squared Fréchet distance of two sets of features as normal distributions (Heusel et al. 2017).

    Args:
        x: (n, D).
        y: (m, D).
    """
    a, b = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = np.real(sqrtm(a @ b))
    return float(((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(a + b - 2 * root))
