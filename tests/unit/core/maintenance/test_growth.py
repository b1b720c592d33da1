"""Growth between readings, the date on which the disk is full, and the checks on a home."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from modelops_pipelines.core.maintenance.growth import (
    Limits,
    Reading,
    RunCost,
    TableFiles,
    TaskEnd,
    check_growth,
    check_maintained,
    check_runs,
    check_tables,
    full_at,
    growth_of,
)

START = datetime(2026, 3, 1, 3, tzinfo=UTC)
DAY = timedelta(days=1)
GIB = 1 << 30
LIMITS = Limits()


def reading(day: float, lake: int, free: int = 100 * GIB) -> Reading:
    return Reading(START + day * DAY, {"lake": lake, "state": 10}, free)


def test_growth_is_known_only_between_two_days() -> None:
    assert growth_of([]) is None
    assert growth_of([reading(0, 5), reading(0.9, 50)]) is None
    known = growth_of([reading(0, 1000), reading(1, 4000), reading(2, 5000)])
    assert known is not None
    assert (2000.0, {"lake": 2000.0, "state": 0.0}) == (known.bytes_a_day, known.parts)


def test_growth_is_that_of_the_last_thirty_days() -> None:
    known = growth_of([reading(0, 0), reading(100, 1_000_000), reading(110, 1_000_000)])
    assert known is not None
    assert 0.0 == known.bytes_a_day


@given(st.integers(1, 10**12), st.integers(1, 10**9), st.integers(1, 30))
def test_at_this_growth_the_disk_is_full_on_that_day(free: int, a_day: int, days: int) -> None:
    last = reading(days, days * a_day, free)
    full = full_at(last, growth_of([reading(0, 0), last]))
    assert full is not None
    left = (full - last.at) / DAY
    assert abs(left - min(free / a_day, 36_500)) <= 1e-6 * (1 + left)


def test_a_home_that_shrinks_never_fills_its_disk() -> None:
    readings = [reading(0, 500), reading(3, 100)]
    assert full_at(readings[-1], growth_of(readings)) is None
    check = check_growth(readings, LIMITS)
    assert check is not None
    assert check.ok


def test_a_disk_that_is_full_within_two_weeks_fails_with_its_date() -> None:
    check = check_growth([reading(0, 0), reading(10, 10 * GIB, free=13 * GIB)], LIMITS)
    assert check is not None
    assert (False, 13.0) == (check.ok, check.value)
    assert "the home grows by 1024.0 MiB a day: the disk is full in 13 days, on 2026-03-24" in check.message
    longer = check_growth([reading(0, 0), reading(10, 10 * GIB, free=15 * GIB)], LIMITS)
    assert longer is not None
    assert longer.ok


def test_maintenance_that_fails_for_days_is_told_with_its_tasks_and_their_errors() -> None:
    now = START + 10 * DAY
    good = TaskEnd(now - DAY, now - DAY)
    bad = TaskEnd(now - DAY, now - 4 * DAY, "the disk is full")
    assert check_maintained({"logs": good}, START, now, LIMITS).ok
    check = check_maintained({"logs": good, "dagster": bad}, START, now, LIMITS)
    assert (False, 4.0) == (check.ok, check.value)
    assert "dagster did not succeed for 4.0 days (limit 3 days) (dagster: the disk is full)" in check.message


def test_a_home_that_was_never_maintained_is_told_after_three_days_of_watching() -> None:
    assert check_maintained({}, START, START + 2.9 * DAY, LIMITS).ok
    assert not check_maintained({}, START, START + 3.1 * DAY, LIMITS).ok
    tried = TaskEnd(START + DAY, None, "it failed")
    assert not check_maintained({"logs": tried}, START, START + 3.1 * DAY, LIMITS).ok


def test_a_table_with_too_many_files_is_told_by_its_endpoint() -> None:
    tables = (TableFiles("cancer", "inference_log", 2_001, 5), TableFiles("flights", "drift", 2_000, 5))
    found = check_tables(Reading(START, {}, 1, tables), LIMITS)
    assert [("cancer", False), ("flights", True)] == [(check.endpoint, check.ok) for check in found]
    assert "The table inference_log of 'cancer' has 2001 files (limit 2000)" in found[0].message


def test_runs_that_never_rest_and_slow_ticks_are_told() -> None:
    def checked(cost: RunCost | None) -> dict[str, bool]:
        return {check.name: check.ok for check in check_runs(Reading(START, {}, 1, runs=cost), LIMITS)}

    assert checked(None) == {}
    assert {"runs": True} == checked(RunCost())
    assert {"runs": True, "ticks": True} == checked(RunCost(100, 2 * 86_400.0, 5.0, 0, 9.9, "new_data"))
    assert {"runs": False, "ticks": False} == checked(RunCost(100, 2 * 86_401.0, 5.0, 0, 10.1, "new_data"))
