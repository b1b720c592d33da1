"""Reads derived tables for people: the newest rows of a table, and SQL queries over the lake."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import duckdb

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import InputError, OnboardingError
from modelops_pipelines.core.tables.columns import Table
from modelops_pipelines.core.tables.derivations import lake_tables
from modelops_pipelines.core.tables.lake import STREAMS
from modelops_pipelines.core.windows import LENGTH
from modelops_pipelines.operations.endpoints.configurations import configured
from modelops_pipelines.operations.endpoints.lookup import endpoint_named
from modelops_pipelines.operations.lake.endpoint_tables import stream_table
from modelops_pipelines.store.lake import sql
from modelops_pipelines.store.lake.reader import connection
from modelops_pipelines.store.stores import Stores

SHIPPED = ("health_hourly", "health_daily")
"""Queries shipped with the project: files under ``store/lake/queries``."""
_DUCKDB_S_OWN = {"main", "temp", "system", "memory", "information_schema", "pg_catalog"}
"""Names that DuckDB reserves: an endpoint of such a name has its tables under their bare names only."""
_STREAM_OF = {table.name: stream for stream, table in STREAMS.items()}


class Read(Protocol):
    """``newest`` of one endpoint over an open connection."""

    def __call__(
        self,
        table: Table,
        windows: int = 7,
        columns: Sequence[str] | None = None,
        only: Mapping[str, Sequence[str]] | None = None,
    ) -> list[dict[str, Any]]:
        """Return a table's rows of its last windows; ``only`` those whose columns have one of these values."""


def newest(
    stores: Stores, spec: EndpointSpec, table: Table, windows: int = 7, columns: Sequence[str] | None = None
) -> list[dict[str, Any]]:
    """Return the rows of a table's last windows, oldest first. Reads the lake only, and few partitions.

    All columns, unless ``columns`` names some.
    """
    with newest_reader(stores, spec) as read:
        return read(table, windows, columns)


@contextmanager
def newest_reader(stores: Stores, spec: EndpointSpec) -> Iterator["Read"]:
    """Connect to DuckDB once, and yield ``newest`` for any number of tables."""
    with stores.lake.query(spec.name, []) as connected:

        def read(
            table: Table,
            windows: int = 7,
            columns: Sequence[str] | None = None,
            only: Mapping[str, Sequence[str]] | None = None,
        ) -> list[dict[str, Any]]:
            last = stores.lake.last_date(spec.name, table.name)
            if last is None:
                return []
            span = (windows - 1) * LENGTH[spec.window]
            days = [last - timedelta(days=n) for n in range(span.days + 2)]
            stores.lake.attach(connected, table.name, spec.name, table, days)
            wanted = {f"only_{place}": list(values) for place, values in enumerate((only or {}).values())}
            query = sql.newest_rows(table, list(only or {}))
            found = connected.sql(query, params={"size": spec.window, "span": span, **wanted})
            shown = found.project(sql.columns_of(table, columns)) if columns else found
            names = shown.columns
            return [dict(zip(names, row, strict=True)) for row in shown.fetchall()]

        yield read


def query_lake(stores: Stores, query: str, endpoint: str | None = None) -> list[dict[str, Any]]:
    """Run a user's query over snapshots of every endpoint's tables, as ``endpoint.table``; it can read nothing else.

    The tables of ``endpoint`` (of the only endpoint, when there is one) are also known by their bare names. Raises
    InputError with DuckDB's message when the query fails, UnknownError when there is no such endpoint.
    """
    specs = _readable_specs(stores)
    names = sorted({*stores.lake.endpoints(), *specs})
    if endpoint is not None and endpoint not in names:
        endpoint_named(stores, endpoint)
    default = endpoint or (names[0] if len(names) == 1 else None)
    with ExitStack() as held:
        connected = held.enter_context(connection(stores.settings.lake))
        for name in names:
            held.enter_context(stores.lake.reading(name))
            shown = [*([name] if name not in _DUCKDB_S_OWN else []), *(["main"] if name == default else [])]
            _create_views(connected, stores, specs.get(name), name, shown)
        try:
            return _run_select(connected, query)
        except duckdb.Error as error:
            tables = ", ".join(table.name for table in lake_tables())
            known = ", ".join(names) or "none yet"
            fix = f"Tables are ENDPOINT.TABLE; endpoints: {known}; tables: {tables}"
            raise InputError(f"The query failed ({error})", fix) from error


def query_text(named: str) -> str:
    """Return the query in a file, or a shipped query by its name; raises InputError when there is neither."""
    path = Path(named)
    if not path.exists() and named.removesuffix(".sql") in SHIPPED:
        return sql.named(named.removesuffix(".sql"))
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        fix = f"Name a file of UTF-8 text, or one of: {', '.join(SHIPPED)}"
        raise InputError(f"The query {named} cannot be read ({error})", fix) from error


def _create_views(
    connected: duckdb.DuckDBPyConnection, stores: Stores, spec: EndpointSpec | None, name: str, schemas: list[str]
) -> None:
    """Create views of an endpoint's tables in these schemas."""
    for schema in schemas:
        if schema != "main":
            connected.execute(sql.create_schema(schema))
    for table in _tables_of(stores, spec):
        view = f"{name}.{table.name}"
        stores.lake.attach(connected, view, name, table)
        for schema in schemas:
            connected.execute(sql.alias_view(view, table.name, schema))


def _readable_specs(stores: Stores) -> dict[str, EndpointSpec]:
    """Return the endpoints by name; none without their folder: the lake can be read all the same."""
    try:
        return {spec.name: spec for spec in configured(stores.settings)}
    except OnboardingError:
        return {}


def _tables_of(stores: Stores, spec: EndpointSpec | None) -> list[Table]:
    """Return the lake's tables; the log has its feature columns even before its first row."""
    return [
        stream_table(stores, spec, _STREAM_OF[table.name]) if spec and table.name in _STREAM_OF else table
        for table in lake_tables()
    ]


def _run_select(connected: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    """Run one SELECT; anything else is refused, because DuckDB could write to the lake's files, which it can read."""
    statements = connected.extract_statements(query)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        found = ", ".join(statement.type.name for statement in statements) or "nothing"
        raise InputError(f"The query is not one SELECT (found: {found})", "Write one SELECT, DESCRIBE or SUMMARIZE")
    result = connected.execute(statements[0])
    columns = _distinct_names([column[0] for column in result.description or []])
    return [dict(zip(columns, row, strict=True)) for row in result.fetchall()]


def _distinct_names(names: list[str]) -> list[str]:
    """Return the names with a number after each repetition, so that no column hides another."""
    distinct: list[str] = []
    for name in names:
        unused = (f"{name}_{number}" for number in range(1, len(names) + 1))
        distinct.append(name if name not in distinct else next(one for one in unused if one not in distinct))
    return distinct
