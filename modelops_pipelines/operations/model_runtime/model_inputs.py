"""What a model gets: the input in its signature's layout, made of typed columns."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from modelops_pipelines.core.errors import InputError, ModelError
from modelops_pipelines.core.models.input_forms import (
    JSON,
    MATRIX,
    TENSOR,
    TENSORS,
    UNNAMED,
    InputForm,
    plain_form,
)
from modelops_pipelines.core.models.typed_columns import Columns
from modelops_pipelines.operations.model_runtime.frames import make_frame, to_array, to_arrays
from modelops_pipelines.operations.model_runtime.nested_values import to_tensor, to_values
from modelops_pipelines.store.registry.model_loader import describe_files
from modelops_pipelines.store.registry.signatures import input_form
from modelops_pipelines.store.state.release.model_versions import ModelVersion

if TYPE_CHECKING:
    import pandas as pd

_WITHOUT_NULL = frozenset({"int", "bool", JSON})
EXACT = 2**53
"""From here on not every integer is a float."""
FrameMaker = Callable[[Mapping[str, NDArray[Any]]], Any]
"""Makes what a model takes as a DataFrame of arrays of equal length, by the names of its columns."""


def form_of_files(folder: Path) -> InputForm:
    """Return the form of a version's inputs by its MLmodel file; raises ModelError."""
    return input_form(describe_files(folder), f"in {folder}")


def form_of_version(version: ModelVersion) -> InputForm:
    """Return the form of a recorded version's inputs; by its record alone where its files are gone."""
    try:
        return form_of_files(version.folder)
    except ModelError:
        return plain_form(version.inputs)


def to_model_input(columns: Columns, form: InputForm, frame_of: FrameMaker = make_frame) -> Any:
    """Return the columns as the model gets them: a DataFrame, an array, or arrays by name.

    A DataFrame of plain columns is made by ``frame_of``. An optional column that the columns do not have is left out.
    Raises InputError, which names input and row, for a value that does not fit the signature.
    """
    if form.layout == MATRIX:
        return _to_matrix(columns, form)
    if form.layout == TENSOR:
        return to_tensor(form.inputs[0], columns[form.inputs[0].column])
    if form.layout == TENSORS:
        return {str(one.name): to_tensor(one, columns[one.column]) for one in form.inputs}
    arrays = to_arrays(columns, _plain_kinds(columns, form), form.narrow)
    return frame_of(arrays) if form.is_plain and not form.has_json else _completed(arrays, columns, form)


def from_log(columns: Columns, form: InputForm) -> Any:
    """Return typed columns of the log as the model gets them; one that no version of the log had is null.

    An optional column of integers without any value is left out: no DataFrame's column of integers holds nulls. Raises
    InputError for a null that its type does not allow.
    """
    given = dict(columns)
    for one in form.inputs:
        values = given[one.column]
        if one.kind not in _WITHOUT_NULL or None not in values:
            continue
        if one.kind == "int" and not one.required and all(value is None for value in values):
            del given[one.column]
        elif one.required or one.kind == "int":
            raise InputError(f"Feature {one.column!r} is null, which its type does not allow", "Give a value")
    return to_model_input(given, form)


def _plain_kinds(columns: Columns, form: InputForm) -> dict[str, str]:
    if not (form.optional or form.has_json):
        return form.kinds
    return {name: kind for name, kind in form.kinds.items() if kind != JSON and name in columns}


def _completed(arrays: Mapping[str, NDArray[Any]], columns: Columns, form: InputForm) -> "pd.DataFrame":
    """Return a DataFrame with the columns of other values too, in the signature's order, by the model's own names."""
    import pandas as pd

    inputs = [one for one in form.inputs if one.column in columns]
    parts: dict[Any, Any] = {}
    for place, one in enumerate(inputs):
        name = place if form.layout == UNNAMED else one.name
        if one.kind == JSON:
            parts[name] = pd.Series(to_values(one, columns[one.column]), dtype="object")
        else:
            parts[name] = arrays[one.column]
    return pd.DataFrame(parts)


def _to_matrix(columns: Columns, form: InputForm) -> NDArray[Any]:
    if form.dtype in {"int64", "int32"}:
        for name in form.narrow:
            to_arrays({name: columns[name]}, {name: "int"}, form.narrow)
        return np.array([columns[one.column] for one in form.inputs], dtype=form.dtype).T.copy(order="C")
    return np.ascontiguousarray(to_array(columns, form.kinds, form.narrow)).astype(str(form.dtype), copy=False)
