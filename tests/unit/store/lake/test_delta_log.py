"""A table's files, followed from commit to commit, are those that opening it anew gives."""

import json
import random
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from modelops_pipelines.core.errors import SchemaError
from modelops_pipelines.core.tables.lake import LABELS, QUALITY_METRICS
from modelops_pipelines.store.lake.arrow_schemas import arrow_schema
from modelops_pipelines.store.lake.delta_log import TableFiles
from modelops_pipelines.store.lake.eraser import LakeEraser
from modelops_pipelines.store.lake.reader import Lake
from modelops_pipelines.store.lake.writer import LakeWriter

START = datetime(2026, 3, 1, 22, tzinfo=UTC)
MICROS = timedelta(microseconds=1)


@pytest.fixture
def lake(tmp_path: Path) -> LakeWriter:
    return LakeWriter(tmp_path / "a lake 100%" / "lake")


def append(lake: LakeWriter, number: int, *moments: datetime) -> None:
    rows = [
        {"label_id": f"{number}-{n}", "event_time": moment, "received_at": moment, "date": moment.date()}
        for n, moment in enumerate(moments)
    ]
    assert lake.append_once("e", LABELS, pa.Table.from_pylist(rows, schema=arrow_schema(LABELS)), "w", number)


def opened_anew(lake: Lake) -> list[tuple[Any, ...]]:
    return [vars_of(file) for file in TableFiles(lake, "e", "labels").newest_first()]


def vars_of(file: Any) -> tuple[Any, ...]:
    return tuple(vars(file).values())


def test_a_table_that_is_not_there_has_no_file_until_it_is(lake: LakeWriter) -> None:
    files = TableFiles(lake, "e", "labels")
    assert files.newest_first() == ()
    append(lake, 1, START)
    [file] = files.newest_first()
    assert [file.path] == lake.files("e", "labels")
    assert (file.rows, file.earliest, file.received) == (1, START, START)
    assert file.latest >= START


def test_the_latest_time_is_never_understated_though_delta_cuts_it(lake: LakeWriter) -> None:
    moment = START + 999 * MICROS
    append(lake, 1, moment)
    files = TableFiles(lake, "e", "labels")
    assert files.newest_first()[0].latest >= moment
    append(lake, 2, moment)
    assert all(file.latest >= moment >= file.earliest for file in files.newest_first())


def test_following_gives_what_opening_anew_gives_whatever_is_committed(
    lake: LakeWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw, files = random.Random(5), TableFiles(lake, "e", "labels")
    opened: list[str] = []
    plain = Lake.table
    monkeypatch.setattr(Lake, "table", lambda self, *names: opened.append(names[1]) or plain(self, *names))
    append(lake, 1, START)
    files.newest_first()
    opened.clear()
    for number in range(2, 60):
        append(lake, number, *(START + timedelta(minutes=draw.randrange(5000)) for _ in range(draw.randrange(1, 4))))
        if number % 20 == 0:
            DeltaTable(str(lake.path("e", "labels"))).optimize.compact()
        if number % 7 == 0:
            opened.clear()
            followed = [vars_of(file) for file in files.newest_first()]
            assert opened == []
            assert sorted(followed) == sorted(opened_anew(lake))
            assert followed == sorted(followed, key=lambda one: one[3], reverse=True)


def test_a_log_whose_older_entries_are_gone_is_read_anew(lake: LakeWriter) -> None:
    files = TableFiles(lake, "e", "labels")
    append(lake, 1, START)
    files.newest_first()
    for number in range(2, 5):
        append(lake, number, START)
    LakeEraser(lake.folder).purge("e", "labels")
    assert len(files.newest_first()) == 4
    append(lake, 5, START)
    assert len(files.newest_first()) == 5


def test_a_file_without_statistics_may_hold_any_time_of_its_day(lake: LakeWriter) -> None:
    append(lake, 1, START)
    append(lake, 2, START)
    files = TableFiles(lake, "e", "labels")
    files.newest_first()
    entry = _as_if_without_statistics(lake, 2)
    [added] = [action["add"] for action in map(json.loads, entry.read_text().splitlines()) if "add" in action]
    for found in (TableFiles(lake, "e", "labels"), _reopened(files)):
        told = next(file for file in found.newest_first() if file.path.endswith(unquote(added["path"])))
        day = datetime(START.year, START.month, START.day, tzinfo=UTC)
        assert (told.rows, told.earliest, told.latest, told.received) == (0, day, day + timedelta(days=1), None)


def test_a_table_whose_files_do_not_tell_all_any_more_is_refused(lake: LakeWriter) -> None:
    append(lake, 1, START)
    files = TableFiles(lake, "e", "labels")
    files.newest_first()
    features = {"readerFeatures": ["deletionVectors"], "writerFeatures": ["deletionVectors"]}
    action = {"protocol": {"minReaderVersion": 3, "minWriterVersion": 7, **features}}
    log = lake.path("e", "labels") / "_delta_log"
    (log / f"{_version(lake) + 1:020d}.json").write_text(json.dumps(action))
    with pytest.raises(SchemaError, match="deletionVectors"):
        files.newest_first()


def test_a_table_without_event_times_is_followed_by_its_days(lake: LakeWriter) -> None:
    row = {"window_start": START, "model_version": "1", "predictions": 1, "date": START.date()}
    rows = pa.Table.from_pylist([row], schema=arrow_schema(QUALITY_METRICS))
    lake.replace_windows("e", QUALITY_METRICS, rows, [START])
    [file] = TableFiles(lake, "e", "quality_metrics").newest_first()
    assert (file.earliest.date(), file.latest.date()) == (date(2026, 3, 1), date(2026, 3, 2))


def _version(lake: LakeWriter) -> int:
    return DeltaTable(str(lake.path("e", "labels"))).version()


def _reopened(files: TableFiles) -> TableFiles:
    files.forget()
    return files


def _as_if_without_statistics(lake: LakeWriter, version: int) -> Path:
    entry = lake.path("e", "labels") / "_delta_log" / f"{version:020d}.json"
    actions = [json.loads(line) for line in entry.read_text().splitlines()]
    for action in actions:
        action.get("add", {}).pop("stats", None)
    entry.write_text("\n".join(json.dumps(action) for action in actions))
    return entry
