"""Labels from files, Delta tables and databases: each row once, bad rows with a reason, and killed anywhere."""

import contextlib
import gzip
import json
import os
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

from modelops_pipelines.core.endpoints.improvement import LabelSource
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.improve.labels import import_labels as importing
from modelops_pipelines.operations.improve.labels.file_reading import FileReading
from modelops_pipelines.operations.improve.labels.import_labels import import_file, import_labels
from modelops_pipelines.operations.improve.labels.match_keyed import match_keyed
from modelops_pipelines.operations.improve.labels.source_counts import counts_of, unmatched
from modelops_pipelines.store.state.improve.label_sources import LabelSources
from modelops_pipelines.store.stores import Stores
from tests.fakes.records import START, write_segment
from tests.support.crashing import crash_at
from tests.support.imported_labels import (
    BY_ID,
    HOUR,
    ids,
    label_now,
    prediction,
    project_of_six,
    with_source,
    write_csv,
)
from tests.support.project import Project


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    made = project_of_six(tmp_path / "project")
    monkeypatch.chdir(made.folder)
    return made


def test_each_row_of_files_is_stored_once_whatever_grows_moves_or_is_replaced(project: Project) -> None:
    project = with_source(project, BY_ID)
    one, two, three, *_ = ids(project)
    first = write_csv(project.folder / "in/a.csv", "id,label,known", f"{one},1,2026-03-02", f"{two},0,2026-03-02")
    done, _ = import_labels(project.stores, project.spec)
    assert (2, 2, 0, ()) == (done[0].read, done[0].labels, done[0].refused, done[0].faults)
    assert {one: "1", two: "0"} == label_now(project)
    assert 0 == import_labels(project.stores, project.spec)[0][0].read
    grown = (*first.read_text().splitlines(), f"{three},1,2026-03-02")
    write_csv(first, *grown)
    done, _ = import_labels(project.stores, project.spec)
    assert (3, 1) == (done[0].read, done[0].labels)
    first.rename(project.folder / "in/b.csv")
    assert 0 == import_labels(project.stores, project.spec)[0][0].read
    write_csv(project.folder / "in/b.csv", "id,label,known", f"{one},0,2026-03-03")  # a correction
    assert 1 == import_labels(project.stores, project.spec)[0][0].labels
    assert {one: "0", two: "0", three: "1"} == label_now(project)
    assert 4 == project.stores.lake.rows("cancer", "labels")  # history stays


def test_a_file_that_is_still_written_is_left_and_a_damaged_one_stops_no_other(project: Project) -> None:
    project = with_source(project, replace(BY_ID, path="in/*"))
    one, two, *_ = ids(project)
    write_csv(project.folder / "in/a.csv", "id,label,known", f"{one},1,2026-03-02", age=0)
    whole = project.folder / "in/whole.parquet"
    pq.write_table(pa.table({"id": [two], "label": [1], "known": [START]}), whole)
    (project.folder / "in/half.parquet").write_bytes(whole.read_bytes()[:-40])
    for path in project.folder.glob("in/*.parquet"):
        os.utime(path, (time.time() - 60,) * 2)
    done, _ = import_labels(project.stores, project.spec)
    assert (1, 1, 1) == (done[0].read, done[0].labels, done[0].left)
    assert ["half.parquet: is damaged, or not complete yet (ArrowInvalid)"] == list(done[0].faults)
    assert {two: "1"} == label_now(project)
    progress = project.stores.label_sources.of("cancer")["lab"]
    assert (1, 1, 0, "half.parquet: is damaged, or not complete yet (ArrowInvalid)") == (
        progress.rows,
        progress.matched,
        progress.refused,
        progress.error,
    )


def test_a_file_that_vanishes_while_it_is_read_stops_no_other(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = with_source(project, BY_ID)
    one, two, *_ = ids(project)
    write_csv(project.folder / "in/a.csv", "id,label,known", f"{one},1,2026-03-02")
    write_csv(project.folder / "in/b.csv", "id,label,known", f"{two},1,2026-03-02")
    found = FileReading._paths

    def vanishing(reading: FileReading) -> list[Path]:
        paths = found(reading)
        (project.folder / "in/a.csv").unlink()
        return paths

    monkeypatch.setattr(FileReading, "_paths", vanishing)
    done, _ = import_labels(project.stores, project.spec)
    assert (1, ("a.csv: cannot be read: No such file or directory",)) == (done[0].labels, done[0].faults)
    assert {two: "1"} == label_now(project)


def test_bad_rows_are_counted_with_their_place_and_reason_and_no_value_is_kept(project: Project) -> None:
    project = with_source(project, BY_ID)
    one, *_ = ids(project)
    lines = ["id,label,known", f"{one},benign-secret,2026-03-02", "nobody-secret,1,2026-03-02"]
    lines += [f"{one},1,yesterday-secret", f"{one},1,2026-03-02,secret", ",1,2026-03-02", f"{one},,2026-03-02"]
    write_csv(project.folder / "in/a.csv", *lines, f"{one},1,2200-01-01", f"{one},1,2026-03-02")
    done, _ = import_labels(project.stores, project.spec)
    assert (8, 1, 6) == (done[0].read, done[0].labels, done[0].refused)  # one row has no label yet
    assert [
        "a.csv, row 1: the label is not a class of the model (2 are known)",
        "a.csv, row 2: the endpoint never made a prediction with this id",
        "a.csv, row 3: known is not a time in ISO 8601",
        "a.csv, row 4: has 4 field(s), and the header has 3",
        "a.csv, row 5: id is empty",
        "a.csv, row 7: known is in the future",
    ] == list(done[0].refusals)
    assert 6 == len(unmatched(project.stores, project.spec, 100))
    assert "secret" not in str(unmatched(project.stores, project.spec, 100))
    assert 6 == counts_of(project.stores, project.spec)["lab"].refused
    assert 6 == project.stores.label_sources.of("cancer")["lab"].refused


def test_rows_find_their_predictions_by_the_callers_id_and_by_entity_and_time(project: Project) -> None:
    one, two, *_, last = ids(project)
    by_call = LabelSource("calls", "files", path="calls.csv", request_id="call", row="n", labelled_at="known")
    by_entity = LabelSource("plane", "files", path="planes.csv", entity=("c",), time="at", labelled_at="known")
    write_csv(project.folder / "calls.csv", "call,n,label,known", "call 1,0,1,2026-03-03", "call 77,0,1,2026-03-03")
    at = (START + 90 * HOUR).isoformat()
    write_csv(project.folder / "planes.csv", "c,at,label,known", f"c,{START + 6 * HOUR},1,{at}", f"c,{at},0,{at}")
    spec = replace(project.spec, label_sources=(by_call, by_entity))
    _, matching = import_labels(project.stores, spec)
    assert (4, 2) == (matching.looked_at, matching.matched)
    assert {two: "1", last: "1"} == label_now(project)
    counted = counts_of(project.stores, spec)
    assert [(1, 1), (1, 1)] == [(counted[name].matched, counted[name].waiting) for name in ("calls", "plane")]
    assert [(2, 1, 1)] * 2 == [(counted[name].rows, counted[name].matched, counted[name].unmatched) for name in counted]
    assert {"no request with this client request id was answered": 1} == dict(counted["calls"].reasons)
    assert one not in label_now(project)


def test_a_database_is_read_from_its_cursor_on_and_cannot_be_changed(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two, three, *_ = ids(project)
    file = project.folder / "warehouse.sqlite"
    with contextlib.closing(sqlite3.connect(file)) as database:
        database.execute("CREATE TABLE outcomes (id TEXT, label INT, changed TEXT)")
        database.execute("INSERT INTO outcomes VALUES (?, 1, '2026-03-02 00:00:00')", (one,))
        database.commit()
        monkeypatch.setenv("WAREHOUSE", f"sqlite:///{file}")
        query = "SELECT id, label, changed FROM outcomes WHERE ':x' <> id"
        source = LabelSource(
            "db", "sql", query=query, url_env="WAREHOUSE", prediction_id="id", cursor="changed", overlap=HOUR
        )
        project = with_source(project, replace(source, labelled_at="changed"))
        assert 1 == import_labels(project.stores, project.spec)[0][0].labels
        rows = [(two, "2026-03-01 23:30:00"), (three, "2026-03-01 10:00:00")]  # late within the overlap, and too late
        database.executemany("INSERT INTO outcomes VALUES (?, 0, ?)", rows)
        database.commit()
    done, _ = import_labels(project.stores, project.spec)
    assert (2, 1) == (done[0].read, done[0].labels)
    assert {one: "1", two: "0"} == label_now(project)
    harmful = with_source(project, replace(source, query="DELETE FROM outcomes"))
    done, _ = import_labels(harmful.stores, harmful.spec)
    assert ["db (WAREHOUSE): the database cannot be read (OperationalError)"] == list(done[0].faults)
    monkeypatch.delenv("WAREHOUSE")
    done, _ = import_labels(project.stores, project.spec)
    unset = "db (WAREHOUSE): The environment variable WAREHOUSE is not set. Set it to the database's URL"
    assert [unset] == list(done[0].faults)
    assert {one: "1", two: "0"} == label_now(project)


def test_duckdb_reads_a_database_file_and_files_of_the_project_and_writes_nothing(project: Project) -> None:
    one, two, *_ = ids(project)
    with contextlib.closing(duckdb.connect(str(project.folder / "own.duckdb"))) as database:
        database.execute(
            "CREATE TABLE o AS SELECT ? AS id, 1 AS label, TIMESTAMPTZ '2026-03-02 00:00:00+00' AS t", [one]
        )
    sources = (
        LabelSource("own", "sql", path="own.duckdb", query="FROM o;", prediction_id="id", labelled_at="t", cursor="t"),
        LabelSource("csv", "sql", query="SELECT * FROM read_csv('x.csv')", prediction_id="id"),
        LabelSource("bad", "sql", query="COPY (SELECT 1) TO 'out.csv'", prediction_id="id"),
        LabelSource("outside", "sql", query="SELECT * FROM read_text('/etc/hostname')", prediction_id="id"),
    )
    write_csv(project.folder / "x.csv", "id,label", f"{two},0")
    spec = replace(project.spec, label_sources=sources)
    done, _ = import_labels(project.stores, spec)
    assert [1, 1, 0, 0] == [one.labels for one in done]
    assert ["The source's query is not one SELECT. Write one SELECT"] == list(done[2].faults)
    assert ["the database cannot be read (PermissionException)"] == list(done[3].faults)
    assert {one: "1", two: "0"} == label_now(project)
    assert [0, 0] == [one.labels for one in import_labels(project.stores, spec)[0][:2]]
    assert not (project.folder / "out.csv").exists()


def test_a_delta_table_is_read_version_by_version_also_after_compaction(project: Project) -> None:
    one, two, three, *_ = ids(project)
    path = str(project.folder / "outcomes")

    def add(prediction: str, label: int) -> None:
        rows = pa.table({"id": [prediction], "label": [label], "day": ["monday"]})
        write_deltalake(path, rows, mode="append", partition_by=["day"])

    add(one, 1)
    project = with_source(project, LabelSource("delta", "delta", path="outcomes", prediction_id="id"))
    assert 1 == import_labels(project.stores, project.spec)[0][0].labels
    add(two, 0)
    done, _ = import_labels(project.stores, project.spec)
    assert (1, 1) == (done[0].read, done[0].labels)
    DeltaTable(path).optimize.compact()
    add(three, 1)
    assert 1 == import_labels(project.stores, project.spec)[0][0].labels
    assert {one: "1", two: "0", three: "1"} == label_now(project)
    missing = with_source(project, LabelSource("delta", "delta", path="nowhere", prediction_id="id"))
    assert import_labels(missing.stores, missing.spec)[0][0].faults


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("step", ["write_labels", "append_keyed", "match_keyed", "record"])
def test_an_import_that_is_killed_and_run_again_has_each_row_once(project: Project, step: str, moment: str) -> None:
    one, two, *_ = ids(project)
    call = LabelSource("calls", "files", path="calls.csv", request_id="call")  # a label counts from when it was read
    write_csv(project.folder / "calls.csv", "call,label", "call 1,1", "call 5,0", "call 99,1", ",1")
    write_csv(project.folder / "in/a.csv", "id,label,known", f"{one},1,2026-03-02", "bad,1,2026-03-02")
    spec = replace(project.spec, label_sources=(BY_ID, call))
    owner: Any = LabelSources if step == "record" else importing
    with crash_at(owner, step, 1, moment):
        import_labels(project.stores, spec)
    for _ in range(2):
        import_labels(project.stores, spec)
    assert {one: "1", two: "1", ids(project)[5]: "0"} == label_now(project)
    assert 3 == project.stores.lake.rows("cancer", "labels")
    counted = counts_of(project.stores, spec)
    assert (1, 1) == (counted["lab"].matched, counted["lab"].refused)
    assert (2, 1, 1) == (counted["calls"].matched, counted["calls"].waiting, counted["calls"].refused)


def test_imports_ingests_and_matchings_at_once_store_each_row_once(project: Project) -> None:
    call = LabelSource("calls", "files", path="calls.csv", request_id="call", labelled_at="known")
    write_csv(project.folder / "in/a.csv", "id,label,known", *(f"{one},1,2026-03-02" for one in ids(project)[:3]))
    write_csv(project.folder / "calls.csv", "call,label,known", *(f"call {n},0,2026-03-02" for n in range(3, 9)))
    spec = replace(project.spec, label_sources=(BY_ID, call))
    late = [prediction(project, number) for number in (6, 7)]

    def work(number: int) -> None:
        stores = Stores(project.stores.settings)
        if number < len(late):
            write_segment(stores, "cancer", "predictions", f"late{number}", [late[number]])
            ingest(stores, spec, "predictions")
        import_labels(stores, spec)
        match_keyed(stores, spec)

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(work, range(6)))
    assert 8 == project.stores.lake.rows("cancer", "labels") == len(label_now(project))
    counted = counts_of(project.stores, spec)
    assert (3, 5, 1) == (counted["lab"].matched, counted["calls"].matched, counted["calls"].waiting)


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_labels_come_from_lines_of_json_and_bad_ones_are_told_by_their_line(project: Project, *, packed: bool) -> None:
    one, two, three, *_ = ids(project)
    lines = [{"id": one, "label": 1, "known": "2026-03-02"}, {"id": two, "known": "2026-03-02"}, [1]]
    lines += [
        {"id": three, "label": {"secret": 1}, "known": "2026-03-02"},
        {"id": two, "label": "0", "known": "2026-03-02", "note": [1]},
    ]
    text = "\n\n".join([json.dumps(line) for line in lines] + ["{secret"]).encode()
    path = project.folder / ("in/a.ndjson.gz" if packed else "in/a.jsonl")
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress(text) if packed else text)
    source = LabelSource("import", "files", path=f"in/{path.name}", prediction_id="id", labelled_at="known")
    done, _ = import_file(project.stores, project.spec, source)
    assert (6, 2, ()) == (done.read, done.labels, done.faults)
    assert {one: "1", two: "0"} == label_now(project)
    told = [f"{path.name}, row {place}" for place in (5, 7, 11)]
    assert told == [refusal.partition(":")[0] for refusal in done.refusals]
    assert "secret" not in str(done.refusals)
    path.write_bytes(gzip.compress(b'{"id": 1}\n')[: -9 if packed else None] if packed else b'{"id": 1}\n')
    done, _ = import_file(project.stores, project.spec, source)
    wrong = "is damaged, or not complete yet (EOFError)" if packed else "has no column label, known"
    assert (f"{path.name}: {wrong}",) == done.faults


def test_a_source_that_was_read_a_moment_ago_is_read_again_only_when_due(project: Project) -> None:
    project = with_source(project, BY_ID)
    assert 1 == len(import_labels(project.stores, project.spec, only_due=True)[0])
    assert [] == import_labels(project.stores, project.spec, only_due=True)[0]
    assert 1 == len(import_labels(project.stores, project.spec)[0])


def test_a_single_file_is_imported_by_hand_however_young_it_is(project: Project) -> None:
    one, *_ = ids(project)
    path = write_csv(project.folder / "[a] file.csv", "id,label", f"{one},1", age=0)
    source = LabelSource("import", "files", path="[[]a] file.csv", prediction_id="id")
    done, _ = import_file(project.stores, project.spec, source)
    assert (1, 1, ()) == (done.read, done.labels, done.faults)
    assert path.exists()
    assert datetime.now(UTC) > START
