"""A person accepts changed values as the new normal: the only way in which windows that drifted become a reference."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from typing import Any

from modelops_pipelines.core.alerting.alerts import OPEN
from modelops_pipelines.core.alerting.by_hand import resolve_alert
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ConflictError, InputError
from modelops_pipelines.core.release.admission import is_readable
from modelops_pipelines.core.tables.lake import DATA_QUALITY, DRIFT
from modelops_pipelines.core.windows import LENGTH, text, window_of
from modelops_pipelines.operations.alerting.life.policy import alert_records
from modelops_pipelines.operations.alerting.life.raise_alerts import alerts_lock
from modelops_pipelines.operations.lake.queries import newest
from modelops_pipelines.store.state.alerting.acceptances import Acceptance
from modelops_pipelines.store.stores import Stores

_KINDS = {"drift", "data_quality"}


def accept_drift(
    stores: Stores,
    spec: EndpointSpec,
    *,
    actor: str,
    reason: str,
    columns: Collection[str] = (),
    since: datetime | None = None,
) -> list[Acceptance]:
    """Accept what has changed, or some columns of it: its windows from ``since`` on are the new reference.

    By default that is since the drift began. Open alerts on drift and data quality are resolved when nothing else has
    changed. Verdicts on earlier windows stay as they are. Raises InputError without a reason, for a time after the
    newest window, or for a column that has not changed; ConflictError when none has.
    """
    if not is_readable(reason):
        raise InputError("Accepting drift requires a reason, which is recorded", "Add a reason: --reason TEXT")
    changed = changed_columns(stores, spec)
    if not changed:
        fix = f"See what is: modelops drift {spec.name}"
        raise ConflictError(f"No column of endpoint {spec.name!r} has drifted in its newest window", fix)
    unknown = sorted(set(columns) - set(changed))
    if unknown:
        message = f"Column(s) {', '.join(unknown)} of endpoint {spec.name!r} have not drifted"
        raise InputError(message, f"Choose among: {', '.join(sorted(changed))}")
    until = _judged_until(stores, spec)
    if since is not None and since >= until:
        raise InputError(
            f"--since {text(since)} is not before the end of the newest window, {text(until)}", "Give an earlier time"
        )
    chosen = {name: began for name, began in changed.items() if not columns or name in columns}
    now = stores.now()
    accepted = [
        Acceptance(spec.name, name, window_of(since or began, spec.window), until, actor, reason, now)
        for name, began in sorted(chosen.items())
    ]
    with alerts_lock(stores, spec.name):
        stores.acceptances.add(accepted)
        if set(chosen) == set(changed):
            _resolve(stores, spec, actor, reason)
    return accepted


def changed_columns(stores: Stores, spec: EndpointSpec) -> dict[str, datetime]:
    """Return the columns that have drifted, or fail the data quality check, in the newest window; and since when."""
    found: dict[str, datetime] = {}
    for row in newest(stores, spec, DRIFT, 1):
        if row["since"] is not None or row["drifted"]:
            _earliest(found, row["column"], row["since"] or row["window_start"])
    for row in newest(stores, spec, DATA_QUALITY, 1):
        if row["passed"] is False:
            for line in str(row["flags"] or "").splitlines():
                _earliest(found, line.partition("\t")[0], row["first_event"])
    accepted = {one.column: one.until for one in stores.acceptances.of(spec.name)}
    until = _judged_until(stores, spec) if found else None
    return {name: began for name, began in found.items() if until is None or accepted.get(name) != until}


def _earliest(found: dict[str, datetime], column: str, at: datetime) -> None:
    found[column] = min(at, found.get(column, at))


def _judged_until(stores: Stores, spec: EndpointSpec) -> datetime:
    """Return the end of the newest window with a verdict on drift, or the start of a newer one with requests."""
    ends: list[datetime] = [row["window_start"] + LENGTH[spec.window] for row in newest(stores, spec, DRIFT, 1)]
    starts: list[datetime] = [row["window_start"] for row in newest(stores, spec, DATA_QUALITY, 1)]
    return max(ends + starts)


def _resolve(stores: Stores, spec: EndpointSpec, actor: str, reason: str) -> None:
    now = stores.now()
    opened = [alert for alert in stores.alerts.find(spec.name, OPEN) if alert.kind in _KINDS]
    said = [replace(one, message=f"accepted by {actor}: {reason}; before: {one.message}") for one in opened]
    resolved = [resolve_alert(alert, actor, reason, now) for alert in said]
    stores.alerts.write(spec.name, alert_records(stores, resolved, now), [], now)


def acceptance_rows(accepted: Collection[Acceptance]) -> list[dict[str, Any]]:
    """Return acceptances for people."""
    names = ("column", "since", "until", "actor", "reason", "at")
    return [{name: getattr(one, name) for name in names} for one in accepted]
