"""A folder of results for the tiny profile, in the form that `experiment` writes."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from syntic.profiles import Profile

NAMES = ["0000", "0001", "0002", "0003"]
FIGURE2 = [
    ("syntic", 0.01, 40.0, None),
    ("syntic", 0.1, 90.0, None),
    ("syntic", 1.0, 120.0, 101.1),
    ("magic", 0.1, 30.0, None),
    ("magic", 1.0, 50.0, 49.3),
]
"""Made up: (system, share of the texts, our CIDEr, the paper's)."""


def with_results(profile: Profile, folder: Path) -> Profile:
    """The profile with a table 4 of two variants, their captions of its four pictures, and a figure 2."""
    folder.mkdir(exist_ok=True)
    rows = [
        {
            "variant": "baseline",
            "scores": {"cider": 90.1, "bleu4": 20},
            "paper": {"cider": 88.5, "bleu4": 25.1},
        },
        {"variant": "syntic", "scores": {"cider": {"mean": 120.0, "spread": 2.5}}, "paper": {"cider": 101.1}},
    ]
    table = {"profile": "tiny", "corpus": "everyday", "test_set": "everyday", "pictures": 4, "rows": rows}
    (folder / "table4.json").write_text(json.dumps(table), encoding="utf-8")
    captions = {
        "baseline": dict.fromkeys(NAMES, "two cats in the grass at the beach"),
        "syntic": {**dict.fromkeys(NAMES, "a dog on a bench in the park"), "0003": "two cats on a bench"},
    }
    (folder / "table4-captions.json").write_text(json.dumps(captions), encoding="utf-8")
    figure = {"profile": "tiny", "corpus": "everyday", "rows": [_share(*row) for row in FIGURE2]}
    (folder / "figure2.json").write_text(json.dumps(figure), encoding="utf-8")
    return dataclasses.replace(profile, results=folder)


def _share(system: str, share: float, cider: float, paper: float | None) -> dict[str, Any]:
    theirs = None if paper is None else {"cider": paper, "spice": None}
    scores = {"cider": {"mean": cider, "spread": None if share < 1 else 1.5}}
    return {"name": f"{system} {share:.0%}", "scores": scores, "paper": theirs}
