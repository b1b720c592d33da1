"""When a partition's files are rewritten, and how: small files of an open partition in tiers, a closed one sorted.

A merge joins files and leaves their rows as they are. It conflicts with no append, so that a partition that still grows
can be merged. Tiers keep the work small: each file is rewritten about once a tier. A closed partition, to which nothing
was added for a while, is sorted by time into few files, so that a query of the newest rows reads few row groups.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Literal

MIB = 1 << 20
TARGET = 128 * MIB
TIERS = (MIB, 16 * MIB, TARGET)
SMALL = TARGET // 4
"""A closed partition has at most one file below this size, once it is sorted."""
MOST_SMALL = 16
"""Files of a tier that an open partition may have."""
MOST_LATE = 4
"""Small files that a closed partition may have for ``SETTLED`` after something was added to it."""
QUIET = timedelta(hours=1)
SETTLED = timedelta(hours=24)
_LATE_SHARE = 0.25


@dataclass(frozen=True)
class PartitionFile:
    """A file of a partition: its size and when it was written."""

    bytes: int
    written_at: datetime


@dataclass(frozen=True)
class Rewrite:
    """Files of a partition to rewrite: sort all of them, or merge those below ``below`` bytes up to that size."""

    how: Literal["sort", "merge"]
    files: int
    bytes: int
    below: int = TARGET


def plan_rewrite(files: Sequence[PartitionFile], closes_at: datetime, now: datetime) -> Rewrite | None:
    """Return how to rewrite a partition, None while it is not worth it. ``closes_at`` is the end of its time span."""
    newest = max((file.written_at for file in files), default=now)
    if now < max(closes_at, newest + QUIET):
        return _merge_of_open(files)
    small = _below(files, SMALL)
    settled = now >= newest + SETTLED
    if len(small) < (2 if settled else MOST_LATE):
        return None
    whole, late = _size(files), _size(small)
    if late >= _LATE_SHARE * whole:
        return Rewrite("sort", len(files), whole)
    return Rewrite("merge", len(small), late, SMALL)


def _merge_of_open(files: Sequence[PartitionFile]) -> Rewrite | None:
    """Return the merge of the lowest tier with too many files of its own; smaller ones are merged with them."""
    for lower, tier in pairwise((0, *TIERS)):
        small = _below(files, tier)
        if len(small) - len(_below(files, lower)) >= MOST_SMALL:
            return Rewrite("merge", len(small), _size(small), tier)
    return None


def _below(files: Sequence[PartitionFile], size: int) -> list[PartitionFile]:
    return [file for file in files if file.bytes < size]


def _size(files: Sequence[PartitionFile]) -> int:
    return sum(file.bytes for file in files)
