"""The lake: idempotent commits, windows replaced and no others, and a DuckDB that reaches nothing else."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

from modelops_pipelines.core.errors import SchemaError
from modelops_pipelines.core.tables.columns import Table
from modelops_pipelines.core.tables.lake import LABELS, QUALITY_METRICS, inference_log
from modelops_pipelines.store.lake.arrow_schemas import arrow_schema
from modelops_pipelines.store.lake.reader import connection, session
from modelops_pipelines.store.lake.writer import LakeWriter, conform

START = datetime(2026, 3, 1, 22, tzinfo=UTC)


@pytest.fixture
def lake(tmp_path: Path) -> LakeWriter:
    return LakeWriter(tmp_path / "lake")


def label_rows(*names: str) -> pa.Table:
    rows = [{"label_id": name, "label": "1", "event_time": START, "date": START.date()} for name in names]
    return pa.Table.from_pylist(rows, schema=arrow_schema(LABELS))


def quality_rows(*hours: int, predictions: int = 1) -> pa.Table:
    starts = [START + timedelta(hours=hour) for hour in hours]
    rows = [{"window_start": s, "model_version": "1", "predictions": predictions, "date": s.date()} for s in starts]
    return pa.Table.from_pylist(rows, schema=arrow_schema(QUALITY_METRICS))


def read(lake: LakeWriter, table: Table, columns: str) -> list[Any]:
    with lake.query("e", [table]) as connected:
        return connected.execute(f"SELECT {columns} FROM {table.name} ORDER BY ALL").fetchall()


def hours_of(lake: LakeWriter) -> list[tuple[int, int]]:
    """Return the hours since START of which there are rows, with their predictions."""
    found = read(lake, QUALITY_METRICS, "epoch(window_start)::BIGINT, predictions")
    return [(int(moment - START.timestamp()) // 3600, predictions) for moment, predictions in found]


def test_the_same_sequence_number_is_appended_once_and_a_later_one_after_it(lake: LakeWriter) -> None:
    assert lake.append_once("e", LABELS, label_rows("a"), "w", 3)
    assert not lake.append_once("e", LABELS, label_rows("a"), "w", 3)
    assert not lake.append_once("e", LABELS, label_rows("z"), "w", 2)
    assert lake.append_once("e", LABELS, label_rows("b"), "w", 4)
    assert lake.append_once("e", LABELS, label_rows("c"), "other", 1)
    assert [("a",), ("b",), ("c",)] == read(lake, LABELS, "label_id")
    assert (4, 1, 0) == tuple(lake.committed("e", "labels", stream) for stream in ("w", "other", "unknown"))
    assert lake.rows("e", "labels") == 3


def test_another_writer_of_the_same_sequence_number_is_noticed(lake: LakeWriter) -> None:
    writers = [lake, LakeWriter(lake.folder)]
    assert [True, False] == [one.append_once("e", LABELS, label_rows("a"), "w", 1) for one in writers]
    assert lake.rows("e", "labels") == 1


def test_replacing_windows_touches_these_windows_only(lake: LakeWriter) -> None:
    hours = [START + timedelta(hours=hour) for hour in range(4)]
    lake.replace_windows("e", QUALITY_METRICS, quality_rows(0, 1, 2, 3), hours)
    lake.replace_windows("e", QUALITY_METRICS, quality_rows(1, predictions=9), [hours[1], hours[2]])
    found = read(lake, QUALITY_METRICS, "window_start, predictions")
    assert [(hours[0], 1), (hours[1], 9), (hours[3], 1)] == [(start.astimezone(UTC), n) for start, n in found]


def test_replacing_whole_days_leaves_their_neighbours_and_refuses_rows_of_another_day(lake: LakeWriter) -> None:
    midnight = START + timedelta(hours=2)
    day = [midnight + timedelta(hours=hour) for hour in range(24)]
    around = [START + timedelta(hours=hour) for hour in range(28)]
    lake.replace_windows("e", QUALITY_METRICS, quality_rows(*range(28)), around)
    lake.replace_windows("e", QUALITY_METRICS, quality_rows(5, predictions=9), day)
    assert [(0, 1), (1, 1), (5, 9), (26, 1), (27, 1)] == hours_of(lake)
    with pytest.raises(Exception, match=r"(?i)predicate|constraint|check|match"):
        lake.replace_windows("e", QUALITY_METRICS, quality_rows(5, 27), day)
    assert lake.rows("e", "quality_metrics") == 5


@pytest.mark.parametrize(("apart", "begin"), [(24, 0), (2, 1)])
def test_of_very_many_windows_each_is_replaced_and_a_row_of_none_is_refused(
    lake: LakeWriter, apart: int, begin: int
) -> None:
    hours = range(begin, 25_000 * apart + begin, apart)
    starts = [START + timedelta(hours=hour) for hour in hours]
    middle, between, last = hours[len(hours) // 2], hours[9000] + 1, hours[-1]
    before = [hours[0], between, middle]
    lake.replace_windows("e", QUALITY_METRICS, quality_rows(*before), [START + timedelta(hours=n) for n in before])
    lake.replace_windows("e", QUALITY_METRICS, quality_rows(middle, last, predictions=9), starts)
    assert [(between, 1), (middle, 9), (last, 9)] == sorted(hours_of(lake))
    for outside in (hours[-1500] - 1, last + 1):
        with pytest.raises(Exception, match=r"(?i)predicate|constraint|check|match"):
            lake.replace_windows("e", QUALITY_METRICS, quality_rows(outside), starts[-1500:])


def test_of_very_many_days_each_is_replaced_and_no_other(lake: LakeWriter) -> None:
    hours = range(0, 25_000 * 48, 48)
    days = [(START + timedelta(hours=hour)).date() for hour in hours]
    lake.replace_days("e", QUALITY_METRICS, quality_rows(0, 72), [days[0], days[1] + timedelta(days=1)])
    lake.replace_days("e", QUALITY_METRICS, quality_rows(hours[12_000], hours[-1], predictions=9), days)
    assert [(72, 1), (hours[12_000], 9), (hours[-1], 9)] == sorted(hours_of(lake))


def test_times_are_written_as_steps_and_a_dictionary_holds_what_repeats_only(lake: LakeWriter) -> None:
    log = inference_log("binary_classification", {"often": "float", "seldom": "float"})
    same = {"event_time": START, "date": START.date()}
    rows = [same | {"often": float(n % 9), "seldom": n / 7} for n in range(20_000)]
    lake.append_once("e", log, pa.Table.from_pylist(rows, schema=arrow_schema(log)), "w", 1)
    [file] = lake.files("e", log.name)
    group = pq.read_metadata(file).row_group(0)
    columns = {(one := group.column(place)).path_in_schema: one for place in range(group.num_columns)}
    assert "DELTA_BINARY_PACKED" in columns["event_time"].encodings
    assert columns["seldom"].total_uncompressed_size < 180_000  # all in a dictionary: 197,000
    assert columns["often"].total_uncompressed_size < 20_000
    assert [(20_000, 20_000)] == read(lake, log, "count(DISTINCT seldom), count(event_time)")


def test_replacing_by_nothing_empties_the_windows_and_no_window_changes_nothing(lake: LakeWriter) -> None:
    lake.replace_windows("e", QUALITY_METRICS, quality_rows(0, 1), [START, START + timedelta(hours=1)])
    lake.replace_windows("e", QUALITY_METRICS, quality_rows(), [])
    lake.replace_windows("e", QUALITY_METRICS, quality_rows(), [START])
    assert lake.rows("e", "quality_metrics") == 1


def test_a_row_outside_of_the_windows_named_is_refused(lake: LakeWriter) -> None:
    with pytest.raises(Exception, match=r"(?i)predicate|constraint|check|match"):
        lake.replace_windows("e", QUALITY_METRICS, quality_rows(0, 5), [START])
    assert lake.rows("e", "quality_metrics") == 0


def test_a_column_that_a_table_has_newly_is_added_and_null_in_what_was_there(lake: LakeWriter) -> None:
    narrow, wide = (inference_log("regression", features) for features in ({"x": "float"}, {"x": "float", "y": "text"}))
    row = {"prediction_id": "a-0", "event_time": START, "date": START.date(), "x": 1.0}
    lake.append_once("e", narrow, pa.Table.from_pylist([row]), "w", 1)
    assert [(1.0, None)] == read(lake, wide, "x, y")
    lake.append_once("e", wide, pa.Table.from_pylist([{**row, "prediction_id": "b-0", "y": "new"}]), "w", 2)
    lake.append_once("e", narrow, pa.Table.from_pylist([{**row, "prediction_id": "c-0"}]), "w", 3)
    assert [("a-0", None), ("b-0", "new"), ("c-0", None)] == read(lake, wide, "prediction_id, y")
    assert [("a-0",), ("b-0",), ("c-0",)] == read(lake, narrow, "prediction_id")


def test_a_column_that_is_not_declared_is_refused_by_name() -> None:
    with pytest.raises(SchemaError, match="ghost"):
        conform(pa.table({"ghost": [1]}), arrow_schema(LABELS))


def test_a_table_that_does_not_exist_yet_is_empty_with_all_its_columns(lake: LakeWriter) -> None:
    with lake.query("e", [LABELS]) as connected:
        assert list(LABELS.names) == connected.table("labels").columns
    assert (0, 0, []) == (lake.rows("e", "labels"), lake.committed("e", "labels", "w"), lake.files("e", "labels"))


def test_only_the_dates_asked_for_are_opened(lake: LakeWriter) -> None:
    hours = [START, START + timedelta(hours=5)]
    lake.replace_windows("e", QUALITY_METRICS, quality_rows(0, 5), hours)
    with lake.query("e", [QUALITY_METRICS], [hours[1].date()]) as connected:
        assert [(hours[1].date(),)] == connected.execute("SELECT date FROM quality_metrics").fetchall()


@pytest.mark.parametrize("days", [1, 7])
def test_of_very_many_dates_each_file_is_opened_that_is_of_one(lake: LakeWriter, days: int) -> None:
    hours = [START + timedelta(hours=hour) for hour in (0, 24, 48)]
    lake.replace_windows("e", QUALITY_METRICS, quality_rows(0, 24, 48), hours)
    first, left_out, last = (hour.date() for hour in hours)
    others = {START.date() + timedelta(days=sign * days * n) for n in range(4, 20_000) for sign in (-1, 1)}
    dates = [first, last, *(others - {left_out})]
    assert [f"date={day}" for day in (first, last)] == [
        Path(file).parent.name for file in lake.files("e", "quality_metrics", dates)
    ]


def test_a_table_whose_files_do_not_tell_all_is_refused(lake: LakeWriter) -> None:
    path = lake.path("e", "labels")
    path.mkdir(parents=True)
    DeltaTable.create(str(path), arrow_schema(LABELS), configuration={"delta.enableDeletionVectors": "true"})
    entry = path / "_delta_log" / f"{0:020d}.json"
    actions = [json.loads(line) for line in entry.read_text().splitlines()]
    for action in actions:
        if "protocol" in action:
            features = {"readerFeatures": ["deletionVectors"], "writerFeatures": ["deletionVectors"]}
            action["protocol"] = {"minReaderVersion": 3, "minWriterVersion": 7, **features}
    entry.write_text("\n".join(json.dumps(action) for action in actions))
    with pytest.raises(SchemaError, match="deletionVectors"):
        lake.rows("e", "labels")


def test_an_immutable_table_is_written_once(lake: LakeWriter) -> None:
    for value in (1, 2):
        lake.write_whole("e", "training_sets/abc", pa.table({"x": [value]}))
    assert [1] == DeltaTable(str(lake.path("e", "training_sets/abc"))).to_pyarrow_table().column("x").to_pylist()


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM read_text('/etc/hostname')",
        "SELECT * FROM read_csv('/etc/passwd')",
        "COPY (SELECT 1) TO '/tmp/leak.csv'",
        "ATTACH '/tmp/other.duckdb'",
        "SET enable_external_access = true",
        "SET allowed_directories = ['/']",
        "SET lock_configuration = false",
        "SET TimeZone = 'Asia/Tokyo'",
        "INSTALL httpfs",
        "LOAD httpfs",
    ],
)
@pytest.mark.parametrize("opened", [connection, session])
def test_a_connection_reaches_no_other_file_and_changes_no_setting(
    tmp_path: Path, opened: Callable[[Path], Any], statement: str
) -> None:
    (tmp_path / "lake").mkdir()
    with opened(tmp_path / "lake") as connected, pytest.raises(duckdb.Error):
        connected.execute(statement)


def test_sessions_of_many_threads_see_their_own_views_and_no_other_s(lake: LakeWriter) -> None:
    for name in ("e", "f"):
        lake.append_once(name, LABELS, label_rows(*(f"{name}{row}" for row in range(50))), "w", 1)

    def asked(number: int) -> set[str]:
        endpoint = "ef"[number % 2]
        with lake.query(endpoint, [LABELS]) as connected, lake.query("g", [LABELS]) as beside:
            connected.register("own", pa.table({"label_id": [f"{endpoint}7"]}))
            assert [] == beside.execute("FROM labels").fetchall()
            found = connected.execute("SELECT label_id FROM labels UNION ALL FROM own").fetchall()
        return {name for (name,) in found}

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(asked, range(80)))
    assert all(f"{'ef'[number % 2]}{row}" in answers[number] for number in range(80) for row in range(50))
    assert all(len(answer) == 50 for answer in answers)
    with lake.query("e", []) as connected:
        assert [] == connected.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall()
        assert [("UTC",)] == connected.execute("SELECT current_setting('TimeZone')").fetchall()


def test_a_connection_does_not_leave_the_lake_by_its_parent_or_a_neighbour_of_like_name(tmp_path: Path) -> None:
    for name in ("lake", "lake-secret"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.csv").write_text("x\n1\n")
    with connection(tmp_path / "lake") as connected:
        assert [(1,)] == connected.execute(f"SELECT x FROM read_csv('{tmp_path}/lake/a.csv')").fetchall()
        for path in (f"{tmp_path}/lake-secret/a.csv", f"{tmp_path}/lake/../lake-secret/a.csv"):
            with pytest.raises(duckdb.Error):
                connected.execute(f"SELECT * FROM read_csv('{path}')")


def test_a_name_with_a_percent_sign_or_a_blank_is_synced_and_read(tmp_path: Path) -> None:
    lake = LakeWriter(tmp_path / "a lake 100%" / "lake")
    assert lake.append_once("e", LABELS, label_rows("a"), "w", 1)
    assert [("a",)] == read(lake, LABELS, "label_id")
    lake.replace_windows("e", QUALITY_METRICS, quality_rows(0), [START])
    lake.replace_windows("e", QUALITY_METRICS, quality_rows(0, predictions=7), [START])
    assert [(7,)] == read(lake, QUALITY_METRICS, "predictions")
    lake.write_whole("e", "training_sets/abc", pa.table({"x": [1]}))
    assert lake.rows("e", "training_sets/abc") == 1


def test_appends_that_race_with_other_appends_lose_nothing(lake: LakeWriter) -> None:
    lake.append_once("e", LABELS, label_rows("a"), "w", 1)
    stale = DeltaTable(str(lake.path("e", "labels")))
    lake.append_once("e", LABELS, label_rows("b"), "w", 2)
    write_deltalake(stale, label_rows("c"), mode="append")
    assert [("a",), ("b",), ("c",)] == read(lake, LABELS, "label_id")
