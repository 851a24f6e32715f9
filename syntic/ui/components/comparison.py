"""The figures of the page "Compare" as markup: captions side by side, tables, wins and losses."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

from ...compare_service import Difference, PairOutcome, SystemCaption, name_for_people
from ...evaluation.results import METRICS, ResultRow, ResultTable, Score
from .pictures import thumbnail_uri
from .stage_card import seconds_text
from .stages import stats
from .words import mark_words

METRIC_NAMES = {
    "bleu4": "BLEU-4",
    "meteor": "METEOR",
    "rouge_l": "ROUGE-L",
    "cider": "CIDEr",
    "spice": "SPICE",
}
_WAITING = {"waiting": "waits", "running": "writes …"}
_TARGETED = "TT: it projects onto the texts of the domain that is tested, not onto those it learned from."
_PART = ("group", "corpus", "test set")
_PART_NAMES = ("data of the paper", "texts learned from", "pictures captioned")


@dataclass
class SystemRow:
    """A line of the table while it fills.

    Attributes:
        label: of the system.
        mark: what has to be known of it: that it is an upper bound, for example.
        state: waiting, running, done or failed.
        caption: once it is done.
        detail: the sentence, where it failed.
    """

    label: str
    mark: str = ""
    state: str = "waiting"
    caption: SystemCaption | None = None
    detail: str = ""


@dataclass
class SideBySide:
    """One picture and what the systems wrote of it, as far as the run is.

    Attributes:
        line: what was asked for, or what is going on.
        rows: key -> its line, in the order of the page.
        picture: data URI, once it is read.
        references: the captions that the picture came with.
        scored_with: how many pictures' references weigh the words.
        is_error: whether `line` is an error.
        profile: whose world the numbers are from.
        tags: what the detector found.
    """

    line: str
    rows: dict[str, SystemRow]
    picture: str | None = None
    references: tuple[str, ...] = ()
    scored_with: int = 0
    is_error: bool = False
    profile: str = ""
    tags: tuple[str, ...] = field(default_factory=tuple)

    def markup(self) -> str:
        """Return the picture, its references and the table."""
        image = (
            f'<img class="s-picture" src="{self.picture}" alt="The picture that is captioned">'
            if self.picture
            else '<div class="s-picture empty"></div>'
        )
        kind, live = ("error", "alert") if self.is_error else ("waiting", "status")
        line = f'<p class="s-caption {kind}" role="{live}">{escape(self.line)}</p>'
        texts = "".join(f"<li>{escape(text)}</li>" for text in self.references)
        listed = f'<p class="s-sub">References</p><ul class="c-references">{texts}</ul>' if texts else ""
        tags = f'<p class="s-note">Found in it: {escape(", ".join(self.tags))}.</p>' if self.tags else ""
        head = (
            f'<section class="s-sample" aria-label="Picture">{image}<div>{line}{listed}{tags}</div></section>'
        )
        return head + (self._table() if self.rows else "")

    def _table(self) -> str:
        first = next((row.caption.caption for row in self.rows.values() if row.caption), None)
        best = max((row.caption.cider or 0 for row in self.rows.values() if row.caption), default=0)
        body = "".join(_system_row(row, first, best) for row in self.rows.values())
        return (
            '<div class="g-scroll" tabindex="0" role="region" aria-label="Captions side by side">'
            '<table class="g-table c-table" role="table"><thead role="rowgroup"><tr role="row">'
            '<th scope="col" role="columnheader">system</th><th scope="col" role="columnheader">caption</th>'
            '<th scope="col" role="columnheader">CIDEr<small>of this caption</small></th>'
            '<th scope="col" role="columnheader">CLIP cosine<small>caption, picture</small></th>'
            f'<th scope="col" role="columnheader">time</th></tr></thead><tbody role="rowgroup">{body}</tbody>'
            f"</table></div>{self._notes()}"
        )

    def _notes(self) -> str:
        words = "Marked are the words that the first caption does not have at that place."
        if self.scored_with:
            words += (
                f" CIDEr is CIDEr-D × 100 of this one caption against {len(self.references)} references, its "
                f"words weighed by the references of {self.scored_with} test pictures of the profile "
                f"“{self.profile}”; a table prints the mean over all of them."
            )
        else:
            words += " There are no references of this picture, so there is no CIDEr."
        words += " The cosine is CLIP’s, which most systems were shown in training: it flatters them."
        return f'<p class="s-note">{words}</p>'


def _system_row(row: SystemRow, first: str | None, best: float) -> str:
    """A row, with its roles and the names of its numbers: on a phone its cells stand below one another."""
    mark = f"<small>{escape(row.mark)}</small>" if row.mark else ""
    head = f'<th scope="row" role="rowheader">{escape(row.label)}{mark}</th>'
    if row.caption is None:
        words = escape(row.detail) if row.state == "failed" else _WAITING[row.state]
        return (
            f'<tr class="{row.state}" role="row">{head}<td class="words" colspan="4" role="cell">{words}</td>'
            "</tr>"
        )
    found = row.caption
    words = mark_words(first or found.caption, found.caption) or "(nothing)"
    cider = "–" if found.cider is None else f"{found.cider:.0f}"
    top = " top" if found.cider and found.cider == best else ""
    return (
        f'<tr role="row">{head}<td class="words" role="cell">{words}</td>'
        f'<td class="number{top}" data-name="CIDEr" role="cell">{cider}</td>'
        f'<td class="number" data-name="CLIP cosine" role="cell">{found.similarity:.2f}</td>'
        f'<td class="number" data-name="time" role="cell">{seconds_text(found.seconds)}</td></tr>'
    )


def result_table(table: ResultTable, stands_for: Mapping[str, str] | None = None) -> str:
    """Return a result file as a table: ours large, the paper's small below.

    Rows of other texts or pictures do not compete: they stand in parts of their own, each under a line that
    says whose they are.

    Args:
        table: the file.
        stands_for: corpus -> the data set of the paper that it stands for.
    """
    metrics = table.metrics
    parts: dict[tuple[str, ...], list[ResultRow]] = {}
    for row in table.rows:
        parts.setdefault(tuple(row.conditions.get(name, "") for name in _PART), []).append(row)
    conditions = [name for name in table.conditions if name not in _PART]
    heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in conditions)
    heads += "".join(
        f'<th scope="col"><span>{METRIC_NAMES[m]}</span><small>{METRICS[m]}</small></th>' for m in metrics
    )
    body = ""
    for part, rows in parts.items():
        best = {
            metric: max((row.scores[metric].mean for row in rows if metric in row.scores), default=0.0)
            for metric in metrics
        }
        columns = 1 + len(conditions) + len(metrics)
        title = _part_title(*part, in_paper=any(row.paper for row in rows))
        head = (
            f'<tr class="c-part"><th scope="rowgroup" colspan="{columns}">{title}</th></tr>' if title else ""
        )
        lines = "".join(_result_row(row, metrics, conditions, best) for row in rows)
        body += f"<tbody>{head}{lines}</tbody>"
    said = [_TARGETED] if any(row.system.endswith("-tt") for row in table.rows) else []
    notes = "".join(f"<p class='s-note'>{escape(note)}</p>" for note in [*said, *table.notes])
    names = ["system", *_PART_NAMES, *conditions]
    names += [name for m in metrics for name in (METRIC_NAMES[m], f"{METRIC_NAMES[m]} of the paper")]
    return (
        f'<p class="c-world" data-row="{escape(json.dumps(names))}">{escape(world_of(table, stands_for))}</p>'
        f'<div class="g-scroll" tabindex="0" role="region" aria-label="{escape(table.title)}">'
        f'<table class="g-table"><thead><tr><th scope="col">system</th>{heads}</tr></thead>'
        f"{body}</table></div>"
        '<p class="s-note">Ours in large figures, the paper’s below each; a dash where it prints none. ± is '
        f"the spread over repeated trainings.</p>{notes}{_SAVE_CSV}"
    )


def world_of(table: ResultTable, stands_for: Mapping[str, str] | None = None) -> str:
    """Say which world the numbers of a table are from, which the paper's, and what stands for what."""
    pictures = f"{table.pictures} pictures" if table.pictures else "the pictures"
    of = f" of the test set “{table.test_set}”" if table.test_set else " of its test sets"
    texts = f", decoders trained on the texts of “{table.corpus}”" if table.corpus else ""
    rows = [row.conditions for row in table.rows]
    used = {conditions.get(name) for conditions in rows for name in ("corpus", "test set")}
    roles = [f"“{corpus}” for {data}" for corpus, data in (stands_for or {}).items() if corpus in used]
    stand = f" Ours stand for the paper’s: {', '.join(roles)}." if roles else ""
    return (
        f"Ours: the profile “{table.profile}”, {pictures}{of}{texts}. The paper’s: photographs of MSCOCO or "
        f"Flickr30k.{stand} The worlds differ, so compare which system is ahead of which, not the values."
    )


def _part_title(group: str, corpus: str, test_set: str, *, in_paper: bool) -> str:
    """Say whose texts and pictures the rows below are about: ours, and the paper's."""
    ours = [f"texts of “{corpus}”"] if corpus else []
    ours += [f"pictures of “{test_set}”"] if test_set else []
    names, paper = escape(", ".join(ours)), escape(group.replace("->", "→"))
    if not (names and paper):
        return names or paper
    theirs = f"the paper’s {paper}" if in_paper else f"like {paper}; the paper has no such rows"
    return f"{names[0].upper()}{names[1:]}<small>{theirs}</small>"


def outcome_markup(outcome: PairOutcome, first: str, second: str, world: str) -> str:
    """Return two systems against each other: the sums, the largest wins, the largest losses.

    Args:
        outcome: from the service.
        first: what one system is called; with its corpus where that could be another.
        second: what the other is.
        world: which profile and test set the numbers are from, and whose texts were learned from.
    """
    names = first, second
    one, other = escape(first), escape(second)
    if not outcome.pictures:
        return '<div class="s-empty">No picture of the test set fits; loosen a filter.</div>'
    sums = stats(
        (f"{outcome.first_mean:.1f} : {outcome.second_mean:.1f}", f"CIDEr, {names[0]} : {names[1]}"),
        (str(outcome.better), f"pictures where {names[0]} is better"),
        (str(outcome.worse), f"where {names[1]} is"),
        (str(outcome.same), "with the same caption"),
        (str(outcome.pictures), "pictures count"),
    )
    wins = _differences(outcome.wins, one, other, f"Where {one} wins by most")
    losses = _differences(outcome.losses, one, other, f"Where {one} loses by most")
    head = json.dumps(["picture", *("system", "CIDEr", "caption") * 2, "references"])
    where = f'<p class="c-world" data-row="{escape(head)}">{escape(world)}</p>'
    return f'{where}{sums}<div class="c-twins">{wins}{losses}</div>{_SAVE_CSV}'


def _differences(found: Sequence[Difference], first: str, second: str, title: str) -> str:
    items = "".join(_difference(one, first, second) for one in found)
    return (
        f'<div><h3 class="s-sub">{title}</h3><ol class="c-differences">'
        f"{items or '<li class=s-note>Nowhere.</li>'}</ol></div>"
    )


def _difference(one: Difference, first: str, second: str) -> str:
    name = escape(one.name)
    texts = "".join(f"<li>{escape(text)}</li>" for text in one.references)
    row = [one.name, first, one.first_cider, one.first, second, one.second_cider, one.second, *one.references]
    return (
        f'<li data-row="{escape(json.dumps(row))}"><img src="{thumbnail_uri(one.image, side_px=96)}" '
        f'alt="Test picture {name}" loading="lazy"><div>'
        f'<p class="c-row"><b>{one.first_cider:.0f}</b><small>{first}</small> '
        f"<span>{mark_words(one.second, one.first)}</span></p>"
        f'<p class="c-row"><b>{one.second_cider:.0f}</b><small>{second}</small> '
        f"<span>{mark_words(one.first, one.second)}</span></p>"
        f"<details><summary>The references</summary><ul>{texts}</ul></details>"
        f'<button type="button" data-index="0" data-value="{name}">Caption it here, with all that are ticked'
        "</button></div></li>"
    )


def _result_row(
    row: ResultRow, metrics: Sequence[str], conditions: Sequence[str], best: Mapping[str, float]
) -> str:
    system = name_for_people(row.system)
    others = [row.conditions.get(name, "–") for name in conditions]
    cells = "".join(f"<td>{escape(value)}</td>" for value in others)
    cells += "".join(_score_cell(row, metric, best[metric]) for metric in metrics)
    saved = [system, *(row.conditions.get(name, "") for name in _PART), *others]
    for metric in metrics:
        paper = row.paper.get(metric)
        saved += [_score(row.scores.get(metric)), "–" if paper is None else f"{paper:.1f}"]
    return f'<tr data-row="{escape(json.dumps(saved))}"><th scope="row">{escape(system)}</th>{cells}</tr>'


def _score_cell(row: ResultRow, metric: str, best: float) -> str:
    score = row.scores.get(metric)
    theirs = row.paper.get(metric)
    paper = "–" if theirs is None else f"{theirs:.1f}"
    top = ' class="top"' if score and score.mean == best else ""
    return f"<td{top}>{_score(score)}<small>{paper}</small></td>"


def _score(score: Score | None) -> str:
    if score is None:
        return "–"
    return f"{score.mean:.1f}" + (f" ± {score.spread:.1f}" if score.spread is not None else "")


_SAVE_CSV = (
    '<div class="g-save"><span>Save</span><button type="button" data-save="csv" '
    'aria-label="Save this as CSV">CSV</button></div>'
)
