"""After a deployment: what the checklist finds of requests, errors, latency, the log, drift, labels and alerts."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from modelops_pipelines.core.alerting.alerts import Verdict
from modelops_pipelines.core.endpoints.spec import Slo
from modelops_pipelines.core.tables.lake import QUALITY_METRICS, SERVICE_METRICS
from modelops_pipelines.core.windows import text
from modelops_pipelines.operations.alerting.life.act_on_alerts import resolve
from modelops_pipelines.operations.alerting.life.raise_alerts import raise_alerts
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.release.commands import deploy
from modelops_pipelines.operations.testing.checklist import answered
from tests.fakes.lake_rows import write
from tests.fakes.raised_alerts import raised
from tests.fakes.records import request_record, write_segment
from tests.support.checklists import found, items_of
from tests.support.project import Project
from tests.worlds.trials import MINUTE, NOW, WHO, on_trial

pytestmark = pytest.mark.usefixtures("untried_versions")
HOUR = timedelta(hours=1)
AFTER = ("requests", "errors", "latency", "log", "drift", "labels", "new alerts", "rollback version")


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """Return a project with version 1 live and versions 2 and 3 recorded, whose clock stands still."""
    with on_trial(tmp_path / "project") as made:
        yield made


def serve(project: Project, version: str, requests: int, failed: int = 0, ms: float = 10.0) -> None:
    """Have a version answer requests now, some of them with an error."""
    stores: Any = project.stores
    stores.segments += 1
    error = {"status": 500, "error": "prediction", "f": {}, "p": None, "s": None}
    records = [
        request_record(
            "cancer", 10_000 * stores.segments + n, stores.moment, 1,
            **{"version": version, "ms": ms, **(error if n < failed else {})},
        )
        for n in range(requests)
    ]  # fmt: skip
    write_segment(stores, "cancer", "predictions", "w", records, stores.segments)
    ingest(stores, project.spec, "predictions")


def replaced(project: Project, before: int = 1000, failed: int = 0) -> None:
    """Have version 1 answer requests, then make version 2 the champion a minute later; a minute later it is judged."""
    stores: Any = project.stores
    serve(project, "1", before, failed)
    stores.moment += MINUTE
    deploy(stores, project.spec, "2", **WHO, force=True)
    stores.moment += MINUTE


def wait(project: Project, time: timedelta = MINUTE) -> None:
    stores: Any = project.stores
    stores.moment += time


def test_a_version_that_answers_no_caller_has_nothing_to_judge(project: Project) -> None:
    items = items_of(project, "3")
    assert {"unknown"} == {items[name].state for name in (*AFTER, "guards")}
    assert {"version 3 is not deployed on the endpoint"} == {items[name].evidence for name in AFTER}


def test_requests_since_the_switch_are_counted_as_far_as_the_log_reaches(project: Project) -> None:
    assert ("unknown", True) == (
        found(project, "requests")[0],
        found(project, "requests")[1].endswith("the log has no row"),
    )
    replaced(project)
    said = "no request since 2026-03-01T12:01:00Z is in the log; the log reaches to 2026-03-01T12:00:00Z"
    assert ("unknown", said) == found(project, "requests")
    serve(project, "2", 10, failed=1)
    wait(project)
    said = (
        "10 request(s) since 2026-03-01T12:01:00Z, 9 without a server error, the last on 2026-03-01T12:02:00Z; "
        "the log reaches to 2026-03-01T12:02:00Z"
    )
    assert ("passed", said) == found(project, "requests")


@pytest.mark.parametrize(
    ("before", "failed_before", "after", "failed", "state"),
    [
        (1000, 2, 1000, 2, "passed"),
        (1000, 2, 1000, 40, "failed"),
        (1000, 2, 20, 15, "failed"),
        (1000, 2, 40, 0, "unknown"),
        (40, 0, 1000, 0, "unknown"),
        (1000, 200, 1000, 200, "failed"),
    ],
)
def test_errors_are_compared_with_those_before_the_switch(
    project: Project, before: int, failed_before: int, after: int, failed: int, state: str
) -> None:
    replaced(project, before, failed_before)
    serve(project, "2", after, failed)
    wait(project)
    found_state, evidence = found(project, "errors")
    assert state == found_state, evidence
    assert f"{failed:,} of {after:,} request(s) failed" in evidence
    assert f"{failed_before:,} of {before:,} request(s) failed" in evidence
    assert "from 2026-03-01T11:01:00Z to 2026-03-01T12:01:00Z" in evidence


def test_an_endpoint_s_own_limit_on_errors_is_kept_to(project: Project) -> None:
    replaced(project, 1000, 200)
    serve(project, "2", 1000, 200)
    wait(project)
    rule = next(one for one in project.spec.alerts if one.kind == "error_rate")
    project.spec = replace(project.spec, alerts=(replace(rule, above=0.5),))
    assert "passed" == found(project, "errors")[0]


@pytest.mark.parametrize(("ms", "state"), [(10.0, "passed"), (15.0, "passed"), (100.0, "failed")])
def test_latency_is_compared_with_that_before_the_switch(project: Project, ms: float, state: str) -> None:
    replaced(project)
    serve(project, "2", 500, ms=ms)
    wait(project)
    found_state, evidence = found(project, "latency")
    assert (state, True) == (found_state, "of 1,000 from 2026-03-01T11:01:00Z" in evidence)


def test_a_challenger_is_compared_with_the_champion_in_the_same_time(project: Project) -> None:
    serve(project, "1", 1000)
    wait(project)
    deploy(project.stores, project.spec, "2", **WHO, share=50)
    wait(project)
    serve(project, "1", 500, failed=30)
    serve(project, "2", 500, failed=30)
    wait(project)
    said = "30 of 500 request(s) failed (6.00%) on version 2 since 2026-03-01T12:01:00Z; "
    said += "30 of 500 request(s) failed (6.00%) on version 1"
    assert ("passed", said) == found(project, "errors", "2")


def test_spans_are_a_day_at_most_or_an_hour_where_the_log_is_large(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    replaced(project)
    wait(project, 30 * HOUR)
    serve(project, "2", 10)
    wait(project)
    assert "10 request(s) since 2026-03-01T18:03:00Z" in found(project, "requests")[1]
    assert "from 2026-02-28T12:01:00Z to 2026-03-01T12:01:00Z" in found(project, "errors")[1]
    monkeypatch.setattr(answered, "MOST_ROWS", 100)
    assert "10 request(s) since 2026-03-02T17:03:00Z" in found(project, "requests")[1]
    assert "from 2026-03-01T11:01:00Z to 2026-03-01T12:01:00Z" in found(project, "errors")[1]


def test_what_is_not_in_the_log_in_time_or_was_rejected_is_told(project: Project) -> None:
    stores: Any = project.stores
    replaced(project)
    serve(project, "2", 3)
    state, evidence = found(project, "log")
    assert ("passed", True) == (state, evidence.startswith("The log reaches to 2026-03-01T12:02:00Z, and no captured"))
    stores.segments += 1
    broken = {**request_record("cancer", 9, stores.moment, 1, version="2"), "f": {"x": ["text"], "c": ["a"]}}
    write_segment(stores, "cancer", "predictions", "w", [broken], stores.segments)
    ingest(stores, project.spec, "predictions")
    state, evidence = found(project, "log")
    assert ("failed", True) == (
        state,
        evidence.startswith("1 captured line(s) were rejected since 2026-03-01T12:01:00Z"),
    )


def judged(project: Project, window: datetime, passed: bool | None) -> None:  # noqa: FBT001 - the verdict itself
    said = {None: "not judged: 12 rows", True: "no column drifted", False: "mean_radius drifted"}[passed]
    verdict = Verdict("drift", "drift", "warning", passed, 0.1, None, 100, text(window), said)
    raise_alerts(project.stores, "cancer", [verdict], source=f"{window} {passed}")


def test_drift_is_judged_on_windows_since_the_switch(project: Project) -> None:
    judged(project, NOW - HOUR, passed=True)
    said = "no hour since 2026-03-01T12:00Z has been judged yet"
    assert ("unknown", said) == found(project, "drift")
    for passed, state in ((None, "unknown"), (True, "passed"), (False, "failed")):
        judged(project, NOW, passed)
        found_state, evidence = found(project, "drift")
        assert (state, True) == (found_state, evidence.startswith("drift, hour from 2026-03-01T12:00Z: "))
    project.spec = replace(project.spec, alerts=())
    assert ("unknown", "no alert rule judges drift") == found(project, "drift")


def quality(project: Project, window: datetime, predictions: int, labelled: int, segment: str = "all") -> None:
    row = {
        "window_start": window, "model_version": "1", "segment": segment, "segment_value": "",
        "predictions": predictions, "labelled": labelled, "coverage": 0.0, "feedback": 0, "complaints": 0,
        "confusion": "{}", "score_counts": "{}",
    }  # fmt: skip
    write(project.stores, project.spec, QUALITY_METRICS, [row])


def test_labels_have_to_come_in_within_their_horizon(project: Project) -> None:
    state, evidence = found(project, "labels")
    assert ("unknown", True) == (state, evidence.endswith("labels are due within 2d"))
    quality(project, NOW, 40, 0)
    assert "unknown" == found(project, "labels")[0]
    wait(project, timedelta(days=2, minutes=61))
    said = "40 predictions of the version since 2026-03-01T12:00:00Z are over 2d old, and none has a label"
    assert ("failed", said) == found(project, "labels")
    quality(project, NOW + HOUR, 20, 5)
    said = "5 of 60 predictions of the version since 2026-03-01T12:00:00Z have a label"
    assert ("passed", said) == found(project, "labels")


def test_labels_of_predictions_from_before_say_nothing_of_the_version(project: Project) -> None:
    quality(project, NOW - HOUR, 20, 5)
    assert "unknown" == found(project, "labels")[0]


def test_alerts_since_the_switch_fail_until_they_are_resolved(project: Project) -> None:
    replaced(project, before=1)
    state, evidence = found(project, "new alerts")
    assert ("passed", True) == (state, evidence.endswith("; 0 that opened since are over"))
    alert = raised(project.stores)
    state, evidence = found(project, "new alerts")
    assert ("failed", True) == (state, "error_rate (open since 2026-03-01T12:02:00Z)" in evidence)
    resolve(project.stores, alert.id or 0, "ann", "mended")
    state, evidence = found(project, "new alerts")
    assert ("passed", True) == (state, evidence.endswith("; 1 that opened since are over"))


@pytest.mark.parametrize(("failed", "state"), [(0, "passed"), (500, "failed")])
def test_objectives_fail_when_a_budget_burns(project: Project, failed: int, state: str) -> None:
    assert ("unknown", "no objective is set for the endpoint (slos)") == found(project, "objectives")
    project.spec = replace(project.spec, slos=(Slo("availability", 0.99),))
    row = {"model_version": "1", "variant": "champion", "requests": 1000, "predictions": 1000, "client_errors": 0}
    row |= {"server_errors": failed, "latency_sum_ms": 1.0, "latency_counts": '{"150": 1000}'}
    write(
        project.stores, project.spec, SERVICE_METRICS, [{**row, "window_start": NOW - HOUR * n} for n in range(1, 73)]
    )
    found_state, evidence = found(project, "objectives")
    assert (state, True) == (found_state, evidence.startswith("slo_availability: ")), evidence
