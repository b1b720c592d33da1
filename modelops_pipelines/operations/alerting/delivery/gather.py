"""Gathers what is due to be told into messages; content and id are fixed in the transaction that takes the rows."""

import logging
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from modelops_pipelines.core.alerting.alerts import Alert, AlertEvent
from modelops_pipelines.core.alerting.messages import MOST_A_MINUTE, PENDING, Draft, Message, Waiting, drafts_of
from modelops_pipelines.core.foreign_text import error_text
from modelops_pipelines.core.windows import text
from modelops_pipelines.operations.alerting.delivery.compose import compose, compose_plainly
from modelops_pipelines.store.state.alerting.messages import UnderWay
from modelops_pipelines.store.stores import Stores

MOST_UNDER_WAY = 10
"""Messages of a channel that are not delivered yet; what comes after them waits, and is told together."""
_LOG = logging.getLogger("modelops.delivery")


def gather(stores: Stores, now: datetime, may_go_on: Callable[[], bool] = lambda: True) -> list[Message]:
    """Write messages for what is due to be told, and return them. It costs one read while nothing is.

    It ends early when ``may_go_on`` says no: another process delivers now.
    """
    channels = stores.messages.waiting_channels(now)
    if not channels:
        return []
    under_way, written = stores.messages.under_way(), stores.messages.counts_between(now - timedelta(minutes=1), now)
    contents: dict[tuple[int, ...], dict[str, Any]] = {}
    messages: list[Message] = []
    for channel in channels:
        mine = under_way.get(channel, UnderWay(set(), set()))
        most = min(MOST_A_MINUTE - written.get(channel, 0), MOST_UNDER_WAY - len(mine.messages))
        waiting = stores.messages.waiting(now, channel, mine.endpoints) if most > 0 else []
        for draft in drafts_of(channel, waiting, mine.endpoints, most):
            if not may_go_on():
                return messages
            message = _message(draft, _content(stores, draft, now, contents), now)
            added = stores.messages.add(message, [one.notification_id for one in draft.waiting])
            messages += [added] if added is not None else []
    return messages


def _message(draft: Draft, content: dict[str, Any], now: datetime) -> Message:
    message_id = f"msg_{secrets.token_urlsafe(20).replace('-', 'a').replace('_', 'b')}"
    return Message(message_id, 0, draft.channel, draft.endpoint, now, content, PENDING, 0, now)


def _content(
    stores: Stores, draft: Draft, now: datetime, known: dict[tuple[int, ...], dict[str, Any]]
) -> dict[str, Any]:
    """Return the content of a message; channels that are told the same share it."""
    key = tuple(one.event.id or 0 for one in draft.waiting)
    if key not in known:
        told = [(one.alert, one.event) for one in draft.waiting]
        known[key] = {**_composed(stores, told, now), "changes": [_change(one) for one in draft.waiting]}
    return known[key]


def _change(one: Waiting) -> dict[str, Any]:
    """Return one change for programs: a message lists only some for people."""
    return {
        "alert_id": one.alert.id,
        "event_id": one.event.id,
        "endpoint": one.endpoint,
        "rule": one.alert.rule,
        "event": one.event.event,
        "severity": one.alert.severity,
        "at": text(one.event.at),
    }


def _composed(stores: Stores, told: Sequence[tuple[Alert, AlertEvent]], now: datetime) -> dict[str, Any]:
    """Return the content; when looking for causes fails, the same without them: nothing holds a message back."""
    try:
        return compose(stores, told, now)
    except Exception as error:  # noqa: BLE001 - whatever it is, people are told nevertheless
        _LOG.warning("A message is sent without its causes: %s", error_text(error))
        return compose_plainly(told, now)
