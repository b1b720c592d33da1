"""The real year: every departure from New York in 2013, judged by the day, and in chunks of the newest requests.

A month from February on is ordinary unless it jumps or is restless, by two numbers that no verdict enters. Its jump
is how far the mean of its first 7 days lies from that of the 28 days before, and its restlessness the standard
deviation of its daily means; each is normed by January's standard deviation of the feature and averaged over the
numeric features. The two months of the largest jump and the two of the largest restlessness are not ordinary.
This was written down before any verdict was looked at. An alarm in an ordinary month counts as false.

Bins are January's; the reference is the 28 days before the window, season-matched. A unit change turns
``temp`` and ``dewp`` from Fahrenheit to Celsius from a random request on.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from statistics import mean, median

import numpy as np
import numpy.typing as npt
import pandas as pd  # noqa: TID253 - nothing but this benchmark imports it

from benchmarks.seasonal_world import Change
from examples.flights.data import CATEGORIES, FEATURES, NEW_YORK, flights_frame, months
from modelops_pipelines.core.calibration import LEVELS, CalibratedVerdict, Calibration, flags_of, judge_calibrated
from modelops_pipelines.core.data_quality import oddities
from modelops_pipelines.core.profiles import ColumnBins, fit_bins, profile
from modelops_pipelines.core.seasons import season_of
from modelops_pipelines.core.stacks import Stack

CHUNK, STARTS, PATIENCE = 100, 200, 20
CELSIUS = {name: Change("unit change", name, celsius=True) for name in ("temp", "dewp")}
DEMO = (
    *("sched_minute", "sched_duration", "distance", "plane_age", "plane_seats"),
    *("temp", "visib", "origin_delay", "carrier", "origin", "dest"),
)
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
        """The row of the first flight that is judged: 28 days are behind it."""
        return int(np.searchsorted(self.hour, self.hour[0] // 24 * 24 + 24 * 29))

    def judged_days(self, minimum: int) -> dict[int, list[CalibratedVerdict]]:
        """Judge every day after the first 28, by the hour at which it starts."""
        found: dict[int, list[CalibratedVerdict]] = {}
        before: frozenset[tuple[str, str]] = frozenset()
        rules = Calibration(minimum=minimum, level=LEVELS["day"])
        for start in range(int(self.hour[self.first]) // 24 * 24, int(self.at[-1]) - 23, 24):
            seasons = {name: season_of(self.at, one, start, start + 24, minimum) for name, one in self.hours.items()}
            current = {name: one.current for name, one in seasons.items()}
            reference = {name: one.reference for name, one in seasons.items()}
            found[start] = judge_calibrated(current, reference, rules, before)
            before = flags_of(found[start])
        return found

    def past(self, first: int, columns: Sequence[str], *, without: Sequence[int] = ()) -> dict[str, Stack]:
        """Return the 28 days before the day of a row, less some days."""
        end = int(self.hour[first]) // 24 * 24
        low, high = np.searchsorted(self.at, [end - 24 * 28, end])
        kept = np.arange(low, high)[~np.isin(self.at[low:high] // 24, without)]
        return {name: self.hours[name].take(kept) for name in columns}

    def chunk(self, first: int, past: Mapping[str, Stack], changes: Mapping[str, Change]) -> frozenset[tuple[str, str]]:
        """Return what is odd in the rows from ``first`` on, by column and channel."""
        rng = np.random.default_rng(first)
        found = []
        for name, history in past.items():
            values = self.frame[name].to_numpy()[first : first + CHUNK]
            values = changes[name].of(values, rng) if name in changes else values
            found += oddities(name, Counter(values.tolist()) if name in CATEGORIES else values.astype(float), history)
        return frozenset((one.column, one.channel) for one in found)


def ordinary_months(frame: "pd.DataFrame") -> list[int]:
    """Return the months from February on that neither jump nor are restless, as the module says."""
    import pandas as pd

    spread = months(frame, 1, 1)[list(NUMBERS)].std()
    day = frame["departs_at"].dt.tz_convert(NEW_YORK).dt.tz_localize(None).dt.floor("D")
    daily = frame[list(NUMBERS)].groupby(day).mean() / spread
    jump, restless = {}, {}
    for month in range(2, 13):
        first = pd.Timestamp(2013, month, 1)
        earlier = daily[(daily.index < first) & (daily.index >= first - pd.Timedelta(days=28))]
        mine = daily[daily.index.month == month]
        jump[month] = float((mine.head(7).mean() - earlier.mean()).abs().mean())
        restless[month] = float(mine.std().mean())
        print(f"month {month}: jump {jump[month]:.2f}, restlessness {restless[month]:.2f}")
    left_out = {month for of in (jump, restless) for month in sorted(of, key=lambda m: of[m])[-2:]}
    return [month for month in jump if month not in left_out]


def flights() -> None:
    """Print what happens on the real year."""
    year = Year(flights_frame())
    ordinary = ordinary_months(year.frame)
    print(f"\nReal flights by the day; ordinary months: {ordinary}\n")
    print("| minimum | episodes a month, ordinary | other months | by month | columns, days drifted |")
    print("|---|---|---|---|---|")
    for minimum in (1000, 500):
        _days(year, ordinary, minimum)
    _chunks(year)


def _days(year: Year, ordinary: Sequence[int], minimum: int) -> None:
    by_month, columns, earlier = Counter[int](), Counter[str](), False
    for start, verdicts in year.judged_days(minimum).items():
        drifted = [f"{one.column} {one.channel}" for one in verdicts if one.drifted]
        month = datetime.fromtimestamp(3600 * start, UTC).month
        by_month[month] += bool(drifted) and not earlier
        earlier = bool(drifted)
        columns.update(drifted)
    own = mean(by_month[month] for month in ordinary)
    others = mean(by_month[month] for month in range(2, 13) if month not in ordinary)
    worst = ", ".join(f"{name} {count}" for name, count in columns.most_common(8))
    print(f"| {minimum} | {own:.1f} | {others:.1f} | {[by_month[m] for m in range(2, 13)]} | {worst} |", flush=True)


def _chunks(year: Year) -> None:
    """Print the delay of the unit change, and the false alarms of the same check: two chunks in a row."""
    rng = np.random.default_rng(7)
    last = len(year.hour) - CHUNK * PATIENCE
    delays = [_delay(year, int(first)) for first in rng.integers(year.first, last, STARTS)]
    found = [delay for delay in delays if delay is not None]
    within = [sum(delay <= requests for delay in found) / STARTS for requests in (200, 300, 500, 1000, 2000)]
    print(f"\nCelsius for Fahrenheit, {STARTS} starts: found within 200, 300, 500, 1000, 2000 requests: ", end="")
    print(", ".join(f"{share:.1%}" for share in within), f"; median {median(found):g} requests", flush=True)
    for name, columns in (("all features", FEATURES), ("the demo's features", DEMO)):
        _false_alarms(year, name, columns)


def _false_alarms(year: Year, name: str, columns: Sequence[str]) -> None:
    """Print episodes of the untouched year; a day that failed is no measure of what is usual for a week."""
    by_month, whole, failed = Counter[int](), Counter[str](), set[int]()
    earlier, before = False, frozenset[tuple[str, str]]()
    for first in range(year.first, len(year.hour) - CHUNK, CHUNK):
        day = int(year.hour[first]) // 24
        past = year.past(first, columns, without=[one for one in failed if day - 7 <= one < day])
        odd = year.chunk(first, past, {})
        lasting = odd & before
        by_month[pd.Timestamp(int(year.hour[first]), unit="h").month] += bool(lasting) and not earlier
        whole.update(f"{column} {channel}" for column, channel in lasting)
        failed |= {day} if lasting else set()
        earlier, before = bool(lasting), odd
    worst = ", ".join(f"{one} {count}" for one, count in whole.most_common(8))
    own = mean(by_month[month] for month in (2, 3, 4, 6, 7, 8, 9, 10))
    print(
        f"Untouched year, {name}: {own:.2f} episodes an ordinary month; {dict(by_month)}; chunks: {worst}", flush=True
    )


def _delay(year: Year, first: int) -> int | None:
    before: frozenset[tuple[str, str]] = frozenset()
    past = year.past(first, tuple(CELSIUS))
    for number in range(PATIENCE):
        odd = year.chunk(first + CHUNK * number, past, CELSIUS)
        if odd & before:
            return CHUNK * (number + 1)
        before = odd
    return None
