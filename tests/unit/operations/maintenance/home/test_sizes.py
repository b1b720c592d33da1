"""The reading of a home's sizes, and the SQLite files that are made smaller."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from modelops_pipelines.operations.maintenance.home.databases import database_files, shrink_databases
from modelops_pipelines.operations.maintenance.home.sizes import read_sizes, record_sizes
from modelops_pipelines.store.filesystem.folder_sizes import FolderSize, size_of
from modelops_pipelines.store.settings import load_settings
from modelops_pipelines.store.stores import Stores

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    return Stores(load_settings(tmp_path, {}))


def put(path: Path, size: int = 5000) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)


def test_a_size_counts_files_and_blocks_and_follows_no_link(tmp_path: Path) -> None:
    assert FolderSize() == size_of(tmp_path / "none")
    for name in ("a", "b/c", "b/d/e"):
        put(tmp_path / "folder" / name)
    (tmp_path / "folder" / "link").symlink_to(tmp_path)
    found = size_of(tmp_path / "folder")
    assert 4 == found.files
    assert found.bytes >= 3 * 5000


def test_every_file_of_the_home_is_of_one_part(stores: Stores) -> None:
    home = stores.settings.home
    for name in ("lake/cancer/drift/a", "lake/cancer/log/b", "lake/cancer/log/c", "lake/flights/drift/d", "strange/e"):
        put(home / name)
    for name in ("lake/cancer/training_sets/x/1", "lake/cancer/training_sets/x/2", "lake/cancer/training_sets/x/3"):
        put(home / name)
    for name in ("spool/cancer/p/w/1.jsonl", "mlflow.db", "dagster/history/runs.db", "logs/up.log", "state.db-wal"):
        put(home / name)
    reading = read_sizes(stores.settings, NOW)
    assert reading.total == size_of(home).bytes
    assert {name for name, size in reading.parts.items() if size} == {
        "lake", "spool", "mlflow", "dagster", "logs", "state", "other",
    }  # fmt: skip
    assert [("cancer", "log", 2), ("flights", "drift", 1)] == [(t.endpoint, t.table, t.files) for t in reading.tables]
    assert 0 < reading.disk_free


def test_maintenance_records_a_reading_and_a_dry_run_none(stores: Stores) -> None:
    assert [] == list(record_sizes(stores, NOW, dry_run=True))
    assert [] == stores.readings.read()
    assert [] == list(record_sizes(stores, NOW, dry_run=False))
    assert [NOW] == [one.at for one in stores.readings.read()]


def test_databases_with_free_space_are_made_smaller_and_serve_on(stores: Stores) -> None:
    stores.database.secret()
    runs = stores.settings.dagster / "history" / "runs.db"
    runs.parent.mkdir(parents=True)
    with closing(sqlite3.connect(runs)) as connected, connected:
        connected.execute("CREATE TABLE runs (body TEXT)")
        connected.executemany("INSERT INTO runs VALUES (?)", [("x" * 1000,)] * 3000)
        connected.execute("DELETE FROM runs WHERE rowid > 10")
    assert ["state.db", "runs.db"] == [path.name for path in database_files(stores.settings)]
    size, secret = runs.stat().st_size, stores.database.secret()
    would = list(shrink_databases(stores, NOW, dry_run=True))
    assert size == runs.stat().st_size
    assert would == list(shrink_databases(stores, NOW, dry_run=False))
    assert [("state.db", "rewrite"), ("dagster/history/runs.db", "rewrite")] == [(o.item, o.action) for o in would]
    assert runs.stat().st_size < size / 10
    assert secret == stores.database.secret()
    assert [] == list(shrink_databases(stores, NOW, dry_run=False))
