from pathlib import Path

import pytest

from syntic.data import read_captions
from syntic.errors import DataError


def test_one_caption_per_line_blank_lines_and_spaces_removed(tmp_path: Path) -> None:
    path = tmp_path / "corpus.txt"
    path.write_bytes("\ufeffa dog  runs \r\n\r\n\tzwei Hünde\n".encode())
    assert read_captions(path) == ["a dog runs", "zwei Hünde"]
    assert read_captions(path, limit=1) == ["a dog runs"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\n \n", "holds no caption"),
        ("ein Hündchen".encode("latin-1"), "not UTF-8"),
        (b"a\0b\n", "not a text file"),
    ],
)
def test_an_unusable_corpus_is_refused_with_a_reason(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "corpus.txt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_captions(path)
    assert str(path) in caught.value.detail


def test_a_missing_corpus_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no corpus at .*nothing.txt"):
        read_captions(tmp_path / "nothing.txt")
    with pytest.raises(DataError, match="is a folder"):
        read_captions(tmp_path)
