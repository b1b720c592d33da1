"""What endpoints should serve, who serves it, what happened: desired state, workers, versions, events."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping

from modelops_pipelines.core.errors import UnknownError
from modelops_pipelines.core.outputs import UNKNOWN
from modelops_pipelines.core.rollout import GENESIS, DesiredState, Event, Variant
from modelops_pipelines.store.database import Database, moment, to_micros
from modelops_pipelines.store.state_tables import STATE_TABLES

ALIVE = timedelta(seconds=5)
_VERSIONS = STATE_TABLES["model_versions"]
_DESIRED = STATE_TABLES["desired_state"]
_EVENTS = STATE_TABLES["events"]
_WORKERS = STATE_TABLES["workers"]
_ACKS = STATE_TABLES["acknowledgements"]


@dataclass(frozen=True)
class ModelVersion:
    """What serving needs of a registered version. ``inputs`` maps a feature to its column type, in order."""

    model_name: str
    version: str
    artifact_uri: str
    inputs: dict[str, str]
    classes: list[str] | None
    training_set: str | None
    run_id: str | None
    registered_at: datetime
    output: str = UNKNOWN
    files_hash: str | None = None
    trained_here: bool | None = None


@dataclass(frozen=True)
class Acknowledgement:
    """Which generation a live worker serves; generation 0 is a worker that has said nothing yet."""

    worker: str
    generation: int
    error: str | None


class Deployments:
    """The store of what is live. Reads never take the write lock for long; each write is one transaction."""

    def __init__(self, database: Database) -> None:
        """Share the database with the other stores."""
        self._database = database

    def record_version(self, version: ModelVersion) -> None:
        """Write what serving needs of a version; writing it again replaces it."""
        values = {**asdict(version), "registered_at": to_micros(version.registered_at)}
        with self._database.begin() as connected:
            connected.execute(_VERSIONS.delete().where(_same_version(version.model_name, version.version)))
            connected.execute(_VERSIONS.insert().values(**values))

    def version(self, model_name: str, version: str) -> ModelVersion | None:
        """Return the version, or None when it was never recorded here."""
        with self._database.read() as connected:
            row = connected.execute(sa.select(_VERSIONS).where(_same_version(model_name, version))).mappings().first()
        return None if row is None else _version(row)

    def versions(self, model_name: str) -> list[ModelVersion]:
        """Return the model's versions, oldest first."""
        query = sa.select(_VERSIONS).where(_VERSIONS.c.model_name == model_name).order_by(_VERSIONS.c.registered_at)
        with self._database.read() as connected:
            return [_version(row) for row in connected.execute(query).mappings()]

    def desired(self, endpoint: str) -> DesiredState:
        """Return what the endpoint should serve; generation 0 when it never served."""
        with self._database.read() as connected:
            return _desired(connected, endpoint)

    def all_desired(self) -> list[DesiredState]:
        """Return every endpoint's desired state."""
        with self._database.read() as connected:
            rows = connected.execute(sa.select(_DESIRED).order_by(_DESIRED.c.endpoint)).mappings().all()
        return [_desired_row(row) for row in rows]

    def change(self, before: DesiredState, variants: Sequence[Variant], event: Event) -> DesiredState:
        """Write the next generation and its event, both or neither.

        Raises StaleStateError when another caller changed the endpoint since ``before``.
        """
        after = DesiredState(before.endpoint, before.generation + 1, tuple(variants))
        with self._database.begin() as connected:
            if _desired(connected, before.endpoint).generation != before.generation:
                raise StaleStateError
            connected.execute(_DESIRED.delete().where(_DESIRED.c.endpoint == before.endpoint))
            connected.execute(
                _DESIRED.insert().values(
                    endpoint=after.endpoint,
                    generation=after.generation,
                    variants=[asdict(v) for v in after.variants],
                    at=to_micros(event.at),
                )
            )
            _append(connected, event)
        return after

    def events(self, endpoint: str | None = None) -> list[Event]:
        """Return an endpoint's events, or all of them, oldest first."""
        query = sa.select(_EVENTS).order_by(_EVENTS.c.number)
        if endpoint is not None:
            query = query.where(_EVENTS.c.endpoint == endpoint)
        with self._database.read() as connected:
            return [_event(row) for row in connected.execute(query).mappings()]

    def sealed_events(self) -> list[tuple[Event, str]]:
        """Return all events with the seals that they were stored with."""
        with self._database.read() as connected:
            rows = connected.execute(sa.select(_EVENTS).order_by(_EVENTS.c.number)).mappings().all()
        return [(_event(row), row["hash"]) for row in rows]

    def heartbeat(self, worker: str, address: str, now: datetime) -> None:
        """Say that the worker is alive."""
        with self._database.begin() as connected:
            connected.execute(_WORKERS.delete().where(_WORKERS.c.worker == worker))
            connected.execute(_WORKERS.insert().values(worker=worker, address=address, heartbeat=to_micros(now)))

    def leave(self, worker: str) -> None:
        """Say that the worker is gone, and forget workers that died a day ago."""
        with self._database.begin() as connected:
            connected.execute(_WORKERS.delete().where(_WORKERS.c.worker == worker))
            connected.execute(_ACKS.delete().where(_ACKS.c.worker == worker))

    def acknowledge(self, worker: str, endpoint: str, generation: int, error: str | None, now: datetime) -> None:
        """Say which generation of an endpoint the worker serves now, or why it cannot."""
        with self._database.begin() as connected:
            connected.execute(_ACKS.delete().where(_ACKS.c.worker == worker, _ACKS.c.endpoint == endpoint))
            connected.execute(
                _ACKS.insert().values(
                    worker=worker, endpoint=endpoint, generation=generation, error=error, at=to_micros(now)
                )
            )

    def acknowledgements(self, endpoint: str, now: datetime) -> list[Acknowledgement]:
        """Return what each live worker says of the endpoint."""
        join = _WORKERS.outerjoin(_ACKS, sa.and_(_ACKS.c.worker == _WORKERS.c.worker, _ACKS.c.endpoint == endpoint))
        query = sa.select(_WORKERS.c.worker, _ACKS.c.generation, _ACKS.c.error).select_from(join)
        with self._database.read() as connected:
            rows = connected.execute(query.where(_WORKERS.c.heartbeat >= to_micros(now - ALIVE))).all()
        return [Acknowledgement(worker, generation or 0, error) for worker, generation, error in rows]


class StaleStateError(Exception):
    """Another caller changed the endpoint first; decide again on what it is now."""


def required_version(deployments: Deployments, model_name: str, version: str) -> ModelVersion:
    """Return the version; raises UnknownError, naming those that exist."""
    found = deployments.version(model_name, version)
    if found is None:
        known = ", ".join(v.version for v in deployments.versions(model_name)) or "none"
        raise UnknownError(
            f"Model {model_name!r} has no version {version!r} (known here: {known})",
            "Register it, or name one that exists",
        )
    return found


def _append(connected: sa.Connection, event: Event) -> None:
    last = connected.execute(sa.select(_EVENTS.c.number, _EVENTS.c.hash).order_by(_EVENTS.c.number.desc())).first()
    number, previous = (1, GENESIS) if last is None else (last.number + 1, last.hash)
    linked = Event(**{**event.__dict__, "number": number, "previous_hash": previous})
    values = {**linked.__dict__, "at": to_micros(linked.at), "evidence": dict(linked.evidence), "hash": linked.hash}
    connected.execute(_EVENTS.insert().values(**values))


def _same_version(model_name: str, version: str) -> sa.ColumnElement[bool]:
    return sa.and_(_VERSIONS.c.model_name == model_name, _VERSIONS.c.version == version)


def _desired(connected: sa.Connection, endpoint: str) -> DesiredState:
    row = connected.execute(sa.select(_DESIRED).where(_DESIRED.c.endpoint == endpoint)).mappings().first()
    return DesiredState(endpoint) if row is None else _desired_row(row)


def _desired_row(row: RowMapping) -> DesiredState:
    return DesiredState(row["endpoint"], row["generation"], tuple(Variant(**v) for v in row["variants"]))


def _version(row: RowMapping) -> ModelVersion:
    return ModelVersion(**{**row, "registered_at": moment(row["registered_at"])})


def _event(row: RowMapping) -> Event:
    values = {name: value for name, value in row.items() if name != "hash"}
    return Event(**{**values, "at": moment(row["at"])})
