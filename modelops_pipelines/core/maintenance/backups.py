"""The age of a home's newest backup, judged by how often backups of it were taken."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from modelops_pipelines.core.maintenance.growth import DAY, HomeCheck

HABIT = 3
"""Fewer backups than this say nothing about when the next one is due."""
LEAST_LIMIT = timedelta(days=2)
TIMES = 2
"""A backup is late after so many times the usual time between two."""


@dataclass(frozen=True)
class TakenBackup:
    """A backup that was taken of a home: its instant, and the folder that it is in."""

    at: datetime
    target: str


def age_of(taken: Sequence[TakenBackup], now: datetime) -> timedelta | None:
    """Return the age of the newest backup; None where none is known. ``taken`` is in order of time."""
    return max(timedelta(0), now - taken[-1].at) if taken else None


def age_limit(taken: Sequence[TakenBackup]) -> timedelta | None:
    """Return the age at which the next backup is late; None as long as there is no habit."""
    if len(taken) < HABIT:
        return None
    between = sorted(later.at - earlier.at for earlier, later in pairwise(taken))
    return max(LEAST_LIMIT, TIMES * between[len(between) // 2])


def check_backup(taken: Sequence[TakenBackup], now: datetime) -> HomeCheck | None:
    """Judge the age of the newest backup; None where none is known, or as long as there is no habit."""
    age, limit = age_of(taken, now), age_limit(taken)
    if age is None or limit is None:
        return None
    ok = age <= limit
    told = f"The newest backup is {age / DAY:.1f} days old, in {taken[-1].target} (limit {limit / DAY:.1f} days"
    fix = "" if ok else ". See why none was taken since, and take one: modelops backup TARGET"
    return HomeCheck("backup", ok, age / DAY, limit / DAY, f"{told}, twice the usual time){fix}.")
