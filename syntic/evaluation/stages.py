"""The modality gap at every step of the method, measured on a corpus."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from ..data.coco import TestSet
from ..errors import DataError
from ..method import project_onto_support, refine_features
from ..method.components import Components
from .gap import GapMeasures, measure
from .scoring import encode_for

SAMPLE = 1024  # pairs that are measured; eight batches of Eq. 2


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

    Eq. 2 and 3 run with the profile's settings; Eq. 3 projects onto the whole corpus, the own caption
    included, as in the paper.

    Args:
        components: of the profile.
        corpus: whose features are measured.
        test_set: real pictures, measured against the first reference of each; None leaves them out.
        sample: captions to measure, drawn at random.
        seed: of the draw and of the batches of Eq. 2.
        cache: folder for the features of real pictures.
        on_step: progress of Eq. 2.

    Returns:
        "generated", "refined", "projected" (refined, then projected), and "real" where there is a test
        set -> measures against the texts.

    Raises:
        DataError: if the corpus has fewer than four captions.
    """
    store = components.feature_store(corpus)
    if len(store) < 4:
        raise DataError(f"The corpus {corpus!r} has {len(store)} captions; the gap needs at least 4.")
    rows = np.sort(np.random.default_rng(seed).permutation(len(store))[:sample])
    images, texts = store.image_features[rows], store.text_features[rows]  # (n, D)
    options = components.profile.refinement
    refined = refine_features(
        torch.from_numpy(images).to(components.device),
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
    measures = {
        "generated": measure(images, texts, seed=seed),
        "refined": measure(refined.cpu().numpy(), texts, seed=seed),
        "projected": measure(projected.cpu().numpy(), texts, seed=seed),
    }
    if test_set is not None:
        pictures = encode_for(components, test_set, cache=cache)
        references = [test_set.references[name][0] for name in test_set.names]
        real_texts = components.encoder.encode_texts(references).cpu().numpy()
        measures["real"] = measure(pictures.features.numpy(), real_texts, seed=seed)
    return measures
