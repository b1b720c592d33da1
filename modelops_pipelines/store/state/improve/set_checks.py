"""The verdicts of the guards on training sets."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from modelops_pipelines.core.improve.guards.results import verdict_in_words
from modelops_pipelines.store.state.database import Database, moment, to_micros
from modelops_pipelines.store.state.sql_tables import STATE_TABLES

_CHECKS = STATE_TABLES["set_checks"]
ACCEPTED = "accepted"
"""The name among the numbers under which it stands who accepted a failed verdict, why, and when."""
FORGOTTEN = "its words were removed when a user was erased"


@dataclass(frozen=True)
class SetCheck:
    """A guard's verdict on a training set; ``passed`` is None where it could not judge."""

    endpoint: str
    content_hash: str
    guard: str
    passed: bool | None
    blocking: bool
    message: str
    numbers: Mapping[str, Any]
    at: datetime

    @property
    def refuses(self) -> bool:
        """Whether nothing is trained on the set because of it."""
        return self.passed is False and self.blocking

    @property
    def accepted_by(self) -> str | None:
        """The person who let the set be trained on although the guard failed; None where nobody did."""
        return self._accepted("by")

    @property
    def accepted_for(self) -> str | None:
        """The person's reason."""
        return self._accepted("reason")

    @property
    def verdict(self) -> str:
        """The verdict in words."""
        return verdict_in_words(self.passed, self.accepted_by, self.accepted_for, blocking=self.blocking)

    def _accepted(self, part: str) -> str | None:
        said: Mapping[str, Any] = self.numbers.get(ACCEPTED) or {}
        return said.get(part)


class SetChecks:
    """The store of verdicts. Each write is one transaction."""

    def __init__(self, database: Database) -> None:
        """Share the database with the other stores."""
        self._database = database

    def record(self, checks: Sequence[SetCheck]) -> None:
        """Write the verdicts on a set; those before on the same set are replaced, all at once."""
        with self._database.begin() as connected:
            for endpoint, content_hash in {(check.endpoint, check.content_hash) for check in checks}:
                connected.execute(_CHECKS.delete().where(_of(endpoint, content_hash)))
            values = [{**asdict(c), "numbers": dict(c.numbers), "at": to_micros(c.at)} for c in checks]
            if values:
                connected.execute(_CHECKS.insert(), values)

    def forget_values(self, endpoint: str) -> None:
        """Keep plain numbers, and who accepted a verdict, of an endpoint's verdicts.

        Their words may name a value that one caller alone had; so may the reason of who accepted one.
        """
        query = sa.select(_CHECKS).where(_CHECKS.c.endpoint == endpoint)
        with self._database.begin() as connected:
            for row in connected.execute(query).mappings().all():
                said: dict[str, Any] = row["numbers"]
                numbers: dict[str, Any] = {n: value for n, value in said.items() if isinstance(value, int | float)}
                if said.get(ACCEPTED):
                    numbers |= {ACCEPTED: {**said[ACCEPTED], "reason": FORGOTTEN}}
                change = _CHECKS.update().where(_of(endpoint, row["content_hash"]), _CHECKS.c.guard == row["guard"])
                connected.execute(change.values(numbers=numbers, message=FORGOTTEN))

    def of(self, endpoint: str, content_hash: str) -> list[SetCheck]:
        """Return the verdicts on a set, by the guards' names."""
        query = sa.select(_CHECKS).where(_of(endpoint, content_hash)).order_by(_CHECKS.c.guard)
        with self._database.read() as connected:
            rows = connected.execute(query).mappings().all()
        return [SetCheck(**{**row, "at": moment(row["at"])}) for row in rows]


def _of(endpoint: str, content_hash: str) -> sa.ColumnElement[bool]:
    return sa.and_(_CHECKS.c.endpoint == endpoint, _CHECKS.c.content_hash == content_hash)
