"""Deployments with their requester and status. Functions on an open transaction."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping

from modelops_pipelines.core.errors import ConflictError
from modelops_pipelines.core.release.deployment_states import DEPLOYING, FAILED, LIVE, STOPPED, UNSETTLED, Deployment
from modelops_pipelines.core.release.desired_state import SHADOW, DesiredState, Variant
from modelops_pipelines.store.state.database import moment, to_micros
from modelops_pipelines.store.state.sql_tables import STATE_TABLES

_ATTEMPTS = STATE_TABLES["deployments"]
_TIMES = ("requested_at", "updated_at")


def claim(connected: sa.Connection, wanted: Deployment, generation: int) -> tuple[Deployment, bool]:
    """Write the deployment and return it with True; or return, with False, one with the same id or the same request.

    ``generation`` is that of the endpoint's desired state: a deployment after which the endpoint was changed again is
    another request, though it is not settled. Raises ConflictError when the id was used for a different request.
    """
    same_id = connected.execute(sa.select(_ATTEMPTS).where(_is(wanted))).mappings().first()
    if same_id is not None:
        known = _attempt(same_id)
        if not known.requests_the_same(wanted):
            raise ConflictError(
                f"The idempotency key {wanted.deployment_id.partition('/')[2]!r} was used to {known.action} version "
                f"{known.version} ({known.share} %) on {known.endpoint!r}",
                "Use a new key for a new request",
            )
        if known.status != FAILED or known.generation is not None:
            return known, False
        connected.execute(_ATTEMPTS.delete().where(_is(known)))  # it failed before it changed anything
    for other in unsettled(connected, wanted.endpoint):
        if other.requests_the_same(wanted) and other.generation in (None, generation):
            return other, False
    connected.execute(_ATTEMPTS.insert().values(**_values(wanted)))
    return wanted, True


def unsettled(connected: sa.Connection, endpoint: str | None = None) -> list[Deployment]:
    """Return the pending and deploying deployments, oldest first."""
    query = sa.select(_ATTEMPTS).where(_ATTEMPTS.c.status.in_(UNSETTLED)).order_by(_ATTEMPTS.c.requested_at)
    if endpoint is not None:
        query = query.where(_ATTEMPTS.c.endpoint == endpoint)
    return [_attempt(row) for row in connected.execute(query).mappings()]


def write(connected: sa.Connection, known: Deployment, now: Deployment) -> bool:
    """Write the deployment's next status; False when another process has changed it meanwhile."""
    changed = _ATTEMPTS.update().where(_is(known), _ATTEMPTS.c.status == known.status)
    return connected.execute(changed.values(**_values(now))).rowcount == 1


def forget(connected: sa.Connection, known: Deployment) -> None:
    """Delete the deployment, which has changed nothing."""
    connected.execute(_ATTEMPTS.delete().where(_is(known), _ATTEMPTS.c.status == known.status))


def supersede(connected: sa.Connection, after: DesiredState, own: Deployment | None, at: datetime) -> None:
    """Mark as stopped: deployments whose version is no longer live, and earlier ones of the version being deployed."""
    there = [variant.version for variant in after.variants if variant.role != SHADOW]
    gone: sa.ColumnElement[bool] = _ATTEMPTS.c.version.not_in(there)
    if own is not None:
        again = sa.and_(_ATTEMPTS.c.version == own.version, _ATTEMPTS.c.deployment_id != own.deployment_id)
        gone = sa.or_(gone, again)
    superseded = sa.and_(_ATTEMPTS.c.endpoint == after.endpoint, _ATTEMPTS.c.status.in_((DEPLOYING, LIVE)), gone)
    connected.execute(_ATTEMPTS.update().where(superseded).values(status=STOPPED, updated_at=to_micros(at)))


def by_id(connected: sa.Connection, deployment_id: str) -> Deployment | None:
    """Return the deployment, or None."""
    row = connected.execute(sa.select(_ATTEMPTS).where(_ATTEMPTS.c.deployment_id == deployment_id)).mappings().first()
    return None if row is None else _attempt(row)


def generations(connected: sa.Connection) -> list[tuple[str, int | None]]:
    """Return the endpoint and the generation of each deployment; None of one that changed nothing."""
    rows = connected.execute(sa.select(_ATTEMPTS.c.endpoint, _ATTEMPTS.c.generation))
    return [(row.endpoint, row.generation) for row in rows]


def page(
    connected: sa.Connection,
    *,
    endpoints: Sequence[str] | None,
    status: str | None,
    before: tuple[int, str] | None,
    limit: int,
) -> list[Deployment]:
    """Return deployments, newest first, before the position ``before`` (requested_at in microseconds, id)."""
    order = sa.tuple_(_ATTEMPTS.c.requested_at, _ATTEMPTS.c.deployment_id)
    query = sa.select(_ATTEMPTS).order_by(_ATTEMPTS.c.requested_at.desc(), _ATTEMPTS.c.deployment_id.desc())
    if endpoints is not None:
        query = query.where(_ATTEMPTS.c.endpoint.in_(endpoints))
    if status is not None:
        query = query.where(_ATTEMPTS.c.status == status)
    if before is not None:
        query = query.where(order < sa.tuple_(sa.literal(before[0]), sa.literal(before[1])))
    return [_attempt(row) for row in connected.execute(query.limit(limit)).mappings()]


def _is(deployment: Deployment) -> sa.ColumnElement[bool]:
    return _ATTEMPTS.c.deployment_id == deployment.deployment_id


def _values(deployment: Deployment) -> dict[str, object]:
    times = {name: to_micros(getattr(deployment, name)) for name in _TIMES}
    return {**asdict(deployment), "variants_before": [asdict(v) for v in deployment.variants_before], **times}


def _attempt(row: RowMapping) -> Deployment:
    times = {name: moment(row[name]) for name in _TIMES}
    return Deployment(**{**row, "variants_before": tuple(Variant(**v) for v in row["variants_before"]), **times})
