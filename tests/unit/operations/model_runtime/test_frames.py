"""Numbers at the edges of a signature's types reach the model as they are, or are refused by feature and row."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from modelops_pipelines.core.errors import InputError
from modelops_pipelines.operations.model_runtime.frames import to_array, to_arrays
from modelops_pipelines.operations.models.sandbox_worker import model_frame

WIDE = {"x": "float", "n": "int"}
FITS: dict[str, list[Any]] = {
    "float32": [0.0, -0.0, 1.5, 3.4028235e38, -3.4028235e38, 1e-45, None],
    "int32": [0, 2**31 - 1, -(2**31)],
}
DOES_NOT_FIT: dict[str, list[Any]] = {
    "float32": [1e39, -1e39, 3.4028236e38, -3.4028236e38, 1.7976931348623157e308],
    "int32": [2**31, -(2**31) - 1, 2**63 - 1, -(2**63)],
}
EDGES: dict[str, list[Any]] = {
    "float": [5e-324, 1.7976931348623157e308, -1.7976931348623157e308, 1e39, None],
    "int": [2**63 - 1, -(2**63), 2**53 + 1],
}


def columns(kind: str, values: list[Any]) -> tuple[dict[str, list[Any]], dict[str, str], dict[str, str]]:
    """Return the columns, their types and the narrow ones: one feature of the type, and a wide one beside it."""
    wide = "int" if kind.startswith("int") else "float"
    return {"v": values, "w": [1.0] * len(values)}, {"v": wide, "w": "float"}, {"v": kind} if kind[-2:] == "32" else {}


@pytest.mark.parametrize(("kind", "value"), [(kind, value) for kind, values in FITS.items() for value in values])
def test_a_number_that_fits_into_32_bits_is_never_infinite(kind: str, value: Any) -> None:
    given, inputs, narrow = columns(kind, [value])
    found = to_arrays(given, inputs, narrow)["v"]
    assert kind == found.dtype
    assert np.isfinite(found[0]) or value is None
    assert value is None or float(found[0]) == pytest.approx(value, rel=1e-6)
    assert to_array(given, inputs, narrow)[0, 0] == value or value is None


def to_sandbox(given: dict[str, list[Any]], inputs: dict[str, str], narrow: dict[str, str]) -> Any:
    """Return the frame of a version that is judged apart from the gateway, from the log's columns."""
    return model_frame(pa.table({name: pa.array(values) for name, values in given.items()}), inputs, narrow)


@pytest.mark.parametrize("convert", [to_arrays, to_array, to_sandbox])
@pytest.mark.parametrize("row", [0, 2])
@pytest.mark.parametrize(("kind", "value"), [(kind, one) for kind, values in DOES_NOT_FIT.items() for one in values])
def test_a_number_that_does_not_is_refused_by_feature_and_row(convert: Any, row: int, kind: str, value: Any) -> None:
    given: list[Any] = [1, 1, 1] if kind == "int32" else [1.0, 1.0, 1.0]
    given[row] = value
    with pytest.raises(InputError) as raised:
        convert(*columns(kind, given))
    assert f"Feature 'v' in row {row} is {value!r}, which does not fit into {kind}" == raised.value.message


@pytest.mark.parametrize(("kind", "value"), [(kind, value) for kind, values in EDGES.items() for value in values])
def test_a_wide_number_reaches_the_model_as_it_was_sent(kind: str, value: Any) -> None:
    [found] = to_arrays(*columns(kind, [value]))["v"].tolist()
    assert found == value or (value is None and np.isnan(found))
