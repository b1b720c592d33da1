"""Who is told of what happens to an alert.

A channel that was told that an alert is open is told all that follows, up to its end; a silence withholds beginnings
only. A route is asked again when an alert is worse. While an alert is flapping, its openings and ends are withheld;
that it flaps, that it is steady, and to who does not know of it that it is worse, is told.
"""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from modelops_pipelines.core.alerting.alerts import RESOLVED, Alert, AlertEvent, Traits
from modelops_pipelines.core.alerting.configuration import AlertingConfiguration, Route
from modelops_pipelines.core.alerting.events import (
    BEGINNINGS,
    ESCALATED,
    FLAPPING,
    REOPENED,
    RESOLVED_EVENT,
    SILENCED,
    WORSENED,
)
from modelops_pipelines.core.alerting.records import Notification
from modelops_pipelines.core.alerting.silencing.matchers import fields_of, matches
from modelops_pipelines.core.alerting.silencing.silences import Silence, silenced_by

NO_CHANNEL = "alerting.yaml has no channel"
"""Why a change is withheld from a channel that was removed or renamed; it is told when there is one again."""


@dataclass(frozen=True)
class Policy:
    """What decides who is told: the configuration, and the silences that people made."""

    configuration: AlertingConfiguration
    silences: Sequence[Silence] = ()

    @property
    def channels(self) -> frozenset[str]:
        """The names of the channels that there are."""
        return frozenset(channel.name for channel in self.configuration.channels)


def route_of(configuration: AlertingConfiguration, alert: Alert, traits: Traits) -> Route | None:
    """Return the first route that matches an alert, None when nobody is told of it."""
    fields = fields_of(alert, traits)
    return next((route for route in configuration.routes if matches(route.matchers, fields)), None)


def notifications_of(
    event: AlertEvent, alert: Alert, traits: Traits, informed: AbstractSet[str], policy: Policy
) -> list[Notification]:
    """Return a notification for each channel that an event concerns; ``alert`` is as the event left it.

    ``informed`` are the channels that were told that the alert is open, and not that it has ended.
    """
    if event.event == SILENCED:
        return []
    route = route_of(policy.configuration, alert, traits)
    channels = dict.fromkeys(sorted(informed))
    if route is not None and event.event == ESCALATED:
        channels |= dict.fromkeys(route.escalate_to)
    elif route is not None and event.event in BEGINNINGS and alert.status != RESOLVED:
        channels |= dict.fromkeys(route.channels)
    silence = silenced_by(alert, traits, policy.silences, policy.configuration.maintenance, event.at)
    due = event.at + policy.configuration.group_wait
    return [
        Notification(name, alert.endpoint, event.at, due, _withheld(name, event, alert, informed, policy, silence))
        for name in channels
    ]


def informed_after(
    informed: AbstractSet[str], event: AlertEvent, notifications: Iterable[Notification]
) -> frozenset[str]:
    """Return who was told that the alert is open after an event's notifications."""
    told = {one.channel for one in notifications if one.withheld is None}
    return frozenset(informed - told if event.detail.get("state") == RESOLVED else informed | told)


def informed_by(told: Iterable[tuple[str, Mapping[str, object]]]) -> frozenset[str]:
    """Return who was told last that an alert is open; ``told`` has channel and event's detail, in order."""
    states = {channel: detail.get("state") for channel, detail in told}
    return frozenset(channel for channel, state in states.items() if state != RESOLVED)


def _withheld(
    channel: str, event: AlertEvent, alert: Alert, informed: AbstractSet[str], policy: Policy, silence: str | None
) -> str | None:
    if channel not in policy.channels:
        return f"{NO_CHANNEL} {channel!r}"
    known = {REOPENED, RESOLVED_EVENT, *([WORSENED] if channel in informed else [])}
    if alert.flapping and event.actor is None and event.event in known:
        return FLAPPING
    return silence if channel not in informed else None
