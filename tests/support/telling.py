"""Writes what is to be told to a channel, as the change of an alert does; and a clock that tests move."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from modelops_pipelines.core.alerting.alerts import OPEN, Alert
from modelops_pipelines.store.settings import load_settings
from modelops_pipelines.store.state.database import to_micros
from modelops_pipelines.store.state.sql_tables import STATE_TABLES
from modelops_pipelines.store.stores import Stores

NOW = datetime(2026, 11, 29, 8, tzinfo=UTC)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Clock:
    """A time that stands still until it is moved."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def move(self, **span: float) -> None:
        self.now += timedelta(**span)


def project(folder: Path, alerting: str) -> Stores:
    """Return the stores of a project with this ``alerting.yaml``."""
    (folder / "endpoints").mkdir(parents=True, exist_ok=True)
    (folder / "alerting.yaml").write_text(alerting)
    return Stores(load_settings(folder, {}))


def tell(stores: Stores, endpoint: str, event: str, channels: Sequence[str], at: datetime, rule: str = "drift") -> int:
    """Write an event of a rule's alert, opened if there is none, and what is to be told of it; return the event."""
    found = next((one for one in stores.alerts.find(endpoint) if one.rule == rule and one.status == OPEN), None)
    alert = found or _open(stores, endpoint, rule, at)
    events, notifications = STATE_TABLES["alert_events"], STATE_TABLES["notifications"]
    micros = to_micros(at)
    row = {"alert_id": alert.id, "endpoint": endpoint, "rule": rule, "at": micros, "event": event, "detail": {}}
    with stores.database.begin() as connected:
        [number] = connected.execute(events.insert().values(**row)).inserted_primary_key or (0,)
        for channel in channels:
            waits = {"event_id": number, "alert_id": alert.id, "endpoint": endpoint, "channel": channel}
            connected.execute(notifications.insert().values(**waits, created_at=micros, due_at=micros))
    return int(number)


def _open(stores: Stores, endpoint: str, rule: str, at: datetime) -> Alert:
    message = f"drift of {endpoint}"
    alert = Alert(endpoint, rule, "drift", OPEN, "error", message, 1, 0, at, at, None, "w", "w")
    times = {name: to_micros(getattr(alert, name)) for name in ("opened_at", "last_seen_at")}
    values = {name: value for name, value in asdict(alert).items() if name != "id"} | times
    with stores.database.begin() as connected:
        [number] = connected.execute(STATE_TABLES["alerts"].insert().values(**values)).inserted_primary_key or (0,)
    return replace(alert, id=number)


def untold(stores: Stores) -> int:
    """Return how many changes are in no message that was delivered."""
    notifications, messages = STATE_TABLES["notifications"], STATE_TABLES["messages"]
    done = sa.select(messages.c.message_id).where(messages.c.status == "delivered")
    with stores.database.read() as connected:
        waiting = notifications.c.message_id.is_(None) | notifications.c.message_id.not_in(done)
        return int(connected.scalar(sa.select(sa.func.count()).select_from(notifications).where(waiting)) or 0)


def events_in(body: bytes) -> list[int]:
    """Return the events that a webhook's body tells of."""
    return [change["event_id"] for change in json.loads(body)["data"]["changes"]]
