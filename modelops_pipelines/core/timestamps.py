"""Timestamps as whole microseconds since 1970 in UTC: the form in the spool, request ids and the state database."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST, LATEST = EPOCH, datetime(2262, 1, 1, tzinfo=UTC)
"""The bounds of what happens: no request, label or training row is before the first, or at or after the last.

Every window has years before it and after it, so that no comparison with other days leaves the calendar.
"""
_MICROSECOND = timedelta(microseconds=1)


def out_of_bounds(moment: datetime) -> str | None:
    """Return in words how a moment is out of EARLIEST and LATEST, None where it is within."""
    if moment < EARLIEST:
        return f"before {EARLIEST.year}"
    return None if moment < LATEST else f"after {LATEST.year - 1}"


def to_micros(moment: datetime) -> int:
    """Return a moment, which has a time zone, as microseconds since 1970 in UTC."""
    return (moment - EPOCH) // _MICROSECOND


def from_micros(value: int) -> datetime:
    """Return the moment in UTC; raises OverflowError outside the calendar, TypeError for a non-number."""
    return EPOCH + timedelta(microseconds=value)
