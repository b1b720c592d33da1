"""Absence of state is never read as 'nothing configured': whatever is gone, a home that had a state says what and stays
closed, makes nothing new in its place, and works again once what was there is back.
"""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest
import sqlalchemy as sa

from modelops_pipelines.core.access.api_keys import grant
from modelops_pipelines.core.errors import (
    BusyError,
    SettingsError,
    StateError,
    UnauthenticatedError,
    UnavailableError,
)
from modelops_pipelines.gateway.access.keyring import Keyring
from modelops_pipelines.store.settings import load_settings
from modelops_pipelines.store.state.faults import translated
from modelops_pipelines.store.state.installation import FILE, Installation
from modelops_pipelines.store.stores import Stores

STATE = "state.db"


def home_with_keys(folder: Path) -> Stores:
    stores = opened(folder)
    stores.keys.create(grant("ann", ["admin"]), now=stores.now(), actor="ann")
    stores.database.close()
    return stores


def opened(folder: Path) -> Stores:
    return Stores(load_settings(folder, {"MODELOPS_HOME": str(folder / "home")}))


def run_sql(*statements: str) -> Callable[[Path], None]:
    def change(home: Path) -> None:
        with closing(sqlite3.connect(home / STATE, isolation_level=None)) as connected:
            for statement in statements:
                connected.execute(statement)

    return change


def remove(home: Path) -> None:
    for path in home.glob(f"{STATE}*"):
        path.unlink()


def replace_by(make: Callable[[Path], object]) -> Callable[[Path], None]:
    def change(home: Path) -> None:
        remove(home)
        make(home / STATE)

    return change


def make_other_program(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connected:
        connected.execute("CREATE TABLE notes (text)")


def make_other_alembic(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connected, connected:
        connected.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connected.execute("INSERT INTO alembic_version VALUES ('bd07f7e963c5')")


def make_empty_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connected:
        connected.execute("CREATE TABLE gone (a)")
        connected.execute("DROP TABLE gone")


def make_another_homes(path: Path) -> None:
    other = home_with_keys(path.parent.parent / "other")
    shutil.copy(other.settings.home / STATE, path)


def cut_in_half(home: Path) -> None:
    content = (home / STATE).read_bytes()
    remove(home)
    (home / STATE).write_bytes(content[: len(content) // 2])


WAYS: dict[str, Callable[[Path], None]] = {
    "removed": remove,
    "cut to nothing": replace_by(Path.touch),
    "an empty database": replace_by(make_empty_database),
    "another home's": replace_by(make_another_homes),
    "another program's": replace_by(make_other_program),
    "another program's, with revisions": replace_by(make_other_alembic),
    "garbage": replace_by(lambda path: path.write_bytes(b"no database, but a text of some length" * 200)),
    "cut in half": cut_in_half,
    "keys deleted": run_sql("DELETE FROM keys"),
    "keys deleted, with their count": run_sql(
        "DELETE FROM keys", "DELETE FROM settings WHERE name = 'keys_generation'"
    ),
    "table of keys dropped": run_sql("DROP TABLE keys"),
    "secret deleted": run_sql("DELETE FROM settings WHERE name = 'seal'"),
    "secret replaced": run_sql("UPDATE settings SET value = printf('%064d', 1) WHERE name = 'seal'"),
    "settings emptied": run_sql("DELETE FROM settings"),
    "every table dropped": run_sql("DROP TABLE settings", "DROP TABLE keys", "DROP TABLE desired_state"),
}


def tables(home: Path) -> list[str] | str | None:
    """Return the tables in the state's file; None where it is missing."""
    if not (home / STATE).exists():
        return None
    try:
        with closing(sqlite3.connect(home / STATE)) as connected:
            return sorted(name for (name,) in connected.execute("SELECT name FROM sqlite_master"))
    except sqlite3.DatabaseError as error:
        return str(error)


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Callable[[Path], None]:
    return WAYS[request.param]


def test_a_new_process_refuses_the_state_and_makes_nothing_new(tmp_path: Path, way: Callable[[Path], None]) -> None:
    home = home_with_keys(tmp_path).settings.home
    way(home)
    before = tables(home)
    for _ in range(2):
        with pytest.raises(StateError) as caught:
            opened(tmp_path).keys.list()
        assert caught.value.message.startswith("The state database ")
        assert "estore it from a backup" in caught.value.remedy
    assert before == tables(home)


def test_a_running_worker_stays_closed_and_goes_on_when_the_state_is_back(
    tmp_path: Path, way: Callable[[Path], None]
) -> None:
    stores, keyring = home_with_keys(tmp_path), Keyring()
    backup = tmp_path / "backup.db"
    shutil.copy(stores.settings.home / STATE, backup)
    keyring.refresh(stores.keys)
    way(stores.settings.home)
    for _ in range(2):
        with suppress(StateError):  # with every key gone, but not their count, nothing tells it to read them again
            keyring.refresh(stores.keys)
        with pytest.raises(UnauthenticatedError):
            keyring.authenticate(None, stores.now())
    remove(stores.settings.home)
    shutil.copy(backup, stores.settings.home / STATE)
    assert ["ann"] == [key.name for key in stores.keys.list()]
    keyring.refresh(stores.keys)


def test_a_file_that_comes_back_after_another_homes_is_read_itself(tmp_path: Path) -> None:
    stores = home_with_keys(tmp_path)
    keys = [key.name for key in stores.keys.list()]
    state, aside = stores.settings.home / STATE, tmp_path / "aside.db"
    state.rename(aside)
    make_another_homes(state)
    with pytest.raises(StateError, match="another home"):
        stores.keys.list()
    remove(stores.settings.home)
    aside.rename(state)  # it has the number that it had; so may a copy have
    assert keys == [key.name for key in stores.keys.list()]


@pytest.mark.parametrize("known", ["file", "memory"])
def test_a_home_without_keys_does_not_begin_anew_either(tmp_path: Path, known: str) -> None:
    stores = opened(tmp_path)
    secret, mark = stores.database.secret(), stores.database.installation.mark()
    stores.database.close()
    remove(stores.settings.home)
    if known == "memory":  # the home itself is gone, as a volume that is no longer mounted
        shutil.rmtree(stores.settings.home)
    with pytest.raises(StateError, match="is missing"):
        _ = Stores(stores.settings, mark if known == "memory" else None).database
    assert not (stores.settings.home / STATE).exists()
    (stores.settings.home / FILE).unlink(missing_ok=True)  # what the remedy says
    assert secret != opened(tmp_path).database.secret()


def test_a_home_of_an_earlier_release_gets_its_mark_at_the_first_opening(tmp_path: Path) -> None:
    stores = home_with_keys(tmp_path)
    (stores.settings.home / FILE).unlink()
    run_sql("DELETE FROM settings WHERE name = 'seal'")(stores.settings.home)  # it was made at its first use
    secret = opened(tmp_path).database.secret()
    mark = Installation(stores.settings.home / FILE).mark()
    assert mark is not None
    assert mark.has_had_keys
    assert secret == opened(tmp_path).database.secret()


def test_a_damaged_mark_is_told_by_its_name(tmp_path: Path) -> None:
    path = home_with_keys(tmp_path).settings.home / FILE
    path.write_text("{")
    with pytest.raises(StateError, match=rf"{FILE} cannot be read"):
        _ = opened(tmp_path).database


def test_no_key_is_created_without_its_mark(tmp_path: Path) -> None:
    stores = opened(tmp_path)
    _ = stores.database
    mark = stores.settings.home / FILE
    mark.unlink()
    mark.mkdir()  # nothing can be written in its place
    (mark / "file").touch()
    with pytest.raises((StateError, UnavailableError)):
        stores.keys.create(grant("ann", ["admin"]), now=stores.now(), actor="ann")
    shutil.rmtree(mark)
    assert [] == list(stores.keys.list())


def test_a_page_that_is_damaged_is_found_by_the_check(tmp_path: Path) -> None:
    stores = home_with_keys(tmp_path)
    path = stores.settings.home / STATE
    content = bytearray(path.read_bytes())
    content[8192:12288] = b"\xff" * 4096
    path.write_bytes(content)
    with pytest.raises(StateError, match="is corrupt"):
        opened(tmp_path).database.check()


@pytest.mark.parametrize("table", ["crashes", "trials"])
def test_a_table_that_is_gone_is_found_by_the_check(tmp_path: Path, table: str) -> None:
    stores = home_with_keys(tmp_path)
    run_sql(f"DROP TABLE {table}")(stores.settings.home)
    with pytest.raises(StateError, match=f"has no table {table}"):
        opened(tmp_path).database.check()


SERVER, FILE_URL = "postgresql://user:word@db.example/state", "sqlite:////srv/home/state.db"


@pytest.mark.parametrize(
    ("url", "problem", "kind", "told"),
    [
        (SERVER, "connection to server at db.example failed: Connection refused", UnavailableError, "does not answer"),
        (SERVER, "could not translate host name", UnavailableError, "does not answer"),
        (SERVER, "could not serialize access due to concurrent update", BusyError, "at the same time"),
        (SERVER, 'relation "keys" does not exist', StateError, "is incomplete"),
        (FILE_URL, "database or disk is full", UnavailableError, "cannot be written or read"),
        (FILE_URL, "disk I/O error", UnavailableError, "cannot be written or read"),
        (FILE_URL, "no such table: keys", StateError, "is incomplete"),
        (FILE_URL, "database disk image is malformed", StateError, "is corrupt"),
        (FILE_URL, "unable to open database file", SettingsError, "cannot be written"),
    ],
)
@pytest.mark.parametrize("raised", [sa.exc.OperationalError, sa.exc.DatabaseError, sa.exc.InterfaceError])
def test_every_class_of_the_drivers_errors_is_told(
    url: str, problem: str, kind: type[Exception], told: str, raised: type[sa.exc.DBAPIError]
) -> None:
    error = translated(raised("SELECT 1", None, Exception(problem)), url)
    assert isinstance(error, kind)
    assert told in str(error)
    assert "word" not in str(error)


def test_an_error_that_is_a_fault_of_ours_stays_what_it_is() -> None:
    error = sa.exc.IntegrityError("INSERT", None, Exception("UNIQUE constraint failed: keys.key_id"))
    assert error is translated(error, FILE_URL)
