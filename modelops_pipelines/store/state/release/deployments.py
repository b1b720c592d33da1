"""The state of serving: desired state, workers, versions, and the event log."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping

from modelops_pipelines.core.errors import ConflictError, UnknownError
from modelops_pipelines.core.release.admission import way_in
from modelops_pipelines.core.release.deployment_states import Acknowledgement, Deployment
from modelops_pipelines.core.release.desired_state import ACTIVE, DesiredState, EndpointStatus, Variant
from modelops_pipelines.core.release.event_log import Event, describe_state
from modelops_pipelines.store.filesystem.process_identity import is_gone
from modelops_pipelines.store.state.database import Database, moment, to_micros
from modelops_pipelines.store.state.release import deployment_attempts as attempts
from modelops_pipelines.store.state.release import model_versions, workers
from modelops_pipelines.store.state.release.event_notes import EventNotes
from modelops_pipelines.store.state.release.event_rows import (
    HEAD,
    NOTED,
    append_event,
    newest_events,
    read_events,
    replaced_since,
    versions_of_events,
)
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from modelops_pipelines.store.state.release.worker_liveness import Liveness
from modelops_pipelines.store.state.sql_tables import STATE_TABLES

_DESIRED = STATE_TABLES["desired_state"]
_ARCHIVED = STATE_TABLES["archived_versions"]
_SETTINGS = STATE_TABLES["settings"]


class Deployments:
    """The store of desired state, versions, workers and events. Each write is one transaction."""

    def __init__(self, database: Database, notes: EventNotes | None = None) -> None:
        """Share the database with the other stores; each event is noted in the second record too."""
        self._database, self._notes, self._liveness = database, notes, Liveness()

    def record_version(self, version: ModelVersion) -> None:
        """Record what serving needs of a version; a second call replaces the record."""
        with self._database.begin() as connected:
            model_versions.record(connected, version, self._database.home)

    def record_classes(self, version: ModelVersion) -> None:
        """Record the classes and the kind of output of a recorded version; nothing else of it changes."""
        with self._database.begin() as connected:
            model_versions.record_classes(connected, version)

    def record_files(self, version: ModelVersion) -> None:
        """Record where the files of a recorded version are now."""
        with self._database.begin() as connected:
            model_versions.record_files(connected, version, self._database.home)

    def model_names(self) -> list[str]:
        """Return the models with recorded versions."""
        with self._database.read() as connected:
            return model_versions.model_names(connected)

    def classes(self, model_name: str) -> dict[str, list[str] | None]:
        """Return the classes of each recorded version of the model; None where they are unknown."""
        with self._database.read() as connected:
            return model_versions.classes_by_model(connected, model_name).get(model_name, {})

    def all_classes(self) -> dict[str, dict[str, list[str] | None]]:
        """Return the classes of each recorded version of every model; None where they are unknown."""
        with self._database.read() as connected:
            return model_versions.classes_by_model(connected)

    def version(self, model_name: str, version: str) -> ModelVersion | None:
        """Return the version, or None when it was never recorded here."""
        with self._database.read() as connected:
            return model_versions.find(connected, model_name, version, self._database.home)

    def find_versions(self, wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], ModelVersion]:
        """Return the recorded ones of these versions (model name, version), however many they are."""
        with self._database.read() as connected:
            return model_versions.find_all(connected, wanted, self._database.home)

    def versions(self, model_name: str) -> list[ModelVersion]:
        """Return the model's versions, oldest first."""
        with self._database.read() as connected:
            return model_versions.of_model(connected, model_name, self._database.home)

    def desired(self, endpoint: str) -> DesiredState:
        """Return the endpoint's desired state; generation 0 when it never served."""
        with self._database.read() as connected:
            return _desired(connected, endpoint)

    def all_desired(self) -> list[DesiredState]:
        """Return every endpoint's desired state."""
        with self._database.read() as connected:
            rows = connected.execute(sa.select(_DESIRED).order_by(_DESIRED.c.endpoint)).mappings().all()
        return [_desired_row(row) for row in rows]

    def change(
        self,
        before: DesiredState,
        variants: Sequence[Variant],
        event: Event,
        *,
        status: EndpointStatus = ACTIVE,
        model_name: str | None = None,
        attempt: tuple[Deployment, Deployment] | None = None,
    ) -> DesiredState:
        """Write the next generation, its event and the deployment (before, after) in one transaction.

        Raises StaleStateError when another caller has changed the endpoint or the deployment since, ConflictError when
        a version of ``model_name`` among the variants is archived, GateError when the event does not say by which way
        a champion is replaced.
        """
        way_in(before, DesiredState(before.endpoint, variants=tuple(variants)), event)
        with self._database.begin() as connected:
            if _desired(connected, before.endpoint).generation != before.generation:
                raise StaleStateError
            _refuse_archived(connected, model_name, variants)
            linked = append_event(connected, event)
            after = DesiredState(before.endpoint, before.generation + 1, tuple(variants), status, linked.at)
            _write_desired(connected, after, linked.at)
            if attempt is not None and not attempts.write(connected, *attempt):
                raise StaleStateError
            attempts.supersede(connected, after, attempt[1] if attempt else None, linked.at)
        self._note(linked)
        return after

    def note(self, event: Event) -> None:
        """Append an event that does not change the desired state."""
        with self._database.begin() as connected:
            linked = append_event(connected, event)
        self._note(linked)

    def events(self, endpoint: str | None = None) -> list[Event]:
        """Return an endpoint's events, or all of them, oldest first."""
        with self._database.read() as connected:
            return [event for event, _ in read_events(connected, endpoint)]

    def newest_events(self, endpoint: str, before: int | None, limit: int) -> list[tuple[Event, str]]:
        """Return at most ``limit`` of the endpoint's events and their hashes, newest first, below a number."""
        with self._database.read() as connected:
            return newest_events(connected, endpoint, before, limit)

    def replaced_since(self, since: datetime) -> set[str]:
        """Return the endpoints on which a version took another one's place, or part of its traffic, since a moment."""
        with self._database.read() as connected:
            return replaced_since(connected, since)

    def deployed_versions(self, endpoints: Iterable[str]) -> dict[str, set[str]]:
        """Return the versions that each of these endpoints' events lead to."""
        with self._database.read() as connected:
            return versions_of_events(connected, endpoints)

    def head(self) -> str | None:
        """Return the hash of the newest event, which is stored apart from the events; None before the first."""
        with self._database.read() as connected:
            found: str | None = connected.scalar(sa.select(_SETTINGS.c.value).where(_SETTINGS.c.name == HEAD))
        return found

    def claim(self, wanted: Deployment) -> tuple[Deployment, bool]:
        """Write the deployment and return it with True, or return an equal request with False; raises ConflictError."""
        with self._database.begin() as connected:
            return attempts.claim(connected, wanted, _desired(connected, wanted.endpoint).generation)

    def move(self, known: Deployment, after: Deployment) -> bool:
        """Write the deployment's next status; False when another process has changed it meanwhile."""
        with self._database.begin() as connected:
            return attempts.write(connected, known, after)

    def forget(self, known: Deployment) -> None:
        """Delete a deployment that has changed nothing."""
        with self._database.begin() as connected:
            attempts.forget(connected, known)

    def attempt(self, deployment_id: str) -> Deployment | None:
        """Return the deployment, or None."""
        with self._database.read() as connected:
            return attempts.by_id(connected, deployment_id)

    def unsettled(self, endpoint: str | None = None) -> list[Deployment]:
        """Return the pending and deploying deployments, oldest first."""
        with self._database.read() as connected:
            return attempts.unsettled(connected, endpoint)

    def attempts(
        self,
        endpoints: Sequence[str] | None = None,
        status: str | None = None,
        before: tuple[int, str] | None = None,
        limit: int = 100,
    ) -> list[Deployment]:
        """Return deployments, newest first, before a position (requested_at in microseconds, id)."""
        with self._database.read() as connected:
            return attempts.page(connected, endpoints=endpoints, status=status, before=before, limit=limit)

    def archive(self, model_name: str, version: str, endpoints: Sequence[str], event: Event) -> bool:
        """Archive the version; False when it is archived already.

        Raises ConflictError while one of the endpoints serves it or has it on trial.
        """
        with self._database.begin() as connected:
            if connected.execute(sa.select(_ARCHIVED).where(_archived(model_name, version))).first() is not None:
                return False
            for endpoint in endpoints:
                _refuse_serving(_desired(connected, endpoint), version)
                for attempt in attempts.unsettled(connected, endpoint):
                    _refuse_serving(DesiredState(endpoint, 0, attempt.variants_before), version)
            linked = append_event(connected, _with_current_state(connected, event))
            row = {"at": to_micros(linked.at), "actor": event.actor, "reason": event.reason}
            connected.execute(_ARCHIVED.insert().values(model_name=model_name, version=version, **row))
        self._note(linked)
        return True

    def restore(self, model_name: str, version: str, event: Event) -> bool:
        """Restore an archived version; False when it was not archived."""
        with self._database.begin() as connected:
            if not connected.execute(_ARCHIVED.delete().where(_archived(model_name, version))).rowcount:
                return False
            linked = append_event(connected, _with_current_state(connected, event))
        self._note(linked)
        return True

    def archived(self, model_name: str) -> set[str]:
        """Return the model's archived versions."""
        return set(self.archived_at(model_name))

    def archived_at(self, model_name: str) -> dict[str, datetime]:
        """Return the model's archived versions, and when each was archived."""
        query = sa.select(_ARCHIVED.c.version, _ARCHIVED.c.at).where(_ARCHIVED.c.model_name == model_name)
        with self._database.read() as connected:
            return {row.version: moment(row.at) for row in connected.execute(query)}

    def require_unarchived(self, model_name: str, variants: Sequence[Variant]) -> None:
        """Raise the ConflictError with which ``change`` refuses archived versions: for who asks before changing."""
        with self._database.read() as connected:
            _refuse_archived(connected, model_name, variants)

    def all_archived(self) -> dict[str, set[str]]:
        """Return the archived versions by model."""
        found: dict[str, set[str]] = {}
        with self._database.read() as connected:
            for row in connected.execute(sa.select(_ARCHIVED.c.model_name, _ARCHIVED.c.version)):
                found.setdefault(row.model_name, set()).add(row.version)
        return found

    def deployed_generations(self) -> list[tuple[str, int | None]]:
        """Return the endpoint and the generation of each recorded deployment."""
        with self._database.read() as connected:
            return attempts.generations(connected)

    def sealed_events(self) -> list[tuple[Event, str]]:
        """Return all events with their stored hashes; raises SchemaError for a damaged one."""
        with self._database.read() as connected:
            return read_events(connected)

    def are_noted(self) -> bool:
        """Return whether events have been noted in the second record."""
        with self._database.read() as connected:
            return connected.scalar(sa.select(_SETTINGS.c.value).where(_SETTINGS.c.name == NOTED)) is not None

    def _note(self, event: Event) -> None:
        if self._notes is not None:
            self._notes.add(event.number, event.hash)

    def heartbeat(self, worker: str, address: str, now: datetime, process: str | None = None) -> None:
        """Record a heartbeat of the worker; ``process`` is its identity, from ``process_identity.this_process``."""
        with self._database.begin() as connected:
            workers.heartbeat(connected, worker, address, now, process)

    def leave(self, worker: str) -> None:
        """Delete the worker and its acknowledgements."""
        with self._database.begin() as connected:
            workers.leave(connected, worker)

    def forget_ended(self) -> None:
        """Delete the workers of this host whose process has ended, which could not leave themselves."""
        with self._database.read() as connected:
            known = workers.processes(connected)
        for worker, process in known:
            if process is not None and is_gone(process):
                self.leave(worker)

    def acknowledge(self, worker: str, endpoint: str, generation: int, error: str | None, now: datetime) -> None:
        """Record the generation of an endpoint that the worker serves, or why it cannot."""
        with self._database.begin() as connected:
            workers.acknowledge(connected, worker, {endpoint: (generation, error)}, now)

    def acknowledge_all(self, worker: str, generations: Mapping[str, int], now: datetime) -> None:
        """Record the generations of endpoints that the worker serves, in one transaction."""
        with self._database.begin() as connected:
            workers.acknowledge(connected, worker, {name: (one, None) for name, one in generations.items()}, now)

    def acknowledged(self, worker: str) -> dict[str, tuple[int, str | None]]:
        """Return what the worker has acknowledged: generation and error by endpoint."""
        with self._database.read() as connected:
            return workers.acknowledged_by(connected, worker)

    def acknowledgements(self, endpoint: str, now: datetime) -> list[Acknowledgement]:
        """Return the acknowledgements of the endpoint by all live workers; generation 0 without one."""
        with self._database.read() as connected:
            rows = workers.acknowledgement_rows(connected, endpoint)
        live = [row for row in rows if self._liveness.is_live(row.worker, row.process, row.heartbeat, now)]
        return [Acknowledgement(row.worker, row.generation or 0, row.error) for row in live]


class StaleStateError(Exception):
    """Another caller changed the endpoint first: decide again on its current state."""


def required_version(deployments: Deployments, model_name: str, version: str) -> ModelVersion:
    """Return the version; raises UnknownError with the known versions."""
    found = deployments.version(model_name, version)
    if found is None:
        known = ", ".join(v.version for v in deployments.versions(model_name)) or "none"
        raise UnknownError(
            f"Model {model_name!r} has no version {version!r} (known here: {known})",
            "Register it, or use an existing version",
        )
    return found


def _write_desired(connected: sa.Connection, state: DesiredState, at: datetime) -> None:
    connected.execute(_DESIRED.delete().where(_DESIRED.c.endpoint == state.endpoint))
    connected.execute(
        _DESIRED.insert().values(
            endpoint=state.endpoint,
            generation=state.generation,
            variants=[asdict(variant) for variant in state.variants],
            at=to_micros(at),
            status=state.status,
        )
    )


def _with_current_state(connected: sa.Connection, event: Event) -> Event:
    """Return an event with the endpoint's current state, read in the transaction that writes it."""
    state = _desired(connected, event.endpoint)
    evidence = {**event.evidence, "live": describe_state(state)}
    return replace(event, from_version=state.champion, generation=state.generation, evidence=evidence)


def _refuse_archived(connected: sa.Connection, model_name: str | None, variants: Sequence[Variant]) -> None:
    versions = [variant.version for variant in variants]
    query = sa.select(_ARCHIVED.c.version).where(
        _ARCHIVED.c.model_name == model_name, _ARCHIVED.c.version.in_(versions)
    )
    found = connected.scalar(query)
    if found is not None:
        raise ConflictError(
            f"Version {found} of model {model_name!r} is archived and cannot serve",
            "Use another version, or restore it: modelops model restore ENDPOINT VERSION",
        )


def _refuse_serving(state: DesiredState, version: str) -> None:
    role = next((variant.role for variant in state.variants if variant.version == version), None)
    if role is not None:
        raise ConflictError(
            f"Version {version} is the {role} of endpoint {state.endpoint!r} and cannot be archived",
            "Deploy another version first, or end its trial",
        )


def _archived(model_name: str, version: str) -> sa.ColumnElement[bool]:
    return sa.and_(_ARCHIVED.c.model_name == model_name, _ARCHIVED.c.version == version)


def _desired(connected: sa.Connection, endpoint: str) -> DesiredState:
    row = connected.execute(sa.select(_DESIRED).where(_DESIRED.c.endpoint == endpoint)).mappings().first()
    return DesiredState(endpoint) if row is None else _desired_row(row)


def _desired_row(row: RowMapping) -> DesiredState:
    variants = tuple(Variant(**v) for v in row["variants"])
    return DesiredState(row["endpoint"], row["generation"], variants, row["status"], moment(row["at"]))
