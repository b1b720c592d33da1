"""Reads labels from CSV, Parquet and JSON-lines files: each content once, and none that is still being written."""

import codecs
import csv
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

import pyarrow.parquet as pq

from modelops_pipelines.core.endpoints.improvement import LabelSource
from modelops_pipelines.core.improve.labels.source_rows import needed_columns
from modelops_pipelines.operations.capture.elsewhere.json_lines import SUFFIXES, BadLine, json_records
from modelops_pipelines.operations.improve.labels.readings import Part, Values, rows_of
from modelops_pipelines.store.filesystem.files import is_packed, suffix_of

SETTLED = timedelta(seconds=10)
"""A file that was written to within this time may still grow: it is left for the next reading."""
_BATCH = 20_000
_HASHED, _HEAD = 1 << 20, 1024
_SUFFIXES = (".csv", ".parquet", *SUFFIXES)


class _FileError(ValueError):
    """Why a file cannot be read."""


class FileReading:
    """A reading of the files that match a source's pattern, which is relative to ``folder``.

    The position is by file: size, time of the last write, and the SHA-256 of what was read. A file whose content was
    read before, under any name, is not read again; one that has grown or was replaced is read whole: rows that are
    stored already are the same rows.
    """

    def __init__(
        self, source: LabelSource, folder: Path, position: Mapping[str, Any], now: datetime, *, settled: bool = True
    ) -> None:
        """``settled`` False reads files however young they are."""
        self._source, self._folder, self._now, self._settled = source, folder, now, settled
        self._before: Mapping[str, Any] = position.get("files", {})
        self._columns = needed_columns(source)
        self.position: dict[str, Any] = {"files": {}}
        self.faults: list[str] = []
        self.left = 0

    def parts(self) -> Iterator[Part]:
        """Yield the rows of files whose content is new; what cannot be read becomes a fault."""
        contents = {one["sha256"] for one in self._before.values()}
        try:
            paths = self._paths()
        except Exception as error:  # noqa: BLE001 - a pattern that cannot be read is the source's fault
            self.faults.append(f"the pattern {self._source.path} cannot be read ({type(error).__name__})")
            self.position = {"files": dict(self._before)}
            return
        if not paths:
            self.faults.append(f"no file matches {self._source.path}")
        for path in paths:
            try:
                yield from self._file(path, contents)
            except Exception as error:  # noqa: BLE001 - whatever a file does to its reader is that file's fault
                self.faults.append(f"{_shown(path)}: {_told(error)}")

    def _file(self, path: Path, contents: set[str]) -> Iterator[Part]:
        """Yield a file's rows unless its content was read before, or may still grow; note what was read."""
        files, name, stat = self.position["files"], str(path), path.stat()
        known, state = self._before.get(name), {"size": stat.st_size, "written": stat.st_mtime_ns}
        if known and known | state == known:
            files[name] = known
            return
        if self._settled and abs(self._now - datetime.fromtimestamp(stat.st_mtime, UTC)) < SETTLED:
            self.left += 1
            files |= {name: known} if known else {}
            return
        digest = _sha256(path)
        if digest not in contents:
            yield from self._rows(path)
        if _sha256(path) == digest:  # else it was written to meanwhile, and is read again
            files[name] = {**state, "sha256": digest}
            contents.add(digest)

    def _paths(self) -> list[Path]:
        pattern = self._folder / str(self._source.path)
        found = Path(pattern.anchor).glob(str(pattern.relative_to(pattern.anchor)))
        return sorted(path for path in found if path.is_file())

    def _rows(self, path: Path) -> Iterator[Part]:
        suffix = suffix_of(path)
        if suffix not in _SUFFIXES or (is_packed(path) and suffix not in SUFFIXES):
            raise _FileError(f"is none of {', '.join(_SUFFIXES)}, nor one of JSON lines with .gz behind it")
        if suffix == ".parquet":
            yield from _parquet_rows(path, self._columns)
            return
        if suffix in SUFFIXES:
            yield from _json_rows(path, self._columns)
            return
        _require_utf_8(path)
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as handle:
            yield from _csv_rows(_shown(path), handle, self._columns)


def _csv_rows(name: str, handle: IO[str], columns: Sequence[str]) -> Iterator[Part]:
    reader = csv.reader(handle, strict=True)
    header = next(reader, [])
    _require(header, columns)
    places = [(column, header.index(column)) for column in columns]
    rows: list[tuple[int, Values | str]] = []
    for number, fields in enumerate((fields for fields in reader if fields), 1):
        if len(fields) != len(header):
            rows.append((number, f"has {len(fields)} field(s), and the header has {len(header)}"))
        else:
            rows.append((number, {column: fields[place] for column, place in places}))
        if len(rows) >= _BATCH:
            yield Part(name, rows)
            rows = []
    if rows:
        yield Part(name, rows)


def _parquet_rows(path: Path, columns: Sequence[str]) -> Iterator[Part]:
    with pq.ParquetFile(path) as file:
        _require(file.schema_arrow.names, columns)
        number = 1
        for batch in file.iter_batches(batch_size=_BATCH, columns=list(columns)):
            rows = rows_of(batch)
            yield Part(_shown(path), list(enumerate(rows, number)))
            number += len(rows)


def _json_rows(path: Path, columns: Sequence[str]) -> Iterator[Part]:
    """Yield a file's rows by the numbers of their lines; a key that a line does not have is null there."""
    rows: list[tuple[int, Values | str]] = []
    seen: set[str] = set()
    for number, record in json_records(path):
        if isinstance(record, BadLine):
            rows.append((number, str(record)))
        else:
            seen |= {column for column in columns if column in record}
            rows.append((number, {column: record.get(column) for column in columns}))
        if len(rows) >= _BATCH:
            yield Part(_shown(path), rows)
            rows = []
    if rows:
        yield Part(_shown(path), rows)
    _require(sorted(seen), columns)


def _require(names: list[str], columns: Sequence[str]) -> None:
    missing = [column for column in columns if column not in names]
    if missing:
        raise _FileError(f"has no column {', '.join(missing)}")
    twice = [column for column in columns if names.count(column) > 1]
    if twice:
        raise _FileError(f"has several columns {', '.join(twice)}: give each its own name")


def _require_utf_8(path: Path) -> None:
    """Refuse text in two or more bytes a character; single bytes that are not UTF-8 are their rows' fault."""
    with path.open("rb") as handle:
        start = handle.read(_HEAD)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in start:
        raise _FileError("is not UTF-8 text, but UTF-16 or binary: save it as UTF-8")


def _told(error: Exception) -> str:
    """Return what is wrong in words that hold none of the file's values."""
    if isinstance(error, _FileError):
        return str(error)
    if isinstance(error, OSError):
        return f"cannot be read: {error.strerror or os.strerror(error.errno or 0)}"
    return f"is damaged, or not complete yet ({type(error).__name__})"


def _shown(path: Path) -> str:
    """Return a file's name as text, whatever bytes it is made of."""
    return path.name.encode("utf-8", "replace").decode()


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while block := handle.read(_HASHED):
            digest.update(block)
    return digest.hexdigest()
