"""What lineage reads of the state's tables on the way from feedback to a better version. It writes nothing."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from modelops_pipelines.store.state.database import Database, from_micros, to_micros
from modelops_pipelines.store.state.sql_tables import STATE_TABLES

_CHECKS, _RUNS = STATE_TABLES["set_checks"], STATE_TABLES["training_runs"]
_ACCEPTED = STATE_TABLES["accepted_feedback"]
_SETS, _VERSIONS = STATE_TABLES["training_sets"], STATE_TABLES["model_versions"]
_GATES, _EVENTS = STATE_TABLES["gates"], STATE_TABLES["events"]
_TIMES = ("registered_at", "at", "started_at", "ended_at", "deleted_at", "event_time")
Row = Mapping[str, Any]


class LineageRecords:
    """Rows of several tables, as mappings from column to value; times are moments."""

    def __init__(self, database: Database) -> None:
        """Share the database with the other stores."""
        self._database = database

    def accepted_by(self, endpoint: str, until: datetime) -> dict[str, int]:
        """Return how many pieces of feedback each person had accepted until a moment."""
        count = sa.func.count().label("times")
        query = (
            sa.select(_ACCEPTED.c.actor, count).group_by(_ACCEPTED.c.actor).order_by(count.desc(), _ACCEPTED.c.actor)
        )
        wanted = (_ACCEPTED.c.endpoint == endpoint, _ACCEPTED.c.at <= to_micros(until))
        return {str(row["actor"]): int(row["times"]) for row in self._rows(query.where(*wanted))}

    def all_sets(self) -> list[Row]:
        """Return the record of every training set of every endpoint."""
        return self._rows(sa.select(_SETS))

    def all_checks(self) -> dict[tuple[str, str], list[tuple[str, bool]]]:
        """Return the guards' verdicts by endpoint and set; those that were not judged are left out."""
        rows = self._rows(sa.select(_CHECKS).where(_CHECKS.c.passed.is_not(None)).order_by(_CHECKS.c.guard))
        found: dict[tuple[str, str], list[tuple[str, bool]]] = {}
        for row in rows:
            found.setdefault((row["endpoint"], row["content_hash"]), []).append((row["guard"], row["passed"]))
        return found

    def all_versions(self) -> list[Row]:
        """Return every recorded version that says which set it was trained on."""
        return self._rows(sa.select(_VERSIONS).where(_VERSIONS.c.training_set.is_not(None)))

    def all_training_runs(self) -> list[Row]:
        """Return every attempt to train that has ended."""
        return self._rows(sa.select(_RUNS).where(_RUNS.c.ended_at.is_not(None)).order_by(_RUNS.c.id))

    def all_gates(self) -> list[Row]:
        """Return every verdict of the gate."""
        return self._rows(sa.select(_GATES).order_by(_GATES.c.number))

    def mark(self) -> tuple[int, ...]:
        """Return numbers that change whenever any of these records is added or ends: cheap to compare."""
        with self._database.read() as connected:
            counts = (sa.select(sa.func.count()).select_from(one) for one in (_SETS, _VERSIONS, _CHECKS))
            newest = (sa.func.max(_GATES.c.number), sa.func.max(_EVENTS.c.number), sa.func.max(_RUNS.c.ended_at))
            queries = (*counts, *(sa.select(one) for one in newest))
            return tuple(connected.scalar(query) or 0 for query in queries)

    def _rows(self, query: "sa.Select[Any]") -> list[Row]:
        with self._database.read() as connected:
            rows = connected.execute(query).mappings().all()
        return [{name: from_micros(value) if name in _TIMES else value for name, value in row.items()} for row in rows]
