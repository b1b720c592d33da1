"""Reading what was derived, for people: newest rows of a table, an endpoint's state."""

from datetime import timedelta
from typing import Any

import duckdb

from modelops_pipelines.core.endpoint import EndpointSpec
from modelops_pipelines.core.errors import InputError
from modelops_pipelines.core.tables import LAKE, Table
from modelops_pipelines.core.windows import LENGTH, window_of
from modelops_pipelines.store import sql
from modelops_pipelines.store.lake import connection
from modelops_pipelines.store.stores import Stores


def newest(stores: Stores, spec: EndpointSpec, table: Table, windows: int = 7) -> list[dict[str, Any]]:
    """Return a window-keyed table's rows of the last windows before the watermark, oldest first."""
    watermark = stores.journal.progress(spec.name).watermark
    if watermark is None:
        return []
    last = window_of(watermark, spec.window)
    since = last - (windows - 1) * LENGTH[spec.window]
    days = [(since + timedelta(days=n)).date() for n in range((last.date() - since.date()).days + 1)]
    with stores.lake.query(spec.name, [table], days) as connected:
        result = connected.execute(sql.newest_rows(table.name), {"since": since})
        names = [column[0] for column in result.description or []]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def query_lake(stores: Stores, query: str, endpoint: str | None = None) -> list[dict[str, Any]]:
    """Run a person's query over snapshots of every endpoint's tables, as ``endpoint.table``; it can read nothing else.

    The tables of ``endpoint`` (of the only endpoint, when there is but one) also go by their bare names. Raises
    InputError with DuckDB's words when the query is wrong.
    """
    names = stores.lake.endpoints()
    default = endpoint or (names[0] if len(names) == 1 else None)
    with connection(stores.settings.lake) as connected:
        for name in names:
            connected.execute(sql.create_schema(name))
            for table in LAKE:
                view = f"{name}.{table.name}"
                stores.lake.attach(connected, view, name, table)
                connected.execute(sql.alias_view(view, table.name, name))
                if name == default:
                    connected.execute(sql.alias_view(view, table.name))
        try:
            result = connected.execute(query)
        except duckdb.Error as error:
            tables = ", ".join(f"{name}.{table.name}" for name in names for table in LAKE) or "none yet"
            raise InputError(f"The query failed ({error})", f"Tables: {tables}") from error
        columns = [column[0] for column in result.description or []]
        return [dict(zip(columns, row, strict=True)) for row in result.fetchall()]
