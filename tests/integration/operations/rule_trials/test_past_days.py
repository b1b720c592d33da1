"""What a rule would have said of the last days: its verdicts as they are for real, and the alerts of them."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from modelops_pipelines.core.endpoints.alert_rules import AlertRule, with_defaults
from modelops_pipelines.core.errors import InputError
from modelops_pipelines.core.tables.lake import SERVICE_METRICS
from modelops_pipelines.core.windows import text, window_of
from modelops_pipelines.operations.alerting.life.change_rules import add_rule
from modelops_pipelines.operations.testing.rule_trials.past_days import past_days
from modelops_pipelines.operations.testing.rule_trials.try_change import try_change
from tests.fakes.lake_rows import write
from tests.support.alert_verdicts import StoppedClock
from tests.support.project import Project, make_project

HOUR = timedelta(hours=1)
BAD = {48, 47, 24}
"""How many hours ago a fifth of the requests failed."""
HOURS = [*range(1, 73), *range(710, 731)]
"""How many hours ago there were requests: the newest three days, and some at both sides of 30 days (720 hours) ago."""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = blank(tmp_path)
    put_hours(made, {ago: 20 if ago in BAD else 1 for ago in HOURS})
    return made


def blank(tmp_path: Path) -> Project:
    """Return a project without requests, whose clock stands still."""
    made = make_project(tmp_path / "project")
    made.stores = StoppedClock(made.stores.settings)
    return made


def put_hours(project: Project, failed: dict[int, int]) -> None:
    rows = [
        {
            "window_start": hours_ago(project, ago),
            "model_version": "1",
            "variant": "",
            "requests": 100,
            "predictions": 100,
            "client_errors": 0,
            "server_errors": errors,
            "latency_sum_ms": 500.0,
            "errors": "{}",
            "latency_counts": "{}",
        }
        for ago, errors in failed.items()
    ]
    write(project.stores, project.spec, SERVICE_METRICS, rows)


def hours_ago(project: Project, ago: int) -> datetime:
    return window_of(project.stores.now(), "hour") - ago * HOUR


def error_rate(above: float, **others: Any) -> AlertRule:
    return with_defaults(AlertRule("error_rate", above=above, **others))


def test_every_hour_of_thirty_days_is_judged_and_two_stretches_are_two_alerts(project: Project) -> None:
    found = past_days(project.stores, project.spec, error_rate(0.1))
    assert {"passed": 80, "failed": 3, "not judged": 0} == found.counts
    assert [
        (hours_ago(project, 47), hours_ago(project, 44)),
        (hours_ago(project, 23), hours_ago(project, 21)),
    ] == [(one.opened_at, one.resolved_at) for one in found.alerts]
    assert "error_rate 0.2 is above 0.1" in found.alerts[0].message
    assert not project.stores.alerts.find()
    assert [] == list(project.stores.verdicts.find("cancer", "error_rate"))


def test_a_threshold_that_nothing_crosses_opens_no_alert(project: Project) -> None:
    found = past_days(project.stores, project.spec, error_rate(0.3))
    assert (83, []) == (found.counts["passed"], list(found.alerts))


def test_an_alert_waits_for_the_rule_s_for(project: Project) -> None:
    [alert] = past_days(project.stores, project.spec, error_rate(0.1, for_=HOUR)).alerts
    assert hours_ago(project, 46) == alert.opened_at


def test_a_failure_that_goes_on_is_an_alert_that_is_not_resolved(project: Project) -> None:
    put_hours(project, {1: 50})
    *_, alert = past_days(project.stores, project.spec, error_rate(0.1)).alerts
    assert (hours_ago(project, 0), None) == (alert.opened_at, alert.resolved_at)


def test_windows_of_a_day_are_judged_as_well(project: Project) -> None:
    spec = replace(project.spec, window="day")
    found = past_days(project.stores, spec, error_rate(0.1))
    assert (3, 2) == (found.counts["failed"], len(found.alerts))


def test_too_little_traffic_is_told_of_an_hour_without_any(tmp_path: Path) -> None:
    project = blank(tmp_path)
    put_hours(project, {ago: 0 for ago in range(3, 50) if ago != 20})
    rule = with_defaults(AlertRule("volume", below=50, over=HOUR))
    found = past_days(project.stores, project.spec, rule)
    failed = [one.window for one in found.verdicts if one.passed is False]
    assert (49, [text(hours_ago(project, ago)) for ago in (20, 2)]) == (len(found.verdicts), failed[:2])


def test_without_a_window_it_says_why(tmp_path: Path) -> None:
    project = blank(tmp_path)
    for rule in (error_rate(0.1), AlertRule("drift"), AlertRule("quality", metric="auc", below=0.7)):
        found = past_days(project.stores, project.spec, rule)
        assert ((), (), True) == (tuple(found.verdicts), tuple(found.alerts), "in the last 30 days" in found.why_none)


def test_a_change_is_compared_with_what_is_in_force(project: Project) -> None:
    rule = {"kind": "error_rate", "name": "strict", "above": 0.1}
    first = try_change(project.stores, project.spec, rule)
    assert (None, 2, "fires") == (first.before, len(first.past.alerts), first.trial.result)
    add_rule(project.stores, project.spec, rule, "ann")
    changed = try_change(project.stores, project.spec, rule | {"above": 0.3})
    assert changed.before is not None
    assert (0, 2) == (len(changed.past.alerts), len(changed.before.alerts))
    assert [0.1] == [one.rule["above"] for one in project.stores.runtime_rules.of("cancer") if one.rule]


def test_a_rule_that_is_not_valid_is_not_tried(project: Project) -> None:
    with pytest.raises(InputError, match="colour"):
        try_change(project.stores, project.spec, {"kind": "error_rate", "above": 0.1, "colour": "red"})
