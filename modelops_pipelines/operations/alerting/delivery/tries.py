"""Tries to deliver the messages of one channel that are due, in order, and records what became of each try."""

import logging
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from modelops_pipelines.channels.outcome import Outcome, failed
from modelops_pipelines.core.alerting.configuration import AlertingConfiguration, Channel
from modelops_pipelines.core.alerting.messages import GIVEN_UP_AFTER, Message, idle_time, is_given_up, pause_after
from modelops_pipelines.core.durations import format_duration
from modelops_pipelines.operations.alerting.delivery.sending import mark_of, send
from modelops_pipelines.store.stores import Stores

LONGEST_ERROR = 300
_OFF = "the channel is off since its receiver answered 410; change its address or secret to send again"
_LOG = logging.getLogger("modelops.delivery")
Send = Callable[[Channel, str, Mapping[str, Any], datetime], Outcome]


@dataclass(frozen=True)
class Tries:
    """What trying needs: the stores, the channels, the time, and whether this process still delivers."""

    stores: Stores
    configuration: AlertingConfiguration
    clock: Callable[[], datetime]
    may_go_on: Callable[[], bool]
    send: Send = send


def try_channel(tries: Tries, name: str, messages: Sequence[Message]) -> None:
    """Try a channel's messages one by one until its receiver is down; each outcome is recorded at once."""
    channel = next((one for one in tries.configuration.channels if one.name == name), None)
    is_off = channel is not None and _is_off(tries.stores, channel)
    for message in messages:
        if not tries.may_go_on():
            return
        if not _is_as_read(tries.stores, message):
            continue  # another process, or an earlier turn, has tried it since it was read
        outcome = _try(tries, channel, message, is_off=is_off)
        record(tries.stores, channel, message, outcome, tries.clock())
        is_off = is_off or outcome.is_off
        if outcome.is_down:
            return


def _is_as_read(stores: Stores, message: Message) -> bool:
    now = stores.messages.find(message.message_id)
    return now is not None and (now.status, now.attempts) == (message.status, message.attempts)


def _try(tries: Tries, channel: Channel | None, message: Message, *, is_off: bool) -> Outcome:
    if channel is None:
        return failed(f"there is no channel {message.channel!r} in alerting.yaml")
    if is_off:
        return Outcome(is_delivered=False, error=_OFF, is_refused=True)
    try:
        return tries.send(channel, message.message_id, message.content, tries.clock())
    except Exception as error:  # noqa: BLE001 - a fault of ours on one message must not stop the others
        return failed(f"it could not be sent ({type(error).__name__})", is_down=False)


def _is_off(stores: Stores, channel: Channel) -> bool:
    """Return whether the receiver wants no more messages; after a change of its configuration it is asked again."""
    mark = stores.messages.switched_off().get(channel.name)
    if mark is None:
        return False
    if mark == mark_of(channel, stores.database.secret()):
        return True
    stores.messages.switch_off(channel.name, None)
    return False


def record(stores: Stores, channel: Channel | None, message: Message, outcome: Outcome, now: datetime) -> None:
    """Record what became of a try: delivered, to be tried again, or given up."""
    error = outcome.error[:LONGEST_ERROR]
    if outcome.is_delivered:
        stores.messages.deliver(message.message_id, now)
        return
    if outcome.is_off and channel is not None:
        stores.messages.switch_off(channel.name, mark_of(channel, stores.database.secret()))
    if outcome.is_off or outcome.is_refused or is_given_up(message, now):
        tried = "" if outcome.is_off or outcome.is_refused else f"given up after {format_duration(GIVEN_UP_AFTER)}: "
        stores.messages.give_up(message.message_id, tried + error, now)
        _LOG.error("Message %s to channel %s is given up: %s", message.message_id, message.channel, error)
        return
    jitter = random.random()  # noqa: S311 - no secret
    due_at = now + pause_after(message.attempts + 1, jitter, outcome.retry_after)
    idle = idle_time(message, now) // timedelta(microseconds=1)
    stores.messages.postpone(message, error, due_at, others=outcome.is_down, idle=idle)
    if not message.attempts:
        _LOG.warning("Message %s to channel %s is tried again: %s", message.message_id, message.channel, error)
