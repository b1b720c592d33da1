"""A person is erased: no byte of the home names them, everybody else's rows stay, whoever dies and whenever."""

import contextlib
import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from modelops_pipelines.core.errors import BusyError, InputError, SchemaError
from modelops_pipelines.core.tables import (
    DAILY_PROFILES,
    FEEDBACK,
    INFERENCE_LOG,
    LABELS,
    QUALITY_METRICS,
    REJECTS,
    SERVICE_METRICS,
)
from modelops_pipelines.operations import erasing, releases
from modelops_pipelines.operations.erasing import ERASED, MARK, Erased, erase_user
from modelops_pipelines.operations.ingest import CONSUMERS, ingest
from modelops_pipelines.operations.measure import measure_quality
from modelops_pipelines.operations.profiling import profile_windows
from modelops_pipelines.operations.recompute import Range
from modelops_pipelines.operations.references import make_reference
from modelops_pipelines.operations.service_metrics import measure_service
from modelops_pipelines.operations.training_sets import frozen_table, read_training_set
from modelops_pipelines.store import lake_eraser, spool
from modelops_pipelines.store.erasures import Erasures, subject_of
from modelops_pipelines.store.journal import Journal, TrainingSet
from modelops_pipelines.store.lake_eraser import LakeEraser
from modelops_pipelines.store.settings import load_settings
from modelops_pipelines.store.spool import SegmentWriter, encode
from modelops_pipelines.store.stores import Stores
from tests.operations.events import START, VERSION, feedback_row, label_row, request_record, write_segment
from tests.support import Project, cancer_frame, make_project, rows_of, running_gateway, train_first

CORE = "zorro77"
USER = f'{CORE}-O\'Brien "ä\\" 名 % _ ; DROP TABLE--'
AS_HEADER = USER.encode().decode("latin-1")
OTHERS = ["anna", "o'hara", f"{CORE[:-1]}8", None]
STREAMS = ("predictions", "labels", "feedback")
DAYS = 3
FROZEN = "f" * 64


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


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, World]:
    """Return a project with everything ingested and derived, to be copied by each test."""
    project = make_project(tmp_path_factory.mktemp("whole") / "project")
    stores = project.stores
    world = write_world(stores)
    shutil.copytree(stores.settings.spool, project.folder / "old spool")
    ingest_all(stores, project.spec)
    ids = [f"{record['id']}-0" for record in (world.mine[0], world.mine[1], world.others[0])]
    rows = pa.table({"row_id": ids, "event_time": [START] * 3, "x": [1.0] * 3, "position": [0, 1, 2]})
    stores.writer.write_whole("cancer", frozen_table(FROZEN), rows)
    stores.journal.record_training_set(TrainingSet("cancer", FROZEN, None, 3, 3, None, START))
    for derive in (measure_service, measure_quality):
        derive(stores, project.spec)
    leave_a_commit_that_failed(stores)
    reports = stores.settings.reports / "cancer"
    reports.mkdir()
    for name in ("drift-2026-03-01T22.html", "drift-2026-02-01T22.html"):
        (reports / name).write_text("a report")
    stores.database.close()
    return project, world


def leave_a_commit_that_failed(stores: Stores) -> None:
    """Leave what an ingest leaves that is killed before its commit: a data file and a log entry that no one reads."""
    root = stores.lake.path("cancer", INFERENCE_LOG.name)
    pq.write_table(pa.table({"user_id": [USER]}), root / "date=2026-03-01/part-00000-left.parquet")
    (root / "_delta_log/_commit_0a.json.tmp").write_text(USER)


@pytest.fixture
def copied(whole: tuple[Project, World], tmp_path: Path) -> tuple[Project, World]:
    return copy_of(whole, tmp_path)


def copy_of(whole: tuple[Project, World], folder: Path) -> tuple[Project, World]:
    project, world = whole
    shutil.copytree(project.folder, folder / "project")
    environment = {
        name: value.replace(str(project.folder), str(folder / "project")) for name, value in project.environment.items()
    }
    stores = Stores(load_settings(folder / "project", environment))
    return replace(project, folder=folder / "project", environment=environment, stores=stores), world


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


EXPECTED_ROWS = {"feedback": 5, "inference_log": 8, "labels": 4, "rejects": 1, "shadow_log": 0}


def test_the_fixture_holds_the_user_in_every_place_that_is_erased(copied: tuple[Project, World]) -> None:
    project, _ = copied
    found = " ".join(hits(project.stores.settings.home))
    tables = (f"cancer/{table}/{place}" for table in ERASED[2:] for place in ("date=", "_delta_log/0000"))
    for place in (*tables, "left.parquet", "_commit_0a.json.tmp"):
        assert place in found


def test_no_byte_names_the_user_and_everybody_else_s_rows_stay(copied: tuple[Project, World]) -> None:
    project, world = copied
    before = rows(project, INFERENCE_LOG)
    erased = erase(project)
    assert Erased("cancer", EXPECTED_ROWS, {FROZEN: 2}) == erased
    assert_erased(project, world)
    kept = [row for row in before if CORE not in (row["user_id"] or "")]
    order = lambda found: sorted(found, key=lambda row: row["prediction_id"])  # noqa: E731
    assert order(kept) == order(rows(project, INFERENCE_LOG))


def test_the_erasure_is_recorded_under_a_hash_with_the_frozen_sets_that_it_cannot_touch(
    copied: tuple[Project, World],
) -> None:
    project, _ = copied
    stores = project.stores
    before = read_training_set(stores, stores.journal.training_sets("cancer")[0])
    erase(project)
    (record,) = Erasures(stores.database).of("cancer")
    subject = subject_of(USER, stores.database.secret())
    assert ("cancer", subject, "test", EXPECTED_ROWS) == (record.endpoint, record.subject, record.actor, record.rows)
    assert {FROZEN: 2} == record.training_sets
    assert record.finished_at is not None
    assert record.finished_at >= record.at
    beside = orjson.loads(stores.lake.path("cancer", f"{frozen_table(FROZEN)}.erasures.json").read_bytes())
    assert [(record.id, subject, 2)] == [(one["erasure"], one["subject"], one["rows"]) for one in beside]
    assert before.equals(read_training_set(stores, stores.journal.training_sets("cancer")[0]))


def test_derived_tables_are_computed_again_and_reports_of_erased_windows_are_gone(
    copied: tuple[Project, World],
) -> None:
    project, world = copied
    stores = project.stores
    assert 16 == sum(row["predictions"] for row in rows(project, SERVICE_METRICS))
    stores.journal.settle("cancer", "profiles", stores.journal.touched("cancer", "profiles"))
    erase(project)
    windows = {(START + timedelta(days=day)).replace(minute=0) for day in range(DAYS)}
    for consumer in {name for names in CONSUMERS.values() for name in names}:
        assert windows == set(stores.journal.touched("cancer", consumer).windows)
    assert () == stores.journal.touched("cancer", MARK).windows
    for derive in (measure_service, measure_quality):
        derive(stores, project.spec)
    assert 2 * len(world.others) == sum(row["predictions"] for row in rows(project, SERVICE_METRICS))
    assert len(world.others) == sum(row["labelled"] for row in rows(project, QUALITY_METRICS))
    assert ["drift-2026-02-01T22.html"] == [path.name for path in (stores.settings.reports / "cancer").iterdir()]
    progress = stores.journal.progress("cancer")
    assert (2 * len(world.others), len(world.others)) == (progress.predictions, progress.labels)


def test_days_sums_of_profiles_hold_nothing_of_an_erased_user(copied: tuple[Project, World]) -> None:
    project, world = copied
    spec, stores = replace(project.spec, window="day"), project.stores
    sample = pa.table({"x": [1.0, 2.0], "prediction": ["0", "1"], "score": [0.5, 0.6]})
    stores.references.write(spec.model_name, "1", make_reference("sample", sample, sample.column_names))
    days = [(START + timedelta(days=day)).replace(hour=0, minute=0) for day in range(DAYS)]
    profile_windows(stores, spec, Range(days[0], days[-1] + timedelta(days=1)))
    assert set(days) == {row["window_start"] for row in rows(project, DAILY_PROFILES)}
    erase(replace(project, spec=spec))
    profile_windows(stores, spec)
    assert {days[0], days[2]} == {row["window_start"] for row in rows(project, DAILY_PROFILES)}
    counted = [row["n"] for row in rows(project, DAILY_PROFILES) if row["column"] == "prediction"]
    assert 2 * len(world.others) == sum(counted)


def test_erasing_again_finds_nothing_and_an_old_segment_does_not_come_back(copied: tuple[Project, World]) -> None:
    project, world = copied
    erase(project)
    for _ in range(2):
        assert Erased("cancer", dict.fromkeys(EXPECTED_ROWS, 0), {}) == erase(project)
    shutil.copytree(project.folder / "old spool", project.stores.settings.spool, dirs_exist_ok=True)
    ingest_all(project.stores, project.spec)
    assert_erased(project, world)
    late = request_record("cancer", 99, START, 2, user="anna")
    write_segment(project.stores, "cancer", "predictions", "w1", [late], number=9)
    ingest_all(project.stores, project.spec)
    assert_erased(project, world, [late])
    assert 3 == len(Erasures(project.stores.database).of("cancer"))


@pytest.mark.parametrize("user", ["", "\ud800"])
def test_what_can_be_no_user_is_refused_before_anything_happens(copied: tuple[Project, World], user: str) -> None:
    project, _ = copied
    with pytest.raises(InputError, match="no user's id"):
        erase(project, user)
    assert [] == Erasures(project.stores.database).of("cancer")


def test_an_endpoint_that_has_captured_nothing_yet_has_nothing_to_erase(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    assert Erased("cancer", dict.fromkeys(EXPECTED_ROWS, 0), {}) == erase(project)
    assert not project.stores.settings.lake.joinpath("cancer").exists()


# What is still being written


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
    assert {"feedback": 2, "inference_log": 1, "labels": 0, "rejects": 0, "shadow_log": 0} == erased.rows
    assert [] == [path for part in ("lake", "spool", "reports") for path in hits(project.stores.settings.home / part)]
    assert ["anna"] == [row["user_id"] for row in rows(project, INFERENCE_LOG)]


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


# Kills


class CrashError(BaseException):
    """The process ends here."""


STEPS: dict[str, tuple[Any, str, int]] = {
    "starting": (Erasures, "start", 1),
    "taking in": (erasing, "_take_in", 1),
    "ingesting": (erasing, "ingest", 3),
    "looking": (LakeEraser, "find", 6),
    "recording": (Erasures, "record", 2),
    "telling": (erasing, "_tell_frozen_sets", 1),
    "marking": (Journal, "touch", 1),
    "deleting": (LakeEraser, "delete", 4),
    "deleting a day": (LakeEraser, "_delete_on", 9),
    "syncing": (LakeEraser, "_sync", 9),
    "purging": (LakeEraser, "purge", 4),
    "checkpointing": (DeltaTable, "create_checkpoint", 4),
    "removing a file": (Path, "unlink", 25),
    "renewing": (erasing, "_renew", 1),
    "settling": (Journal, "settle", 1),
    "counting": (erasing, "record_progress", 1),
    "finishing": (Erasures, "finish", 1),
}
MOMENTS = [
    (step, moment, nth)
    for step, (_, _, calls) in STEPS.items()
    for moment, nth in sorted({("before", 1), ("after", (calls + 1) // 2), ("after", calls)})
]


@pytest.mark.parametrize(("step", "moment", "nth"), MOMENTS)
def test_an_erasure_that_is_killed_anywhere_is_finished_by_the_next(
    copied: tuple[Project, World], step: str, moment: str, nth: int
) -> None:
    project, world = copied
    owner, name, _ = STEPS[step]
    with crash_at(owner, name, moment, nth) as crashed, contextlib.suppress(CrashError):
        erase(project)
    assert crashed, f"{step} has no call {nth}"
    stores = project.stores
    if step != "finishing":
        for derive in (measure_service, measure_quality):  # a run in between takes marks that came too early
            derive(stores, project.spec)
    erase(project)
    assert_erased(project, world)
    first, *later = Erasures(stores.database).of("cancer")
    assert (EXPECTED_ROWS, {FROZEN: 2}) == (first.rows, first.training_sets)
    assert first.finished_at is not None
    assert len(later) == ((step, moment) == ("finishing", "after"))
    for derive in (measure_service, measure_quality):
        derive(stores, project.spec)
    assert 2 * len(world.others) == sum(row["predictions"] for row in rows(project, SERVICE_METRICS))
    assert len(world.others) == sum(row["labelled"] for row in rows(project, QUALITY_METRICS))
    assert ["drift-2026-02-01T22.html"] == [path.name for path in (stores.settings.reports / "cancer").iterdir()]


@contextlib.contextmanager
def crash_at(owner: Any, name: str, moment: str, nth: int) -> Iterator[list[int]]:
    original, calls, crashed = getattr(owner, name), Counter[str](), []

    def crashing(*args: Any, **kwargs: Any) -> Any:
        calls["n"] += 1
        if moment == "before" and calls["n"] == nth:
            crashed.append(nth)
            raise CrashError
        result = original(*args, **kwargs)
        if moment == "after" and calls["n"] == nth:
            crashed.append(nth)
            raise CrashError
        return result

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(owner, name, crashing)
        yield crashed


# The lake's own part


def test_nothing_is_removed_from_a_table_whose_own_files_are_not_all_there(copied: tuple[Project, World]) -> None:
    project, _ = copied
    eraser = LakeEraser(project.stores.settings.lake)
    Path(eraser.files("cancer", LABELS.name)[0]).unlink()
    before = sorted(eraser.path("cancer", LABELS.name).rglob("*.json"))
    with pytest.raises(SchemaError, match="not where the table says"):
        eraser.purge("cancer", LABELS.name)
    assert before == sorted(eraser.path("cancer", LABELS.name).rglob("*.json"))


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


def test_streams_marks_outlive_a_purge(copied: tuple[Project, World]) -> None:
    project, _ = copied
    eraser = LakeEraser(project.stores.settings.lake)
    marks = [(table, stream) for table in (INFERENCE_LOG.name, LABELS.name) for stream in ("w0", "w1")]
    before = [eraser.committed("cancer", *mark) for mark in marks]
    assert {0} != set(before)
    for table in ERASED:
        eraser.purge("cancer", table)
        eraser.purge("cancer", table)
    assert before == [eraser.committed("cancer", *mark) for mark in marks]


def test_an_append_waits_for_an_erasure_and_the_erasure_for_appends(copied: tuple[Project, World]) -> None:
    project, _ = copied
    eraser = LakeEraser(project.stores.settings.lake)
    ended: list[tuple[str, float]] = []

    def append() -> None:
        other = LakeEraser(project.stores.settings.lake)
        other.append_once("cancer", LABELS, pa.table({}), "late", 1)
        ended.append(("append", time.monotonic()))

    with eraser._alone("cancer", LABELS.name):
        thread = threading.Thread(target=append)
        thread.start()
        time.sleep(0.3)
        ended.append(("erasure", time.monotonic()))
    thread.join()
    assert ["erasure", "append"] == [name for name, _ in ended]


def test_the_windows_of_an_erasure_that_was_never_finished_are_still_known(copied: tuple[Project, World]) -> None:
    project, _ = copied
    with crash_at(LakeEraser, "delete", "before", 1), contextlib.suppress(CrashError):
        erase(project)
    windows: tuple[datetime, ...] = project.stores.journal.touched("cancer", MARK).windows
    assert DAYS == len(windows)


def test_a_segment_sealed_for_another_user_s_rows_is_ingested_by_the_way(copied: tuple[Project, World]) -> None:
    project, world = copied
    late = request_record("cancer", 98, START, 2, user="anna")
    write_segment(project.stores, "cancer", "predictions", "w1", [late], number=9)
    erase(project)
    assert [] == spool.waiting(project.stores.settings.spool, "cancer")
    assert_erased(project, world, [late])
