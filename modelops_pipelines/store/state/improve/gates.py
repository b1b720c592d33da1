"""The gate's verdicts on candidates."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime

import sqlalchemy as sa

from modelops_pipelines.store.state.database import Database, moment, to_micros
from modelops_pipelines.store.state.sql_tables import STATE_TABLES

_GATES = STATE_TABLES["gates"]


@dataclass(frozen=True)
class Gate:
    """A verdict on a candidate."""

    endpoint: str
    version: str
    champion: str | None
    data_hash: str
    gate_hash: str
    verdict: str
    numbers: Mapping[str, object]
    at: datetime


class Gates:
    """The store of verdicts. Each write is one transaction."""

    def __init__(self, database: Database) -> None:
        """Share the database with the other stores."""
        self._database = database

    def record(self, gate: Gate) -> None:
        """Write a verdict; it replaces one of the same version, data and gate."""
        key = ("endpoint", "version", "data_hash", "gate_hash")
        same = sa.and_(*(_GATES.c[name] == getattr(gate, name) for name in key))
        values = {**asdict(gate), "numbers": dict(gate.numbers), "at": to_micros(gate.at)}
        with self._database.begin() as connected:
            connected.execute(_GATES.delete().where(same))
            connected.execute(_GATES.insert().values(**values))

    def of(self, endpoint: str) -> list[Gate]:
        """Return the endpoint's verdicts, oldest first."""
        query = sa.select(_GATES).where(_GATES.c.endpoint == endpoint).order_by(_GATES.c.at)
        with self._database.read() as connected:
            return [Gate(**{**row, "at": moment(row["at"])}) for row in connected.execute(query).mappings()]
