"""An ingest that dies at any of its steps leaves the tables right after the next one; what fits no table is rejected."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from modelops_pipelines.operations.capture import ingest as ingesting
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.store.lake.writer import LakeWriter
from modelops_pipelines.store.spool import segments as spool
from modelops_pipelines.store.state.capture.ingest_progress import IngestProgress
from modelops_pipelines.store.state.capture.touched_windows import TouchedWindows
from tests.fakes.records import START, VERSION, feedback_row, label_row, request_record, write_segment
from tests.support.crashing import crash_at
from tests.support.project import Project, make_project
from tests.support.tables import table_rows

STREAMS = ("predictions", "labels", "feedback")
STEPS: dict[str, tuple[Any, str]] = {
    "listing segments": (spool, "sealed_segments"),
    "reading records": (ingesting, "to_batch"),
    "writing rejects": (ingesting, "_write_rejects"),
    "appending": (LakeWriter, "append_once"),
    "committing": (LakeWriter, "_commit"),
    "syncing the commit": (LakeWriter, "_sync"),
    "marking windows": (TouchedWindows, "mark"),
    "recording progress": (IngestProgress, "record"),
    "dropping a segment": (spool, "drop"),
    "removing folders": (spool, "remove_empty_workers"),
}


@pytest.mark.parametrize(("moment", "nth"), [("before", 1), ("after", 1), ("after", 2)])
@pytest.mark.parametrize("step", STEPS)
def test_a_crash_at_any_step_leaves_the_tables_right_after_the_next_ingest(
    tmp_path: Path, step: str, moment: str, nth: int
) -> None:
    project = make_project(tmp_path / "project")
    expected = write_three_workers(project)
    with crash_at(*STEPS[step], nth, moment):
        ingest_all(project)
    write_segment(project.stores, "cancer", "predictions", "w1", [request_record("cancer", 99, START, 1)], number=3)
    ingest_all(project)
    assert ingest_all(project) == [0, 0, 0]
    assert_whole(project, expected)


def write_three_workers(project: Project) -> dict[str, Any]:
    """Write two segments of each of two workers, with a damaged line, and labels of which one comes twice."""
    project.stores.deployments.record_version(VERSION)
    records = [request_record("cancer", n, START + timedelta(hours=n), 2) for n in range(4)]
    for worker, two in (("w1", records[:2]), ("w2", records[2:])):
        for record in two:
            write_segment(project.stores, "cancer", "predictions", worker, [record])
    damaged = project.stores.settings.spool / "cancer" / "predictions" / "w1" / "000000000001.jsonl"
    damaged.write_bytes(damaged.read_bytes() + b"damaged\n")
    label = {"rows": [label_row(records[0], 0, "1", START)]}
    for worker in ("w1", "w2"):
        write_segment(project.stores, "cancer", "labels", worker, [label])
    write_segment(project.stores, "cancer", "feedback", "w1", [{"rows": [feedback_row(records[1], 0, 1, "down")]}])
    ids = [f"{r['id']}-{row}" for r in records for row in range(2)] + [
        f"{request_record('cancer', 99, START, 1)['id']}-0"
    ]
    return {"ids": sorted(ids), "windows": {START + timedelta(hours=n) for n in range(4)}, "label": label["rows"][0]}


def ingest_all(project: Project) -> list[int]:
    return [ingest(project.stores, project.spec, stream).segments for stream in STREAMS]


def assert_whole(project: Project, expected: dict[str, Any]) -> None:
    assert expected["ids"] == sorted(row["prediction_id"] for row in table_rows(project, "inference_log"))
    assert [expected["label"]["label_id"]] == [row["label_id"] for row in table_rows(project, "labels")]
    assert len(table_rows(project, "feedback")) == 1
    rejects = sorted((r["worker"], r["segment"], r["line"]) for r in table_rows(project, "rejects"))
    assert [("w1", 1, 2), ("w1", 1, 3)] == rejects  # the seal, which is not the last line, and what follows it
    for consumer in project.spec.dependents("inference_log"):
        assert expected["windows"] <= set(project.stores.touched_windows.pending("cancer", consumer).windows)
    progress = project.stores.ingest_progress.of("cancer")
    assert (len(expected["ids"]), 1) == (progress.predictions, progress.labels)
    assert START + timedelta(hours=3) == progress.watermark
    assert list(project.stores.settings.spool.glob("*/*/*")) == []


def test_a_record_that_fits_no_table_is_rejected_with_its_reason_and_holds_nothing_up(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    project.stores.deployments.record_version(VERSION)
    good = request_record("cancer", 1, START, 1)
    far = {"t": 10**19}
    poison = [
        {"n": 1},
        good | far,
        good | {"f": {"x": [1.0, 2.0]}},
        good | {"f": {"ghost": [1]}},
        good | {"status": 2**63},
    ]
    write_segment(project.stores, "cancer", "predictions", "w", [*poison, good])
    write_segment(
        project.stores, "cancer", "labels", "w", [{"rows": []}, {"rows": [label_row(good, 0, "1", datetime.now(UTC))]}]
    )
    reports = [ingest(project.stores, project.spec, stream) for stream in ("predictions", "labels")]
    assert [(5, 1), (1, 1)] == [(report.rejected, report.rows) for report in reports]
    assert len(table_rows(project, "rejects")) == 6
