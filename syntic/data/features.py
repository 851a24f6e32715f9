"""The feature store: a corpus as CLIP sees it, next to the synthetic images made from it.

A store is a folder with `store.json`, which says what made it, and Parquet shards of equal length
(the last may be shorter). One row per caption:

    caption string | seed int64 | text_feature, image_feature (D,) float16 | tags, tag_scores lists

While it is made, rows of an unfinished shard lie in `pieces/`, a file for each batch. Features of a store
of more than LARGE_BYTES are unpacked once into `.npy` files beside the shards and mapped from there, so
that neither opening it nor training on it needs memory for all, and processes share what is in memory.
It is all that a text-only decoder is trained on. Real pictures have no place in it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import DataError
from .atomic import write_atomically, write_text_atomically
from .fingerprints import name_encoder

logger = logging.getLogger(__name__)

HEADER_FILE = "store.json"
PIECES = "pieces"
COLUMNS = {"caption", "seed", "text_feature", "image_feature", "tags", "tag_scores"}
FEATURE_COLUMNS = ("text_feature", "image_feature")
LARGE_BYTES = 2**30  # of both features in float32; MSCOCO's 566,747 captions take twice as much


@dataclass(frozen=True, kw_only=True)
class StoreHeader:
    """What made a store; written before the first shard.

    Attributes:
        profile: name of the profile.
        models: role ("generator", "encoder", "detector") -> its fingerprint.
        settings: what else decides the features: seed, sampling steps, detector threshold ...
        captions: number of captions N of the whole corpus.
        captions_hash: `hash_captions` of them.
        feature_width: D.
        shard_size: captions per shard.
    """

    profile: str
    models: dict[str, str]
    settings: dict[str, Any]
    captions: int
    captions_hash: str
    feature_width: int
    shard_size: int = 250
    version: int = 1

    @property
    def shards(self) -> int:
        """Return the number of shards of the finished store."""
        return -(-self.captions // self.shard_size)

    def rows(self, shard: int) -> range:
        """Return the indices of the captions that shard holds."""
        return range(shard * self.shard_size, min((shard + 1) * self.shard_size, self.captions))

    def differences(self, other: StoreHeader) -> list[str]:
        """Name what differs, as "seed 1 instead of 0"; empty where the two agree."""
        return [
            f"{name} {there!r} instead of {here!r}"
            for name, here in _flatten(asdict(self)).items()
            if (there := _flatten(asdict(other)).get(name)) != here
        ]

    def save(self, folder: Path) -> None:
        """Write it to `folder`."""
        write_text_atomically(folder / HEADER_FILE, json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def read(cls, folder: Path) -> StoreHeader:
        """Read it from `folder`, or raise DataError."""
        path = folder / HEADER_FILE
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
            return cls(**{f.name: raw[f.name] for f in fields(cls)})
        except FileNotFoundError as error:
            raise DataError(
                f"There is no feature store at {folder}; make one with `python -m syntic synthesize`."
            ) from error
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path} is damaged; delete its folder and synthesize again.") from error


def _flatten(value: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, item in value.items():
        if isinstance(item, dict):
            flat.update({f"{key}.{name}": inner for name, inner in item.items()})
        else:
            flat[key] = item
    return flat


@dataclass(frozen=True, kw_only=True)
class FeatureRows:
    """The rows of one shard, B captions.

    Attributes:
        captions: the texts.
        seeds: of the images that were generated.
        text_features: (B, D) unit norm.
        image_features: (B, D) unit norm, of the generated images.
        tags: distinct labels found in each image, best first.
        tag_scores: their scores.
    """

    captions: list[str]
    seeds: list[int]
    text_features: np.ndarray
    image_features: np.ndarray
    tags: list[list[str]]
    tag_scores: list[list[float]]

    def to_table(self) -> pa.Table:
        """Return them as they are stored: features as fixed-size lists of half precision."""
        return pa.table(
            {
                "caption": pa.array(self.captions, pa.string()),
                "seed": pa.array(self.seeds, pa.int64()),
                "text_feature": _pack(self.text_features),
                "image_feature": _pack(self.image_features),
                "tags": pa.array(self.tags, pa.list_(pa.string())),
                "tag_scores": pa.array(self.tag_scores, pa.list_(pa.float32())),
            }
        )


class FeatureWriter:
    """Writes a store batch by batch, in any order and from several processes.

    A batch is on disk when `add` returns; the last one of a shard turns them into the shard. Opening a
    folder that holds a store continues it.

    Raises:
        DataError: if the folder's store was made from something else; the message says what differs.
    """

    def __init__(self, folder: str | Path, header: StoreHeader) -> None:
        self.folder = Path(folder)
        self.header = header
        if not (self.folder / HEADER_FILE).exists():
            header.save(self.folder)
        differences = header.differences(StoreHeader.read(self.folder))
        if differences:
            raise DataError(
                f"{self.folder} holds features of another run ({'; '.join(differences)}); "
                "choose another folder or delete it."
            )

    def missing_rows(self, captions: Sequence[str], shards: Iterable[int] | None = None) -> list[range]:
        """Return the rows still to be made, as ranges inside one shard each.

        A damaged file counts as missing and is logged.

        Args:
            captions: the whole corpus.
            shards: only these; None takes all.
        """
        missing = []
        for shard in range(self.header.shards) if shards is None else shards:
            rows = self.header.rows(shard)
            if self._is_whole(shard_path(self.folder, shard), rows, captions):
                continue
            start = rows.start
            for piece in self._pieces(shard):
                if piece.start >= start and self._is_whole(self._piece_path(shard, piece), piece, captions):
                    missing.append(range(start, piece.start))
                    start = piece.stop
            missing.append(range(start, rows.stop))
        return [rows for rows in missing if len(rows)]

    def add(self, rows: range, table: pa.Table) -> None:
        """Write some rows of one shard; they are kept whole or not at all.

        Args:
            rows: their numbers in the corpus.
            table: from `FeatureRows.to_table`.

        Raises:
            DataError: if a feature is not finite, or the number or width of the rows is wrong.
        """
        shard = rows.start // self.header.shard_size
        whole = self.header.rows(shard)
        self._check(rows, table)
        if rows != whole:
            self._write(self._piece_path(shard, rows), table)
            pieces = self._pieces(shard)
            if sum(map(len, pieces)) < len(whole):
                return
            paths = [self._piece_path(shard, piece) for piece in pieces]
            table = pa.concat_tables([_read(path) for path in paths]).combine_chunks()
            self._check(whole, table)
        self._write(shard_path(self.folder, shard), table)
        for piece in self._pieces(shard):
            self._piece_path(shard, piece).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # others may still have pieces there
            (self.folder / PIECES).rmdir()

    def _check(self, rows: range, table: pa.Table) -> None:
        width, where = self.header.feature_width, f"Rows {rows.start} to {rows.stop - 1}"
        for name in ("text_feature", "image_feature"):
            kind = table.schema.field(name).type
            if table.num_rows != len(rows) or kind.list_size != width:
                raise DataError(
                    f"{where}: {name} must be of shape {(len(rows), width)}, but is "
                    f"{(table.num_rows, kind.list_size)}."
                )
            if not np.isfinite(_stored_values(table.column(name), width)).all():
                raise DataError(f"{where}: {name} is not finite; check the encoder's weights.")

    def _is_whole(self, path: Path, rows: range, captions: Sequence[str]) -> bool:
        if not path.exists():
            return False
        try:
            if _read(path).column("caption").to_pylist() == [captions[row] for row in rows]:
                return True
        except (DataError, KeyError):
            pass
        logger.warning("%s is damaged and will be made again", path)
        path.unlink(missing_ok=True)
        return False

    def _pieces(self, shard: int) -> list[range]:
        """Return the rows of the pieces of a shard that are there, in order."""
        found = (path.stem.split("-") for path in (self.folder / PIECES).glob(f"{shard:05d}-*.parquet"))
        return sorted((range(int(first), int(end)) for _, first, end in found), key=lambda rows: rows.start)

    def _piece_path(self, shard: int, rows: range) -> Path:
        return self.folder / PIECES / f"{shard:05d}-{rows.start:08d}-{rows.stop:08d}.parquet"

    @staticmethod
    def _write(path: Path, table: pa.Table) -> None:
        write_atomically(path, lambda temporary: pq.write_table(table, temporary, write_page_checksum=True))


class FeatureStore:
    """A corpus with its features, read from the shards of a folder.

    Attributes:
        header: what made it.
        captions: N texts.
        tags: per caption the distinct labels found in its generated image, best first.
        tag_scores: their scores.
    """

    def __init__(
        self, header: StoreHeader, table: pa.Table, unpacked: _UnpackedFeatures | None = None
    ) -> None:
        self.header = header
        self._table = table
        self._unpacked = unpacked
        self.captions: list[str] = table.column("caption").to_pylist()
        self.tags: list[list[str]] = table.column("tags").to_pylist()
        self.tag_scores: list[list[float]] = table.column("tag_scores").to_pylist()

    def __len__(self) -> int:
        """Return the number of captions N."""
        return len(self.captions)

    @classmethod
    def open(cls, folder: str | Path, *, allow_partial: bool = False) -> FeatureStore:
        """Open a store, its shards or, where they are large, its unpacked features memory-mapped.

        Args:
            folder: what `synthesize` wrote.
            allow_partial: take the shards that are finished instead of refusing an unfinished store.

        Raises:
            DataError: if there is no store, a shard is missing or damaged (named), or none is done.
        """
        folder = Path(folder)
        header = StoreHeader.read(folder)
        present = [shard for shard in range(header.shards) if shard_path(folder, shard).exists()]
        if len(present) < header.shards and not allow_partial:
            raise DataError(
                f"{folder} is not finished: {len(present)} of {header.shards} shards are there; "
                "continue with `python -m syntic synthesize`."
            )
        if not present:
            raise DataError(f"{folder} has no finished shard; continue with `python -m syntic synthesize`.")
        rows = sum(len(header.rows(shard)) for shard in present)
        if len(FEATURE_COLUMNS) * rows * header.feature_width * np.dtype(np.float32).itemsize <= LARGE_BYTES:
            return cls(header, pa.concat_tables([_read_shard(folder, shard, header) for shard in present]))
        columns = sorted(COLUMNS.difference(FEATURE_COLUMNS))
        table = pa.concat_tables([_read_shard(folder, shard, header, columns) for shard in present])
        return cls(header, table, _UnpackedFeatures(folder, header, present))

    @property
    def is_large(self) -> bool:
        """Whether its features are mapped from disk."""
        return self._unpacked is not None

    def require_encoder(self, identity: str) -> None:
        """Refuse features that another CLIP made: their cosines to those of this one mean nothing.

        Args:
            identity: `identify_encoder` of the profile's.

        Raises:
            DataError: naming both.
        """
        made_with = name_encoder(
            self.header.models.get("encoder", "unknown"), self.header.settings.get("pretrained")
        )
        if made_with != identity:
            raise DataError(
                f"The features were made with the CLIP model {made_with}, but the profile's is "
                f"{identity}; synthesize them again."
            )

    def head(self, limit: int) -> FeatureStore:
        """Return a store of the first `limit` captions."""
        return FeatureStore(self.header, self._table.slice(0, limit), self._unpacked)

    def take(self, rows: Sequence[int]) -> FeatureStore:
        """Return a store of some of the captions, in that order, with their features in memory."""
        table = self._table.take(pa.array(rows, type=pa.int64()))
        if self._unpacked is not None:
            for column in FEATURE_COLUMNS:
                table = table.append_column(column, _pack(self._unpacked.pick(column, rows)))
        return FeatureStore(self.header, table)

    @cached_property
    def text_features(self) -> np.ndarray:
        """(N, D) float32, unit norm: the captions."""
        return self._features("text_feature")

    @cached_property
    def image_features(self) -> np.ndarray:
        """(N, D) float32, unit norm: the generated images."""
        return self._features("image_feature")

    def _features(self, column: str) -> np.ndarray:
        if self._unpacked is not None:
            return self._unpacked.open(column)[: len(self)]
        return _unpack(_stored_values(self._table.column(column), self.header.feature_width))

    @cached_property
    def seeds(self) -> list[int]:
        """The seeds of the generated images."""
        return cast(list[int], self._table.column("seed").to_pylist())

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the header, captions, tags and features; equal for equal contents."""
        digest = hashlib.sha256(json.dumps(asdict(self.header), sort_keys=True).encode())
        digest.update(json.dumps([self.captions, self.tags]).encode())
        for name in FEATURE_COLUMNS:
            if self._unpacked is None:
                digest.update(_stored_values(self._table.column(name), self.header.feature_width).tobytes())
            else:
                for values in self._unpacked.stored(name, len(self)):
                    digest.update(values.tobytes())
        return digest.hexdigest()[:16]


class _UnpackedFeatures:
    """The features of a large store: unpacked from its shards one by one, and mapped.

    Args:
        folder: of the store.
        header: of the store.
        shards: those that are there.
    """

    def __init__(self, folder: Path, header: StoreHeader, shards: Sequence[int]) -> None:
        self.folder = folder
        self.header = header
        self.shards = shards

    def open(self, column: str) -> np.ndarray:
        """Return (N, D) float32, unit norm; pages are read when they are used."""
        digest = hashlib.sha256()
        for path in (shard_path(self.folder, shard) for shard in self.shards):
            stat = path.stat()
            digest.update(f"{path.name} {stat.st_size} {stat.st_mtime_ns}\n".encode())
        path = self.folder / f"{column}-{digest.hexdigest()[:16]}.npy"
        if not path.exists():
            logger.info("unpacking %s of %s", column, self.folder)
            write_atomically(path, lambda temporary: self._unpack(column, temporary))
            for other in self.folder.glob(f"{column}-*.npy"):  # of shards that were made again since
                if other != path:
                    other.unlink(missing_ok=True)
        # Copy on write: torch takes it as it is, and nothing that writes to it reaches the file.
        return cast(np.ndarray, np.load(path, mmap_mode="c", allow_pickle=False))

    def stored(self, column: str, limit: int) -> Iterator[np.ndarray]:
        """Yield the half-precision features of the first `limit` captions, shard by shard."""
        for shard in self.shards:
            if limit <= 0:
                return
            table = _read_shard(self.folder, shard, self.header, [column])
            values = _stored_values(table.column(column), self.header.feature_width)
            yield values[:limit]
            limit -= len(values)

    def pick(self, column: str, rows: Sequence[int]) -> np.ndarray:
        """Return the half-precision features of some captions, as they are stored."""
        wanted, start = np.asarray(rows, dtype=np.int64), 0
        picked = np.empty((len(wanted), self.header.feature_width), dtype=np.float16)
        for values in self.stored(column, int(wanted.max(initial=-1)) + 1):
            here = (wanted >= start) & (wanted < start + len(values))
            picked[here] = values[wanted[here] - start]
            start += len(values)
        return picked

    def _unpack(self, column: str, path: Path) -> None:
        rows = sum(len(self.header.rows(shard)) for shard in self.shards)
        shape = (rows, self.header.feature_width)
        features = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
        start = 0
        for values in self.stored(column, rows):
            features[start : start + len(values)] = _unpack(values)
            start += len(values)
        features.flush()


def shard_path(folder: Path, shard: int) -> Path:
    """Return where shard number `shard` lies."""
    return folder / f"part-{shard:05d}.parquet"


def _read_shard(
    folder: Path, shard: int, header: StoreHeader, columns: Sequence[str] | None = None
) -> pa.Table:
    path = shard_path(folder, shard)
    table = _read(path, columns)
    if table.num_rows != len(header.rows(shard)):
        raise DataError(
            f"{path} does not belong to this store; run `python -m syntic synthesize` to make it again."
        )
    return table


def _read(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a file of a store, or some columns of it."""
    try:
        table = pq.read_table(path, columns=columns, memory_map=True, page_checksum_verification=True)
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"{path} is damaged; run `python -m syntic synthesize` with the same settings to make it again."
        ) from error
    if set(table.column_names) != set(columns or COLUMNS):
        raise DataError(
            f"{path} does not belong to this store; run `python -m syntic synthesize` to make it again."
        )
    return table


def _pack(values: np.ndarray) -> pa.FixedSizeListArray:
    flat = pa.array(np.ascontiguousarray(values, dtype=np.float16).ravel())
    return pa.FixedSizeListArray.from_arrays(flat, values.shape[1])


def _stored_values(column: pa.ChunkedArray, width: int) -> np.ndarray:
    parts = [chunk.flatten().to_numpy(zero_copy_only=False).reshape(-1, width) for chunk in column.chunks]
    return np.concatenate(parts)  # (N, D) float16


def _unpack(stored: np.ndarray) -> np.ndarray:
    """Return half-precision features (N, D) as float32 of unit norm."""
    values = stored.astype(np.float32)
    if not np.isfinite(values).all():
        raise DataError("The feature store holds values that are not finite; delete it and synthesize again.")
    norms = np.linalg.norm(values, axis=1, keepdims=True)  # half precision moves the norm by up to 1e-3
    return cast(np.ndarray, values / np.maximum(norms, 1e-12))
