"""Corpora in every format that caption data sets come in, and what is wrong with a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from syntic.data import TestSet, TrainingPictures, read_captions, read_corpus
from syntic.errors import DataError, InputError
from syntic.profiles import KarpathySplit, load_profile

SAVED = Path(__file__).parents[1] / "saved_captions"


def write_json(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def karpathy_image(split: str, name: str, *captions: str, folder: str | None = "val2014") -> dict[str, Any]:
    """An entry of `dataset_coco.json`, or of `dataset_flickr30k.json`, which names no folder."""
    entry: dict[str, Any] = {
        "filename": name,
        "imgid": 0,
        "split": split,
        "sentids": list(range(len(captions))),
        "sentences": [
            {"tokens": caption.lower().split(), "raw": caption, "imgid": 0, "sentid": 0}
            for caption in captions
        ],
    }
    return entry | ({"filepath": folder, "cocoid": 391895} if folder else {})


def write_karpathy(folder: Path, **changes: Any) -> Path:
    images = [
        karpathy_image("train", "COCO_train2014_1.jpg", "A dog runs. ", "One dog.", folder="train2014"),
        karpathy_image("test", "COCO_val2014_2.jpg", "A test picture."),
        karpathy_image("restval", "COCO_val2014_3.jpg", "A cat\nsits."),
        karpathy_image("val", "COCO_val2014_4.jpg", "A validation picture."),
    ]
    return write_json(folder / "dataset_coco.json", {"images": images, "dataset": "coco"} | changes)


def write_table(path: Path, caption: str) -> None:
    """Write one caption, as `datasets` does in the format of the suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table({"caption": [caption]})
    if path.suffix == ".parquet":
        pq.write_table(table, path)
    elif path.suffix == ".csv":
        path.write_text(f"caption\n{caption}\n")
    else:
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
            writer.write(table)


class TestText:
    def test_one_caption_per_line_blank_lines_and_spaces_removed(self, tmp_path):
        path = tmp_path / "corpus.txt"
        path.write_bytes("\ufeffa dog  runs \r\n\r\n\tzwei Hünde\n".encode())
        assert read_captions(path) == ["a dog runs", "zwei Hünde"]
        assert read_captions(path, limit=1) == ["a dog runs"]

    def test_a_line_ends_at_a_newline_and_nowhere_else(self, tmp_path):
        """Captions from the web hold U+2028, U+0085, form feeds: white space, but no new caption."""
        path = tmp_path / "corpus.txt"
        path.write_bytes("a dog\u2028runs\x85on\r\ntwo\x0bcats\x0csit\x1cdown\n".encode())
        assert read_captions(path) == ["a dog runs on", "two cats sit down"]

    def test_long_descriptions_are_left_out_as_the_paper_does_with_ss1m(self, tmp_path):
        path = tmp_path / "ss1m.txt"
        fifteen = " ".join(["word"] * 15)
        path.write_text(f"{fifteen} more\n{fifteen}\nshort one\n")
        assert read_captions(path, max_words=15) == [fifteen, "short one"]
        assert read_captions(path, limit=1, max_words=15) == [fifteen]  # the limit counts what is kept
        with pytest.raises(DataError, match="holds no caption of at most 1 words"):
            read_captions(path, max_words=1)
        with pytest.raises(InputError, match="`max_words` must be at least 1 but is 0"):
            read_captions(path, max_words=0)

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"\n \n", "holds no caption"),
            ("a dog\nein Hündchen".encode("latin-1"), "not UTF-8 text .line 2,"),
            (b"a\nb\0c\n", "not a text file .line 2"),
        ],
    )
    def test_an_unusable_corpus_is_refused_with_its_line(self, tmp_path, content, message):
        path = tmp_path / "corpus.txt"
        path.write_bytes(content)
        with pytest.raises(DataError, match=message) as caught:
            read_captions(path)
        assert str(path) in caught.value.detail

    def test_a_missing_corpus_is_named(self, tmp_path):
        for name in ("nothing.txt", "nothing.json", "nothing.csv", "nothing.parquet"):
            with pytest.raises(DataError, match=f"no corpus at .*{name}"):
                read_captions(tmp_path / name)
        with pytest.raises(DataError, match="is a folder"):
            read_captions(tmp_path)

    def test_a_pickle_is_not_opened(self, tmp_path):
        with pytest.raises(DataError, match="can run code"):
            read_captions(tmp_path / "captions.pkl")


class TestKarpathy:
    def test_training_takes_the_texts_of_train_and_restval_alone(self, tmp_path):
        path = write_karpathy(tmp_path)  # not one picture is there
        assert read_captions(path) == ["A dog runs.", "One dog.", "A cat sits."]
        assert read_captions(path, split="val") == ["A validation picture."]

    def test_evaluation_takes_pictures_and_references_of_its_split(self, tmp_path):
        path = write_karpathy(tmp_path)
        picture = tmp_path / "images" / "val2014" / "COCO_val2014_2.jpg"
        picture.parent.mkdir(parents=True)
        Image.new("RGB", (32, 24)).save(picture)
        test_set = TestSet.open(KarpathySplit(captions=path, images=tmp_path / "images"))
        assert test_set.references == {"COCO_val2014_2": ["A test picture."]}
        assert test_set.images == [picture]
        assert test_set.boxes == {"COCO_val2014_2": []}
        with pytest.raises(
            DataError, match=r"entry 4 .*'val2014/COCO_val2014_4.jpg'.*1 of 1 pictures of 'val'"
        ):
            TestSet.open(KarpathySplit(captions=path, images=tmp_path / "images", split="val"))

    def test_systems_that_may_see_pictures_learn_from_train_and_restval(self, tmp_path):
        path = write_karpathy(tmp_path)
        for name in ("train2014/COCO_train2014_1.jpg", "val2014/COCO_val2014_3.jpg"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            Image.new("RGB", (32, 24)).save(tmp_path / name)
        pictures = TrainingPictures.open(KarpathySplit(captions=path, images=tmp_path, split="train"))
        assert [image.name for image in pictures.images] == ["COCO_train2014_1.jpg", "COCO_val2014_3.jpg"]
        assert pictures.captions == [["A dog runs.", "One dog."], ["A cat sits."]]

    def test_flickr30k_names_no_folder(self, tmp_path):
        images = [karpathy_image("train", "1.jpg", "Two men."), karpathy_image("test", "2.jpg", "A bus.")]
        for image in images:
            del image["filepath"], image["cocoid"]
        path = write_json(tmp_path / "dataset_flickr30k.json", {"images": images, "dataset": "flickr30k"})
        Image.new("RGB", (32, 24)).save(tmp_path / "2.jpg")
        assert read_captions(path) == ["Two men."]
        assert TestSet.open(KarpathySplit(captions=path, images=tmp_path)).names == ["2"]

    @pytest.mark.parametrize(
        ("images", "message"),
        [
            (
                [karpathy_image("train", "1.jpg", "A dog."), {"split": "train"}],
                "entry 2 of `images`, has no `sent",
            ),
            ([karpathy_image("train", "1.jpg", "A dog."), {}], "entry 2 of `images`, has no `split`"),
            ([karpathy_image("train", "1.jpg") | {"sentences": [{}]}], "entry 1 .* without `raw`"),
            ([karpathy_image("test", "1.jpg", "A dog.")], "no split 'train'; it has: test"),
        ],
    )
    def test_a_damaged_file_is_refused_with_its_entry(self, tmp_path, images, message):
        with pytest.raises(DataError, match=message):
            read_captions(write_karpathy(tmp_path, images=images))

    def test_a_file_that_was_cut_off_is_refused_with_its_line(self, tmp_path):
        path = tmp_path / "dataset_coco.json"
        path.write_text('{"images": [\n{"filename":')
        with pytest.raises(DataError, match="not valid JSON in line 2"):
            read_captions(path)
        with pytest.raises(DataError, match="not valid JSON in line 2"):
            TestSet.open(KarpathySplit(captions=path, images=tmp_path))

    def test_a_picture_outside_the_folder_is_not_there(self, tmp_path):
        Image.new("RGB", (32, 24)).save(tmp_path / "secret.png")
        path = write_karpathy(tmp_path, images=[karpathy_image("test", "secret.png", "A dog.", folder="..")])
        (tmp_path / "images").mkdir()
        with pytest.raises(DataError, match="not in"):
            TestSet.open(KarpathySplit(captions=path, images=tmp_path / "images"))


class TestTables:
    @pytest.mark.parametrize(
        "value",
        [
            ["a dog", "two cats"],
            [{"caption": "a dog"}, {"caption": "two cats"}],
            [{"image": "1.jpg", "captions": ["a dog", "two cats"]}],
            [{"text": "a dog", "split": "train"}, {"text": "x", "split": "test"}, {"text": "two cats"}],
            {"1": "a dog", "2": ["two cats"]},
            {"images": [{"id": 1}], "annotations": [{"id": 1, "image_id": 1, "caption": "a dog"},
                                                    {"id": 2, "image_id": 1, "caption": "two cats"}]},
        ],
    )  # fmt: skip
    def test_json_in_its_usual_shapes(self, tmp_path, value):
        assert read_captions(write_json(tmp_path / "captions.json", value)) == ["a dog", "two cats"]

    def test_json_lines_and_csv(self, tmp_path):
        lines = tmp_path / "captions.jsonl"
        lines.write_text('{"caption": "a dog"}\n\n"two cats"\n')
        table = tmp_path / "captions.csv"
        table.write_text(
            'file,caption,split\n1.jpg,a dog,train\n2.jpg,x,test\n3.jpg,"two, three\ncats",train\n'
        )
        tabs = tmp_path / "captions.tsv"
        tabs.write_text('caption\turl\na "big dog\thttp://example.org\n')
        assert read_captions(lines) == ["a dog", "two cats"]
        assert read_captions(table) == ["a dog", "two, three cats"]
        assert read_captions(table, column="file") == ["1.jpg", "3.jpg"]
        assert read_captions(tabs) == ['a "big dog']

    def test_json_lines_may_hold_other_line_separators(self, tmp_path):
        lines = tmp_path / "captions.jsonl"
        lines.write_bytes('{"caption": "a dog\u2028runs\x85on"}\r\n"two\u2029cats"\r\n'.encode())
        assert read_captions(lines) == ["a dog runs on", "two cats"]

    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            ("c.jsonl", '"a dog"\n{\n', "not valid JSON in line 2"),
            ("c.jsonl", '"a\u2028dog"\n{\n', "not valid JSON in line 2"),
            ("c.csv", 'caption\na\u2028dog\n"a"b\n', "line 3, cannot be read"),
            ("c.csv", 'caption\na dog\n"a\u2028cat\n', "line 3, cannot be read"),
            ("c.jsonl", '{"caption": "a"}\n{"title": "b"}\n', "line 2, has no column 'caption'.*only title"),
            ("c.json", '["a dog", 7]', "entry 2, holds '7' where a caption should be"),
            ("c.json", "7", "holds a single int"),
            ("c.csv", "url\nx\n", "line 1, has no column 'caption'.*only url"),
            ("c.csv", "id,caption\n1,a dog\n2\n", "line 3, has 1 cells where the head line has 2"),
            ("c.csv", "id,caption\n1,a dog, a cat\n", "line 2, has more cells"),
            ("c.csv", 'id,caption\n1,"a"b\n', "line 2, cannot be read"),
            ("c.parquet", "PAR1 nothing", "is damaged"),
            ("c.arrow", "nothing", "is damaged"),
        ],
    )  # fmt: skip
    def test_a_wrong_line_is_named(self, tmp_path, name, content, message):
        (tmp_path / name).write_text(content)
        with pytest.raises(DataError, match=message) as caught:
            read_captions(tmp_path / name)
        assert str(tmp_path / name) in caught.value.detail


class TestHuggingFace:
    def test_what_save_to_disk_wrote(self):
        assert read_captions(SAVED / "splits") == ["a dog runs", "two cats on a bench"]
        assert read_captions(SAVED / "splits", split="test") == ["a bird"]
        assert read_captions(SAVED / "lists") == ["a red car", "one car"]
        with pytest.raises(DataError, match="no split 'val'; it has: train, test"):
            read_captions(SAVED / "splits", split="val")

    def test_a_downloaded_repository(self):
        assert read_captions(SAVED / "repository") == ["a dog runs", "two cats on a bench"]
        with pytest.raises(DataError, match="files of the split 'test'"):
            read_captions(SAVED / "repository", split="test")

    @pytest.mark.parametrize(
        ("files", "expected"),
        [
            (["en/train-00000-of-00002.parquet", "en/train-00001-of-00002.parquet"], [0, 1]),
            (["default/train/0000.parquet", "default/test/0000.parquet"], [0]),
            (["coco-train.arrow", "coco-test.arrow", "cache-0123456789abcdef.arrow"], [0]),
            (["en/0.0.0/5f2/coco-train-00000-of-00002.arrow", "en/0.0.0/5f2/coco-train-00001-of-00002.arrow",
              "en/0.0.0/5f2/coco-test.arrow"], [0, 1]),
            (["captions_train2017.parquet", "captions_val2017.parquet"], [0]),
            (["my-train-set-test.arrow", "my-train-set-train.arrow", "pretrain.parquet"], [1]),
            (["data/train.parquet", "old/train.parquet", ".cache/train.parquet"], [0]),
            (["coco.train.csv", "coco.train.parquet"], [1]),  # one format
        ],
    )  # fmt: skip
    def test_files_of_the_split_wherever_the_libraries_put_them(self, tmp_path, files, expected):
        for number, name in enumerate(files):
            write_table(tmp_path / name, f"caption {number}")
        assert read_captions(tmp_path) == [f"caption {number}" for number in expected]

    def test_of_two_data_sets_one_has_to_be_named(self, tmp_path):
        for name in ("en/train-00000-of-00001.parquet", "de/train-00000-of-00001.parquet"):
            write_table(tmp_path / name, name)
        with pytest.raises(DataError, match="'train' for several data sets, de/, en/; give the folder"):
            read_captions(tmp_path)
        assert read_captions(tmp_path / "de") == ["de/train-00000-of-00001.parquet"]

    def test_other_columns_are_not_read(self, tmp_path):
        """A picture beside the captions, even a damaged one, is none of a corpus's business."""
        table = pa.table({"image": [b"not a picture"], "caption": ["a dog"], "split": ["train"]})
        pq.write_table(table, tmp_path / "c.parquet")
        with (
            pa.OSFile(str(tmp_path / "c.arrow"), "wb") as file,
            pa.ipc.new_file(file, table.schema) as writer,
        ):
            writer.write(table)
        assert read_captions(tmp_path / "c.parquet") == ["a dog"]
        assert read_captions(tmp_path / "c.arrow") == ["a dog"]
        with pytest.raises(DataError, match="no column 'title', only image, caption, split"):
            read_captions(tmp_path / "c.parquet", column="title")


def test_a_profile_says_how_its_corpora_are_read(tmp_path, tiny_profile_path):
    write_karpathy(tmp_path)
    text = tiny_profile_path.read_text(encoding="utf-8").replace(
        'captions = "everyday.txt"', 'captions = "dataset_coco.json"\nsplit = "val"\nmax_words = 3'
    ) + 'coco = { captions = "dataset_coco.json", images = "images" }\n'  # fmt: skip
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    profile = load_profile(tmp_path / "mine.toml")
    assert read_corpus(profile.corpus("everyday")) == ["A validation picture."]
    assert profile.test_sets["coco"] == KarpathySplit(
        captions=tmp_path / "dataset_coco.json", images=tmp_path / "images"
    )
    (tmp_path / "mine.toml").write_text(text.replace(", images =", ", pictures ="), encoding="utf-8")
    with pytest.raises(InputError, match=r"\[test_sets.coco\]: unknown key 'pictures'; allowed are captions"):
        load_profile(tmp_path / "mine.toml")
