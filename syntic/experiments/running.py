"""Carrying out a plan: what is missing is trained, captioned and scored; what is there is read.

Every run is written to a file of its own the moment it is done. Its key holds every setting and fingerprint
that its captions and scores depend on, so a plan that was stopped goes on where it was, two plans share their
runs, and a changed setting is measured anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..baselines import (
    PICTURE_RECIPES,
    RECIPES,
    Captioner,
    SystemRequest,
    View,
    build_system,
    magic,
    magic_settings,
    zerocap,
)
from ..data.coco import TestSet
from ..data.fingerprints import fingerprint_model, hash_captions
from ..errors import DataError, InputError
from ..evaluation import metrics
from ..evaluation.clip_score import clip_scores
from ..evaluation.pictures import Pictures
from ..evaluation.scoring import encode_for, evaluate_captioner, open_test_set
from ..method.components import Components
from .plans import Plan, Run
from .records import REVISION, Record, digest, load_record, record_path, save_record
from .trainings import TRAINED_AS, Follow, Recipes, Trainings, drain, read_sidecar

DECODINGS = ("greedy", "beam", "own")
BEAM_SIZE = 5
TARGETED = {"decap-tt", "syntic-tt"}  # they project onto the texts of the domain that is tested

TruthMeasure = Callable[[Path, Mapping[str, str]], Mapping[str, float | None] | None]
"""From a picture set's folder and captions to how true they are, or None where nobody knows."""


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A run that could not be done.

    Attributes:
        run: which.
        reason: one sentence.
    """

    run: Run
    reason: str


@dataclass(frozen=True, kw_only=True)
class Choices:
    """How all systems are compared.

    Attributes:
        decoding: "greedy" or "beam" for all systems that decode word by word, so that the search is no
            difference between them; "own" is what each system's paper does. MAGIC and ZeroCap have a search
            of their own in any case.
        limit: caption only the first pictures of each set; None takes all.
    """

    decoding: str = "greedy"
    limit: int | None = None

    def __post_init__(self) -> None:
        """Refuse an unknown search."""
        if self.decoding not in DECODINGS:
            raise InputError(f"`decoding` is {self.decoding!r} but must be one of {', '.join(DECODINGS)}.")


class Bench:
    """Carries out runs on one profile.

    Args:
        components: of the profile.
        folder: for decoders that are trained here.
        records: folder of the runs that are done; None takes one in `folder`.
        cache: for the features of pictures.
        choices: how systems are compared.
        recipes: settings of all trainings.
        truth: measures how true captions are; None where nobody knows.
        follow: consumes the events of a training, see `trainings.drain`.
    """

    def __init__(
        self,
        components: Components,
        folder: Path,
        *,
        records: Path | None = None,
        cache: Path | None = None,
        choices: Choices | None = None,
        recipes: Recipes | None = None,
        truth: TruthMeasure | None = None,
        follow: Follow = drain,
    ) -> None:
        self.components = components
        self.profile = components.profile
        self.folder = folder
        self.records = records or folder / "records"
        self.cache = cache
        self.choices = choices or Choices()
        self.truth = truth
        self.trainings = Trainings(components, folder, cache=cache, recipes=recipes, follow=follow)
        self._test_sets: dict[str, TestSet] = {}
        self._test_digests: dict[str, str] = {}
        self._pictures: dict[tuple[str, frozenset[View]], Pictures] = {}

    def carry_out(
        self, plan: Plan, on_run: Callable[[int, int, Run], None] = lambda done, total, run: None
    ) -> Iterator[Record | LeftOut]:
        """Yield the record of each run of a plan, or why there is none.

        Args:
            plan: the experiment.
            on_run: called before each run with those done, their total and the run.

        Raises:
            MissingToolError: if there is no Java; said before any work is done.
            SynticError: if a system that learns from texts cannot be trained or tested.
        """
        metrics.require_java("METEOR and the Penn Treebank tokenizer")
        runs = plan.runs
        for done, run in enumerate(runs):
            on_run(done, len(runs), run)
            try:
                yield self.record(run)
            except (DataError, InputError) as error:
                if run.system not in PICTURE_RECIPES:
                    raise
                yield LeftOut(run=run, reason=error.detail)  # real pictures need not be there

    def record(self, run: Run) -> Record:
        """Return the record of a run, made if need be."""
        described = self.describe(run)
        key = digest(described)
        known = load_record(record_path(self.records, run, key))
        if known is not None and known.key == key:
            return known
        record = self._evaluate(run, key, described)
        save_record(self.records, record)
        return record

    def describe(self, run: Run) -> dict[str, Any]:
        """Return every setting and fingerprint that the result of a run depends on."""
        profile = self.profile
        projected = run.domain if run.system in TARGETED else run.corpus
        store = self.trainings.store(run)
        support = self.components.feature_store(projected) if projected != run.corpus else store
        encoder, detector = profile.encoder, profile.detector
        search: dict[str, Any] = {"decoding": self.choices.decoding, "beam_size": BEAM_SIZE}
        if run.system == magic.NAME:
            search = {"magic": asdict(magic_settings(self._request(run, self.components)))}
        elif run.system == zerocap.NAME:
            search = {"zerocap": asdict(zerocap.ZeroCapSettings())}
        recipe = RECIPES.get(TRAINED_AS.get(run.system, run.system))
        return {
            "revision": REVISION,
            "system": run.system,
            "seed": run.seed,
            "share": run.share,
            "training": self.trainings.identity(run),
            "recipe": None if recipe is None else recipe.revision,
            "search": search,
            "texts": {"captions": hash_captions(store.captions), "features": store.fingerprint},
            "support": support.fingerprint,
            "temperature": run.tested_temperature or run.temperature or profile.corpus(projected).temperature,
            "projection": asdict(profile.projection),
            "models": {
                "encoder": fingerprint_model(encoder.model, encoder.revision),
                "pretrained": encoder.pretrained,
                "detector": fingerprint_model(detector.model, detector.revision),
            },
            "threshold": profile.detector.threshold,
            "test_set": self._test_digest(run.test_set),
            "has_truth": self.truth is not None,
            "spice": metrics.spice_missing() is None,
        }

    def _evaluate(self, run: Run, key: str, described: dict[str, Any]) -> Record:
        folder = self.trainings.decoders(run)
        components = self.components.having(
            run.corpus,
            decoders=folder,
            temperature=run.tested_temperature or run.temperature,
            store=self.trainings.store(run) if run.share < 1 else None,
        )
        captioner = build_system(run.system, self._request(run, components))
        test_set = self._test_set(run.test_set)
        pictures = self._encoded(run.test_set, captioner)
        evaluation = evaluate_captioner(
            captioner, pictures, test_set.references, corpus=run.corpus, test_set=run.test_set
        )
        captions = [evaluation.captions[name] for name in pictures.names]
        references = [test_set.references[name] for name in pictures.names]
        scores = {
            **evaluation.scores.to_dict(),
            **clip_scores(pictures.features, captions, references, self.components.encoder),
            **((self.truth and self.truth(test_set.folder, evaluation.captions)) or {}),
        }
        return Record(
            key=key,
            run=asdict(run),
            described=described,
            decoding=evaluation.decoding,
            scores={n: None if value is None else round(value, 4) for n, value in scores.items()},
            cider_each=[round(value, 3) for value in evaluation.scores.cider_each],
            captions=evaluation.captions,
            training=self._training(run, folder),
            seconds=round(evaluation.seconds, 2),
            date=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def _training(self, run: Run, folder: Path | None) -> dict[str, Any]:
        if folder is None:
            return {}
        sidecar = read_sidecar(folder / TRAINED_AS.get(run.system, run.system))
        kept = ("run", "seed", "steps", "seconds", "settings", "versions", "device", "weights_sha256")
        return {name: sidecar[name] for name in kept if name in sidecar}

    def _request(self, run: Run, components: Components) -> SystemRequest:
        decoding = None if self.choices.decoding == "own" else self.choices.decoding
        return SystemRequest(
            components=components,
            corpus=run.corpus,
            target=run.domain,
            decoding=decoding,
            beam_size=BEAM_SIZE,
        )

    def combinations(self, test_set: str) -> Mapping[str, str]:
        """Return how the things on the pictures of a test set go together, see `TestSet`."""
        return self._test_set(test_set).combinations

    def _test_set(self, name: str) -> TestSet:
        if name not in self._test_sets:
            self._test_sets[name] = open_test_set(self.profile, name).head(self.choices.limit)
        return self._test_sets[name]

    def _test_digest(self, name: str) -> str:
        if name not in self._test_digests:
            test_set = self._test_set(name)
            hashed = hashlib.sha256(digest(test_set.references).encode())
            for path in test_set.images:
                hashed.update(hashlib.sha256(path.read_bytes()).digest())
            self._test_digests[name] = hashed.hexdigest()[:16]
        return self._test_digests[name]

    def _encoded(self, name: str, captioner: Captioner) -> Pictures:
        key = (name, captioner.views)
        if key not in self._pictures:
            self._pictures[key] = encode_for(
                self.components, self._test_set(name), cache=self.cache, views=captioner.views
            )
        return self._pictures[key]


def only(plan: Plan, names: Collection[str]) -> Plan:
    """Return a plan's rows of some names or systems.

    Raises:
        InputError: if it has none of them.
    """
    rows = tuple(row for row in plan.rows if {row.name, row.runs[0].system} & set(names))
    if not rows:
        known = "; ".join(dict.fromkeys(name for row in plan.rows for name in (row.name, row.runs[0].system)))
        raise InputError(f"{plan.name} has no row or system {', '.join(names)}; it has: {known}.")
    return replace(plan, rows=rows)
