"""Retraining starts on a signal with enough labels, after the cool-down, within the budget; refusals have numbers."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from modelops_pipelines.core.endpoints.improvement import Retraining
from modelops_pipelines.core.improve.retraining.trigger import (
    HARMFUL_DRIFT,
    QUALITY,
    Decision,
    RetrainingEvidence,
    Signal,
    age_signal,
    decide,
)

NOW = datetime(2026, 3, 10, tzinfo=UTC)
WEEK = timedelta(days=7)
RULES = Retraining(min_new_labels=100, cooldown=WEEK, runs=3, minutes=60)
QUALITY_ALERT = Signal("quality_auc", QUALITY)
HARMFUL = Signal("drift", HARMFUL_DRIFT, holds=True, why="log_loss 0.5, before 0.4")
HARMLESS = replace(HARMFUL, holds=False, why="quality has not fallen")
EVIDENCE = RetrainingEvidence((QUALITY_ALERT,), 100, NOW, None)


def decided(evidence: RetrainingEvidence = EVIDENCE, **changes: object) -> Decision:
    return decide(replace(evidence, **changes), RULES)  # type: ignore[arg-type] # fields by name


def test_a_signal_with_enough_labels_starts_and_says_why() -> None:
    started = decided(signals=(QUALITY_ALERT, HARMFUL))
    expected = "quality_auc, drift (log_loss 0.5, before 0.4); 100 new labels (at least 100)"
    assert (True, expected) == (started.start, started.reason)


def test_nothing_starts_before_the_first_prediction_or_without_a_signal() -> None:
    assert "the log has no predictions yet" == decided(watermark=None).reason
    assert "no drift or quality alert is open" == decided(signals=()).reason


def test_a_drift_that_does_no_harm_is_refused_with_its_numbers() -> None:
    refused = decided(signals=(HARMLESS,))
    assert (False, "drift does no harm: quality has not fallen") == (refused.start, refused.reason)
    assert "quality has not fallen" == refused.numbers["signals"][0]["why"]


def test_a_harmless_drift_does_not_stop_another_signal() -> None:
    started = decided(signals=(HARMLESS, QUALITY_ALERT))
    assert (True, "quality_auc; 100 new labels (at least 100)") == (started.start, started.reason)


def test_too_few_labels_are_refused_with_both_numbers() -> None:
    assert "signal quality_auc, but only 99 of 100 required new labels" == decided(new_labels=99).reason


def test_the_cooldown_counts_on_the_datas_clock_to_the_microsecond() -> None:
    early = decided(last_watermark=NOW - WEEK + timedelta(microseconds=1))
    assert (False, True) == (early.start, decided(last_watermark=NOW - WEEK).start)
    assert "(watermark 2026-03-10T00:00:00Z)" in early.reason


def test_it_waits_for_the_moment_that_a_refusal_named() -> None:
    last = NOW - timedelta(days=1)
    assert "in cool-down until 2026-03-16T00:00:00Z" in decided(last_watermark=last).reason
    assert decided(watermark=last + WEEK, last_watermark=last).start


@pytest.mark.parametrize(
    ("spent", "reason"),
    [
        ({"runs": 3}, "signal quality_auc, but the budget is spent: 3 of 3 retrainings in 30d"),
        ({"minutes": 60.04}, "signal quality_auc, but the budget is spent: 60.0 of 60 minutes of training in 30d"),
    ],
)
def test_a_spent_budget_is_refused_with_what_was_spent(spent: dict[str, float], reason: str) -> None:
    assert Decision(start=False, reason=reason, numbers=decided(**spent).numbers) == decided(**spent)


def test_each_failure_in_a_row_doubles_the_wait_and_five_need_a_person() -> None:
    last = NOW - timedelta(days=15)
    assert decided(last_watermark=last, failures=["raised"]).start
    twice = decided(last_watermark=last, failures=["raised", "timed out"])
    assert (
        "signal quality_auc, but 2 retraining(s) in a row failed (latest: timed out): not again before "
        "2026-03-23T00:00:00Z (watermark 2026-03-10T00:00:00Z)"
    ) == twice.reason
    never = decided(last_watermark=NOW - 100 * WEEK, failures=["raised"] * 5)
    assert (
        "signal quality_auc, but 5 retraining(s) in a row failed (latest: raised): a person has to start the next one"
    ) == never.reason


def test_an_old_champion_is_a_signal_with_its_age() -> None:
    assert age_signal(NOW - WEEK, NOW, WEEK) is None
    signal = age_signal(NOW - 2 * WEEK, NOW, WEEK)
    assert signal is not None
    assert (
        "age (champion's data ends 14 days ago, limit 7d); 100 new labels (at least 100)"
        == decided(signals=(signal,)).reason
    )


def test_a_decision_has_all_its_numbers() -> None:
    numbers = decided(runs=1, minutes=2.5, failures=["raised"]).numbers
    assert {
        "new_labels": 100,
        "min_new_labels": 100,
        "watermark": "2026-03-10T00:00:00Z",
        "last_watermark": None,
        "cooldown": "7d",
        "runs": 1,
        "most_runs": 3,
        "minutes": 2.5,
        "most_minutes": 60,
        "budget_over": "30d",
        "failures": ["raised"],
    } == {name: value for name, value in numbers.items() if name != "signals"}
