"""Opens the sources of an import: CSV, Parquet and JSON-lines files, patterns of files, Delta tables, and queries."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable

from modelops_pipelines.core.capture.elsewhere.values import RefusedValueError
from modelops_pipelines.core.errors import InputError
from modelops_pipelines.operations.capture.elsewhere.batches import Batch, of_arrow, of_rows
from modelops_pipelines.operations.capture.elsewhere.csv_file import csv_batches
from modelops_pipelines.operations.capture.elsewhere.formats import LAYOUTS, Layout
from modelops_pipelines.operations.capture.elsewhere.json_lines import SUFFIXES, BadLine, json_records
from modelops_pipelines.operations.capture.elsewhere.typed_columns import python_values
from modelops_pipelines.store.filesystem.files import is_packed, open_regular, suffix_of
from modelops_pipelines.store.lake.foreign_queries import duckdb_batches, whole_database_rows

ROWS = 65_536
RECORDS = 5_000
_UNREADABLE = {"deletionVectors", "columnMapping"}
Records = Iterator[tuple[int, Any]]


@dataclass(frozen=True)
class Source:
    """One source: what it is shown as, and how its batches are read."""

    shown: str
    open: Callable[[], Iterator[Batch]]


@dataclass(frozen=True)
class SourceOptions:
    """How sources are read: the platform's layout (None: flat columns), the variable with a database's URL."""

    layout: str | None = None
    url_env: str | None = None
    names: tuple[str, ...] = ()
    answers_are: str = "class"
    reader: Layout = field(init=False)

    def __post_init__(self) -> None:
        """Begin without records that wait for their other half."""
        object.__setattr__(self, "reader", Layout(self.names, self.answers_are))


def sources_of(given: Sequence[str], options: SourceOptions) -> list[Source]:
    """Return the named sources in order, those of a pattern by name; raises InputError for one that is none."""
    paths = [path for one in given for path in _paths(one)]
    return [_source(path, options) for path in dict.fromkeys(paths)]


def _paths(given: str) -> list[Path]:
    if os.path.lexists(given):
        return [Path(given)]
    pattern = Path.cwd() / given
    try:
        found = sorted(
            one for one in Path(pattern.anchor).glob(str(pattern.relative_to(pattern.anchor))) if one.is_file()
        )
    except (ValueError, OSError, RecursionError) as error:
        raise InputError(
            f"The pattern {given[:200]!r} cannot be read ({type(error).__name__})", "Correct it"
        ) from error
    if not found:
        raise InputError(f"There is no file {given[:200]!r}, and no file matches it", "Correct the path")
    return found


def _source(path: Path, options: SourceOptions) -> Source:
    shown = path.name.encode("utf-8", "replace").decode()
    suffix, packed = suffix_of(path), is_packed(path)
    if path.is_dir() and DeltaTable.is_deltatable(str(path)):
        return Source(shown, lambda: _read(shown, _delta(path), options))
    if suffix == ".csv" and options.layout is None:
        return Source(shown, lambda: csv_batches(path))
    if suffix in SUFFIXES:
        return Source(shown, lambda: _read_records(shown, json_records(path), options))
    if suffix == ".parquet" and not packed:
        return Source(shown, lambda: _read(shown, _parquet(path), options))
    if suffix == ".sql" and not packed:
        return _query(path, shown, options)
    kinds = ".csv, .jsonl, .ndjson, .json, each also with .gz behind it, .parquet, .sql, or a folder with a Delta table"
    raise InputError(f"{shown[:200]!r} is none of the sources that can be read", f"Give one of: {kinds}")


def _query(path: Path, shown: str, options: SourceOptions) -> Source:
    try:
        with open_regular(path) as handle:
            query = handle.read().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The query {shown[:200]!r} cannot be read ({type(error).__name__})", "Correct it") from error
    if options.url_env is None:
        folder = path.resolve().parent
        return Source(shown, lambda: _read(shown, duckdb_batches(folder, query, ROWS), options))
    url = os.environ.get(options.url_env)
    if not url:
        raise InputError(f"The environment variable {options.url_env} is not set", "Set it to the database's URL")
    return Source(shown, lambda: _read_records(shown, _numbered(url, query), options))


def _numbered(url: str, query: str) -> Records:
    number = 1
    for rows in whole_database_rows(url, query):
        yield from enumerate(rows, number)
        number += len(rows)


def _parquet(path: Path) -> Iterator[pa.RecordBatch]:
    with open_regular(path) as handle, pq.ParquetFile(handle) as file:
        names = file.schema_arrow.names
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise InputError(f"The file has two columns {twice[:80]!r}", "Give each its own name")
        yield from file.iter_batches(batch_size=ROWS)


def _delta(path: Path) -> Iterator[pa.RecordBatch]:
    delta = DeltaTable(str(path))
    unsafe = _UNREADABLE & set(delta.protocol().reader_features or ())
    if unsafe:
        raise InputError(f"The table uses {', '.join(sorted(unsafe))}", "Disable them on the table")
    yield from delta.to_pyarrow_dataset().to_batches(batch_size=ROWS)


def _read(shown: str, batches: Iterator[pa.RecordBatch], options: SourceOptions) -> Iterator[Batch]:
    if options.layout is not None:
        yield from _read_records(shown, _records(batches), options)
        return
    number = 1
    for rows in batches:
        yield of_arrow(shown, number, rows)
        number += len(rows)


def _records(batches: Iterator[pa.RecordBatch]) -> Records:
    """Yield Arrow rows as records with their numbers; a map is a list of pairs, as Arrow gives it."""
    number = 1
    for whole in batches:
        for start in range(0, len(whole), RECORDS):
            rows = whole.slice(start, RECORDS)
            columns = [python_values(column) for column in rows.columns]
            for values in zip(*columns, strict=True):
                yield number, dict(zip(rows.schema.names, values, strict=True))
                number += 1


def _read_records(shown: str, records: Records, options: SourceOptions) -> Iterator[Batch]:
    """Yield records as batches: each a row, or as many as the platform's layout has in it."""
    expand = _flat if options.layout is None else LAYOUTS[options.layout](options.reader)
    rows: list[tuple[int, Mapping[str, Any]]] = []
    refused: list[tuple[int, str]] = []
    for number, record in records:
        try:
            rows += [(number, row) for row in _expanded(record, expand)]
        except RefusedValueError as error:
            refused.append((number, str(error)))
        except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
            refused.append((number, f"it does not have the layout ({type(error).__name__})"))
        if len(rows) >= RECORDS or len(refused) >= RECORDS:
            yield of_rows(shown, rows, refused)
            rows, refused = [], []
    if rows or refused:
        yield of_rows(shown, rows, refused)


def _expanded(record: Any, expand: Callable[[Any], Iterable[Mapping[str, Any]]]) -> list[Mapping[str, Any]]:
    if isinstance(record, BadLine):
        raise RefusedValueError(record)
    return list(expand(record))


def _flat(record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [record]
