"""Inserts rows that may be there already, on SQLite and PostgreSQL."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite


def insert_new(connected: sa.Connection, table: sa.Table, values: Mapping[str, Any]) -> bool:
    """Insert a row unless there is one with its key; return whether it was inserted."""
    insert = postgresql.insert if connected.dialect.name == "postgresql" else sqlite.insert
    return connected.execute(insert(table).values(**values).on_conflict_do_nothing()).rowcount > 0
