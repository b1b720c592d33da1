"""What channels can be told only now: a silence is over, a channel is there again, or has a new name.

A channel that was told that an alert is open is told its end also when it was missing in ``alerting.yaml`` meanwhile;
and of an alert that is open, and that no channel which there is knows of, its route's channels are told.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from modelops_pipelines.core.alerting.alerts import Alert, AlertEvent, Traits
from modelops_pipelines.core.alerting.life import traits_in
from modelops_pipelines.core.alerting.records import Notification
from modelops_pipelines.core.alerting.routing import Policy, informed_by, route_of
from modelops_pipelines.core.alerting.silencing.silences import silenced_by
from modelops_pipelines.store.stores import Stores

ENDS_KEPT = timedelta(days=7)
"""The end of an alert that a channel missed is told when the channel is there again within this time."""


@dataclass(frozen=True)
class LateNews:
    """What may have to be told: what was withheld of open alerts and of ended ones, and alerts that nobody knows of."""

    withheld: Collection[Notification]
    ended: Collection[Notification]
    unknown: Collection[int]
    unresolved: Mapping[int, Alert]

    @classmethod
    def read(cls, stores: Stores, policy: Policy, now: datetime, endpoint: str | None = None) -> "LateNews":
        """Read it, of one endpoint or of all; it is little."""
        channels = policy.channels
        withheld = [one for one in stores.notifications.withheld(endpoint) if one.channel in channels]
        unknown = stores.notifications.unknown_alerts(channels, endpoint) if channels else []
        ended = stores.notifications.withheld_ends(now - ENDS_KEPT, channels, endpoint) if channels else []
        unresolved = stores.alerts.unresolved(endpoint) if withheld or unknown else []
        return cls(withheld, ended, unknown, {alert.id: alert for alert in unresolved if alert.id is not None})

    @property
    def alert_ids(self) -> set[int]:
        """The numbers of the open alerts that it concerns."""
        return {*(one.alert_id for one in self.withheld), *self.unknown}

    def due(
        self, stores: Stores, policy: Policy, begun: Mapping[int, AlertEvent], now: datetime
    ) -> Iterator[Notification]:
        """Yield what is to be told now; ``begun`` has the events with which the alerts opened last."""
        told = stores.notifications.told({*self.alert_ids, *(one.alert_id for one in self.ended)})
        informed = {number: informed_by(rows) for number, rows in told.items()}
        released = [*self._beginnings(policy, begun, informed, now)]
        yield from released
        yield from self._unknown(policy, begun, {one.alert_id for one in released}, now)
        for one in _newest(self.ended):
            if one.channel in informed.get(one.alert_id, ()):
                yield one

    def _beginnings(
        self,
        policy: Policy,
        begun: Mapping[int, AlertEvent],
        informed: Mapping[int, frozenset[str]],
        now: datetime,
    ) -> Iterator[Notification]:
        """Yield the newest beginning that each channel was not told of an alert which is open and not silenced now."""
        for one in _newest(self.withheld):
            alert = self.unresolved.get(one.alert_id)
            if alert is None or one.channel in informed.get(one.alert_id, ()):
                continue
            if silence_of(policy, alert, _traits(begun.get(one.alert_id)), now) is None:
                yield one

    def _unknown(
        self, policy: Policy, begun: Mapping[int, AlertEvent], known: Collection[int], now: datetime
    ) -> Iterator[Notification]:
        """Yield a new notification for each channel of the route of an alert that no channel knows of."""
        for number in self.unknown:
            alert, event = self.unresolved.get(number), begun.get(number)
            if alert is None or event is None or number in known:
                continue
            traits = _traits(event)
            route = route_of(policy.configuration, alert, traits)
            if route is None or silence_of(policy, alert, traits, now) is not None:
                continue
            for channel in route.channels:
                if channel in policy.channels:
                    yield Notification(channel, alert.endpoint, now, now, event_id=event.id or 0, alert_id=number)


def may_be_late(stores: Stores, policy: Policy, now: datetime) -> bool:
    """Return whether a channel that is there again may have missed the end of an alert."""
    return bool(policy.channels and stores.notifications.withheld_ends(now - ENDS_KEPT, policy.channels))


def silence_of(policy: Policy, alert: Alert, traits: Traits, now: datetime) -> str | None:
    """Return what silences an alert now, None when nothing does."""
    return silenced_by(alert, traits, policy.silences, policy.configuration.maintenance, now)


def _traits(event: AlertEvent | None) -> Traits:
    return Traits() if event is None else traits_in(event.detail)


def _newest(rows: Collection[Notification]) -> Collection[Notification]:
    """Return the newest of each alert and channel."""
    return {(one.alert_id, one.channel): one for one in rows}.values()
