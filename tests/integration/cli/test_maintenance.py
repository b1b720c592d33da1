"""modelops maintain and modelops deletions: what they say, and that a job of Dagster does and shows the same."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from modelops_pipelines.jobs.maintenance import maintenance_job
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.resources.project import ProjectResource
from tests.fakes.records import VERSION, request_record, write_segment
from tests.support.command_line import modelops, refused
from tests.support.project import Project, make_project

SINCE = datetime(2020, 3, 1, 12, tzinfo=UTC)
INGESTS = 5


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """Have some old days in the log, and a day of a few weeks ago in some files."""
    made = make_project(tmp_path / "project")
    made.stores.deployments.record_version(VERSION)
    recent = (datetime.now(UTC) - timedelta(days=20)).replace(hour=12)
    for number in range(INGESTS):
        at = (recent + timedelta(seconds=number), SINCE + number * timedelta(days=1))
        records = [request_record("cancer", 10 * number + n, moment, 2) for n, moment in enumerate(at)]
        write_segment(made.stores, "cancer", "predictions", "w", records, number + 1)
        ingest(made.stores, made.spec, "predictions")
    yield made
    made.stores.database.close()


def test_a_dry_run_shows_what_a_run_does_then_and_the_audit_has_it(project: Project) -> None:
    would = modelops(project, "maintain", "--dry-run", "--only", "retention", "--json").json
    assert 2 * 2 * INGESTS == project.stores.lake.rows("cancer", "inference_log")
    items = [f"inference_log date=2020-03-0{day}" for day in range(1, INGESTS + 1)]
    assert [("retention", None, items)] == [
        (one["task"], one["error"], [effect["item"] for effect in one["effects"]]) for one in would
    ]
    done = modelops(project, "maintain")
    assert ["task", "action", "kind", "endpoint", "item", "items", "bytes", "reason"] == done.out.split()[:8]
    assert INGESTS == done.out.count("older than 400d")
    assert f"{done.out.count(chr(10)) - 1} change(s) done, " in done.err
    listed = modelops(project, "deletions", "--endpoint", "cancer", "--kind", "lake rows", "--json").json
    assert items == [one["item"] for one in reversed(listed)]
    assert [2] * INGESTS == [one["items"] for one in listed]
    assert "older than 400d" in modelops(project, "deletions", "--limit", "1").out
    assert "Maintenance has deleted nothing." in modelops(project, "deletions", "--kind", "log files").err
    refused(modelops(project, "maintain", "--only", "vacum"), "no maintenance task 'vacum'")


def test_the_job_shows_the_tasks_and_what_they_changed(project: Project) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        resource = ProjectResource(folder=str(project.folder))
        with pytest.MonkeyPatch.context() as patched:
            for name, value in project.environment.items():
                patched.setenv(name, value)
            done = maintenance_job.execute_in_process(
                run_config={"ops": {"maintain": {"config": {"only": ["retention", "compaction"]}}}},
                resources={"modelops_project": resource},
                instance=instance,
            )
    [event] = [one for one in done.all_events if one.event_type_value == "STEP_OUTPUT"]
    told = event.event_specific_data.metadata
    assert INGESTS == told["changes_total"].value
    assert ["retention", "compaction"] == [record.data["task"] for record in told["tasks"].records]
    assert {"older than 400d"} == {record.data["reason"] for record in told["changes"].records}
    assert told["bytes_deleted"].value > 0
    assert 2 * INGESTS == project.stores.lake.rows("cancer", "inference_log")
