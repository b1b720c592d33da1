"""The outbox: what channels are to be told, gathered into messages that are delivered at least once under one id."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping

from modelops_pipelines.core.alerting.alerts import Alert, AlertEvent
from modelops_pipelines.core.alerting.messages import DEAD, DELIVERED, LONGEST_ASKED, PENDING, Message, Waiting
from modelops_pipelines.store.state.database import Database, from_micros, moment, to_micros
from modelops_pipelines.store.state.sql_tables import STATE_TABLES

MOST_WAITING = 5_000
"""Changes that are looked at in one turn, for each channel; the others wait for the next one."""
_MOST_NAMES = 10_000
"""Endpoints that one query leaves out: databases bound the parameters of a query."""
_MESSAGES, _WAITING = STATE_TABLES["messages"], STATE_TABLES["notifications"]
_EVENTS, _ALERTS, _SETTINGS = STATE_TABLES["alert_events"], STATE_TABLES["alerts"], STATE_TABLES["settings"]
_TIMES = ("created_at", "due_at", "finished_at")
_ALERT_TIMES = ("opened_at", "last_seen_at", "resolved_at", "acknowledged_at")
_OFF = "channel switched off: "


@dataclass(frozen=True)
class UnderWay:
    """The messages of a channel that are not delivered yet, and the endpoints that they tell of."""

    messages: set[str]
    endpoints: set[str]


class Messages:
    """The store of messages. Each write is one transaction."""

    def __init__(self, database: Database) -> None:
        """Share the database with the other stores."""
        self._database = database

    def waiting_channels(self, now: datetime) -> list[str]:
        """Return the channels that are due to be told of something that is in no message yet."""
        query = sa.select(_WAITING.c.channel).where(_due(now)).distinct().order_by(_WAITING.c.channel)
        with self._database.read() as connected:
            return list(connected.scalars(query))

    def waiting(self, now: datetime, channel: str | None = None, without: Collection[str] = ()) -> list[Waiting]:
        """Return what is due to be told and in no message yet, in the order in which it happened.

        It is that of one channel, if given, and not on the endpoints ``without``.
        """
        mine = [_WAITING.c.channel == channel] if channel is not None else []
        rest = _WAITING.c.endpoint.not_in(list(without)[:_MOST_NAMES])
        query = sa.select(_WAITING).where(_due(now), rest, *mine).order_by(_WAITING.c.id).limit(MOST_WAITING)
        with self._database.read() as connected:
            rows = list(connected.execute(query).mappings())
            if not rows:
                return []
            alerts = {row["id"]: row for row in _rows(connected, _ALERTS, {row["alert_id"] for row in rows})}
            events = {row["id"]: row for row in _rows(connected, _EVENTS, {row["event_id"] for row in rows})}
        return [
            Waiting(row["id"], row["channel"], row["endpoint"], _alert(alert), _event(event))
            for row in rows
            if (alert := alerts.get(row["alert_id"])) is not None and (event := events.get(row["event_id"])) is not None
        ]

    def add(self, message: Message, notifications: Collection[int]) -> Message | None:
        """Write a message in place of what waited; None, and nothing is written, when another process did.

        The message that is returned has its number.
        """
        mine = _WAITING.c.id.in_(list(notifications)) & _WAITING.c.message_id.is_(None)
        with self._database.begin() as connected:
            free = connected.scalar(sa.select(sa.func.count()).select_from(_WAITING).where(mine))
            if free != len(notifications):
                return None
            newest = sa.select(sa.func.max(_MESSAGES.c.number)).where(_MESSAGES.c.channel == message.channel)
            values = _values(message) | {"number": (connected.scalar(newest) or 0) + 1}
            connected.execute(_MESSAGES.insert().values(**values))
            connected.execute(_WAITING.update().where(mine).values(message_id=message.message_id))
        return self.find(message.message_id)

    def under_way(self) -> dict[str, UnderWay]:
        """Return what is not delivered yet, by channel."""
        names = (_MESSAGES.c.channel, _MESSAGES.c.message_id, _MESSAGES.c.endpoint, _WAITING.c.endpoint)
        pending = sa.select(*names).select_from(
            _MESSAGES.outerjoin(_WAITING, _WAITING.c.message_id == _MESSAGES.c.message_id)
        )
        with self._database.read() as connected:
            rows = connected.execute(pending.where(_MESSAGES.c.status == PENDING).distinct()).all()
        found: dict[str, UnderWay] = {}
        for channel, message_id, endpoint, told in rows:
            mine = found.setdefault(channel, UnderWay(set(), set()))
            mine.messages.add(message_id)
            mine.endpoints.update(one for one in (endpoint, told) if one is not None)
        return found

    def counts_between(self, at: datetime, now: datetime) -> dict[str, int]:
        """Return how many messages were written since a time, by channel; not those of a clock that was ahead."""
        written = (_MESSAGES.c.created_at > to_micros(at), _MESSAGES.c.created_at <= to_micros(now))
        counted = sa.select(_MESSAGES.c.channel, sa.func.count()).where(*written)
        with self._database.read() as connected:
            return {row[0]: row[1] for row in connected.execute(counted.group_by(_MESSAGES.c.channel))}

    def due(self, now: datetime) -> list[Message]:
        """Return the messages to be tried now, in the order of their channels' numbers."""
        wanted = (_MESSAGES.c.status == PENDING) & _is_due(_MESSAGES.c.due_at, now)
        return self._find(sa.select(_MESSAGES).where(wanted).order_by(_MESSAGES.c.channel, _MESSAGES.c.number))

    def find(self, message_id: str) -> Message | None:
        """Return a message by its id."""
        return next(iter(self._find(sa.select(_MESSAGES).where(_MESSAGES.c.message_id == message_id))), None)

    def dead(self) -> list[Message]:
        """Return the messages that were given up, the newest first."""
        wanted = sa.select(_MESSAGES).where(_MESSAGES.c.status == DEAD)
        return self._find(wanted.order_by(_MESSAGES.c.finished_at.desc(), _MESSAGES.c.number.desc()))

    def stuck(self, since: datetime) -> dict[str, Message]:
        """Return the oldest message of each channel that was written before, was tried, and is not delivered."""
        old = (_MESSAGES.c.status == PENDING) & (_MESSAGES.c.attempts > 0) & (_MESSAGES.c.created_at < to_micros(since))
        found = self._find(sa.select(_MESSAGES).where(old).order_by(_MESSAGES.c.created_at.desc()))
        return {message.channel: message for message in found}

    def refused(self) -> dict[str, Message]:
        """Return the message of each channel that was finished last, where it was given up: none came through since."""
        later = _MESSAGES.alias("later")
        came_through = (later.c.status == DELIVERED) & (later.c.finished_at >= _MESSAGES.c.finished_at)
        since = sa.exists().where(later.c.channel == _MESSAGES.c.channel, came_through)
        given_up = sa.select(_MESSAGES).where(_MESSAGES.c.status == DEAD, ~since)
        found = self._find(given_up.order_by(_MESSAGES.c.finished_at, _MESSAGES.c.number))
        return {message.channel: message for message in found}

    def recent(self, limit: int = 100) -> list[Message]:
        """Return the newest messages of all channels, the newest first."""
        return self._find(sa.select(_MESSAGES).order_by(_MESSAGES.c.created_at.desc()).limit(limit))

    def of_alert(self, alert_id: int) -> list[Message]:
        """Return the messages that tell of an alert, in the order in which they were written."""
        ids = sa.select(_WAITING.c.message_id).where(_WAITING.c.alert_id == alert_id)
        wanted = sa.select(_MESSAGES).where(_MESSAGES.c.message_id.in_(ids))
        return self._find(wanted.order_by(_MESSAGES.c.created_at, _MESSAGES.c.number))

    def deliver(self, message_id: str, at: datetime) -> None:
        """Record that the receiver has taken the message."""
        tried = _MESSAGES.c.attempts + 1
        self._change(message_id, status=DELIVERED, finished_at=to_micros(at), attempts=tried, last_error=None)

    def postpone(self, message: Message, error: str, due_at: datetime, *, others: bool, idle: int = 0) -> None:
        """Record a failed try, and when the next one is; with ``others``, those of the channel wait as long.

        The microseconds in which nobody tried (``idle``) do not count for the day after which they are given up.
        """
        until = to_micros(due_at)
        rest = (_MESSAGES.c.channel == message.channel) & (_MESSAGES.c.status == PENDING) & (_MESSAGES.c.due_at < until)
        with self._database.begin() as connected:
            mine = _MESSAGES.update().where(_MESSAGES.c.message_id == message.message_id, _MESSAGES.c.status == PENDING)
            if idle:
                before = _MESSAGES.c.created_at + idle <= until
                moved = _MESSAGES.update().where(_MESSAGES.c.channel == message.channel, before)
                slept = moved.where(_MESSAGES.c.status == PENDING)
                connected.execute(slept.values(created_at=_MESSAGES.c.created_at + idle))
            connected.execute(mine.values(attempts=_MESSAGES.c.attempts + 1, last_error=error, due_at=until))
            if others:
                connected.execute(_MESSAGES.update().where(rest).values(due_at=until))

    def give_up(self, message_id: str, error: str, at: datetime) -> None:
        """Record that the message is not tried any more, and why."""
        tried = _MESSAGES.c.attempts + 1
        self._change(message_id, status=DEAD, finished_at=to_micros(at), attempts=tried, last_error=error)

    def resend(self, message_ids: Collection[str], now: datetime) -> list[str]:
        """Have dead letters tried again, for as long as a new message; return the ids of those that were dead."""
        dead = _MESSAGES.c.message_id.in_(list(message_ids)) & (_MESSAGES.c.status == DEAD)
        at = to_micros(now)
        fresh = {"status": PENDING, "attempts": 0, "created_at": at, "due_at": at, "finished_at": None}
        with self._database.begin() as connected:
            found = list(connected.scalars(sa.select(_MESSAGES.c.message_id).where(dead)))
            connected.execute(_MESSAGES.update().where(dead).values(**fresh))
        return found

    def switched_off(self) -> dict[str, str]:
        """Return the channels whose receiver wants no more messages, with the mark of their configuration then."""
        query = sa.select(_SETTINGS.c.name, _SETTINGS.c.value).where(_SETTINGS.c.name.startswith(_OFF))
        with self._database.read() as connected:
            return {name.removeprefix(_OFF): value for name, value in connected.execute(query)}

    def switch_off(self, channel: str, mark: str | None) -> None:
        """Record that a channel's receiver wants no more messages; without a mark, that it is sent to again."""
        with self._database.begin() as connected:
            connected.execute(_SETTINGS.delete().where(_SETTINGS.c.name == _OFF + channel))
            if mark is not None:
                connected.execute(_SETTINGS.insert().values(name=_OFF + channel, value=mark))

    def _change(self, message_id: str, **values: Any) -> None:
        mine = _MESSAGES.update().where(_MESSAGES.c.message_id == message_id, _MESSAGES.c.status == PENDING)
        with self._database.begin() as connected:
            connected.execute(mine.values(**values))

    def _find(self, query: sa.Select[Any]) -> list[Message]:
        with self._database.read() as connected:
            return [_message(row) for row in connected.execute(query).mappings()]


def _due(now: datetime) -> sa.ColumnElement[bool]:
    return _WAITING.c.message_id.is_(None) & _WAITING.c.withheld.is_(None) & _is_due(_WAITING.c.due_at, now)


def _is_due(due_at: sa.ColumnElement[Any], now: datetime) -> sa.ColumnElement[bool]:
    """Return whether it is time; nothing waits for longer than LONGEST_ASKED, unless the clock was set back."""
    return (due_at <= to_micros(now)) | (due_at > to_micros(now + LONGEST_ASKED))


def _rows(connected: sa.Connection, table: sa.Table, ids: Collection[int]) -> Sequence[RowMapping]:
    return connected.execute(sa.select(table).where(table.c.id.in_(list(ids)))).mappings().all()


def _values(message: Message) -> dict[str, Any]:
    return {**asdict(message), **{name: to_micros(getattr(message, name)) for name in _TIMES}}


def _message(row: RowMapping) -> Message:
    return Message(**{**row, **{name: from_micros(row[name]) for name in _TIMES}})


def _alert(row: RowMapping) -> Alert:
    return Alert(**{**row, **{name: from_micros(row[name]) for name in _ALERT_TIMES}})


def _event(row: RowMapping) -> AlertEvent:
    return AlertEvent(**{**row, "at": moment(row["at"])})
