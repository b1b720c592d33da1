"""Converts columns of plain values to a model's input: a DataFrame of the signature's types, or an array of numbers."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from modelops_pipelines.core.errors import InputError
from modelops_pipelines.core.models.typed_columns import Columns

if TYPE_CHECKING:
    import pandas as pd

NUMBERS = frozenset({"float", "int"})
Narrow = Mapping[str, str]


def make_frame(arrays: Mapping[str, NDArray[Any]]) -> "pd.DataFrame":
    """Return arrays of equal length as the columns of a DataFrame."""
    import pandas as pd

    return pd.DataFrame(arrays)


def to_arrays(columns: Columns, inputs: Mapping[str, str], narrow: Narrow) -> dict[str, NDArray[Any]]:
    """Return the columns as arrays of the signature's types; a null number is NaN, a time is naive UTC.

    ``narrow`` names the 32-bit inputs, because MLflow does not convert numbers to 32 bits itself. Raises InputError for
    a number that does not fit into 32 bits.
    """
    return {name: typed_array(name, columns[name], narrow.get(name, _NUMPY[kind])) for name, kind in inputs.items()}


def to_array(columns: Columns, inputs: Mapping[str, str], narrow: Narrow) -> NDArray[np.float64]:
    """Return columns of numbers as an array of shape (rows, features), with the memory layout of a DataFrame's values.

    The layout matters: with another one, a matrix product differs in the last bit. Raises InputError for a number that
    does not fit into the 32 bits of an input that ``narrow`` names.
    """
    for name, kind in narrow.items():
        typed_array(name, columns[name], kind)
    return np.array([columns[name] for name in inputs], dtype=np.float64).T


def typed_array(name: str, values: list[Any], kind: str) -> NDArray[Any]:
    """Return a column's values as an array of a NumPy type; raises InputError for a number that does not fit."""
    if kind == "bool" and None in values:
        kind = "object"  # NumPy would make it False
    if kind == "datetime64[ns]":
        values = [None if value is None else value.replace(tzinfo=None) for value in values]
    try:
        with np.errstate(over="ignore"):
            found = np.array(values, dtype=kind)
    except OverflowError:
        raise _range_error(name, values, kind) from None
    if kind == "float32" and np.isinf(found).any():  # what is sent is finite
        raise _range_error(name, values, kind)
    return found


def _range_error(name: str, values: list[Any], kind: str) -> InputError:
    """Return the error that names the first row whose number does not fit into the type."""
    most = 2**31 if kind == "int32" else 2.0**128 - 2.0**103  # from here on a number is rounded to infinity
    row = next(row for row, value in enumerate(values) if value is not None and not -most <= value < most)
    return InputError(
        f"Feature {name!r} in row {row} is {values[row]!r}, which does not fit into {kind}",
        "Send a number in the range of the model's signature",
    )


_NUMPY = {"float": "float64", "int": "int64", "text": "object", "bool": "bool", "timestamp": "datetime64[ns]"}
