"""All SQL of the project: files with named parameters, and the few statements whose columns vary.

Columns vary with an endpoint's features. Only names that a table declares are inserted, quoted; values are always
bound.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from modelops_pipelines.core.tables.columns import Column, ColumnType, Table

if TYPE_CHECKING:
    import duckdb

_DUCKDB: dict[ColumnType, str] = {
    "text": "VARCHAR",
    "json": "VARCHAR",
    "int": "BIGINT",
    "float": "DOUBLE",
    "bool": "BOOLEAN",
    "timestamp": "TIMESTAMPTZ",
    "date": "DATE",
    "ints": "BIGINT[]",
    "floats": "DOUBLE[]",
}
_PLAIN = re.compile(r"[a-z]+(_[a-z]+)+|segment")
_ANSWERED = "status = 200 AND source <> 'test'"
_HAS_FEATURES = "(coalesce(sampled, true) AND NOT coalesce(truncated, false))"
"""Features neither dropped by sampling nor too large; rows of release 0.1 have neither column and all features."""


@cache
def named(name: str) -> str:
    """Return the text of ``queries/<name>.sql``."""
    return files("modelops_pipelines.store.lake").joinpath("queries", f"{name}.sql").read_text()


def quoted(name: str) -> str:
    """Return an identifier in double quotes, its own quotes doubled."""
    return '"' + name.replace('"', '""') + '"'


def columns_of(table: Table, names: Sequence[str]) -> str:
    """Return a list of quoted columns; raises KeyError for a name that the table does not declare."""
    unknown = set(names) - set(table.names)
    if unknown:
        raise KeyError(f"{table.name} has no column {sorted(unknown)}")
    return ", ".join(quoted(name) for name in names)


def answered_columns(table: Table, names: Sequence[str]) -> str:
    """Return the query of an answered window's columns, and ``sampled``: whether the row's features were kept.

    Parameters: size, windows.
    """
    return (
        f"SELECT date_trunc($size, event_time) AS window_start, model_version, {_HAS_FEATURES} AS sampled, "
        f"{columns_of(table, names)} "
        f"FROM inference_log WHERE {_ANSWERED} "
        "AND list_contains($windows, date_trunc($size, event_time)) ORDER BY window_start, model_version"
    )


def answered_of_windows(table: Table, names: Sequence[str]) -> str:
    """Return the query of a version's rows in windows, and ``sampled``, in an order that is always the same.

    Parameters: size, windows (their starts), version, most.
    """
    return (
        f"SELECT {_HAS_FEATURES} AS sampled, {columns_of(table, names)} FROM inference_log "
        f"WHERE {_ANSWERED} AND model_version = $version AND list_contains($windows, date_trunc($size, event_time)) "
        "ORDER BY event_time, prediction_id LIMIT $most"
    )


def answered_until(table: Table, names: Sequence[str]) -> str:
    """Return the query of a version's rows in a window, in order of time, and of the last ``most`` before it.

    ``caller_of_row`` is who sent a row: the user, else the session, else the request alone. Parameters: version, start
    (how far back at most), window, end, most.
    """
    ordered = list(dict.fromkeys(["prediction_id", *names]))
    of_version = (
        f"SELECT event_time, {_HAS_FEATURES} AS sampled, coalesce(user_id, session_id, request_id) AS caller_of_row, "
        f"{columns_of(table, ordered)} FROM inference_log WHERE {_ANSWERED} AND model_version = $version"
    )
    earlier = (
        f"{of_version} AND event_time >= $start AND event_time < $window "
        "ORDER BY event_time DESC, prediction_id DESC LIMIT $most"
    )
    return (
        f"SELECT event_time, sampled, caller_of_row, {columns_of(table, names)} FROM (({earlier}) UNION ALL "
        f"({of_version} AND event_time >= $window AND event_time < $end)) ORDER BY event_time, prediction_id"
    )


def features_of(table: Table, features: Sequence[str]) -> str:
    """Return the query of a prediction's features, where they were kept. Parameters: prediction_id."""
    mine = f"prediction_id = $prediction_id AND {_HAS_FEATURES}"
    return f"SELECT {columns_of(table, features)} FROM inference_log WHERE {mine}"


def sampled_log(table: Table, features: Sequence[str]) -> str:
    """Return the query of a sample of the answered rows with features: always the same ones. Parameter: most."""
    return (
        f"SELECT prediction_id{''.join(f', {quoted(name)}' for name in _declared(table, features))} FROM inference_log "
        f"WHERE {_ANSWERED} AND {_HAS_FEATURES} ORDER BY md5(prediction_id) LIMIT $most"
    )


def rebuilt_rows(table: Table, features: Sequence[str]) -> str:
    """Return the query of the rows of a training set as the log has them now, in their order.

    Position, id, event time, whether the prediction is there, origin, features, label: that of the row's source, or,
    where no source is recorded, the newest that had arrived. Needs wanted (position, row_id, event_time, origin,
    source_id) and accepted. Parameters: acceptance, arrived_by (null: sources are recorded).
    """
    return (
        f"WITH source_label AS ({named('source_label')}) "
        "SELECT w.position, w.row_id, coalesce(p.event_time, w.event_time), p.prediction_id IS NOT NULL, w.origin, "
        f"{''.join(f'p.{quoted(name)}, ' for name in _declared(table, features))}l.label "
        "FROM wanted AS w LEFT JOIN inference_log AS p ON p.prediction_id = w.row_id "
        "LEFT JOIN source_label AS l ON l.position = w.position ORDER BY w.position"
    )


def _declared(table: Table, names: Sequence[str]) -> Sequence[str]:
    columns_of(table, names)
    return names


def answered_sample(table: Table, features: Sequence[str]) -> str:
    """Return the query of a reproducible sample of answered rows with their features, prediction and score.

    Parameters: since, until, most.
    """
    return (
        f"SELECT prediction_id, event_time, {columns_of(table, ['prediction', 'score', *features])} FROM inference_log "
        f"WHERE {_ANSWERED} AND {_HAS_FEATURES} AND event_time BETWEEN $since AND $until "
        "ORDER BY md5(prediction_id), prediction_id LIMIT $most"
    )


def nearest_predictions(table: Table, entity: Sequence[str], *, captured_by_until: bool) -> str:
    """Return the query of the newest prediction of each label's entity up to its time, at most ``within`` before it.

    Needs the view keyed: keyed_id, entity_time, within (seconds), until, and the entity's columns. A label matches
    predictions that were captured by its ``until``; the query takes that for granted unless ``captured_by_until``,
    which compares all pairs of an entity's labels and predictions.
    """
    answered = f"SELECT * FROM inference_log WHERE {_ANSWERED}"
    equal = " AND ".join(f"k.{quoted(name)} = l.{columns_of(table, [name])}" for name in entity)
    near = "l.event_time >= k.entity_time - to_seconds(k.within)"
    if captured_by_until:
        newest = "max({'at': l.event_time, 'id': l.prediction_id})"
        return (
            f"SELECT keyed_id, newest.at, newest.id FROM (SELECT k.keyed_id, {newest} AS newest FROM keyed AS k "
            f"JOIN ({answered}) AS l ON {equal} AND l.event_time <= k.entity_time AND {near} "
            'AND l.received_at <= k."until" GROUP BY k.keyed_id)'
        )
    columns = columns_of(table, [*entity, "event_time"])
    one_a_time = f"SELECT {columns}, max(prediction_id) AS id FROM ({answered}) GROUP BY {columns}"
    return (
        f"SELECT k.keyed_id, l.event_time, l.id FROM keyed AS k ASOF JOIN ({one_a_time}) AS l "
        f"ON {equal} AND k.entity_time >= l.event_time WHERE {near}"
    )


def subquery(query: str, cursor: str | None) -> str:
    """Return a query of the rows of a user's query; with a cursor those from its value on. Parameter: since."""
    since = "" if cursor is None else f" WHERE {quoted(cursor)} >= $since"
    return f"SELECT * FROM ({query}\n) AS given{since}"


def feedback_page() -> str:
    """Return the query of the feedback found, the newest first. Parameters: those of feedback_found, and limit."""
    return f"SELECT * FROM ({named('feedback_found')}) ORDER BY received_at DESC, feedback_id DESC LIMIT $limit"


def feedback_counts() -> str:
    """Return the query of the counts of the feedback found. Parameters: those of feedback_found."""
    return f"WITH found AS ({named('feedback_found')}) {named('feedback_counts')}"


def newest_rows(table: Table, only: Sequence[str] = ()) -> str:
    """Return the query of a table's rows from a span before its last window on; rows may be of hours.

    Parameters: size, span, and for each column of ``only`` the values that it may have, as only_0, only_1 and so on.
    """
    name = quoted(table.name)
    last = f"SELECT date_trunc($size, max(window_start)) FROM {name}"
    among = [f" AND list_contains($only_{n}, {columns_of(table, [column])})" for n, column in enumerate(only)]
    return f"SELECT * FROM {name} WHERE window_start >= ({last}) - $span{''.join(among)} ORDER BY ALL"


def rows_to_show(
    table: Table, size: str, hours: int, equal: Mapping[str, str], other_than: Mapping[str, str] | None = None
) -> str:
    """Return a query that a person can run, and change: rows from hours before the table's newest window on.

    Its values are written into it, as literals. Raises KeyError for a column that the table does not declare.
    """
    columns_of(table, [*equal, *(other_than or {})])
    conditions = [f"window_start >= (SELECT date_trunc('{size}', max(window_start)) FROM {table.name})"]
    conditions[0] += f" - INTERVAL {hours} HOUR"
    for sign, values in (("=", equal), ("<>", other_than or {})):
        conditions += [f"{_legible(name)} {sign} {_literal(value)}" for name, value in values.items()]
    return f"SELECT * FROM {table.name} WHERE {' AND '.join(conditions)} ORDER BY ALL"


def _legible(name: str) -> str:
    """Return an identifier without quotes where it needs none, so that a shell does not need them escaped."""
    return name if _PLAIN.fullmatch(name) else quoted(name)


def _literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def id_view(column: str, view: str) -> str:
    """Return the statement that shows a table's id column as the view ``existing``."""
    return f"CREATE TEMP VIEW existing AS SELECT {quoted(column)} AS id FROM {quoted(view)}"


def with_nulls(missing: Sequence[Column]) -> str:
    """Return the projection of all columns that there are, and nulls for the missing ones."""
    return ", ".join(["*", *(_null(column) for column in missing)])


def empty_view(view: str, table: Table) -> str:
    """Return the statement for a view with the table's columns and no row."""
    columns = ", ".join(_null(column) for column in table.columns)
    return f"CREATE OR REPLACE TEMP VIEW {quoted(view)} AS SELECT {columns} WHERE false"


def temporary_view(view: str, relation: "duckdb.DuckDBPyRelation") -> str:
    """Return the statement for a view of a relation that only its own connection sees."""
    return f"CREATE OR REPLACE TEMP VIEW {quoted(view)} AS {relation.sql_query()}"


def _null(column: Column) -> str:
    return f"NULL::{_DUCKDB[column.type]} AS {quoted(column.name)}"


def create_schema(name: str) -> str:
    """Return the statement that makes a schema for an endpoint's views."""
    return f"CREATE SCHEMA {quoted(name)}"


def alias_view(view: str, table: str, schema: str = "main") -> str:
    """Return the statement that shows a temporary view as ``schema.table``."""
    return f"CREATE VIEW {quoted(schema)}.{quoted(table)} AS SELECT * FROM temp.{quoted(view)}"
