"""Trials of alert rules: real ingest, tables, verdicts and alerts, in a home that is thrown away."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from modelops_pipelines.core.endpoints.alert_rules import AlertRule
from modelops_pipelines.core.endpoints.spec import DriftPolicy, EndpointSpec, Metric
from modelops_pipelines.core.errors import UnknownError
from modelops_pipelines.operations.alerting.rules.effective_rules import with_runtime_rules
from modelops_pipelines.operations.testing.rule_trials.try_rules import (
    ALWAYS,
    BROKEN,
    FIRES,
    SILENT,
    UNTRIED,
    RuleTrial,
    try_rules,
)
from tests.support.project import Project, make_project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path / "project")


def tried(project: Project, *rules: AlertRule, **changes: object) -> list[RuleTrial]:
    spec: EndpointSpec = replace(project.spec, alerts=rules, **changes)
    return list(try_rules(project.stores, spec))


def results(trials: Sequence[RuleTrial]) -> dict[str, str]:
    return {trial.rule: trial.result for trial in trials}


def files_of(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}


def test_rules_on_errors_and_latency_fire_on_bad_requests_and_not_on_ordinary_ones(project: Project) -> None:
    hour = timedelta(hours=1)
    trials = tried(
        project,
        AlertRule("error_rate", above=0.1, over=hour),
        AlertRule("latency_p95_ms", above=10_000, over=hour),
    )
    assert {"error_rate": FIRES, "latency_p95_ms": FIRES} == results(trials)
    assert trials[0].fired is not None
    assert trials[0].passed is not None
    assert "every request fails" in trials[0].reason


def test_nothing_is_written_to_the_users_own_home(project: Project) -> None:
    _ = project.stores.deployments
    before = files_of(project.stores.settings.home)
    tried(project, AlertRule("error_rate", above=0.1))
    assert before == files_of(project.stores.settings.home)
    assert not project.stores.alerts.find()


def test_rules_that_compare_with_the_days_before_fire_on_changed_values(project: Project) -> None:
    rules = (AlertRule("drift"), AlertRule("data_quality"))
    trials = tried(project, *rules, drift=DriftPolicy(minimum=500))
    assert {"drift": FIRES, "data_quality": FIRES} == results(trials)


def test_rules_on_quality_wait_for_labels_and_fire_on_wrong_answers(project: Project) -> None:
    trials = tried(
        project,
        AlertRule("quality", metric="brier_skill", below=0),
        AlertRule("quality", metric="auc", below=0.7, over=timedelta(days=7)),
    )
    assert {"quality_brier_skill": FIRES, "quality_auc": FIRES} == results(trials)


@pytest.mark.parametrize(
    "rule",
    [
        AlertRule("availability", below=0.99, over=timedelta(hours=1)),
        AlertRule("latency", above=200, percentile=99, over=timedelta(hours=1)),
        AlertRule("volume", below=1, over=timedelta(hours=1)),
        AlertRule("volume", above=2000, over=timedelta(hours=6)),
        AlertRule("throughput", outside=(0.02, 1.0), over=timedelta(hours=1)),
        AlertRule("label_coverage", below=0.9),
        AlertRule("error_rate", operator="ne", threshold=0.0, over=timedelta(hours=1), for_=timedelta(hours=3)),
    ],
    ids=lambda rule: f"{rule.name}_{rule.condition.words}",
)
def test_rules_of_every_kind_and_operator_fire(project: Project, rule: AlertRule) -> None:
    for window in ("hour", "day"):
        assert [FIRES] == [trial.result for trial in tried(project, rule, window=window)]


def test_a_rule_of_a_sql_file_is_tried(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    query = "SELECT avg((status <> 200)::INT) FROM inference_log WHERE event_time >= $start AND event_time < $end"
    (tmp_path / "failed.sql").write_text(query)
    monkeypatch.chdir(tmp_path)
    assert {"sql": FIRES} == results(tried(project, AlertRule("sql", sql="failed.sql", above=0.5)))


def test_a_rule_whose_query_fails_is_at_fault(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "failed.sql").write_text("SELECT avg(carier) FROM inference_log")
    monkeypatch.chdir(tmp_path)
    [trial] = tried(project, AlertRule("sql", sql="failed.sql", above=0.5))
    assert (BROKEN, True) == (trial.result, trial.failed)
    assert 'Referenced column "carier" not found' in trial.reason


def test_an_endpoint_of_days_and_a_regression_can_be_tried(project: Project) -> None:
    rule = AlertRule("quality", metric="mae", above=1.0)
    assert {"quality_mae": FIRES} == results(tried(project, rule, task="regression", window="day"))


def test_a_rule_that_can_never_fail_does_not_fire(project: Project) -> None:
    [trial] = tried(project, AlertRule("quality", metric="auc", below=0.0))
    assert (SILENT, True) == (trial.result, trial.failed)
    assert "no alert on any of" in trial.reason


def test_a_rule_that_ordinary_requests_fail_always_fires(project: Project) -> None:
    [trial] = tried(project, AlertRule("error_rate", operator="ge", threshold=0.0))
    assert (ALWAYS, True) == (trial.result, trial.failed)


def test_a_rule_that_needs_more_rows_than_a_trial_has_could_not_be_tried(project: Project) -> None:
    [trial] = tried(project, AlertRule("error_rate", above=0.1, minimum=1_000_000))
    assert (UNTRIED, False) == (trial.result, trial.failed)
    assert "1,000,000 requests" in trial.reason


def test_a_metric_of_a_function_could_not_be_tried_and_one_of_a_file_is(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "share.sql").write_text("SELECT avg((score > 0.5)::INT) FROM predictions")
    monkeypatch.chdir(tmp_path)
    metrics = (Metric("share", sql="share.sql"), Metric("own", function="somewhere:something"))
    rules = (AlertRule("metric", metric="own", above=1), AlertRule("metric", metric="share", above=2))
    trials = tried(project, *rules, metrics=metrics)
    assert {"metric_own": UNTRIED, "metric_share": UNTRIED} == results(trials)
    assert "somewhere:something, which is not run on synthetic requests" in trials[0].reason
    assert "no synthetic requests made it fail" in trials[1].reason


def test_an_endpoint_without_a_version_whose_quality_is_measured_by_segment_can_be_tried(project: Project) -> None:
    rule = AlertRule("quality", metric="accuracy", below=0.5)
    assert {"quality_accuracy": FIRES} == results(tried(project, rule, segments=("city",)))


def test_a_rule_made_at_run_time_is_tried_with_the_time_that_it_waits(project: Project) -> None:
    rule = {"name": "failing", "kind": "error_rate", "above": 0.1, "for": "2h"}
    project.stores.runtime_rules.add("cancer", "failing", rule, project.stores.now(), "tester")
    spec = with_runtime_rules(project.stores, replace(project.spec, alerts=()))
    assert {"failing": FIRES} == results(list(try_rules(project.stores, spec)))


def test_one_rule_is_tried_by_its_name_and_an_unknown_one_is_refused(project: Project) -> None:
    spec = replace(project.spec, alerts=(AlertRule("error_rate", above=0.1), AlertRule("drift")))
    assert ["error_rate"] == [trial.rule for trial in try_rules(project.stores, spec, "error_rate")]
    with pytest.raises(UnknownError, match="error_rate, drift"):
        list(try_rules(project.stores, spec, "eror_rate"))
