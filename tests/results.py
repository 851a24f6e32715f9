"""A folder of results for the tiny profile, in the form that `experiment` writes."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from syntic.profiles import Profile

NAMES = ["0000", "0001", "0002", "0003"]


def with_results(profile: Profile, folder: Path) -> Profile:
    """The profile with a table 4 of two variants and their captions of its four test pictures."""
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
    return dataclasses.replace(profile, results=folder)
