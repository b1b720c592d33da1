"""Labels that do not come through the gateway's route: each once, killed anywhere, and with their windows marked."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from modelops_pipelines.core.capture.spool_records import withdrawal_row
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.improve.labels.write_labels import write_labels
from modelops_pipelines.store.lake.writer import LakeWriter
from modelops_pipelines.store.state.capture.erased_requests import ErasedRequests
from modelops_pipelines.store.state.capture.ingest_progress import IngestProgress
from modelops_pipelines.store.state.capture.touched_windows import TouchedWindows
from tests.fakes.records import START, VERSION, label_row, request_record, write_segment
from tests.support.crashing import crash_at
from tests.support.project import Project, make_project
from tests.support.tables import table_rows

HOUR = timedelta(hours=1)


STEPS: dict[str, tuple[Any, str]] = {
    "marking windows": (TouchedWindows, "mark"),
    "committing": (LakeWriter, "_commit"),
    "syncing the commit": (LakeWriter, "_sync"),
    "marking what depends": (TouchedWindows, "clear"),
    "recording progress": (IngestProgress, "record"),
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = make_project(tmp_path / "project")
    made.stores.deployments.record_version(VERSION)
    return made


def labels_of(project: Project) -> list[str]:
    return sorted(row["label_id"] for row in table_rows(project, "labels"))


def test_the_same_labels_written_again_are_stored_once_and_mark_their_windows_once(project: Project) -> None:
    records = [request_record("cancer", n, START + n * HOUR, 2) for n in range(3)]
    rows = [label_row(record, row, "1", START + 4 * HOUR) for record in records for row in range(2)]
    assert 6 == write_labels(project.stores, project.spec, rows)
    marks = project.stores.touched_windows.all_of("cancer")
    assert {START + n * HOUR for n in range(3)} == {window for _, window in marks}
    assert set(project.spec.dependents("labels")) == {consumer for consumer, _ in marks}
    for consumer in project.spec.dependents("labels"):
        touched = project.stores.touched_windows.pending("cancer", consumer)
        project.stores.touched_windows.clear("cancer", consumer, touched)
    assert 0 == write_labels(project.stores, project.spec, rows)
    assert frozenset() == project.stores.touched_windows.all_of("cancer")
    assert sorted(row["label_id"] for row in rows) == labels_of(project)
    assert 6 == project.stores.ingest_progress.of("cancer").labels


def test_labels_from_both_ways_stand_side_by_side(project: Project) -> None:
    record = request_record("cancer", 1, START, 2)
    write_segment(project.stores, "cancer", "labels", "w1", [{"rows": [label_row(record, 0, "1", START)]}])
    ingest(project.stores, project.spec, "labels")
    again, other = label_row(record, 0, "1", START), label_row(record, 1, "0", START)
    assert 1 == write_labels(project.stores, project.spec, [again, other, withdrawal_row(other, START)][:2])
    assert 1 == write_labels(project.stores, project.spec, [withdrawal_row(other, START)])
    write_segment(project.stores, "cancer", "labels", "w1", [{"rows": [other]}])
    assert 1 == ingest(project.stores, project.spec, "labels").repeated
    assert 3 == len(labels_of(project))


def test_a_label_of_an_erased_prediction_is_not_stored(project: Project) -> None:
    record = request_record("cancer", 1, START, 1)
    ErasedRequests(project.stores.database).add("cancer", [record["id"]])
    assert 0 == write_labels(project.stores, project.spec, [label_row(record, 0, "1", START)])
    assert [] == table_rows(project, "labels")


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("way", ["written again", "ingested"])
def test_a_crash_at_any_step_leaves_each_label_once_and_its_window_marked(
    project: Project, step: str, moment: str, way: str
) -> None:
    rows = [label_row(request_record("cancer", n, START + n * HOUR, 1), 0, "1", START) for n in range(2)]
    with crash_at(*STEPS[step], 1, moment):
        write_labels(project.stores, project.spec, rows)
    if way == "ingested" and labels_of(project):  # the writer is never called again
        ingest(project.stores, project.spec, "labels")
    else:
        write_labels(project.stores, project.spec, rows)
    assert sorted(row["label_id"] for row in rows) == labels_of(project)
    for consumer in project.spec.dependents("labels"):
        found = project.stores.touched_windows.pending("cancer", consumer).windows
        assert {START, START + HOUR} == set(found)
