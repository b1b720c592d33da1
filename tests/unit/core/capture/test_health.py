"""Capture is judged by lag, backlog and disk, each by its own threshold, and says what to do."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from modelops_pipelines.core.alerting.alerts import Alert
from modelops_pipelines.core.capture.health import CAPTURE, Reading, Thresholds, judge_capture, should_record
from tests.support.single_alert import apply_verdict

NOW = datetime(2026, 3, 1, tzinfo=UTC)
LIMITS = Thresholds()
WELL = Reading(sealed_seconds=59, open_seconds=69, seal_seconds=10, segments=3, bytes=1 << 30, disk_used=0.90)
EMPTY = Reading(0, 0, 10, 0, 0, 0.1)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize("reading", [WELL, EMPTY])
def test_what_is_at_its_limits_is_well(reading: Reading) -> None:
    health = judge_capture("e", reading, LIMITS)
    assert health.ok
    assert [True] * 3 == [check.ok for check in health.checks]
    assert health.verdict(NOW).passed


@pytest.mark.parametrize(
    ("change", "name", "value", "told"),
    [
        ({"sealed_seconds": 61}, "lag", 61, "waited 61 s (limit 60 s). Start Dagster"),
        ({"open_seconds": 131}, "lag", 121, "waited 121 s (limit 60 s). The gateway does not seal"),
        (
            {"bytes": (1 << 30) + 1},
            "backlog",
            (1 << 30) + 1,
            "1024 MiB in 3 segments (limit 1024 MiB). Capture is faster",
        ),
        ({"disk_used": 0.93}, "disk", 0.93, "The disk of MODELOPS_HOME is 93% full (limit 90%). Free disk space"),
    ],
)
def test_each_check_fails_by_its_own_threshold_and_says_what_to_do(
    change: dict[str, float], name: str, value: float, told: str
) -> None:
    health = judge_capture("e", replace(WELL, **change), LIMITS)
    assert [name] == [check.name for check in health.checks if not check.ok]
    verdict = health.verdict(NOW)
    assert (CAPTURE, False, value, 3) == (verdict.rule, verdict.passed, verdict.value, verdict.n)
    assert told in verdict.message
    assert 1 == verdict.message.count("limit")


def test_a_longer_time_to_seal_is_no_lag() -> None:
    assert judge_capture("e", replace(WELL, open_seconds=650, seal_seconds=600), LIMITS).ok


def test_several_failures_are_one_verdict_that_names_all() -> None:
    health = judge_capture("e", replace(WELL, sealed_seconds=100, disk_used=0.95), LIMITS)
    assert "waited 100 s" in health.message
    assert "95% full" in health.message
    assert "MiB" not in health.message
    assert 100 == health.verdict(NOW).value


def test_many_watchers_count_a_failure_once_in_five_seconds_and_resolve_after_two_passes_five_apart() -> None:
    well, ill = judge_capture("e", WELL, LIMITS), judge_capture("e", replace(WELL, disk_used=1.0), LIMITS)
    opened: Alert | None = None
    written = []
    for second in range(40):  # three watchers look every second; all is well from second 16 on
        for _ in range(3):
            health, now = ill if second < 16 else well, NOW + second * SECOND
            if should_record(opened, health, now):
                opened = apply_verdict(opened, health.verdict(now), "e", now)
                assert opened is not None
                written.append((second, opened.count, opened.passes, opened.status))
                opened = opened if opened.status == "open" else None
    failures = [(second, count, 0, "open") for second, count in ((0, 1), (5, 2), (10, 3), (15, 4))]
    assert [*failures, (20, 4, 1, "open"), (25, 4, 2, "resolved")] == written
