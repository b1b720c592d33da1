"""Columns of plain values as the DataFrame that a model takes. Imports pandas when it is first used."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelops_pipelines.core.errors import InputError

if TYPE_CHECKING:
    import pandas as pd


def to_frame(columns: Mapping[str, list[Any]], inputs: Mapping[str, str]) -> "pd.DataFrame":
    """Return the columns as a DataFrame of the signature's types; a null number is NaN.

    Raises InputError for a null where a whole number or a truth value is due: they have no null.
    """
    import numpy as np
    import pandas as pd

    made: dict[str, Any] = {}
    for name, kind in inputs.items():
        values = columns[name]
        if kind in ("int", "bool") and None in values:
            row = values.index(None)
            raise InputError(
                f"Feature {name!r} in row {row} is null, which its type does not allow",
                "Send a value, or log the model with a float input for a feature that may be missing",
            )
        if kind == "float":
            made[name] = np.array(values, dtype=np.float64)
        elif kind == "text":
            made[name] = np.array(values, dtype=object)
        else:
            made[name] = pd.Series(values, dtype=_PANDAS[kind])
    return pd.DataFrame(made)


def example_of(model: Path) -> "pd.DataFrame | None":
    """Return the input example that was logged with a model, or None."""
    path = model / "input_example.json"
    if not path.exists():
        return None
    import pandas as pd

    example = json.loads(path.read_text())
    return pd.DataFrame(example["data"], columns=example["columns"]) if "columns" in example else None


_PANDAS = {"int": "int64", "bool": "bool", "timestamp": "datetime64[us, UTC]"}
