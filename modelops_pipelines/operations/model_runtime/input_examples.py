"""The input example that a version was logged with, in each of the forms that MLflow stores; else placeholders."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = "input_example.json"
LARGEST = 16 * 1024 * 1024
"""Bytes of the largest example that is read."""
_DATA, _PARAMS = "inputs", "params"
PLACEHOLDERS: Mapping[str, Any] = {
    "float": 1.0,
    "int": 1,
    "text": "text",
    "bool": True,
    "timestamp": "2026-01-31T12:00:00Z",
}
Row = Mapping[str, Any]


@dataclass(frozen=True)
class InputExample:
    """The example's rows by the names of the version's inputs, and the parameters that it was logged with."""

    rows: Sequence[Row] = ()
    params: Mapping[str, Any] | None = None


def read_example(folder: Path, inputs: Iterable[str], largest: int = LARGEST) -> InputExample:
    """Return the example in a version's folder; without rows where there is none, or it names no inputs.

    MLflow stores a DataFrame as columns and data, a dict and a list of dicts as they are, and an example with
    parameters as ``{"inputs": ..., "params": ...}``.
    """
    names = list(inputs)
    try:
        with (folder / FILE).open(encoding="utf-8") as opened:
            stored = json.loads(opened.read(largest))
        params: Any = None
        if isinstance(stored, dict) and set(stored) == {_DATA, _PARAMS} and not {_DATA, _PARAMS} & set(names):
            stored, params = stored[_DATA], stored[_PARAMS]
        rows = _rows(stored, names)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return InputExample()
    return InputExample(rows, params if isinstance(params, dict) and params else None)


def _rows(stored: Any, names: Sequence[str]) -> list[Row]:
    """Return the rows of a stored example; raises what ``read_example`` catches for another form."""
    if isinstance(stored, dict) and "data" in stored and "data" not in names:
        columns = stored.get("columns", names)
        return [dict(zip(columns, row, strict=True)) for row in stored["data"]]
    if isinstance(stored, dict):
        columns = {name: value if isinstance(value, list) else [value] for name, value in stored.items()}
        count = len(columns[names[0]])
        return [{name: values[index] for name, values in columns.items()} for index in range(count)]
    return [dict(row.items()) for row in stored]
