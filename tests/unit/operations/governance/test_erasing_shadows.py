"""What a shadow said of an erased person's rows is erased with them, and of nobody else's."""

from pathlib import Path

import pyarrow as pa

from modelops_pipelines.core.tables.lake import SHADOW_LOG, typed_for
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.governance.erasure import erase_user
from modelops_pipelines.store.lake.arrow_schemas import arrow_schema
from tests.fakes.records import START, VERSION, request_record, write_segment
from tests.support.project import make_project


def test_a_shadow_s_answers_to_an_erased_user_go_and_those_to_others_stay(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    stores, table = project.stores, typed_for(SHADOW_LOG, project.spec.task)
    stores.deployments.record_version(VERSION)
    records = [request_record("cancer", n, START, 1, user=user) for n, user in enumerate(("ann", "bob", "ann"))]
    write_segment(stores, "cancer", "predictions", "w", records)
    ingest(stores, project.spec, "predictions")
    said = [
        {
            "prediction_id": f"{record['id']}-0",
            "event_time": START,
            "model_version": "2",
            "live_version": "1",
            "prediction": "1",
            "date": START.date(),
        }
        for record in records
    ]
    stores.writer.append_once("cancer", table, pa.Table.from_pylist(said, schema=arrow_schema(table)), "shadow 2", 1)
    [erased] = erase_user(stores, "ann", [project.spec], "test")
    assert (2, 2) == (erased.rows["shadow_log"], erased.rows["inference_log"])
    with stores.lake.query("cancer", [table]) as connected:
        left = connected.execute("SELECT prediction_id FROM shadow_log").fetchall()
    assert [(f"{records[1]['id']}-0",)] == left
    stores.database.close()
