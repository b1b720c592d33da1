"""Objectives in Dagster: a check each, failing, passing or skipped; budgets left and the health score as metadata."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from modelops_pipelines.assets.metrics import quality_metrics_for, service_metrics_for
from modelops_pipelines.core.alerting.alerts import OPEN
from modelops_pipelines.core.tables.lake import SERVICE_METRICS
from tests.fakes.lake_rows import write
from tests.support.project import CANCER_YAML, Project, make_project

SLOS = """\
  alerts: []
  slos:
    - {kind: availability, objective: 0.99}
    - {kind: quality, metric: auc, at_least: 0.7, objective: 0.9}
"""
HOUR = timedelta(hours=1)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path / "project", CANCER_YAML + SLOS)


def serve(project: Project, failing: int) -> None:
    newest = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - HOUR
    row = {"model_version": "1", "variant": "champion", "requests": 500, "predictions": 500, "client_errors": 0}
    row |= {"server_errors": 0, "latency_sum_ms": 1.0, "latency_counts": '{"150": 500}'}
    rows = [{**row, "window_start": newest - n * HOUR} for n in range(80)]
    rows[0] |= {"server_errors": failing}
    write(project.stores, project.spec, SERVICE_METRICS, rows)


def test_each_objective_is_a_check_of_what_it_is_counted_from(project: Project) -> None:
    of_requests, of_labels = service_metrics_for(project.spec), quality_metrics_for(project.spec)
    assert ["slo_availability"] == [check.name for check in of_requests.checks]
    assert ["slo_quality_auc"] == [check.name for check in of_labels.checks]
    assert "99 % over 28d" in str(of_requests.checks[0].description)


def test_a_budget_that_burns_fails_the_check_raises_an_alert_and_is_shown(project: Project) -> None:
    serve(project, failing=400)
    shown = service_metrics_for(project.spec).compute(project.stores, None)
    [check] = shown.checks
    assert ("slo_availability", False) == (check.check_name, check.passed)
    assert shown.metadata["left_of_slo_availability"] == pytest.approx(0.0)
    assert {"objectives", "health", "health_parts", "health_score"} <= set(shown.metadata)
    assert "opened: slo_availability" in shown.metadata["slo_alerts"]
    assert ["slo_availability"] == [alert.rule for alert in project.stores.alerts.find("cancer", OPEN)]


def test_a_budget_that_lasts_passes(project: Project) -> None:
    serve(project, failing=0)
    shown = service_metrics_for(project.spec).compute(project.stores, None)
    assert [True] == [check.passed for check in shown.checks]
    assert 1.0 == shown.metadata["left_of_slo_availability"]


def test_an_objective_without_data_is_skipped_with_the_reason(project: Project) -> None:
    shown = service_metrics_for(project.spec).compute(project.stores, None)
    assert () == tuple(shown.checks)
    assert "an objective without data is absent, not met" in dict(shown.not_judged or {})["slo_availability"]
    assert "slo_quality_auc" in dict(quality_metrics_for(project.spec).compute(project.stores, None).not_judged or {})


def test_while_a_gateway_worker_lives_the_check_is_shown_and_raises_no_alert(project: Project) -> None:
    serve(project, failing=400)
    project.stores.deployments.heartbeat("w1", "http://localhost:1", datetime.now(UTC))
    shown = service_metrics_for(project.spec).compute(project.stores, None)
    assert [False] == [check.passed for check in shown.checks]
    assert [] == project.stores.alerts.find("cancer")
