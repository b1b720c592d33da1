"""Judges a rule of a SQL file: one SELECT of one number, or of rows that are each a culprit.

The query sees the endpoint's tables under their own names, of the span and of LOOKBACK before it; ``$start`` and
``$end`` are the span's bounds, and ``label_now`` is each prediction's current label. It reads nothing else, writes
nothing, and is ended after LONGEST seconds. Whatever is wrong with it is the reason why its rule is not judged.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from functools import partial
from math import isfinite
from pathlib import Path
from typing import Any

import duckdb

from modelops_pipelines.core.alerting.alerts import Verdict
from modelops_pipelines.core.endpoints.alert_rules import AlertRule
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.escaping import visible
from modelops_pipelines.core.foreign_text import QuotedError, error_text, type_name
from modelops_pipelines.core.tables.columns import Table
from modelops_pipelines.core.tables.derivations import lake_tables
from modelops_pipelines.core.tables.lake import STREAMS
from modelops_pipelines.core.windows import LENGTH, hours_of, text, windows_between
from modelops_pipelines.operations.alerting.judges.service import rows_by_hour, span_of, traffic_until
from modelops_pipelines.operations.alerting.judges.thresholds import (
    not_judged,
    severity_of,
    span_words,
    threshold_verdict,
)
from modelops_pipelines.operations.lake.endpoint_tables import stream_table
from modelops_pipelines.store.lake import sql
from modelops_pipelines.store.lake.reader import attach_files, connection, interrupted_after
from modelops_pipelines.store.stores import Stores

LOOKBACK = timedelta(days=31)
LONGEST = 30.0
MOST_SPANS = 48
"""The newest spans that are judged of many that changed: each runs the query."""
MOST_CULPRITS = 10_000
MOST_COUNTED = 2**53
"""The largest count that a query may give: up to it, each whole number is one of floating point too."""
NAMED, _COLUMNS, _CELL = 5, 8, 60
QUERY_FAILED = "the query failed"
_OF_THE_QUERY = (duckdb.BinderException, duckdb.CatalogException, duckdb.ParserException)
_LONGEST_ERROR = 300
_STREAM_OF = {table.name: stream for stream, table in STREAMS.items()}


class RuleQueryError(QuotedError, ValueError):
    """A query whose result is no verdict, in words of ours."""


def judge_sql(stores: Stores, spec: EndpointSpec, rule: AlertRule, windows: Sequence[datetime]) -> list[Verdict]:
    """Judge the span that ends with each hour that has requests, whatever the endpoint's window is."""
    hours = hours_of(windows, spec.window)
    by_hour = rows_by_hour(stores, spec, rule, hours)
    counts = {hour: traffic_until(rule, hour, by_hour).requests for hour in hours if hour in by_hour}
    spans = {hour: counts[hour] for hour in list(counts)[-MOST_SPANS:]}
    try:
        query = (Path.cwd() / str(rule.sql)).read_text(encoding="utf-8")
        with _connected(stores, spec, query, _dates(rule, list(spans))) as connected:
            return [_verdict(connected, query, rule, hour, requests) for hour, requests in spans.items()]
    except (OSError, ValueError) as error:
        why = f"{rule.sql} cannot be read ({type(error).__name__})"
        return [not_judged(rule, text(hour), requests, why) for hour, requests in spans.items()]


def _dates(rule: AlertRule, hours: Sequence[datetime]) -> list[date]:
    """Return the partitions that a query over these spans sees."""
    if not hours:
        return []
    starts = windows_between(span_of(rule, hours[0])[0] - LOOKBACK, hours[-1] + LENGTH["hour"], "day")
    return [start.date() for start in starts]


@contextmanager
def _connected(
    stores: Stores, spec: EndpointSpec, query: str, dates: Sequence[date]
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Connect to a DuckDB of its own, with views of the tables that the query names: it reads their files alone."""
    words = set(re.findall(r"\w+", query.lower()))
    wanted = [one for one in lake_tables() if one.name in words or (one.name == "labels" and "label_now" in words)]
    with stores.lake.reading(spec.name):
        found = {table.name: stores.lake.files(spec.name, table.name, dates) for table in wanted}
        with connection(None, files=[file for files in found.values() for file in files]) as connected:
            _attach(connected, stores, spec, wanted, found)
            if "label_now" in words:
                connected.execute(sql.named("label_now"))
            yield connected


def _attach(
    connected: duckdb.DuckDBPyConnection,
    stores: Stores,
    spec: EndpointSpec,
    tables: Sequence[Table],
    files: Mapping[str, list[str]],
) -> None:
    for table in tables:
        stream = _STREAM_OF.get(table.name)
        declared = table if stream is None else stream_table(stores, spec, stream)
        attach_files(connected, table.name, declared, files[table.name])


def _verdict(
    connected: duckdb.DuckDBPyConnection, query: str, rule: AlertRule, hour: datetime, requests: int
) -> Verdict:
    bounds = {"start": span_of(rule, hour)[0], "end": hour + LENGTH["hour"]}
    try:
        names, rows = _run(connected, query, bounds, 2 if rule.condition else MOST_CULPRITS + 1)
        if rule.condition is None:
            return _culprits_verdict(rule, hour, names, rows)
        return _number_verdict(rule, text(hour), rows, requests)
    except duckdb.InterruptException:
        return not_judged(rule, text(hour), requests, f"the query took over {LONGEST:.0f} s")
    except Exception as error:  # noqa: BLE001 - a query is the user's code, and its values are: any error is the reason
        return not_judged(rule, text(hour), requests, f"{QUERY_FAILED}: {_error_words(error)}")


def _error_words(error: Exception) -> str:
    """Return what may be shown of an error: all of one of the query's own text, which no row has been read for yet."""
    if not isinstance(error, _OF_THE_QUERY):
        return error_text(error)
    said = str(error).partition("\n\nLINE ")[0].partition(": ")[2]
    return f"{type_name(error)}: {visible(' '.join(said.split()))[:_LONGEST_ERROR]}"


def _run(
    connected: duckdb.DuckDBPyConnection, query: str, bounds: Mapping[str, datetime], most: int
) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Return the names of the columns and the first rows of one SELECT."""
    statements = connected.extract_statements(query)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise RuleQueryError("the file is not one SELECT")
    given = {name: bounds[name] for name in statements[0].named_parameters if name in bounds}
    with interrupted_after(connected, LONGEST):
        result = connected.execute(statements[0], given or None)
        return [column[0] for column in result.description or []], result.fetchmany(most)


def _number_verdict(rule: AlertRule, window: str, rows: list[tuple[Any, ...]], requests: int) -> Verdict:
    """Judge the number of the one row; its second column, where it has one, is the count that it stands on."""
    if not rows:
        return not_judged(rule, window, requests, "the query gave no row")
    if len(rows) > 1 or len(rows[0]) not in {1, 2}:
        raise RuleQueryError("it must return one row with one number, and the count that it stands on if it has one")
    counted = len(rows[0]) > 1
    n = _count(rows[0][1] or 0) if counted else requests
    minimum, unit = rule.minimum or 1, "rows" if counted else "requests"
    if n < minimum:
        return not_judged(rule, window, n, f"{n} {unit}; a verdict needs {minimum}")
    if rows[0][0] is None:
        return not_judged(rule, window, n, "the query gave null")
    return threshold_verdict(rule, datetime.fromisoformat(window), _number(rows[0][0]), n, unit)


def _count(value: object) -> int:
    number = _number(value)
    if not 0 <= number <= MOST_COUNTED:
        raise RuleQueryError(f"it returned the count {number:.4g}, which is not from 0 to 2^53")
    return int(number)


def _number(value: object) -> float:
    try:
        number = float(value)  # type: ignore[arg-type] # anything but a number raises
    except (TypeError, ValueError, OverflowError) as error:
        raise RuleQueryError(f"it returned a {type(value).__name__}, which is not a number") from error
    if not isfinite(number):
        raise RuleQueryError("it returned a number that is not finite")
    return number


def _culprits_verdict(rule: AlertRule, hour: datetime, names: list[str], rows: list[tuple[Any, ...]]) -> Verdict:
    """Return the verdict on rows that are each a culprit: one is enough to fail."""
    found, when = min(len(rows), MOST_CULPRITS), span_words(rule, hour, "hour")
    more = "over " if len(rows) > MOST_CULPRITS else ""
    message = f"{rule.name}: {more}{found or 'no'} culprit{'' if found == 1 else 's'} {when}"
    if rows:
        message += ": " + "; ".join(_culprit(names, row) for row in rows[:NAMED])
        message += f"; and {more}{found - NAMED} more" if found > NAMED else ""
    passed = not rows
    made = partial(Verdict, rule.name, rule.kind, severity_of(rule), passed, float(found))
    return made(None if passed else 0.0, found, text(hour), message)


def _culprit(names: Sequence[str], row: Sequence[object]) -> str:
    """Return a culprit on one line: its columns with their values, each cut."""
    cells = [f"{_short(name)}={_short(value)}" for name, value in zip(names[:_COLUMNS], row, strict=False)]
    return ", ".join(cells)


def _short(value: object) -> str:
    shown = text(value) if isinstance(value, datetime) and value.tzinfo is not None else str(value)
    line = visible(" ".join(shown[: 4 * _CELL].split()))
    return line if len(line) <= _CELL else f"{line[: _CELL - 1]}…"
