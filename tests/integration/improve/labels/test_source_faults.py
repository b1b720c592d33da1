"""What is wrong with one source, file or row is told of it alone: all else is read, and no value or secret is shown."""

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modelops_pipelines.core.endpoints.improvement import LabelSource
from modelops_pipelines.operations.improve.labels import import_labels as importing
from modelops_pipelines.operations.improve.labels.import_labels import Imported, import_labels
from modelops_pipelines.operations.improve.labels.readings import Cursor, Part
from tests.fakes.records import START
from tests.support.imported_labels import BY_ID, ids, label_now, project_of_six, with_source, write_csv
from tests.support.project import Project


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    made = project_of_six(tmp_path / "project")
    monkeypatch.chdir(made.folder)
    return made


def settled(path: Path) -> Path:
    os.utime(path, (time.time() - 60,) * 2)
    return path


def read_with_another(project: Project, source: LabelSource) -> Imported:
    """Return what a source gave; the label of the source that is read after it must be there."""
    first = ids(project)[0]
    write_csv(project.folder / "other.csv", "id,label", f"{first},1")
    other = LabelSource("other", "files", path="other.csv", prediction_id="id")
    done, _ = import_labels(project.stores, replace(project.spec, label_sources=(source, other)))
    assert () == done[1].faults
    assert {first: "1"} == {one: label for one, label in label_now(project).items() if one == first}
    return done[0]


def test_a_row_that_is_not_utf_8_is_refused_and_the_others_are_read(project: Project) -> None:
    two, three, *_ = ids(project)[1:]
    path = write_csv(project.folder / "in/a.csv")
    lines = [f"{two},1,2026-03-02", "caf\xe9,1,2026-03-02", f"{two},\xe9,2026-03-02", f"{three},0,2026-03-02"]
    path.write_bytes("\n".join(["id,label,known", *lines]).encode("latin-1"))
    done = read_with_another(project, replace(BY_ID, path=f"in/{settled(path).name}"))
    assert (4, 2, 2, ()) == (done.read, done.labels, done.refused, done.faults)
    assert ("a.csv, row 2: id is not UTF-8 text", "a.csv, row 3: label is not UTF-8 text") == done.refusals


def test_a_file_whose_name_is_not_utf_8_is_read(project: Project) -> None:
    write_csv(project.folder / "in" / os.fsdecode(b"caf\xe9.csv"), "id,label,known", "nobody,1,2026-03-02")
    done = read_with_another(project, BY_ID)
    assert ("caf?.csv, row 1: the endpoint never made a prediction with this id",) == done.refusals


def test_a_time_that_is_out_of_reach_is_refused_and_the_other_rows_of_the_file_are_read(project: Project) -> None:
    two, three, *_ = ids(project)[1:]
    known = pa.array([int(START.timestamp()) * 10**6, 2**62], pa.timestamp("us", "UTC"))
    (project.folder / "in").mkdir()
    path = project.folder / "in/a.parquet"
    pq.write_table(pa.table({"id": [two, three], "label": [1, 1], "known": known}), path)
    done = read_with_another(project, replace(BY_ID, path=f"in/{settled(path).name}"))
    assert (2, 1, 1, ()) == (done.read, done.labels, done.refused, done.faults)
    assert ("a.parquet, row 2: known cannot be read (OverflowError)",) == done.refusals


@pytest.mark.parametrize("pattern", ["/", "in\0/*.csv", "o/**.csv"])
def test_a_pattern_that_is_none_is_its_sources_fault(project: Project, pattern: str) -> None:
    assert 1 == len(read_with_another(project, replace(BY_ID, path=pattern)).faults)


def test_an_error_that_nobody_thought_of_is_its_sources_fault_by_type_and_the_position_stays(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing:
        def __init__(self) -> None:
            self.position, self.faults = {"lost": True}, list[str]()

        def parts(self) -> Iterator[Part]:
            raise RuntimeError("secret")

    make = importing._reading
    project = with_source(project, BY_ID)
    write_csv(project.folder / "in/a.csv", "id,label,known", f"{ids(project)[1]},1,2026-03-02")
    import_labels(project.stores, project.spec)
    before = project.stores.label_sources.of("cancer")["lab"].position
    monkeypatch.setattr(importing, "_reading", lambda *given: Failing() if given[1].name == "lab" else make(*given))
    done = read_with_another(project, BY_ID)
    assert ("the source cannot be imported (RuntimeError)",) == done.faults
    progress = project.stores.label_sources.of("cancer")["lab"]
    assert (before, done.faults[0]) == (progress.position, progress.error)


SQL = LabelSource("db", "sql", query="SELECT id, label, t FROM o", url_env="WAREHOUSE", prediction_id="id", cursor="t")


@pytest.mark.parametrize(
    "url",
    ["postgresql://me:pa:s3cretPW@host/db", "s3cretPW", "postgresql://me@host:s3cretPW/db", "none+s3cretPW://x/y"],
)
def test_no_part_of_a_databases_url_is_shown(project: Project, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("WAREHOUSE", url)
    (fault,) = read_with_another(project, SQL).faults
    assert "s3cret" not in fault
    assert fault.startswith("db (WAREHOUSE): ")


def test_a_mistyped_sqlite_file_is_told_and_not_made(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAREHOUSE", "sqlite:///wrong.sqlite")
    done = read_with_another(project, SQL)
    assert ("db (WAREHOUSE): the database cannot be read (OperationalError)",) == done.faults
    assert [] == list(project.folder.glob("wrong*"))


def test_a_sqlite_file_is_read_by_any_form_of_its_url_while_another_writes_it(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    with contextlib.closing(sqlite3.connect(project.folder / "a %#?b.sqlite")) as database:
        database.execute("PRAGMA journal_mode = wal")
        database.execute("CREATE TABLE o AS SELECT ? AS id, 1 AS label, 1 AS t", [ids(project)[1]])
        database.commit()
        for url in ("sqlite:///a%20%25%23%3Fb.sqlite", "sqlite:///file:a%2520%2525%2523%253Fb.sqlite?uri=true"):
            monkeypatch.setenv("WAREHOUSE", url)
            assert (1, ()) == ((done := read_with_another(project, SQL)).read, done.faults)


@pytest.mark.parametrize("sentinel", ["'9999-12-31'", "'9999-12-31 00:00:00'", "9e999"])
def test_a_value_that_stands_for_no_time_is_not_taken_as_the_cursor(
    project: Project, monkeypatch: pytest.MonkeyPatch, sentinel: str
) -> None:
    two, three, four, *_ = ids(project)[1:]
    earlier, later = ("1.5", "2.5") if sentinel == "9e999" else ("'2026-03-02'", "'2026-03-03'")
    monkeypatch.setenv("WAREHOUSE", "sqlite:///own.sqlite")
    with contextlib.closing(sqlite3.connect(project.folder / "own.sqlite")) as database:
        database.execute("CREATE TABLE o (id, label, t)")
        database.execute(f"INSERT INTO o VALUES ('{two}', 1, {earlier}), ('{three}', 0, {sentinel})")
        database.commit()
        done = read_with_another(project, SQL)
        assert (2, 2) == (done.read, done.labels)
        assert ["the cursor 't' is later than tomorrow, or not a finite number, in 1 row(s)"] == [
            fault.partition(":")[0] for fault in done.faults
        ]
        database.execute(f"INSERT INTO o VALUES ('{four}', 1, {later})")
        database.commit()
    assert (3, 1) == ((done := read_with_another(project, SQL)).read, done.labels)
    assert {two: "1", three: "0", four: "1"} == {k: v for k, v in label_now(project).items() if k != ids(project)[0]}


def test_a_cursor_that_was_kept_beyond_the_clock_is_forgotten_and_all_rows_are_read() -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    assert Cursor("t", now).since({"type": "date", "value": "9999-12-31"}) is None
    assert "2026-03-01" == Cursor("t", now).since({"type": "str", "value": "2026-03-01"})
    assert "99991231" == Cursor("n", now).since({"type": "str", "value": "99991231"})


def test_a_csv_with_a_needed_column_twice_or_in_utf_16_is_refused_with_words(project: Project) -> None:
    write_csv(project.folder / "in/a.csv", "id,label,known,label", "x,1,2026-03-02,0")
    wide = write_csv(project.folder / "in/b.csv")
    wide.write_text("id,label,known\n", encoding="utf-16")
    settled(wide)
    write_csv(project.folder / "in/c.csv", "id,label,known,note,note", f"{ids(project)[1]},1,2026-03-02,a,b")
    done = read_with_another(project, BY_ID)
    assert 1 == done.labels
    assert (
        "a.csv: has several columns label: give each its own name",
        "b.csv: is not UTF-8 text, but UTF-16 or binary: save it as UTF-8",
    ) == done.faults
