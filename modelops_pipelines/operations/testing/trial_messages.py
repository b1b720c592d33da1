"""Sends a message that is marked as a test through channels, for real. Nothing of it is kept in the state."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from modelops_pipelines.core.alerting.alerts import OPEN, Alert, AlertEvent
from modelops_pipelines.core.alerting.configuration import Channel
from modelops_pipelines.core.errors import SettingsError, UnknownError
from modelops_pipelines.core.windows import text
from modelops_pipelines.store.stores import Stores

DELIVERED, NOT_DELIVERED = "delivered", "not delivered"
TEST = "test"
NO_ENDPOINT = "(test)"
"""In the place of an endpoint's name: no endpoint can have it."""
NO_CHANNEL = "(heartbeat)"
"""In the place of a channel's name, for the heartbeat."""


@dataclass(frozen=True)
class Sent:
    """What became of a test message to a channel; the reason quotes no address and no secret."""

    channel: str
    result: str
    reason: str = ""

    @property
    def failed(self) -> bool:
        """Whether the channel did not take it."""
        return self.result != DELIVERED


def send_trial_messages(stores: Stores, only: str | None = None, *, actor: str) -> list[Sent]:
    """Send a test message through every channel of ``alerting.yaml`` and a heartbeat, or through one channel, once.

    Raises SettingsError while the file has a fault, UnknownError for a channel that it does not have.
    """
    from modelops_pipelines.operations.alerting.configuration import alerting_configuration, alerting_faults

    faults = alerting_faults(stores.settings)
    if faults:
        lines = "\n".join(f"  {fault}" for fault in faults)
        raise SettingsError(f"{stores.settings.alerting_file.name} is not in force:\n{lines}", "Correct these lines")
    found = alerting_configuration(stores.settings)
    sent = [_sent(stores, channel, actor) for channel in _chosen(found.channels, only)]
    return sent if only is not None or found.heartbeat is None else [*sent, _beaten(found.heartbeat)]


def _beaten(heartbeat: Channel) -> Sent:
    from modelops_pipelines.operations.alerting.delivery.heartbeat import send_heartbeat

    outcome = send_heartbeat(heartbeat)
    return Sent(NO_CHANNEL, DELIVERED if outcome.is_delivered else NOT_DELIVERED, outcome.error)


def _chosen(channels: Sequence[Channel], only: str | None) -> Sequence[Channel]:
    found = [channel for channel in channels if only in {None, channel.name}]
    if only is not None and not found:
        names = ", ".join(channel.name for channel in channels) or "none"
        raise UnknownError(
            f"There is no channel {only!r} (known: {names})", "Correct the name, or add it to alerting.yaml"
        )
    return found


def _sent(stores: Stores, channel: Channel, actor: str) -> Sent:
    from modelops_pipelines.operations.alerting.delivery.compose import compose
    from modelops_pipelines.operations.alerting.delivery.sending import send

    now = stores.now()
    message = f"{actor} tries the channel {channel.name}: nothing has happened, and nothing needs to be done."
    alert = Alert(
        endpoint=NO_ENDPOINT,
        rule=TEST,
        kind=TEST,
        status=OPEN,
        severity="warning",
        message=message,
        count=1,
        passes=0,
        opened_at=now,
        last_seen_at=now,
        resolved_at=None,
        opened_window=text(now),
        data_window=text(now),
        id=0,
    )
    event = AlertEvent(alert_id=0, endpoint=NO_ENDPOINT, rule=TEST, at=now, event="opened", actor=actor)
    content = compose(stores, [(alert, event)], now, test=True)
    outcome = send(channel, f"msg_test{secrets.token_hex(12)}", content, now)
    return Sent(channel.name, DELIVERED if outcome.is_delivered else NOT_DELIVERED, outcome.error)
