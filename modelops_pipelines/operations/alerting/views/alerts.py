"""Alerts for people: lists of them, and one with its history, its messages and what it probably comes from."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from modelops_pipelines.core.alerting.alerts import (
    ACKNOWLEDGED,
    OPEN,
    PENDING,
    RESOLVED,
    Alert,
    AlertEvent,
    Traits,
)
from modelops_pipelines.core.alerting.live_rules import rule_of
from modelops_pipelines.core.alerting.silencing.silences import silenced_by
from modelops_pipelines.core.errors import UnknownError
from modelops_pipelines.operations.alerting.delivery.compose import compose
from modelops_pipelines.operations.alerting.life.policy import policy_of, traits_in_force
from modelops_pipelines.store.stores import Stores

STATES = (PENDING, OPEN, ACKNOWLEDGED, RESOLVED)
UNRESOLVED = (PENDING, OPEN, ACKNOWLEDGED)
MOST_LISTED = 10_000
_TOLD = {PENDING: "pending", OPEN: "opened", ACKNOWLEDGED: "acknowledged", RESOLVED: "resolved"}
_MESSAGE = ("message_id", "channel", "created_at", "status", "attempts", "last_error", "finished_at")


def find_alerts(
    stores: Stores,
    endpoint: str | None = None,
    states: Collection[str] = UNRESOLVED,
) -> list[Alert]:
    """Return the alerts in one of these states, newest first; of one endpoint if given.

    Resolved ones are among the newest MOST_LISTED.
    """
    found = (
        stores.alerts.find(endpoint, most=MOST_LISTED)
        if RESOLVED in states
        else stores.alerts.unresolved(endpoint)[::-1]
    )
    return [alert for alert in found if alert.state in states]


def alerts_page(
    stores: Stores,
    endpoint: str | None = None,
    states: Collection[str] = UNRESOLVED,
    *,
    within: Collection[str] | None = None,
    severity: str | None = None,
    before: int | None = None,
    most: int = 100,
) -> list[Alert]:
    """Return at most so many alerts in one of these states, newest first; ``before`` one with this number.

    ``within`` are the endpoints that may be shown; None: all, also those of the whole home.
    """
    named = None if endpoint is None else {endpoint}
    shown = named if within is None else set(within) if named is None else named & set(within)
    return stores.alerts.page(states, most, endpoints=shown, severity=severity, before=before)


def alert_numbered(stores: Stores, number: int, sees: Callable[[str], bool] = lambda _: True) -> Alert:
    """Return an alert by its number; raises UnknownError, also for one of an endpoint that may not be shown."""
    alert = stores.alerts.get(number)
    if alert is None or not sees(alert.endpoint):
        raise UnknownError(f"There is no alert {number}", "See the numbers: modelops alert list --all")
    return alert


def describe_alert(alert: Alert) -> dict[str, Any]:
    """Return an alert with its state as people see it."""
    return {**asdict(alert), "state": alert.state}


def describe_alerts(stores: Stores, alerts: Sequence[Alert], now: datetime) -> list[dict[str, Any]]:
    """Return alerts as ``describe_alert`` does, and by which silence each is silenced now, if any."""
    policy, traits = policy_of(stores, now), dict[str, Mapping[str, Traits]]()
    may_be = bool(policy.silences or policy.configuration.maintenance)
    found: list[dict[str, Any]] = []
    for alert in alerts:
        by = None
        if may_be and alert.state in UNRESOLVED:
            if alert.endpoint not in traits:
                traits[alert.endpoint] = traits_in_force(stores, alert.endpoint)
            known = traits[alert.endpoint].get(rule_of(alert.rule), Traits())
            by = silenced_by(alert, known, policy.silences, policy.configuration.maintenance, now)
        found.append({**describe_alert(alert), "silenced": by})
    return found


def describe_event(event: AlertEvent) -> dict[str, Any]:
    """Return an entry of an alert's history."""
    return {name: value for name, value in asdict(event).items() if name not in ("alert_id", "endpoint", "rule")}


def message_on(stores: Stores, alert: Alert, now: datetime) -> Mapping[str, Any]:
    """Return what a message would say of the alert now, with likely causes while it is not resolved, and pages."""
    shown = "opened" if alert.state == OPEN and alert.id else _TOLD[alert.state]
    actor, note = {
        ACKNOWLEDGED: (alert.acknowledged_by, alert.note),
        RESOLVED: (alert.resolved_by, alert.resolution),
    }.get(alert.state, (None, None))
    at = alert.resolved_at or alert.acknowledged_at or alert.opened_at
    made = AlertEvent(alert.id or 0, alert.endpoint, alert.rule, at, shown, actor, note)
    ends = [one for one in stores.alert_events.of(alert.id or 0) if one.event == RESOLVED] if shown == RESOLVED else []
    event = ends[-1] if ends and actor is None else made
    return compose(stores, [(alert, event)], now, explain_all=True)


def alert_details(stores: Stores, alert: Alert, content: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Return an alert with its history, the messages that told of it, likely causes, and pages to open.

    ``content`` is that of ``message_on``.
    """
    number = alert.id or 0
    [item] = content["alerts"]
    withheld = [one for one in stores.notifications.of(number) if one.withheld is not None]
    messages = [{name: getattr(one, name) for name in _MESSAGE} for one in stores.messages.of_alert(number)]
    return {
        **describe_alerts(stores, [alert], now)[0],
        **{name: item[name] for name in ("lasted", "owner", "runbook", "labels")},
        "history": [describe_event(event) for event in stores.alert_events.of(number)],
        "messages": messages,
        "withheld": [{"at": one.created_at, "channel": one.channel, "reason": one.withheld} for one in withheld],
        "causes": [dict(cause) for cause in content["causes"]],
        "links": [dict(link) for link in content["links"]],
    }
