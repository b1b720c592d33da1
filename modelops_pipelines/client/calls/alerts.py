"""Alerts and their rules, silences, and messages that nobody took."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from modelops_pipelines.client.answers.alerts import (
    Alert,
    AlertDetails,
    DeadLetter,
    Resent,
    Rule,
    RuleTry,
    RuleVersion,
    Silence,
)
from modelops_pipelines.client.answers.reading import many, one
from modelops_pipelines.client.answers.result import Listing
from modelops_pipelines.client.connection.call import Call, Retry, body_of
from modelops_pipelines.client.connection.operation import operation

_RULES = "/endpoints/{endpoint}/alert-rules"
_ALERT = "/alerts/{number}"
_UNSENT = Retry.UNSENT


class AlertCalls:
    """Operations on alerts; a key for some endpoints has those of its own."""

    @operation
    def alerts(
        self,
        endpoint: str | None = None,
        *,
        states: Iterable[str] = (),
        severity: str | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> Call[Listing[Alert]]:
        """List alerts, newest first. ``states``: pending, open, acknowledged, resolved; by default all but resolved.

        ``before`` is an alert's number: the older ones are listed, which makes the next page.
        """
        query = {
            "endpoint": endpoint,
            "state": list(states),
            "severity": severity,
            "before": before,
            "limit": limit,
        }
        return Call("GET", "/alerts", many(Alert), query=query)

    @operation
    def alert(self, number: int) -> Call[AlertDetails]:
        """Show an alert with its history, the messages that told of it, likely causes, and pages to open."""
        return Call("GET", _ALERT, one(AlertDetails), {"number": number})

    @operation
    def acknowledge(self, number: int, *, note: str = "") -> Call[Alert]:
        """Acknowledge an alert: somebody looks after it, and it is not escalated, until it is resolved or worse."""
        message = body_of({"note": note})
        return Call("POST", f"{_ALERT}/acknowledge", one(Alert), {"number": number}, content=message, retry=_UNSENT)

    @operation
    def resolve(self, number: int, *, reason: str) -> Call[Alert]:
        """Resolve an alert by hand, with a reason. When its rule fails again, an alert opens again."""
        message = body_of({"reason": reason})
        return Call("POST", f"{_ALERT}/resolve", one(Alert), {"number": number}, content=message, retry=_UNSENT)

    @operation
    def alert_rules(self, endpoint: str) -> Call[Listing[Rule]]:
        """List the endpoint's alert rules in force, with the newest verdict of each."""
        return Call("GET", _RULES, many(Rule), {"endpoint": endpoint})

    @operation
    def add_alert_rule(self, endpoint: str, rule: Mapping[str, Any]) -> Call[RuleVersion]:
        """Add a rule at run time, with the keys of ``alerts`` in the endpoint's YAML, or a new version of one."""
        message, parts = body_of({"rule": dict(rule)}), {"endpoint": endpoint}
        return Call("POST", _RULES, one(RuleVersion), parts, content=message, retry=_UNSENT)

    @operation
    def try_alert_rule(self, endpoint: str, rule: Mapping[str, Any]) -> Call[RuleTry]:
        """Try a rule before it is added: on the last 30 days, and on synthetic requests. It takes seconds."""
        message, parts = body_of({"rule": dict(rule)}), {"endpoint": endpoint}
        return Call("POST", f"{_RULES}/try", one(RuleTry), parts, content=message)

    @operation
    def remove_alert_rule(self, endpoint: str, rule: str) -> Call[RuleVersion]:
        """Remove a rule that was added at run time."""
        parts = {"endpoint": endpoint, "rule": rule}
        return Call("DELETE", f"{_RULES}/{{rule}}", one(RuleVersion), parts, retry=_UNSENT)

    @operation
    def silences(self, *, status: str | None = None) -> Call[Listing[Silence]]:
        """List silences, newest first. ``status``: active, waiting or over; by default active and waiting."""
        return Call("GET", "/silences", many(Silence), query={"status": status})

    @operation
    def silence(
        self,
        matchers: Mapping[str, str],
        *,
        reason: str,
        until: datetime | None = None,
        weekly: str | None = None,
        starts_at: datetime | None = None,
    ) -> Call[Silence]:
        """Send nobody the messages of the alerts that match, until then, or every week. They are listed all the same.

        ``matchers`` are fields of an alert, such as ``{"endpoint": "flights", "rule": "drift"}``, with patterns.
        """
        message = {"matchers": dict(matchers), "reason": reason, "until": until, "weekly": weekly}
        content = body_of({**message, "starts_at": starts_at})
        return Call("POST", "/silences", one(Silence), content=content, retry=_UNSENT)

    @operation
    def end_silence(self, number: int) -> Call[Silence]:
        """End a silence; alerts that opened meanwhile and are still open are told then."""
        return Call("DELETE", "/silences/{number}", one(Silence), {"number": number}, retry=_UNSENT)

    @operation
    def dead_letters(self, *, limit: int = 100) -> Call[Listing[DeadLetter]]:
        """List the messages that were given up, newest first, with the last error."""
        return Call("GET", "/dead-letters", many(DeadLetter), query={"limit": limit})

    @operation
    def resend(self, message_ids: Iterable[str]) -> Call[Resent]:
        """Have messages tried again, under the same ids."""
        message = body_of({"message_ids": list(message_ids)})
        return Call("POST", "/dead-letters/resend", one(Resent), content=message, retry=_UNSENT)
