"""Converts columns of plain values to a model's input: a DataFrame of the signature's types, or an array of numbers."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from modelops_pipelines.core.errors import InputError
from modelops_pipelines.core.models.typed_columns import Columns
from modelops_pipelines.store.registry.model_loader import describe_files

if TYPE_CHECKING:
    import pandas as pd

NUMBERS = frozenset({"float", "int"})
Narrow = Mapping[str, str]


def to_frame(columns: Columns, inputs: Mapping[str, str], narrow: Narrow) -> "pd.DataFrame":
    """Return the columns as a DataFrame of the signature's types; a null number is NaN, a time is naive UTC.

    ``narrow`` names the 32-bit inputs, because MLflow does not convert numbers to 32 bits itself. Raises InputError for
    an integer that does not fit into 32 bits.
    """
    import pandas as pd

    return pd.DataFrame(
        {name: _array(name, columns[name], narrow.get(name, _NUMPY[kind])) for name, kind in inputs.items()}
    )


def narrow_inputs(model: Path) -> Narrow:
    """Return the 32-bit inputs of a model's signature with their NumPy types."""
    signature = describe_files(model).get("signature") or {}
    declared = json.loads(signature.get("inputs") or "[]")
    return {column["name"]: _NARROW[column["type"]] for column in declared if column.get("type") in _NARROW}


def to_array(columns: Columns, inputs: Mapping[str, str]) -> NDArray[np.float64]:
    """Return columns of numbers as an array of shape (rows, features), with the memory layout of a DataFrame's values.

    The layout matters: with another one, a matrix product differs in the last bit.
    """
    return np.array([columns[name] for name in inputs], dtype=np.float64).T


def _array(name: str, values: list[Any], kind: str) -> NDArray[Any]:
    if kind == "datetime64[ns]":
        values = [None if value is None else value.replace(tzinfo=None) for value in values]
    try:
        return np.array(values, dtype=kind)
    except OverflowError as error:
        raise InputError(
            f"Feature {name!r} has a number that does not fit into {kind}", "Send a number in the range of its type"
        ) from error


_NUMPY = {"float": "float64", "int": "int64", "text": "object", "bool": "bool", "timestamp": "datetime64[ns]"}
_NARROW = {"float": "float32", "integer": "int32"}
