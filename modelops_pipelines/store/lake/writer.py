"""Writing of the lake: every commit is idempotent, and durable when the call returns.

Deltalake never fsyncs on a local disk, so a commit's files are synced here. Appends run concurrently under a shared
lock that an erasure holds exclusively. Rewrites of a table run under one exclusive lock per table, because two
concurrent rewrites would both commit and duplicate rows.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date, datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote

import orjson
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import (
    ColumnProperties,
    CommitProperties,
    DeltaTable,
    Transaction,
    WriterProperties,
    write_deltalake,
)
from deltalake import Schema as DeltaSchema
from deltalake.exceptions import CommitFailedError

from modelops_pipelines.core.drift.seasonal_reference import DAY
from modelops_pipelines.core.errors import SchemaError
from modelops_pipelines.core.tables.columns import Table
from modelops_pipelines.core.windows import text
from modelops_pipelines.store.filesystem.files import LOCK_SECONDS, exclusive, sync
from modelops_pipelines.store.filesystem.shared_lock import hold_shared
from modelops_pipelines.store.lake.arrow_schemas import arrow_schema
from modelops_pipelines.store.lake.reader import Lake, partition_of

ATTEMPTS = 20
MOST_LISTED = 1000
"""Days or windows that a commit's predicate lists: one of 20,000 overflows the stack where deltalake evaluates it."""
_CONFIGURATION: Mapping[str, str | None] = {
    "delta.checkpointInterval": "10",
    "delta.deletedFileRetentionDuration": "interval 2 days",
}
_DICTIONARY_BYTES = 1 << 16
"""A column chunk whose dictionary exceeds this is written plain, which takes half the time and less space."""
_PLAIN = ColumnProperties(dictionary_enabled=False)
RISING = ColumnProperties(dictionary_enabled=False, encoding="DELTA_BINARY_PACKED")
"""How numbers and times that rise are written."""
_Start = TypeVar("_Start", date, datetime)


def layout(schema: pa.Schema) -> WriterProperties:
    """Return the writer properties of a table: delta-encoded times, and no dictionaries of mostly distinct values."""
    if any(pa.types.is_list(field.type) for field in schema):  # of profiles: counts and sums
        return WriterProperties(compression="SNAPPY", default_column_properties=_PLAIN)
    return WriterProperties(
        compression="SNAPPY",
        dictionary_page_size_limit=_DICTIONARY_BYTES,
        column_properties={field.name: RISING for field in schema if pa.types.is_timestamp(field.type)},
    )


class LakeWriter(Lake):
    """The lake, with writes."""

    def append_once(self, endpoint: str, table: Table, rows: pa.Table, stream: str, sequence: int) -> bool:
        """Append the rows unless the stream's sequence number was committed before; return whether it appended.

        Durable when it returns. The sequence numbers of a stream must increase.
        """
        return self.append_marked(endpoint, table, rows, {stream: sequence})

    def append_marked(self, endpoint: str, table: Table, rows: pa.Table, marks: Mapping[str, int]) -> bool:
        """Append rows of several streams in one commit, unless their sequence numbers were committed before.

        ``marks`` are the numbers by stream. Raises CommitFailedError when some were and some were not: the rows were
        then chosen by what is no longer so, and have to be chosen anew.
        """
        for _ in range(ATTEMPTS):
            with hold_shared(self._append_lock(endpoint, table.name), f"{endpoint}/{table.name}"):
                delta = self._open_or_create(endpoint, table)
                held = [(delta.transaction_version(stream) or 0) >= number for stream, number in marks.items()]
                if all(held):
                    return False
                if any(held):
                    raise CommitFailedError(f"{endpoint}/{table.name}: another ingest has committed some of the rows")
                try:
                    self._commit(delta, rows, mode="append", marks=[Transaction(*mark) for mark in marks.items()])
                except CommitFailedError:
                    continue
                return True
        raise CommitFailedError(f"{endpoint}/{table.name}: other writers won all {ATTEMPTS} commit attempts")

    def replace_windows(self, endpoint: str, table: Table, rows: pa.Table, windows: Sequence[datetime]) -> None:
        """Replace all rows of these windows, in one durable commit for each MOST_LISTED windows, oldest first."""
        if not windows:
            return
        delta = self._open_or_create(endpoint, table)
        for part, mine in _parts(sorted(set(windows)), rows, "window_start"):
            self._replace(endpoint, table, delta, mine, _windows_predicate(table, part))

    def replace_days(self, endpoint: str, table: Table, rows: pa.Table, days: Sequence[date]) -> None:
        """Replace all rows of these partitions, in one durable commit for each MOST_LISTED days, oldest first.

        The caller locks out other writers of them.
        """
        delta = self._open_or_create(endpoint, table)
        for part, mine in _parts(sorted(set(days)), rows, "date"):
            self._replace(endpoint, table, delta, mine, f"date IN ({_listed(part)})")

    def _replace(self, endpoint: str, table: Table, delta: DeltaTable, rows: pa.Table, predicate: str) -> None:
        with self._maintenance(endpoint, table.name):
            delta.update_incremental()  # commits of other writers; reopening the table would take as long as a write
            self._commit(delta, rows, mode="overwrite", predicate=predicate)

    def write_whole(self, endpoint: str, name: str, rows: pa.Table, how: WriterProperties | None = None) -> None:
        """Write an immutable table once; an existing table is not changed. ``how``: not as ``layout`` says."""
        path = self.path(endpoint, name)
        with self._maintenance(endpoint, name):
            if not DeltaTable.is_deltatable(str(path)):
                path.mkdir(parents=True, exist_ok=True)
                write_deltalake(str(path), rows, mode="error", writer_properties=how or layout(rows.schema))
                self._sync(DeltaTable(str(path)))

    def _open_or_create(self, endpoint: str, table: Table) -> DeltaTable:
        delta = self.table(endpoint, table.name)
        wanted = arrow_schema(table)
        if delta is None:
            return self._create(endpoint, table, wanted)
        missing = [field for field in wanted if field.name not in pa.schema(delta.schema().to_arrow()).names]
        if missing:
            delta.alter.add_columns(list(DeltaSchema.from_arrow(pa.schema(missing)).fields))
            self._sync(delta)
        return delta

    def _create(self, endpoint: str, table: Table, schema: pa.Schema) -> DeltaTable:
        path = self.path(endpoint, table.name)
        with self._maintenance(endpoint, table.name):
            if not DeltaTable.is_deltatable(str(path)):
                path.mkdir(parents=True, exist_ok=True)
                DeltaTable.create(
                    str(path), schema, partition_by=["date"], configuration=_CONFIGURATION, description=table.about
                )
                self._sync(DeltaTable(str(path)))
        return DeltaTable(str(path))

    def _commit(
        self,
        delta: DeltaTable,
        rows: pa.Table,
        *,
        mode: str,
        predicate: str | None = None,
        marks: list[Transaction] | None = None,
    ) -> None:
        properties = CommitProperties(app_transactions=marks)
        conformed = conform(rows, pa.schema(delta.schema().to_arrow()))
        options: dict[str, Any] = {"mode": mode, "commit_properties": properties}
        options["writer_properties"] = layout(conformed.schema)
        if predicate is not None:
            options["predicate"] = predicate
        write_deltalake(delta, conformed, **options)
        self._sync(delta)

    def _append_lock(self, endpoint: str, table: str) -> Path:
        return self.folder.parent / "locks" / f"{endpoint}.{table.replace('/', '.')}.appends.lock"

    def _maintenance(self, endpoint: str, table: str, seconds: float = LOCK_SECONDS) -> AbstractContextManager[None]:
        lock = self.folder.parent / "locks" / f"{endpoint}.{table.replace('/', '.')}.lock"
        return exclusive(lock, f"{endpoint}/{table}", seconds)

    def _sync(self, delta: DeltaTable) -> None:
        """Make the newest commit durable: its log entry, the files it added and their folders."""
        root = Path(unquote(delta.table_uri.removeprefix("file://")))
        entry = root / "_delta_log" / f"{delta.version():020d}.json"
        actions = [orjson.loads(line) for line in entry.read_bytes().splitlines()]
        added = [root / unquote(action["add"]["path"]) for action in actions if "add" in action]
        for path in (*added, entry, *{root, entry.parent, *(file.parent for file in added)}):
            sync(path)


def conform(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return the rows with exactly the schema's columns: missing ones are null; raises SchemaError for others."""
    extra = set(rows.column_names) - set(schema.names)
    if extra:
        raise SchemaError(
            f"Column(s) {', '.join(sorted(extra))} are not declared for this table",
            "Declare them in core/tables/lake.py with a migration",
        )
    columns = [
        rows.column(field.name).cast(field.type) if field.name in rows.column_names else pa.nulls(len(rows), field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def _parts(starts: Sequence[_Start], rows: pa.Table, column: str) -> Iterator[tuple[Sequence[_Start], pa.Table]]:
    """Yield at most MOST_LISTED of the starts at a time, each with the rows of before the next one's first.

    No row is left out, so that a commit refuses one that is of none of the starts.
    """
    for place in range(0, len(starts), MOST_LISTED):
        part, later = starts[place : place + MOST_LISTED], starts[place + MOST_LISTED :]
        if later and len(rows):
            is_mine = pc.less(rows.column(column), pa.scalar(later[0], rows.schema.field(column).type))
            mine, rows = rows.filter(is_mine), rows.filter(pc.fill_null(pc.invert(is_mine), fill_value=True))
            yield part, mine
        else:
            yield part, rows


def _windows_predicate(table: Table, windows: Sequence[datetime]) -> str:
    """Return the predicate of a table's windows, which are our own timestamps as text.

    Days with all their hours are matched by partition alone, without reading rows.
    """
    days = _listed(sorted({partition_of(table.name, start.date()) for start in windows}))
    hours = Counter(start.date() for start in windows)
    if all(count == DAY for count in hours.values()):
        return f"date IN ({days})"
    starts = ", ".join(f"'{text(start)}'" for start in windows)
    return f"date IN ({days}) AND window_start IN ({starts})"


def _listed(days: Sequence[date]) -> str:
    return ", ".join(f"'{day.isoformat()}'" for day in days)
