"""Live counts fail a rule when they prove it, and pass it when a calm minute shows it."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from modelops_pipelines.core.alerting.alerts import Alert, Verdict
from modelops_pipelines.core.alerting.live_rules import (
    COUNT_EVERY,
    PASS_AFTER,
    LiveCounts,
    LiveRule,
    is_due,
    judge_live,
    rule_of,
)
from modelops_pipelines.core.metrics.latency_sketch import bucket

LAST = 10_000
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ERRORS = LiveRule("error_rate", "error_rate", "error", 0.1, share=0.1)
AVAILABLE = LiveRule("availability", "availability", "error", 0.99, share=0.01)
SLOW = LiveRule("latency_p95_ms", "latency_p95_ms", "error", 200.0, share=0.05, slower_than=200.0)
TRAFFIC = LiveRule("throughput", "throughput", "warning", 20.0, per_second=20.0)


def seconds(count: int, requests: int, errors: int = 0, ms: float = 10.0, end: int = LAST) -> dict[int, LiveCounts]:
    """Return so many equal seconds that end with one."""
    return {end - i: LiveCounts(end - i, requests, errors, {bucket(ms): requests}) for i in range(count)}


def judged(rule: LiveRule, counted: dict[int, LiveCounts]) -> bool | None:
    verdict = judge_live(rule, counted, LAST, NOW)
    return None if verdict is None else verdict.passed


def test_every_request_failing_at_10_a_second_fails_within_three_seconds() -> None:
    before = seconds(900, 10, end=LAST - 3)
    assert judged(ERRORS, before | seconds(3, 10, 10)) is False
    assert judged(ERRORS, before | seconds(2, 10, 10)) is True  # the minute as a whole is within the threshold


def test_a_third_failing_fails_within_fifteen_seconds() -> None:
    before = seconds(900, 10, end=LAST - 15)
    assert judged(ERRORS, before | seconds(15, 10, 4)) is False


def test_at_four_requests_a_minute_it_takes_the_minimum_of_requests() -> None:
    sparse = {LAST - 15 * i: LiveCounts(LAST - 15 * i, 1, 1) for i in range(19)}
    assert judged(ERRORS, sparse) is None
    assert judged(ERRORS, {LAST - 15 * i: LiveCounts(LAST - 15 * i, 1, 1) for i in range(21)}) is False


def test_too_few_requests_and_none_at_all_are_not_judged() -> None:
    assert judged(ERRORS, {}) is None
    assert judged(ERRORS, seconds(3, 6, 6)) is None
    assert judged(ERRORS, {LAST: LiveCounts(LAST)}) is None


def test_too_many_requests_are_over_when_none_comes() -> None:
    before = seconds(60, 90, end=LAST - 60)
    assert judged(TRAFFIC, before) is True
    assert judged(TRAFFIC, {}) is True
    assert judged(TRAFFIC, seconds(60, 90, end=LAST - 5)) is False


def test_a_message_says_what_is_measured_and_large_numbers_without_an_exponent() -> None:
    rule = LiveRule("many", "throughput", "warning", 2000.0, per_second=2000.0, subject="requests per second")
    verdict = judge_live(rule, seconds(60, 23456), LAST, NOW)
    assert verdict is not None
    assert (
        "requests per second 23456 is above 2000 over the last 1 min to 12:00:00Z (1407360 requests)" == verdict.message
    )


def test_what_went_wrong_in_one_instant_is_no_failure() -> None:
    assert judged(ERRORS, seconds(5, 1) | {LAST: LiveCounts(LAST, 500, 500)}) is None


def test_an_error_rate_at_the_threshold_does_not_fail() -> None:
    assert judged(ERRORS, seconds(900, 10, 1)) is True


def test_slow_requests_fail_a_rule_on_latency_and_those_at_its_limit_do_not() -> None:
    before = seconds(900, 10, end=LAST - 4)
    failed = judge_live(SLOW, before | seconds(4, 10, ms=400.0), LAST, NOW)
    assert failed is not None
    assert failed.passed is False
    assert failed.value is not None
    assert 390 < failed.value < 410
    assert judged(SLOW, seconds(900, 10, ms=200.0)) is True


def test_a_rule_on_availability_speaks_of_availability() -> None:
    failed = judge_live(AVAILABLE, seconds(900, 10, end=LAST - 5) | seconds(5, 10, 5), LAST, NOW)
    assert failed is not None
    assert ("availability_now", "availability", 0.99) == (failed.rule, failed.kind, failed.threshold)
    assert failed.message.startswith("availability 0.5 is below 0.99 over the last 5 s to 12:00:00Z (50 requests")


def test_too_many_requests_fail_a_rule_on_traffic() -> None:
    assert judged(TRAFFIC, seconds(900, 18)) is True
    assert judged(TRAFFIC, seconds(900, 18, end=LAST - 15) | seconds(15, 40)) is not False
    assert judged(TRAFFIC, seconds(900, 18, end=LAST - 60) | seconds(60, 40)) is False


@pytest.mark.parametrize("since", [60, 200, 800])
def test_what_is_over_for_a_minute_with_enough_requests_passes_although_a_span_reaches_back_to_it(since: int) -> None:
    counted = seconds(60, 10, 10, end=LAST - since) | seconds(since, 10)
    assert judged(ERRORS, counted) is True
    assert judged(SLOW, seconds(60, 10, ms=900.0, end=LAST - since) | seconds(since, 10)) is True


def test_failures_that_no_request_follows_are_judged_no_more() -> None:
    assert judged(ERRORS, seconds(60, 10, 10, end=LAST - 60)) is None


def test_what_goes_on_at_few_requests_goes_on_failing() -> None:
    assert judged(ERRORS, {LAST - 15 * i: LiveCounts(LAST - 15 * i, 1, 1) for i in range(40)}) is False
    good_minute = {LAST - 15 * i: LiveCounts(LAST - 15 * i, 1, i > 4) for i in range(40)}
    assert judged(ERRORS, good_minute) is None


def test_what_was_before_the_rule_or_its_resolution_is_not_counted() -> None:
    counted = seconds(100, 10, 10, end=LAST - 20) | seconds(20, 10)
    assert judged(ERRORS, counted) is False
    assert judge_live(ERRORS, counted, LAST, NOW, first=LAST - 19) is None
    failed = judge_live(ERRORS, counted, LAST, NOW, first=LAST - 29)
    assert failed is not None
    assert "(300 requests, 100 of them failed)" in failed.message
    assert "over the last 30 s" in failed.message
    assert judge_live(TRAFFIC, seconds(59, 90), LAST, NOW, first=LAST - 58) is None


@pytest.mark.parametrize("rate", [0.02, 0.1])
def test_two_hours_at_or_below_the_threshold_raises_nothing(rate: float) -> None:
    chance = random.Random(7)
    counted: dict[int, LiveCounts] = {}
    for second in range(7_200):
        counted[second] = LiveCounts(second, 10, sum(chance.random() < rate for _ in range(10)))
        if second % 2 == 0:
            verdict = judge_live(ERRORS, counted, second, NOW)
            assert verdict is None or verdict.passed
        counted.pop(second - 1000, None)


def test_a_failure_is_counted_every_ten_seconds_and_two_spaced_passes_resolve() -> None:
    failed, passed = verdict(passed=False), verdict(passed=True)
    assert (True, False) == (is_due(None, failed, NOW), is_due(None, passed, NOW))
    alert = alert_at(NOW, passes=0)
    assert [False, True] == [is_due(alert, failed, NOW + after) for after in (timedelta(seconds=9), COUNT_EVERY)]
    assert [False, True] == [is_due(alert, passed, NOW + after) for after in (timedelta(seconds=29), PASS_AFTER)]
    again = alert_at(NOW, passes=1)
    assert [False, True] == [is_due(again, passed, NOW + after) for after in (PASS_AFTER, 2 * PASS_AFTER)]


def test_a_live_alert_belongs_to_its_rule() -> None:
    assert ["error_rate", "drift"] == [rule_of(ERRORS.name), rule_of("drift")]


def verdict(*, passed: bool) -> Verdict:
    return Verdict(ERRORS.name, "error_rate", "error", passed, 0.5, 0.1, 40, "w", "m")


def alert_at(at: datetime, passes: int) -> Alert:
    return Alert("e", ERRORS.name, "error_rate", "open", "error", "m", 1, passes, at, at, None, "w", "w")
