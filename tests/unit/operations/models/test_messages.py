"""Arrays go to another process and back as they are, and a malformed reply is told."""

import math
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from modelops_pipelines.core.errors import PredictionError
from modelops_pipelines.operations.models.messages import ReplyError, decode_array, encode_array


@given(arrays.arrays(st.sampled_from(["f8", "f4", "i8", "i4", "u1", "?", "U3"]), arrays.array_shapes(max_dims=3)))
def test_an_array_of_plain_values_keeps_type_shape_and_bytes(array: Any) -> None:
    back = decode_array(*encode_array(array))
    assert (array.dtype, array.shape, array.tobytes()) == (back.dtype, back.shape, back.tobytes())


@pytest.mark.parametrize("order", ["C", "F"])
def test_the_memory_layout_changes_no_value(order: Any) -> None:
    array = np.asarray(np.arange(6.0).reshape(2, 3), order=order)
    assert array.tolist() == decode_array(*encode_array(array)).tolist()


@pytest.mark.parametrize(
    "values", [["a", None], [1, 2.5, True], [float("nan"), "b", float("-inf")], [[1], {"k": 2}], [1.5, float("inf")]]
)
def test_an_array_of_objects_keeps_its_values_with_their_types(values: list[Any]) -> None:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    back = decode_array(*encode_array(array))
    assert object == back.dtype
    assert [repr(value) for value in values] == [repr(value) for value in back.tolist()]


def test_values_that_json_cannot_hold_are_an_error_that_says_so() -> None:
    array = np.array([{1, 2}, math], dtype=object)
    with pytest.raises(PredictionError, match="a value that JSON cannot represent"):
        encode_array(array)


def test_a_moment_is_text() -> None:
    array = np.array([datetime(2026, 1, 1, tzinfo=UTC), 1], dtype=object)
    assert ["2026-01-01T00:00:00+00:00", 1] == decode_array(*encode_array(array)).tolist()


@pytest.mark.parametrize(
    ("head", "body"),
    [
        ({}, b""),
        ({"kind": "array", "dtype": "f8", "shape": [2]}, b"\0" * 8),
        ({"kind": "array", "dtype": "O", "shape": [1]}, b"\0" * 8),
        ({"kind": "array", "dtype": "nonsense", "shape": [1]}, b"\0" * 8),
        ({"kind": "array", "dtype": "f8", "shape": "x"}, b"\0" * 8),
        ({"kind": "floats", "shape": [1]}, b"\0"),
        ({"kind": "values", "shape": [3], "odd": []}, b"[1]"),
        ({"kind": "values", "shape": [1], "odd": [[7, "nan"]]}, b"[1]"),
        ({"kind": "values", "shape": [1], "odd": []}, b"7"),
        ({"kind": "values", "shape": [1], "odd": []}, b"not json"),
    ],
)
def test_a_reply_that_describes_no_array_is_refused(head: dict[str, Any], body: bytes) -> None:
    with pytest.raises(ReplyError):
        decode_array(head, body)
