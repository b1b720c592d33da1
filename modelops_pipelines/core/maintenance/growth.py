"""How a home grows: readings of its sizes over the days, when its disk is full, and what is judged by them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

MOST_DAYS = 36_500.0
"""A disk that is full later than this is not said to be full on a day."""
DAY = timedelta(days=1)
LEAST_SPAN, LONGEST_SPAN = DAY, 30 * DAY
"""Growth is taken between two readings at least a day apart, of the last 30 days."""
_MIB, _GIB = 1 << 20, 1 << 30


@dataclass(frozen=True)
class TableFiles:
    """The files of one table of the lake, its log's included."""

    endpoint: str
    table: str
    files: int
    bytes: int


@dataclass(frozen=True)
class RunCost:
    """What Dagster did in the last day: runs, the seconds that they took together, and the seconds of a tick.

    ``runs_p95`` and ``tick_p95`` are 95 % quantiles in seconds, None without a run or tick; ``tick_worst`` is the
    sensor or schedule with the longest.
    """

    runs: int = 0
    run_seconds: float = 0.0
    runs_p95: float | None = None
    failed: int = 0
    tick_p95: float | None = None
    tick_worst: str = ""


@dataclass(frozen=True)
class TaskEnd:
    """When a task of maintenance last ended, when it last succeeded, and the error of its last end."""

    ended_at: datetime
    succeeded_at: datetime | None = None
    error: str | None = None


@dataclass(frozen=True)
class Reading:
    """The sizes of a home at one time: ``parts`` in bytes by name, and its disk's free bytes.

    ``tables`` has the table with the most files of each endpoint, most first.
    """

    at: datetime
    parts: Mapping[str, int]
    disk_free: int
    tables: Sequence[TableFiles] = ()
    runs: RunCost | None = None

    @property
    def total(self) -> int:
        """All parts, in bytes."""
        return sum(self.parts.values())


@dataclass(frozen=True)
class Limits:
    """The limits of a home in order."""

    full_within: timedelta = timedelta(days=14)
    table_files: int = 2_000
    maintained_within: timedelta = timedelta(days=3)
    busy_share: float = 2.0
    tick_seconds: float = 10.0


@dataclass(frozen=True)
class Growth:
    """Bytes a day, between the readings of two times."""

    bytes_a_day: float
    since: datetime
    until: datetime
    parts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class HomeCheck:
    """One check of a home; ``endpoint`` is None for the whole. The message has the numbers and, failed, the remedy."""

    name: str
    ok: bool
    value: float | None
    limit: float
    message: str
    endpoint: str | None = None


def growth_of(readings: Sequence[Reading]) -> Growth | None:
    """Return the growth between the newest reading and the oldest of the last 30 days; None until a day lies between.

    ``readings`` are in order of time.
    """
    if not readings:
        return None
    last = readings[-1]
    first = next((one for one in readings if last.at - one.at <= LONGEST_SPAN), last)
    days = (last.at - first.at) / DAY
    if last.at - first.at < LEAST_SPAN:
        return None
    names = {*first.parts, *last.parts}
    parts = {name: (last.parts.get(name, 0) - first.parts.get(name, 0)) / days for name in sorted(names)}
    return Growth((last.total - first.total) / days, first.at, last.at, parts)


def full_at(last: Reading, growth: Growth | None) -> datetime | None:
    """Return when the disk is full at this growth of the home alone; None when it does not grow, or is not known."""
    if growth is None or growth.bytes_a_day <= 0:
        return None
    days = last.disk_free / growth.bytes_a_day
    return last.at + timedelta(days=min(days, MOST_DAYS))


def check_growth(readings: Sequence[Reading], limits: Limits) -> HomeCheck | None:
    """Judge whether the disk is full soon; None without a reading."""
    if not readings:
        return None
    last, growth = readings[-1], growth_of(readings)
    limit, free = limits.full_within / DAY, f"{last.disk_free / _GIB:.1f} GiB are free"
    full = full_at(last, growth)
    if growth is None:
        return HomeCheck(
            "disk_full",
            True,
            None,
            limit,
            f"{free}; growth a day is known from two readings that are at least a day apart.",
        )
    a_day = f"the home grows by {growth.bytes_a_day / _MIB:.1f} MiB a day"
    if full is None:
        return HomeCheck("disk_full", True, None, limit, f"{free}; {a_day}.")
    days = (full - last.at) / DAY
    if days >= MOST_DAYS:
        return HomeCheck("disk_full", True, days, limit, f"{free}; {a_day}: the disk is not full within 100 years.")
    message = f"{free}; {a_day}: the disk is full in {days:.0f} days, on {full:%Y-%m-%d} (limit {limit:.0f} days)"
    fix = "" if days > limit else ". Shorten what is kept (docs/maintenance.md), or give MODELOPS_HOME a larger disk"
    return HomeCheck("disk_full", days > limit, days, limit, f"{message}{fix}.")


def check_maintained(tasks: Mapping[str, TaskEnd], since: datetime, now: datetime, limits: Limits) -> HomeCheck:
    """Judge when each task of maintenance last succeeded; ``since`` is when this home was first watched."""
    done = {name: task.succeeded_at or since for name, task in tasks.items()}
    oldest = min(done.values(), default=since)
    days, limit = (now - oldest) / DAY, limits.maintained_within / DAY
    if days <= limit:
        when = f"Maintenance last succeeded {days:.1f} days ago" if done else "Maintenance did not run yet"
        return HomeCheck("maintenance", True, days, limit, f"{when} (limit {limit:.0f} days).")
    late = sorted(name for name, at in done.items() if (now - at) / DAY > limit)
    errors = "; ".join(f"{name}: {tasks[name].error}" for name in late if tasks[name].error)
    what = f"{', '.join(late)} did not succeed" if late else "did not run"
    fix = "Start Dagster (modelops up) and see its runs of maintenance, or: modelops maintain"
    message = (
        f"Maintenance: {what} for {days:.1f} days (limit {limit:.0f} days){f' ({errors})' if errors else ''}. {fix}."
    )
    return HomeCheck("maintenance", False, days, limit, message)


def check_tables(last: Reading, limits: Limits) -> list[HomeCheck]:
    """Judge the number of files of each endpoint's table with the most."""
    return [_check_table(table, limits) for table in last.tables]


def _check_table(table: TableFiles, limits: Limits) -> HomeCheck:
    ok, limit = table.files <= limits.table_files, limits.table_files
    message = f"The table {table.table} of {table.endpoint!r} has {table.files} files (limit {limit})"
    fix = "" if ok else ". Each query and each ingest reads their list. Compact it now: modelops maintain"
    return HomeCheck("table_files", ok, float(table.files), float(limit), f"{message}{fix}.", table.endpoint)


def check_runs(last: Reading, limits: Limits) -> list[HomeCheck]:
    """Judge what the runs and ticks of the last day took; none where Dagster is not used."""
    cost = last.runs
    if cost is None:
        return []
    share, limit = cost.run_seconds / DAY.total_seconds(), limits.busy_share
    longest = "" if cost.runs_p95 is None else f", 95 % of them under {cost.runs_p95:.0f} s"
    message = f"{cost.runs} runs of the last day took {cost.run_seconds:.0f} s together{longest}"
    fix = "" if share <= limit else f". Over {limit:g} ran at any time: see in Dagster which take long"
    checks = [HomeCheck("runs", share <= limit, share, limit, f"{message}{fix}.")]
    if cost.tick_p95 is not None:
        ok, seconds = cost.tick_p95 <= limits.tick_seconds, limits.tick_seconds
        told = f"A tick of {cost.tick_worst!r} takes up to {cost.tick_p95:.1f} s (limit {seconds:.0f} s)"
        more = "" if ok else ". Other sensors wait for it: see its ticks in Dagster"
        checks.append(HomeCheck("ticks", ok, cost.tick_p95, seconds, f"{told}{more}."))
    return checks
