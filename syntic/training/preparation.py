"""Everything about a corpus that is computed once, so that a decoder step touches small tensors only.

Text features, synthetic image features, Eq. 2, Eq. 3 and Eq. 4 do not depend on the decoder. DeCap's
loop runs CLIP's text encoder in every step instead. What Eq. 2 made is kept on disk, because four of
the eight variants share it.
"""

from __future__ import annotations

import functools
import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..data.atomic import write_atomically
from ..data.features import FeatureStore
from ..data.tags import MAX_TAGS, TagTable
from ..errors import DataError
from ..method import SupportSet, Variant, project_onto_support, refine_features
from ..method.improvement import Improvement
from ..method.neighbours import make_support_set
from ..method.tokens import encode_captions
from ..profiles.profile import ProjectionSettings, RefinementSettings

logger = logging.getLogger(__name__)

Report = Callable[[str, int, int], None]
"""Called with the name of a stage, the work done and its total; what it raises ends the run."""

_PROJECTION_ROWS = 1024  # rows between two reports


class Vocabulary(Protocol):
    """What a decoder's size and marks follow from."""

    start_id: int
    end_id: int
    pad_id: int
    vocabulary_size: int


class Tokenizer(Vocabulary, Protocol):
    """What training needs of the caption tokenizer."""

    def encode(self, text: str) -> list[int]:
        """Return token ids without start and end marks."""

    def decode(self, ids: list[int]) -> str:
        """Return the text of token ids."""


class TextModel(Protocol):
    """What training needs of CLIP: the texts' side alone. Pictures cannot be handed in."""

    @property
    def width(self) -> int:
        """The feature width D."""

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer of captions."""

    def encode_texts(self, texts: list[str]) -> Tensor:
        """Return (B, D), unit norm."""


@dataclass(frozen=True, kw_only=True)
class TrainingData:
    """What one variant's decoder is trained on, row by row aligned with the corpus.

    Attributes:
        features: (N, D) v of Eq. 6: projected where the variant projects, else the query itself.
        query: (N, D) of Eq. 5: the synthetic image feature, refined where the variant refines.
        tokens: (N, L) start mark, caption, end mark, padding.
        lengths: (N,) tokens of each row without the padding.
        tag_positions: (N, K) rows of `tag_table.features`, or None where the variant has no tags.
        tag_table: the tags' text features, or None.
        improvement: what changes in each step, or None for the paper's way.
        text_views: (N, D) v of the captions' own text features, or None where no step shows them.
    """

    features: Tensor
    query: Tensor
    tokens: Tensor
    lengths: Tensor
    tag_positions: Tensor | None
    tag_table: TagTable | None
    improvement: Improvement | None = None
    text_views: Tensor | None = None

    def __len__(self) -> int:
        """Return the number of captions N."""
        return len(self.tokens)

    def target_tokens(self, rows: Tensor) -> int:
        """Return how many tokens of some rows are predicted: all but the start mark and the padding."""
        return int((self.lengths[rows] - 1).sum())

    def batch(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None, Tensor]:
        """Return the arguments of `CaptionModel.loss` for some rows, tokens cut to the longest.

        With an improvement the rows are drawn anew at every step, with the random numbers of that step.
        """
        tokens = self.tokens[rows, : int(self.lengths[rows].max())]  # (B, L)
        tag_features = tag_mask = None
        if self.tag_table is not None and self.tag_positions is not None:
            tag_features, tag_mask = self.tag_table.gather(self.tag_positions[rows])
        features = self.features[rows]
        if self.improvement is not None:
            if self.text_views is not None:
                features = self.improvement.mix_views(features, self.text_views[rows])
            if tag_mask is not None:
                tag_mask = self.improvement.hide_tags(tag_mask)
        return features, self.query[rows], tag_features, tag_mask, tokens


def prepare(
    store: FeatureStore,
    variant: Variant,
    text_model: TextModel,
    *,
    refinement: RefinementSettings,
    temperature: float,
    max_tokens: int,
    projection: ProjectionSettings | None = None,
    max_tags: int = MAX_TAGS,
    mask_own_caption: bool = False,
    improvement: Improvement | None = None,
    seed: int = 0,
    cache: Path | None = None,
    keep_projected: bool = False,
    device: torch.device | None = None,
    report: Report = lambda stage, done, total: None,
) -> TrainingData:
    """Make the training data of one variant from a feature store.

    Real pictures have no way in: a store holds captions and what was synthesised from them.

    Args:
        store: N captions with their features and tags.
        variant: which of Eq. 2, 3 and 4-5 to apply.
        text_model: CLIP's text side.
        refinement: settings of Eq. 2.
        temperature: of Eq. 3.
        max_tokens: captions are cut there.
        projection: how Eq. 3 goes through the corpus; None takes the defaults.
        max_tags: tags per image.
        mask_own_caption: give each caption's own text no weight in its projection.
        improvement: changes what a step shows; None is the paper's way.
        seed: of the batches of Eq. 2.
        cache: folder for the refined features, or None to compute them anew.
        keep_projected: keep the projected features there, too, for other processes and later starts.
        device: where to compute and keep the result; None is the CPU.
        report: progress of each stage.
    """
    device = device or torch.device("cpu")
    query = torch.from_numpy(store.image_features)  # (N, D)
    texts = torch.from_numpy(store.text_features)
    if variant.refine and refinement.steps > 0:
        query = _refined(store, query.to(device), texts.to(device), refinement, seed, cache, report)
    query = query.to(device)
    features = query
    shows_texts = improvement is not None and improvement.text_share > 0
    text_views = texts.to(device) if shows_texts else None
    if variant.project:
        settings = projection or ProjectionSettings()
        support = functools.cache(lambda: make_support_set(texts.to(device), store.captions, settings))
        described = [asdict(settings), temperature, mask_own_caption]

        def project(rows: Tensor, source: Callable[[], str]) -> Tensor:
            return _kept(
                cache if keep_projected else None,
                lambda: f"projected-{_hash([source(), *described])}",
                lambda: _projected(rows, support(), temperature, mask_own_caption, report),
            ).to(device)

        def source_of_query() -> str:
            return refinement_key(store, refinement, seed) if variant.refine else store.fingerprint

        features = project(query, source_of_query)
        if text_views is not None:
            text_views = project(text_views, lambda: f"texts of {store.fingerprint}")
    table = positions = None
    if variant.tags:
        table = TagTable(text_model, store.tags, max_tags)
        positions = table.positions(store.tags).to(device)
        table.features = table.features.to(device)
        report("tags", len(table.labels), len(table.labels))
    tokens, lengths = encode_captions(store.captions, text_model.tokenizer, max_tokens)
    return TrainingData(
        features=features,
        query=query,
        tokens=tokens.to(device),
        lengths=lengths.to(device),
        tag_positions=positions,
        tag_table=table,
        improvement=improvement,
        text_views=text_views,
    )


def refinement_key(store: FeatureStore, settings: RefinementSettings, seed: int) -> str:
    """Name the result of Eq. 2 on a store by all that decides it."""
    return _hash([store.fingerprint, asdict(settings), seed])


def _refined(
    store: FeatureStore,
    images: Tensor,
    texts: Tensor,
    settings: RefinementSettings,
    seed: int,
    cache: Path | None,
    report: Report,
) -> Tensor:
    def refine() -> Tensor:
        return refine_features(
            images,
            texts,
            temperature=settings.temperature,
            learning_rate=settings.learning_rate,
            steps=settings.steps,
            batch_size=settings.batch_size,
            seed=seed,
            on_step=lambda done, total: report("refine", done, total),
        ).features

    return _kept(cache, lambda: f"refined-{refinement_key(store, settings, seed)}", refine)


def _kept(cache: Path | None, name: Callable[[], str], make: Callable[[], Tensor]) -> Tensor:
    """Return features from a file of `cache`, mapped rather than read; make and keep them where it lacks."""
    if cache is None:
        return make()
    path = cache / f"{name()}.safetensors"
    if path.exists():
        try:
            return load_file(path)["features"]
        except (SafetensorError, KeyError, OSError):
            logger.warning("%s is damaged and will be made again", path)
    features = make()
    write_atomically(path, lambda temporary: save_file({"features": features.cpu()}, temporary))
    return features


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def _projected(
    query: Tensor, support: SupportSet, temperature: float, mask_own_caption: bool, report: Report
) -> Tensor:
    if mask_own_caption and len(support) < 2:
        raise DataError("With the own caption masked, Eq. 3 needs a corpus of at least 2 captions.")
    projected = torch.empty_like(query)
    for start in range(0, len(query), _PROJECTION_ROWS):
        rows = torch.arange(start, min(start + _PROJECTION_ROWS, len(query)), device=query.device)
        own = rows if mask_own_caption else None
        projected[rows] = project_onto_support(
            query[rows], support, temperature=temperature, top_k=1, own_indices=own
        ).features
        report("project", start + len(rows), len(query))
    return projected
