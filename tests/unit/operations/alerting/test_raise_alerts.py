"""Verdicts become alerts in a real state database: one open alert a rule, counted, resolved, opened anew, never twice."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from modelops_pipelines.core.alerting.alerts import OPEN, RESOLVED, Alert, Verdict
from modelops_pipelines.operations.alerting.life.raise_alerts import raise_alerts
from tests.support.alert_verdicts import NOW, StoppedClock, changes_of, kept, verdict, windows
from tests.support.project import make_project

HOUR = timedelta(hours=1)
MANY = 10_000


@pytest.fixture
def stores(tmp_path: Path) -> StoppedClock:
    return StoppedClock(make_project(tmp_path).stores.settings)


def test_a_failure_opens_an_alert_that_says_what_the_verdict_said(stores: StoppedClock) -> None:
    [change] = raise_alerts(stores, "cancer", [verdict(passed=False)], source="run 1")
    expected = Alert(
        "cancer", "drift", "drift", OPEN, "warning", "drift in w", 1, 0, NOW, NOW, None, "w", "w", None, 0.5, 0.3, 100
    )
    assert ("opened", replace(expected, id=1)) == (change.change, change.alert)
    assert [(1, expected.message, NOW)] == [(a.id, a.message, a.opened_at) for a in stores.alerts.find("cancer", OPEN)]


def test_the_windows_of_a_run_are_applied_one_by_one_and_leave_one_change(stores: StoppedClock) -> None:
    assert ["opened"] == changes_of(stores, [True, False, None, False, True], "run 1")
    assert [("drift", OPEN, 2, 1)] == kept(stores)
    [alert] = stores.alerts.find("cancer")
    assert ("w2", "w4") == (alert.opened_window, alert.data_window)


def test_ten_thousand_repeats_are_one_alert_with_that_count(stores: StoppedClock) -> None:
    changes = [changes_of(stores, [False] * (MANY // 10), f"run {number}") for number in range(10)]
    assert [["opened"]] + [["counted"]] * 9 == changes
    assert [("drift", OPEN, MANY, 0)] == kept(stores)


def test_two_passes_in_a_row_resolve_and_a_new_failure_opens_a_new_alert(stores: StoppedClock) -> None:
    changes = []
    for number, passed in enumerate([False, True, False, True, True, True, False]):
        stores.moment = NOW + number * HOUR
        changes.append(changes_of(stores, [passed], f"run {number}"))
    assert [["opened"], ["passed"], ["counted"], ["passed"], ["resolved"], [], ["opened"]] == changes
    assert [("drift", RESOLVED, 2, 2), ("drift", OPEN, 1, 0)] == kept(stores)
    new, old = stores.alerts.find("cancer")
    assert (NOW, NOW + 2 * HOUR, NOW + 4 * HOUR) == (old.opened_at, old.last_seen_at, old.resolved_at)
    assert (NOW + 6 * HOUR, None) == (new.opened_at, new.resolved_at)


def test_all_of_it_within_one_run_is_written_as_if_window_by_window(stores: StoppedClock) -> None:
    assert ["opened"] == changes_of(stores, [False, False, True, True, True, False], "run 1")
    assert [("drift", OPEN, 3, 0)] == kept(stores)
    assert ["opened", "resolved", "reopened"] == [event.event for event in stores.alert_events.of(1)]


def test_an_open_alert_is_resolved_and_reopened_within_one_run(stores: StoppedClock) -> None:
    changes_of(stores, [False], "run 1")
    assert ["reopened"] == changes_of(stores, [True, True, False, True, True, False, False], "run 2")
    assert [("drift", OPEN, 4, 0)] == kept(stores)
    assert stores.alerts.find_open("cancer", "drift") == stores.alerts.find("cancer")[0]


def test_an_open_alert_that_fails_and_passes_is_told_as_it_is_at_the_end(stores: StoppedClock) -> None:
    changes_of(stores, [False], "run 1")
    assert ["passed"] == changes_of(stores, [False, True], "run 2")
    assert [("drift", OPEN, 2, 1)] == kept(stores)
    assert ["counted"] == changes_of(stores, [False, False], "run 3")
    assert ["resolved"] == changes_of(stores, [False, True, True], "run 4")
    assert [("drift", RESOLVED, 5, 2)] == kept(stores)


def test_the_same_source_twice_changes_nothing(stores: StoppedClock) -> None:
    changes_of(stores, [False, False], "run 1")
    before = stores.alerts.find("cancer")
    stores.moment = NOW + HOUR
    assert [] == changes_of(stores, [False, False], "run 1")
    assert before == stores.alerts.find("cancer")
    assert ["counted"] == changes_of(stores, [False], "run 2")


def test_several_sources_repeated_after_one_another_change_nothing(stores: StoppedClock) -> None:
    for _ in range(2):
        for source in ("run 1", "run 2", "run 3"):
            changes_of(stores, [False], source)
    assert [("drift", OPEN, 3, 0)] == kept(stores)


def test_a_source_without_any_change_is_remembered_too(stores: StoppedClock) -> None:
    assert [] == changes_of(stores, [True, None], "run 1")
    assert stores.alerts.sources("cancer") == ["run 1"]
    assert [] == stores.alerts.find("cancer")


def test_each_rule_and_each_endpoint_has_an_alert_of_its_own(stores: StoppedClock) -> None:
    mixed = [verdict(passed=False, rule=rule) for rule in ("drift", "error_rate", "drift", "quality_brier_skill")]
    changes = raise_alerts(stores, "cancer", [*mixed, verdict(passed=True, rule="latency_p95_ms")], source="run 1")
    assert ["drift", "error_rate", "quality_brier_skill"] == [change.alert.rule for change in changes]
    assert [2, 1, 1] == [change.alert.count for change in changes]
    raise_alerts(stores, "other", [verdict(passed=False)], source="run 1")
    assert ["other"] == [alert.endpoint for alert in stores.alerts.find("other")]
    assert ["passed", "passed"] == changes_of(stores, [True], "run 2") + changes_of(
        stores, [True], "run 3", "error_rate"
    )
    resolved = [*windows([True]), *windows([True], "error_rate"), *windows([False, False], "quality_brier_skill")]
    found = [(c.alert.rule, c.change) for c in raise_alerts(stores, "cancer", resolved, source="run 4")]
    assert [("drift", "resolved"), ("error_rate", "resolved"), ("quality_brier_skill", "counted")] == found
    assert ["quality_brier_skill"] == [alert.rule for alert in stores.alerts.find("cancer", OPEN)]


def test_verdicts_that_break_off_half_way_leave_nothing_behind(stores: StoppedClock) -> None:
    def breaking() -> Iterator[Verdict]:
        yield verdict(passed=False)
        raise ConnectionError

    with pytest.raises(ConnectionError):
        raise_alerts(stores, "cancer", breaking(), source="run 1")
    assert [] == stores.alerts.find("cancer")
    assert ["opened"] == changes_of(stores, [False], "run 1")


def test_two_passes_of_a_rule_with_its_name_do_not_resolve_an_alert_of_the_product(stores: StoppedClock) -> None:
    raise_alerts(stores, "cancer", [replace(verdict(passed=False, rule="capture_refused"), kind="capture")])
    rule = replace(verdict(passed=True, rule="capture_refused"), kind="error_rate")
    assert [] == raise_alerts(stores, "cancer", [rule, rule])
    assert [("capture_refused", OPEN, 1, 0)] == kept(stores)
