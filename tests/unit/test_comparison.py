"""The figures of the page "Compare": whose texts and pictures a number is of stands beside it."""

from __future__ import annotations

import html
import json
import re

from syntic.evaluation.results import ResultRow, ResultTable, Score
from syntic.ui.components.comparison import result_table, world_of

STANDS_FOR = {"everyday": "MSCOCO", "people": "Flickr30k", "web": "SS1M"}


def row(system: str, group: str, corpus: str, test_set: str, cider: float, paper: float | None) -> ResultRow:
    conditions = {"group": group, "corpus": corpus, "test set": test_set}
    theirs = {} if paper is None else {"cider": paper}
    return ResultRow(system=system, conditions=conditions, scores={"cider": Score(cider)}, paper=theirs)


def table(*rows: ResultRow) -> ResultTable:
    return ResultTable(
        name="table4",
        title="Table 4",
        profile="emoji",
        corpus="",
        test_set="",
        pictures=0,
        date="",
        source_of_paper="",
        rows=list(rows),
    )


TABLE = table(
    row("baseline", "MSCOCO", "everyday", "everyday", 156.7, 88.5),
    row("syntic", "MSCOCO", "everyday", "everyday", 189.4, 101.1),
    row("syntic", "MSCOCO -> Flickr30k", "everyday", "people", 72.8, 38.4),
    row("syntic", "Flickr30k", "people", "people", 117.1, None),
)


def test_each_part_says_its_texts_and_pictures_and_what_they_are_in_the_paper():
    markup = result_table(TABLE, STANDS_FOR)
    parts = re.findall(r'<th scope="rowgroup" colspan="2">(.*?)</th>', markup)
    assert parts == [
        "Texts of “everyday”, pictures of “everyday”<small>the paper’s MSCOCO</small>",
        "Texts of “everyday”, pictures of “people”<small>the paper’s MSCOCO → Flickr30k</small>",
        "Texts of “people”, pictures of “people”<small>like Flickr30k; the paper has no such rows</small>",
    ]
    assert ">group<" not in markup
    assert markup.count('class="top"') == 3, "rows of other texts or pictures do not compete"


def test_it_says_which_of_our_corpora_stand_for_the_paper_s_data():
    assert "“everyday” for MSCOCO, “people” for Flickr30k." in world_of(TABLE, STANDS_FOR)
    assert "SS1M" not in world_of(TABLE, STANDS_FOR), "it has no part in this table"
    assert "stand for" not in world_of(TABLE)


def test_a_saved_table_keeps_ours_and_the_paper_s_apart():
    saved = [json.loads(html.unescape(one)) for one in re.findall(r'data-row="(.*?)"', result_table(TABLE))]
    assert saved[0][-2:] == ["CIDEr", "CIDEr of the paper"]
    assert saved[1] == ["baseline", "MSCOCO", "everyday", "everyday", "156.7", "88.5"]
    assert saved[-1] == ["SynTIC", "Flickr30k", "people", "people", "117.1", "–"]
    assert {len(one) for one in saved} == {6}


def test_tt_is_explained_where_it_occurs():
    tt = table(row("syntic-tt", "MSCOCO -> Flickr30k", "everyday", "people", 84.8, 43.2))
    assert "TT: it projects onto the texts of the domain that is tested" in result_table(tt)
    assert "TT:" not in result_table(TABLE)
