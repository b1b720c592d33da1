"""Labels from sources as Dagster reads them: with the monitoring, every hour without a person, and nothing without one."""

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from modelops_pipelines.core.ids import ENTROPY_BYTES, new_request_id
from tests.fakes.records import START, VERSION, request_record, write_segment
from tests.support.project import CANCER_YAML
from tests.worlds.dagster_project import World, checks_of, shown_of, world

PLAIN = CANCER_YAML.replace("name: cancer", "name: plain")
WITH_SOURCE = f"""{CANCER_YAML}\
  label_sources:
    - {{name: lab, kind: files, path: "outcomes/*.csv", prediction_id: id, labelled_at: known}}
"""


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with world(tmp_path, PLAIN, yaml=WITH_SOURCE) as found:
        monkeypatch.chdir(found.project.folder)
        found.project.stores.deployments.record_version(VERSION)
        yield found


def test_the_asset_reads_what_is_there_and_its_check_says_what_matches_nothing(made: World) -> None:
    stores = made.project.stores
    request = new_request_id("cancer", START, 1, bytes(ENTROPY_BYTES), stores.database.secret())
    write_segment(stores, "cancer", "predictions", "w", [request_record("cancer", 1, START, 1, id=request.text)])
    path = made.project.folder / "outcomes" / "a.csv"
    path.parent.mkdir()
    path.write_text(f"id,label,known\n{request.text}-0,1,2026-03-02\nnobody,1,2026-03-02\n")
    os.utime(path, (time.time() - 60,) * 2)
    run = made.materialise()
    assert run.success
    shown = {name: value.value for name, value in shown_of(run, "imported_labels").metadata.items()}
    assert (1, 2, 1, 1) == tuple(shown[n] for n in ("sources_read", "rows_read", "labels_added", "rows_refused"))
    assert "the endpoint never made a prediction with this id" in shown["unmatched_by_reason"]
    check = checks_of(run)["labels_match"]
    assert (False, dg.AssetCheckSeverity.WARN) == (check.passed, check.severity)
    assert "1 label(s) matched, 0 waiting; 1 row(s) refused" in str(check.description)
    assert 1 == stores.ingest_progress.of("cancer").labels


def test_sources_are_read_every_hour_without_new_data_and_no_endpoint_without_sources_is(made: World) -> None:
    schedule = made.definitions.resolve_schedule_def("cadence")
    with dg.build_schedule_context(
        instance=made.instance,
        scheduled_execution_time=datetime(2026, 3, 2, 10, 7, tzinfo=UTC),
        resources=made.definitions.resources,
    ) as context:
        (request,) = schedule.evaluate_tick(context).run_requests
    assert {"cancer"} == {key.path[0] for key in request.asset_selection}
    assert dg.AssetKey(["cancer", "imported_labels"]) in request.asset_selection


def test_an_endpoint_without_sources_has_no_such_asset(made: World) -> None:
    keys = made.definitions.resolve_asset_graph().get_all_asset_keys()
    assert dg.AssetKey(["cancer", "imported_labels"]) in keys
    assert dg.AssetKey(["plain", "imported_labels"]) not in keys
