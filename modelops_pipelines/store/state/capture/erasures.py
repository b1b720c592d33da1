"""Records of erasures, from before the first removal to their completion. The user is stored as a hash."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping

from modelops_pipelines.store.state.database import Database, from_micros, moment, to_micros
from modelops_pipelines.store.state.sql_tables import STATE_TABLES

_ERASURES = STATE_TABLES["erasures"]


@dataclass(frozen=True)
class Erasure:
    """One subject's erasure from one endpoint.

    ``rows`` counts what was erased, by table; ``training_sets`` the subject's rows in frozen sets, by content hash.
    """

    id: int
    endpoint: str
    subject: str
    at: datetime
    actor: str
    finished_at: datetime | None
    rows: Mapping[str, int]
    training_sets: Mapping[str, int]


def subject_of(user: str, secret: bytes) -> str:
    """Return the pseudonym of the user in the state: HMAC-SHA-256 of the id with the installation's secret."""
    return hmac.new(secret, user.encode(errors="surrogatepass"), hashlib.sha256).hexdigest()


class Erasures:
    """The record of erasures. Each write is one transaction."""

    def __init__(self, database: Database) -> None:
        """Share the database with the other stores."""
        self._database = database

    def start(self, endpoint: str, subject: str, actor: str, now: datetime) -> Erasure:
        """Record the start of an erasure; an unfinished one of the same subject is continued."""
        values = {"endpoint": endpoint, "subject": subject, "at": to_micros(now), "actor": actor}
        mine = sa.and_(_ERASURES.c.endpoint == endpoint, _ERASURES.c.subject == subject)
        with self._database.begin() as connected:
            unfinished = sa.select(_ERASURES).where(mine, _ERASURES.c.finished_at.is_(None))
            if connected.execute(unfinished).first() is None:
                connected.execute(_ERASURES.insert().values(**values, finished_at=None, rows={}, training_sets={}))
            return _erasure(connected.execute(unfinished).mappings().one())

    def record(self, number: int, rows: Mapping[str, int], training_sets: Mapping[str, int]) -> Erasure:
        """Record the erased counts; a continued erasure finds fewer rows, and the larger counts are kept."""
        mine = _ERASURES.c.id == number
        with self._database.begin() as connected:
            known = _erasure(connected.execute(sa.select(_ERASURES).where(mine)).mappings().one())
            counts = {"rows": _larger(known.rows, rows), "training_sets": _larger(known.training_sets, training_sets)}
            connected.execute(_ERASURES.update().where(mine).values(**counts))
            return _erasure(connected.execute(sa.select(_ERASURES).where(mine)).mappings().one())

    def finish(self, number: int, now: datetime) -> None:
        """Record that the erasure is complete."""
        change = _ERASURES.update().where(_ERASURES.c.id == number).values(finished_at=to_micros(now))
        with self._database.begin() as connected:
            connected.execute(change)

    def of(self, endpoint: str) -> list[Erasure]:
        """Return the endpoint's erasures, oldest first."""
        query = sa.select(_ERASURES).where(_ERASURES.c.endpoint == endpoint).order_by(_ERASURES.c.id)
        with self._database.read() as connected:
            return [_erasure(row) for row in connected.execute(query).mappings()]


def _larger(known: Mapping[str, int], found: Mapping[str, int]) -> dict[str, int]:
    return {name: max(known.get(name, 0), found.get(name, 0)) for name in sorted({*known, *found})}


def _erasure(row: RowMapping) -> Erasure:
    return Erasure(**{**row, "at": moment(row["at"]), "finished_at": from_micros(row["finished_at"])})
