"""What the controls of pages hold that tests do not touch, as their handlers are given it."""

from __future__ import annotations

WALK_CONTROLS = {
    "inverse_temperature": 100,
    "refinement_steps": 5,
    "decoding": "greedy",
    "beam_size": 5,
    "seed": 0,
}
COMPARE_CONTROLS = {
    "table": "table4",
    "test_set": "everyday",
    "first": "syntic",
    "second": "baseline",
    "label": "",
    "count": 0,
    "setting": "",
    "combination": "",
}
