"""Optional columns, rows without names and tensors of any shape, in each form of a body; what fits none is refused."""

import json
from typing import Any

import pytest

from modelops_pipelines.core.errors import InputError
from modelops_pipelines.core.models.typed_columns import typed_columns
from modelops_pipelines.gateway.bodies.csv import read_csv
from modelops_pipelines.gateway.bodies.mlflow_json import read_json
from modelops_pipelines.gateway.bodies.open_inference import read_infer

NAMES = ["a", "b"]


def body(**content: Any) -> bytes:
    return json.dumps(content).encode()


FORMS = {
    "split": body(dataframe_split={"columns": ["a"], "data": [[1], [2]]}),
    "records": body(dataframe_records=[{"a": 1}, {"a": 2}]),
    "instances": body(instances=[{"a": 1}, {"a": 2}]),
    "inputs": body(inputs={"a": [1, 2]}),
}


@pytest.mark.parametrize("form", FORMS)
def test_an_optional_column_that_no_row_has_is_absent_and_a_required_one_is_missed(form: str) -> None:
    assert ({"a": [1, 2]}, 2, None) == read_json(FORMS[form], NAMES, ["b"])
    with pytest.raises(InputError, match=r"Feature\(s\) b missing"):
        read_json(FORMS[form], NAMES, ["a"])
    with pytest.raises(InputError, match=r"Feature\(s\) c, d missing"):
        read_json(FORMS[form], ["c", "d"], ["c", "d"])


def test_an_optional_column_that_some_rows_have_is_null_in_the_others() -> None:
    given = body(dataframe_records=[{"a": 1}, {"a": 2, "b": 3}])
    assert ({"a": [1, 2], "b": [None, 3]}, 2, None) == read_json(given, NAMES, ["b"])


def test_an_optional_column_of_csv_and_of_tensors_may_be_left_out() -> None:
    kinds = {"a": "float", "b": "int"}
    assert ({"a": [1.0]}, 1) == read_csv(b"a\n1\n", kinds, ["b"])
    tensor = {"name": "a", "shape": [1], "datatype": "FP64", "data": [1.0]}
    assert {"a": [1.0]} == read_infer(body(inputs=[tensor]), NAMES, (), ["b"]).columns


def test_a_field_of_csv_may_hold_json() -> None:
    kinds = {"a": "json", "b": "json"}
    columns, _ = read_csv(b'a,b\n"[1, {""k"": 2}]",aGk=\n', kinds)
    assert {"a": ['[1,{"k":2}]'], "b": ['"aGk="']} == typed_columns(columns, kinds)


@pytest.mark.parametrize(
    "content",
    [
        {"inputs": [[1, 2], [3, 4]]},
        {"instances": [[1, 2], [3, 4]]},
        {"dataframe_split": {"data": [[1, 2], [3, 4]]}},
        {"dataframe_split": {"columns": ["p", "q"], "data": [[1, 2], [3, 4]]}},
        {"dataframe_split": {"columns": ["b", "a"], "data": [[2, 1], [4, 3]]}},
        {"inputs": {"a": [1, 3], "b": [2, 4]}},
    ],
)
def test_inputs_without_names_are_read_in_order_or_by_their_columns(content: dict[str, Any]) -> None:
    assert ({"a": [1, 3], "b": [2, 4]}, 2, None) == read_json(body(**content), NAMES, positional=True)


@pytest.mark.parametrize(
    "content",
    [
        {"inputs": [[1], [3, 4]]},
        {"inputs": [1, 2]},
        {"inputs": []},
        {"inputs": 7},
        {"instances": [{"a": 1}, [1, 2]]},
        {"dataframe_split": {"columns": 7, "data": [[1, 2]]}},
        {"dataframe_split": {"data": {"a": 1}}},
        {"dataframe_split": 7},
    ],
)
@pytest.mark.parametrize("names", [NAMES, ["a", "b", "c"]])
def test_what_are_no_rows_of_inputs_is_refused(content: dict[str, Any], names: list[str]) -> None:
    with pytest.raises(InputError):
        read_json(body(**content), names, positional=True)


@pytest.mark.parametrize("data", [[1, 2, 3, 4, 5, 6, 7, 8], [[[1, 2], [3, 4]], [[5, 6], [7, 8]]]])
def test_a_tensor_of_any_shape_is_nested_by_its_rows(data: list[Any]) -> None:
    tensor = {"name": "any", "shape": [2, 2, 2], "datatype": "FP32", "data": data}
    read = read_infer(body(inputs=[tensor]), ["input"], ["input"])
    assert (2, {"input": [[[1, 2], [3, 4]], [[5, 6], [7, 8]]]}) == (read.rows, read.columns)


@pytest.mark.parametrize(
    ("shape", "data"), [([2, 2], [1, 2, 3]), ([2**40, 2**40], [1]), ([], [1]), ([0, 1], []), (["2"], [1, 2]), ([1], 7)]
)
def test_a_tensor_whose_data_do_not_fit_its_shape_is_refused(shape: list[Any], data: Any) -> None:
    tensor = {"name": "input", "shape": shape, "datatype": "FP32", "data": data}
    with pytest.raises(InputError, match="The tensor 'input'"):
        read_infer(body(inputs=[tensor]), ["input"], ["input"])
