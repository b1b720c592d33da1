"""The faults that data quality found: hours that are no reference of what is usual, until a person accepts them."""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

import pyarrow as pa

from modelops_pipelines.core.drift.episodes import Accepted
from modelops_pipelines.core.drift.seasonal_reference import DAY, Eligible, without
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.tables.lake import DATA_QUALITY
from modelops_pipelines.core.windows import LENGTH
from modelops_pipelines.store.lake.rows.profiles import date_of, hour_of
from modelops_pipelines.store.stores import Stores

_KNOWN = ("window_start", "model_version", "chunk", "first_event", "passed", "flags")
Row = dict[str, Any]


def stored_checks(stores: Stores, spec: EndpointSpec, dates: Sequence[date], names: Sequence[str]) -> pa.Table:
    """Return the stored rows of ``data_quality`` of these dates."""
    return stores.lake.read(spec.name, DATA_QUALITY, dates, names)


@dataclass
class Failures:
    """The hours (since 1970) of the faults found so far, by version and column, each with the start of its window.

    They are no reference, until they are ``accepted``. ``dates`` are those that can be a reference.
    """

    failed: dict[tuple[str, str], list[tuple[int, int, int]]] = field(default_factory=dict)
    accepted: Sequence[Accepted] = ()
    dates: Sequence[date] = ()

    @classmethod
    def stored(cls, stores: Stores, spec: EndpointSpec, windows: Sequence[datetime]) -> "Failures":
        """Return the stored faults of the days that may be a reference of the windows that are recomputed."""
        accepted = [
            Accepted(one.column, hour_of(one.since), hour_of(one.until)) for one in stores.acceptances.of(spec.name)
        ]
        found, start, days = cls(accepted=accepted), hour_of(windows[0]), spec.drift.days
        first, last = start // DAY, hour_of(windows[-1]) // DAY
        wanted, read = set(range(first - days, last + 1)), set[int]()
        while unread := wanted - read:
            found._read(stores, spec, sorted(unread), set(windows))
            read |= unread
            wanted |= {one for key in found.failed for one in found.eligible(key[0], start, key[1]).period(first, days)}
        return replace(found, dates=[date_of(day) for day in sorted(wanted)])

    def _read(self, stores: Stores, spec: EndpointSpec, days: Sequence[int], among: Container[datetime]) -> None:
        known = stored_checks(stores, spec, [date_of(day) for day in days], _KNOWN)
        failing = known.filter(known.column("passed").is_valid()).to_pylist()
        for rows in _by_window(failing).values():
            if rows[0]["window_start"] not in among:
                self.add(rows, spec.window)

    def add(self, rows: Sequence[Row], size: str) -> None:
        """Add a window's rows of the table, in order."""
        if not rows or rows[0]["passed"] is None:
            return
        version, window = rows[0]["model_version"], rows[0]["window_start"]
        starts = [hour_of(row["first_event"]) for row in rows]
        ends = [*starts[1:], hour_of(window + LENGTH[size]) - 1]
        found: dict[str, tuple[int, int]] = {}
        for row, start, end in zip(rows, starts, ends, strict=True):
            if not row["passed"]:
                for column in {line.partition("\t")[0] for line in row["flags"].splitlines()}:
                    found[column] = found.get(column, (start - 1, end))[0], end
        for column, (first, last) in found.items():
            self.failed.setdefault((version, column), []).append((hour_of(window), first, last + 1))

    def eligible(self, version: str, hour: int, column: str) -> Eligible:
        """Return which hours are a column's reference for the windows of a day: none in which it had a fault."""
        day = hour // DAY
        failed = [(first, end) for of, first, end in self.failed.get((version, column), ()) if of // DAY < day]
        known = (one.until for one in self.accepted if one.column == column and one.until <= hour)
        return Eligible.of(without(failed, max(known, default=None)))

    def accepted_lately(self, window: datetime) -> set[str]:
        """Return the columns that were accepted in the day before a window: what is usual does not yet hold them."""
        hour = hour_of(window)
        return {one.column for one in self.accepted if one.until <= hour < one.until + DAY}


def _by_window(rows: Iterable[Row]) -> dict[tuple[datetime, str], list[Row]]:
    """Return rows of the table by window and version, in order."""
    found: dict[tuple[datetime, str], list[Row]] = {}
    for row in sorted(rows, key=lambda row: (row["window_start"], row["chunk"])):
        found.setdefault((row["window_start"], row["model_version"]), []).append(row)
    return found
