"""The paper's experiments, ours beside the paper's numbers."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from ..data.atomic import write_text_atomically
from ..data.coco import TestSet
from ..data.features import hash_captions
from ..method import VARIANTS, Variant
from ..method.components import Components
from .metrics import Scores
from .published import SOURCE, TABLE4, PublishedScores
from .scoring import Evaluation, encode_for, evaluate

METRICS = {"bleu4": "B@4", "meteor": "M", "rouge_l": "R-L", "cider": "C"}
"""Field -> the paper's abbreviation; SPICE is left out, see `Scores`."""


@dataclass(frozen=True, kw_only=True)
class Table4Row:
    """One variant, ours and the paper's.

    Attributes:
        evaluation: ours.
        checkpoint: from the decoder's sidecar: seed, run, steps, versions, fingerprint of the features.
        paper: the paper's row on MSCOCO.
    """

    evaluation: Evaluation
    checkpoint: dict[str, Any]
    paper: PublishedScores


@dataclass(frozen=True, kw_only=True)
class Table4:
    """The ablation study: eight variants on one test set.

    Attributes:
        profile: its name.
        corpus: the texts that were trained on.
        test_set: its name.
        pictures: how many were captioned.
        rows: in the paper's order.
        references_hash: of the reference captions.
        date: when it was measured, UTC.
    """

    profile: str
    corpus: str
    test_set: str
    pictures: int
    rows: list[Table4Row]
    references_hash: str
    date: str

    def to_markdown(self) -> str:
        """Return the table, each cell as ours / the paper's, and where the order by CIDEr differs."""
        lines = [
            f"Table 4: profile {self.profile}, trained on the texts of {self.corpus}, {self.pictures} "
            f"pictures of {self.test_set}; each cell ours / the paper's on MSCOCO.",
            "",
            "| variant | " + " | ".join(METRICS.values()) + " |",
            "|---|" + "---|" * len(METRICS),
        ]
        for row in self.rows:
            cells = [
                f"{getattr(row.evaluation.scores, m):.1f} / {getattr(row.paper, m):.1f}" for m in METRICS
            ]
            lines.append(f"| {row.evaluation.system} | " + " | ".join(cells) + " |")
        lines += ["", self._orderings()]
        return "\n".join(lines)

    def to_json(self) -> str:
        """Return everything but the captions, which go into a file of their own."""
        rows = [
            {
                "variant": row.evaluation.system,
                "scores": _rounded(row.evaluation.scores),
                "cider_interval": [round(value, 2) for value in bootstrap(row.evaluation.scores.cider_each)],
                "paper": asdict(row.paper),
                "decoding": row.evaluation.decoding,
                "seconds": round(row.evaluation.seconds, 2),
                "checkpoint": row.checkpoint,
            }
            for row in self.rows
        ]
        return json.dumps(
            {
                "experiment": "table4",
                "profile": self.profile,
                "corpus": self.corpus,
                "test_set": self.test_set,
                "pictures": self.pictures,
                "references": self.references_hash,
                "date": self.date,
                "source_of_paper": SOURCE,
                "rows": rows,
                "differing_orders": [list(pair) for pair in self.differing_orders()],
                "clear_orders": [list(pair) for pair in self.clear_orders()],
            },
            indent=1,
        )

    def differing_orders(self) -> list[tuple[str, str]]:
        """Return the pairs (better in the paper, better with us) that CIDEr orders differently."""
        pairs = []
        for first, second in combinations(self.rows, 2):
            assert first.paper.cider is not None
            assert second.paper.cider is not None
            theirs = first.paper.cider - second.paper.cider
            ours = first.evaluation.scores.cider - second.evaluation.scores.cider
            if theirs * ours < 0:
                names = (first.evaluation.system, second.evaluation.system)
                pairs.append(names if theirs > 0 else names[::-1])
        return pairs

    def save(self, path: Path) -> None:
        """Write `path` and, beside it, the captions as `NAME-captions.json`."""
        captions = {row.evaluation.system: row.evaluation.captions for row in self.rows}
        text = json.dumps(captions, indent=0, ensure_ascii=False)
        write_text_atomically(path.with_name(f"{path.stem}-captions.json"), text + "\n")
        write_text_atomically(path, self.to_json() + "\n")

    def clear_orders(self) -> list[tuple[str, str]]:
        """Return those of `differing_orders` that other pictures of the kind would hardly turn round.

        The 95 % interval of a paired bootstrap over the pictures leaves zero out. It knows nothing of other
        seeds in training.
        """
        each = {row.evaluation.system: np.array(row.evaluation.scores.cider_each) for row in self.rows}
        return [
            (theirs, ours)
            for theirs, ours in self.differing_orders()
            if bootstrap(each[ours] - each[theirs])[0] > 0
        ]

    def _orderings(self) -> str:
        differing, clear = self.differing_orders(), self.clear_orders()
        total = len(self.rows) * (len(self.rows) - 1) // 2
        if not differing:
            return f"By CIDEr all {total} pairs of variants are ordered as in the paper."

        def name(pairs: list[tuple[str, str]]) -> str:
            return "; ".join(f"{theirs} over {ours}" for theirs, ours in pairs) or "none"

        return (
            f"By CIDEr {len(differing)} of {total} pairs are ordered otherwise; the paper has "
            f"{name(differing)}. Beyond chance, by a paired bootstrap over the pictures: {name(clear)}."
        )


def bootstrap(values: Sequence[float] | np.ndarray, draws: int = 2000) -> tuple[float, float]:
    """Return the 95 % interval of a mean, by drawing the values again with replacement.

    Args:
        values: (n,) one per picture; with none the interval is (0, 0).
        draws: how often.
    """
    sample = np.asarray(values, dtype=float)
    if not len(sample):
        return 0.0, 0.0
    rows = np.random.default_rng(0).integers(len(sample), size=(draws, len(sample)))
    low, high = np.percentile(sample[rows].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


def table4(
    components: Components,
    test_set: TestSet,
    *,
    corpus: str,
    test_set_name: str,
    decoding: str = "greedy",
    cache: Path | None = None,
    on_captioned: Callable[[Variant], None] = lambda variant: None,
) -> Table4:
    """Evaluate the eight variants' decoders on a test set (Table 4, in-domain).

    Args:
        components: of the profile.
        test_set: the pictures.
        corpus: whose decoders to evaluate.
        test_set_name: for the record.
        decoding: "greedy" or "beam".
        cache: folder for the pictures' features.
        on_captioned: called when a variant has captioned all pictures.

    Raises:
        CheckpointError: if a decoder is missing; it is named.
        MissingToolError: if there is no Java.
    """
    for variant in VARIANTS:  # a missing decoder is said before the pictures are encoded
        components.captioner(corpus, variant)
    evaluations = evaluate(
        components,
        encode_for(components, test_set, cache=cache),
        test_set.references,
        corpus=corpus,
        variants=VARIANTS,
        test_set=test_set_name,
        decoding=decoding,
        on_captioned=on_captioned,
    )
    kept = ("run", "seed", "steps", "seconds", "store", "versions", "weights_sha256")
    rows = []
    for variant, evaluation, paper in zip(VARIANTS, evaluations, TABLE4, strict=True):
        sidecar = components.captioner_details(corpus, variant)
        rows.append(
            Table4Row(
                evaluation=evaluation,
                checkpoint={name: sidecar[name] for name in kept if name in sidecar},
                paper=paper.scores["MSCOCO"],
            )
        )
    return Table4(
        profile=components.profile.name,
        corpus=corpus,
        test_set=test_set_name,
        pictures=len(test_set),
        rows=rows,
        references_hash=hash_captions(
            [text for name in test_set.names for text in test_set.references[name]]
        ),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _rounded(scores: Scores) -> dict[str, float | None]:
    return {name: None if value is None else round(value, 2) for name, value in scores.to_dict().items()}
