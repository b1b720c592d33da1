"""Runs one SELECT of the user's own on a database of the user's own, which it cannot change, a batch of rows at a time.

The query becomes a subquery, so that nothing but a query runs; DuckDB files are opened read-only, and any transaction
is rolled back.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import sqlalchemy as sa

from modelops_pipelines.core.errors import InputError
from modelops_pipelines.store.lake import sql
from modelops_pipelines.store.lake.reader import MEMORY, connection, keep_from_disk

if TYPE_CHECKING:
    import pyarrow as pa

Rows = list[Mapping[str, Any]]
_BATCH = 50_000


def duckdb_rows(
    database: Path | None, readable: Path, query: str, columns: Sequence[str], cursor: str | None, since: Any
) -> Iterator[Rows]:
    """Yield the query's rows on a DuckDB file, or on no database with the files of one folder readable.

    With ``cursor`` and a ``since`` only rows whose cursor is at least that. Raises InputError for anything but one
    SELECT and for missing columns, duckdb.Error when it fails.
    """
    with _opened(database, readable) as connected:
        wrapped = sql.subquery(_one_select(connected, query), cursor if since is not None else None)
        answer = connected.execute(wrapped, {"since": since} if since is not None else {})
        names = [column[0] for column in answer.description or []]
        places = _places(names, columns)
        while rows := answer.fetchmany(_BATCH):
            yield [{name: row[place] for name, place in places} for row in rows]


def database_rows(url: str, query: str, columns: Sequence[str], cursor: str | None, since: Any) -> Iterator[Rows]:
    """Yield the query's rows on any database that SQLAlchemy knows, as ``duckdb_rows`` does.

    A SQLite file is opened read-only, and not made where there is none. Raises InputError for a URL that is none.
    """
    engine = _engine(url)
    try:
        with engine.connect() as connected:
            text = sa.text(query.strip().rstrip(";").replace(":", r"\:") + "\n")
            given = text.columns(*(sa.column(name) for name in dict.fromkeys([*columns]))).subquery("given")
            chosen = sa.select(*(given.c[name] for name in columns))
            if cursor is not None and since is not None:
                chosen = chosen.where(given.c[cursor] >= sa.bindparam("since", since))
            answer = connected.execution_options(stream_results=True).execute(chosen)
            for rows in answer.partitions(_BATCH):
                yield [dict(row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's public name
            connected.rollback()
    finally:
        engine.dispose()


def _engine(url: str) -> sa.Engine:
    """Return an engine of the URL; of an error only the type is told, for its text may hold the URL's password."""
    try:
        return sa.create_engine(_read_only(sa.make_url(url)), hide_parameters=True)
    except Exception as error:  # noqa: BLE001 - a dialect raises what it likes
        kind = type(error).__name__
    raise InputError(f"The database's URL cannot be used ({kind})", "Correct it, or install the driver that it names")


def _read_only(url: sa.URL) -> sa.URL:
    if url.drivername not in ("sqlite", "sqlite+pysqlite") or not url.database or url.database == ":memory:":
        return url
    if "uri" not in url.query:
        url = url.set(database=Path(url.database).absolute().as_uri())
    mode = "memory" if url.query.get("mode") == "memory" else "ro"
    return url.update_query_dict({"uri": "true", "mode": mode})


@contextmanager
def _opened(database: Path | None, readable: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    if database is None:
        with connection(readable) as connected:
            yield connected
        return
    with closing(duckdb.connect(str(database), read_only=True)) as connected:
        connected.execute("SET TimeZone = 'UTC'")
        keep_from_disk(connected, MEMORY)
        connected.execute("SET enable_external_access = false")
        connected.execute("SET lock_configuration = true")
        yield connected


def _places(names: Sequence[str], columns: Sequence[str]) -> list[tuple[str, int]]:
    missing = sorted(set(columns) - set(names))
    if missing:
        raise InputError(
            f"The source has no column {', '.join(map(repr, missing))}", "Correct the query, or the source's YAML"
        )
    return [(name, names.index(name)) for name in columns]


def duckdb_batches(readable: Path, query: str, rows: int) -> Iterator["pa.RecordBatch"]:
    """Yield the rows of one SELECT over the files of one folder, in Arrow, as ``duckdb_rows`` runs it."""
    with _opened(None, readable) as connected:
        wrapped = sql.subquery(_one_select(connected, query), None)
        yield from connected.sql(wrapped).to_arrow_reader(rows)


def whole_database_rows(url: str, query: str) -> Iterator[Rows]:
    """Yield all columns of the rows of one SELECT on any database that SQLAlchemy knows, as ``database_rows`` does."""
    engine = _engine(url)
    try:
        with engine.connect() as connected:
            text = sa.text(sql.subquery(query.strip().rstrip(";"), None).replace(":", r"\:"))
            answer = connected.execution_options(stream_results=True).execute(text)
            for rows in answer.partitions(_BATCH):
                yield [dict(row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's public name
            connected.rollback()
    finally:
        engine.dispose()


def _one_select(connected: duckdb.DuckDBPyConnection, query: str) -> str:
    statements = connected.extract_statements(query)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise InputError("The source's query is not one SELECT", "Write one SELECT")
    return str(statements[0].query).rstrip().rstrip(";")
