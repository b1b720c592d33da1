"""Reads a file of rows as a version's features. No message shows a value of the file."""

import base64
import csv
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from modelops_pipelines.core.errors import InputError
from modelops_pipelines.core.models.input_forms import JSON
from modelops_pipelines.core.tables.feature_columns import column_of, feature_of
from modelops_pipelines.operations.model_runtime.model_inputs import form_of_version
from modelops_pipelines.store.lake.arrow_schemas import ARROW
from modelops_pipelines.store.lake.utc_times import STORED, is_time, stored_times, times_of_texts
from modelops_pipelines.store.state.release.model_versions import ModelVersion

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMATS = (".csv", ".parquet")
_PLACE = re.compile(r"In CSV column #(\d+): (?:Row #(\d+): )?")


def check_format(path: Path) -> None:
    """Raise InputError for a file that is neither CSV nor Parquet by its suffix."""
    if path.suffix not in FORMATS:
        raise InputError(f"{path} is neither CSV nor Parquet", "Give a .csv or a .parquet file")


def read_rows(path: Path, version: ModelVersion) -> pa.Table:
    """Return a file's rows with the version's features in their types, times in UTC.

    Raises InputError, which names the column and, where known, the row, for a file that cannot be read so.
    """
    check_format(path)
    types: Mapping[str, pa.DataType] = {name: ARROW[kind] for name, kind in version.inputs.items()}  # type: ignore[index]
    named = {feature_of(name): kind for name, kind in types.items()}
    try:
        table = _read_csv(path, named) if path.suffix == ".csv" else pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        message = f"{path} cannot be read as version {version.version}'s features ({_where(path, error)})"
        raise InputError(message, "Correct the file") from None
    table = table.rename_columns([name if name in types else column_of(name) for name in table.column_names])
    twice = [name for name in version.inputs if table.column_names.count(name) > 1]
    if twice:
        raise InputError(f"{path} has the column(s) {', '.join(twice)} more than once", "Keep one of each")
    for name in form_of_version(version).optional - {*table.column_names}:
        table = table.append_column(name, pa.nulls(len(table), types[name]))
    missing = [name for name in version.inputs if name not in table.column_names]
    if missing:
        raise InputError(
            f"{path} lacks the column(s) {', '.join(missing)}, which version {version.version} takes", "Add them"
        )
    for name, kind in types.items():
        column = table.column(name)
        if version.inputs[name] == JSON and not pa.types.is_string(column.type):
            column = _as_json(column)
        table = table.set_column(table.column_names.index(name), name, _converted(path, name, column, kind))
    return table


def _as_json(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return nested values as JSON text, and bytes as base64 in JSON text."""
    texts = [None if value is None else orjson.dumps(value, default=_base64).decode() for value in column.to_pylist()]
    return pa.chunked_array([pa.array(texts, pa.string())])


def _base64(value: Any) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError


def _read_csv(path: Path, types: "Mapping[str, pa.DataType]") -> pa.Table:
    """Read a CSV file; times are read as texts, because Arrow reads those with a zone or those without one."""
    read = {name: pa.string() if kind == STORED else kind for name, kind in types.items()}
    options = pyarrow.csv.ConvertOptions(column_types=read, strings_can_be_null=True)
    return pyarrow.csv.read_csv(path, convert_options=options)


def _converted(path: Path, name: str, column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    if kind == STORED and is_time(column.type):
        return stored_times(name, column)
    if kind == STORED and not pa.types.is_null(column.type):
        return _parsed(path, name, column)
    try:
        return column.cast(kind)
    except pa.ArrowException:  # its text shows the value
        message = f"{path} has a column {name!r} of type {column.type}, which cannot be read as {kind}"
        raise InputError(message, "Correct the file") from None


def _parsed(path: Path, name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        message = f"{path} has a column {name!r} of type {column.type}, which cannot be read as times"
        raise InputError(message, "Write times as 2026-03-01T12:00:00Z")
    times = times_of_texts(name, column.to_pandas())
    return stored_times(name, pa.chunked_array([pa.array(times, from_pandas=True)]))


def _where(path: Path, error: Exception) -> str:
    """Return the column and row that Arrow names, without the value that it shows."""
    found = _PLACE.search(str(error))
    if found is None:
        return type(error).__name__
    with path.open(encoding="utf-8", errors="replace", newline="") as opened:
        header = next(csv.reader(opened), [])
    index = int(found[1])
    column = repr(header[index]) if index < len(header) else str(index)
    return f"column {column}" + ("" if found[2] is None else f", row {found[2]}")
