"""When each task of maintenance last ended and last succeeded."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from modelops_pipelines.core.maintenance.growth import TaskEnd
from modelops_pipelines.store.filesystem.maintenance_ends import FORGOTTEN, MaintenanceEnds

START = datetime(2026, 3, 1, 3, tzinfo=UTC)
DAY = timedelta(days=1)


def ends(folder: Path) -> MaintenanceEnds:
    return MaintenanceEnds(folder / "maintenance.json", folder / "lock")


def test_a_home_is_watched_from_the_first_look_on(tmp_path: Path) -> None:
    assert START == ends(tmp_path).read(START).since
    assert START == ends(tmp_path).read(START + DAY).since


def test_a_failure_keeps_the_last_success_and_a_success_forgets_the_error(tmp_path: Path) -> None:
    known = ends(tmp_path)
    known.note("logs", START)
    known.note("logs", START + DAY, "the disk is full")
    assert {"logs": TaskEnd(START + DAY, START, "the disk is full")} == known.read(START + DAY).tasks
    known.note("logs", START + 2 * DAY)
    assert {"logs": TaskEnd(START + 2 * DAY, START + 2 * DAY)} == known.read(START + 2 * DAY).tasks


def test_a_task_that_is_not_tried_any_more_is_forgotten(tmp_path: Path) -> None:
    known = ends(tmp_path)
    known.note("of an older release", START)
    known.note("logs", START + FORGOTTEN)
    assert ["logs", "of an older release"] == sorted(known.read(START).tasks)
    known.note("logs", START + FORGOTTEN + DAY)
    assert ["logs"] == sorted(known.read(START).tasks)


def test_a_spoiled_file_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "maintenance.json").write_text('{"since": 5}')
    assert START == ends(tmp_path).read(START).since
    assert START == ends(tmp_path).read(START + DAY).since
