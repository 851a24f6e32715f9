"""The corpus' features at every step of the method, and the modality gap of each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from ..data.coco import TestSet
from ..errors import DataError
from ..method import project_onto_support, refine_features
from ..method.components import Components
from .gap import GapMeasures, measure, random_pairs
from .map import Kind
from .mixtures import mix, with_mixtures
from .scoring import encode_for

SAMPLE = 1024  # pairs that are measured; eight batches of Eq. 2


def stage_features(
    components: Components,
    corpus: str,
    sample: int,
    *,
    seed: int = 0,
    on_step: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[dict[Kind, np.ndarray], list[str]]:
    """Take some captions of a corpus through Eq. 2 and 3 with the profile's settings.

    Eq. 3 projects onto the whole corpus, the own caption included, as in the paper.

    Args:
        components: of the profile.
        corpus: its name.
        sample: captions, drawn at random; all where there are fewer.
        seed: of the draw and of the batches of Eq. 2.
        on_step: progress of Eq. 2.

    Returns:
        (n, D) features of the texts, the generated pictures, refined, and refined and projected; and
        the n captions.
    """
    store = components.feature_store(corpus)
    rows = sample_rows(len(store), sample, seed)
    texts, generated = store.text_features[rows], store.image_features[rows]
    options = components.profile.refinement
    refined = refine_features(
        torch.from_numpy(generated).to(components.device),
        torch.from_numpy(texts).to(components.device),
        temperature=options.temperature,
        learning_rate=options.learning_rate,
        steps=options.steps,
        batch_size=options.batch_size,
        seed=seed,
        on_step=on_step,
    ).features
    projected = project_onto_support(
        refined,
        components.support_set(corpus),
        temperature=components.profile.corpus(corpus).temperature,
        top_k=1,
    ).features
    features = {
        Kind.TEXT: texts,
        Kind.GENERATED: generated,
        Kind.REFINED: refined.cpu().numpy(),
        Kind.PROJECTED: projected.cpu().numpy(),
    }
    return features, [store.captions[row] for row in rows]


def sample_rows(captions: int, sample: int, seed: int) -> np.ndarray:
    """Return which captions of a corpus are drawn, ascending; all where there are fewer."""
    return np.sort(np.random.default_rng(seed).permutation(captions)[:sample])


def measure_stages(
    components: Components,
    corpus: str,
    *,
    test_set: TestSet | None = None,
    sample: int = SAMPLE,
    seed: int = 0,
    cache: Path | None = None,
    on_step: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, GapMeasures]:
    """Measure generated, refined and projected image features against their captions.

    Generated and refined features, and those of real pictures, are projected each (Eq. 3), to say of how
    many texts and how much of the own caption that makes them. Random directions, as many and as wide, are
    measured beside them: the control.

    Args:
        components: of the profile.
        corpus: whose features are measured.
        test_set: real pictures, measured against the first reference of each; None leaves them out.
        sample: captions to measure, drawn at random.
        seed: of the draw and of the batches of Eq. 2.
        cache: folder for the features of real pictures.
        on_step: progress of Eq. 2.

    Returns:
        "generated", "refined", "projected" (refined, then projected), "random", and "real" where there
        is a test set -> measures against the texts.

    Raises:
        DataError: if the corpus has fewer than four captions.
    """
    captions = len(components.feature_store(corpus))
    if captions < 4:
        raise DataError(f"The corpus {corpus!r} has {captions} captions; the gap needs at least 4.")
    features, _ = stage_features(components, corpus, sample, seed=seed, on_step=on_step)
    texts = features.pop(Kind.TEXT)
    measures = {kind.value: measure(images, texts, seed=seed) for kind, images in features.items()}
    support = components.support_set(corpus)
    temperature = components.profile.corpus(corpus).temperature
    for kind in (Kind.GENERATED, Kind.REFINED):
        mixtures = mix(features[kind], support, temperature=temperature, own_texts=texts)
        measures[kind.value] = with_mixtures(measures[kind.value], mixtures)
    measures["random"] = measure(*random_pairs(len(texts), texts.shape[1], seed), seed=seed)
    if test_set is not None:
        pictures = encode_for(components, test_set, cache=cache)
        references = [test_set.references[name][0] for name in test_set.names]
        real_texts = components.encoder.encode_texts(references).cpu().numpy()
        real = pictures.features.numpy()
        mixtures = mix(real, support, temperature=temperature)
        measures["real"] = with_mixtures(measure(real, real_texts, seed=seed), mixtures)
    return measures
