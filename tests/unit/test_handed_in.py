import pytest

from syntic.data import parse_captions
from syntic.errors import InputError


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("", "a dog\n\n  two   cats \n"),
        ("captions.txt", b"\xef\xbb\xbfa dog\r\ntwo cats\r\n"),
        ("captions.csv", b"id,Caption\n1,a dog\n2,two cats\n"),
        ("captions.csv", b"a dog\ntwo cats\n"),
        ("captions.csv", b'sentence;id\n"a dog";1\ntwo cats;2\n'),
        ("captions.tsv", b"7\ttext\n8\ta dog\n9\ttwo cats\n"),
        ("", "a\u2028dog\r\ntwo\x85cats"),
        ("captions.csv", "id,text\n1,a\u2028dog\n2,two\x0ccats\n".encode()),
        ("list.json", b'["a dog", "two cats"]'),
        ("objects.json", b'[{"text": "a dog", "id": "x"}, {"caption": "two cats"}]'),
        (
            "coco.json",
            b'{"annotations": [{"caption": "a dog"}, {"caption": "two cats"}], "info": {"url": "x"}}',
        ),
        (
            "karpathy.json",
            b'{"images": [{"sentences": [{"raw": "a dog", "tokens": ["a", "dog"]}, {"raw": "two cats"}]}]}',
        ),
    ],
)
def test_captions_are_read_from_what_people_have(name: str, content: str | bytes) -> None:
    assert parse_captions(content, name).captions == ("a dog", "two cats")


def test_doubles_and_long_lines_are_left_out_and_counted() -> None:
    found = parse_captions("a dog\na  dog\n" + "word " * 78 + "\n" + "x" * 1001 + "\na cat\n" + "y " * 77)
    assert found.captions == ("a dog", "a cat", " ".join("y" * 77))
    assert (found.doubles, found.too_long) == (1, 2)


def test_halves_of_characters_are_dropped() -> None:
    (caption,) = parse_captions(b'["a\\ud800 dog\\u0000 \\ud83d\\ude00"]', "x.json").captions
    assert caption == "a dog 😀"
    caption.encode()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("", " \n\n", "The text holds no usable caption; write one"),
        ("", "word " * 100, "1 of its lines are longer than 77 words"),
        ("a.txt", "ein Hündchen".encode("latin-1"), r"'a.txt' is not UTF-8 text \(byte 5"),
        ("a.txt", "a dog".encode("utf-16"), "not UTF-8"),
        ("a.txt", b"PK\0\0", "not a text file"),
        ("a.csv", b"id,words\n1,a dog\n", "no column named “caption”.*'id, words'"),
        ("a.csv", b'caption\n"a dog', "not valid CSV"),
        ("a.csv", b"", "no usable caption"),
        ("a.json", b"{", "not valid JSON"),
        ("a.json", b"[" * 100_000, "not valid JSON"),
        ("a.json", b'{"words": ["a dog"]}', "no usable caption"),
        ("/private/place/a.json", b"{", "^'a.json'"),
    ],
)
def test_what_holds_no_captions_is_refused_in_one_sentence(
    name: str, content: str | bytes, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        parse_captions(content, name)
