"""Composes a message to people: what happened, since when, how bad, likely causes, and what to do; for every channel.

How it is written for a channel: ``channels``. Composing never fails for what cannot be found: it is left out.
"""

import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from modelops_pipelines.core.alerting.alerts import OPEN, Alert, AlertEvent
from modelops_pipelines.core.alerting.events import RESOLVED_EVENT
from modelops_pipelines.core.alerting.life import traits_in
from modelops_pipelines.core.alerting.live_rules import rule_of
from modelops_pipelines.core.alerting.message_content import (
    MOST_ALERTS,
    AlertItem,
    Cause,
    Link,
    MessageContent,
    describe_time,
    title_of,
    to_json,
)
from modelops_pipelines.core.endpoints.alert_rules import AlertRule
from modelops_pipelines.core.endpoints.spec import EndpointSpec, Slo
from modelops_pipelines.core.windows import text
from modelops_pipelines.operations.alerting.causes.begin import since_last_opening
from modelops_pipelines.operations.alerting.causes.likely import SECONDS, likely_causes
from modelops_pipelines.operations.alerting.causes.pages import links_of
from modelops_pipelines.operations.alerting.rules.rules_in_force import SpecsInForce
from modelops_pipelines.store.stores import Stores

Told = Sequence[tuple[Alert, AlertEvent]]
EXPLAINED, DESCRIBED = 3, 20
"""Endpoints of one message whose causes are looked for, and whose rules: in a storm there is no time for all."""
_RANK = {"critical": 0, "error": 1, "warning": 2}
_NEWS = ("opened", "reopened", "worsened", "escalated", "flapping")
"""Events after which a person asks for the cause."""


def compose(
    stores: Stores, told: Told, now: datetime, *, test: bool = False, explain_all: bool = False
) -> dict[str, Any]:
    """Return the content of the message that tells these changes, the worst first, as JSON; ``test`` marks it as one.

    The changes of one alert stay in their order. It takes SECONDS at most to look for causes: of alerts that are news,
    or with ``explain_all`` of all that are not resolved.
    """
    ordered = sorted(told, key=lambda one: _RANK.get(one[0].severity, len(_RANK)))
    shown = ordered[:MOST_ALERTS]
    endpoints = list(dict.fromkeys(alert.endpoint for alert, _ in shown))
    in_force = SpecsInForce(stores)
    specs = {name: in_force.of(name) for name in endpoints[:DESCRIBED]}
    items = tuple(_item(alert, event, _rule(specs.get(alert.endpoint), alert.rule), now) for alert, event in shown)
    left_out = len(ordered) - len(shown)
    news = [one for one in shown if one[0].resolved_at is None and (explain_all or one[1].event in _NEWS)]
    likely = () if test else tuple(_causes(stores, since_last_opening(stores, news), specs))
    links: list[Link] = [link for name in endpoints[:EXPLAINED] for link in links_of(stores, name, shown)]
    title = title_of(items, left_out=left_out, test=test)
    return to_json(MessageContent(title, text(now), items, likely, tuple(links), left_out, test))


def compose_plainly(told: Told, now: datetime) -> dict[str, Any]:
    """Return the content without causes, rules and pages, for which nothing is read: when ``compose`` fails."""
    items = tuple(_item(alert, event, None, now) for alert, event in told[:MOST_ALERTS])
    left_out = len(told) - len(items)
    return to_json(MessageContent(title_of(items, left_out=left_out), text(now), items, left_out=left_out))


def _item(alert: Alert, event: AlertEvent, rule: AlertRule | Slo | None, now: datetime) -> AlertItem:
    end = alert.resolved_at if alert.resolved_at is not None else now
    alert = _as_resolved(alert, event)
    said = traits_in(event.detail)
    is_open = alert.state == OPEN and event.event in _NEWS
    return AlertItem(
        alert_id=alert.id or event.alert_id,
        endpoint=alert.endpoint,
        rule=alert.rule,
        kind=alert.kind,
        event=event.event,
        state=alert.state,
        severity=alert.severity,
        at=text(event.at),
        since=text(alert.opened_at),
        lasted=describe_time(end - alert.opened_at),
        message=alert.message,
        count=alert.count,
        value=alert.value,
        threshold=alert.threshold,
        n=alert.n,
        window=alert.data_window,
        actor=event.actor,
        note=event.note,
        reopened=alert.reopened,
        escalations=alert.escalations,
        flapping=alert.flapping,
        owner=said.owner or (rule.owner if rule else None) or "",
        runbook=said.runbook or (rule.runbook if rule else None) or "",
        labels=said.labels or (dict(rule.labels) if isinstance(rule, AlertRule) else {}),
        acknowledge=_acknowledge(alert) if is_open else "",
    )


def _as_resolved(alert: Alert, event: AlertEvent) -> Alert:
    """Return an alert that a pass resolved in the words and numbers of the pass, which its event has; others as is."""
    if event.event != RESOLVED_EVENT or event.actor is not None or not event.note:
        return alert
    numbers = {name: event.detail.get(name, getattr(alert, name)) for name in ("value", "threshold", "n")}
    return replace(alert, message=event.note, data_window=event.detail.get("window", alert.data_window), **numbers)


def _acknowledge(alert: Alert) -> str:
    if not alert.id:
        return ""  # of a message that tries a channel: there is no such alert
    return f"modelops alert ack {alert.id} --note {shlex.quote('I am looking at it')}"


def _rule(spec: EndpointSpec | None, name: str) -> AlertRule | Slo | None:
    """Return an alert's rule or objective; that of an alert on live counts is the rule that they are judged by."""
    rules: list[AlertRule | Slo] = [*spec.alerts, *spec.slos] if spec else []
    named = {one.name: one for one in rules}
    return named.get(name) or named.get(rule_of(name))


def _causes(stores: Stores, alerts: Sequence[Alert], specs: Mapping[str, EndpointSpec | None]) -> Iterator[Cause]:
    """Yield the causes of these alerts of the first endpoints, within SECONDS for all of them."""
    ends = time.monotonic() + SECONDS
    by_endpoint: dict[str, dict[int | None, Alert]] = {}
    for alert in alerts:
        by_endpoint.setdefault(alert.endpoint, {})[alert.id] = alert
    for name, mine in list(by_endpoint.items())[:EXPLAINED]:
        yield from likely_causes(stores, name, specs.get(name), list(mine.values()), ends - time.monotonic())
