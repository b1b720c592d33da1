"""Rows of every type are monitored whole: JSON is kept and not profiled, and names of our own columns are mapped."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from modelops_pipelines.core.capture.log_search import LogSearch
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import SchemaError
from modelops_pipelines.core.tables.feature_columns import column_of
from modelops_pipelines.core.tables.lake import CUSTOM_METRICS, DATA_QUALITY, DRIFT, PROFILES, QUALITY_METRICS
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.capture.recent_logs import recent_logs
from modelops_pipelines.operations.drift.data_quality import check_data_quality
from modelops_pipelines.operations.drift.detect import detect_drift
from modelops_pipelines.operations.drift.profiles import profile_windows
from modelops_pipelines.operations.improve.retraining.train import train_first
from modelops_pipelines.operations.improve.training.sets import build_training_set, read_training_set
from modelops_pipelines.operations.lake.endpoint_tables import check_inputs, log_table
from modelops_pipelines.operations.metrics.custom import measure_custom
from modelops_pipelines.operations.metrics.estimated_quality import estimate_quality
from modelops_pipelines.operations.metrics.quality import measure_quality
from modelops_pipelines.operations.metrics.service import measure_service
from modelops_pipelines.operations.models.example_request import example_body
from modelops_pipelines.operations.versions.known_version import known_version
from tests.fakes.records import START, VERSION, label_row, request_record, write_segment
from tests.fakes.trainers import logistic
from tests.support.project import CANCER_YAML, Project, make_project

INPUTS = {
    "x": "float",
    "feature:date": "text",
    "feature:Score": "float",
    "feature:prediction": "text",
    "feature:feature:date": "bool",
    "image": "json",
    "n": "int",
}
ROWS = 1200
YAML = (
    CANCER_YAML.replace("{", "{{").replace("}", "}}")
    + """\
  segments: ["feature:date"]
  metrics: [{{name: dates, sql: {folder}/dates.sql}}]
"""
)


def features(rows: int) -> dict[str, list[Any]]:
    return {
        "x": [float(row) for row in range(rows)],
        "feature:date": ["monday" if row % 2 else "sunday" for row in range(rows)],
        "feature:Score": [row / rows if row % 3 else None for row in range(rows)],
        "feature:prediction": ["own"] * rows,
        "feature:feature:date": [True] * rows,
        "image": [f"[[{row}]]" if row % 5 else None for row in range(rows)],
    }  # n, which is optional, is left out


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    (tmp_path / "dates.sql").write_text("SELECT count(DISTINCT date) FROM predictions")
    made = make_project(tmp_path / "project", YAML.format(folder=tmp_path))
    made.stores.deployments.record_version(replace(VERSION, inputs=INPUTS))
    records = [
        request_record("cancer", hour, START + timedelta(hours=hour), ROWS, f=features(ROWS), user=f"u{hour}")
        for hour in range(3)
    ]
    write_segment(made.stores, "cancer", "predictions", "w", records)
    labels = [{"rows": [label_row(record, row, str(row % 2), START) for row in range(20)]} for record in records]
    write_segment(made.stores, "cancer", "labels", "w", labels)
    yield made
    made.stores.database.close()


def derive(project: Project, spec: EndpointSpec) -> None:
    for stream in ("predictions", "labels"):
        assert ingest(project.stores, spec, stream).rejected == 0
    steps = (measure_service, measure_quality, estimate_quality, measure_custom, profile_windows, detect_drift)
    for step in (*steps, check_data_quality):
        step(project.stores, spec)


def rows(project: Project, table: Any) -> list[dict[str, Any]]:
    with project.stores.lake.query("cancer", [table]) as connected:
        found: list[dict[str, Any]] = connected.table(table.name).to_arrow_table().to_pylist()
    return found


def test_the_log_has_what_was_sent_and_all_of_monitoring_runs(project: Project) -> None:
    derive(project, project.spec)
    logged = sorted(
        rows(project, log_table(project.stores, project.spec)), key=lambda row: (row["event_time"], row["row_index"])
    )
    assert ROWS * 3 == len(logged)
    sent = features(ROWS)
    assert {name: values[7] for name, values in sent.items()} == {name: logged[7][name] for name in sent}
    assert (START.date(), "1", 0.9, None) == tuple(logged[7][name] for name in ("date", "prediction", "score", "n"))
    profiled = {
        row["column"]: (row["n"], row["nulls"]) for row in rows(project, PROFILES) if row["window_start"] == START
    }
    full = (ROWS, 0)
    assert {
        "x": full,
        "feature:date": full,
        "feature:Score": (ROWS, ROWS // 3),
        "feature:prediction": full,
        "feature:feature:date": full,
        "n": (ROWS, ROWS),
        "prediction": full,
        "score": full,
    } == profiled
    assert {"feature:date", "feature:Score", "score"} <= {row["column"] for row in rows(project, DRIFT)}
    assert "image" not in {row["column"] for row in rows(project, DRIFT)}
    assert rows(project, DATA_QUALITY)


def test_a_feature_goes_by_its_own_name_in_metrics_and_in_the_newest_logs(project: Project) -> None:
    derive(project, project.spec)
    assert {2.0} == {row["value"] for row in rows(project, CUSTOM_METRICS)}
    segments = {(row["segment"], row["segment_value"]) for row in rows(project, QUALITY_METRICS)}
    assert {("feature:date", "monday"), ("feature:date", "sunday")} <= segments
    [newest, *_] = recent_logs(
        project.stores,
        project.spec,
        LogSearch(limit=1, request_id=request_record("cancer", 1, START + timedelta(hours=1), ROWS)["id"]),
    ).rows
    assert {"x", "date", "Score", "prediction", "feature:date", "image", "n"} == set(newest["features"])


def test_training_sets_hold_them_under_the_columns_names(project: Project) -> None:
    derive(project, project.spec)
    found = read_training_set(project.stores, build_training_set(project.stores, project.spec))
    assert set(INPUTS) <= set(found.column_names)


def test_a_trainer_and_its_model_get_a_feature_under_its_own_name(tmp_path: Path) -> None:
    made = make_project(tmp_path / "project")
    rows, seen = range(40), []

    def train(frame: Any, context: Any) -> Any:
        seen.append((sorted(frame.columns), sorted(context.features)))
        return logistic(frame, context)

    frame = pd.DataFrame({"status": [float(row % 7) for row in rows], "x": map(float, rows), "benign": [0, 1] * 20})
    version = train_first(made.stores, made.spec, frame, train)
    assert [(["benign", "status", "x"], ["status", "x"])] == seen
    assert {"feature:status": "float", "x": "float"} == version.inputs
    assert {"dataframe_records": [{"status": 0.0, "x": 0.0}]} == example_body(version)
    reference = made.stores.references.read(made.spec.model_name, version.version)
    assert reference is not None
    assert {"feature:status", "x"} <= set(reference.profiles)
    made.stores.database.close()


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"x": "float", "X": "float"}, "'x' and 'X' of model 'tumours' differ in capitals only"),
        ({"benign": "float"}, "benign of model 'tumours' are named like the label"),
        ({"Benign": "float"}, "Benign of model 'tumours' are named like the label"),
        ({"feature:date": "json"}, "feature:date, whose values are no numbers"),
    ],
)
def test_what_the_log_cannot_keep_apart_or_profile_is_refused_at_deploy(
    project: Project, inputs: dict[str, str], said: str
) -> None:
    with pytest.raises(SchemaError, match=said):
        check_inputs(project.stores, project.spec, {"feature:date": "text", **inputs})


@pytest.mark.parametrize(
    ("label", "feature"), [("Status", "Status"), ("Status", "status"), ("Request_ID", "request_id")]
)
def test_a_label_is_no_feature_that_the_log_keeps_under_another_name(
    project: Project, label: str, feature: str
) -> None:
    spec = replace(project.spec, label=label, features=(), segments=())
    with pytest.raises(SchemaError, match=f"{feature} of model 'tumours' are named like the label"):
        check_inputs(project.stores, spec, {column_of(feature): "text"})


def test_a_version_that_another_endpoint_had_recorded_is_held_to_the_label_too(project: Project) -> None:
    project.stores.deployments.record_version(replace(VERSION, version="7"))
    with pytest.raises(SchemaError, match="x of model 'tumours' are named like the label"):
        known_version(project.stores, replace(project.spec, label="x", features=(), segments=()), "7")
