"""Suites and shadows in Dagster: the job with its table of failures, the asset, the sensor that asks for it."""

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg
import pytest
from dagster import DagsterRunStatus

from modelops_pipelines.core.timestamps import to_micros
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.release.commands import deploy, end_shadow
from modelops_pipelines.operations.release.trials.shadow import start_shadow
from modelops_pipelines.sensors.common import ENDPOINT_TAG
from tests.fakes.records import START, request_record, write_segment
from tests.support.project import cancer_frame, train_first
from tests.worlds.dagster_project import World, failure_of, world

HEADER = "case,mean_radius,mean_texture,mean_smoothness,mean_concavity,expected\n"
FEATURES = {"mean_radius": 11.0, "mean_texture": 15.0, "mean_smoothness": 0.09, "mean_concavity": 0.02}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("versions")) as made:
        frame = cancer_frame()
        for rows in (569, 300):
            train_first(made.project, frame.head(rows))
        deploy(made.project.stores, made.project.spec, "1", actor="ann", reason="first")
        yield made


def log(made: World, number: int, rows: int) -> None:
    record = request_record("cancer", number, START, rows, f={name: [v] * rows for name, v in FEATURES.items()})
    record["at"] = to_micros(datetime.now(UTC))
    write_segment(made.project.stores, "cancer", "predictions", f"w{number}", [record])
    ingest(made.project.stores, made.project.spec, "predictions")


def test_the_job_fails_with_a_table_of_the_failed_cases(made: World) -> None:
    path = made.project.stores.settings.suites / "cancer" / "core.csv"
    path.parent.mkdir(parents=True)
    path.write_text(HEADER + "small,11,15,0.09,0.02,1\nwrong,11,15,0.09,0.02,0\n")
    run = made.run("test_model", version="1")
    assert not run.success
    assert "Version 1 failed 1 of 2 cases" == failure_of(run)
    [failed] = run.filter_events(lambda event: event.is_step_failure)
    metadata = failed.step_failure_data.user_failure_data.metadata
    assert isinstance(metadata["failures"], dg.TableMetadataValue)
    assert [("core", "wrong", "0")] == [
        (one.data["suite"], one.data["case"], one.data["expected"]) for one in metadata["failures"].records
    ]
    path.write_text(HEADER + "small,11,15,0.09,0.02,1\n")
    assert made.run("test_model", version="1", suite="core").success
    assert "There is no suite" in failure_of(made.run("test_model", version="1", suite="gone"))


def test_a_shadow_is_compared_as_an_asset_when_the_sensor_asks(made: World) -> None:
    stores, spec = made.project.stores, made.project.spec
    assert "0 of 1 endpoints have a shadow" == made.tick("shadows").skip_message
    start_shadow(stores, spec, "2", actor="ann", reason="curious")
    log(made, 1, 4)
    said = made.tick("shadows")
    [request] = said.run_requests
    assert [dg.AssetKey(["cancer", "shadow_log"])] == list(request.asset_selection)
    assert ENDPOINT_TAG not in request.tags  # the queue allows one run of that tag
    again = made.tick("shadows", said.cursor)
    assert "1 shadow(s), each without new rows or run in the last 60 s" == again.skip_message
    run = made.materialise(["shadow_log"], by_hand=True)
    [event] = run.get_asset_materialization_events()
    metadata = event.materialization.metadata
    assert (True, 4, 4, 0) == (
        run.success,
        metadata["dagster/row_count"].value,
        metadata["run_compared"].value,
        metadata["run_left_out"].value,
    )
    end_shadow(stores, spec, actor="ann", reason="seen enough")
    [event] = made.materialise(["shadow_log"], by_hand=True).get_asset_materialization_events()
    assert "the endpoint has no shadow" == event.materialization.metadata["shadow"].value


def test_one_shadow_is_compared_at_a_time_and_monitoring_does_not_wait(made: World) -> None:
    stores, spec = made.project.stores, made.project.spec
    start_shadow(stores, spec, "2", actor="ann", reason="again")
    [request] = made.tick("shadows").run_requests
    job = made.definitions.resolve_implicit_global_asset_job_def()
    run = made.instance.create_run_for_job(job, tags=request.tags, status=DagsterRunStatus.STARTED)
    assert "1 shadow(s); a shadow run is in progress" == made.tick("shadows").skip_message
    record = request_record("cancer", 9, START, 1, f={name: [v] for name, v in FEATURES.items()})
    write_segment(stores, "cancer", "predictions", "w9", [record])
    assert made.tick("new_data").run_requests
    made.instance.report_run_canceled(run)
    end_shadow(stores, spec, actor="ann", reason="seen enough")
