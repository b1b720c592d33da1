"""A project that a user's name is all over, copies of it, and what must be left once they are erased."""

import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from modelops_pipelines.core.tables.lake import FEEDBACK, INFERENCE_LOG, LABELS, REJECTS
from modelops_pipelines.core.tables.training import frozen_table
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.governance.erasure import Erased, erase_user
from modelops_pipelines.operations.metrics.quality import measure_quality
from modelops_pipelines.operations.metrics.service import measure_service
from modelops_pipelines.store.state.improve.training_sets import TrainingSet
from modelops_pipelines.store.stores import Stores
from tests.fakes.records import START, VERSION, feedback_row, label_row, request_record, write_segment
from tests.support.project import Project, copied_project, make_project

CORE = "zorro77"
USER = f'{CORE}-O\'Brien "ä\\" 名 % _ ; DROP TABLE--'
AS_HEADER = USER.encode().decode("latin-1")
OTHERS = ["anna", "o'hara", f"{CORE[:-1]}8", None]
STREAMS = ("predictions", "labels", "feedback")
DAYS = 3
FROZEN = "f" * 64
EXPECTED_ROWS = {
    "explanations": 0,
    "feedback": 5,
    "inference_log": 8,
    "keyed_labels": 0,
    "labels": 4,
    "rejects": 1,
    "shadow_log": 0,
}


@dataclass
class World:
    """What everybody did; the user's rows are every third request's."""

    records: list[dict[str, Any]]
    mine: list[dict[str, Any]]

    @property
    def others(self) -> list[dict[str, Any]]:
        return [record for record in self.records if record not in self.mine]


def write_world(stores: Stores) -> World:
    """Write and ingest segments of two workers over three days, of which the second is the user's alone."""
    stores.deployments.record_version(VERSION)
    users = [USER, "anna", AS_HEADER, "o'hara", USER, None, USER, OTHERS[2]]
    days = [0, 0, 0, 0, 1, 2, 2, 2]
    records = [
        request_record("cancer", n, START + timedelta(days=day, minutes=n), 2, user=user)
        for n, (day, user) in enumerate(zip(days, users, strict=True))
    ]
    world = World(records, [record for record in records if record["user"] in (USER, AS_HEADER)])
    for number, record in enumerate(records):
        write_segment(stores, "cancer", "predictions", f"w{number % 2}", [record])
    damage_last_line(stores, f'{{"user":{orjson.dumps(USER).decode()},"damaged'.encode())
    labels = [{"rows": [label_row(record, 0, "1", START)]} for record in records]
    write_segment(stores, "cancer", "labels", "w0", labels)
    write_segment(stores, "cancer", "feedback", "w0", [{"rows": [feedback_row(r, 0, 1, "down")]} for r in records])
    said = feedback_row(world.others[0], 1, 5, "up") | {"user_id": USER, "feedback_id": "mine on another's"}
    write_segment(stores, "cancer", "feedback", "w0", [{"rows": [said]}])
    return world


def damage_last_line(stores: Stores, raw: bytes) -> None:
    folder = stores.settings.spool / "cancer/predictions"
    folder.joinpath("w1/000000000004.jsonl").open("ab").write(raw + b"\nanother damaged line\n")


def ingest_all(stores: Stores, spec: Any) -> None:
    for stream in STREAMS:
        ingest(stores, spec, stream)


def make_world(folder: Path) -> tuple[Project, World]:
    """Make a project with everything ingested and derived, to be copied by each test."""
    project = make_project(folder)
    stores = project.stores
    world = write_world(stores)
    shutil.copytree(stores.settings.spool, project.folder / "old spool")
    ingest_all(stores, project.spec)
    ids = [f"{record['id']}-0" for record in (world.mine[0], world.mine[1], world.others[0])]
    rows = pa.table({"row_id": ids, "event_time": [START] * 3, "x": [1.0] * 3, "position": [0, 1, 2]})
    stores.writer.write_whole("cancer", frozen_table(FROZEN), rows)
    stores.training_sets.record(TrainingSet("cancer", FROZEN, None, 3, 3, None, START))
    for derive in (measure_service, measure_quality):
        derive(stores, project.spec)
    leave_a_commit_that_failed(stores)
    reports = stores.settings.reports / "cancer"
    reports.mkdir()
    for name in ("drift-2026-03-01T22.html", "drift-2026-02-01T22.html"):
        (reports / name).write_text("a report")
    return project, world


def leave_a_commit_that_failed(stores: Stores) -> None:
    """Leave what an ingest leaves that is killed before its commit: a data file and a log entry that no one reads."""
    root = stores.lake.path("cancer", INFERENCE_LOG.name)
    pq.write_table(pa.table({"user_id": [USER]}), root / "date=2026-03-01/part-00000-left.parquet")
    (root / "_delta_log/_commit_0a.json.tmp").write_text(USER)


def copy_of(whole: tuple[Project, World], folder: Path) -> tuple[Project, World]:
    project, world = whole
    return copied_project(project, folder / "project"), world


def erase(project: Project, user: str = USER) -> Erased:
    (found,) = erase_user(project.stores, user, [project.spec], "test", patience=5)
    return found


def rows(project: Project, table: Any) -> list[dict[str, Any]]:
    with project.stores.lake.query("cancer", [table]) as connected:
        found: list[dict[str, Any]] = connected.table(table.name).to_arrow_table().to_pylist()
    return found


def hits(folder: Path, needle: str = CORE) -> list[str]:
    """Return the files below the folder that hold the text, in their bytes or in what Parquet packs into them."""
    return [str(path) for path in sorted(folder.rglob("*")) if path.is_file() and holds(path, needle)]


def holds(path: Path, needle: str) -> bool:
    if needle.encode() in path.read_bytes():
        return True
    if path.suffix != ".parquet":
        return False
    groups = pq.ParquetFile(path).metadata
    said = [pq.read_table(path).to_pylist(), groups.to_dict(), pq.read_schema(path).metadata]
    return needle in repr(said)


def assert_erased(project: Project, world: World, extra: Sequence[dict[str, Any]] = ()) -> None:
    assert [] == hits(project.stores.settings.home)
    others = [*world.others, *extra]
    expected = sorted(f"{record['id']}-{row}" for record in others for row in range(2))
    log = rows(project, INFERENCE_LOG)
    assert expected == sorted(row["prediction_id"] for row in log)
    assert Counter(record["user"] for record in others for _ in range(2)) == Counter(row["user_id"] for row in log)
    firsts = sorted(f"{record['id']}-0" for record in world.others)
    assert firsts == sorted(row["prediction_id"] for row in rows(project, LABELS))
    assert firsts == sorted(row["prediction_id"] for row in rows(project, FEEDBACK))
    assert {"another damaged line\n"} <= {row["raw"] for row in rows(project, REJECTS)}
