"""What the paper claims, held against our tables: does it hold here, by how much, how sure is that.

Every claim is an ordering of two rows by CIDEr that the paper's own numbers show and its text speaks of. An
ordering that its numbers do not show in some columns is not claimed there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from ..data.coco import COMBINATIONS
from ..evaluation.published import FIGURE2, PAPER_NAMES, TABLE1, TABLE2, TABLE3, TABLE4, PublishedRow, find
from .plans import COCO, FLICKR, WEB
from .results import Ciders, read_ciders
from .statistics import Interval, difference

TEXT_ONLY = ("clipre", "zerocap", "magic", "capdec", "close", "decap")
COMPONENTS = ("fo", "fp", "af")
COMBINATION_HEADS = {
    "single": "on one kind of things",
    "seen": "on kinds together in texts",
    "unseen": "on kinds together in no text",
}
TABLES = {
    **{f"table{number}": f"Table {number}" for number in (1, 2, 3, 4)},
    "figure2": "Figure 2",
}


@dataclass(frozen=True, kw_only=True)
class Claim:
    """An ordering of two rows.

    Attributes:
        plan: the experiment that measures it.
        group: of columns.
        better: the row that the paper has ahead.
        worse: the other.
        paper: by how much CIDEr, None where the paper shows it in a figure only.
    """

    plan: str
    group: str
    better: str
    worse: str
    paper: float | None = None


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A claim and what was measured.

    Attributes:
        claim: of the paper.
        ours: by how much CIDEr it is so here; None where it was not measured.
        parts: the same on the pictures of each combination of things that there are any of.
    """

    claim: Claim
    ours: Interval | None
    parts: Mapping[str, Interval] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """Whether it holds, in words."""
        if self.ours is None:
            return "not measured"
        if self.ours.is_clear:
            return "holds" if self.ours.mean > 0 else "does not hold"
        return "undecided"


def claims() -> list[Claim]:
    """Return the orderings that the paper claims."""
    return [*_ablation(), *_compared(), *_targets(), *_data_size()]


def analyse(folder: Path) -> list[Finding]:
    """Hold the paper's claims against the results in a folder.

    Args:
        folder: with what `Results.save` wrote.

    Raises:
        DataError: if a file is damaged.
    """
    ciders = {plan: read_ciders(folder, plan) for plan in TABLES}
    return [_measured(ciders[claim.plan], claim) for claim in claims()]


def to_markdown(findings: Sequence[Finding]) -> str:
    """Return one table for each of the paper's, and a summary."""
    measured = [finding for finding in findings if finding.ours is not None]
    verdicts = [finding.verdict for finding in measured]
    lines = [
        f"Of {len(findings)} orderings that the paper claims, {len(measured)} were measured here: "
        f"{verdicts.count('holds')} hold, {verdicts.count('does not hold')} are the other way round, "
        f"{len(measured) - verdicts.count('holds') - verdicts.count('does not hold')} are undecided, because "
        "the 95 % interval over pictures and seeds has zero in it. Differences are in CIDEr.",
    ]
    for plan, title in TABLES.items():
        rows = [finding for finding in findings if finding.claim.plan == plan]
        lines += ["", f"**{title}**", ""]
        if all(finding.ours is None for finding in rows):
            lines.append(f"Not measured yet; `python -m syntic experiment {plan}` does.")
            continue
        heads = ["columns", "the paper has", "by", "here", "verdict"]
        parts = [kind for kind in COMBINATIONS if any(kind in finding.parts for finding in rows)]
        heads += [COMBINATION_HEADS[kind] for kind in parts]
        lines += ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
        for finding in rows:
            claim = finding.claim
            paper = "-" if claim.paper is None else f"{claim.paper:+.1f}"
            ours = "-" if finding.ours is None else str(finding.ours)
            ahead = f"{claim.better} over {claim.worse}"
            cells = [claim.group, ahead, paper, ours, finding.verdict]
            cells += [str(finding.parts.get(kind, "-")) for kind in parts]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _measured(ciders: Ciders, claim: Claim) -> Finding:
    def by_how_much(combination: str = "") -> Interval | None:
        better = ciders.find(claim.better, claim.group, combination)
        worse = ciders.find(claim.worse, claim.group, combination)
        return None if better is None or worse is None else difference(better, worse)

    parts = {kind: found for kind in COMBINATIONS if (found := by_how_much(kind)) is not None}
    return Finding(claim=claim, ours=by_how_much(), parts=parts)


def _ordering(
    plan: str,
    table: tuple[PublishedRow, ...],
    group: str,
    better: str,
    worse: str,
    *,
    columns: str | None = None,
    data: str | None = None,
) -> Iterator[Claim]:
    """Yield the claim if the paper's own numbers show it; `columns` is its group where ours differs."""
    first = find(table, better, columns or group, data)
    second = find(table, worse, columns or group, data)
    if first is None or second is None or first.cider is None or second.cider is None:
        return
    by = round(first.cider - second.cider, 1)
    if by > 0:
        yield Claim(plan=plan, group=group, better=better, worse=worse, paper=by)


def _ablation() -> Iterator[Claim]:
    """Each component over the baseline, each combination over its parts, SynTIC over all."""
    parts = {"fo+af": ("fo", "af"), "fp+fo": ("fp", "fo"), "fp+af": ("fp", "af")}
    pairs = [(name, "baseline") for name in COMPONENTS]
    pairs += [(whole, part) for whole, several in parts.items() for part in (*several, "baseline")]
    pairs += [("syntic", name) for name in ("baseline", *COMPONENTS, *parts)]
    for group, (better, worse) in product((COCO, f"{COCO} -> {FLICKR}"), pairs):
        yield from _ordering("table4", TABLE4, group, better, worse)


def _compared() -> Iterator[Claim]:
    """SynTIC over every system that learns from texts alone."""
    across = (f"{COCO} -> {FLICKR}", f"{FLICKR} -> {COCO}")
    for worse in TEXT_ONLY:
        for group in (COCO, FLICKR):
            yield from _ordering("table1", TABLE1, group, "syntic", worse)
        for group in across:
            yield from _ordering("table2", TABLE2, group, "syntic", worse)
        yield from _ordering("table3", TABLE3, f"{WEB} -> {COCO}", "syntic", worse, columns=COCO, data=WEB)


def _targets() -> Iterator[Claim]:
    """What projecting onto the texts of the tested domain gives."""
    for group in (f"{COCO} -> {FLICKR}", f"{FLICKR} -> {COCO}"):
        for better, worse in (("syntic-tt", "syntic"), ("decap-tt", "decap"), ("syntic-tt", "decap-tt")):
            yield from _ordering("table2", TABLE2, group, better, worse)


def _data_size() -> Iterator[Claim]:
    """More texts are better, and few are enough to be ahead of the others."""
    ours = {paper: name for name, paper in PAPER_NAMES.items()}
    yield Claim(plan="figure2", group=COCO, better="syntic 100%", worse="syntic 10%")
    for paper, share in FIGURE2.items():
        for other in dict.fromkeys((share, 1.0)):  # the paper's sentence can be read both ways
            worse = f"{ours[paper]} {other:.0%}"
            yield Claim(plan="figure2", group=COCO, better=f"syntic {share:.0%}", worse=worse)
