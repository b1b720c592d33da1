"""Windows of event time: whole hours or whole days, in UTC."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

MOST_WINDOWS = 2160
"""Windows that can be asked for at once: 90 days of hours."""
LENGTH = {"hour": timedelta(hours=1), "day": timedelta(days=1)}


def window_of(moment: datetime, size: str) -> datetime:
    """Return the start of the window that holds the moment."""
    utc = moment.astimezone(UTC)
    hour = 0 if size == "day" else utc.hour
    return utc.replace(hour=hour, minute=0, second=0, microsecond=0)


def has_ended(window: datetime, size: str, now: datetime) -> bool:
    """Whether the window's time is over. Late rows may still arrive, but no new events."""
    return window + LENGTH[size] <= now


def windows_between(start: datetime, end: datetime, size: str) -> list[datetime]:
    """Return the starts of all windows that touch [start, end)."""
    if end <= start:
        return []
    first, step = window_of(start, size), LENGTH[size]
    count = -((first - end) // step)
    return [first + i * step for i in range(count)]


def with_earlier(windows: Iterable[datetime], before: timedelta, size: str) -> list[datetime]:
    """Return these windows and those that touch the time ``before`` each, in order, each once.

    What lies between windows that are further apart is left out: a log may have events decades apart.
    """
    found: list[datetime] = []
    for window in sorted(windows):
        start = window - before if not found else max(window - before, found[-1] + LENGTH[size])
        found += windows_between(start, window + LENGTH[size], size)
    return found


def hours_of(windows: Iterable[datetime], size: str) -> list[datetime]:
    """Return the starts of all hours of the windows, in their order."""
    return [hour for window in windows for hour in windows_between(window, window + LENGTH[size], "hour")]


def text(moment: datetime) -> str:
    """Return the moment as ISO 8601 in UTC, with a Z: the only form in files, messages and JSON."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
