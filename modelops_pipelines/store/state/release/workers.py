"""The gateway's workers, and what each has acknowledged of the desired states. Functions on an open transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from modelops_pipelines.store.state.database import to_micros
from modelops_pipelines.store.state.sql_tables import STATE_TABLES

_WORKERS, _ACKS = STATE_TABLES["workers"], STATE_TABLES["acknowledgements"]
Acknowledged = Mapping[str, tuple[int, str | None]]
"""By endpoint: the generation that a worker serves, or with an error the one that it cannot serve."""


def heartbeat(connected: sa.Connection, worker: str, address: str, now: datetime, process: str | None) -> None:
    """Write a heartbeat of a worker; ``process`` is its identity."""
    values = {"address": address, "heartbeat": to_micros(now), "process": process}
    connected.execute(_WORKERS.delete().where(_WORKERS.c.worker == worker))
    connected.execute(_WORKERS.insert().values(worker=worker, **values))


def leave(connected: sa.Connection, worker: str) -> None:
    """Delete a worker and its acknowledgements."""
    connected.execute(_WORKERS.delete().where(_WORKERS.c.worker == worker))
    connected.execute(_ACKS.delete().where(_ACKS.c.worker == worker))


def processes(connected: sa.Connection) -> Sequence[tuple[str, str | None]]:
    """Return each worker with the identity of its process."""
    query = sa.select(_WORKERS.c.worker, _WORKERS.c.process)
    return [(row.worker, row.process) for row in connected.execute(query)]


def acknowledge(connected: sa.Connection, worker: str, acknowledged: Acknowledged, now: datetime) -> None:
    """Write what a worker serves of some endpoints, in the place of what it acknowledged of them before."""
    if not acknowledged:
        return
    same = sa.and_(_ACKS.c.worker == worker, _ACKS.c.endpoint == sa.bindparam("of"))
    connected.execute(_ACKS.delete().where(same), [{"of": endpoint} for endpoint in acknowledged])
    rows = [
        {"worker": worker, "endpoint": endpoint, "generation": generation, "error": error, "at": to_micros(now)}
        for endpoint, (generation, error) in acknowledged.items()
    ]
    connected.execute(_ACKS.insert(), rows)


def acknowledged_by(connected: sa.Connection, worker: str) -> dict[str, tuple[int, str | None]]:
    """Return what a worker has acknowledged: generation and error by endpoint."""
    query = sa.select(_ACKS.c.endpoint, _ACKS.c.generation, _ACKS.c.error).where(_ACKS.c.worker == worker)
    return {row.endpoint: (row.generation, row.error) for row in connected.execute(query)}


def acknowledgement_rows(connected: sa.Connection, endpoint: str) -> Sequence[sa.Row[Any]]:
    """Return every worker with its acknowledgement of an endpoint, None in its place without one."""
    join = _WORKERS.outerjoin(_ACKS, sa.and_(_ACKS.c.worker == _WORKERS.c.worker, _ACKS.c.endpoint == endpoint))
    query = sa.select(_WORKERS, _ACKS.c.generation, _ACKS.c.error).select_from(join)
    return connected.execute(query).all()
