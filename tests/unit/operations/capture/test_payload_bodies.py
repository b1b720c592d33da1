"""Bodies of requests and answers in every form that is read; what is none of them is refused in words."""

import json
from typing import Any

import pytest

from modelops_pipelines.core.capture.elsewhere.values import RefusedValueError
from modelops_pipelines.operations.capture.elsewhere.payloads import answers, parsed, request_rows

TWO = [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_split": {"columns": ["a", "b"], "data": [[1, "x"], [2, "y"]]}},
        {"dataframe_records": TWO},
        {"instances": TWO},
        {"instances": [[1, "x"], [2, "y"]]},
        {"instances": [{"features": [1, "x"]}, {"features": [2, "y"]}]},
        {"inputs": {"a": [1, 2], "b": ["x", "y"]}},
        {
            "inputs": [
                {"name": "a", "shape": [2], "data": [1, 2]},
                {"name": "b", "shape": [2, 1], "data": [["x"], ["y"]]},
            ]
        },
        [[1, "x"], [2, "y"]],
    ],
)
def test_rows_are_read_from_every_form_of_request(body: Any) -> None:
    assert TWO == request_rows(parsed(json.dumps(body)), ("a", "b"))


@pytest.mark.parametrize(
    ("body", "are", "expected"),
    [
        ({"predictions": ["ok", "no"]}, "class", [{"@prediction": "ok"}, {"@prediction": "no"}]),
        ({"predictions": [0.5]}, "score", [{"@score": 0.5}]),
        ({"predictions": [[0.1, 0.9]]}, "class", [{"@probabilities": [0.1, 0.9]}]),
        ([["0.7"]], "score", [{"@score": "0.7"}]),
        ({"outputs": [{"name": "o", "shape": [2, 2], "data": [1, 2, 3, 4]}]}, "class",
         [{"@probabilities": [1, 2]}, {"@probabilities": [3, 4]}]),
    ],
)  # fmt: skip
def test_answers_are_read_from_every_form_of_response(body: Any, are: str, expected: list[Any]) -> None:
    assert expected == answers(body, are)


@pytest.mark.parametrize(
    "body",
    ["", "{", "[" * 100_000, "{}", '{"inputs": 3}', '{"instances": {"a": 1}}', "null", '{"dataframe_split": {"data": [[1]]}}',
     '{"inputs": [{"name": "a", "shape": [1, 2, 3], "data": [1]}]}', '{"inputs": [{"name": "a", "shape": [9], "data": [1]}]}',
     '{"inputs": {"a": [1], "b": [1, 2]}}', '{"instances": ' + "[1]," * 0 + "[" + ",".join(["1"] * 10_001) + "]}"],
)  # fmt: skip
def test_what_is_no_request_is_refused_in_words(body: str) -> None:
    with pytest.raises(RefusedValueError):
        request_rows(parsed(body), ())


@pytest.mark.parametrize("body", [{}, {"predictions": {}}, {"outputs": []}, {"predictions": [{}]}, None])
def test_what_is_no_answer_is_refused_in_words(body: Any) -> None:
    with pytest.raises(RefusedValueError):
        answers(body, "class")
