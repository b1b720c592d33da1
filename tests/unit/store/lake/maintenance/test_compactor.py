"""Compaction changes no row, keeps the marks of what was ingested, and goes on beside appends."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from modelops_pipelines.core.capture.log_search import LogQuery
from modelops_pipelines.core.maintenance.compaction import MOST_SMALL, Rewrite
from modelops_pipelines.core.tables.lake import PROFILES, REJECTS, inference_log
from modelops_pipelines.store.lake import sql
from modelops_pipelines.store.lake.arrow_schemas import arrow_schema
from modelops_pipelines.store.lake.maintenance import compactor as compacting
from modelops_pipelines.store.lake.maintenance.compactor import LakeCompactor
from modelops_pipelines.store.lake.rows.recent import RecentRows
from tests.fakes.compacted_tables import DAY, LATER, LOG, NOON, log_rows


def filled(folder: Path, numbers: Sequence[int], count: int = 20) -> LakeCompactor:
    lake = LakeCompactor(folder / "lake")
    for number in numbers:
        lake.append_once("e", LOG, log_rows(number, count), "worker", number + 1)
    return lake


def all_rows(lake: LakeCompactor) -> list[str]:
    """Return every row of the table as text, in order."""
    rows = DeltaTable(str(lake.path("e", LOG.name))).to_pyarrow_table()
    return sorted(map(repr, rows.select(sorted(rows.column_names)).to_pylist()))


@pytest.mark.parametrize(("now", "how"), [(NOON, "merge"), (LATER, "sort")])
def test_a_rewrite_keeps_every_row_and_what_was_ingested(tmp_path: Path, now: datetime, how: str) -> None:
    lake = filled(tmp_path, range(MOST_SMALL))
    before = all_rows(lake)
    assert [(DAY, how, MOST_SMALL)] == [(o.day, o.rewrite.how, o.rewrite.files) for o in lake.due("e", LOG.name, now)]
    done = lake.compact("e", LOG.name, DAY, now)
    assert done is not None
    assert (MOST_SMALL, 1) == (done.files, len(lake.files("e", LOG.name)))
    assert before == all_rows(lake)
    assert MOST_SMALL == lake.committed("e", LOG.name, "worker")
    assert not lake.append_once("e", LOG, log_rows(0), "worker", MOST_SMALL)
    assert [] == lake.due("e", LOG.name, now)
    assert None is lake.compact("e", LOG.name, DAY, now)


def test_a_closed_day_is_sorted_with_row_groups_of_few_minutes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compacting, "ROW_GROUP", 100)
    lake = filled(tmp_path, range(4), 1000)
    before = all_rows(lake)
    lake.compact("e", LOG.name, DAY, LATER)
    [file] = lake.files("e", LOG.name)
    times = pq.read_table(file, columns=["event_time"]).column(0).to_pylist()
    assert sorted(times) == times
    assert 40 == pq.read_metadata(file).num_row_groups
    assert before == all_rows(lake)
    query = LogQuery(5, NOON, NOON + timedelta(days=1))
    assert sorted(times)[-5:] == [row["event_time"] for row in reversed(RecentRows(lake).rows("e", LOG.name, query))]


@pytest.mark.parametrize(("now", "how"), [(NOON, "merge"), (LATER, "sort")])
def test_a_row_that_is_appended_meanwhile_is_neither_lost_nor_doubled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, now: datetime, how: str
) -> None:
    lake = filled(tmp_path, range(MOST_SMALL))
    rewrite, appended = compacting._rewrite, iter([100])

    def beside_an_append(delta: DeltaTable, day: date, planned: Rewrite) -> None:
        for number in appended:  # once, after the table was opened for the rewrite
            lake.append_once("e", LOG, log_rows(number), "other", 1)
        rewrite(delta, day, planned)

    monkeypatch.setattr(compacting, "_rewrite", beside_an_append)
    done = lake.compact("e", LOG.name, DAY, now)
    assert (how, 2) == (done.how if done else None, len(lake.files("e", LOG.name)))
    ids = [f"{number}-{row}" for number in (*range(MOST_SMALL), 100) for row in range(20)]
    with lake.query("e", [LOG]) as connected:
        found = connected.execute(f"SELECT {sql.columns_of(LOG, ['prediction_id'])} FROM inference_log").fetchall()
    assert sorted(ids) == sorted(row[0] for row in found)


def test_an_append_that_had_opened_the_table_before_a_rewrite_succeeds(tmp_path: Path) -> None:
    lake = filled(tmp_path, range(MOST_SMALL))
    stale = DeltaTable(str(lake.path("e", LOG.name)))
    lake.compact("e", LOG.name, DAY, LATER)
    opened = iter([stale])

    class Late(LakeCompactor):
        def table(self, endpoint: str, table: str) -> DeltaTable | None:
            return next(opened, None) or super().table(endpoint, table)

    assert Late(lake.folder).append_once("e", LOG, log_rows(50), "worker", 99)
    assert (MOST_SMALL + 1) * 20 == lake.rows("e", LOG.name)


def test_tables_of_windows_and_of_rejects_are_compacted_too(tmp_path: Path) -> None:
    lake = LakeCompactor(tmp_path / "lake")
    starts = [NOON.replace(hour=hour) for hour in range(5)]
    for start in starts:
        row = {"window_start": start, "model_version": "1", "column": "x", "n": 1, "date": DAY}
        row = {name: value for name, value in row.items() if name in PROFILES.names}
        lake.replace_windows("e", PROFILES, pa.Table.from_pylist([row], schema=arrow_schema(PROFILES)), [start])
        reject = pa.Table.from_pylist([{"reason": str(start), "date": DAY}], schema=arrow_schema(REJECTS))
        lake.append_once("e", REJECTS, reject, str(start), 1)
    for table in (PROFILES, REJECTS):
        lake.compact("e", table.name, DAY, LATER)
        assert (1, 5) == (len(lake.files("e", table.name)), lake.rows("e", table.name))
    with lake.query("e", [PROFILES]) as connected:
        found = connected.execute("SELECT window_start FROM profiles").fetchall()
    assert starts == [row[0] for row in found]


@pytest.mark.parametrize("now", [NOON, LATER])
def test_files_from_before_a_feature_was_added_are_joined_with_later_ones(tmp_path: Path, now: datetime) -> None:
    lake = filled(tmp_path, range(MOST_SMALL))
    wider = inference_log("regression", {"x": "float", "city": "text", "z": "int"})
    rows = log_rows(90).append_column("z", pa.array(range(20), pa.int64())).select(wider.names)
    lake.append_once("e", wider, rows, "worker", 90)
    lake.compact("e", LOG.name, DAY, now)
    assert 1 == len(lake.files("e", LOG.name))
    with lake.query("e", [wider]) as connected:
        counts = connected.execute("SELECT count(*), count(z), sum(z), count(city) FROM inference_log").fetchall()
    assert [((MOST_SMALL + 1) * 20, 20, 190, (MOST_SMALL + 1) * 16)] == counts
