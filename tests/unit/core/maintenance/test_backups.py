"""A backup is late by how often backups were taken before; without a habit nothing is judged."""

from datetime import UTC, datetime, timedelta

import pytest

from modelops_pipelines.core.maintenance.backups import HABIT, TakenBackup, age_limit, age_of, check_backup

NOW = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def taken(*days_ago: float) -> list[TakenBackup]:
    return [TakenBackup(NOW - days * DAY, "/mnt/backups") for days in days_ago]


def test_without_backups_or_a_habit_nothing_is_judged() -> None:
    assert [None, None, None] == [age_of([], NOW), age_limit([]), check_backup([], NOW)]
    few = taken(*range(400, 400 - HABIT + 1, -1))
    assert (None, None) == (age_limit(few), check_backup(few, NOW))


@pytest.mark.parametrize(
    ("days_ago", "limit"),
    [((21, 14, 7), 14.0), ((30, 3, 2, 1), 2.0), ((0.2, 0.1, 0), 2.0), ((90, 60, 30, 29.9), 60.0)],
    ids=["weekly", "daily after a pause", "several a day", "monthly, and one by hand"],
)
def test_the_limit_is_twice_the_usual_time_and_two_days_at_least(days_ago: tuple[float, ...], limit: float) -> None:
    found = age_limit(taken(*days_ago))
    assert found is not None
    assert limit == pytest.approx(found / DAY)


def test_an_old_backup_is_late_and_says_where_it_is_and_what_to_do() -> None:
    in_time, late = check_backup(taken(35, 28, 14), NOW), check_backup(taken(42, 35, 28), NOW)
    assert in_time is not None
    assert in_time.ok
    assert late is not None
    assert (False, 28.0, 14.0) == (late.ok, late.value, late.limit)
    assert late.message.startswith("The newest backup is 28.0 days old, in /mnt/backups (limit 14.0 days")
    assert late.message.endswith("take one: modelops backup TARGET.")


def test_a_backup_of_a_clock_that_is_ahead_is_new() -> None:
    assert timedelta(0) == age_of(taken(-1), NOW)
