"""One matter is one alert: opened once, counted, resolved after two passes in a row."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelops_pipelines.core.alerting.alerts import OPEN, RESOLVED, Alert, Verdict, worst
from tests.support.single_alert import apply_verdict

NOW = datetime(2026, 3, 1, tzinfo=UTC)
WEEK = timedelta(days=7)


def verdict(
    passed: bool | None,  # noqa: FBT001 - the one thing that tests vary
    message: str = "m",
    window: str = "w",
) -> Verdict:
    return Verdict("drift", "drift", "warning", passed, 0.5, 0.3, 100, window, message)


def history(passes: list[bool | None]) -> list[Alert | None]:
    """Return what each verdict left behind, one a minute; a resolved alert is no longer the open one."""
    opened: Alert | None = None
    left = []
    for minute, passed in enumerate(passes):
        written = apply_verdict(opened, verdict(passed), "e", NOW + timedelta(minutes=minute))
        opened = (written if written.status == OPEN else None) if written else opened
        left.append(written)
    return left


def test_a_failure_opens_and_further_failures_count() -> None:
    left = history([False, False, False])
    assert [1, 2, 3] == [alert.count for alert in left if alert]
    last = left[-1]
    assert last is not None
    assert (OPEN, NOW, NOW + timedelta(minutes=2), None) == (
        last.status,
        last.opened_at,
        last.last_seen_at,
        last.resolved_at,
    )


def test_two_passes_in_a_row_resolve_and_one_does_not() -> None:
    statuses = [alert.status if alert else None for alert in history([False, True, False, True, True, True])]
    assert [OPEN, OPEN, OPEN, OPEN, RESOLVED, None] == statuses


def test_a_missing_verdict_changes_nothing_and_breaks_no_row_of_passes() -> None:
    left = history([None, False, True, None, True])
    assert [None, OPEN, OPEN, None, RESOLVED] == [alert.status if alert else None for alert in left]


def test_a_failure_after_it_was_resolved_is_a_new_matter() -> None:
    reopened = history([False, False, True, True, False])[-1]
    assert reopened is not None
    assert (1, OPEN, NOW + timedelta(minutes=4)) == (reopened.count, reopened.status, reopened.opened_at)


def test_a_further_failure_brings_its_own_words() -> None:
    opened = apply_verdict(None, verdict(passed=False, message="first", window="1"), "e", NOW)
    again = apply_verdict(opened, verdict(passed=False, message="second", window="2"), "e", NOW)
    assert again is not None
    assert ("second", "1", "2") == (again.message, again.opened_window, again.data_window)


@given(st.lists(st.sampled_from([True, False, None]), max_size=30))
@settings(deadline=None)
def test_an_alert_is_open_just_when_the_last_two_verdicts_are_not_both_passes(passes: list[bool | None]) -> None:
    opened: Alert | None = None
    for passed in passes:
        written = apply_verdict(opened, verdict(passed), "e", NOW)
        opened = (written if written.status == OPEN else None) if written else opened
    given_verdicts = [passed for passed in passes if passed is not None]
    assert (opened is not None) == (False in given_verdicts and given_verdicts[-2:] != [True, True])


@pytest.mark.parametrize(
    ("passes", "expected"),
    [([True, False, True], False), ([None, True, None], True), ([None, None], None)],
)
def test_the_worst_of_several_windows_is_shown(passes: list[bool | None], expected: bool | None) -> None:  # noqa: FBT001 - a parameter of the test
    assert worst([verdict(passed) for passed in passes]).passed is expected


def test_of_equally_bad_windows_the_newest_is_shown() -> None:
    assert worst([verdict(passed=False, window="1"), verdict(passed=False, window="2")]).window == "2"


def test_of_passes_and_missing_verdicts_the_newest_of_the_best_told_kind_is_shown() -> None:
    passes = [verdict(passed=True, window="1"), verdict(passed=True, window="2"), verdict(passed=None, window="3")]
    assert worst(passes).window == "2"
    assert worst([verdict(passed=None, window=window) for window in "123"]).window == "3"


def test_an_alert_opens_with_all_that_the_verdict_says() -> None:
    opened = apply_verdict(None, verdict(passed=False, message="too far", window="w1"), "e", NOW)
    assert (
        Alert("e", "drift", "drift", OPEN, "warning", "too far", 1, 0, NOW, NOW, None, "w1", "w1", None, 0.5, 0.3, 100)
        == opened
    )


def test_a_pass_changes_nothing_of_an_alert_but_its_passes_and_its_end() -> None:
    opened = apply_verdict(None, verdict(passed=False), "e", NOW)
    assert opened is not None
    fine = verdict(passed=True, message="fine", window="w2")
    once = apply_verdict(opened, fine, "e", NOW + WEEK)
    assert replace(opened, passes=1) == once
    assert replace(opened, passes=2, status=RESOLVED, resolved_at=NOW + WEEK) == apply_verdict(
        once, fine, "e", NOW + WEEK
    )


def test_a_further_failure_counts_afresh_towards_the_end_and_brings_its_severity() -> None:
    opened = apply_verdict(None, verdict(passed=False), "e", NOW)
    passed = apply_verdict(opened, verdict(passed=True), "e", NOW)
    again = apply_verdict(passed, replace(verdict(passed=False), severity="error"), "e", NOW + WEEK)
    assert again is not None
    assert (2, 0, "error", NOW, NOW + WEEK) == (
        again.count,
        again.passes,
        again.severity,
        again.opened_at,
        again.last_seen_at,
    )


def test_a_pass_of_a_rule_without_an_alert_is_nothing_to_write() -> None:
    assert apply_verdict(None, verdict(passed=True), "e", NOW) is None
