"""An erasure takes labels with a key along: those of the user's requests and predictions, and those that name the user."""

from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

from modelops_pipelines.core.capture.keyed_labels import EntityKey, RequestKey, keyed_row
from modelops_pipelines.core.capture.spool_records import Origin
from modelops_pipelines.core.tables.keyed_labels import KEYED_LABELS
from modelops_pipelines.core.tables.lake import LABELS, typed_for
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.capture.keyed_rows import append_keyed
from modelops_pipelines.operations.governance.erasure import erase_user
from modelops_pipelines.operations.improve.labels.match_keyed import match_keyed
from tests.fakes.records import START, VERSION, request_record, write_segment
from tests.support.imported_labels import NOW, UNTIL, label_now
from tests.support.project import Project, make_project

DAY = timedelta(days=1)
MINE = 'zorro "77" ä'


def test_labels_with_a_key_of_an_erased_user_are_gone_and_others_stay(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    project.stores.deployments.record_version(VERSION)
    mine = request_record("cancer", 1, START, 2, client="call 1", user=MINE, session="s 1")
    other = request_record("cancer", 2, START, 2, client="call 2", user="anna")
    write_segment(project.stores, "cancer", "predictions", "w1", [mine, other])
    keys = [
        RequestKey("call 1"),  # matches
        RequestKey("call 1", 7),  # has no such row
        RequestKey("call 2"),
        RequestKey("call 3"),
        EntityKey({"user_id": MINE}, START + DAY, DAY),
        EntityKey({"user_id": MINE}, START - 9 * DAY, DAY),  # before any prediction
        EntityKey({"session_id": "s 1"}, START - 9 * DAY, DAY),
        EntityKey({"session_id": "s 2"}, START - 9 * DAY, DAY),
        EntityKey({"user_id": "anna"}, START + DAY, DAY),
    ]
    append_keyed(project.stores, project.spec, [keyed_row(key, "1", START, NOW, UNTIL) for key in keys])
    ingest(project.stores, project.spec, "predictions")
    match_keyed(project.stores, project.spec)
    assert {f"{one['id']}-{row}" for one, row in ((mine, 0), (mine, 1), (other, 0), (other, 1))} == set(
        label_now(project)
    )
    (erased,) = erase_user(project.stores, MINE, [project.spec], "test", patience=5)
    assert (5, 2, 2) == tuple(erased.rows[name] for name in ("keyed_labels", "labels", "inference_log"))
    with project.stores.lake.query("cancer", [KEYED_LABELS]) as connected:
        left = connected.execute("SELECT client_request_id, entity FROM keyed_labels ORDER BY ALL").fetchall()
    kept = ['{"session_id": "s 2"}', '{"user_id": "anna"}']
    assert [("call 2", None), ("call 3", None), *((None, entity) for entity in kept)] == left
    match_keyed(project.stores, project.spec)
    assert {f"{other['id']}-0", f"{other['id']}-1"} == set(label_now(project))
    home = project.stores.settings.home
    files = [path for path in home.rglob("*") if path.is_file()]
    assert [] == [path for path in files if b"zorro" in path.read_bytes()]


def test_labels_that_an_erased_user_gave_to_predictions_of_others_stay_without_the_name(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    stores, spec = project.stores, project.spec
    stores.deployments.record_version(VERSION)
    records = [
        request_record("cancer", number, START + number * DAY, 2, client=f"call {number}", user="anna")
        for number in (1, 2)
    ]
    write_segment(stores, "cancer", "predictions", "w1", records)
    given = [
        (Origin("lab", MINE), "call 1", 0),
        (Origin("lab", "anna"), "call 1", 1),
        (Origin("lab", MINE), "call 2", 0),
    ]
    rows = [keyed_row(RequestKey(call, row), "1", START, NOW, UNTIL, origin) for origin, call, row in given]
    waiting = keyed_row(RequestKey("call 9"), "1", START, NOW, UNTIL, Origin("lab", MINE))
    append_keyed(stores, spec, [*rows, waiting])
    ingest(stores, spec, "predictions")
    match_keyed(stores, spec)
    before = labels(project)
    assert {MINE: 2, "anna": 1} == Counter(one["author"] for one in before)

    for _ in range(2):  # again: nothing changes
        erase_user(stores, MINE, [spec], "test", patience=5)
        assert [{**one, "author": None if one["author"] == MINE else one["author"]} for one in before] == labels(
            project
        )
    with stores.lake.query("cancer", [KEYED_LABELS]) as connected:
        assert [(None, 3), ("anna", 1)] == connected.execute(
            "SELECT author, count(*) FROM keyed_labels GROUP BY author ORDER BY author NULLS FIRST"
        ).fetchall()
    files = [path for path in stores.settings.home.rglob("*") if path.is_file()]
    assert [] == [path for path in files if b"zorro" in path.read_bytes()]


def labels(project: Project) -> list[dict[str, Any]]:
    """Return the rows of the labels, in the order of their ids."""
    with project.stores.lake.query("cancer", [typed_for(LABELS, project.spec.task)]) as connected:
        rows: list[dict[str, Any]] = connected.sql("FROM labels ORDER BY label_id").to_arrow_table().to_pylist()
    return rows
