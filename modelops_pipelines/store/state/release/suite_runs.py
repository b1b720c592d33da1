"""Runs of test suites against versions. Append-only."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from modelops_pipelines.store.state.database import Database, moment, to_micros
from modelops_pipelines.store.state.sql_tables import STATE_TABLES

_TESTS = STATE_TABLES["version_tests"]


@dataclass(frozen=True)
class VersionTest:
    """One run of a suite against a version; ``failures`` has each failed case with expected and actual prediction."""

    endpoint: str
    version: str
    suite: str
    inputs_hash: str
    cases: int
    passed: int
    failures: Sequence[Mapping[str, Any]]
    seconds: float
    actor: str
    at: datetime

    @property
    def failed(self) -> int:
        """Cases that failed."""
        return self.cases - self.passed


class VersionTests:
    """The store of test suite runs. Each write is one transaction."""

    def __init__(self, database: Database) -> None:
        """Share the database with the other stores."""
        self._database = database

    def record(self, test: VersionTest) -> None:
        """Add a run."""
        failures = [dict(failure) for failure in test.failures]
        with self._database.begin() as connected:
            connected.execute(_TESTS.insert().values({**asdict(test), "failures": failures, "at": to_micros(test.at)}))

    def of(self, endpoint: str, version: str | None = None, suite: str | None = None) -> list[VersionTest]:
        """Return the endpoint's runs, oldest first; of one version or suite if given."""
        return self._read(_runs(endpoint, version, suite).order_by(_TESTS.c.id))

    def newest(
        self, endpoint: str, version: str | None = None, suite: str | None = None, limit: int = 10
    ) -> list[VersionTest]:
        """Return at most ``limit`` of the endpoint's runs, newest first; of one version or suite if given."""
        return self._read(_runs(endpoint, version, suite).order_by(_TESTS.c.id.desc()).limit(limit))

    def _read(self, query: "sa.Select[Any]") -> list[VersionTest]:
        with self._database.read() as connected:
            rows = connected.execute(query).mappings().all()
        kept = [{name: value for name, value in row.items() if name != "id"} for row in rows]
        return [VersionTest(**{**row, "at": moment(row["at"])}) for row in kept]


def _runs(endpoint: str, version: str | None, suite: str | None) -> "sa.Select[Any]":
    query = sa.select(_TESTS).where(_TESTS.c.endpoint == endpoint)
    if version is not None:
        query = query.where(_TESTS.c.version == version)
    return query if suite is None else query.where(_TESTS.c.suite == suite)
