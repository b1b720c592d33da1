"""Retraining starts on a signal with enough labels after the cooldown; each refusal says its numbers."""

from datetime import UTC, datetime, timedelta

from modelops_pipelines.core.improve.retraining_trigger import Decision, RetrainingEvidence, decide

NOW = datetime(2026, 3, 10, tzinfo=UTC)
WEEK = timedelta(days=7)


def decided(
    signals: tuple[str, ...] = ("drift",),
    labels: int = 100,
    watermark: datetime | None = NOW,
    last: datetime | None = None,
) -> Decision:
    return decide(RetrainingEvidence(signals, labels, watermark, last), min_new_labels=100, cooldown=WEEK)


def test_a_signal_with_enough_labels_starts_and_says_why() -> None:
    assert Decision(start=True, reason="drift, quality; 100 new labels (at least 100)") == decided(("drift", "quality"))


def test_nothing_starts_before_the_first_prediction_or_without_a_signal() -> None:
    assert Decision(start=False, reason="the log has no predictions yet") == decided(watermark=None)
    assert Decision(start=False, reason="no drift or quality alert is open") == decided(())


def test_too_few_labels_are_refused_with_both_numbers() -> None:
    refused = decided(labels=99)
    assert Decision(start=False, reason="signal drift, but only 99 of 100 required new labels") == refused


def test_the_cooldown_counts_on_the_datas_clock_to_the_microsecond() -> None:
    early, ready = decided(last=NOW - WEEK + timedelta(microseconds=1)), decided(last=NOW - WEEK)
    assert (False, True) == (early.start, ready.start)
    assert "(watermark 2026-03-10T00:00:00Z)" in early.reason


def test_it_waits_for_the_moment_that_a_refusal_named() -> None:
    last = NOW - timedelta(days=1)
    assert "in cool-down until 2026-03-16T00:00:00Z" in decided(last=last).reason
    assert decided(watermark=last + WEEK, last=last).start
