"""What a model's raw output means."""

from typing import Any

import numpy as np
import pytest

from modelops_pipelines.core.errors import PredictionError
from modelops_pipelines.core.models.class_names import class_name
from modelops_pipelines.core.models.output_kinds import LABELS, SCORES
from modelops_pipelines.core.models.predictions import interpret

BINARY = "binary_classification"
TWO = ["0", "1"]


def test_probabilities_give_the_likeliest_class_and_the_positives_score() -> None:
    matrix = [[0.9, 0.1], [0.2, 0.8]]
    assert (["0", "1"], [0.1, 0.8]) == interpret(BINARY, matrix, 2, TWO, "1")
    assert (["0", "1"], [0.9, 0.2]) == interpret(BINARY, matrix, 2, TWO, "0")


def test_without_class_names_the_second_column_is_the_positive_class() -> None:
    assert (["not late", "late"][1:], [0.7]) == interpret(BINARY, [[0.3, 0.7]], 1, None, "late")
    assert (["0"], [0.3]) == interpret(BINARY, [[0.7, 0.3]], 1, None, "late")


def test_of_three_classes_the_score_is_that_of_the_answer() -> None:
    assert (["c"], [0.5]) == interpret("multiclass", [[0.2, 0.3, 0.5]], 1, ["a", "b", "c"], "1")


def test_single_scores_are_probabilities_of_the_positive_class() -> None:
    assert (["0", "1", "1"], [0.2, 0.8, 1.0]) == interpret(BINARY, [0.2, 0.8, 1.0], 3, None, "1")


@pytest.mark.parametrize("output", [[0, 1], [0.0, 1.0], [False, True], [[0], [1]], np.array([0, 1], dtype=np.int8)])
def test_classes_as_they_are_have_no_score(output: Any) -> None:
    assert (["0", "1"], None) == interpret(BINARY, output, 2, TWO, "1")


def test_text_classes_stay_as_they_are() -> None:
    assert (["late", "on time"], None) == interpret(BINARY, ["late", "on time"], 2, None, "late")


def test_numbers_beyond_0_to_1_are_no_scores() -> None:
    assert (["3.7", "-0.5"], None) == interpret(BINARY, [3.7, -0.5], 2, TWO, "1")


def test_a_regression_answers_numbers_without_scores() -> None:
    assert ([1.5, 2.0], None) == interpret("regression", [1.5, 2], 2, None, "1")
    assert ([1.5], None) == interpret("regression", [[1.5]], 1, None, "1")


@pytest.mark.parametrize(
    ("task", "output", "rows", "classes", "positive", "message"),
    [
        (BINARY, [0.1, 0.2], 3, TWO, "1", "for 3 rows"),
        (BINARY, 0.5, 1, TWO, "1", "a float for 1 row"),
        (BINARY, np.zeros((1, 2, 2)), 1, TWO, "1", "shape"),
        (BINARY, [[0.1, 0.2, 0.7]], 1, TWO, "1", "3 probabilities per row for 2 classes"),
        (BINARY, [[0.1, 0.9]], 1, TWO, "late", "not among the model's classes"),
        ("regression", [[1.0, 2.0]], 1, None, "1", "regression model returned a matrix"),
    ],
)
def test_what_fits_no_shape_is_refused_by_name(
    task: str, output: Any, rows: int, classes: list[str] | None, positive: str, message: str
) -> None:
    with pytest.raises(PredictionError, match=message):
        interpret(task, output, rows, classes, positive)


@pytest.mark.parametrize("value", [1, 1.0, True, "1"])
def test_one_class_has_one_name_whatever_type_it_came_in(value: object) -> None:
    assert "1" == class_name(value)
    assert "0.5" == class_name(0.5)


def test_what_was_settled_at_registration_decides_not_the_batch() -> None:
    assert (["late"], [1.0]) == interpret(BINARY, [1.0], 1, None, "late", SCORES)
    assert (["on time"], [0.0]) == interpret(BINARY, [0.0], 1, ["late", "on time"], "late", SCORES)
    assert (["0.5"], None) == interpret(BINARY, [0.5], 1, None, "1", LABELS)


def test_a_probability_that_is_no_number_is_refused() -> None:
    with pytest.raises(PredictionError, match="outside 0 to 1"):
        interpret(BINARY, [[float("nan"), 0.5]], 1, TWO, "1")
