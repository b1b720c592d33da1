"""What was marked by the hour is computed by the day when the endpoint's window has been changed meanwhile."""

from dataclasses import replace
from pathlib import Path

from modelops_pipelines.core.windows import window_of
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.drift.profiles import profile_windows
from tests.fakes.records import START, VERSION, request_record, write_segment
from tests.support.project import make_project


def test_marks_of_hours_are_days_for_an_endpoint_of_days(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.stores.deployments.record_version(VERSION)
    write_segment(project.stores, "cancer", "predictions", "w", [request_record("cancer", 1, START, 600)])
    ingest(project.stores, project.spec, "predictions")
    assert (window_of(START, "hour"),) == project.stores.touched_windows.pending("cancer", "profiles").windows
    done = profile_windows(project.stores, replace(project.spec, window="day"))
    assert (window_of(START, "day"),) == done.windows
    assert () == project.stores.touched_windows.pending("cancer", "profiles").windows
    project.stores.database.close()
