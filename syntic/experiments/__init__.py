"""The paper's experiments and our own: planned from a profile, carried out, and held against the paper."""

from .analysis import Claim, Finding, analyse, claims
from .plans import PLANS, SEEDS, Plan, Row, Run, make_plan
from .records import Record
from .results import Results, RowResult, write_block
from .running import DECODINGS, Bench, Choices, LeftOut, only
from .statistics import Interval, difference
from .trainings import Recipes, Trainings

__all__ = [
    "DECODINGS",
    "PLANS",
    "SEEDS",
    "Bench",
    "Choices",
    "Claim",
    "Finding",
    "Interval",
    "LeftOut",
    "Plan",
    "Recipes",
    "Record",
    "Results",
    "Row",
    "RowResult",
    "Run",
    "Trainings",
    "analyse",
    "claims",
    "difference",
    "make_plan",
    "only",
    "write_block",
]
