"""One run through the stages: each fills its part of the Trace and says so in events."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..data.tags import MAX_TAGS, unique_tags
from ..errors import Cancelled
from ..models import CaptionTokenizer
from ..types import (
    AttentionTrace,
    CaptionTrace,
    Event,
    Finished,
    ProjectionTrace,
    RefinementTrace,
    Stage,
    StageFinished,
    StageProgress,
    StageStarted,
    TokenTrace,
    Trace,
)
from .components import Components
from .projection import project_onto_support
from .refinement import refine_features
from .search import Decoded
from .variant import Variant

TOP_CAPTIONS = 10
REFINEMENT_REPORTS = 20
NO_TAG = "(nothing)"
END_MARK = "(end)"
OTHER_MARK = "(mark)"


class TraceRun:
    """Carries one Trace from its text or picture to its caption.

    Args:
        components: the models and data.
        trace: with checked settings and the text or the image.
        emit: called with each event, in order.
        should_stop: asked between steps; True raises Cancelled.
    """

    def __init__(
        self,
        components: Components,
        trace: Trace,
        emit: Callable[[Event], None],
        should_stop: Callable[[], bool],
    ) -> None:
        self.components = components
        self.trace = trace
        self.variant = Variant.parse(trace.settings.variant)
        self._emit = emit
        self._should_stop = should_stop
        self._text_feature: Tensor | None = None

    @property
    def _refines(self) -> bool:
        is_text = self.trace.text is not None
        return is_text and self.variant.refine and self.trace.settings.refinement_steps > 0

    @torch.no_grad()
    def run(self) -> Trace:
        """Go through all stages and return the trace."""
        self._load()
        if self.trace.text is not None:
            self.generate(self.trace.text)
        assert self.trace.image is not None
        self.encode(self.trace.image)
        if self._refines:
            self.refine()
        if self.variant.project:
            self.project()
        self.detect(self.trace.image)
        if self.variant.tags:
            self.attend()
        self.decode()
        self._emit(Finished(trace=self.trace))
        return self.trace

    def _load(self) -> None:
        """Load what the stages need, so that what is missing is said at once and no stage's time holds it."""
        corpus = self.trace.settings.corpus
        self._check_stop()
        self.model = self.components.captioner(corpus, self.variant)
        self.encoder = self.components.encoder
        self.detector = self.components.detector
        if self.variant.project:
            self.components.support_set(corpus)
        if self._refines:
            self.components.feature_store(corpus)
        if self.trace.text is not None:
            _ = self.components.generator

    def generate(self, text: str) -> None:
        """Text -> synthetic image."""
        generator = self.components.generator

        def on_step(step: int, total: int, preview: Image.Image | None) -> None:
            self._check_stop()
            self._emit(StageProgress(stage=Stage.GENERATE, step=step, total=total, preview=preview))

        with self._stage(Stage.GENERATE, generator.settings.steps):
            self.trace.image = generator.generate([text], [self.trace.settings.seed], on_step)[0]

    def encode(self, image: Image.Image) -> None:
        """Image -> CLIP feature; the text's feature too where Eq. 2 will need it."""
        with self._stage(Stage.ENCODE):
            self.trace.image_feature = _to_array(self.encoder.encode_images([image])[0])
            if self._refines:
                assert self.trace.text is not None
                self._text_feature = self.encoder.encode_texts([self.trace.text])[0]

    def refine(self) -> None:
        """Eq. 2, in a batch with other pairs of the corpus, drawn with the run's seed."""
        settings, options = self.trace.settings, self.components.profile.refinement
        store = self.components.feature_store(settings.corpus)
        assert self._text_feature is not None
        every = max(1, settings.refinement_steps // REFINEMENT_REPORTS)

        def on_step(step: int, total: int) -> None:
            self._check_stop()
            if step % every == 0 or step == total:
                self._emit(StageProgress(stage=Stage.REFINE, step=step, total=total))

        with self._stage(Stage.REFINE, settings.refinement_steps):
            others = np.random.default_rng(settings.seed).choice(
                len(store), size=min(options.batch_size - 1, len(store)), replace=False
            )
            refinement = refine_features(
                torch.cat([self._query(), self._on_device(store.image_features[others])]),
                torch.cat([self._text_feature[None], self._on_device(store.text_features[others])]),
                temperature=options.temperature,
                learning_rate=options.learning_rate,
                steps=settings.refinement_steps,
                batch_size=options.batch_size,
                trajectory_row=0,
                on_step=on_step,
            )
            assert refinement.trajectory is not None
            assert refinement.trajectory_steps is not None
            self.trace.refinement = RefinementTrace(
                feature=_to_array(refinement.features[0]),
                losses=_to_array(refinement.losses),
                trajectory=_to_array(refinement.trajectory),
                trajectory_steps=refinement.trajectory_steps.numpy(),
            )

    def project(self) -> None:
        """Eq. 3."""
        settings = self.trace.settings
        assert settings.temperature is not None
        with self._stage(Stage.PROJECT):
            support = self.components.support_set(settings.corpus)
            projection = project_onto_support(
                self._query(), support, temperature=settings.temperature, top_k=TOP_CAPTIONS
            )
            self.trace.projection = ProjectionTrace(
                feature=_to_array(projection.features[0]),
                top_captions=[support.captions[index] for index in projection.top_indices[0].tolist()],
                top_weights=projection.top_weights[0].tolist(),
                top_similarities=projection.top_similarities[0].tolist(),
                entropy=float(projection.entropy[0]),
                effective_captions=float(projection.effective_captions[0]),
            )

    def detect(self, image: Image.Image) -> None:
        """Objects with their labels, shown for every variant."""
        with self._stage(Stage.DETECT):
            self.trace.detections = self.detector.detect([image])[0]

    def attend(self) -> None:
        """Eq. 4 and 5."""
        with self._stage(Stage.ATTEND):
            assert self.model.tag_attention is not None
            tag_features, tag_mask = self._tags()
            _, weights = self.model.tag_attention(self._query(), tag_features, tag_mask)  # (1, H, K + 1)
            labels = self._labels()
            shown = weights[0, :, : len(labels)] if labels else weights[0]
            self.trace.attention = AttentionTrace(tags=labels or [NO_TAG], weights=_to_array(shown))

    @torch.no_grad()
    def read_again(self, given: Sequence[int] = ()) -> Trace:
        """Attend and decode once more, from what the trace holds: fewer tags, or first tokens given.

        No model but the decoder's takes part, and CLIP's text side for tags that it has not seen yet.

        Args:
            given: token ids that the caption starts with; the search is greedy then.

        Returns:
            A trace of its own; the one that was handed in stays as it is.
        """
        self.trace = replace(self.trace, seconds=dict(self.trace.seconds))
        self.model = self.components.captioner(self.trace.settings.corpus, self.variant)
        self.encoder = self.components.encoder
        if self.variant.tags:
            self.attend()
        if given:
            self.trace.settings = replace(self.trace.settings, decoding="greedy")
        self.decode(given)
        return self.trace

    def decode(self, given: Sequence[int] = ()) -> None:
        """Eq. 6's decoder: prefix -> caption, which starts with the tokens that are given."""
        settings, projection = self.trace.settings, self.trace.projection
        with self._stage(Stage.DECODE):
            query = self._query()
            features = query if projection is None else self._on_device(projection.feature[None])
            tags = self._tags() if self.variant.tags else (None, None)
            decoded = self.model.decode(
                features,
                query,
                *tags,
                decoding=settings.decoding,
                beam_size=settings.beam_size,
                given=given,
                on_token=self._check_stop,
            )[0]
            self.trace.caption = read_caption(decoded, self.encoder.tokenizer)

    def _query(self) -> Tensor:
        """Return (1, D) the image feature before Eq. 3, refined where Eq. 2 ran."""
        feature = self.trace.refined_feature
        assert feature is not None
        return self._on_device(feature[None])

    def _labels(self) -> list[str]:
        return unique_tags(self.trace.detections or [])[0][:MAX_TAGS]

    def _tags(self) -> tuple[Tensor, Tensor]:
        """Return (1, K, D) tag features and (1, K) their mask."""
        features = self.components.tag_features(self._labels())[None]
        return features, torch.ones(features.shape[:2], dtype=torch.bool, device=features.device)

    def _on_device(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32)).to(self.components.device)

    def _check_stop(self) -> None:
        if self._should_stop():
            raise Cancelled("The run was stopped; nothing of it is kept.")

    @contextmanager
    def _stage(self, stage: Stage, total: int | None = None) -> Iterator[None]:
        self._check_stop()
        self._emit(StageStarted(stage=stage, total=total))
        start = time.perf_counter()
        yield
        seconds = time.perf_counter() - start
        self.trace.seconds[stage.value] = seconds
        snapshot = replace(self.trace, seconds=dict(self.trace.seconds))
        self._emit(StageFinished(stage=stage, trace=snapshot, seconds=seconds))


def read_caption(decoded: Decoded, tokenizer: CaptionTokenizer) -> CaptionTrace:
    """Turn decoded token ids into words."""

    def name(token: int) -> str:
        return END_MARK if token == tokenizer.end_id else tokenizer.decode([token]) or OTHER_MARK

    return CaptionTrace(
        text=tokenizer.decode(decoded.tokens),
        tokens=[
            TokenTrace(
                text=name(token),
                probability=probability,
                alternatives=[(name(other), p) for other, p in alternatives],
                id=token,
                alternative_ids=[other for other, _ in alternatives],
            )
            for token, probability, alternatives in zip(
                decoded.tokens, decoded.probabilities, decoded.alternatives, strict=True
            )
        ],
        beams=[(tokenizer.decode(tokens), score) for tokens, score in decoded.beams],
    )


def _to_array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().float().cpu().numpy()
