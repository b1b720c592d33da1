"""Timestamps as whole microseconds since 1970 in UTC: the form in the spool, request ids and the state database."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST = EPOCH
"""The first moment that an event, or a label, may have: before it a window has no days to be compared with."""
_MICROSECOND = timedelta(microseconds=1)


def to_micros(moment: datetime) -> int:
    """Return a moment, which has a time zone, as microseconds since 1970 in UTC."""
    return (moment - EPOCH) // _MICROSECOND


def from_micros(value: int) -> datetime:
    """Return the moment in UTC; raises OverflowError outside the calendar, TypeError for a non-number."""
    return EPOCH + timedelta(microseconds=value)
