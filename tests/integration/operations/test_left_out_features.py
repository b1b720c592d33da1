"""Rows whose features were left out, or never kept: their answers count, their absent features judge nothing."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from modelops_pipelines.core.endpoints.spec import CapturePolicy, EndpointSpec
from modelops_pipelines.core.evaluation.gate import GateConfig, is_evaluation_day
from modelops_pipelines.core.tables.lake import DRIFT, PROFILES, QUALITY_METRICS, SERVICE_METRICS
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.drift.detect import detect_drift
from modelops_pipelines.operations.drift.profiles import profile_windows
from modelops_pipelines.operations.governance.erasure import erase_user
from modelops_pipelines.operations.improve.training.sets import (
    build_training_set,
    freeze_frame,
    labelled_log,
    read_training_set,
)
from modelops_pipelines.operations.metrics.quality import measure_quality
from modelops_pipelines.operations.metrics.service import measure_service
from modelops_pipelines.operations.reports import drift_report
from modelops_pipelines.operations.reports.drift_report import write_drift_report
from modelops_pipelines.store.registry.references.drift_references import Reference
from tests.fakes.records import START, VERSION, label_row, request_record, write_segment
from tests.support.project import Project, make_project

KEPT, LEFT_OUT, TOO_LARGE = 1200, 700, 100
ALL = KEPT + LEFT_OUT + TOO_LARGE
DAY = next(
    day
    for n in range(20)
    if not is_evaluation_day((day := START + timedelta(days=n)).date(), GateConfig().every_nth_day)
)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """Return a project with a window of rows of which a part has no features, and a label for each first row."""
    made = make_project(tmp_path / "project")
    made.stores.deployments.record_version(VERSION)
    records = [
        request_record("cancer", 1, DAY, KEPT, user="kept"),
        request_record("cancer", 2, DAY, LEFT_OUT, f={}, sampled=False),
        request_record("cancer", 3, DAY, TOO_LARGE, f={}, truncated=True, payload_hash="0" * 64),
    ]
    write_segment(made.stores, "cancer", "predictions", "w", records)
    labels = [{"rows": [label_row(record, row, str(row % 2), DAY) for row in range(10)]} for record in records]
    write_segment(made.stores, "cancer", "labels", "w", labels)
    derive(made, made.spec)
    yield made
    made.stores.database.close()


def derive(project: Project, spec: EndpointSpec) -> None:
    for stream in ("predictions", "labels"):
        ingest(project.stores, spec, stream)
    for step in (measure_service, measure_quality, profile_windows, detect_drift):
        step(project.stores, spec)


def rows(project: Project, table: Any) -> list[dict[str, Any]]:
    with project.stores.lake.query("cancer", [table]) as connected:
        found: list[dict[str, Any]] = connected.table(table.name).to_arrow_table().to_pylist()
    return found


def test_features_are_profiled_on_the_rows_that_have_them_and_answers_on_all(project: Project) -> None:
    found = {row["column"]: (row["n"], row["nulls"]) for row in rows(project, PROFILES)}
    assert {"x": (KEPT, 0), "c": (KEPT, 0), "prediction": (ALL, 0), "score": (ALL, 0)} == found
    assert [ALL] == [row["predictions"] for row in rows(project, SERVICE_METRICS)]
    assert [(ALL, 30)] == [(row["predictions"], row["labelled"]) for row in rows(project, QUALITY_METRICS)]


def test_a_window_without_any_features_is_no_drift(project: Project) -> None:
    later = DAY + timedelta(hours=1)
    write_segment(
        project.stores, "cancer", "predictions", "w2", [request_record("cancer", 9, later, 600, f={}, sampled=False)]
    )
    derive(project, project.spec)
    found = {row["column"]: row for row in rows(project, DRIFT) if row["window_start"].hour == later.hour}
    assert {"x": (0, None), "c": (0, None)} == {name: (found[name]["n"], found[name]["drifted"]) for name in ("x", "c")}
    assert 600 == found["score"]["n"]
    assert found["score"]["drifted"] is False


def test_a_reference_takes_as_many_rows_with_features_as_it_needs(tmp_path: Path) -> None:
    made = make_project(tmp_path / "project")
    made.stores.deployments.record_version(VERSION)
    few = [request_record("cancer", 1, DAY, 999), request_record("cancer", 2, DAY, 900, f={}, sampled=False)]
    write_segment(made.stores, "cancer", "predictions", "w", few)
    derive(made, made.spec)
    assert made.stores.references.read("tumours", "1") is None
    write_segment(made.stores, "cancer", "predictions", "w2", [request_record("cancer", 3, DAY, 1)])
    derive(made, made.spec)
    reference = made.stores.references.read("tumours", "1")
    assert isinstance(reference, Reference)
    assert {"x": 1000, "c": 1000, "prediction": 1900, "score": 1900} == {
        name: known.n for name, known in reference.profiles.items()
    }


def test_redacted_features_are_not_monitored_though_the_reference_knows_them(project: Project) -> None:
    redacting = replace(project.spec, capture=CapturePolicy(redact=("c", "user_id")))
    later = DAY + timedelta(hours=1)
    record = request_record("cancer", 9, later, 600, f={"x": [1.0] * 600})
    write_segment(project.stores, "cancer", "predictions", "w2", [record])
    derive(project, redacting)
    for table in (PROFILES, DRIFT):
        found = {row["column"] for row in rows(project, table) if row["window_start"].hour == later.hour}
        assert {"x", "prediction", "score"} == found


def test_training_sets_and_evaluations_hold_no_row_without_features(project: Project) -> None:
    record = build_training_set(project.stores, project.spec)
    frozen = read_training_set(project.stores, record)
    assert (10, 10) == (record.rows, len(frozen))
    assert [row % 10 for row in range(10)] == frozen.column("x").to_pylist()
    log = labelled_log(project.stores, project.spec, GateConfig())
    assert 10 == len(log.training) + len(log.evaluation)


def test_a_set_that_extends_one_of_the_log_holds_its_rows_once_and_none_that_was_erased(project: Project) -> None:
    first = build_training_set(project.stores, project.spec)
    again = build_training_set(project.stores, project.spec)
    assert (first.content_hash, None) == (again.content_hash, again.base_hash)
    other = request_record("cancer", 50, DAY, 3, user="other")
    write_segment(project.stores, "cancer", "predictions", "w2", [other])
    write_segment(project.stores, "cancer", "labels", "w2", [{"rows": [label_row(other, 0, "1", DAY)]}])
    derive(project, project.spec)
    assert 11 == build_training_set(project.stores, project.spec).rows
    erased = erase_user(project.stores, "kept", [project.spec], "test")
    assert 2 == len(erased[0].training_sets)
    last = read_training_set(project.stores, build_training_set(project.stores, project.spec))
    assert [f"{other['id']}-0"] == last.column("row_id").to_pylist()


def test_a_base_that_a_person_gave_stays_in_every_set(project: Project) -> None:
    import pandas as pd

    base = freeze_frame(project.stores, project.spec, pd.DataFrame({"x": [1.0], "c": ["a"], "benign": [1]}))
    for _ in range(2):
        extended = build_training_set(project.stores, project.spec)
        assert (11, base.content_hash) == (extended.rows, extended.base_hash)


def test_the_drift_report_draws_rows_with_features_only(project: Project) -> None:
    champion = build_training_set(project.stores, project.spec)
    trained = replace(VERSION, training_set=champion.content_hash)
    project.stores.deployments.record_version(trained)
    deploy_by_hand(project)
    window = DAY.replace(minute=0)
    report = write_drift_report(project.stores, project.spec, window)
    assert (KEPT, 10, {}) == (report.rows, report.reference_rows, report.left_out)
    redacting = replace(project.spec, capture=CapturePolicy(redact=("c",)))
    sides = [
        drift_report._window_rows(project.stores, redacting, window),
        drift_report._reference_rows(project.stores, redacting),
    ]
    assert [["x"], ["x"]] == [side.column_names for side in sides]


def deploy_by_hand(project: Project) -> None:
    """Make version 1 the desired champion: no gateway is needed here."""
    from modelops_pipelines.core.release.desired_state import DesiredState, Variant
    from modelops_pipelines.core.release.event_log import Event

    event = Event(1, "cancer", DAY, "test", "deploy", None, "1", 1, "")
    project.stores.deployments.change(DesiredState("cancer"), [Variant("1", "champion", 100)], event)
