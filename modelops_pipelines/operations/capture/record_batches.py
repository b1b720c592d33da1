"""Turns spool records into Arrow rows; a record that fits no row becomes a reject with its reason."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from modelops_pipelines.core.capture.keyed_labels import KEYED, keyed_columns
from modelops_pipelines.core.capture.spool_records import prediction_columns, response_columns
from modelops_pipelines.core.foreign_text import error_text
from modelops_pipelines.core.tables.columns import Table
from modelops_pipelines.core.tables.lake import INFERENCE_LOG, SYSTEM_COLUMNS
from modelops_pipelines.core.timestamps import out_of_bounds
from modelops_pipelines.store.lake.arrow_schemas import arrow_schema
from modelops_pipelines.store.spool.segments import Line, Segment, read_lines

RAW_CHARACTERS = 4096


@dataclass(frozen=True)
class Batch:
    """Rows ready for a table, the lines that could not become rows, and labels with a key."""

    rows: pa.Table
    rejects: list[dict[str, Any]]
    keyed: list[dict[str, Any]] = field(default_factory=list)

    def event_times(self) -> list[datetime]:
        """Return the distinct event times of the rows."""
        return list(self.rows.column("event_time").unique().to_pylist())

    def answered_times(self) -> list[datetime]:
        """Return the distinct event times of answered predictions; none for labels and feedback."""
        if "status" not in self.rows.column_names:
            return []
        answered = self.rows.filter(pc.equal(self.rows.column("status"), 200))
        return list(answered.column("event_time").unique().to_pylist())

    def rows_after(self, committed: Mapping[str, int]) -> pa.Table:
        """Return the rows that came in segments after those numbers, which are by worker."""
        places = zip(self.rows.column("worker").to_pylist(), self.rows.column("segment").to_pylist(), strict=True)
        return self.rows.filter(pa.array([number > committed[worker] for worker, number in places], pa.bool_()))

    def rejects_after(self, committed: Mapping[str, int]) -> list[dict[str, Any]]:
        """Return the rejects that came in segments after those numbers, which are by worker."""
        return [reject for reject in self.rejects if reject["segment"] > committed[reject["worker"]]]


def to_batch(table: Table, stream: str, segments: Sequence[Segment], now: datetime) -> Batch:
    """Read whole segments, of any workers, into rows of the table."""
    schema = arrow_schema(table)
    columns: dict[str, list[Any]] = {name: [] for name in schema.names}
    rejects: list[dict[str, Any]] = []
    keyed: list[dict[str, Any]] = []
    expand = prediction_columns if stream == "predictions" else response_columns
    for segment in segments:
        for line in read_lines(segment):
            named = line.record.get(KEYED) if stream == "labels" and isinstance(line.record, dict) else None
            added: list[dict[str, Any]] = []
            fault = line.fault
            if fault is None and named is not None:
                added, fault = _keyed_rows(schema, named, segment)
            only_keyed = bool(added) and "rows" not in (line.record or {})
            if fault is None and not only_keyed:
                fault = _add(columns, schema, expand, line, segment)
            if fault is None:
                keyed += added
            else:
                rejects.append(_reject(stream, segment, line, fault, now))
    return Batch(pa.table([pa.array(columns[f.name], f.type) for f in schema], schema=schema), rejects, keyed)


def rows_of_records(table: Table, stream: str, records: Iterable[dict[str, Any]]) -> pa.Table:
    """Return records that are not ingested yet as rows of the table; those that do not fit it are left out."""
    schema = arrow_schema(table)
    columns: dict[str, list[Any]] = {name: [] for name in schema.names}
    expand = prediction_columns if stream == "predictions" else response_columns
    nowhere = Segment(Path(), "", 0)
    for record in records:
        _add(columns, schema, expand, Line(0, b"", record, None), nowhere)
    return pa.table([pa.array(columns[f.name], f.type) for f in schema], schema=schema)


def held_columns(table: Table, rows: pa.Table) -> tuple[Table, pa.Table]:
    """Return the log's declaration and rows without the features that no row has a value of; other tables as they are.

    The stored table then has columns of features that were logged only: a version that never answered fixes no type.
    """
    if table.name != INFERENCE_LOG.name:
        return table, rows
    empty = {
        one.name
        for one in table.columns
        if one.name not in SYSTEM_COLUMNS and rows.column(one.name).null_count == len(rows)
    }
    columns = tuple(one for one in table.columns if one.name not in empty)
    return replace(table, columns=columns), rows.drop_columns(sorted(empty))


def _add(
    columns: dict[str, list[Any]],
    schema: pa.Schema,
    expand: Callable[[Any], dict[str, list[Any]]],
    line: Line,
    segment: Segment,
) -> str | None:
    """Add one record's rows to the columns, all or none; return the problem with it, if any."""
    try:
        added = expand(line.record)
        rows = len(added["event_time"])
        added |= {"worker": [segment.worker] * rows, "segment": [segment.number] * rows}
        added["date"] = [moment.date() for moment in added["event_time"]]
        fault = next(filter(None, map(out_of_bounds, set(added["event_time"]))), None)
        if fault:
            return f"event_time is {fault}"
        unknown = set(added) - set(columns)
        if unknown:
            return f"column(s) {', '.join(sorted(unknown))} are not declared"
        checked = {name: _checked(added.get(name), schema.field(name), rows) for name in columns}
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError, pa.ArrowException) as error:
        return f"does not fit the table: {error_text(error)}"
    for name, values in checked.items():
        columns[name] += values
    return None


def _keyed_rows(schema: pa.Schema, rows: Any, segment: Segment) -> tuple[list[dict[str, Any]], str | None]:
    """Return a record's labels with a key, or none and the problem with one of them."""
    try:
        read = [{**keyed_columns(row), "worker": segment.worker, "segment": segment.number} for row in rows]
        for row in read:
            pa.array([row["label"]], schema.field("label").type)
            if out_of_bounds(row["received_at"]) or not isinstance(row["keyed_id"], str):
                return [], "does not fit the table: keyed_id or received_at"
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError, pa.ArrowException) as error:
        return [], f"does not fit the table: {error_text(error)}"
    return read, None


def _checked(values: list[Any] | None, field: pa.Field, rows: int) -> list[Any]:
    if values is None:
        return [None] * rows
    if len(values) != rows:
        raise ValueError(f"{field.name} has {len(values)} values for {rows} rows")
    pa.array(values, field.type)
    return values


def _reject(stream: str, segment: Segment, line: Line, reason: str, now: datetime) -> dict[str, Any]:
    return {
        "stream": stream,
        "line": line.number,
        "reason": reason[:RAW_CHARACTERS],
        "raw": line.raw.decode(errors="replace")[:RAW_CHARACTERS],
        "rejected_at": now,
        "worker": segment.worker,
        "segment": segment.number,
        "date": now.date(),
    }
