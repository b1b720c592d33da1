"""SQL that users have written reads what it is given, and no file of the project beside it."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import duckdb
import pytest

from modelops_pipelines.store.lake.foreign_queries import duckdb_rows
from modelops_pipelines.store.lake.reader import connection

SECRET = "a secret"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project with files where DuckDB would spill to."""
    monkeypatch.chdir(tmp_path)
    for spilled in (tmp_path / ".tmp", tmp_path / "own.duckdb.tmp"):
        spilled.mkdir()
        (spilled / "a.txt").write_text(SECRET)
    (tmp_path / "given").mkdir()
    with closing(duckdb.connect(str(tmp_path / "own.duckdb"))) as made:
        made.execute("CREATE TABLE t AS SELECT 1 AS a")
    return tmp_path


@contextmanager
def refused() -> Iterator[None]:
    with pytest.raises(duckdb.PermissionException):
        yield


@pytest.mark.parametrize("query", ["read_text('{0}/.tmp/a.txt')", "read_text('.tmp/a.txt')", "glob('.tmp/*')"])
@pytest.mark.parametrize("readable", [None, "given"])
def test_a_query_reads_no_file_of_the_folder_that_duckdb_spills_to(
    folder: Path, query: str, readable: str | None
) -> None:
    with connection(None if readable is None else folder / readable) as connected, refused():
        connected.execute(f"SELECT * FROM {query.format(folder)}").fetchall()


def test_a_query_on_a_database_of_the_users_reads_no_file_beside_it(folder: Path) -> None:
    query = f"SELECT content AS a FROM read_text('{folder}/own.duckdb.tmp/a.txt')"
    with refused():
        list(duckdb_rows(folder / "own.duckdb", folder, query, ["a"], None, None))
    assert [[{"a": 1}]] == list(duckdb_rows(folder / "own.duckdb", folder, "SELECT a FROM t", ["a"], None, None))


def test_a_query_has_a_part_of_the_memory_and_can_not_ask_for_more() -> None:
    whole = duckdb.connect().execute("SELECT current_setting('memory_limit')").fetchone()
    with connection(None) as connected:
        assert whole != connected.execute("SELECT current_setting('memory_limit')").fetchone()
        with pytest.raises(duckdb.InvalidInputException):
            connected.execute("SET memory_limit = '1TB'")
