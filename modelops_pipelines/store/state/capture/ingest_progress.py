"""Ingest progress of each endpoint: the watermark, and the counts of predictions and labels."""

from dataclasses import asdict, dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping

from modelops_pipelines.store.state.database import Database, from_micros, to_micros
from modelops_pipelines.store.state.sql_tables import STATE_TABLES

_PROGRESS = STATE_TABLES["progress"]


@dataclass(frozen=True)
class Progress:
    """The ingest progress of an endpoint."""

    endpoint: str
    watermark: datetime | None
    predictions: int
    labels: int


class IngestProgress:
    """The store of ingest progress, one record per endpoint. Each write is one transaction."""

    def __init__(self, database: Database) -> None:
        """Share the database with the other stores."""
        self._database = database

    def record(self, progress: Progress, now: datetime) -> None:
        """Record the progress."""
        values = {**asdict(progress), "watermark": to_micros(progress.watermark), "at": to_micros(now)}
        with self._database.begin() as connected:
            connected.execute(_PROGRESS.delete().where(_PROGRESS.c.endpoint == progress.endpoint))
            connected.execute(_PROGRESS.insert().values(**values))

    def of(self, endpoint: str) -> Progress:
        """Return the progress; the watermark is None before the first prediction."""
        with self._database.read() as connected:
            row = connected.execute(sa.select(_PROGRESS).where(_PROGRESS.c.endpoint == endpoint)).mappings().first()
        return Progress(endpoint, None, 0, 0) if row is None else _progress(row)

    def all(self) -> dict[str, Progress]:
        """Return the progress of every endpoint that has any."""
        with self._database.read() as connected:
            return {row["endpoint"]: _progress(row) for row in connected.execute(sa.select(_PROGRESS)).mappings()}


def _progress(row: RowMapping) -> Progress:
    return Progress(row["endpoint"], from_micros(row["watermark"]), row["predictions"], row["labels"])
