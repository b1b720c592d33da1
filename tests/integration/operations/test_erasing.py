"""A person is erased: no byte of the home names them, and everybody else's rows stay."""

import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import orjson
import pyarrow as pa
import pytest

from modelops_pipelines.core.errors import BusyError, InputError, SchemaError
from modelops_pipelines.core.tables.lake import (
    DAILY_PROFILES,
    FEEDBACK,
    INFERENCE_LOG,
    LABELS,
    QUALITY_METRICS,
    SERVICE_METRICS,
    STREAMS,
)
from modelops_pipelines.core.tables.training import frozen_table
from modelops_pipelines.operations.drift.profiles import profile_windows
from modelops_pipelines.operations.drift.references import make_reference
from modelops_pipelines.operations.governance.erasure import ERASED_TABLES, MARK, Erased, erase_user
from modelops_pipelines.operations.improve.training.sets import frozen_rows
from modelops_pipelines.operations.lake.incremental import Range
from modelops_pipelines.operations.metrics.quality import measure_quality
from modelops_pipelines.operations.metrics.service import measure_service
from modelops_pipelines.store.lake.eraser import LakeEraser
from modelops_pipelines.store.state.capture.erasures import Erasures, subject_of
from modelops_pipelines.store.state.improve.feedback_events import Act
from tests.fakes.records import START, request_record, write_segment
from tests.support.project import Project, make_project
from tests.worlds.erasing import (
    CORE,
    DAYS,
    EXPECTED_ROWS,
    FROZEN,
    USER,
    World,
    assert_erased,
    erase,
    hits,
    holds,
    ingest_all,
    rows,
)


def test_the_fixture_holds_the_user_in_every_place_that_is_erased(copied: tuple[Project, World]) -> None:
    project, _ = copied
    found = " ".join(hits(project.stores.settings.home))
    tables = (f"cancer/{table}/{place}" for table in ERASED_TABLES[4:] for place in ("date=", "_delta_log/0000"))
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
    before = frozen_rows(stores, stores.training_sets.of("cancer")[0])
    erase(project)
    (record,) = Erasures(stores.database).of("cancer")
    subject = subject_of(USER, stores.database.secret())
    assert ("cancer", subject, "test", EXPECTED_ROWS) == (record.endpoint, record.subject, record.actor, record.rows)
    assert {FROZEN: 2} == record.training_sets
    assert record.finished_at is not None
    assert record.finished_at >= record.at
    beside = orjson.loads(stores.lake.path("cancer", f"{frozen_table(FROZEN)}.erasures.json").read_bytes())
    assert [(record.id, subject, 2)] == [(one["erasure"], one["subject"], one["rows"]) for one in beside]
    assert before.equals(frozen_rows(stores, stores.training_sets.of("cancer")[0]))


def test_derived_tables_are_computed_again_and_reports_of_erased_windows_are_gone(
    copied: tuple[Project, World],
) -> None:
    project, world = copied
    stores = project.stores
    assert 16 == sum(row["predictions"] for row in rows(project, SERVICE_METRICS))
    stores.touched_windows.clear("cancer", "profiles", stores.touched_windows.pending("cancer", "profiles"))
    erase(project)
    windows = {(START + timedelta(days=day)).replace(minute=0) for day in range(DAYS)}
    for consumer in {name for table in STREAMS.values() for name in project.spec.dependents(table.name)}:
        assert windows == set(stores.touched_windows.pending("cancer", consumer).windows)
    assert () == stores.touched_windows.pending("cancer", MARK).windows
    for derive in (measure_service, measure_quality):
        derive(stores, project.spec)
    assert 2 * len(world.others) == sum(row["predictions"] for row in rows(project, SERVICE_METRICS))
    assert len(world.others) == sum(row["labelled"] for row in rows(project, QUALITY_METRICS))
    assert ["drift-2026-02-01T22.html"] == [path.name for path in (stores.settings.reports / "cancer").iterdir()]
    progress = stores.ingest_progress.of("cancer")
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
    with pytest.raises(InputError, match="is not a valid user id"):
        erase(project, user)
    assert [] == Erasures(project.stores.database).of("cancer")


def test_an_endpoint_that_has_captured_nothing_yet_has_nothing_to_erase(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    assert Erased("cancer", dict.fromkeys(EXPECTED_ROWS, 0), {}) == erase(project)
    assert not project.stores.settings.lake.joinpath("cancer").exists()


# The lake's own part


def test_nothing_is_removed_from_a_table_whose_own_files_are_not_all_there(copied: tuple[Project, World]) -> None:
    project, _ = copied
    eraser = LakeEraser(project.stores.settings.lake)
    Path(eraser.files("cancer", LABELS.name)[0]).unlink()
    before = sorted(eraser.path("cancer", LABELS.name).rglob("*.json"))
    with pytest.raises(SchemaError, match=r"of cancer/labels are missing"):
        eraser.purge("cancer", LABELS.name)
    assert before == sorted(eraser.path("cancer", LABELS.name).rglob("*.json"))


def test_streams_marks_outlive_a_purge(copied: tuple[Project, World]) -> None:
    project, _ = copied
    eraser = LakeEraser(project.stores.settings.lake)
    marks = [(table, stream) for table in (INFERENCE_LOG.name, LABELS.name) for stream in ("w0", "w1")]
    before = [eraser.committed("cancer", *mark) for mark in marks]
    assert {0} != set(before)
    for table in ERASED_TABLES:
        eraser.purge("cancer", table)
        eraser.purge("cancer", table)
    assert before == [eraser.committed("cancer", *mark) for mark in marks]


def said_in_the_state(project: Project) -> None:
    """Name the user in the state, as one who took up feedback on their own predictions."""
    stores = project.stores
    [first, *_] = [row for row in rows(project, FEEDBACK) if row["user_id"] == USER]
    stores.feedback_marks.change(Act("cancer", first["feedback_id"], CORE, "assigned", START), CORE)
    assert holds(stores.settings.home / "state.db-wal", CORE)


def test_no_file_of_the_state_holds_what_was_deleted_while_others_have_it_open(
    copied: tuple[Project, World],
) -> None:
    project, world = copied
    said_in_the_state(project)
    with closing(sqlite3.connect(project.stores.settings.home / "state.db")) as other:
        other.execute("SELECT count(*) FROM settings").fetchall()
        erase(project)
        assert_erased(project, world)


def test_an_erasure_is_not_done_while_a_reader_keeps_the_journal_and_is_once_it_is_run_again(
    copied: tuple[Project, World],
) -> None:
    project, world = copied
    said_in_the_state(project)
    with closing(sqlite3.connect(project.stores.settings.home / "state.db", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM settings").fetchall()
        with pytest.raises(BusyError, match="another process has read for over 1 s"):
            erase_user(project.stores, USER, [project.spec], "test", patience=1)
    erase(project)
    assert_erased(project, world)
