"""The lake's declarations as Arrow schemas."""

import pyarrow as pa

from modelops_pipelines.core.tables.columns import ColumnType, Table

ARROW: dict[ColumnType, pa.DataType] = {
    "text": pa.string(),
    "json": pa.string(),
    "int": pa.int64(),
    "float": pa.float64(),
    "bool": pa.bool_(),
    "timestamp": pa.timestamp("us", "UTC"),
    "date": pa.date32(),
    "ints": pa.list_(pa.int64()),
    "floats": pa.list_(pa.float64()),
}


def arrow_schema(table: Table) -> pa.Schema:
    """Return the lake table's schema."""
    return pa.schema([pa.field(c.name, ARROW[c.type], nullable=True) for c in table.columns])
