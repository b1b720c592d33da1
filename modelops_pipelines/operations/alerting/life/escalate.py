"""What time does to alerts: escalations, the ends of silences and of removed rules, flapping alerts that are steady.

Any number of processes may look; each endpoint is changed under its lock, after a second look.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from modelops_pipelines.core.alerting.alerts import Alert, AlertEvent, Traits
from modelops_pipelines.core.alerting.configuration import AlertingConfiguration
from modelops_pipelines.core.alerting.episodes import Episode
from modelops_pipelines.core.alerting.events import ESCALATED, STEADY
from modelops_pipelines.core.alerting.life import STEADY_AFTER, traits_in
from modelops_pipelines.core.alerting.records import Notification
from modelops_pipelines.core.alerting.routing import Policy, route_of
from modelops_pipelines.operations.alerting.apart import Apart
from modelops_pipelines.operations.alerting.life.late_news import LateNews, may_be_late, silence_of
from modelops_pipelines.operations.alerting.life.policy import alert_records, policy_of
from modelops_pipelines.operations.alerting.life.raise_alerts import AlertChange, alerts_lock
from modelops_pipelines.operations.alerting.life.removed_rules import end_removed
from modelops_pipelines.store.stores import Stores

_WATCH = Apart("The watch of open alerts")


@dataclass(frozen=True)
class Due:
    """What is due: alerts that change, and notifications that can be sent only now."""

    episodes: tuple[Episode, ...]
    released: tuple[Notification, ...]

    @property
    def endpoints(self) -> list[str]:
        """The endpoints that it concerns."""
        return sorted({*(one.alert.endpoint for one in self.episodes), *(one.endpoint for one in self.released)})


def look_after_alerts(
    stores: Stores, now: datetime, configuration: AlertingConfiguration | None = None
) -> list[AlertChange]:
    """Escalate what nobody acknowledged, tell what could not be told until now, and what is steady; return changes.

    Alerts of rules that are gone are resolved. Call it every few seconds. Without an open alert it costs two queries,
    for all endpoints together.
    """
    policy = policy_of(stores, now, configuration)
    if not stores.alerts.any_live() and not may_be_late(stores, policy, now):
        return []
    changes = end_removed(stores, now)
    for endpoint in _due(stores, policy, now).endpoints:
        with _WATCH.alone(endpoint), alerts_lock(stores, endpoint, seconds=0):
            changes += _change(stores, endpoint, policy, now)
    return changes


def _change(stores: Stores, endpoint: str, policy: Policy, now: datetime) -> list[AlertChange]:
    due = _due(stores, policy, now, endpoint)
    if due.released:
        stores.notifications.tell(due.released, now)
    if not due.episodes:
        return []
    records = alert_records(stores, due.episodes, now, policy.configuration)
    written = stores.alerts.write(endpoint, records, [], now)
    return [AlertChange(alert, one.change) for alert, one in zip(written, due.episodes, strict=True)]


def _due(stores: Stores, policy: Policy, now: datetime, endpoint: str | None = None) -> Due:
    steady, unanswered = _steady(stores, now, endpoint), _unanswered(stores, policy, now, endpoint)
    late = LateNews.read(stores, policy, now, endpoint)
    concerned = {*(alert.id or 0 for alert in (*steady, *unanswered)), *late.alert_ids}
    begun = stores.alert_events.last_openings(concerned) if concerned else {}
    traits = {number: traits_in(event.detail) for number, event in begun.items()}
    episodes = [Episode(replace(one, flapping=False), False, traits.get(one.id or 0, Traits())) for one in steady]
    for episode in episodes:
        episode.add(STEADY, now)
    released = tuple(late.due(stores, policy, begun, now))
    news = {one.alert_id for one in released}
    for alert in unanswered:
        event = begun.get(alert.id or 0)
        if event is not None and alert.id not in news and _is_late(stores, policy, alert, event, now):
            escalated = Episode(replace(alert, escalations=alert.escalations + 1), False, traits[event.alert_id])
            escalated.add(ESCALATED, now)
            episodes.append(escalated)
    return Due(tuple(episodes), released)


def _steady(stores: Stores, now: datetime, endpoint: str | None) -> list[Alert]:
    flapping = stores.alerts.flapping(endpoint)
    changed = stores.alert_events.last_changes([alert.id for alert in flapping if alert.id is not None])
    return [alert for alert in flapping if now - changed.get(alert.id or 0, alert.opened_at) >= STEADY_AFTER]


def _unanswered(stores: Stores, policy: Policy, now: datetime, endpoint: str | None) -> list[Alert]:
    """Return the alerts that may be late by the shortest time of any route."""
    times = [
        route.escalate_after for route in policy.configuration.routes if route.escalate_after and route.escalate_to
    ]
    return stores.alerts.unanswered(now - min(times), endpoint) if times else []


def _is_late(stores: Stores, policy: Policy, alert: Alert, opened: AlertEvent, now: datetime) -> bool:
    """Return whether an alert was told long enough ago, by its route, and is not silenced now."""
    traits = traits_in(opened.detail)
    route = route_of(policy.configuration, alert, traits)
    if route is None or route.escalate_after is None or not route.escalate_to:
        return False
    if now - opened.at < route.escalate_after or silence_of(policy, alert, traits, now) is not None:
        return False
    rows = stores.notifications.of(opened.alert_id)
    told = [one.due_at for one in rows if one.withheld is None and one.event_id >= (opened.id or 0)]
    return now - max([opened.at, *told]) >= route.escalate_after
