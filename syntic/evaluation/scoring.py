"""One system on one test set: captions and their scores."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from ..baselines import NO_VIEWS, Captioner, View
from ..data.coco import TestSet
from ..errors import DataError
from ..method import Variant
from ..method.components import Components
from ..profiles import Profile
from . import metrics
from .metrics import Scores
from .pictures import Pictures, caption_pictures, encode_pictures, encode_test_set


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What a system did on a test set.

    Attributes:
        system: the variant's or the compared system's name.
        corpus: it was trained on.
        test_set: name of the test set.
        decoding: "greedy", "beam", or the system's own search.
        scores: metrics x 100.
        captions: picture -> caption.
        seconds: for captioning, without encoding and scoring.
    """

    system: str
    corpus: str
    test_set: str
    decoding: str
    scores: Scores
    captions: dict[str, str]
    seconds: float


def open_test_set(profile: Profile, name: str) -> TestSet:
    """Open a test set of the profile by its name.

    Raises:
        DataError: if the profile has none of that name, or it is damaged.
    """
    if name not in profile.test_sets:
        known = ", ".join(profile.test_sets) or "none"
        raise DataError(f"Profile {profile.name!r} has no test set {name!r}; it has: {known}.")
    return TestSet.open(profile.test_sets[name])


def encode_for(
    components: Components,
    test_set: TestSet,
    *,
    cache: Path | None = None,
    views: frozenset[View] = NO_VIEWS,
    on_batch: Callable[[int, int], None] = lambda done, total: None,
) -> Pictures:
    """Encode a test set once for all variants, see `encode_test_set`; systems may need more `views`."""
    return encode_test_set(
        test_set,
        components.profile,
        components.encoder,
        components.detector,
        cache=cache,
        views=views,
        on_batch=on_batch,
    )


def caption_images(
    components: Components,
    images: Sequence[Image.Image | Path],
    *,
    corpus: str,
    variant: Variant,
    decoding: str = "greedy",
    beam_size: int = 5,
    temperature: float | None = None,
) -> list[str]:
    """Caption any number of pictures in batches; the captions are those of `SynTIC`.

    Args:
        components: of `SynTIC.components`.
        images: pictures or their files.
        corpus: whose decoder and support set to use.
        variant: which decoder.
        decoding: "greedy" or "beam".
        beam_size: of "beam".
        temperature: of Eq. 3; None takes the profile's.
    """
    pictures = encode_pictures(images, components.encoder, components.detector)
    return caption_encoded(
        components,
        pictures,
        corpus=corpus,
        variant=variant,
        decoding=decoding,
        beam_size=beam_size,
        temperature=temperature,
    )


def caption_encoded(
    components: Components,
    pictures: Pictures,
    *,
    corpus: str,
    variant: Variant,
    decoding: str = "greedy",
    beam_size: int = 5,
    temperature: float | None = None,
) -> list[str]:
    """Caption pictures that are encoded already; arguments as for `caption_images`."""
    return caption_pictures(
        components.captioner(corpus, variant),
        pictures,
        tokenizer=components.encoder.tokenizer,
        text_encoder=components.encoder,
        support=components.support_set(corpus) if variant.project else None,
        temperature=temperature or components.profile.corpus(corpus).temperature,
        decoding=decoding,
        beam_size=beam_size,
    )


def evaluate(
    components: Components,
    pictures: Pictures,
    references: Mapping[str, Sequence[str]],
    *,
    corpus: str,
    variants: Sequence[Variant],
    test_set: str,
    decoding: str = "greedy",
    beam_size: int = 5,
    on_captioned: Callable[[Variant], None] = lambda variant: None,
) -> list[Evaluation]:
    """Caption a test set with each variant and score the captions.

    Args:
        components: of `SynTIC.components`.
        pictures: the test set's, from `encode_for`.
        references: picture -> its reference captions.
        corpus: whose decoders and support set to use.
        variants: which decoders.
        test_set: its name, for the record.
        decoding: "greedy" or "beam".
        beam_size: of "beam".
        on_captioned: called when a variant has captioned all pictures; scores come at the end.

    Raises:
        MissingToolError: if there is no Java; said before any work is done.
    """
    metrics.require_java("METEOR and the Penn Treebank tokenizer")
    captions: dict[str, dict[str, str]] = {}
    seconds: dict[str, float] = {}
    for variant in variants:
        started = time.perf_counter()
        texts = caption_encoded(
            components, pictures, corpus=corpus, variant=variant, decoding=decoding, beam_size=beam_size
        )
        seconds[variant.name] = time.perf_counter() - started
        captions[variant.name] = dict(zip(pictures.names, texts, strict=True))
        on_captioned(variant)
    scores = metrics.score_systems(references, captions)
    return [
        Evaluation(
            system=name,
            corpus=corpus,
            test_set=test_set,
            decoding=decoding,
            scores=scores[name],
            captions=captions[name],
            seconds=seconds[name],
        )
        for name in captions
    ]


def evaluate_captioner(
    captioner: Captioner,
    pictures: Pictures,
    references: Mapping[str, Sequence[str]],
    *,
    corpus: str,
    test_set: str,
) -> Evaluation:
    """Caption a test set with any system and score the captions.

    Args:
        captioner: from `syntic.baselines.build_system`.
        pictures: the test set's, from `encode_for`.
        references: picture -> its reference captions.
        corpus: that it learned from, for the record.
        test_set: its name, for the record.

    Raises:
        MissingToolError: if there is no Java; said before any work is done.
    """
    metrics.require_java("METEOR and the Penn Treebank tokenizer")
    started = time.perf_counter()
    texts = [captioned.text for captioned in captioner.caption(pictures)]
    seconds = time.perf_counter() - started
    captions = dict(zip(pictures.names, texts, strict=True))
    return Evaluation(
        system=captioner.name,
        corpus=corpus,
        test_set=test_set,
        decoding=captioner.decoding,
        scores=metrics.score_systems(references, {captioner.name: captions})[captioner.name],
        captions=captions,
        seconds=seconds,
    )
