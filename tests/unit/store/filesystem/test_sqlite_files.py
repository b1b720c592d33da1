"""SQLite files shrink while others hold and write them; their content does not change."""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from modelops_pipelines.core.errors import BusyError
from modelops_pipelines.store.filesystem import sqlite_files
from modelops_pipelines.store.filesystem.sqlite_files import free_space, shrink

ROWS = 3_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "runs.db"
    with closing(sqlite3.connect(made)) as connected:
        connected.execute("PRAGMA journal_mode = WAL")
        connected.execute("CREATE TABLE events (id INTEGER PRIMARY KEY, body TEXT)")
        fill(connected)
    return made


def fill(connected: sqlite3.Connection) -> None:
    with connected:
        connected.executemany("INSERT INTO events (body) VALUES (?)", [("x" * 1000,)] * ROWS)


def empty(path: Path) -> None:
    with closing(sqlite3.connect(path, timeout=20)) as connected, connected:
        connected.execute("DELETE FROM events WHERE id % 10")


def content(path: Path) -> list[tuple[int, str]]:
    with closing(sqlite3.connect(path)) as connected:
        return connected.execute("SELECT * FROM events").fetchall()


def test_a_file_is_made_one_that_shrinks_and_then_shrinks_in_steps(path: Path) -> None:
    assert not free_space(path).shrinks
    empty(path)
    before, kept = free_space(path), content(path)
    assert before.is_worth_it
    assert before.free > 2 * before.bytes / 3
    shrink(path)
    after = free_space(path)
    assert (True, 0, kept) == (after.shrinks, after.free, content(path))
    assert path.stat().st_size < before.bytes / 3
    assert not after.is_worth_it
    with closing(sqlite3.connect(path)) as connected:
        fill(connected)
    empty(path)
    kept, size = content(path), path.stat().st_size
    shrink(path)
    assert kept == content(path)
    assert path.stat().st_size < size / 2


def test_writers_and_readers_go_on_meanwhile(path: Path) -> None:
    empty(path)
    stop, wrote, written = threading.Event(), threading.Semaphore(0), []

    def write() -> None:
        with closing(sqlite3.connect(path, timeout=30)) as connected:
            while not stop.is_set():
                with connected:
                    written.append(connected.execute("INSERT INTO events (body) VALUES ('new')").lastrowid)
                wrote.release()

    writer = threading.Thread(target=write)
    with closing(sqlite3.connect(path)) as reader:
        before = reader.execute("SELECT count(*) FROM events").fetchone()
        writer.start()
        for _ in range(5):
            assert all(wrote.acquire(timeout=30) for _ in range(20))
            shrink(path)
            empty(path)
        stop.set()
        writer.join()
        assert before != reader.execute("SELECT count(*) FROM events").fetchone()
        assert [("ok",)] == reader.execute("PRAGMA integrity_check").fetchall()
    assert {number for number in written if number % 10 == 0} <= {number for number, _ in content(path)}


def test_a_database_that_is_held_is_left_for_the_next_time(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_files, "BUSY_SECONDS", 0.1)
    empty(path)
    kept = content(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(BusyError, match="cannot be made smaller now"):
            shrink(path)
        holder.execute("ROLLBACK")
    assert kept == content(path)
    shrink(path)
    assert 0 == free_space(path).free


def test_a_file_that_is_gone_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(BusyError):
        free_space(tmp_path / "gone.db")
    assert not (tmp_path / "gone.db").exists()
