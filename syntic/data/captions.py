"""Text corpora: files and folders of captions, in the formats that caption data sets come in.

| file | captions |
|---|---|
| `.json` | Karpathy's `dataset_coco.json` and `dataset_flickr30k.json`, COCO's annotations, lists |
| `.jsonl` | one text or one object per line |
| `.csv`, `.tsv` | the column "caption" or the like |
| `.parquet`, `.arrow`, a folder | a data set as Hugging Face's libraries save or download it |
| any other | plain text, one caption per line |

Whatever else such a file holds, this reads its texts alone: a corpus has no place for a picture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from ..errors import DataError, InputError
from ..profiles import CorpusSettings
from .arrow import read_arrow_captions, read_folder_captions
from .structured import Selection, read_json_captions, read_json_lines, read_table
from .text_files import lines_of, read_text

_READERS: dict[str, Callable[[Path, Selection], Iterator[str]]] = {
    ".json": read_json_captions,
    ".jsonl": read_json_lines,
    ".ndjson": read_json_lines,
    ".csv": read_table,
    ".tsv": read_table,
    ".parquet": read_arrow_captions,
    ".arrow": read_arrow_captions,
}
_PICKLES = {".pkl", ".pickle", ".pt", ".npy"}


def read_captions(
    path: str | Path,
    limit: int | None = None,
    *,
    column: str | None = None,
    split: str = "train",
    max_words: int | None = None,
) -> list[str]:
    """Read a corpus: white space in captions is collapsed, empty ones are left out.

    Args:
        path: a file or folder in one of the formats above.
        limit: read only that many captions, from the start.
        column: where the captions are, in formats with columns; None looks for the usual names.
        split: what to read of a file that holds several splits. As in the paper "train" of MSCOCO
            takes Karpathy's "restval" with it.
        max_words: leave out captions of more words; the paper takes 15 for SS1M.

    Raises:
        DataError: if the file is missing, is not what its suffix says, or holds no caption; a wrong
            line is named.
        InputError: for a `max_words` below 1.
    """
    if max_words is not None and max_words < 1:
        raise InputError(f"`max_words` must be at least 1 but is {max_words}.")
    path = Path(path)
    selection = Selection(column=column, split=split)
    kept = (
        caption
        for text in _texts(path, selection)
        if (caption := " ".join(text.split())) and (max_words is None or len(caption.split()) <= max_words)
    )
    captions = list(islice(kept, limit))
    if not captions:
        short = f" of at most {max_words} words" if max_words is not None else ""
        raise DataError(f"{path} holds no caption{short}; write one per line.")
    return captions


def read_corpus(corpus: CorpusSettings, limit: int | None = None) -> list[str]:
    """Read a corpus of a profile, see `read_captions`."""
    return read_captions(
        corpus.captions, limit, column=corpus.column, split=corpus.split, max_words=corpus.max_words
    )


def _texts(path: Path, selection: Selection) -> Iterator[str]:
    suffix = path.suffix.lower()
    if path.is_dir():
        return read_folder_captions(path, selection)
    if suffix in _PICKLES:
        raise DataError(
            f"{path} can run code when it is read; save its captions as JSON or text, one caption per line."
        )
    if suffix in _READERS:
        return _READERS[suffix](path, selection)
    return iter(lines_of(read_text(path, "a text file with one caption per line")))
