"""The record of backups: the newest ones in order, and a file that is damaged counts as none."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from modelops_pipelines.core.maintenance.backups import TakenBackup
from modelops_pipelines.store.filesystem.home_backups import KEPT, HomeBackups

START = datetime(2026, 3, 1, tzinfo=UTC)


def backups(folder: Path) -> HomeBackups:
    return HomeBackups(folder / "backups.json", folder / "lock")


def test_the_newest_are_kept_in_order_of_time(tmp_path: Path) -> None:
    assert [] == backups(tmp_path).read()
    taken = [TakenBackup(START + timedelta(days=day), f"/mnt/{day}") for day in range(KEPT + 2)]
    for one in reversed(taken):
        backups(tmp_path).note(one)
    assert taken[2:] == backups(tmp_path).read()


def test_a_damaged_file_counts_as_none_and_is_made_anew(tmp_path: Path) -> None:
    for content in ("", "{", '{"backups": 5}', '{"backups": [{"at": "never"}]}', "[]"):
        (tmp_path / "backups.json").write_text(content)
        assert [] == backups(tmp_path).read()
    backups(tmp_path).note(TakenBackup(START, "/mnt/b"))
    assert [TakenBackup(START, "/mnt/b")] == backups(tmp_path).read()
