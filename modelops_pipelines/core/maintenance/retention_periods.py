"""For how long things are kept, as people write it: a duration, or ``never`` for what is never deleted."""

from datetime import datetime, timedelta

from modelops_pipelines.core.durations import parse_duration

NEVER = "never"


def retention_problem(text: str, least: timedelta = timedelta(0)) -> str | None:
    """Return what to write instead of a retention that is none, or shorter than the least; None when it is one."""
    kept = parse_duration(text)
    if text == NEVER or (kept is not None and kept >= least):
        return None
    shortest = f", from {least / timedelta(hours=1):g}h" if kept is not None else ""
    return f"a duration, such as 90d or 12h{shortest}, up to ten years, or never"


def cutoff(text: str, now: datetime) -> datetime | None:
    """Return the time before which things are past their retention; None when they are kept for ever."""
    kept = _parsed(text)
    return None if kept is None else now - kept


def _parsed(text: str) -> timedelta | None:
    if text == NEVER:
        return None
    kept = parse_duration(text)
    if kept is None:
        raise ValueError(f"{text!r} is no retention")
    return kept
