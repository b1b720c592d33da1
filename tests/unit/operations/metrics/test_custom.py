"""The user's own metrics: a file or five lines, back-filled, held against a rule like any other."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from modelops_pipelines.core.endpoints.alert_rules import AlertRule
from modelops_pipelines.core.endpoints.spec import Metric
from modelops_pipelines.core.tables.lake import CUSTOM_METRICS
from modelops_pipelines.operations.alerting.judges.judge_rules import judge_rules
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.lake.incremental import Range
from modelops_pipelines.operations.metrics import custom
from modelops_pipelines.operations.metrics.custom import measure_custom
from tests.fakes.records import START, VERSION, label_row, request_record, write_segment
from tests.support.project import Project, make_project

HOUR = timedelta(hours=1)
FUNCTIONS = """\
def tall(frame):
    return (frame.x > 0).mean()


def labelled(frame):
    return frame.label.notna().sum()


def broken(frame):
    return frame.no_such_column


def endless(frame):
    return float("inf")


def wordy(frame):
    return "many"
"""
FILES = {
    "mean_score": "SELECT avg(score) FROM predictions",
    "right": "SELECT avg((prediction = label)::INT) FROM predictions",
    "two_rows": "SELECT unnest([1, 2])",
    "no_select": "CREATE TABLE a AS SELECT 1",
    "outside": "SELECT count(*) FROM read_text('/etc/hostname')",
    "wrong": "SELECT avg(scor) FROM predictions",
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    made = make_project(tmp_path / "project")
    monkeypatch.chdir(made.folder)
    monkeypatch.syspath_prepend(str(made.folder))
    (made.folder / "own_metrics.py").write_text(FUNCTIONS)
    for name, query in FILES.items():
        (made.folder / f"{name}.sql").write_text(query)
    made.stores.deployments.record_version(VERSION)
    yield made
    made.stores.database.close()


def watching(project: Project, *metrics: Metric, **more: Any) -> Any:
    return replace(project.spec, metrics=metrics, **more)


def sent(project: Project, spec: Any, number: int, at: Any, scores: list[float]) -> dict[str, Any]:
    record = request_record("cancer", number, at, len(scores), s=scores)
    write_segment(project.stores, "cancer", "predictions", f"w{number}", [record])
    ingest(project.stores, spec, "predictions")
    return record


def values(project: Project) -> dict[tuple[int, str], tuple[Any, Any, int]]:
    with project.stores.lake.query("cancer", [CUSTOM_METRICS]) as connected:
        rows = connected.table("custom_metrics").to_arrow_table().to_pylist()
    return {(row["window_start"].hour, row["metric"]): (row["value"], row["reason"], row["n"]) for row in rows}


def test_a_file_and_a_function_are_computed_for_each_window(project: Project) -> None:
    spec = watching(project, Metric("mean_score", sql="mean_score.sql"), Metric("tall", function="own_metrics:tall"))
    sent(project, spec, 1, START, [0.2, 0.4])
    sent(project, spec, 2, START + HOUR, [0.5, 0.5, 0.8, 1.0])
    assert measure_custom(project.stores, spec).windows == (START, START + HOUR)
    found = values(project)
    assert pytest.approx(0.3) == found[22, "mean_score"][0]
    assert pytest.approx(0.7) == found[23, "mean_score"][0]
    assert {(22, "tall"): (0.5, None, 2), (23, "tall"): (0.75, None, 4)} == {
        key: found[key] for key in ((22, "tall"), (23, "tall"))
    }
    assert measure_custom(project.stores, spec).windows == ()


def test_a_late_label_computes_its_window_again_and_no_other(project: Project) -> None:
    spec = watching(project, Metric("right", sql="right.sql"), Metric("labelled", function="own_metrics:labelled"))
    early, _ = sent(project, spec, 1, START, [0.2, 0.4]), sent(project, spec, 2, START + HOUR, [0.5])
    measure_custom(project.stores, spec)
    assert values(project)[22, "right"] == (None, "the metric returned null", 2)
    write_segment(project.stores, "cancer", "labels", "w", [{"rows": [label_row(early, 0, "1", START + HOUR)]}])
    ingest(project.stores, spec, "labels")
    assert measure_custom(project.stores, spec).windows == (START,)
    assert (1.0, None, 2) == values(project)[22, "right"]
    assert (1.0, None, 2) == values(project)[22, "labelled"]


def test_a_new_metric_is_filled_in_for_windows_that_were_there_before(project: Project) -> None:
    sent(project, project.spec, 1, START, [0.25])
    spec = watching(project, Metric("mean_score", sql="mean_score.sql"))
    assert measure_custom(project.stores, spec).windows == ()
    filled = measure_custom(project.stores, spec, Range(START - HOUR, START + HOUR))
    assert (2, 1) == (len(filled.windows), filled.rows)
    assert {(22, "mean_score"): (0.25, None, 1)} == values(project)


@pytest.mark.parametrize(
    ("metric", "reason"),
    [
        (Metric("m", function="own_metrics:broken"), "AttributeError: … object has no attribute"),
        (Metric("m", function="own_metrics:endless"), "the metric returned inf, which is not finite"),
        (Metric("m", function="own_metrics:wordy"), "the metric returned a str, which is not a number"),
        (Metric("m", function="own_metrics:gone"), "the metric cannot be loaded: AttributeError"),
        (Metric("m", function="no_such_module:gone"), "the metric cannot be loaded: ModuleNotFoundError"),
        (Metric("m", sql="two_rows.sql"), "the query returns 2 row(s)"),
        (Metric("m", sql="no_select.sql"), "the file is not one SELECT"),
        (Metric("m", sql="outside.sql"), "PermissionException: Permission Error"),
        (Metric("m", sql="wrong.sql"), "BinderException: Binder Error: Referenced column … not found"),
        (Metric("m", sql="gone.sql"), "the metric cannot be loaded: FileNotFoundError"),
    ],
)
def test_what_fails_is_the_windows_reason_and_stops_no_other_metric(
    project: Project, metric: Metric, reason: str
) -> None:
    spec = watching(project, metric, Metric("mean_score", sql="mean_score.sql"))
    sent(project, spec, 1, START, [0.25])
    measure_custom(project.stores, spec)
    value, told, _ = values(project)[22, "m"]
    assert value is None
    assert reason in told
    assert (0.25, None, 1) == values(project)[22, "mean_score"]


def test_a_query_that_never_ends_is_the_windows_reason(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    query = "SELECT count(*) FROM range(1000000000) a, range(1000000000) b"
    (project.folder / "endless.sql").write_text(query)
    monkeypatch.setattr(custom, "LONGEST", 2.0)
    spec = watching(project, Metric("endless", sql="endless.sql"), Metric("mean_score", sql="mean_score.sql"))
    sent(project, spec, 1, START, [0.25])
    measure_custom(project.stores, spec)
    assert (None, "the query took over 2 s", 1) == values(project)[22, "endless"]
    assert (0.25, None, 1) == values(project)[22, "mean_score"]


def test_a_rule_on_ones_own_metric_judges_like_the_built_in_ones(project: Project) -> None:
    rule = AlertRule("metric", metric="mean_score", above=0.6, minimum=2)
    spec = watching(project, Metric("mean_score", sql="mean_score.sql"), Metric("m", sql="wrong.sql"), alerts=(rule,))
    for number, scores in enumerate([[0.5, 0.6], [0.7, 0.8], [0.9]]):
        sent(project, spec, number, START - number * HOUR, scores)
    done = measure_custom(project.stores, spec)
    verdicts = judge_rules(project.stores, spec, ["metric"], done.windows)
    assert [None, False, True] == [verdict.passed for verdict in verdicts]
    assert "metric_mean_score" == verdicts[1].rule
    assert "mean_score 0.75 is above 0.6 in the hour from 2026-03-01T21:00Z (2 rows)" == verdicts[1].message
    broken = replace(spec, alerts=(AlertRule("metric", metric="m", above=0),))
    assert "not judged: BinderException" in judge_rules(project.stores, broken, ["metric"], done.windows)[0].message
