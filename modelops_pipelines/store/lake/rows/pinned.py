"""One version of a table, read by columns: every row has a place, which is its number in the order of the files.

For what chooses few columns of all rows first, and reads the other columns of the chosen rows only. Memory holds the
columns of one file, and what was chosen. Use it under ``Lake.reading``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from modelops_pipelines.core.tables.columns import Table
from modelops_pipelines.store.lake.arrow_schemas import arrow_schema
from modelops_pipelines.store.lake.parquet_scan import read_columns
from modelops_pipelines.store.lake.reader import Lake
from modelops_pipelines.store.lake.rows.places import taken


@dataclass(frozen=True)
class Pinned:
    """A version of a table: its number (None: there is no table), its files in order, and its columns' types."""

    version: int | None
    files: Sequence[str]
    schema: pa.Schema

    def parts(self, names: Sequence[str]) -> Iterator[pa.Table]:
        """Yield these columns, a file's rows at a time; without files no rows, once."""
        wanted = self._wanted(names)
        return (read_columns(file, wanted) for file in self.files) if self.files else iter([wanted.empty_table()])

    def read(self, names: Sequence[str]) -> pa.Table:
        """Return these columns of all rows."""
        return pa.concat_tables(self.parts(names))

    def rows_at(self, names: Sequence[str], places: NDArray[np.int64], lengths: Sequence[int]) -> pa.Table:
        """Return these columns of the rows at some places, which rise; files without any of them are not read.

        ``lengths`` are the rows of each file.
        """
        wanted, start = self._wanted(names), 0
        found = [wanted.empty_table()]
        for file, length in zip(self.files, lengths, strict=True):
            end = start + length
            first, last = np.searchsorted(places, (start, end))
            if first < last:
                found.append(taken(read_columns(file, wanted), places[first:last] - start))
            start = end
        return pa.concat_tables(found)

    def _wanted(self, names: Sequence[str]) -> pa.Schema:
        return pa.schema([self.schema.field(name) for name in names])


def pinned(lake: Lake, endpoint: str, table: Table) -> Pinned:
    """Return the current version of a table. A declared column has the type that the table has it in, if it does."""
    delta, declared = lake.current(endpoint, table.name), arrow_schema(table)
    if delta is None:
        return Pinned(None, (), declared)
    stored = {field.name: field.type for field in pa.schema(delta.schema().to_arrow())}
    schema = pa.schema([field.with_type(stored.get(field.name, field.type)) for field in declared])
    return Pinned(delta.version(), sorted(unquote(uri) for uri in delta.file_uris()), schema)
