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
        references: what people wrote.
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
        people = f'<p class="s-sub">People wrote</p><ul class="c-references">{texts}</ul>' if texts else ""
        tags = f'<p class="s-note">Found in it: {escape(", ".join(self.tags))}.</p>' if self.tags else ""
        head = (
            f'<section class="s-sample" aria-label="Picture">{image}<div>{line}{people}{tags}</div></section>'
        )
        return head + (self._table() if self.rows else "")

    def _table(self) -> str:
        first = next((row.caption.caption for row in self.rows.values() if row.caption), None)
        best = max((row.caption.cider or 0 for row in self.rows.values() if row.caption), default=0)
        body = "".join(_system_row(row, first, best) for row in self.rows.values())
        return (
            '<div class="g-scroll" tabindex="0" role="region" aria-label="Captions side by side">'
            '<table class="g-table c-table"><thead><tr><th scope="col">system</th>'
            '<th scope="col">caption</th><th scope="col">CIDEr<small>of this caption</small></th>'
            '<th scope="col">CLIP cosine'
            f"<small>caption, picture</small></th><th scope='col'>time</th></tr></thead><tbody>{body}</tbody>"
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
    mark = f"<small>{escape(row.mark)}</small>" if row.mark else ""
    head = f'<th scope="row">{escape(row.label)}{mark}</th>'
    if row.caption is None:
        words = escape(row.detail) if row.state == "failed" else _WAITING[row.state]
        return f'<tr class="{row.state}">{head}<td class="words" colspan="4">{words}</td></tr>'
    found = row.caption
    words = mark_words(first or found.caption, found.caption) or "(nothing)"
    cider = "–" if found.cider is None else f"{found.cider:.0f}"
    top = " class='top'" if found.cider and found.cider == best else ""
    return (
        f'<tr>{head}<td class="words">{words}</td><td{top}>{cider}</td><td>{found.similarity:.2f}</td>'
        f"<td>{seconds_text(found.seconds)}</td></tr>"
    )


def result_table(table: ResultTable) -> str:
    """Return a result file as a table: ours large, the paper's small below."""
    metrics, conditions = table.metrics, table.conditions
    heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in conditions)
    heads += "".join(f'<th scope="col">{METRIC_NAMES[m]}<small>{METRICS[m]}</small></th>' for m in metrics)
    groups: dict[str | None, list[ResultRow]] = {}  # rows of other texts or pictures do not compete
    for row in table.rows:
        groups.setdefault(row.conditions.get("group"), []).append(row)
    body = ""
    for rows in groups.values():
        best = {
            metric: max((row.scores[metric].mean for row in rows if metric in row.scores), default=0.0)
            for metric in metrics
        }
        body += "<tbody>" + "".join(_result_row(row, metrics, conditions, best) for row in rows) + "</tbody>"
    notes = "".join(f"<p class='s-note'>{escape(note)}</p>" for note in table.notes)
    return (
        f'<p class="c-world">{escape(world_of(table))}</p>'
        f'<div class="g-scroll" tabindex="0" role="region" aria-label="{escape(table.title)}">'
        f'<table class="g-table"><thead><tr><th scope="col">system</th>{heads}</tr></thead>'
        f"{body}</table></div>"
        '<p class="s-note">Ours in large figures, the paper’s below each; a dash where it prints none. ± is '
        f"the spread over repeated trainings.</p>{notes}{_SAVE_CSV}"
    )


def world_of(table: ResultTable) -> str:
    """Say which world the numbers of a table are from, and which the paper's."""
    pictures = f"{table.pictures} pictures" if table.pictures else "the pictures"
    of = f" of the test set “{table.test_set}”" if table.test_set else " of its test sets"
    texts = f", decoders trained on the texts of “{table.corpus}”" if table.corpus else ""
    return (
        f"Ours: the profile “{table.profile}”, {pictures}{of}{texts}. The paper’s: photographs of MSCOCO or "
        "Flickr30k. The worlds differ, so compare which system is ahead of which, not the values."
    )


def outcome_markup(outcome: PairOutcome, first: str, second: str, world: str) -> str:
    """Return two systems against each other: the sums, the largest wins, the largest losses.

    Args:
        outcome: from the service.
        first: one system.
        second: the other.
        world: which profile and test set the numbers are from.
    """
    names = name_for_people(first), name_for_people(second)
    one, other = (escape(name) for name in names)
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
    where = f'<p class="c-world">{escape(world)}</p>'
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
        f"<details><summary>What people wrote</summary><ul>{texts}</ul></details>"
        f'<button type="button" data-index="0" data-value="{name}">Caption it here, with all that are ticked'
        "</button></div></li>"
    )


def _result_row(
    row: ResultRow, metrics: Sequence[str], conditions: Sequence[str], best: Mapping[str, float]
) -> str:
    cells = "".join(f"<td>{escape(row.conditions.get(name, '–'))}</td>" for name in conditions)
    cells += "".join(_score_cell(row, metric, best[metric]) for metric in metrics)
    return f'<tr><th scope="row">{escape(name_for_people(row.system))}</th>{cells}</tr>'


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
