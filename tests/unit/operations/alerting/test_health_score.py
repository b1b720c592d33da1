"""The health score of a real home: what each part sees, what is down, and what has no evidence."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from modelops_pipelines.core.alerting.alerts import Verdict
from modelops_pipelines.core.alerting.objectives.health_score import WEIGHTS, HealthScore, Part
from modelops_pipelines.core.endpoints.spec import AlertRule, Slo
from modelops_pipelines.core.metrics.latency_sketch import bucket
from modelops_pipelines.core.release.desired_state import Variant
from modelops_pipelines.core.release.event_log import Event
from modelops_pipelines.core.tables.lake import DATA_QUALITY, DRIFT, SERVICE_METRICS
from modelops_pipelines.core.windows import text
from modelops_pipelines.operations.alerting.life.raise_alerts import raise_alerts
from modelops_pipelines.operations.alerting.objectives.health_score import describe_health, health_score
from tests.fakes.lake_rows import write
from tests.fakes.records import write_segment
from tests.support.project import Project, make_project

NOON = datetime(2026, 3, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
RULES = (
    AlertRule("error_rate", above=0.10),
    AlertRule("latency_p95_ms", above=1000),
    AlertRule("quality", metric="auc", below=0.7),
)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = make_project(tmp_path / "project")
    made.spec = replace(made.spec, alerts=RULES)
    return made


def serve(project: Project, failing: int = 0, milliseconds: float = 20.0) -> None:
    row = {"model_version": "1", "variant": "champion", "requests": 100, "predictions": 100, "client_errors": 0}
    row |= {"server_errors": failing, "latency_sum_ms": 1.0, "latency_counts": f'{{"{bucket(milliseconds)}": 100}}'}
    hours: list[dict[str, Any]] = [{**row, "window_start": NOON - n * HOUR} for n in range(1, 40)]
    write(project.stores, project.spec, SERVICE_METRICS, hours)


def judge_columns(project: Project, drifted: list[bool | None], at: datetime = NOON - HOUR) -> None:
    row = {"window_start": at, "model_version": "1", "kind": "numeric", "statistic": "psi"}
    row |= {"n": 1000, "n_reference": 1000, "importance": 1 / len(drifted)}
    rows: list[dict[str, Any]] = [{**row, "column": f"x{n}", "drifted": one} for n, one in enumerate(drifted)]
    write(project.stores, project.spec, DRIFT, rows)


def judge_chunks(project: Project, passed: list[bool | None]) -> None:
    row = {"window_start": NOON - HOUR, "model_version": "1", "first_event": NOON, "n": 66}
    rows: list[dict[str, Any]] = [{**row, "chunk": n, "passed": one} for n, one in enumerate(passed)]
    write(project.stores, project.spec, DATA_QUALITY, rows)


def judge_quality(project: Project, at: datetime, *, passed: bool) -> None:
    verdict = Verdict("quality_auc", "quality", "error", passed, 0.6, 0.7, 500, text(at), "auc 0.6")
    raise_alerts(project.stores, project.spec.name, [verdict])


def deploy(project: Project, error: str | None = None) -> None:
    stores, name = project.stores, project.spec.name
    before = stores.deployments.desired(name)
    event = Event(0, name, NOON, "ann", "deploy", None, "1", before.generation + 1, "test")
    stores.deployments.change(before, [Variant("1", "champion", 100)], event)
    stores.deployments.heartbeat("w1", "http://localhost:1", NOON)
    stores.deployments.acknowledge("w1", name, before.generation + 1, error, NOON)


def score(project: Project) -> HealthScore:
    return health_score(project.stores, project.spec, NOON)


def part(project: Project, name: str) -> Part:
    return next(one for one in score(project).parts if one.name == name)


def test_a_new_endpoint_has_no_score_and_each_part_says_why(project: Project) -> None:
    found = score(project)
    assert (None, "no part has evidence yet") == (found.score, found.reason)
    assert list(WEIGHTS) == sorted((one.name for one in found.parts), key=list(WEIGHTS).index)
    assert [] == [one.name for one in found.parts if one.points is not None or not one.reason]


def test_before_the_first_ingest_the_reason_is_that_requests_wait_and_there_is_no_score(project: Project) -> None:
    write_segment(project.stores, project.spec.name, "requests", "w", [{"rows": []}])
    found = score(project)
    assert found.score is None
    for name in ("availability", "latency"):
        assert part(project, name).reason.startswith("its requests are not ingested yet")


def test_an_endpoint_on_which_all_is_well_scores_near_100(project: Project) -> None:
    project.spec = replace(project.spec, slos=(Slo("availability", 0.99),))
    serve(project)
    judge_columns(project, [False] * 10)
    judge_chunks(project, [True] * 20)
    judge_quality(project, NOON - 50 * HOUR, passed=True)
    found = score(project)
    assert found.score is not None
    assert found.score > 99
    assert [] == [one.name for one in found.parts if one.points is None]


def test_errors_lower_the_score_to_what_availability_allows(project: Project) -> None:
    serve(project, failing=10)
    found = score(project)
    assert (50.0, "availability") == (found.score, found.limited_by)
    reason = "240 of 2,400 requests failed in the last 24 h (limit 10 %)"
    assert reason == part(project, "availability").reason


def test_latency_is_judged_by_the_rules_own_limit(project: Project) -> None:
    serve(project, milliseconds=1000)
    assert part(project, "latency").points == pytest.approx(50, abs=1)
    project.spec = replace(project.spec, alerts=())
    assert part(project, "latency").points == pytest.approx(95, abs=1)


def test_drift_and_data_count_by_importance_and_share(project: Project) -> None:
    judge_columns(project, [True, False, False, False, None])
    judge_chunks(project, [True, True, True, False, None])
    assert (75.0, 75.0) == (part(project, "drift").points, part(project, "data").points)


def test_old_verdicts_are_no_evidence(project: Project) -> None:
    judge_columns(project, [False], NOON - 8 * 24 * HOUR)
    judge_quality(project, NOON - 10 * 24 * HOUR, passed=True)
    assert (None, None) == (part(project, "drift").points, part(project, "quality").points)


def test_a_failed_quality_rule_leaves_nothing_and_caps_the_score(project: Project) -> None:
    serve(project)
    judge_quality(project, NOON - 50 * HOUR, passed=False)
    found = score(project)
    assert (WEIGHTS["quality"].cap, "quality") == (found.score, found.limited_by)


def test_a_spent_budget_caps_the_score(project: Project) -> None:
    project.spec = replace(project.spec, slos=(Slo("availability", 0.999),))
    serve(project, failing=1)
    assert 0.0 == part(project, "budget").points
    assert score(project).score == pytest.approx(WEIGHTS["budget"].cap)


def test_an_endpoint_that_is_down_scores_0(project: Project) -> None:
    serve(project)
    deploy(project)
    assert score(project).score == pytest.approx(100, abs=1)
    deploy(project, error="no memory")
    found = score(project)
    assert (0.0, "availability") == (found.score, found.limited_by)
    assert part(project, "availability").reason == "no gateway worker can serve it: no memory"
    project.stores.deployments.leave("w1")
    assert (0.0, "no gateway worker lives") == (score(project).score, part(project, "availability").reason)


def test_a_score_is_described_with_weights(project: Project) -> None:
    serve(project)
    found = describe_health(score(project))
    assert {"score", "reason", "limited_by", "parts"} == set(found)
    assert {"name", "points", "reason", "weight", "cap"} == set(found["parts"][0])
