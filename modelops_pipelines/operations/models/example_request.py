"""An example request for a version: a row of its logged input example, or placeholder values by its signature."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from modelops_pipelines.store.state.release.deployments import ModelVersion

Row = dict[str, Any]
_FILE = "input_example.json"
_LARGEST = 1024 * 1024
_PLACEHOLDERS: Mapping[str, Any] = {
    "float": 1.0,
    "int": 1,
    "text": "text",
    "bool": True,
    "timestamp": "2026-01-31T12:00:00Z",
}


def example_body(version: ModelVersion) -> dict[str, Any]:
    """Return a request's body with one row, in the form ``dataframe_records``."""
    return {"dataframe_records": [example_row(version)]}


def example_row(version: ModelVersion) -> Row:
    """Return the first complete row of the version's input example, else placeholder values of the right types."""
    logged = _logged(Path(version.artifact_uri.removeprefix("file://")) / _FILE)
    rows = (_plain(row, version.inputs) for row in logged)
    return next(
        (row for row in rows if row is not None), {name: _PLACEHOLDERS[kind] for name, kind in version.inputs.items()}
    )


def _logged(path: Path) -> Sequence[Mapping[str, Any]]:
    """Return the rows of an input example as MLflow stores it; none where there is no file, or another format."""
    try:
        with path.open(encoding="utf-8") as opened:
            example = json.loads(opened.read(_LARGEST))
        return [dict(zip(example["columns"], row, strict=True)) for row in example["data"]]
    except (OSError, ValueError, LookupError, TypeError):
        return []


def _plain(row: Mapping[str, Any], inputs: Mapping[str, str]) -> Row | None:
    """Return the row's features in the request's form, or None when one is missing or of another type."""
    found = {name: row.get(name) for name in inputs}
    return found if all(_FITS[kind](found[name]) for name, kind in inputs.items()) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")


def _is_moment(value: Any) -> bool:
    try:
        return isinstance(value, str) and datetime.fromisoformat(value).replace(tzinfo=UTC) is not None
    except ValueError:
        return False


_FITS: Mapping[str, Callable[[Any], bool]] = {
    "float": _is_number,
    "int": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "text": lambda value: isinstance(value, str),
    "bool": lambda value: isinstance(value, bool),
    "timestamp": _is_moment,
}
