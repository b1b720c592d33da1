"""A person is erased while gateways write, ingests append and another engine changes the tables."""

import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable, write_deltalake

from modelops_pipelines.core.errors import BusyError
from modelops_pipelines.core.tables.lake import FEEDBACK, INFERENCE_LOG, LABELS
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.governance.erasure import erase_user
from modelops_pipelines.operations.release import commands as releases
from modelops_pipelines.store.lake import eraser as lake_eraser
from modelops_pipelines.store.lake.eraser import LakeEraser
from modelops_pipelines.store.spool.segments import SegmentWriter, encode
from modelops_pipelines.store.spool.waiting import pending_segments
from modelops_pipelines.store.state.capture.erasures import Erasures
from modelops_pipelines.store.stores import Stores
from tests.fakes.records import START, feedback_row, label_row, request_record, write_segment
from tests.support.gateway import running_gateway
from tests.support.project import Project, cancer_frame, make_project, rows_of, train_first
from tests.worlds.erasing import CORE, DAYS, OTHERS, USER, World, assert_erased, erase, hits, rows


def test_rows_in_a_live_gateway_s_open_segment_are_waited_for(copied: tuple[Project, World]) -> None:
    project, world = copied
    writer = SegmentWriter(project.stores.settings.spool, "cancer", "predictions", "live")
    record = request_record("cancer", 50, START, 2, user=USER)
    writer.append(encode(record), 0.0)
    sealing = threading.Timer(1.0, writer.seal)
    sealing.start()
    assert 10 == erase(project).rows["inference_log"]
    sealing.join()
    assert_erased(project, world)


def test_a_live_gateway_that_does_not_seal_is_named_and_the_erasure_goes_on_later(
    copied: tuple[Project, World],
) -> None:
    project, world = copied
    writer = SegmentWriter(project.stores.settings.spool, "cancer", "labels", "host-live")
    writer.append(encode({"rows": [label_row(world.others[0], 0, "1", START)]}), 0.0)
    with pytest.raises(BusyError, match="host-live has not sealed"):
        erase_user(project.stores, USER, [project.spec], "test", patience=0.3)
    (unfinished,) = Erasures(project.stores.database).of("cancer")
    assert unfinished.finished_at is None
    del writer  # its process ends: the segment is nobody's
    erase(project)
    (finished,) = Erasures(project.stores.database).of("cancer")
    assert (finished.id, True) == (unfinished.id, finished.finished_at is not None)
    assert_erased(project, world)


def test_what_a_running_gateway_has_just_captured_is_erased_however_the_id_came(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", MODELOPS_SEAL_AFTER_SECONDS="2")
    version = train_first(project).version
    releases.deploy(project.stores, project.spec, version, actor="test", reason="first")
    row, user = rows_of(cancer_frame())[:1], f'{CORE} "é" 名'
    with running_gateway(project) as gateway:
        for header in (user.encode(), b"anna"):
            said = gateway.client.post(
                "/endpoints/cancer/invocations", json={"dataframe_records": row}, headers={b"x-user-id": header}
            ).json()
            about = {"prediction_id": f"{said['request_id']}-0", "rating": 1, "user_id": user, "comment": "no"}
            assert 202 == gateway.client.post("/endpoints/cancer/feedback", json=about).status_code
        (erased,) = erase_user(project.stores, user, [project.spec], "test")
    assert {
        "explanations": 0,
        "feedback": 2,
        "inference_log": 1,
        "keyed_labels": 0,
        "labels": 0,
        "rejects": 0,
        "shadow_log": 0,
    } == erased.rows
    assert [] == [path for part in ("lake", "spool", "reports") for path in hits(project.stores.settings.home / part)]
    assert ["anna"] == [row["user_id"] for row in rows(project, INFERENCE_LOG)]


def test_a_segment_sealed_for_another_user_s_rows_is_ingested_by_the_way(copied: tuple[Project, World]) -> None:
    project, world = copied
    late = request_record("cancer", 98, START, 2, user="anna")
    write_segment(project.stores, "cancer", "predictions", "w1", [late], number=9)
    erase(project)
    assert [] == pending_segments(project.stores.settings.spool, "cancer")
    assert_erased(project, world, [late])


def test_appends_go_on_while_rows_are_erased_and_nothing_of_them_is_lost(copied: tuple[Project, World]) -> None:
    project, world = copied
    ending = threading.Event()
    appended: list[dict[str, Any]] = []
    threads = [threading.Thread(target=keep_appending, args=(project, n, ending, appended)) for n in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        erase(project)
    ending.set()
    for thread in threads:
        thread.join()
    assert len(appended) > len(threads)
    assert_erased(project, world, appended)


def keep_appending(project: Project, number: int, ending: threading.Event, appended: list[dict[str, Any]]) -> None:
    """Ingest new rows of the erased days, as fast as it goes, by stores of its own."""
    stores = Stores(project.stores.settings)
    for count in range(1000):
        if ending.is_set():
            return
        at = START + timedelta(days=count % DAYS, minutes=30)
        record = request_record("cancer", 1000 * (number + 1) + count, at, 2, user=OTHERS[count % 4])
        write_segment(stores, "cancer", "predictions", f"appender{number}", [record], number=count + 1)
        ingest(stores, project.spec, "predictions")
        appended.append(record)


def test_an_append_waits_for_an_erasure_and_the_erasure_for_appends(copied: tuple[Project, World]) -> None:
    project, _ = copied
    eraser = LakeEraser(project.stores.settings.lake)
    ended: list[tuple[str, float]] = []

    def append() -> None:
        other = LakeEraser(project.stores.settings.lake)
        other.append_once("cancer", LABELS, pa.table({}), "late", 1)
        ended.append(("append", time.monotonic()))

    with eraser._exclusive("cancer", LABELS.name):
        thread = threading.Thread(target=append)
        thread.start()
        time.sleep(0.3)
        ended.append(("erasure", time.monotonic()))
    thread.join()
    assert ["erasure", "append"] == [name for name, _ in ended]


def test_a_day_that_another_engine_changes_meanwhile_is_written_anew(
    copied: tuple[Project, World], monkeypatch: pytest.MonkeyPatch
) -> None:
    project, world = copied
    real, raced = lake_eraser.write_deltalake, []

    def racing(delta: DeltaTable, kept: Any, **options: Any) -> None:
        if not raced:
            raced.append(True)
            other = DeltaTable(delta.table_uri)
            real(other, other.to_pyarrow_table().slice(0, 1), mode="append")
        real(delta, kept, **options)

    monkeypatch.setattr(lake_eraser, "write_deltalake", racing)
    eraser = LakeEraser(project.stores.settings.lake)
    deleted = eraser.delete("cancer", LABELS.name, pc.field("prediction_id") == f"{world.others[0]['id']}-0")
    assert (deleted, raced) in [(1, [True]), (2, [True])]
    assert f"{world.others[0]['id']}-0" not in {row["prediction_id"] for row in rows(project, LABELS)}


def test_what_is_said_later_of_an_erased_prediction_is_not_stored(copied: tuple[Project, World]) -> None:
    project, world = copied
    erase(project)
    said = [label_row(one, 1, "0", START) for one in (world.mine[0], world.others[0])]
    write_segment(project.stores, "cancer", "labels", "w7", [{"rows": said}])
    told = [feedback_row(one, 1, 2, "up") for one in (world.mine[0], world.others[0])]
    write_segment(project.stores, "cancer", "feedback", "w7", [{"rows": told}])
    for stream in ("labels", "feedback"):
        done = ingest(project.stores, project.spec, stream)
        assert (1, 1) == (done.rows, done.repeated)
    assert [] == _about(project, world.mine)
    assert 0 == sum(erase(project).rows.values())


def test_what_was_said_in_another_way_of_an_erased_prediction_goes_with_the_next_erasure(
    copied: tuple[Project, World],
) -> None:
    project, world = copied
    erase(project)
    late = label_row(world.mine[0], 0, "0", START)
    table = project.stores.lake.table("cancer", LABELS.name)
    assert table is not None
    row = {**table.to_pyarrow_table().slice(0, 1).to_pylist()[0], "prediction_id": late["prediction_id"]}
    write_deltalake(table, pa.Table.from_pylist([row], schema=table.to_pyarrow_table().schema), mode="append")
    assert 1 == len(_about(project, world.mine))
    assert 1 == erase(project).rows["labels"]
    assert [] == _about(project, world.mine)


def test_a_person_who_is_erased_under_her_own_traffic_leaves_no_label_and_the_next_erasure_finds_the_rest(
    copied: tuple[Project, World],
) -> None:
    project, _ = copied
    ending = threading.Event()
    threads = [threading.Thread(target=keep_asking, args=(project, n, ending)) for n in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        erase(project)
        assert [] == _orphans(project)
    ending.set()
    for thread in threads:
        thread.join()
    erase(project)
    assert [] == _orphans(project)
    assert not [row for row in rows(project, INFERENCE_LOG) if CORE in (row["user_id"] or "")]
    assert 0 == sum(erase(project).rows.values())


def keep_asking(project: Project, number: int, ending: threading.Event) -> None:
    """Ask as the user, say at once what was true of this and of the request before, and ingest, as fast as it goes."""
    stores = Stores(project.stores.settings)
    before: list[dict[str, Any]] = []
    for count in range(1000):
        if ending.is_set():
            return
        at = START + timedelta(days=count % DAYS, minutes=40)
        record = request_record("cancer", 5000 * (number + 1) + count, at, 2, user=USER)
        write_segment(stores, "cancer", "predictions", f"asker{number}", [record], number=count + 1)
        ingest(stores, project.spec, "predictions")
        said = [label_row(one, row, "1", at) for row, one in enumerate([record, *before])]
        write_segment(stores, "cancer", "labels", f"asker{number}", [{"rows": said}], number=count + 1)
        ingest(stores, project.spec, "labels")
        before = [record]


def _about(project: Project, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the labels and feedback about these requests."""
    ids = {record["id"] for record in records}
    return [row for table in (LABELS, FEEDBACK) for row in rows(project, table) if row["prediction_id"][:-2] in ids]


def _orphans(project: Project) -> list[str]:
    """Return the predictions that have a label, and no row in the log: read first, for rows go before their labels."""
    labelled = {row["prediction_id"] for row in rows(project, LABELS)}
    return sorted(labelled - {row["prediction_id"] for row in rows(project, INFERENCE_LOG)})
