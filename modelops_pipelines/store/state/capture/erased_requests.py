"""The requests whose predictions were erased, as hashes: a label or feedback that refers to one is not stored."""

import hashlib
from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from modelops_pipelines.store.state.database import Database
from modelops_pipelines.store.state.sql_tables import STATE_TABLES

_ERASED = STATE_TABLES["erased_requests"]
_PART = 500


class ErasedRequests:
    """The erased requests of all endpoints. Each write is one transaction."""

    def __init__(self, database: Database) -> None:
        """Share the database with the other stores."""
        self._database = database

    def add(self, endpoint: str, requests: Iterable[str]) -> None:
        """Record requests by their ids; those that are recorded stay."""
        known = self._digests(endpoint)
        fresh = sorted({digest_of(one) for one in requests} - known)
        with self._database.begin() as connected:
            for start in range(0, len(fresh), _PART):
                rows = [{"endpoint": endpoint, "digest": digest} for digest in fresh[start : start + _PART]]
                connected.execute(_ERASED.insert(), rows)

    def has_any(self, endpoint: str) -> bool:
        """Return whether any request of the endpoint was erased."""
        with self._database.read() as connected:
            return (
                connected.execute(sa.select(_ERASED.c.digest).where(_ERASED.c.endpoint == endpoint)).first() is not None
            )

    def among(self, endpoint: str, predictions: Sequence[str]) -> list[bool]:
        """Return for each prediction id whether its request was erased."""
        known = self._digests(endpoint)
        return [bool(known) and digest_of(one.rpartition("-")[0]) in known for one in predictions]

    def _digests(self, endpoint: str) -> set[str]:
        query = sa.select(_ERASED.c.digest).where(_ERASED.c.endpoint == endpoint)
        with self._database.read() as connected:
            return set(connected.scalars(query))


def digest_of(request: str) -> str:
    """Return the hash under which a request is recorded: its id is random, so it cannot be found by trying."""
    return hashlib.sha256(request.encode()).hexdigest()
