"""Objectives judged from live counts and from the lake: budgets, verdicts, one judge at a time, few reads."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from modelops_pipelines.core.alerting.alerts import OPEN, RESOLVED
from modelops_pipelines.core.endpoints.spec import Slo
from modelops_pipelines.core.metrics.latency_sketch import bucket
from modelops_pipelines.core.release.live_counts import Second
from modelops_pipelines.core.tables.lake import QUALITY_METRICS, SERVICE_METRICS
from modelops_pipelines.operations.alerting.life.raise_alerts import raise_alerts
from modelops_pipelines.operations.alerting.objectives.slos import (
    SETTLED,
    SloState,
    describe_slo,
    judge_slos,
    slo_states,
)
from modelops_pipelines.store.lake.reader import Lake
from modelops_pipelines.store.state.capture.ingest_progress import Progress
from tests.fakes.lake_rows import write
from tests.fakes.live_seconds import LiveSecond, steady
from tests.support.project import Project, make_project

NOON = datetime(2026, 3, 20, 12, tzinfo=UTC)
NOW = NOON + SETTLED
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
AVAILABLE = Slo("availability", 0.999)
QUICK = Slo("latency", 0.9, under_ms=300.0, severity="warning")
GOOD = Slo("quality", 0.9, metric="auc", at_least=0.7, minimum=50)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = make_project(tmp_path / "project")
    made.spec = replace(made.spec, slos=(AVAILABLE,), label_horizon=HOUR)
    return made


def serve(project: Project, hours: int, requests: int, failing: int = 0, slow: int = 0, version: str = "1") -> None:
    """Put hours of service_metrics before noon into the lake."""
    sketch = f'{{"{bucket(20.0)}": {requests - slow}, "{bucket(900.0)}": {slow}}}'
    row = {"model_version": version, "variant": "champion", "requests": requests, "predictions": requests}
    row |= {"client_errors": 0, "server_errors": failing, "latency_sum_ms": 1.0, "latency_counts": sketch}
    rows: list[dict[str, Any]] = [{**row, "window_start": NOON - n * HOUR} for n in range(1, hours + 1)]
    write(project.stores, project.spec, SERVICE_METRICS, rows)


def label(project: Project, aucs: Sequence[float | None], labelled: int = 100) -> None:
    """Put windows of quality_metrics before noon into the lake, the newest first; they are all mature at noon."""
    row = {"model_version": "1", "segment": "all", "segment_value": "", "predictions": 200, "labelled": labelled}
    row |= {"coverage": 0.5, "feedback": 0, "complaints": 0}
    rows = [{**row, "window_start": NOON - n * HOUR, "auc": auc} for n, auc in enumerate(aucs, 1)]
    write(project.stores, project.spec, QUALITY_METRICS, rows)
    project.stores.ingest_progress.record(Progress(project.spec.name, NOON + HOUR, 0, 0), NOON)


def state_of(project: Project, recent: Sequence[LiveSecond] | None = None) -> SloState:
    [found] = slo_states(project.stores, project.spec, NOW, recent)
    return found


def test_an_endpoint_without_objectives_costs_nothing(project: Project) -> None:
    assert [] == judge_slos(project.stores, replace(project.spec, slos=()), steady(NOON, 60, 4), NOW)


def test_an_objective_without_data_is_absent_never_met(project: Project) -> None:
    found = state_of(project)
    assert ("absent", None, None) == (found.state, found.budget.left, found.gone_in)
    assert found.reason == "no requests in the last 28 days"
    for recent in (None, []):
        [verdict] = judge_slos(project.stores, project.spec, recent, NOW)
        assert (None, 0, None) == (verdict.passed, verdict.n, verdict.value)
        assert verdict.message.startswith("not judged: no requests")


def test_a_budget_is_counted_from_the_lakes_hours_and_the_live_one(project: Project) -> None:
    serve(project, 24 * 20, requests=240, failing=0)
    serve(project, 1, requests=240, failing=36)
    found = describe_slo(state_of(project, [LiveSecond(int(NOON.timestamp()) - 1, 10, 1)]))
    assert (480 * 240, 36) == (found["events"], found["bad"])
    assert found["left"] == pytest.approx(1 - 36 / 115.2)
    assert found["budget"] == pytest.approx(115.2)


def test_errors_at_four_requests_a_minute_open_an_alert_within_the_hour_and_say_when_the_budget_is_gone(
    project: Project,
) -> None:
    serve(project, 24 * 27, requests=240)
    [verdict] = judge_slos(project.stores, project.spec, steady(NOON, 60, 4, failing=2), NOW)
    assert ("slo_availability", "slo", "error", False) == (
        verdict.rule,
        verdict.kind,
        verdict.severity,
        verdict.passed,
    )
    assert (500.0, 14.4, 240) == (pytest.approx(verdict.value), verdict.threshold, verdict.n)
    assert "120 of 240 requests failed in the last 1h" in verdict.message
    assert "at this rate it is gone in" in verdict.message


def test_a_single_error_at_four_requests_a_minute_is_no_alarm(project: Project) -> None:
    serve(project, 24 * 10, requests=240)
    seconds = [*steady(NOON, 60, 4), LiveSecond(int(NOON.timestamp()) - 30, 0, 1)]
    [verdict] = judge_slos(project.stores, project.spec, seconds, NOW)
    assert verdict.passed is not False


def test_a_slow_burn_is_a_warning(project: Project) -> None:
    serve(project, 24 * 10, requests=1000, failing=3)
    live = [LiveSecond(int(NOON.timestamp()) - 60 * n, 1000 // 60, int(n % 20 == 0)) for n in range(1, 60)]
    [verdict] = judge_slos(project.stores, project.spec, live, NOW)
    assert (False, "warning", 1.0) == (verdict.passed, verdict.severity, verdict.threshold)


def test_an_alert_resolves_when_the_errors_are_over(project: Project) -> None:
    serve(project, 24 * 10, requests=6000)

    def look(after: timedelta, seconds: Sequence[LiveSecond]) -> str:
        verdicts = judge_slos(project.stores, project.spec, seconds, NOW + after)
        raise_alerts(project.stores, project.spec.name, verdicts)
        return project.stores.alerts.find(project.spec.name)[0].status

    failing = steady(NOON, 20, 100, failing=50)
    assert OPEN == look(timedelta(0), failing)
    later = [*failing, *steady(NOON + timedelta(minutes=6), 6, 100)]
    assert OPEN == look(timedelta(minutes=2), later)  # the 5 minutes before hold errors still
    assert [OPEN, RESOLVED] == [look(timedelta(minutes=6, seconds=n), later) for n in (0, 10)]


def test_a_look_is_judged_once_however_often_it_is_asked_for(project: Project) -> None:
    asked = [judge_slos(project.stores, project.spec, [], NOW + timedelta(seconds=n)) for n in (0, 3, 9, 10)]
    assert [1, 0, 0, 1] == [len(verdicts) for verdicts in asked]


def test_an_endpoint_without_live_requests_is_absent_and_the_lake_is_not_read(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(project, 24, requests=100, failing=50)
    monkeypatch.delattr(Lake, "query")
    [verdict] = judge_slos(project.stores, project.spec, steady(NOON - 2 * HOUR, 10, 4), NOW)
    assert (None, 0) == (verdict.passed, verdict.n)


def test_the_lake_is_read_again_only_when_its_table_has_changed(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[int] = []
    query = Lake.query

    def counted(self: Lake, endpoint: str, tables: Any, dates: Any = None, threads: int | None = None) -> Any:
        reads.append(len(dates))
        return query(self, endpoint, tables, dates, threads)

    monkeypatch.setattr(Lake, "query", counted)
    serve(project, 30, requests=10)
    for minutes in (0, 0.5, 1, 2, 3):
        judge_slos(project.stores, project.spec, steady(NOON, 1, 1), NOW + timedelta(minutes=minutes))
    assert 1 == len(reads)
    serve(project, 2, requests=20)
    found = slo_states(project.stores, project.spec, NOW + timedelta(minutes=4), [])
    assert ([32, 4], 28 * 10 + 2 * 20) == (reads, found[0].budget.counts.n)


def test_requests_of_all_versions_and_workers_count(project: Project) -> None:
    serve(project, 24, requests=100)
    row = {"model_version": "2", "variant": "challenger", "requests": 50, "predictions": 50, "client_errors": 0}
    row |= {"server_errors": 5, "latency_sum_ms": 1.0, "latency_counts": "{}"}
    old = {**row, "model_version": "1", "requests": 100, "server_errors": 0}
    write(project.stores, project.spec, SERVICE_METRICS, [{**one, "window_start": NOON - HOUR} for one in (row, old)])
    seconds = [Second(int((NOON + HOUR).timestamp()) - n, requests=1) for n in (1, 1, 2)]
    [found] = slo_states(project.stores, project.spec, NOW + HOUR, seconds)
    assert (24 * 100 + 50 + 3, 5) == (found.budget.counts.n, found.budget.counts.bad)


def test_latency_is_the_share_of_requests_within_a_time(project: Project) -> None:
    project.spec = replace(project.spec, slos=(QUICK,))
    serve(project, 24 * 4, requests=200, slow=100)
    found = state_of(project)
    assert (24 * 4 * 200, 24 * 4 * 100) == (found.budget.counts.n, found.budget.counts.bad)
    slow = [replace(one, latencies={bucket(900.0): one.requests}) for one in steady(NOON, 60, 4)]
    [verdict] = judge_slos(project.stores, project.spec, slow, NOW)
    assert (False, "warning") == (verdict.passed, verdict.severity)
    assert "requests took over 300 ms in the last 1h" in verdict.message


def test_quality_is_the_share_of_mature_windows_within_a_bound(project: Project) -> None:
    project.spec = replace(project.spec, slos=(GOOD,))
    label(project, [0.5] * 8 + [0.9] * 300 + [None] * 4)
    found = state_of(project)
    assert (308, 8) == (found.budget.counts.n, found.budget.counts.bad)
    [verdict] = judge_slos(project.stores, project.spec, None, NOW)
    assert (False, "slo_quality_auc") == (verdict.passed, verdict.rule)
    assert "windows had auc below 0.7" in verdict.message
    assert [] == judge_slos(project.stores, project.spec, [], NOW)  # live counts say nothing of labels


def test_windows_with_few_labels_do_not_count(project: Project) -> None:
    project.spec = replace(project.spec, slos=(GOOD,))
    label(project, [0.5] * 100, labelled=49)
    assert ("absent", 0) == (state_of(project).state, state_of(project).budget.counts.n)


def test_while_a_gateway_lives_only_it_judges_requests(project: Project) -> None:
    project.spec = replace(project.spec, slos=(AVAILABLE, GOOD))
    serve(project, 24, requests=240, failing=200)
    assert ["slo_availability", "slo_quality_auc"] == [
        one.rule for one in judge_slos(project.stores, project.spec, None, NOW)
    ]
    project.stores.deployments.heartbeat("w1", "http://localhost:1", NOW)
    assert ["slo_quality_auc"] == [one.rule for one in judge_slos(project.stores, project.spec, None, NOW)]
