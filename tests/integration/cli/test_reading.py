"""What ``modelops metrics`` and ``modelops drift`` show, how far back, and in which order."""

import math
from datetime import datetime, timedelta
from typing import Any

import pytest

from modelops_pipelines.core.endpoints.reserved_metrics import RESERVED
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.tables.lake import CUSTOM_METRICS, DRIFT, QUALITY_METRICS, SERVICE_METRICS
from modelops_pipelines.core.windows import text
from tests.fakes.lake_rows import write
from tests.fakes.records import START
from tests.support.command_line import Loop, modelops
from tests.support.project import Project

HOURS = [START.replace(hour=0) + timedelta(hours=n) for n in range(60)]
VALUES = {"steady": 0.01, "barely": 0.11, "worst": 0.9, "gone": None}


@pytest.fixture
def project(fresh: Project) -> Project:
    """Return a project that was asked once an hour for two days and a half, and whose every hour was judged."""
    served(fresh, fresh.spec)
    write(fresh.stores, fresh.spec, DRIFT, [verdict(at, name) for at in HOURS[-2:] for name in VALUES])
    return fresh


def served(project: Project, spec: EndpointSpec) -> None:
    same = {"model_version": "1", "variant": "champion", "requests": 10, "predictions": 10, "client_errors": 0}
    rows = [
        same | {"window_start": at, "server_errors": 1, "latency_sum_ms": 1.0, "latency_counts": "{}"} for at in HOURS
    ]
    write(project.stores, spec, SERVICE_METRICS, rows)


def verdict(at: datetime, name: str) -> dict[str, Any]:
    value, newest = VALUES[name], at == HOURS[-1]
    drifted = None if value is None else newest and value > 0.1
    measured = {"column": name, "kind": "numeric", "statistic": "wasserstein", "value": value, "threshold": 0.1}
    judged = {"drifted": drifted, "severity": "low" if drifted else "none", "effect": 2.2, "importance": 0.25}
    against = {"method": "calibrated", "reference": "the same season of the 28 days before", "n": 900, "n_reference": 9}
    return {"window_start": at, "model_version": "1", **measured, **judged, **against}


def by_days(project: Project) -> None:
    """Make the endpoint's windows days."""
    path = project.folder / "endpoints" / "endpoint.yaml"
    path.write_text(path.read_text().replace("window: hour", "window: day"))


def test_drift_shows_the_newest_window_first_and_in_it_the_worst_column(project: Project) -> None:
    rows = modelops(project, "drift", "cancer", "--json").json
    assert rows[:4] == modelops(project, "drift", "cancer", "--hours", "1", "--json").json
    newest = [("worst", True), ("barely", True), ("steady", False), ("gone", None)]
    assert newest == [(row["column"], row["drifted"]) for row in rows[:4]]
    assert [text(HOURS[-1])] * 4 + [text(HOURS[-2])] * 4 == [row["window_start"] for row in rows]
    assert [DRIFT.names] == list({tuple(row) for row in rows})


def test_drift_says_why_in_its_table(project: Project) -> None:
    head, first, *_ = modelops(project, "drift", "cancer", "--windows", "1").out.splitlines()
    for name in ("statistic", "value", "threshold", "effect", "importance", "n", "method", "reference", "reason"):
        assert name in head.split()
    for told in ("worst", "yes", "wasserstein", "2.2", "0.25", "calibrated", "the same season of the 28 days before"):
        assert told in first


def test_only_what_drifted_is_shown_when_it_is_asked_for(project: Project) -> None:
    assert ["worst", "barely"] == [
        row["column"] for row in modelops(project, "drift", "cancer", "--drifted", "--json").json
    ]
    quiet = [verdict(at, "steady") for at in HOURS]
    write(project.stores, project.spec, DRIFT, quiet)
    done = modelops(project, "drift", "cancer", "--drifted")
    assert (0, "", "No columns of endpoint 'cancer' drifted in these windows.\n") == (done.code, done.out, done.err)


@pytest.mark.parametrize("hours", [1, 24, 25])
def test_hours_are_hours_whatever_the_endpoints_windows_are(project: Project, hours: int) -> None:
    rows = modelops(project, "metrics", "cancer", "--hours", str(hours), "--json").json
    assert [text(at) for at in HOURS[-hours:]] == [row["window_start"] for row in rows]
    by_days(project)
    days = modelops(project, "metrics", "cancer", "--hours", str(hours), "--json").json
    assert math.ceil(hours / 24) == len(days)
    assert 120 == days[-1]["requests"]  # the newest day has twelve hours so far


def test_seven_windows_are_shown_unless_told(project: Project) -> None:
    assert 7 == len(modelops(project, "metrics", "cancer", "--json").json)
    assert 3 == len(modelops(project, "metrics", "cancer", "--windows", "3", "--json").json)


@pytest.mark.parametrize("command", ["metrics", "drift"])
def test_windows_and_hours_together_are_wrong_usage(project: Project, command: str) -> None:
    done = modelops(project, command, "cancer", "--windows", "2", "--hours", "2")
    assert (2, "") == (done.code, done.out)
    assert "Give either --windows or --hours." in done.err


def test_the_table_of_metrics_has_the_success_rate_and_the_throughput(project: Project) -> None:
    head, first = modelops(project, "metrics", "cancer", "--windows", "1").out.splitlines()
    shown = dict(zip(head.split(), first.split()[1:], strict=False))  # the time is two words
    assert ("0.9", "0.002778") == (first.split()[8], first.split()[9]), shown
    assert ["availability", "throughput"] == head.split()[7:9]


def test_an_earlier_releases_own_metric_hides_no_column(project: Project) -> None:
    row = {"window_start": HOURS[-1], "model_version": "1", "n": 10}
    own = [row | {"metric": name, "value": -7.0} for name in ("requests", "auc", "late_share")]
    write(project.stores, project.spec, CUSTOM_METRICS, own)
    counts = {"segment": "all", "segment_value": "", "predictions": 10, "labelled": 10, "feedback": 0, "complaints": 0}
    write(project.stores, project.spec, QUALITY_METRICS, [row | counts | {"coverage": 1.0, "auc": 0.9}])
    [found] = modelops(project, "metrics", "cancer", "--windows", "1", "--json").json
    assert (10, 0.9, -7.0) == (found["requests"], found["auc"], found["late_share"])


def test_no_metric_of_the_users_may_bear_the_name_of_a_column(loop: Loop) -> None:
    [row] = modelops(loop.project, "metrics", "cancer", "--json").json
    assert set(row) <= RESERVED
