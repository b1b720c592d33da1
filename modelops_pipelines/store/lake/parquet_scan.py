"""Tables' rows straight out of their Parquet files, with strings as dictionaries where they repeat.

For large scans of known columns: DuckDB returns every string of every row, which took half of a profile's time. All
other queries are SQL (``sql.py``) and go through ``reader.py``.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from modelops_pipelines.core.tables.columns import Table
from modelops_pipelines.store.lake.arrow_schemas import arrow_schema

BUFFER_BYTES = 1 << 20
"""Read-ahead per column, so that memory holds pages and not whole columns of a row group."""
KEPT_BYTES = 128 << 20
"""A month of hourly profiles of thirteen numeric columns takes 40 MB."""
_Key: TypeAlias = tuple[str, tuple[str, ...]]
_STRINGS = pa.dictionary(pa.int32(), pa.string())


def scan_batches(files: Iterable[str], table: Table, names: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
    """Yield the files' rows with these columns, in batches of 0.5 to 1.5 times ``rows``; the last may be smaller.

    A declared column that is missing in a file is null. Raises KeyError for a name that the table does not declare.
    """
    wanted = _wanted(table, names)
    waiting: list[pa.RecordBatch] = []
    for batch in (batch for path in files for batch in _batches(path, wanted, rows)):
        waiting.append(batch)
        if 2 * sum(map(len, waiting)) >= rows:
            yield _joined(waiting)
            waiting = []
    if waiting:
        yield _joined(waiting)


def read_files(files: Iterable[str], table: Table, names: Sequence[str]) -> pa.Table:
    """Return all rows of the files with these columns, like ``scan_batches``; files read lately come from the cache."""
    wanted = _wanted(table, names)
    found = (CACHE.read(path, wanted) for path in files)
    return pa.concat_tables([wanted.empty_table(), *found]).unify_dictionaries()


def read_columns(path: str, wanted: pa.Schema) -> pa.Table:
    """Return all rows of a file with these columns, each of the type wanted; one that the file lacks is null."""
    with _opened(path, wanted, ahead=0) as file:
        found = file.read(_held(file, wanted), use_threads=False)
    if found.schema.equals(wanted):
        return found
    return pa.Table.from_batches([_completed(batch, wanted) for batch in found.to_batches()], wanted)


class FileCache:
    """A cache of whole files, least recently used out first. Files never change: new content has a new name.

    Data quality, drift and reports read the same month of profiles one after the other. The cache holds up to ``most``
    bytes. Thread-safe.
    """

    def __init__(self, most: int) -> None:
        """Start empty."""
        self._most, self._bytes = most, 0
        self._lock = threading.Lock()
        self._found: OrderedDict[_Key, pa.Table] = OrderedDict()

    def read(self, path: str, wanted: pa.Schema) -> pa.Table:
        """Return a file's rows; raises FileNotFoundError for a file that is neither cached nor on disk."""
        key = path, tuple(wanted.names)
        with self._lock:
            if key in self._found:
                self._found.move_to_end(key)
                return self._found[key]
        found = read_columns(path, wanted)
        self._keep(key, found)
        return found

    def clear(self) -> None:
        """Empty the cache."""
        with self._lock:
            self._found.clear()
            self._bytes = 0

    def _keep(self, key: _Key, found: pa.Table) -> None:
        with self._lock:
            before = self._found.pop(key, None)
            self._bytes += found.nbytes - (before.nbytes if before else 0)
            self._found[key] = found
            while self._bytes > self._most:
                self._bytes -= self._found.popitem(last=False)[1].nbytes


CACHE = FileCache(KEPT_BYTES)


def _wanted(table: Table, names: Sequence[str]) -> pa.Schema:
    declared = arrow_schema(table)
    fields = (declared.field(name) for name in names)
    return pa.schema([field.with_type(_STRINGS) if pa.types.is_string(field.type) else field for field in fields])


def _batches(path: str, wanted: pa.Schema, rows: int) -> Iterator[pa.RecordBatch]:
    with _opened(path, wanted) as file:
        for batch in file.iter_batches(rows, columns=_held(file, wanted), use_threads=False):
            yield _completed(batch, wanted)


@contextmanager
def _opened(path: str, wanted: pa.Schema, ahead: int = BUFFER_BYTES) -> Iterator[pq.ParquetFile]:
    strings = [field.name for field in wanted if field.type == _STRINGS]
    with pa.OSFile(path) as source:
        known = pq.read_metadata(source) if strings else None  # a name that the file lacks cannot be asked for
        if known is not None:
            held = {known.schema.column(place).path for place in range(known.num_columns)}
            strings = [name for name in strings if name in held]
        buffer = min(ahead, source.size())  # each column has a buffer of this size, even in a small file
        with pq.ParquetFile(source, metadata=known, read_dictionary=strings, buffer_size=buffer) as file:
            yield file


def _held(file: pq.ParquetFile, wanted: pa.Schema) -> list[str]:
    held = set(file.schema_arrow.names)  # the property is slow: as slow as reading a small file
    return [name for name in wanted.names if name in held]


def _completed(batch: pa.RecordBatch, wanted: pa.Schema) -> pa.RecordBatch:
    held = dict(zip(batch.schema.names, batch.columns, strict=True))
    columns = [_as(field.type, held.get(field.name), len(batch)) for field in wanted]
    return pa.RecordBatch.from_arrays(columns, schema=wanted)


def _as(kind: pa.DataType, column: pa.Array | None, rows: int) -> pa.Array:
    if column is None:
        return pa.nulls(rows, kind)
    return column if column.type == kind else column.cast(kind)


def _joined(batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    if len(batches) == 1:
        return batches[0]
    return pa.Table.from_batches(batches).unify_dictionaries().combine_chunks().to_batches()[0]
