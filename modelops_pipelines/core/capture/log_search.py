"""Which rows of a log somebody wants to see: read from what people write, and bounded in number and time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from modelops_pipelines.core.durations import format_duration, parse_duration
from modelops_pipelines.core.errors import InputError
from modelops_pipelines.core.ids import time_of

LIMIT, MOST_ROWS = 100, 1000
SINCE, LONGEST = "24h", timedelta(days=30)
OK, ERROR = STATUSES = ("ok", "error")
USER_LENGTH = 200
"""The gateway cuts a caller's header there."""
_AHEAD = timedelta(days=1)


@dataclass(frozen=True)
class LogSearch:
    """What somebody asks for: at most ``limit`` rows of the time ``since``, as people write a duration.

    ``status`` is ok or error. The id of a request, or of a prediction, tells its own time: ``since`` does not matter
    beside it.
    """

    limit: int = LIMIT
    since: str = SINCE
    status: str | None = None
    user: str | None = None
    request_id: str | None = None


@dataclass(frozen=True)
class LogQuery:
    """The same as a query: event times from ``since`` to ``until``, both included; None is no condition."""

    limit: int
    since: datetime
    until: datetime
    failed: bool | None = None
    users: Sequence[str] | None = None
    request_id: str | None = None


def log_query(asked: LogSearch, now: datetime) -> LogQuery:
    """Return the query; raises InputError for a limit, a time, a status or an id that cannot be."""
    if not 1 <= asked.limit <= MOST_ROWS:
        raise InputError(f"The limit {asked.limit} is not from 1 to {MOST_ROWS}", "Ask for fewer rows at once")
    if asked.status not in (None, *STATUSES):
        raise InputError(f"There is no status {asked.status[:40]!r}", f"Give one of: {', '.join(STATUSES)}")
    length = parse_duration(asked.since)
    if length is None or length > LONGEST:
        told = f"{asked.since[:40]!r} is no time up to {format_duration(LONGEST)}"
        raise InputError(told, "Give for example 15m, 24h or 7d")
    failed = None if asked.status is None else asked.status == ERROR
    query = LogQuery(asked.limit, now - length, now + _AHEAD, failed, _forms(asked.user))
    return query if asked.request_id is None else _of_request(query, asked.request_id)


def _of_request(query: LogQuery, given: str) -> LogQuery:
    request_id = given.partition("-")[0]
    moment = time_of(request_id)
    if moment is None:
        raise InputError(f"{given[:80]!r} is no request's id", "Give one as an answer had it, or a prediction's")
    return LogQuery(query.limit, moment, moment, query.failed, query.users, request_id)


def _forms(user: str | None) -> Sequence[str] | None:
    """Return the id as it may have been kept: as it is, and as a header's bytes are read."""
    if user is None:
        return None
    as_sent = user.encode(errors="replace")
    return sorted({text[:USER_LENGTH] for text in (as_sent.decode(), as_sent.decode("latin-1"))})
