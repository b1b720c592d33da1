"""The input example that a version was logged with, in each of the forms that MLflow stores; else placeholders."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelops_pipelines.core.models.input_forms import InputForm

FILE = "input_example.json"
LARGEST = 16 * 1024 * 1024
"""Bytes of the largest example that is read."""
_DATA, _PARAMS = "inputs", "params"
Row = Mapping[str, Any]


@dataclass(frozen=True)
class InputExample:
    """The example's rows by the columns of the version's inputs, and the parameters that it was logged with."""

    rows: Sequence[Row] = ()
    params: Mapping[str, Any] | None = None


def read_example(folder: Path, form: InputForm, largest: int = LARGEST) -> InputExample:
    """Return the example in a version's folder; without rows where there is none, or it names no inputs.

    MLflow stores a DataFrame as columns and data, a dict and a list of dicts as they are, arrays as nested lists under
    ``inputs``, and an example with parameters as ``{"inputs": ..., "params": ...}``.
    """
    columns = form.columns_by_name
    try:
        with (folder / FILE).open(encoding="utf-8") as opened:
            stored = json.loads(opened.read(largest))
        params: Any = None
        if isinstance(stored, dict) and {_DATA} <= set(stored) <= {_DATA, _PARAMS} and _DATA not in columns:
            stored, params = stored[_DATA], stored.get(_PARAMS)
        rows = _rows(stored, list(columns), positional=form.is_positional)
        rows = [{columns[name]: value for name, value in row.items() if name in columns} for row in rows]
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return InputExample()
    return InputExample(rows, params if isinstance(params, dict) and params else None)


def _rows(stored: Any, names: Sequence[str], *, positional: bool) -> list[Row]:
    """Return the rows of a stored example; raises what ``read_example`` catches for another form."""
    if isinstance(stored, dict) and "data" in stored and "data" not in names:
        columns = names if positional else stored.get("columns", names)
        return [dict(zip(columns, row, strict=True)) for row in stored["data"]]
    if isinstance(stored, dict):
        columns = {name: value if isinstance(value, list) else [value] for name, value in stored.items()}
        count = len(columns[next((name for name in names if name in columns), names[0])])
        return [{name: values[index] for name, values in columns.items()} for index in range(count)]
    if positional and not any(isinstance(row, dict) for row in stored):
        return [dict(zip(names, [row] if len(names) == 1 else row, strict=True)) for row in stored]
    return [dict(row.items()) for row in stored]
