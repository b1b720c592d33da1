"""Values keep their bits, types and layout between two Pythons; what is in no known form is refused by its name."""

import json
import math
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from modelops_pipelines.core.errors import PredictionError
from modelops_pipelines.core.models.output_forms import as_rows
from modelops_pipelines.store.registry.environments.neutral_values import FrameToBe, NeutralError, decode, encode


def through(value: Any) -> Any:
    """Return a value after its way as JSON and bytes."""
    buffers: list[bytes] = []
    tree = json.loads(json.dumps(encode(value, buffers)))
    return decode(tree, [memoryview(one) for one in buffers])


@pytest.mark.parametrize(
    "value",
    [
        None, True, 1, -(2**70), 1.5, "text", "\ud800", b"\x00\xff", [1, [2.0, None]], (1, "a"),
        {"a": [1], 2: {"b": b"c"}}, datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC), datetime(2026, 1, 2),  # noqa: DTZ001
    ],
)  # fmt: skip
def test_plain_values_stay_what_they_are(value: Any) -> None:
    found = through(value)
    assert (type(value), value) == (type(found), found)


def test_numbers_that_json_lacks_stay_too() -> None:
    assert math.isnan(through(math.nan))
    assert [math.inf, -math.inf] == through([math.inf, -math.inf])


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6.0).reshape(2, 3),
        np.arange(6.0).reshape(2, 3).T,
        np.array([1.5, np.nan], np.float32),
        np.array([[True], [False]]),
        np.array(["a", "longer"]),
        np.array([b"ab", b""]),
        np.array([3, 2**63], np.uint64),
        np.array(["2026-01-01", "NaT"], "datetime64[ns]"),
        np.zeros((0, 4)),
        np.array(5, np.int8),
        np.array([[1, "a"], [None, 2.5]], dtype=object),
    ],
)
def test_arrays_keep_type_shape_bits_and_layout(array: Any) -> None:
    found = through(array)
    assert (array.dtype, array.shape) == (found.dtype, found.shape)
    np.testing.assert_array_equal(array, found)
    assert (array.flags.c_contiguous, array.flags.f_contiguous) == (found.flags.c_contiguous, found.flags.f_contiguous)


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"b": [1.0, 2.0], "a": [0.1, np.nan]}),
        pd.DataFrame({"n": [1, 2], "x": [1.5, 2.5], "t": ["a", None], "w": pd.to_datetime(["2026-01-01", None])}),
        pd.DataFrame({"whole": np.array([1, 2], np.int32)}),
        pd.DataFrame([[1.0, 2.0]]),
        pd.DataFrame([[1, "a"]], columns=["same", "same"]),
        pd.DataFrame({"bytes": [b"a", b"b"], "list": [[1], [2, 3]]}),
    ],
)
def test_frames_keep_their_columns_types_and_layout(frame: pd.DataFrame) -> None:
    found = through(frame)
    pd.testing.assert_frame_equal(frame, found, check_column_type=False, check_index_type=False)
    flags, same = frame.to_numpy().flags, found.to_numpy().flags
    assert (flags.c_contiguous, flags.f_contiguous) == (same.c_contiguous, same.f_contiguous)


def test_a_series_and_scalars_of_numpy_stay() -> None:
    pd.testing.assert_series_equal(pd.Series([1.5, 2.5]), through(pd.Series([1.5, 2.5])))
    found = through(np.float32(0.1))
    assert (np.float32, np.float32(0.1)) == (type(found), found)


@pytest.mark.parametrize(
    ("output", "says"),
    [(object(), "a object for 1 row"), ({1, 2}, "a set for 1 row"), (np.ma.masked_array([1.0]), "a masked array for")],
)
def test_an_answer_in_no_known_form_is_refused_by_its_name(output: Any, says: str) -> None:
    with pytest.raises(PredictionError, match=says):
        as_rows(through(output), 1)


@pytest.mark.parametrize(
    "tree",
    [
        {"array": "<f8", "shape": [2], "order": "C", "at": 1},
        {"array": "<f8", "shape": [3], "order": "C", "at": 0},
        {"array": "|O", "shape": [2], "order": "C", "at": 0},
        {"array": "nonsense", "shape": [2], "order": "C", "at": 0},
        {"pickle": "x"},
        {},
        [1],
        {"frame": ["a"], "columns": "b", "rows": 1},
    ],
)
def test_what_was_not_made_here_is_refused(tree: Any) -> None:
    with pytest.raises(NeutralError):
        decode(tree, [memoryview(bytes(16))])


@pytest.mark.parametrize(
    "arrays",
    [
        {"a": np.arange(3.0), "b": np.array([-0.0, np.nan, np.inf])},
        {"a": np.arange(3, dtype=np.int32)},
        {"a": np.array([True, False]), "b": np.array([False, False])},
        {"a": np.arange(2.0), "b": np.arange(2), "c": np.array(["x", None], object)},
        {"when": np.array(["2026-01-01", "NaT"], "datetime64[ns]"), "b": np.arange(2.0)},
        {"a": np.array([]), "b": np.array([])},
        {},
    ],
    ids=lambda arrays: ", ".join(f"{name} {array.dtype}" for name, array in arrays.items()) or "no columns",
)
def test_arrays_by_name_become_the_frame_that_pandas_makes_of_them(arrays: dict[str, Any]) -> None:
    found, expected = through(FrameToBe(arrays)), pd.DataFrame(arrays)
    pd.testing.assert_frame_equal(found, expected, check_index_type=False, check_column_type=bool(arrays))
    ours, theirs = found.to_numpy(), expected.to_numpy()
    assert ours.flags.c_contiguous == theirs.flags.c_contiguous
    assert ours.dtype == object or ours.tobytes() == theirs.tobytes()
