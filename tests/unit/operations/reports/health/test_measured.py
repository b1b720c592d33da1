"""What is measured of a selection: versions and segments do not mix, and nothing is made again in vain."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from modelops_pipelines.core.alerting.alerts import Verdict
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import InputError
from modelops_pipelines.core.release.desired_state import Variant
from modelops_pipelines.core.release.event_log import Event
from modelops_pipelines.core.tables.lake import DRIFT, QUALITY_METRICS, SERVICE_METRICS
from modelops_pipelines.core.windows import window_of
from modelops_pipelines.operations.alerting.life.raise_alerts import raise_alerts
from modelops_pipelines.operations.metrics.window_rows import segment_text
from modelops_pipelines.operations.reports.health.facts import measure
from modelops_pipelines.operations.reports.health.kept import kept_measures
from modelops_pipelines.operations.reports.health.selection import Selection, check_segment, check_version, windows_of
from tests.fakes.lake_rows import write
from tests.fakes.records import VERSION
from tests.support.project import Project, make_project

HOUR = timedelta(hours=1)


@pytest.fixture
def project(tmp_path: Any) -> Project:
    """Return a project with six hours of version 1 until now, of version 2 in the first three."""
    made = make_project(tmp_path / "project")
    made.spec = replace(made.spec, segments=("city",))
    made.stores.deployments.record_version(VERSION)
    now = window_of(made.stores.now(), "hour")
    hours = [(now - n * HOUR, version) for n in range(6) for version in (("1",) if n < 3 else ("1", "2"))]
    write(made.stores, made.spec, SERVICE_METRICS, [_service(at, version) for at, version in hours])
    write(made.stores, made.spec, QUALITY_METRICS, [row for at, version in hours for row in _quality(at, version)])
    write(made.stores, made.spec, DRIFT, [_drift(at, version) for at, version in hours])
    return made


def _service(at: Any, version: str) -> dict[str, Any]:
    counted = {"requests": 10, "predictions": 10, "client_errors": 1, "server_errors": 2, "latency_sum_ms": 10.0}
    named = {"window_start": at, "model_version": version, "variant": "champion", "latency_counts": '{"100": 10}'}
    return named | counted | {"errors": '{"model": 2, "bad_request": 1, "never": 0}'}


def _quality(at: Any, version: str) -> list[dict[str, Any]]:
    counted = {"predictions": 10, "labelled": 5, "coverage": 0.5, "feedback": 0, "complaints": 0}
    row = {"window_start": at, "model_version": version, **counted}
    return [
        row | {"segment": "all", "segment_value": "", "auc": 0.9 if version == "1" else 0.6},
        row | {"segment": "city", "segment_value": "Bonn", "auc": 0.7},
        row | {"segment": "city", "segment_value": "Köln", "auc": None, "reason": "one class"},
    ]


def _drift(at: Any, version: str) -> dict[str, Any]:
    judged = {"kind": "numeric", "statistic": "psi", "value": 0.5, "threshold": 0.1, "drifted": True}
    return {"window_start": at, "model_version": version, "column": f"x{version}", "n": 9, "n_reference": 9, **judged}


def test_all_versions_together(project: Project) -> None:
    found = measure(project.stores, project.spec, Selection(6))
    assert (90, ["1", "2"]) == (found.total.requests, found.versions)
    assert [("model", 18, 0.2), ("bad_request", 9, 0.1)] == [tuple(row.values()) for row in found.errors]
    assert [("city", "Bonn"), ("city", "Köln")] == found.segment_values
    assert [("Bonn", 0.7, None), ("Köln", None, "one class")] == [
        (row["segment_value"], row["value"], row["reason"]) for row in found.segments
    ]


def test_an_earlier_version_has_its_own_newest_verdicts(project: Project) -> None:
    found = measure(project.stores, project.spec, Selection(6, version="2"))
    assert (30, ["1", "2"]) == (found.total.requests, found.versions)  # the others can still be chosen
    assert found.drift is not None
    assert ["x2"] == [row["column"] for row in found.drift.rows]
    assert window_of(project.stores.now(), "hour") - 3 * HOUR == found.drift.window


def test_a_segment_is_of_quality_alone(project: Project) -> None:
    found = measure(project.stores, project.spec, Selection(6, segment=segment_text("city", "Köln")))
    assert {"Köln"} == {row["segment_value"] for row in found.quality}
    assert ([], 90) == (found.quality_charts, found.total.requests)


def test_nothing_is_read_again_until_a_table_changes(project: Project) -> None:
    first = kept_measures(project.stores, project.spec, Selection(6))
    assert first is kept_measures(project.stores, project.spec, Selection(6))
    write(
        project.stores,
        project.spec,
        SERVICE_METRICS,
        [_service(window_of(project.stores.now(), "hour") - 9 * HOUR, "1")],
    )
    assert 100 == kept_measures(project.stores, project.spec, Selection(24)).measured.total.requests
    again = kept_measures(project.stores, project.spec, Selection(6))
    assert first.measured is not again.measured
    assert first.digest == again.digest  # what changed is of earlier hours


def test_another_rule_draws_the_charts_again(project: Project) -> None:
    first = kept_measures(project.stores, project.spec, Selection(6))
    changed: EndpointSpec = replace(project.spec, description="other")
    assert first.measured is not kept_measures(project.stores, changed, Selection(6)).measured


def test_releases_and_alerts_are_on_the_time_line_as_soon_as_they_happen(project: Project) -> None:
    assert [] == _marks(project)
    before = project.stores.deployments.desired("cancer")
    event = Event(0, "cancer", project.stores.now(), "ann <b>", "deploy", None, "1", before.generation + 1, "test")
    project.stores.deployments.change(before, [Variant("1", "champion", 100)], event)
    failed = Verdict("slow", "latency_p95_ms", "error", False, 2.0, 1.0, 10, "w", "slow")
    raise_alerts(project.stores, "cancer", [failed], source="1")
    raise_alerts(project.stores, "cancer", [replace(failed, passed=True)] * 2, source="2")
    assert {
        ("release", "deploy version 1 by ann <b>"),
        ("alert opened", "slow opened"),
        ("alert resolved", "slow resolved"),
    } == set(_marks(project))
    line = kept_measures(project.stores, project.spec, Selection(6)).time_line
    assert line is not None
    assert all("deploy version 1 by ann &lt;b&gt;" in chart for chart in line.charts)
    assert all(3 == chart.count('stroke-dasharray="2 3"') for chart in line.charts)


def _marks(project: Project) -> list[tuple[str, str]]:
    line = kept_measures(project.stores, project.spec, Selection(6)).time_line
    assert line is not None
    return [(mark.kind, mark.text) for mark in line.marks]


def test_what_cannot_be_chosen_is_told_with_what_can(project: Project) -> None:
    with pytest.raises(InputError, match=r"no range '1y'.*24h, 7d, 30d, 90d"):
        windows_of("1y", project.spec)
    with pytest.raises(InputError, match=r"no version '9'.*1, 2"):
        check_version("9", ["1", "2"])
    with pytest.raises(InputError, match=r"no segment 'city=Rome'.*city=Bonn, city=K%C3%B6ln"):
        check_segment(project.stores, project.spec, "city=Rome", [])
    check_segment(project.stores, project.spec, "city=Bonn", [])  # an earlier window has it


def test_ranges_are_whole_windows(project: Project) -> None:
    daily = replace(project.spec, window="day")
    assert [24, 168, 720, 2160] == [windows_of(name, project.spec) for name in ("24h", "7d", "30d", "90d")]
    assert [1, 7, 30, 90] == [windows_of(name, daily) for name in ("24h", "7d", "30d", "90d")]
    assert (168, 90) == (windows_of("", project.spec), windows_of("", daily))
