"""The alerts on ``alerting.yaml`` and on its channels: a fault in the file, a channel that takes no messages.

Each gateway worker watches, and so does Dagster's alert sensor: one of them is enough.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from modelops_pipelines.core.alerting.configuration import AlertingConfiguration
from modelops_pipelines.core.windows import text
from modelops_pipelines.operations.alerting.configuration import (
    alerting_configuration,
    alerting_faults,
    keep_alerting,
)
from modelops_pipelines.operations.alerting.delivery.home_verdicts import apply_home_verdicts, home_verdict
from modelops_pipelines.operations.alerting.life.raise_alerts import AlertChange
from modelops_pipelines.operations.alerting.watches.configuration_watch import CONFIGURATION
from modelops_pipelines.store.stores import Stores

ALERTING, CHANNEL, DELIVERY = "alerting.yaml", "channel ", "delivery"
STUCK_AFTER = timedelta(minutes=15)
"""A message that was tried and is not delivered for so long opens an alert, which other channels are told of."""
_LONGEST = 2000
_AGAIN = "when it is mended, send what was given up again: modelops alert dead-letters --resend --all"


def watch_channels(stores: Stores, now: datetime) -> list[AlertChange]:
    """Open or resolve the alerts on ``alerting.yaml`` and its channels; return what changed. Call it every few seconds.

    It also keeps a copy of a file without faults in the home, for the time in which it has one. While nothing changes,
    a call costs five reads of the state.
    """
    keep_alerting(stores.settings)
    faults = "\n".join(map(str, alerting_faults(stores.settings)))[:_LONGEST]
    problem = f"what held before stays in force:\n{faults}" if faults else None
    about_file = home_verdict(ALERTING, CONFIGURATION, now, problem, "alerting.yaml is in force")
    problems = channel_problems(stores, alerting_configuration(stores.settings), now)
    verdicts = [
        home_verdict(CHANNEL + name, DELIVERY, now, found, f"channel {name} takes messages")
        for name, found in problems.items()
    ]
    changes = apply_home_verdicts(stores, ALERTING, [about_file], now)
    return [*changes, *apply_home_verdicts(stores, CHANNEL, verdicts, now)]


def channel_problems(stores: Stores, configuration: AlertingConfiguration, now: datetime) -> Mapping[str, str | None]:
    """Return why each channel takes no messages; None for one that does, or has none to take.

    One whose last finished message was given up has a problem until one comes through, or until its dead letters are
    sent again.
    """
    off, stuck = stores.messages.switched_off(), stores.messages.stuck(now - STUCK_AFTER)
    found: dict[str, str | None] = {channel.name: None for channel in configuration.channels}
    for name, message in stores.messages.refused().items():
        if name in found:
            found[name] = f"its last message was given up: {message.last_error}; {_AGAIN}"
    for name, message in stuck.items():
        found[name] = f"a message waits since {text(message.created_at)}: {message.last_error}"
    for name in off:
        if name in found:
            found[name] = "its receiver answered 410, so it is off until its address or secret changes"
    return found
