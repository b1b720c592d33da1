"""Durations as people write them (``48h``, ``7d``), and back. No calendar: a day is 24 hours."""

import re
from datetime import timedelta

_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_DURATION = re.compile(r"([0-9]{1,9})([dhms])")
_LONGEST = timedelta(days=3650)


def parse_duration(text: str) -> timedelta | None:
    """Read ``90s``, ``30m``, ``48h`` or ``7d``, above 0 and up to ten years; None for anything else."""
    match = _DURATION.fullmatch(text)
    if match is None:
        return None
    seconds = int(match[1]) * _UNITS[match[2]]
    return timedelta(seconds=seconds) if 0 < seconds <= _LONGEST.total_seconds() else None


def format_duration(duration: timedelta) -> str:
    """Return the shortest text that ``parse_duration`` reads back: whole seconds are assumed."""
    seconds = int(duration.total_seconds())
    size, unit = next((size, unit) for unit, size in _UNITS.items() if seconds % size == 0)
    return f"{seconds // size}{unit}"
