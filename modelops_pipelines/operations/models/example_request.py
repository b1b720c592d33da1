"""An example request for a version: a row of its logged input example, or placeholder values by its signature."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from modelops_pipelines.core.errors import ModelOpsError
from modelops_pipelines.core.models.input_forms import InputForm, placeholder
from modelops_pipelines.operations.model_runtime.input_examples import read_example
from modelops_pipelines.operations.model_runtime.model_inputs import form_of_version
from modelops_pipelines.operations.model_runtime.parameters import parameters_of
from modelops_pipelines.store.state.release.model_versions import ModelVersion

Row = dict[str, Any]
_LARGEST = 1024 * 1024


def example_body(version: ModelVersion, place: int = 0) -> dict[str, Any]:
    """Return a request's body with one row, and the example's parameters if any.

    ``place`` is the row of the example, from 0; after the last comes the first.
    Its form is ``dataframe_records``, or ``inputs`` where the inputs have no names.
    """
    form = form_of_version(version)
    rows, params = read_examples(version, form)
    return body_of_row(form, rows[place % len(rows)], params)


def example_row(version: ModelVersion) -> Row:
    """Return the first complete row of the version's input example, else placeholder values of the right types."""
    return read_examples(version, form_of_version(version))[0][0]


def body_of_row(form: InputForm, row: Mapping[str, Any], params: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the body of a request with one row, which is by column, in the form of ``example_body``."""
    more = {} if params is None else {"params": dict(params)}
    if form.is_positional:
        values = list(row.values())
        return {"inputs": values if len(values) == 1 else [values], **more}
    names = {column: name for name, column in form.columns_by_name.items()}
    return {"dataframe_records": [{names[column]: value for column, value in row.items()}], **more}


def read_examples(version: ModelVersion, form: InputForm) -> tuple[Sequence[Row], Mapping[str, Any] | None]:
    """Return the complete rows of the version's input example by column, and its parameters (None without any).

    There is always a row: without a complete one it has placeholder values of the right types.
    """
    logged = read_example(version.folder, form, _LARGEST)
    rows = [row for one in logged.rows if (row := _plain(one, form.kinds)) is not None]
    placeholders = {one.column: placeholder(one.declared) for one in form.inputs}
    return rows or [placeholders], _params(version.folder, logged.params)


def _params(folder: Path, logged: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Return the example's parameters where the signature declares them, else None."""
    try:
        return None if logged is None else parameters_of(folder).check(logged)
    except ModelOpsError:
        return None


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
    "json": lambda value: value is not None,
}
