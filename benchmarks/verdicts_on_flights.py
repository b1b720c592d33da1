"""Drift verdicts on the real year: every departure from New York in 2013, by daily windows and by newest requests.

A month from February on is ordinary unless it has a large jump or variation, two numbers that depend on no verdict. The
jump is the distance of the mean of its first 7 days from that of the 28 days before; the variation is the standard
deviation of its daily means. Both are divided by January's standard deviation of the feature and averaged over the
numeric features. The two months with the largest jump and the two with the largest variation are not ordinary. This
was chosen before any verdict was computed. An alarm in an ordinary month counts as false.

Bins are January's; the reference is the 28 days before the window, season-matched. A unit change converts ``temp`` and
``dewp`` from Fahrenheit to Celsius from a random request on. The product's own operation checks the newest requests,
with daily windows; its input is passed in memory.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, partial
from statistics import mean, median

import numpy as np
import numpy.typing as npt
import pandas as pd  # noqa: TID253 - nothing but this benchmark imports it
import pyarrow as pa

from examples.flights.data import CATEGORIES, FEATURES, NEW_YORK, flights_frame, months
from modelops_pipelines.core.drift.calibrated import (
    LEVELS,
    CalibratedVerdict,
    Calibration,
    Flags,
    confirming_flags,
    flags_of,
    judge_calibrated,
)
from modelops_pipelines.core.drift.channels.lasting_shift import shifts_of
from modelops_pipelines.core.drift.data_quality import PIECE
from modelops_pipelines.core.drift.seasonal_reference import season_of
from modelops_pipelines.core.profiles.profile import ColumnBins, fit_bins, profile
from modelops_pipelines.core.profiles.profile_stack import Stack
from modelops_pipelines.core.windows import LENGTH
from modelops_pipelines.operations.drift.data_quality import BEFORE, Past, Row, rows_of
from modelops_pipelines.operations.drift.faults import Failures
from modelops_pipelines.store.lake.rows.profiles import Hours, moment_of

STARTS, STEPS = 400, (*range(40, 201, 20), *range(225, 501, 25), *range(550, 2001, 50))
CELSIUS = ("temp", "dewp")
DEMO = (
    *("sched_minute", "sched_duration", "distance", "plane_age", "plane_seats"),
    *("temp", "visib", "origin_delay", "carrier", "origin", "dest"),
)
SETS = {"all features": FEATURES, "the demo's features": DEMO}
NUMBERS = tuple(name for name in FEATURES if name not in CATEGORIES)


@dataclass(frozen=True, eq=False)
class Year:
    """All flights in order of departure, and their profiles hour by hour on January's bins."""

    frame: "pd.DataFrame"

    @cached_property
    def hour(self) -> npt.NDArray[np.int64]:
        """The hour since 1970 UTC in which each flight departs."""
        seconds = self.frame["departs_at"].astype("datetime64[s, UTC]").astype("int64")
        return np.asarray(seconds // 3600, np.int64)

    @cached_property
    def bins(self) -> dict[str, ColumnBins]:
        """January's bins."""
        january = months(self.frame, 1, 1)
        kinds = {name: "categorical" if name in CATEGORIES else "numeric" for name in FEATURES}
        return {name: fit_bins(name, january[name].to_numpy(), kinds[name]) for name in FEATURES}  # type: ignore[arg-type]

    @cached_property
    def at(self) -> npt.NDArray[np.int64]:
        """Hours with departures."""
        return np.unique(self.hour)

    @cached_property
    def hours(self) -> dict[str, Stack]:
        """Every feature's profiles, hour by hour."""
        starts = np.searchsorted(self.hour, self.at)
        return {
            name: Stack.of(bins, [profile(part, bins) for part in np.split(self.frame[name].to_numpy(), starts[1:])])
            for name, bins in self.bins.items()
        }

    @property
    def first(self) -> int:
        """The row of the first flight to judge, after 28 days."""
        return int(np.searchsorted(self.hour, self.hour[0] // 24 * 24 + 24 * 29))

    def judged_days(self, columns: Sequence[str], minimum: int) -> dict[int, list[CalibratedVerdict]]:
        """Judge every day after the first 28; keyed by the hour at which the day starts."""
        hours = {name: self.hours[name] for name in columns}
        found: dict[int, list[CalibratedVerdict]] = {}
        flagged: dict[int, Flags] = {}
        rules = Calibration(minimum=minimum, level=LEVELS["day"])
        for start in range(int(self.hour[self.first]) // 24 * 24, int(self.at[-1]) - 23, 24):
            seasons = {name: season_of(self.at, one, start, start + 24, minimum) for name, one in hours.items()}
            current = {name: one.current for name, one in seasons.items()}
            reference = {name: one.reference for name, one in seasons.items()}
            before = confirming_flags(seasons, lambda prior: flagged.get(prior, ()))
            shifts = shifts_of(self.at, hours, start)
            found[start] = judge_calibrated(current, reference, rules, before, shifts)
            flagged[start] = flags_of(found[start])
        return found

    @cached_property
    def log(self) -> pa.Table:
        """All flights as rows of the log."""
        columns = {name: pa.array(self.frame[name], from_pandas=True) for name in FEATURES}
        times = pa.array(self.frame["departs_at"], pa.timestamp("us", "UTC"))
        callers = pa.array(np.arange(len(self.frame))).cast(pa.string())
        known = {"event_time": times, "sampled": np.ones(len(self.frame), np.bool_), "caller_of_row": callers}
        return pa.table({**known, **columns})

    @cached_property
    def recent(self) -> dict[str, Hours]:
        """Every feature's profiles with their hours."""
        return {name: Hours(self.at, of) for name, of in self.hours.items()}

    def past(self, day: int, columns: Sequence[str], failures: Failures) -> Past:
        """Return the 28 days before a day, without failed chunks."""
        recent = {name: self.recent[name] for name in columns}
        return Past.before(day, recent, 28, partial(failures.eligible, "1", 24 * day))

    def checked(self, window: int, past: Past, end: int, start: int | None = None) -> list[Row]:
        """Return the rows of ``data_quality`` of a window, from its first hour up to a flight.

        ``start`` is the row from which values are in Celsius.
        """
        first = int(np.searchsorted(self.hour, window)) - BEFORE
        log = self.log.slice(first, end - first)
        rows = log if start is None else _celsius(log, start - first)
        return list(rows_of(moment_of(window), "1", rows, BEFORE, past.until(moment_of(window), self.recent)))


def _celsius(log: pa.Table, start: int) -> pa.Table:
    """Return the rows, converted from Fahrenheit to Celsius from row ``start`` on; a negative start converts all."""
    for name in CELSIUS:
        values = np.array(log.column(name).to_numpy())
        values[max(0, start) :] = (values[max(0, start) :] - 32) / 1.8
        log = log.set_column(log.column_names.index(name), name, pa.array(values, from_pandas=True))
    return log


def ordinary_months(frame: "pd.DataFrame") -> list[int]:
    """Return the ordinary months from February on, as defined above."""
    import pandas as pd

    spread = months(frame, 1, 1)[list(NUMBERS)].std()
    day = frame["departs_at"].dt.tz_convert(NEW_YORK).dt.tz_localize(None).dt.floor("D")
    daily = frame[list(NUMBERS)].groupby(day).mean() / spread
    jump, variation = {}, {}
    for month in range(2, 13):
        first = pd.Timestamp(2013, month, 1)
        earlier = daily[(daily.index < first) & (daily.index >= first - pd.Timedelta(days=28))]
        mine = daily[daily.index.month == month]
        jump[month] = float((mine.head(7).mean() - earlier.mean()).abs().mean())
        variation[month] = float(mine.std().mean())
        print(f"month {month}: jump {jump[month]:.2f}, variation {variation[month]:.2f}")
    excluded = {month for of in (jump, variation) for month in sorted(of, key=lambda m: of[m])[-2:]}
    return [month for month in jump if month not in excluded]


def flights() -> None:
    """Print the results on the real year."""
    year = Year(flights_frame())
    ordinary = ordinary_months(year.frame)
    print(f"\nReal flights, daily windows; ordinary months: {ordinary}\n")
    print("| columns | minimum | episodes per ordinary month | other months | by month | columns, days drifted |")
    print("|---|---|---|---|---|---|")
    for name, columns in SETS.items():
        for minimum in (1000, 500):
            _days(year, ordinary, name, columns, minimum)
    _chunks(year)


def _days(year: Year, ordinary: Sequence[int], name: str, features: Sequence[str], minimum: int) -> None:
    by_month, columns, earlier = Counter[int](), Counter[str](), False
    for start, verdicts in year.judged_days(features, minimum).items():
        drifted = [f"{one.column} {one.channel}" for one in verdicts if one.drifted]
        month = datetime.fromtimestamp(3600 * start, UTC).month
        by_month[month] += bool(drifted) and not earlier
        earlier = bool(drifted)
        columns.update(drifted)
    own = mean(by_month[month] for month in ordinary)
    others = mean(by_month[month] for month in range(2, 13) if month not in ordinary)
    worst = ", ".join(f"{one} {count}" for one, count in columns.most_common(8))
    print(
        f"| {name} | {minimum} | {own:.1f} | {others:.1f} | {[by_month[m] for m in range(2, 13)]} | {worst} |",
        flush=True,
    )


def _chunks(year: Year) -> None:
    """Print the detection delay of the unit change from random starts, and the false alarms of the same check."""
    rng = np.random.default_rng(7)
    starts = rng.integers(year.first, len(year.hour) - STEPS[-1], STARTS)
    delays = [_delay(year, int(start)) for start in starts]
    found = [delay for delay in delays if delay is not None]
    within = [sum(delay <= requests for delay in found) / STARTS for requests in (200, 300, 500, 1000, 2000)]
    print(
        f"\nCelsius instead of Fahrenheit, {STARTS} starts: found within 200, 300, 500, 1000, 2000 requests: ", end=""
    )
    print(", ".join(f"{share:.1%}" for share in within), f"; median {median(found):g} requests", flush=True)
    for name, columns in SETS.items():
        for size in ("day", "hour"):
            _false_alarms(year, name, columns, size)


def _false_alarms(year: Year, name: str, columns: Sequence[str], size: str) -> None:
    """Print the episodes (consecutive failed chunks) of the unchanged year; a day has at most 50 chunks."""
    by_month, whole, failures, earlier = Counter[int](), Counter[str](), Failures(), False
    for day in range(int(year.hour[year.first]) // 24, int(year.hour[-1]) // 24 + 1):
        past = year.past(day, columns, failures)
        for window in range(24 * day, 24 * day + 24, LENGTH[size] // LENGTH["hour"]):
            end = int(np.searchsorted(year.hour, window + LENGTH[size] // LENGTH["hour"]))
            rows = year.checked(window, past, end)
            failures.add(rows, size)
            for row in rows:
                by_month[moment_of(window).month] += not row["passed"] and not earlier
                whole.update([] if row["passed"] else [f"{row['column']} {row['channel']}"])
                earlier = not row["passed"]
    worst = ", ".join(f"{one} {count}" for one, count in whole.most_common(8))
    own = mean(by_month[month] for month in (2, 3, 4, 6, 7, 8, 9, 10))
    summary = f"Unchanged year, {name}, by the {size}: {own:.2f} episodes per ordinary month"
    print(f"{summary}; {dict(by_month)}; chunks: {worst}", flush=True)


def _delay(year: Year, start: int) -> int | None:
    """Return after how many requests the change is found; the log is checked after each of STEPS."""
    pasts: dict[int, Past] = {}
    for step in map(int, STEPS):
        day = int(year.hour[start + step - 1]) // 24
        if day not in pasts:
            pasts[day] = year.past(day, tuple(CELSIUS), Failures())
        rows = year.checked(24 * day, pasts[day], start + step, start)
        since = year.log.column("event_time")[start - PIECE].as_py()
        if any(not row["passed"] and row["first_event"] >= since for row in rows):
            return step
    return None
