"""The gate's verdicts on candidates."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping

from modelops_pipelines.core.evaluation.gate import PASS, held_reasons
from modelops_pipelines.core.release.admission import GateVerdict
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

    @property
    def as_verdict(self) -> GateVerdict:
        """What decides whether the version may take traffic from the champion."""
        reason = str(self.numbers.get("reason", "no reason recorded"))
        held = tuple(held_reasons(self.numbers))
        return GateVerdict(self.version, self.champion, self.gate_hash, self.verdict, reason, self.at, held)


class Gates:
    """The store of verdicts. Each write is one transaction."""

    def __init__(self, database: Database) -> None:
        """Share the database with the other stores."""
        self._database = database

    def record(self, gate: Gate) -> None:
        """Write a verdict; it replaces one of the same version, data and gate, and is the newest of its version."""
        key = ("endpoint", "version", "data_hash", "gate_hash")
        same = sa.and_(*(_GATES.c[name] == getattr(gate, name) for name in key))
        with self._database.begin() as connected:
            number = 1 + (connected.scalar(sa.select(sa.func.max(_GATES.c.number))) or 0)
            values = {**asdict(gate), "numbers": dict(gate.numbers), "at": to_micros(gate.at), "number": number}
            connected.execute(_GATES.delete().where(same))
            connected.execute(_GATES.insert().values(**values))

    def newest(self, endpoint: str, version: str) -> Gate | None:
        """Return the newest verdict on the version, whatever it was judged against; None when it was never judged."""
        query = sa.select(_GATES).where(_GATES.c.endpoint == endpoint, _GATES.c.version == version)
        with self._database.read() as connected:
            row = connected.execute(query.order_by(_GATES.c.number.desc()).limit(1)).mappings().first()
        return None if row is None else _gate(row)

    def passed_last(self) -> dict[str, str]:
        """Return the version of each endpoint's newest verdict, where that is a pass."""
        last = sa.select(sa.func.max(_GATES.c.number)).group_by(_GATES.c.endpoint)
        query = sa.select(_GATES.c.endpoint, _GATES.c.version)
        with self._database.read() as connected:
            rows = connected.execute(query.where(_GATES.c.number.in_(last), _GATES.c.verdict == PASS)).all()
        return {row.endpoint: row.version for row in rows}

    def of(self, endpoint: str) -> list[Gate]:
        """Return the endpoint's verdicts, oldest first, in the order in which they were recorded."""
        query = sa.select(_GATES).where(_GATES.c.endpoint == endpoint).order_by(_GATES.c.number)
        with self._database.read() as connected:
            return [_gate(row) for row in connected.execute(query).mappings()]


def _gate(row: RowMapping) -> Gate:
    return Gate(**{**{name: value for name, value in row.items() if name != "number"}, "at": moment(row["at"])})
