"""Result files, read whatever their details: what is shown beside the paper's numbers."""

from __future__ import annotations

import json

import pytest

from syntic.errors import DataError
from syntic.evaluation.results import Score, command_for, read_captions, read_table
from syntic.method import VARIANTS
from syntic.profiles import load_profile

SHIPPED = load_profile("emoji").results


def write(folder, name, content):
    (folder / f"{name}.json").write_text(content if isinstance(content, str) else json.dumps(content))


def test_the_shipped_table_4_reads_whole():
    table = read_table(SHIPPED, "table4")
    variants = [variant.name for variant in VARIANTS]
    assert [row.system for row in table.rows][:8] == variants  # the cross-domain half may follow
    assert table.metrics == ["bleu4", "meteor", "rouge_l", "cider"]
    assert table.rows[0].paper["cider"] == 88.5
    captions = read_captions(SHIPPED, "table4")[0]
    assert (captions.test_set, sorted(captions.systems)) == ("everyday", sorted(variants))
    assert len(captions.systems["syntic"]) == 500


@pytest.mark.parametrize(
    "scores",
    [
        {"cider": {"mean": 90.5, "spread": 1.5}},
        {"mean": {"cider": 90.5}, "spread": {"cider": 1.5}},
        {"mean": {"cider": 90.5}, "std": {"cider": 1.5}},
    ],
)
def test_means_and_spreads_are_read_in_any_form(tmp_path, scores):
    row = {"system": "decap", "scores": scores, "paper": None, "share": 0.1}
    write(tmp_path, "figure2", {"rows": [row]})
    table = read_table(tmp_path, "figure2")
    assert table.rows[0].scores == {"cider": Score(90.5, 1.5)}
    assert table.conditions == ["share"]
    assert table.rows[0].conditions == {"share": "10%"}


def test_rows_may_stand_in_groups_and_odd_ones_are_left_out(tmp_path):
    row = {"system": "clipre", "scores": {"cider": 5}, "paper": {"cider": 5.9, "spice": None}}
    groups = [{"name": "everyday -> people", "rows": [row, {"system": "x"}, 3]}]
    write(tmp_path, "table2", {"groups": groups})
    rows = read_table(tmp_path, "table2").rows
    assert [(row.system, row.conditions) for row in rows] == [("clipre", {"group": "everyday -> people"})]
    assert rows[0].paper == {"cider": 5.9, "spice": None}


def test_captions_of_deeper_files_are_found_with_their_test_set(tmp_path):
    captions = {"everyday -> people": {"clipre": {"0": {"caption": "a man", "cider": 3.0}}}}
    write(tmp_path, "table2-captions", captions)
    found = read_captions(tmp_path, "table2")
    assert found[0].test_set == "people"
    assert found[0].systems == {"everyday -> people · clipre": {"0": "a man"}}
    assert found[0].corpora == {"everyday -> people · clipre": "everyday"}


def test_captions_belong_to_the_test_set_that_their_row_names(tmp_path):
    """Groups are in the paper's words; in its own domain a system goes by its name alone."""
    groups = {"MSCOCO": "everyday", "Flickr30k": "people", "MSCOCO -> Flickr30k": "people"}
    rows = [
        {"name": "fp", "group": g, "corpus": c, "test_set": groups[g], "scores": {"cider": 1}}
        for g, c in zip(groups, ("everyday", "people", "everyday"), strict=True)
    ]
    write(tmp_path, "table1", {"rows": rows})
    write(tmp_path, "table1-captions", {group: {"fp": {"0": group}} for group in groups})
    found = {one.test_set: one.systems for one in read_captions(tmp_path, "table1")}
    assert found == {
        "everyday": {"fp": {"0": "MSCOCO"}},
        "people": {"fp": {"0": "Flickr30k"}, "MSCOCO -> Flickr30k · fp": {"0": "MSCOCO -> Flickr30k"}},
    }
    learned = {one.test_set: one.corpora for one in read_captions(tmp_path, "table1")}
    assert learned == {
        "everyday": {"fp": "everyday"},
        "people": {"fp": "people", "MSCOCO -> Flickr30k · fp": "everyday"},
    }


def test_what_is_missing_or_damaged(tmp_path):
    assert read_table(tmp_path, "table1") is None
    assert read_captions(tmp_path, "table1") == []
    assert command_for("table1") == "python -m syntic experiment table1"
    write(tmp_path, "table1", "{")
    with pytest.raises(DataError, match=r"table1\.json cannot be read"):
        read_table(tmp_path, "table1")
    write(tmp_path, "table1", {"rows": [{"system": "x"}]})
    with pytest.raises(DataError, match="experiment table1"):
        read_table(tmp_path, "table1")
    write(tmp_path, "table1-captions", "[1]")
    assert read_captions(tmp_path, "table1") == []
