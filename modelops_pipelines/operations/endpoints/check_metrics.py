"""Whether the user's own metrics can be computed: their files and functions, before any window is."""

import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from modelops_pipelines.core.endpoints.issues import Issue
from modelops_pipelines.core.endpoints.spec import Metric
from modelops_pipelines.operations.endpoints.check_functions import METRIC, function_issues

_SHOWN = "Write one SELECT of one number FROM predictions, such as SELECT avg(score) FROM predictions"


def metric_issues(metrics: Sequence[Metric], folder: Path, wrong: Collection[str]) -> Iterator[Issue]:
    """Yield what is wrong with the metrics' files and functions, looked for in the folder.

    ``wrong`` are the keys that have a issue already.
    """
    for index, metric in enumerate(metrics):
        path = f"metrics[{index}]"
        if metric.sql is not None and path not in wrong:
            yield from _sql_issues(metric.sql, folder, f"{path}.sql")
        elif metric.function is not None and not {path, f"{path}.function"} & set(wrong):
            yield from function_issues(metric.function, folder, f"{path}.function", METRIC)


def _sql_issues(named: str, folder: Path, path: str) -> Iterator[Issue]:
    file = folder / named
    try:
        content = file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        yield Issue(path, f"{named} is not UTF-8 text", "Save it as UTF-8")
    except OSError as error:
        fix = f"Create it under {folder}, or correct the path, which starts there"
        yield Issue(path, f"{named} cannot be read: {error.strerror}", fix)
    else:
        problem = _sql_problem(content)
        if problem:
            yield Issue(path, f"{named} {problem}", _SHOWN)


def _sql_problem(content: str) -> str | None:
    """Return what is wrong with a query as far as its text tells, in DuckDB's words; nothing is run."""
    import duckdb  # not before a metric has a file

    if not content.strip():
        return "is empty"
    try:
        statements = duckdb.extract_statements(content)
    except duckdb.Error as error:
        return f"is no SQL: {_told(error)}"
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        found = ", ".join(statement.type.name for statement in statements) or "nothing"
        return f"is not one SELECT (found: {found})"
    return None


def _told(error: Exception) -> str:
    """Return DuckDB's words in a line: what is wrong, and the line that it quotes for it."""
    wrong, _, quoted = str(error).partition("\n")
    line = re.search(r"LINE (\d+):", quoted)
    return f"{wrong} (line {line[1]})" if line else wrong
