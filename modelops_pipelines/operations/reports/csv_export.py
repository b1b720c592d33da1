"""Rows of derived tables as CSV, for spreadsheets: quoted as RFC 4180 says, in UTF-8, without formulas.

Values are those of the JSON routes: moments as ISO 8601 with a Z, no value as an empty cell, what is nested as JSON.
A text that a spreadsheet would take for a formula gets an apostrophe before it (OWASP, CSV injection).
"""

import csv
import io
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.escaping import csv_text
from modelops_pipelines.core.windows import text
from modelops_pipelines.operations.metrics.window_rows import listed_table, window_rows
from modelops_pipelines.store.stores import Stores

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]")


@dataclass(frozen=True)
class CsvFile:
    """A file: its name, which is safe in headers and file systems, and its content in UTF-8."""

    name: str
    content: bytes


def export(
    stores: Stores,
    spec: EndpointSpec,
    table: str,
    windows: int,
    *,
    version: str | None = None,
    segment: str | None = None,
) -> CsvFile:
    """Return a table's rows of the newest windows; arguments and errors are those of ``window_rows``."""
    rows = window_rows(stores, spec, table, windows, version=version, segment=segment)
    name = f"{_NOT_IN_NAMES.sub('_', spec.name)}-{table}.csv"
    return CsvFile(name, csv_of(listed_table(table).columns, rows).encode("utf-8", "replace"))


def csv_of(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Return the columns' names and their values in each row."""
    made = io.StringIO()
    writer = csv.writer(made, lineterminator="\r\n")
    writer.writerow([csv_text(name) for name in columns])
    writer.writerows([_cell(row.get(name)) for name in columns] for row in rows)
    return made.getvalue()


def _cell(value: Any) -> str | int:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, datetime):
        return text(value)
    return csv_text(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
