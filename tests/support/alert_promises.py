"""What is promised of alerts and messages, checked from the state's tables and from what receivers got."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from modelops_pipelines.store.state.sql_tables import STATE_TABLES
from modelops_pipelines.store.stores import Stores

BEGINNINGS = ("opened", "reopened", "worsened", "flapping", "steady")
REASONS = ("silence ", "maintenance window ", "flapping")
GROUP_WAIT = timedelta(seconds=3) // timedelta(microseconds=1)


@dataclass(frozen=True)
class Received:
    """One delivery of a message, as its receiver saw it; ``changes`` are the numbers of alert and event."""

    channel: str
    message_id: str
    changes: Sequence[tuple[int, int]]


@dataclass
class Tables:
    """The rows that the promises are about."""

    alerts: list[dict[str, Any]]
    events: list[dict[str, Any]]
    notifications: list[dict[str, Any]]
    messages: list[dict[str, Any]]

    @classmethod
    def of(cls, stores: Stores) -> "Tables":
        """Read them on one snapshot."""
        with stores.database.read() as connected:
            found = [
                [dict(row) for row in connected.execute(sa.select(STATE_TABLES[name])).mappings()]
                for name in ("alerts", "alert_events", "notifications", "messages")
            ]
        return cls(*found)


def channels_of(alert: Mapping[str, Any]) -> set[str]:
    """Return whom ``told_alerts.ALERTING`` has told of an alert, said in other words."""
    if alert["rule"].startswith("quiet_"):
        return set()
    return {"team", "duty"} if alert["severity"] == "error" else {"team"}


def broken_promises(stores: Stores, received: Sequence[Received], *, drained: bool = False) -> list[str]:
    """Return in words what does not hold; ``drained``: no silence is active, and everything due was delivered."""
    tables = Tables.of(stores)
    found = [*_twice_open(tables), *_untold(tables), *_unexplained(tables), *_unordered(tables, received)]
    return [*found, *_undelivered(tables, received)] if drained else found


def _twice_open(tables: Tables) -> Iterator[str]:
    live = [(one["endpoint"], one["rule"]) for one in tables.alerts if one["status"] != "resolved"]
    yield from (f"{one} has two alerts that are not resolved" for one in set(live) if live.count(one) > 1)
    for alert in tables.alerts:
        mine = [one["event"] for one in tables.events if one["alert_id"] == alert["id"]]
        changes = [name for name in mine if name in {"opened", "reopened", "resolved"}]
        expected = ["reopened" if index else "opened" for index in range(0, len(changes), 2)]
        if changes[::2] != expected or set(changes[1::2]) - {"resolved"}:
            yield f"alert {alert['id']} has the history {mine}"
        if alert["status"] != "pending" and (len(changes) % 2 == 0) != (alert["status"] == "resolved"):
            yield f"alert {alert['id']} is {alert['status']} after {mine}"
        if alert["reopened"] != changes.count("reopened"):
            yield f"alert {alert['id']} was reopened {alert['reopened']} times after {mine}"


def _untold(tables: Tables) -> Iterator[str]:
    """Yield each event that a channel must be told of and that has no notification."""
    alerts = {one["id"]: one for one in tables.alerts}
    for event in tables.events:
        rows = [one for one in tables.notifications if one["alert_id"] == event["alert_id"]]
        mine = {one["channel"] for one in rows if one["event_id"] == event["id"]}
        is_open, expected = event["detail"]["state"] != "resolved", set()
        if event["event"] in BEGINNINGS and is_open:
            expected = channels_of({**alerts[event["alert_id"]], "severity": event["detail"]["severity"]})
        if event["event"] != "silenced":
            knowing = informed(tables, rows, event)
            expected |= knowing
            held_up = {one["channel"] for one in rows if one["event_id"] == event["id"] and _is_held_up(one)} & knowing
            if held_up:
                yield f"event {event['id']} ({event['event']}) is held up for {sorted(held_up)}, who know of the alert"
        if expected - mine:
            yield f"event {event['id']} ({event['event']}) is not told to {sorted(expected - mine)}"


def _is_held_up(row: Mapping[str, Any]) -> bool:
    """Return whether a silence or a window withholds a notification, or did until it ended."""
    return row["due_at"] - row["created_at"] > GROUP_WAIT or (row["withheld"] or "").startswith(REASONS[:2])


def informed(tables: Tables, rows: Sequence[Mapping[str, Any]], event: Mapping[str, Any]) -> set[str]:
    """Return the channels whose last notification before an event says that the alert is open."""
    states = {one["id"]: one["detail"]["state"] for one in tables.events}
    said: dict[str, str] = {}
    for row in sorted(rows, key=lambda one: one["id"]):
        at = row["created_at"] if row["due_at"] - row["created_at"] <= GROUP_WAIT else row["due_at"]
        if row["event_id"] < event["id"] and at <= event["at"] and row["withheld"] is None:
            said[row["channel"]] = states[row["event_id"]]
    return {channel for channel, state in said.items() if state != "resolved"}


def _unexplained(tables: Tables) -> Iterator[str]:
    messages = {one["message_id"] for one in tables.messages}
    kinds = {one["id"]: one["kind"] for one in tables.alerts}
    for row in tables.notifications:
        if row["withheld"] is not None and not row["withheld"].startswith(REASONS):
            yield f"notification {row['id']} is withheld without a reason: {row['withheld']}"
        if row["withheld"] is not None and row["message_id"] is not None:
            yield f"notification {row['id']} is withheld and sent"
        if row["message_id"] is not None and row["message_id"] not in messages:
            yield f"notification {row['id']} is lost: its message is not there"
        if kinds[row["alert_id"]] == "capture" and (row["withheld"] or "").startswith(REASONS[:2]):
            yield f"notification {row['id']} on capture is silenced"


def _unordered(tables: Tables, received: Sequence[Received]) -> Iterator[str]:
    """Yield what a channel was told of an alert out of order, or in one message that differs from try to try."""
    first: dict[str, Received] = {}
    last: dict[tuple[str, int], int] = {}
    for one in received:
        if one.message_id in first:
            if first[one.message_id] != one:
                yield f"message {one.message_id} differs from try to try"
            continue
        first[one.message_id] = one
        for alert, event in one.changes:
            if event <= last.get((one.channel, alert), 0):
                yield f"{one.channel} is told event {event} of alert {alert} after {last[one.channel, alert]}"
            last[one.channel, alert] = event


def _undelivered(tables: Tables, received: Sequence[Received]) -> Iterator[str]:
    got = {(one.channel, event) for one in received for _, event in one.changes}
    for row in tables.notifications:
        if row["withheld"] is None and (row["channel"], row["event_id"]) not in got:
            yield f"notification {row['id']} was not delivered"
    end = {"id": max((one["id"] for one in tables.events), default=0) + 1, "at": 1 << 62}
    for alert in tables.alerts:
        rows = [one for one in tables.notifications if one["alert_id"] == alert["id"]]
        knowing = informed(tables, rows, end)
        if alert["status"] == "resolved" and not alert["flapping"] and knowing:
            yield f"{sorted(knowing)} got that alert {alert['id']} opened, and not that it is resolved"
        if alert["status"] == "open" and channels_of(alert) - knowing:
            yield f"{sorted(channels_of(alert) - knowing)} were never told that alert {alert['id']} is open"
