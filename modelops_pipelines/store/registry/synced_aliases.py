"""Aliases and stages as last written to the registry from here.

The state database keeps them, to distinguish an alias that was moved by hand in MLflow from one that is behind.
"""

from collections.abc import Mapping
from datetime import datetime

import sqlalchemy as sa

from modelops_pipelines.store.state.database import Database, to_micros
from modelops_pipelines.store.state.sql_tables import STATE_TABLES

_MIRRORED = STATE_TABLES["mirrored"]


class SyncedAliases:
    """The store of synced aliases and stages. Each write is one transaction."""

    def __init__(self, database: Database) -> None:
        """Share the database with the other stores."""
        self._database = database

    def of(self, model_name: str) -> dict[str, str | None]:
        """Return the values last written to the registry for the model, by name: None for a removed alias."""
        query = sa.select(_MIRRORED.c.name, _MIRRORED.c.value).where(_MIRRORED.c.model_name == model_name)
        with self._database.read() as connected:
            return {row.name: row.value for row in connected.execute(query)}

    def record(self, model_name: str, values: Mapping[str, str | None], now: datetime) -> None:
        """Record the values that were written to the registry for the model."""
        rows = [{"model_name": model_name, "name": n, "value": v, "at": to_micros(now)} for n, v in values.items()]
        same = sa.and_(_MIRRORED.c.model_name == model_name, _MIRRORED.c.name.in_(list(values)))
        with self._database.begin() as connected:
            connected.execute(_MIRRORED.delete().where(same))
            if rows:
                connected.execute(_MIRRORED.insert(), rows)
