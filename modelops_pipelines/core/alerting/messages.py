"""Messages to channels: their states, when a failed one is tried again, and when it is given up."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from modelops_pipelines.core.alerting.alerts import Alert, AlertEvent

PENDING, DELIVERED, DEAD = "pending", "delivered", "dead"
SEVERAL = "(several)"
"""In the place of an endpoint's name, for a message on several; no endpoint can have this name."""
GIVEN_UP_AFTER = timedelta(days=1)
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=5), timedelta(minutes=5)
LONGEST_ASKED = timedelta(hours=1)
"""The longest that a receiver may ask us to wait."""
STORM_ENDPOINTS = 10
"""Changes on more endpoints than this at a time are told to a channel together, MOST_IN_ONE in a message."""
MOST_IN_ONE = 200
MOST_A_MINUTE = 20
"""Messages to a channel; what comes after them waits, and is told together."""


@dataclass(frozen=True)
class Message:
    """One message to one channel. See ``core.tables.state`` for what each field says."""

    message_id: str
    number: int
    channel: str
    endpoint: str
    created_at: datetime
    content: Mapping[str, Any]
    status: str
    attempts: int
    due_at: datetime
    last_error: str | None = None
    finished_at: datetime | None = None


@dataclass(frozen=True)
class Waiting:
    """A change of an alert that a channel is to be told of, and that is in no message yet."""

    notification_id: int
    channel: str
    endpoint: str
    alert: Alert
    event: AlertEvent


@dataclass(frozen=True)
class Draft:
    """What one message is to tell."""

    channel: str
    endpoint: str
    waiting: Sequence[Waiting] = field(default_factory=tuple)


def drafts_of(channel: str, waiting: Sequence[Waiting], busy: Collection[str], most: int) -> list[Draft]:
    """Return what to tell a channel now, at most ``most`` messages: one an endpoint, or in a storm one for many.

    An endpoint with a message under way is left for later (``busy``): so what happens to an alert is told in order, and
    what happens while a channel is down is told together.
    """
    free: dict[str, list[Waiting]] = {}
    for one in waiting:
        if one.endpoint not in busy:
            free.setdefault(one.endpoint, []).append(one)
    if len(free) > STORM_ENDPOINTS:
        found = [Draft(channel, SEVERAL, part) for part in _parts([one for them in free.values() for one in them])]
    else:
        found = [Draft(channel, name, them[:MOST_IN_ONE]) for name, them in free.items()]
    return found[: max(0, most)]


def _parts(waiting: Sequence[Waiting]) -> list[Sequence[Waiting]]:
    """Cut what there is to tell into messages; the changes of one endpoint stay in one, as they stand together."""
    parts: list[list[Waiting]] = [[]]
    for index, one in enumerate(waiting):
        begins = index and waiting[index - 1].endpoint != one.endpoint
        if begins and len(parts[-1]) >= MOST_IN_ONE:
            parts.append([])
        parts[-1].append(one)
    return list(parts)


def pause_after(attempts: int, jitter: float, asked: timedelta | None = None) -> timedelta:
    """Return how long to wait after so many failed tries; ``jitter`` is 0 to 1, ``asked`` is the receiver's wish."""
    doubled = FIRST_PAUSE * (1 << min(max(attempts, 1) - 1, 20))
    pause = min(doubled, LONGEST_PAUSE) * (0.5 + jitter / 2)
    return max(pause, min(asked, LONGEST_ASKED)) if asked is not None else pause


def is_given_up(message: Message, now: datetime) -> bool:
    """Return whether a message that failed again has been tried for long enough; idle time does not count."""
    return now - message.created_at - idle_time(message, now) >= GIVEN_UP_AFTER


def idle_time(message: Message, now: datetime) -> timedelta:
    """Return for how long nobody has tried a message that was due: the machine slept, or its clock was moved."""
    late = now - message.due_at
    return late if late > LONGEST_ASKED else timedelta(0)
