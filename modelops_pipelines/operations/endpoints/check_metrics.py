"""Checks the files and functions of the user's own metrics and rules, before any window is computed or judged."""

import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from modelops_pipelines.core.endpoints.alert_rules import SQL_PARAMETERS, AlertRule
from modelops_pipelines.core.endpoints.issues import Issue
from modelops_pipelines.core.endpoints.spec import Metric
from modelops_pipelines.operations.endpoints.check_functions import METRIC, function_issues

_RULE_FIX = (
    "Write one SELECT that returns one number, or rows that are each a culprit; "
    "its parameters are $start and $end, the bounds of the span"
)
_FIX = "Write one SELECT that returns one number, such as SELECT avg(score) FROM predictions"


def metric_issues(metrics: Sequence[Metric], folder: Path, faulty: Collection[str]) -> Iterator[Issue]:
    """Yield the issues with the metrics' files and functions, which are searched in the folder.

    ``faulty`` are the keys that already have an issue.
    """
    for index, metric in enumerate(metrics):
        path = f"metrics[{index}]"
        if metric.sql is not None and not {path, f"{path}.sql"} & set(faulty):
            yield from _sql_issues(metric.sql, folder, f"{path}.sql", _FIX)
        elif metric.function is not None and not {path, f"{path}.function"} & set(faulty):
            yield from function_issues(metric.function, folder, f"{path}.function", METRIC)


def rule_file_issues(rules: Sequence[AlertRule], folder: Path, faulty: Collection[str]) -> Iterator[Issue]:
    """Yield the issues with the SQL files of alert rules, which are searched in the folder."""
    for index, rule in enumerate(rules):
        path = f"alerts[{index}].sql"
        if rule.kind == "sql" and rule.sql is not None and path not in faulty:
            yield from _sql_issues(rule.sql, folder, path, _RULE_FIX, SQL_PARAMETERS)


def _sql_issues(named: str, folder: Path, path: str, select: str, parameters: Collection[str] = ()) -> Iterator[Issue]:
    file = folder / named
    try:
        content = file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        yield Issue(path, f"{named} is not UTF-8 text", "Save it as UTF-8")
    except OSError as error:
        fix = f"Create it, or correct the path, which is relative to {folder}"
        yield Issue(path, f"{named} cannot be read: {error.strerror}", fix)
    except ValueError:
        yield Issue(path, "is not the path of a file", "Write the path in plain characters")
    else:
        problem = _sql_problem(content, parameters)
        if problem:
            yield Issue(path, f"{named} {problem}", select)


def _sql_problem(content: str, parameters: Collection[str]) -> str | None:
    """Return the problem with a query's text, as DuckDB reports it; nothing is run."""
    import duckdb  # only when a metric has a file

    if not content.strip():
        return "is empty"
    try:
        statements = duckdb.extract_statements(content)
    except duckdb.Error as error:
        return f"is not valid SQL: {_format_error(error)}"
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        found = ", ".join(statement.type.name for statement in statements) or "nothing"
        return f"is not one SELECT (found: {found})"
    unknown = sorted(statements[0].named_parameters - set(parameters))
    return f"has the parameter(s) {', '.join(unknown)}, which nothing gives" if unknown else None


def _format_error(error: Exception) -> str:
    """Return DuckDB's error in one line: its message, and the number of the line that it quotes."""
    message, _, quoted = str(error).partition("\n")
    line = re.search(r"LINE (\d+):", quoted)
    return f"{message} (line {line[1]})" if line else message
