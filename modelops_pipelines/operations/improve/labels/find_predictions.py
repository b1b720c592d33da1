"""Finds the predictions in the log that labels name by a key."""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.improve.labels.matching import Answered, Candidate
from modelops_pipelines.core.models.class_names import class_name
from modelops_pipelines.core.tables.columns import ColumnType, Table
from modelops_pipelines.core.tables.keyed_labels import NEW
from modelops_pipelines.operations.lake.endpoint_tables import log_table
from modelops_pipelines.store.lake import sql
from modelops_pipelines.store.lake.arrow_schemas import ARROW
from modelops_pipelines.store.stores import Stores

Row = Mapping[str, Any]
Requests = Mapping[str, Answered]
_SYSTEM = {"keyed_id", "entity_time", "within", "until"}
_LARGEST = 2**63
_MOMENT = pa.timestamp("us", "UTC")


def by_request(
    stores: Stores, spec: EndpointSpec, rows: Sequence[Row], changed: Collection[date]
) -> dict[str, Requests]:
    """Return the requests that labels name by the caller's own id, by the label's id and the request's.

    New labels are looked up in the whole log, others on the days whose rows have changed.
    """
    new = [row for row in rows if row["status"] == NEW]
    others = [row for row in rows if row["status"] != NEW]
    found: dict[str, dict[str, Answered]] = {}
    for part, days in ((new, None), (others, sorted(changed))):
        if not part or days == []:
            continue
        types = {name: pa.string() for name in ("keyed_id", "client_request_id", "key_id")} | {"until": _MOMENT}
        keyed = pa.table({name: pa.array([row[name] for row in part], kind) for name, kind in types.items()})
        with stores.lake.query(spec.name, [log_table(stores, spec)], days) as connected:
            connected.register("keyed", keyed)
            answers = connected.execute(sql.named("requests_by_client_id")).fetchall()
        for label, request, count, at, own in answers:
            found.setdefault(label, {})[request] = Answered(count, at.astimezone(UTC), own)
    return dict(found)


def by_entity(
    stores: Stores, spec: EndpointSpec, rows: Sequence[Row], changed: Collection[date], now: datetime
) -> dict[str, Candidate]:
    """Return the nearest prediction of each label's entity, by the label's id; those without one are left out.

    New labels are looked up on all days on which it can be, others on those of them whose rows have changed. A value
    that is none of its column's type, or of a column that the log does not have, matches nothing.
    """
    log = log_table(stores, spec)
    groups: dict[tuple[tuple[str, ...], bool], list[tuple[Row, Mapping[str, Any]]]] = {}
    for row in rows:
        values = json.loads(row["entity"])
        groups.setdefault((tuple(sorted(values)), bool(row["until"] < now)), []).append((row, values))
    found: dict[str, Candidate] = {}
    for (names, passed), members in groups.items():
        typed = _typed(log, names, members)
        if typed is None:
            continue
        new = _days([row for row, _ in members if row["status"] == NEW])
        days = sorted(new | (_days([row for row, _ in members]) & {*changed}))
        if not days:
            continue
        with stores.lake.query(spec.name, [log], days) as connected:
            connected.register("keyed", typed)
            query = sql.nearest_predictions(log, names, captured_by_until=passed)
            for label, at, prediction in connected.execute(query).fetchall():
                found[label] = Candidate(at.astimezone(UTC), prediction)
    return found


def _typed(log: Table, names: Sequence[str], members: Sequence[tuple[Row, Mapping[str, Any]]]) -> pa.Table | None:
    """Return the labels with their entities' values in the log's types; None where the log lacks a column."""
    types = {column.name: column.type for column in log.columns}
    if not names or not set(names) <= set(types) - _SYSTEM:
        return None
    read = [(row, {name: _value(values[name], types[name]) for name in names}) for row, values in members]
    kept = [(row, values) for row, values in read if all(value is not None for value in values.values())]
    columns: dict[str, Any] = {name: pa.array([v[name] for _, v in kept], ARROW[types[name]]) for name in names}
    columns["keyed_id"] = pa.array([row["keyed_id"] for row, _ in kept], pa.string())
    columns["within"] = pa.array([row["within"] for row, _ in kept], pa.int64())
    for name in ("entity_time", "until"):
        columns[name] = pa.array([row[name] for row, _ in kept], _MOMENT)
    return pa.table(columns)


def _value(given: Any, kind: ColumnType) -> Any:
    """Return a value in a column's type, None for one that is none."""
    try:
        if kind == "int":
            number = int(given) if not isinstance(given, float) or given.is_integer() else None
            return number if number is not None and abs(number) < _LARGEST else None
        if kind == "float":
            return float(given)
        if kind == "bool":
            return {"true": True, "1": True, "false": False, "0": False}.get(str(given).lower())
        if kind == "timestamp":
            moment = datetime.fromisoformat(str(given))
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, TypeError, OverflowError):
        return None
    return (given if isinstance(given, str) else class_name(given)) if kind == "text" and given is not None else None


def _days(rows: Sequence[Row]) -> set[date]:
    """Return the days on which these labels' predictions can be."""
    days: set[date] = set()
    for row in rows:
        last, first = row["entity_time"].date(), (row["entity_time"] - timedelta(seconds=row["within"])).date()
        days |= {first + timedelta(days=number) for number in range((last - first).days + 1)}
    return days
