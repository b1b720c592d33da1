"""Readings of sizes: one a day, whatever is read in between, and a spoiled file is made anew."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from modelops_pipelines.core.maintenance.growth import Reading, RunCost, TableFiles
from modelops_pipelines.store.filesystem.home_readings import DAYS_KEPT, HomeReadings

START = datetime(2026, 3, 1, 3, tzinfo=UTC)


def readings(folder: Path) -> HomeReadings:
    return HomeReadings(folder / "sizes.json", folder / "sizes.lock")


def reading(hours: float, size: int, runs: RunCost | None = None) -> Reading:
    tables = (TableFiles("cancer", "drift", size, 1),)
    return Reading(START + timedelta(hours=hours), {"lake": size}, 1000, tables, runs)


def test_the_last_reading_of_a_day_counts_and_tables_are_of_the_newest_alone(tmp_path: Path) -> None:
    known = readings(tmp_path)
    assert [] == known.read()
    for one in (reading(0, 1), reading(5, 2), reading(24, 3), reading(30, 4)):
        known.record(one)
    assert [2, 4] == [one.total for one in known.read()]
    assert [0, 1] == [len(one.tables) for one in known.read()]
    assert reading(30, 4) == known.read()[-1]


def test_what_dagster_did_is_kept_from_the_reading_before(tmp_path: Path) -> None:
    known = readings(tmp_path)
    known.record(reading(0, 1, RunCost(runs=7)))
    assert RunCost(runs=7) == known.record(reading(24, 2)).runs
    assert [None, RunCost(runs=7)] == [one.runs for one in known.read()]


def test_old_days_go(tmp_path: Path) -> None:
    known = readings(tmp_path)
    known.record(reading(0, 1))
    known.record(reading(24 * DAYS_KEPT, 2))
    assert [1, 2] == [one.total for one in known.read()]
    known.record(reading(24 * (DAYS_KEPT + 1), 3))
    assert [2, 3] == [one.total for one in known.read()]


def test_a_file_that_cannot_be_read_counts_as_none(tmp_path: Path) -> None:
    for content in (b"", b"{", b"[]", b'{"readings": [{}]}', b'{"readings": [{"at": 1}]}'):
        (tmp_path / "sizes.json").write_bytes(content)
        assert [] == readings(tmp_path).read()
    readings(tmp_path).record(reading(0, 1))
    assert [1] == [one.total for one in readings(tmp_path).read()]
