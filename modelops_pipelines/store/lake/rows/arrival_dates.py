"""The partitions of a table with recently received rows. Partitions are by event time, which may be long ago."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime

from modelops_pipelines.store.lake.reader import Lake


@dataclass(frozen=True)
class Received:
    """The partitions with rows received in a time, and how many rows their files hold of any time."""

    dates: list[date]
    rows: int


def dates_received(lake: Lake, endpoint: str, table: str, since: datetime) -> list[date]:
    """Return the partitions with rows received since then, by the files' statistics; files without them count too."""
    return received_between(lake, endpoint, table, since, None).dates


def received_between(lake: Lake, endpoint: str, table: str, since: datetime, until: datetime | None) -> Received:
    """Return what may hold rows received from ``since`` to ``until``, by the files' statistics, as above."""
    files = [one for one in _files(lake, endpoint, table) if _overlaps(one, since, until)]
    return Received(sorted({one.day for one in files}), sum(one.rows for one in files))


@dataclass(frozen=True)
class _File:
    day: date
    rows: int
    earliest: datetime | None
    latest: datetime | None


def _files(lake: Lake, endpoint: str, table: str) -> Iterator[_File]:
    delta = lake.current(endpoint, table)
    if delta is None:
        return
    files = delta.get_add_actions(flatten=True)
    days = [_day(day) for day in files.column("partition.date").to_pylist()]
    unknown = [None] * len(days)
    bounds = ("min.received_at", "max.received_at")
    earliest, latest = (files.column(one).to_pylist() if one in files.schema.names else unknown for one in bounds)
    rows = files.column("num_records").to_pylist()
    for day, count, first, last in zip(days, rows, earliest, latest, strict=True):
        yield _File(day, count or 0, first, last)


def _overlaps(file: _File, since: datetime, until: datetime | None) -> bool:
    begins = file.earliest is None or until is None or file.earliest < until
    return begins and (file.latest is None or file.latest >= since)


def _day(given: date | str) -> date:
    return given if isinstance(given, date) else date.fromisoformat(given)
