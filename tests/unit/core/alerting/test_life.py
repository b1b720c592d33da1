"""The life of an alert, pure: pending, open, resolved, reopened; never two at a time; flapping is found."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops_pipelines.core.alerting.alerts import OPEN, PENDING, RESOLVED, Alert, Traits, Verdict
from modelops_pipelines.core.alerting.episodes import Episodes, worth_writing
from modelops_pipelines.core.alerting.life import REOPEN_WITHIN, SAME_WINDOWS, Standing, is_reopened, steps_of

NOW = datetime(2026, 3, 1, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def verdict(passed: bool | None, window: str = "w", rule: str = "drift") -> Verdict:  # noqa: FBT001 - the one thing that tests vary
    return Verdict(rule, "drift", "warning", passed, 0.5, 0.3, 100, window, "m")


def past(**changes: object) -> Alert:
    alert = Alert("e", "drift", "drift", RESOLVED, "warning", "m", 3, 2, NOW, NOW, NOW, "w", "w", 7)
    return replace(alert, **changes)  # type: ignore[arg-type]


def changes(standing: Standing, passed: bool, now: datetime, wait: timedelta | None = None) -> list[str]:  # noqa: FBT001 - a verdict
    return [step.change for step in steps_of(standing, verdict(passed), "e", now, wait)]


def test_a_failure_soon_after_the_end_reopens_the_alert_with_its_number_and_count() -> None:
    [step] = steps_of(Standing(None, past()), verdict(passed=False), "e", NOW + REOPEN_WITHIN - MINUTE)
    after = step.after
    assert ("reopened", 7, 4, 1, OPEN, None, NOW) == (
        step.change,
        after.id,
        after.count,
        after.reopened,
        after.status,
        after.resolved_at,
        after.opened_at,
    )
    assert ["opened"] == changes(Standing(None, past()), False, NOW + REOPEN_WITHIN)


def test_what_a_person_resolved_or_a_window_of_another_day_is_not_reopened() -> None:
    assert ["opened"] == changes(Standing(None, past(resolved_by="ann")), False, NOW)
    failed = past(data_window="2026-03-01T00:00:00Z")
    windows = [(NOW + SAME_WINDOWS + gap).isoformat() for gap in (-MINUTE, timedelta(0))]
    fresh = [past(opened_window=window) for window in windows]
    assert [True, False] == [is_reopened(failed, one) for one in fresh]


@pytest.mark.parametrize(
    ("kind", "other", "same"),
    [("capture", "error_rate", False), ("slo", "volume", False), ("capture", "slo", False), ("drift", "volume", True)],
)
def test_a_verdict_neither_changes_nor_reopens_an_alert_of_the_product_of_another_kind(
    kind: str, other: str, *, same: bool
) -> None:
    for mine, theirs in ((kind, other), (other, kind)):
        alert = past(kind=mine, status=OPEN, resolved_at=None)
        given = [replace(verdict(passed), kind=theirs) for passed in (True, False)]
        assert same == any(steps_of(Standing(alert), one, "e", NOW) for one in given)
        assert [past().id if same else None] == [
            step.after.id for step in steps_of(Standing(None, past(kind=mine)), given[1], "e", NOW)
        ]


def test_while_it_flaps_it_is_always_reopened_and_stays_acknowledged() -> None:
    flapping = past(flapping=True, acknowledged_at=NOW, acknowledged_by="ann", escalations=1)
    [step] = steps_of(Standing(None, flapping), verdict(passed=False), "e", NOW + 99 * HOUR)
    assert ("reopened", "ann", 1) == (step.change, step.after.acknowledged_by, step.after.escalations)


@pytest.mark.parametrize(
    ("minutes", "windows", "expected"),
    [(9, "ww", "counted"), (10, "ww", "opened"), (0, ("2026-03-01T00:00:00Z", "2026-03-01T00:10:00Z"), "opened")],
)
def test_a_pending_alert_opens_when_it_failed_for_long_enough_by_the_clock_or_by_its_windows(
    minutes: int, windows: tuple[str, str], expected: str
) -> None:
    wait = 10 * MINUTE
    [first] = steps_of(Standing(), verdict(False, windows[0]), "e", NOW, wait)
    assert ("pending", PENDING) == (first.change, first.after.status)
    later = NOW + minutes * MINUTE
    [step] = steps_of(Standing(first.after), verdict(False, windows[1]), "e", later, wait)
    assert (expected, 2, NOW) == (step.change, step.after.count, step.after.opened_at)


def test_a_pending_alert_reopens_one_that_was_resolved_shortly_before() -> None:
    pending = replace(past(), id=8, status=PENDING, opened_at=NOW + HOUR, resolved_at=None, passes=0)
    steps = steps_of(Standing(pending, past()), verdict(passed=False), "e", NOW + 9 * HOUR, HOUR)
    assert [("dropped", 8), ("reopened", 7)] == [(step.change, step.after.id) for step in steps]
    assert 7 == steps[1].after.count


def test_without_for_any_more_a_pending_alert_opens_at_the_next_failure() -> None:
    pending = replace(past(), status=PENDING, resolved_at=None)
    assert ["opened"] == changes(Standing(pending), False, NOW)
    assert ["dropped"] == changes(Standing(pending), True, NOW)


def test_a_worse_failure_worsens_an_alert_and_ends_its_acknowledgement_unless_it_flaps() -> None:
    taken = past(status=OPEN, resolved_at=None, acknowledged_at=NOW, acknowledged_by="ann", escalations=1)
    worse = replace(verdict(passed=False), severity="error")
    for alert, expected in ((taken, ("worsened", None, 0)), (replace(taken, flapping=True), ("worsened", "ann", 1))):
        [step] = steps_of(Standing(alert), worse, "e", NOW)
        assert expected == (step.change, step.after.acknowledged_by, step.after.escalations)
        [step] = steps_of(Standing(step.after), verdict(passed=False), "e", NOW)
        assert ("counted", "warning") == (step.change, step.after.severity)


@given(
    st.lists(st.tuples(st.sampled_from(["a", "b"]), st.sampled_from([True, False, None])), max_size=40),
    st.sampled_from([None, HOUR]),
)
def test_a_rule_never_has_two_alerts_at_a_time_and_its_history_fits(
    given_verdicts: list[tuple[str, bool | None]], wait: timedelta | None
) -> None:
    waits = {"a": Traits(wait), "b": Traits()}
    episodes = Episodes("e", NOW, {}, {}, waits, lambda _: 0)
    episodes.apply([verdict(passed, f"w{number}", rule) for number, (rule, passed) in enumerate(given_verdicts)])
    kept = worth_writing(episodes.changed)
    for rule in waits:
        assert 1 >= sum(one.alert.rule == rule and one.alert.status != RESOLVED for one in kept)
    for one in kept:
        assert not one.is_dropped
        changed = [event.event for event, _ in one.history if event.event in {"opened", "reopened", "resolved"}]
        for index, name in enumerate(changed):
            assert (name == "resolved") == (index % 2 == 1)
            assert (name == "opened") == (index == 0)
        assert (one.alert.status == OPEN) == (len(changed) % 2 == 1)
        assert one.alert.flapping == (changed.count("opened") + changed.count("reopened") > 3)
