"""A batch of a foreign log as rows of our log and labels; each row that cannot be taken is refused with its cause."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from modelops_pipelines.core.capture.elsewhere.mapping import UNVERSIONED, LogMapping, check_names, feature_columns
from modelops_pipelines.core.capture.elsewhere.sent import LABEL_SOURCE
from modelops_pipelines.core.capture.elsewhere.values import (
    LONGEST_ID,
    LONGEST_VERSION,
    finite_of,
    time_fault,
)
from modelops_pipelines.core.endpoints.spec import ELSEWHERE, EndpointSpec
from modelops_pipelines.core.ids import MAX_ROWS
from modelops_pipelines.core.tables.feature_columns import column_of
from modelops_pipelines.operations.capture.elsewhere.answers import Answers, class_reader, read_answers
from modelops_pipelines.operations.capture.elsewhere.batches import Batch, without
from modelops_pipelines.operations.capture.elsewhere.row_ids import label_ids, request_ids
from modelops_pipelines.operations.capture.elsewhere.typed_columns import (
    Column,
    Faults,
    guess_kind,
    is_plain,
    read_column,
    read_distinct,
)

OK, FIRST_STATUS, FIRST_ERROR, LAST_STATUS = 200, 100, 400, 599
_ID_OF_LOG = "@"
"""Columns of the layouts of platforms begin so; a feature never does."""


@dataclass(frozen=True)
class Converted:
    """Rows of the log and of labels, without what ingest adds; refused rows; and columns that were left out."""

    log: pa.Table
    labels: pa.Table
    refused: list[tuple[int, str]]
    left_out: tuple[str, ...] = ()


@dataclass
class Converter:
    """Turns batches into rows; ``types`` are the features' types, which grow as columns get their first value."""

    spec: EndpointSpec
    mapping: LogMapping
    secret: bytes
    now: datetime
    types: dict[str, str] = field(default_factory=dict)

    def convert(self, batch: Batch) -> Converted:
        """Return the batch's rows; raises InputError for columns that are missing or have a wrong name."""
        faults: Faults = {}
        ids, micros = self._ids(batch, faults), self._times(batch, faults)
        status, answers = self._status(batch, faults), read_answers(batch, self.mapping, self.spec)
        failed = pc.greater_equal(status, FIRST_ERROR)
        is_failed = failed.to_pylist() if pc.any(failed).as_py() else None
        for place, why in answers.faults.items():
            if is_failed is None or not is_failed[place]:
                faults.setdefault(place, why)
        self._require_answers(answers, failed, faults)
        columns = self._plain_columns(batch, faults)
        row, rows = self._places(batch, faults)
        features, left_out = self._features(batch, faults)
        labels, known_at = self._labels(batch, micros, faults)
        kept = without(faults, len(batch))
        counts = pc.if_else(failed, 0, rows)  # nobody can label what was never predicted
        named = ids.filter(kept), micros.filter(kept), counts.filter(kept)
        requests = request_ids(self.spec.name, *named, self.secret)
        log = {
            "request_id": requests,
            "prediction_id": pc.binary_join_element_wise(requests, row.filter(kept).cast(pa.string()), "-"),
            "row_index": row.filter(kept),
            "event_time": micros.filter(kept).cast(pa.timestamp("us", "UTC")),
            "received_at": pa.repeat(pa.scalar(self.now, pa.timestamp("us", "UTC")), len(requests)),
            "variant": pa.repeat(pa.scalar(ELSEWHERE), len(requests)),
            "source": pa.repeat(pa.scalar(ELSEWHERE), len(requests)),
            "status": status.filter(kept),
            "client_request_id": self._kept("client_request_id", ids).filter(kept),
            "prediction": pc.if_else(failed, None, answers.prediction).filter(kept),
            "score": pc.if_else(failed, None, answers.score).filter(kept),
            "sampled": pa.repeat(pa.scalar(value=True), len(requests)),
            "truncated": pa.repeat(pa.scalar(value=False), len(requests)),
            "cache_hit": pa.repeat(pa.scalar(value=False), len(requests)),
            **{name: values.filter(kept) for name, values in (columns | features).items()},
        }
        table = pa.table(log)
        refused = [(batch.numbers[place], why) for place, why in sorted(faults.items())]
        labelled = self._label_rows(table, labels.filter(kept), known_at.filter(kept))
        return Converted(table, labelled, [*batch.refused, *refused], left_out)

    def _ids(self, batch: Batch, faults: Faults) -> pa.Array:
        parts = [self._text(batch, name, "the id", faults, LONGEST_ID) for name in self.mapping.id]
        if len(parts) == 1:
            ids = parts[0]
        else:
            joined = zip(*(part.to_pylist() for part in parts), strict=True)
            ids = pa.array([None if None in one else orjson.dumps(one).decode() for one in joined], pa.string())
        empty = pc.or_(pc.is_null(ids), pc.fill_null(pc.equal(ids, ""), fill_value=True))
        _add(faults, empty, "it has no id")
        return ids

    def _times(self, batch: Batch, faults: Faults) -> pa.Array:
        name = str(self.mapping.time)
        column = batch.columns.get(name, [None] * len(batch))
        times, wrong = read_column(column, "timestamp", unit=self.mapping.time_unit)
        _tell(faults, wrong, "the time")
        micros = times.cast(pa.int64())
        _add(faults, pc.is_null(micros), "it has no time")
        self._refuse_future(micros, "the time", faults)
        return pc.fill_null(micros, 0)

    def _status(self, batch: Batch, faults: Faults) -> pa.Array:
        """Return the status of each row: what the log says, any below 400 as 200."""
        column = batch.columns.get(self.mapping.status) if self.mapping.status else None
        if column is None:
            return pa.repeat(pa.scalar(OK, pa.int64()), len(batch))
        status, wrong = read_column(column, "int")
        _tell(faults, wrong, "the status")
        status = pc.fill_null(status, OK)
        _add(
            faults,
            pc.or_(pc.less(status, FIRST_STATUS), pc.greater(status, LAST_STATUS)),
            "the status is no HTTP status",
        )
        return pc.if_else(pc.less(status, FIRST_ERROR), OK, status)

    def _require_answers(self, answers: Answers, failed: pa.BooleanArray, faults: Faults) -> None:
        _add(faults, pc.and_not(pc.is_null(answers.prediction), failed), "it has no prediction")

    def _plain_columns(self, batch: Batch, faults: Faults) -> dict[str, pa.Array]:
        mapping = self.mapping
        version = self._text(batch, mapping.version, "the version", faults, LONGEST_VERSION)
        version = pc.if_else(pc.equal(version, ""), None, version)
        found = {
            "model_version": pc.fill_null(version, UNVERSIONED),
            "user_id": self._kept("user_id", self._text(batch, mapping.user, "the user", faults, LONGEST_ID)),
            "session_id": self._kept(
                "session_id", self._text(batch, mapping.session, "the session", faults, LONGEST_ID)
            ),
            "error_code": self._text(batch, mapping.error, "the error", faults, LONGEST_ID),
            "latency_ms": pa.nulls(len(batch), pa.float64()),
        }
        if mapping.latency_ms in batch.columns:
            values, wrong = read_column(batch.columns[str(mapping.latency_ms)], "float")
            _tell(faults, wrong, "the latency")
            impossible = pc.or_(pc.less(values, 0), pc.invert(pc.is_finite(values)))
            _add(faults, pc.fill_null(impossible, fill_value=False), "the latency is negative or not finite")
            found["latency_ms"] = values
        return found

    def _places(self, batch: Batch, faults: Faults) -> tuple[pa.Array, pa.Array]:
        """Return each row's place in its request, and the request's rows."""
        if self.mapping.row is None:
            return pa.repeat(pa.scalar(0, pa.int64()), len(batch)), pa.repeat(pa.scalar(1, pa.int64()), len(batch))
        parts = []
        for name in (self.mapping.row, self.mapping.rows):
            values, wrong = read_column(batch.columns.get(str(name), [None] * len(batch)), "int")
            _tell(faults, wrong, "the row")
            parts.append(pc.fill_null(values, -1))
        row, rows = parts
        outside = pc.or_(pc.less(row, 0), pc.or_(pc.greater_equal(row, rows), pc.greater(rows, MAX_ROWS)))
        _add(faults, outside, "the row is not one of the request's rows")
        return row, pc.if_else(outside, 1, rows)

    def _features(self, batch: Batch, faults: Faults) -> tuple[dict[str, pa.Array], tuple[str, ...]]:
        chosen, left_out = self._chosen(batch)
        found: dict[str, pa.Array] = {}
        for name in chosen:
            own, column = self.mapping.name_of(name), batch.columns[name]
            known_as = column_of(own)
            if {own, known_as} & {*self.spec.capture.redact}:
                continue
            kind = self.types.get(known_as) or self.mapping.types.get(own) or guess_kind(column)
            if kind is None:
                left_out += _if_any(name, column)
                continue
            values, wrong = read_column(column, kind)
            _tell(faults, wrong, f"{own[:80]} (a {kind})")
            self.types[known_as] = kind
            found[known_as] = values
        return found, left_out

    def _chosen(self, batch: Batch) -> tuple[list[str], tuple[str, ...]]:
        """Return the columns that are features, and those that hold no plain values and were not asked for."""
        if self.mapping.id[0].startswith(_ID_OF_LOG):
            wanted = self.mapping.features
            names = [n for n in batch.columns if n[:1] != _ID_OF_LOG and (wanted is None or n in wanted)]
            check_names(self.mapping, self.spec, names)
            return names, ()
        nested = [name for name, one in batch.columns.items() if isinstance(one, pa.Array) and not is_plain(one.type)]
        null = [n for n in nested if pa.types.is_null(batch.columns[n].type)]  # type: ignore[union-attr]
        names = feature_columns(self.mapping, self.spec, list(batch.columns))
        if self.mapping.features is not None:
            return names, ()
        return [name for name in names if name not in nested], tuple(n for n in nested if n in names and n not in null)

    def _labels(self, batch: Batch, micros: pa.Array, faults: Faults) -> tuple[pa.Array, pa.Array]:
        """Return each row's label and when it became known: when its prediction was made where nobody says."""
        number = self.spec.task == "regression"
        kind = pa.float64() if number else pa.string()
        if self.mapping.label is None or self.mapping.label not in batch.columns:
            return pa.nulls(len(batch), kind), micros
        read = finite_of if number else class_reader(self.spec.classes, "the label")
        labels, wrong = read_distinct(batch.columns[self.mapping.label], _empty_is_none(read), kind)
        _tell(faults, wrong, "the label" if number else "")
        if self.mapping.labelled_at not in batch.columns:
            return labels, micros
        times, wrong = read_column(
            batch.columns[str(self.mapping.labelled_at)], "timestamp", unit=self.mapping.time_unit
        )
        _tell(faults, wrong, "the label's time")
        known_at = pc.coalesce(times.cast(pa.int64()), micros)
        self._refuse_future(pc.if_else(pc.is_valid(labels), known_at, None), "the label's time", faults)
        return labels, known_at

    def _refuse_future(self, micros: pa.Array, what: str, faults: Faults) -> None:
        latest = pc.max(micros).as_py()
        if latest is None or not time_fault(latest, self.now):
            return
        for place, value in enumerate(micros.to_pylist()):
            why = None if value is None else time_fault(value, self.now)
            if why:
                faults.setdefault(place, f"{what} {why}")

    def _label_rows(self, log: pa.Table, labels: pa.Array, known_at: pa.Array) -> pa.Table:
        """Return the rows of the labels that there are of answered predictions; all are of the same rows in order."""
        has = pc.and_(pc.is_valid(labels), pc.equal(log.column("status").combine_chunks(), OK))
        rows = log.select(["prediction_id", "request_id", "row_index", "event_time", "received_at"]).filter(has)
        labels, times = labels.filter(has), known_at.filter(has)
        return (
            rows.append_column("label_id", label_ids(rows.column("prediction_id").combine_chunks(), labels, times))
            .append_column("label", labels)
            .append_column("labelled_at", times.cast(pa.timestamp("us", "UTC")))
            .append_column("source", pa.repeat(pa.scalar(LABEL_SOURCE), len(rows)))
        )

    def _text(self, batch: Batch, name: str | None, what: str, faults: Faults, longest: int) -> pa.Array:
        column = batch.columns.get(name) if name else None
        if column is None:
            return pa.nulls(len(batch), pa.string())
        values, wrong = read_column(column, "text", longest=longest)
        _tell(faults, wrong, what)
        return values

    def _kept(self, name: str, values: pa.Array) -> pa.Array:
        """Return a caller's field, or nothing where the capture policy redacts it."""
        return pa.nulls(len(values), pa.string()) if name in self.spec.capture.redact else values


def _if_any(name: str, column: Column) -> tuple[str, ...]:
    """Return the name of a column of JSON that has values, none of them plain."""
    return (name,) if isinstance(column, list) and any(value is not None for value in column) else ()


def _empty_is_none(read: Any) -> Any:
    def reader(value: Any) -> Any:
        return None if isinstance(value, str) and not value.strip() else read(value)

    return reader


def _tell(faults: Faults, wrong: Faults, what: str) -> None:
    for place, why in wrong.items():
        faults.setdefault(place, f"{what} {why}".strip())


def _add(faults: Faults, mask: pa.BooleanArray, why: str) -> None:
    if pc.any(mask).as_py():
        for place, hit in enumerate(mask.to_pylist()):
            if hit:
                faults.setdefault(place, why)
