"""All endpoints at a glance, those that need a person first."""

from collections.abc import Mapping, Sequence
from typing import Any

from modelops_pipelines.core.alerting.alerts import ACKNOWLEDGED, OPEN, WORST_FIRST, Alert
from modelops_pipelines.core.endpoints.spec import ELSEWHERE, EndpointSpec
from modelops_pipelines.core.release.desired_state import ACTIVE, DesiredState
from modelops_pipelines.core.windows import text
from modelops_pipelines.operations.release.endpoint_status import NEW
from modelops_pipelines.store.stores import Stores

HEALTHY, SICK = 80, 50
"""Health scores from which, and below which, an endpoint counts as good and bad."""


def overview(
    stores: Stores, specs: Sequence[EndpointSpec], failures: Mapping[str, str] | None = None
) -> list[dict[str, Any]]:
    """Return a row for each endpoint, those that need a person first: failed, with open alerts, then by health.

    ``failures`` are the reasons why endpoints cannot be served, by name. ``summary`` is what ``write_summary`` found,
    and ``measured_at`` when; both are None until an endpoint was measured. It reads the state alone.
    """
    desired = {state.endpoint: state for state in stores.deployments.all_desired()}
    alerts: dict[str, list[Alert]] = {}
    for alert in stores.alerts.unresolved():
        alerts.setdefault(alert.endpoint, []).append(alert)
    summaries, reviews = stores.summaries.all(), stores.review_items.waiting()
    rows = []
    for spec in specs:
        state, made = desired.get(spec.name, DesiredState(spec.name)), summaries.get(spec.name)
        rows.append(
            {
                "name": spec.name,
                "task": spec.task,
                "description": spec.description,
                "owners": list(spec.owners),
                "tags": list(spec.tags),
                "platform": spec.served,
                **_served(spec, state, (failures or {}).get(spec.name)),
                **_alerted(alerts.get(spec.name, [])),
                "waiting_reviews": reviews.get(spec.name, 0),
                "summary": None if made is None else dict(made.content),
                "measured_at": None if made is None else text(made.at),
            }
        )
    return sorted(rows, key=_need)


def tone_of_health(score: float | None) -> str:
    """Return good, bad, warn (between both), or "" without a score."""
    if score is None:
        return ""
    return "good" if score >= HEALTHY else "bad" if score < SICK else "warn"


def _served(spec: EndpointSpec, state: DesiredState, failure: str | None) -> dict[str, Any]:
    status: str = NEW
    if spec.is_elsewhere:
        status = ELSEWHERE
    elif failure is not None or (state.generation and state.status == ACTIVE and state.champion is None):
        status = "failed"
    elif state.generation:
        status = state.status
    trials = [vars(variant) for variant in state.variants if variant.role != "champion"]
    return {
        "status": status,
        "problem": failure,
        "champion": state.champion,
        "since": text(state.since) if state.since else None,
        "trials": trials,
    }


def _alerted(alerts: Sequence[Alert]) -> dict[str, Any]:
    """Return the numbers of alerts, and the gravest of those that nobody looks after."""
    waiting = [alert for alert in alerts if alert.state == OPEN]
    worst = min(waiting, key=lambda alert: (_gravity(alert.severity), alert.opened_at), default=None)
    return {
        "open_alerts": len(waiting),
        "acknowledged_alerts": sum(alert.state == ACKNOWLEDGED for alert in alerts),
        "worst_alert": None
        if worst is None
        else {"id": worst.id, "rule": worst.rule, "severity": worst.severity, "message": worst.message},
    }


def _gravity(severity: str | None) -> int:
    """Return the rank of a severity, the gravest first; that of no alert is the last."""
    if severity is None:
        return len(WORST_FIRST) + 1
    return WORST_FIRST.index(severity) if severity in WORST_FIRST else len(WORST_FIRST)


def _need(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the sort key: the smaller, the more the endpoint needs a person."""
    worst, summary = row["worst_alert"], row["summary"]
    gravity = _gravity(None if worst is None else worst["severity"])
    score = None if summary is None else summary["health"]["score"]
    return (row["status"] != "failed", gravity, -row["open_alerts"], 101.0 if score is None else score, row["name"])
