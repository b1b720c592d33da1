"""The state database opens once for all, refuses what it cannot serve, and says so with a remedy."""

import contextlib
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateIndex

from modelops_pipelines.core.errors import BusyError, SchemaError, SettingsError, StateError
from modelops_pipelines.core.release.desired_state import variants_of
from modelops_pipelines.core.tables.state import STATE
from modelops_pipelines.store.settings import load_settings
from modelops_pipelines.store.state import faults
from modelops_pipelines.store.state.database import REVISION, Database, from_micros, moment, to_micros
from modelops_pipelines.store.state.migrations.run import upgrade
from modelops_pipelines.store.state.release.deployments import Deployments
from modelops_pipelines.store.state.sql_tables import metadata
from modelops_pipelines.store.stores import Stores


def url(folder: Path) -> str:
    return f"sqlite:///{folder / 'state.db'}"


def migrated(folder: Path) -> None:
    """Make the database as one that every release has upgraded."""
    engine = sa.create_engine(url(folder))
    upgrade(engine, "0001")
    engine.dispose()
    Database(url(folder))


@pytest.mark.parametrize("make", [lambda folder: Database(url(folder)), migrated], ids=["made anew", "migrated"])
def test_a_database_is_what_the_tables_declare(tmp_path: Path, make: Callable[[Path], object]) -> None:
    make(tmp_path)
    engine = sa.create_engine(url(tmp_path))
    with engine.connect() as connected:
        context = MigrationContext.configure(connected, opts={"compare_type": True, "compare_server_default": True})
        assert [] == compare_metadata(context, metadata)
        assert REVISION == context.get_current_revision()
        inspector = sa.inspect(connected)
        for table in STATE:
            columns = inspector.get_columns(table.name)
            assert [(c.name, c.nullable) for c in table.columns] == [(c["name"], c["nullable"]) for c in columns]
            assert set(table.key) == set(inspector.get_pk_constraint(table.name)["constrained_columns"])
        alerts = {index["name"]: index for index in inspector.get_indexes("alerts")}
        assert alerts["one_open_alert"]["unique"]
    engine.dispose()


@pytest.mark.parametrize("dialect", [sqlite.dialect(), postgresql.dialect()], ids=["sqlite", "postgresql"])
def test_a_rule_may_have_any_number_of_resolved_alerts(dialect: sa.Dialect) -> None:
    [index] = metadata.tables["alerts"].indexes
    assert str(CreateIndex(index).compile(dialect=dialect)).endswith("(endpoint, rule) WHERE status != 'resolved'")


def test_a_database_opens_while_another_process_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "BUSY_SECONDS", 0.1)
    Database(url(tmp_path)).close()
    with contextlib.closing(sqlite3.connect(tmp_path / "state.db", isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        with Database(url(tmp_path)).read() as connected:
            assert connected.scalar(sa.text("SELECT 1")) == 1


def schema(folder: Path) -> list[tuple[str, str]]:
    """Return every index and numbered table as SQLite keeps it, white space aside."""
    with contextlib.closing(sqlite3.connect(folder / "state.db")) as connected:
        query = "SELECT name, sql FROM sqlite_master WHERE type = 'index' OR sql LIKE '%AUTOINCREMENT%'"
        found = [(name, " ".join((sql or "").replace('"', "").split())) for name, sql in connected.execute(query)]
    return sorted((name, sql if sql.startswith("CREATE") and "INDEX" in sql else "") for name, sql in found)


def test_a_database_made_anew_has_the_indexes_and_numbers_of_a_migrated_one(tmp_path: Path) -> None:
    for name in ("new", "old"):
        (tmp_path / name).mkdir()
    Database(url(tmp_path / "new"))
    migrated(tmp_path / "old")
    assert schema(tmp_path / "old") == schema(tmp_path / "new")


def test_opening_it_again_changes_nothing_and_keeps_the_secret(tmp_path: Path) -> None:
    first = Database(url(tmp_path)).secret()
    upgrade(Database(url(tmp_path))._engine)
    assert first == Database(url(tmp_path)).secret()
    assert len(first) == 32


def test_a_newer_database_is_refused_and_the_message_names_both_revisions(tmp_path: Path) -> None:
    with Database(url(tmp_path)).begin() as connected:
        connected.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaError) as caught:
        Database(url(tmp_path))
    assert f"The state database is at revision 9999, but this release supports {REVISION}" == caught.value.message
    assert "Run the newer release" in caught.value.remedy


def test_a_database_that_another_process_holds_is_told_as_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "BUSY_SECONDS", 0.1)
    opened = Database(url(tmp_path))
    holder = sqlite3.connect(tmp_path / "state.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(BusyError) as caught, opened.begin():
        pass
    assert "has been locked by another process for over 0.1 s" in caught.value.message
    assert "End the process that holds the lock" in caught.value.remedy
    holder.execute("ROLLBACK")
    holder.close()
    with opened.begin() as connected:
        assert connected.scalar(sa.text("SELECT 1")) == 1


def test_a_block_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    opened = Database(url(tmp_path))
    one, twice = "INSERT INTO settings VALUES ('a', 'b')", "INSERT INTO settings VALUES ('c', 'd'), ('c', 'd')"
    with contextlib.suppress(sa.exc.IntegrityError), opened.begin() as connected:
        connected.execute(sa.text(one))
        connected.execute(sa.text(twice))
    with opened.begin() as connected:
        assert ["seal"] == list(connected.scalars(sa.text("SELECT name FROM settings")))


@pytest.mark.parametrize("content", [b"this is no database at all, but a text of some length" * 40])
def test_a_file_that_is_no_database_is_told_by_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "state.db").write_bytes(content)
    with pytest.raises(StateError, match="is corrupt"):
        Database(url(tmp_path))


def test_a_home_that_cannot_be_written_is_a_fault_of_the_settings(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    settings = load_settings(tmp_path, {"MODELOPS_HOME": str(tmp_path / "file" / "home")})
    with pytest.raises(SettingsError, match="is not writable") as caught:
        Stores(settings)
    assert "set MODELOPS_HOME to another folder" in caught.value.remedy
    with pytest.raises(SettingsError, match="cannot be opened for writing"):
        Database(f"sqlite:///{tmp_path / 'file' / 'state.db'}")


def test_the_database_and_its_side_files_are_for_this_user_only(tmp_path: Path) -> None:
    opened = Database(url(tmp_path / "home"))
    with opened.begin():
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "home").glob("state.db*")}
    assert set(modes.values()) == {0o600}
    assert "state.db" in modes
    assert stat.S_IMODE((tmp_path / "home").stat().st_mode) == 0o700


@pytest.mark.parametrize("micros", [0, 1, -1, 1_772_000_000_123_456])
def test_a_moment_is_kept_to_the_microsecond(micros: int) -> None:
    assert micros == to_micros(moment(micros))
    assert moment(micros) == from_micros(micros)
    assert (None, None) == (to_micros(None), from_micros(None))


def test_what_an_older_release_served_is_served_on_after_the_upgrade(tmp_path: Path) -> None:
    engine = sa.create_engine(url(tmp_path))
    upgrade(engine, "0002")
    variants = '[{"version": "1", "role": "champion", "share": 100}]'
    with engine.begin() as connected:
        connected.execute(
            sa.text("INSERT INTO desired_state (endpoint, generation, variants, at) VALUES ('a', 3, :variants, 1000)"),
            {"variants": variants},
        )
    engine.dispose()
    deployments = Deployments(Database(url(tmp_path)))
    state = deployments.desired("a")
    assert (3, "active", variants_of("1")) == (state.generation, state.status, state.answering)
    assert ([], None) == (deployments.unsettled(), deployments.head())
