"""The times of a maintenance window as people write them: ``Sun 02:00-04:00 Europe/Berlin``.

Days are names of weekdays (``Sun``, ``Mon-Fri``, ``Sat,Sun``), ``daily``, or one date (``2026-12-24``). A window that
ends at or before its start ends on the next day. What counts is the clock on the wall of that time zone: in the night
when clocks are put forward a window has an hour less, and in the night when they are put back an hour more.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
DAILY = "daily"
_TIMES = re.compile(r"(\S+) +([0-2][0-9]):([0-5][0-9])-([0-2][0-9]):([0-5][0-9]) +(\S+)")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Times:
    """On which days, from when, for how long, in which time zone."""

    weekdays: frozenset[int]
    once: date | None
    start: time
    length: timedelta
    zone: ZoneInfo

    def cover(self, moment: datetime) -> bool:
        """Return whether a moment is within them, by the clock on the wall of the time zone."""
        wall = moment.astimezone(self.zone).replace(tzinfo=None, fold=0)
        starts = (datetime.combine(wall.date() - days, self.start) for days in (timedelta(0), _DAY))
        return any(self._is_on(start.date()) and start <= wall < start + self.length for start in starts)

    def _is_on(self, day: date) -> bool:
        return day == self.once if self.once is not None else day.weekday() in self.weekdays


@lru_cache(maxsize=256)
def parse_times(text: str) -> Times | None:
    """Read ``DAYS HH:MM-HH:MM TIME_ZONE``; None for anything else, and for a time zone that does not exist."""
    found = _TIMES.fullmatch(text.strip())
    if found is None:
        return None
    days, zone = _days(found[1]), _zone(found[6])
    start, end = (_minutes(found[number], found[number + 1]) for number in (2, 4))
    if days is None or zone is None or start is None or end is None or start == timedelta(days=1):
        return None
    length = end - start if end > start else end - start + _DAY
    weekdays, day = days
    return Times(weekdays, day, _clock_time(start), length, zone)


def _clock_time(since_midnight: timedelta) -> time:
    minutes = since_midnight // timedelta(minutes=1)
    return time(minutes // 60, minutes % 60)


def _minutes(hours: str, minutes: str) -> timedelta | None:
    since = timedelta(hours=int(hours), minutes=int(minutes))
    return since if since <= _DAY else None


def _days(text: str) -> tuple[frozenset[int], date | None] | None:
    if _DATE.fullmatch(text):
        try:
            return frozenset(), date.fromisoformat(text)
        except ValueError:
            return None
    if text == DAILY:
        return frozenset(range(len(DAYS))), None
    ranges = [_range(part) for part in text.split(",")]
    found = [days for days in ranges if days is not None]
    return (frozenset().union(*found), None) if len(found) == len(ranges) else None


def _range(text: str) -> frozenset[int] | None:
    """Read a weekday, or two with all between them; ``Sat-Mon`` goes over the week's end."""
    ends = text.split("-")
    if len(ends) > 2 or any(end not in DAYS for end in ends):  # noqa: PLR2004 - from and to
        return None
    first, last = DAYS.index(ends[0]), DAYS.index(ends[-1])
    return frozenset((first + days) % len(DAYS) for days in range((last - first) % len(DAYS) + 1))


def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
