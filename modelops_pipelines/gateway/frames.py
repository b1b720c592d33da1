"""Columns of plain values as what models take: a DataFrame of the signature's types, or an array of numbers."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from modelops_pipelines.gateway.values import Columns

if TYPE_CHECKING:
    import pandas as pd

NUMBERS = frozenset({"float", "int"})


def to_frame(columns: Columns, inputs: Mapping[str, str]) -> "pd.DataFrame":
    """Return the columns as a DataFrame of the signature's types; a null number is NaN."""
    import pandas as pd

    made: dict[str, Any] = {}
    for name, kind in inputs.items():
        if kind == "float":
            made[name] = np.array(columns[name], dtype=np.float64)
        elif kind == "text":
            made[name] = np.array(columns[name], dtype=object)
        else:
            made[name] = pd.Series(columns[name], dtype=_PANDAS[kind])
    return pd.DataFrame(made)


def to_array(columns: Columns, inputs: Mapping[str, str]) -> NDArray[np.float64]:
    """Return columns of numbers as an array of shape (rows, features), laid out in memory as a DataFrame's values are.

    The layout matters: a matrix product over rows in another order differs in the last bit.
    """
    return np.array([columns[name] for name in inputs], dtype=np.float64).T


def example_of(model: Path) -> "pd.DataFrame | None":
    """Return the input example that was logged with a model, or None."""
    path = model / "input_example.json"
    if not path.exists():
        return None
    import pandas as pd

    example = json.loads(path.read_text())
    return pd.DataFrame(example["data"], columns=example["columns"]) if "columns" in example else None


_PANDAS = {"int": "int64", "bool": "bool", "timestamp": "datetime64[us, UTC]"}
