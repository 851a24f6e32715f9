"""The tables, captions and galleries of the page "Modality gap" as markup."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from html import escape

from ...data.contact_sheet import COLUMNS
from ...evaluation.map import Kind
from ...gap_service import ItemRow, Neighbour, SampleCaption, StageMeasures
from ..numbers import number
from ..scripts import script
from ..theme import KIND_NAMES
from .gap_figures import STAGE_NAMES
from .words import mark_words

LISTED = 48  # items that are listed at most

# measure -> what people call it, and what it says
MEASURES = {
    "centroid_distance": ("centroid distance", "between the means; 0 is no gap"),
    "relative_modality_gap": ("relative modality gap", "RMG; 0 is no gap, 0.5 is chance"),
    "linear_separability": (
        "linear separability",
        "how often a linear classifier tells them apart; 0.5 is chance",
    ),
    "pair_cosine": ("cosine of the pairs", "1 is the same direction"),
    "alignment": ("alignment", "mean squared distance of the pairs; 0 is the same"),
    "image_cone": ("cone of the pictures", "mean cosine of any two; 0 fills the sphere"),
    "text_cone": ("cone of the texts", "the same of the texts"),
    "image_uniformity": ("uniformity of the pictures", "lower is more even on the sphere"),
    "text_uniformity": ("uniformity of the texts", "the same of the texts"),
    "effective_texts": ("texts that Eq. 3 mixes", "their effective number; median"),
    "own_weight": (
        "weight of the own caption",
        "in Eq. 3; median; a test picture has none among the texts",
    ),
}
_DIGITS = {"effective_texts": 1}  # after the point, where not three

PICK_SCRIPT = script("gap_lists.js")


def measures_table(columns: Sequence[StageMeasures], selected: int) -> str:
    """Return the measures, a row each, a column per step; columns can be clicked to see them alone.

    Args:
        columns: from the service.
        selected: items that are selected; 0 for all.
    """
    heads = "".join(_column_head(column) for column in columns)
    rows = ""
    for field, (name, hint) in MEASURES.items():
        if all(c.measures is None or getattr(c.measures, field) is None for c in columns):
            continue
        cells = "".join(_cell(column, field) for column in columns)
        rows += f'<tr><th scope="row">{name}<small>{hint}</small></th>{cells}</tr>'
    items = "1 item" if selected == 1 else f"{selected} items"
    what = f"Only what you selected: {items}." if selected else "All items on the map."
    counts = ", ".join(f"{c.pairs} {STAGE_NAMES.get(c.key, c.name)}" for c in columns if not c.is_now)
    return (
        f'<p class="s-note" role="status">{what} Pairs: {escape(counts)}. A dash stands where fewer than 4 '
        "are left, or where nothing is projected.</p>"
        '<div class="g-scroll" tabindex="0" role="region" aria-label="Measures">'
        f'<table class="g-table"><thead><tr><th scope="col">measure</th>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>{_save_csv()}"
    )


def sample_captions(
    samples: Sequence[SampleCaption],
    pairs: int,
    read: str,
    *,
    turned: bool,
    names: tuple[str, str] = ("before", "now"),
    linked: bool = True,
) -> str:
    """Return a few captions before and after the control is turned, with the words that differ marked.

    Args:
        samples: from the service.
        pairs: n of the sample, so that pictures are found.
        read: the sentence on what the decoder reads.
        turned: whether the control is off its standard.
        names: of the captions before and after.
        linked: whether a click on one leads to its neighbours.
    """
    cards = "".join(_sample(one, pairs, names if turned else None, linked=linked) for one in samples)
    return f'<p class="s-note">{escape(read)}</p><div class="g-samples">{cards}</div>'


def gallery(rows: Sequence[ItemRow], selection: Collection[int], pairs: int) -> str:
    """Return items, ticked where they are selected: pictures, captions, cosines of each pair at every step.

    Args:
        rows: the items.
        selection: all that is selected, listed here or not.
        pairs: n of the sample.
    """
    selected = set(selection)
    shown = sum(row.item in selected for row in rows)
    more = f", {shown} of them shown" if shown < len(selected) else ""
    words = f"{len(selected)} selected{more}." if selected else "Nothing is selected; tick what you like."
    heads = "".join(
        f'<th scope="col"><i class="g-mark {k}"></i>{STAGE_NAMES[k.value].split(" (")[0]}</th>'
        for k in (Kind.GENERATED, Kind.REFINED, Kind.PROJECTED, Kind.REAL)
    )
    tiles = "".join(_tile_button(row, pairs, is_selected=row.item in selected) for row in rows)
    body = "".join(_item_row(row, pairs, is_selected=row.item in selected) for row in rows)
    return (
        f'<p class="s-note" role="status">{words}</p><div class="g-gallery">{tiles}</div>'
        '<div class="g-scroll g-items" tabindex="0" role="region" aria-label="Items">'
        '<table class="g-table"><thead><tr><th scope="col" class="g-pick" aria-label="selected">✓</th>'
        '<th scope="col">caption, and its cosine to the picture</th>'
        f"{heads}</tr></thead><tbody>{body}</tbody></table></div>{_save_csv()}"
    )


def neighbours(
    kind: Kind, item: int, caption: str, found: Mapping[Kind, Sequence[Neighbour]], pairs: int
) -> str:
    """Return a point and its nearest texts and pictures."""
    lists = "".join(
        f'<h4 class="s-sub">Nearest {KIND_NAMES[other]}</h4><ol class="g-near">'
        + "".join(
            f'<li><button type="button" data-kind="{n.kind}" data-item="{n.item}">'
            f"{'' if other is Kind.TEXT else tile(n.item, pairs)}<span>{escape(n.caption)}</span>"
            f'<span class="v">{number(n.cosine, 2)}</span></button></li>'
            for n in near
        )
        + "</ol>"
        for other, near in found.items()
    )
    picture = "" if kind is Kind.TEXT else tile(item, pairs)
    return (
        f'<div class="g-point">{picture}<p><b>{KIND_NAMES[kind]}</b><br>{escape(caption)}</p></div>{lists}'
        '<p class="s-note">By cosine in CLIP’s space, not by distance on the map.</p>'
    )


def tile(item: int, pairs: int) -> str:
    """Return the small picture of an item, from the contact sheets that the page holds (CSS sprites)."""
    kind, number = (Kind.REAL, item - pairs) if item >= pairs else (Kind.GENERATED, item)
    return f'<span class="g-tile {kind}" style="--x:{number % COLUMNS};--y:{number // COLUMNS}"></span>'


def _column_head(column: StageMeasures) -> str:
    if column.is_now:
        return f'<th scope="col" class="now"><small>turned</small>{escape(column.name)}</th>'
    name, _, equation = STAGE_NAMES[column.key].partition(" (")
    name += f"<small>{equation.rstrip(')')}</small>" if equation else ""
    if column.key not in list(Kind):
        return f'<th scope="col">{name}</th>'
    return (
        f'<th scope="col"><button type="button" data-stage="{column.key}" title="Show it alone on the map">'
        f'<i class="g-mark {column.key}"></i>&#8288;{name}</button></th>'
    )


def _cell(column: StageMeasures, field: str) -> str:
    css = ' class="now"' if column.is_now else ""
    value = None if column.measures is None else getattr(column.measures, field)
    return f"<td{css}>{'–' if value is None else number(value, _DIGITS.get(field, 3))}</td>"


def _sample(sample: SampleCaption, pairs: int, names: tuple[str, str] | None, *, linked: bool) -> str:
    now, tag = "", f'button type="button" {_named(sample.item, pairs)}' if linked else "div"
    if names:
        same = sample.before == sample.now
        words = "the same" if same else mark_words(sample.before, sample.now)
        now = f'<span class="now{" same" if same else ""}"><small>{escape(names[1])}</small>{words}</span>'
    first = escape(names[0] if names else "caption")
    return (
        f'<{tag} class="g-sample">{tile(sample.item, pairs)}'
        f'<span><span class="own"><small>its own text</small>{escape(sample.reference)}</span>'
        f"<span><small>{first}</small>{escape(sample.before)}</span>{now}</span>"
        f"</{tag.split()[0]}>"
    )


def _tile_button(row: ItemRow, pairs: int, *, is_selected: bool) -> str:
    name = escape(row.caption)
    css, state = (' class="selected"', ", selected") if is_selected else ("", "")
    return (
        f'<button type="button"{css} {_named(row.item, pairs)} title="{name}" aria-label="{name}{state}">'
        f"{tile(row.item, pairs)}</button>"
    )


def _item_row(row: ItemRow, pairs: int, *, is_selected: bool) -> str:
    cells = "".join(
        f"<td>{number(row.cosines[kind], 2)}</td>" if kind in row.cosines else "<td>–</td>"
        for kind in (Kind.GENERATED, Kind.REFINED, Kind.PROJECTED, Kind.REAL)
    )
    return (
        f'<tr><td class="g-pick"><input type="checkbox" {_named(row.item, pairs)}'
        f'{" checked" if is_selected else ""} aria-label="Select: {escape(row.caption)}"></td>'
        f'<th scope="row"><button type="button" {_named(row.item, pairs)}>{escape(row.caption)}</button>'
        f"</th>{cells}</tr>"
    )


def _named(item: int, pairs: int) -> str:
    kind = Kind.REAL if item >= pairs else Kind.GENERATED
    return f'data-kind="{kind}" data-item="{item}"'


def _save_csv() -> str:
    return (
        '<div class="g-save"><span>Save</span><button type="button" data-save="csv" '
        'aria-label="Save this table as CSV">CSV</button></div>'
    )
