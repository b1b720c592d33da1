"""Searches of the log: the arguments of a search, checked and turned into a query with bounded rows and time."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from modelops_pipelines.core.durations import format_duration, parse_duration
from modelops_pipelines.core.errors import InputError
from modelops_pipelines.core.ids import time_of

LIMIT, MOST_ROWS = 100, 1000
SINCE, LONGEST = "24h", timedelta(days=30)
OK, ERROR = STATUSES = ("ok", "error")
USER_LENGTH = 200
"""Characters at which the gateway cuts X-User-Id."""
_AHEAD = timedelta(days=1)


@dataclass(frozen=True)
class LogSearch:
    """The arguments of a search: at most ``limit`` rows of the last ``since``, a duration such as 24h.

    ``status`` is ok or error. With ``request_id``, the id of a request or prediction, ``since`` is ignored: the id
    contains the event time. ``tests`` are test calls alone, of each request the first row: those of the key ``key_id``,
    or those without a key.
    """

    limit: int = LIMIT
    since: str = SINCE
    status: str | None = None
    user: str | None = None
    request_id: str | None = None
    tests: bool = False
    key_id: str | None = None


@dataclass(frozen=True)
class LogQuery:
    """A checked search: event times from ``since`` to ``until``, both included; None is no condition.

    ``key_id`` is a condition with ``tests`` only; it is None then for calls without a key.
    """

    limit: int
    since: datetime
    until: datetime
    failed: bool | None = None
    users: Sequence[str] | None = None
    request_id: str | None = None
    tests: bool = False
    key_id: str | None = None


def log_query(search: LogSearch, now: datetime) -> LogQuery:
    """Return the query of a search; raises InputError for an invalid limit, duration, status or id."""
    if not 1 <= search.limit <= MOST_ROWS:
        raise InputError(f"The limit {search.limit} is not from 1 to {MOST_ROWS}", "Request fewer rows at once")
    if search.status not in (None, *STATUSES):
        raise InputError(f"There is no status {search.status[:40]!r}", f"Use one of: {', '.join(STATUSES)}")
    length = parse_duration(search.since)
    if length is None or length > LONGEST:
        problem = f"{search.since[:40]!r} is not a duration of at most {format_duration(LONGEST)}"
        raise InputError(problem, "Use for example 15m, 24h or 7d")
    failed = None if search.status is None else search.status == ERROR
    query = LogQuery(
        search.limit, now - length, now + _AHEAD, failed, _forms(search.user), None, search.tests, search.key_id
    )
    return query if search.request_id is None else _query_of_request(query, search.request_id)


def _query_of_request(query: LogQuery, given: str) -> LogQuery:
    request_id = given.partition("-")[0]
    moment = time_of(request_id)
    if moment is None:
        raise InputError(f"{given[:80]!r} is not a request id", "Use the id of a response, or a prediction id")
    return replace(query, since=moment, until=moment, request_id=request_id)


def _forms(user: str | None) -> Sequence[str] | None:
    """Return the id in the forms in which the log may hold it: as UTF-8, and as HTTP headers are decoded (Latin-1)."""
    if user is None:
        return None
    as_sent = user.encode(errors="replace")
    return sorted({text[:USER_LENGTH] for text in (as_sent.decode(), as_sent.decode("latin-1"))})
