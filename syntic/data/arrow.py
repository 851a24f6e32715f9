"""Captions of data sets that lie on disk in Arrow's formats, as Hugging Face's libraries leave them.

Read by column, so that pictures in other columns are never touched, and by pyarrow, so that no data
set's own code runs. A folder is what `save_to_disk` writes; or a hub repository or a folder of the cache
of `datasets`: Parquet, Arrow or other files with the split in their names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import DataError
from .karpathy import splits_of
from .structured import Selection, read_json_lines, read_table, texts_in

_SPLITS = {"train", "training", "restval", "val", "valid", "validation", "dev", "test", "testing"}
_FORMATS = "a text file, one caption per line, JSON, CSV, Parquet, or a data set saved by Hugging Face"


def read_folder_captions(folder: Path, selection: Selection) -> Iterator[str]:
    """Yield the captions of a saved data set or of a downloaded repository."""
    folders = [folder]
    if (folder / "dataset_dict.json").is_file():
        splits = _read_state(folder / "dataset_dict.json", "splits")
        folders = [folder / name for name in splits_of(selection.split) if name in splits]
        if not folders:
            raise DataError(f"{folder} has no split {selection.split!r}; it has: {', '.join(splits)}.")
    if (folders[0] / "state.json").is_file():
        for saved in folders:
            for entry in _read_state(saved / "state.json", "_data_files"):
                yield from read_arrow_captions(saved / entry["filename"], selection)
        return
    files = _files_of_split(folder, selection.split)
    if not files:
        raise DataError(
            f"{folder} is a folder without a saved data set or files of the split {selection.split!r}; "
            f"give {_FORMATS}."
        )
    for path in files:
        yield from _FILES[path.suffix](path, selection)


def read_arrow_captions(path: Path, selection: Selection) -> Iterator[str]:
    """Yield the captions of one Parquet or Arrow file, without reading its other columns."""
    if not path.is_file():
        raise DataError(f"There is no corpus at {path}; give {_FORMATS}.")
    try:
        batches = _parquet(path, selection) if path.suffix == ".parquet" else _arrow(path, selection)
        row = 0
        for batch in batches:
            splits = batch["split"] if "split" in batch else [None] * len(batch["caption"])
            for text, split in zip(batch["caption"], splits, strict=True):
                row += 1
                if selection.takes({"split": split}):
                    yield from texts_in(text, f"{path}, row {row},")
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path} is damaged: {str(error)[:120]}; download it again.") from error


def _parquet(path: Path, selection: Selection) -> Iterator[dict[str, list[Any]]]:
    with pq.ParquetFile(path, memory_map=True) as file:
        names = file.schema_arrow.names
        column = selection.column_of(names, str(path))
        for batch in file.iter_batches(columns=_columns(column, names)):
            yield _as_lists(batch, column)


def _arrow(path: Path, selection: Selection) -> Iterator[dict[str, list[Any]]]:
    with pa.memory_map(str(path)) as source:
        try:
            reader = pa.ipc.open_stream(source)
        except pa.ArrowInvalid:
            reader = pa.ipc.open_file(source)
            batches: Iterator[pa.RecordBatch] = (
                reader.get_batch(i) for i in range(reader.num_record_batches)
            )
        else:
            batches = iter(reader)
        names = reader.schema.names
        column = selection.column_of(names, str(path))
        for batch in batches:
            yield _as_lists(batch.select(_columns(column, names)), column)


def _columns(column: str, names: list[str]) -> list[str]:
    return [column, "split"] if "split" in names and column != "split" else [column]


def _as_lists(batch: pa.RecordBatch, column: str) -> dict[str, list[Any]]:
    return {
        "caption" if name == column else name: batch.column(name).to_pylist() for name in batch.schema.names
    }


def _files_of_split(folder: Path, split: str) -> list[Path]:
    """Return the files whose path below a folder has the split as its last word for one.

    `train.jsonl`, `data/train-00000-of-00002.parquet`, `en/train/0000.parquet`, and in the cache of
    `datasets` `en/0.0.0/<hash>/name-train-00000-of-00002.arrow`. What comes before the split tells data
    sets apart: nothing or `data/` is the folder's own, and of others there may be one.
    """
    wanted = {name.lower() for name in splits_of(split)}
    word = re.compile(rf"(?<![a-z])({'|'.join(map(re.escape, wanted | _SPLITS))})(?![a-z])")
    sets: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.suffix not in _FILES or name.startswith(".") or "/." in name:
            continue
        words = list(word.finditer(name.lower()))
        if words and words[-1][0] in wanted:
            sets.setdefault(name[: words[-1].start()], []).append(path)
    own = next((before for before in ("", "data/") if before in sets), None)
    if own is None and len(sets) > 1:
        raise DataError(
            f"{folder} has files of the split {split!r} for several data sets, {', '.join(sets)}; give the "
            "folder or the file of one."
        )
    files = sets.get(own, []) if own is not None else [path for found in sets.values() for path in found]
    suffix = min((path.suffix for path in files), key=list(_FILES).index, default="")
    return [path for path in files if path.suffix == suffix]  # one format, where there are several


def _read_state(path: Path, key: str) -> list[Any]:
    try:
        value: list[Any] = json.loads(path.read_text(encoding="utf-8"))[key]
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{path} cannot be read: {error}; save the data set again.") from error
    return value


_FILES: dict[str, Callable[[Path, Selection], Iterator[str]]] = {
    ".parquet": read_arrow_captions,
    ".arrow": read_arrow_captions,
    ".jsonl": read_json_lines,
    ".csv": read_table,
    ".tsv": read_table,
}
