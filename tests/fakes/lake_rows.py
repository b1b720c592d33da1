"""Rows of derived tables put into the lake by hand, for tests of what is shown of them."""

from typing import Any

import pyarrow as pa

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.tables.columns import Table
from modelops_pipelines.store.lake.arrow_schemas import arrow_schema
from modelops_pipelines.store.stores import Stores


def write(stores: Stores, spec: EndpointSpec, table: Table, rows: list[dict[str, Any]]) -> None:
    """Write rows of a window-keyed table; what a row does not say is null."""
    made = pa.Table.from_pylist([{**row, "date": row["window_start"].date()} for row in rows], arrow_schema(table))
    stores.writer.replace_windows(spec.name, table, made, sorted({row["window_start"] for row in rows}))
