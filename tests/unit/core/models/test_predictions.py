"""What a model's raw output means."""

from random import Random
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import assume, given

from modelops_pipelines.core.errors import PredictionError
from modelops_pipelines.core.models.class_names import class_name
from modelops_pipelines.core.models.output_kinds import LABELS, PROBABILITIES, SCORES, UNKNOWN
from modelops_pipelines.core.models.predictions import interpret

BINARY = "binary_classification"
TWO = ["0", "1"]


def test_probabilities_give_the_likeliest_class_and_the_positives_score() -> None:
    matrix = [[0.9, 0.1], [0.2, 0.8]]
    assert (["0", "1"], [0.1, 0.8]) == interpret(BINARY, matrix, 2, TWO, "1")
    assert (["0", "1"], [0.9, 0.2]) == interpret(BINARY, matrix, 2, TWO, "0")


def test_without_classes_no_column_names_a_class() -> None:
    assert ([None], None) == interpret(BINARY, [[0.3, 0.7]], 1, None, "late")
    assert ([None, None], [0.9, 0.5]) == interpret("multiclass", [[0.9, 0.1, 0], [0.2, 0.3, 0.5]], 2, None, "1")


def test_without_classes_one_score_a_row_is_kept_as_it_is() -> None:
    assert ([None, None], [0.2, 1.0]) == interpret(BINARY, [0.2, 1.0], 2, None, "late", SCORES)
    assert ([None, None], [0.2, 0.8]) == interpret(BINARY, [0.2, 0.8], 2, None, "late")
    with pytest.raises(PredictionError, match="outside 0 to 1"):
        interpret(BINARY, [0.2, 1.8], 2, None, "late", SCORES)


def test_whole_fractions_of_an_unknown_kind_and_class_name_nothing() -> None:
    assert ([None, None], None) == interpret(BINARY, [0.0, 1.0], 2, None, "late")


@pytest.mark.parametrize("kind", [PROBABILITIES, SCORES, LABELS, UNKNOWN])
def test_codes_of_a_version_whose_classes_are_names_are_its_names(kind: str) -> None:
    assert (["no", "yes"], None) == interpret(BINARY, [0, 1], 2, ["no", "yes"], "yes", LABELS)
    assert (["2"], None) == interpret("multiclass", [2], 1, ["2", "1", "0"], "1", kind)
    assert (["7"], None) == interpret("multiclass", [7], 1, ["a", "b", "c"], "1", kind)


def test_of_three_classes_the_score_is_that_of_the_answer() -> None:
    assert (["c"], [0.5]) == interpret("multiclass", [[0.2, 0.3, 0.5]], 1, ["a", "b", "c"], "1")


def test_single_scores_are_probabilities_of_the_last_class_whichever_is_positive() -> None:
    assert (["0", "1", "1"], [0.2, 0.8, 1.0]) == interpret(BINARY, [0.2, 0.8, 1.0], 3, TWO, "1")
    assert (["0", "1"], [0.75, 0.25]) == interpret(BINARY, [0.25, 0.75], 2, TWO, "0")


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
    ("output", "names", "chosen", "expected"),
    [
        ([[1, 2.5], [3, 4.5]], ["low", "high"], None, [None, None]),
        ([[1, 2.5], [3, 4.5]], ["low", "high"], "high", [2.5, 4.5]),
        ([[1, 2.5], [3, 4.5]], None, "0", [1.0, 3.0]),
        (np.array([[1, "word"], [2, "word"]], object), ["count", "text"], "count", [1.0, 2.0]),
        ({"high": np.array([2.0]), "low": np.array([1.0])}, ["low", "high"], "low", [1.0]),
        ([[1.5]], ["price"], "price", [1.5]),
        ([1.5], ["price"], "price", [1.5]),
        ([1.5], None, "0", [1.5]),
    ],
)
def test_a_chosen_output_is_a_regressions_prediction(
    output: Any, names: list[str] | None, chosen: str | None, expected: list[float | None]
) -> None:
    found = interpret("regression", output, len(expected), names, "1", chosen=chosen)
    assert (expected, None) == found


@pytest.mark.parametrize(
    ("output", "names", "chosen", "message"),
    [
        ([[1.0, 2.0]], ["low", "high"], "hihg", "'hihg' is none of the 2 that the model answers: low, high"),
        ([[1.0, 2.0]], ["low", "high"], "0", "'0' is none of the 2"),
        ([[1.0, 2.0]], None, "2", "'2' is none of the 2 that the model answers: 0, 1"),
        ([1.0], None, "high", "'high' is none of the 1"),
        (np.ones((1, 64)), None, "64", r"0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ... \(64 in all\)"),
        (np.array([[1, "word"]], object), ["count", "text"], "text", "returned text"),
    ],
)
def test_an_output_that_is_not_there_or_no_number_is_refused(
    output: Any, names: list[str] | None, chosen: str, message: str
) -> None:
    with pytest.raises(PredictionError, match=message):
        interpret("regression", output, 1, names, "1", chosen=chosen)


@pytest.mark.parametrize(
    ("task", "output", "rows", "classes", "positive", "message"),
    [
        (BINARY, [0.1, 0.2], 3, TWO, "1", "for 3 rows"),
        (BINARY, 0.5, 1, TWO, "1", "a float for 1 row"),
        (BINARY, np.zeros((1, 2, 2)), 1, TWO, "1", "shape"),
        (BINARY, [[0.1, 0.2, 0.7]], 1, TWO, "1", "3 probabilities per row for 2 classes"),
        (BINARY, [[0.1, 0.9]], 1, TWO, "late", "not among the model's classes"),
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
    assert (["late"], [1.0]) == interpret(BINARY, [1.0], 1, ["on time", "late"], "late", SCORES)
    assert (["late"], [1.0]) == interpret(BINARY, [0.0], 1, ["late", "on time"], "late", SCORES)
    assert (["0.5"], None) == interpret(BINARY, [0.5], 1, None, "1", LABELS)


def test_a_probability_that_is_no_number_is_refused() -> None:
    with pytest.raises(PredictionError, match="outside 0 to 1"):
        interpret(BINARY, [[float("nan"), 0.5]], 1, TWO, "1")


NAMES = ["no", "yes", "maybe", "1", "0", "True", "late"]


@given(st.lists(st.sampled_from(NAMES), min_size=2, max_size=5, unique=True), st.randoms(), st.data())
def test_the_order_of_the_columns_changes_no_answer(names: list[str], random: Random, data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.permutations([0.1, 0.2, 0.3, 0.4, 0.5][: len(names)]), min_size=1, max_size=4))
    task = BINARY if len(names) == 2 else "multiclass"
    positive = data.draw(st.sampled_from(names))
    order = list(range(len(names)))
    random.shuffle(order)
    moved = [[row[place] for place in order] for row in rows]
    expected = interpret(task, rows, len(rows), names, positive)
    assert expected == interpret(task, moved, len(rows), [names[place] for place in order], positive)
    chosen = [names[row.index(max(row))] for row in rows]
    assert chosen == expected[0]
    assert [row[names.index(positive)] if task == BINARY else max(row) for row in rows] == expected[1]


@given(st.sampled_from(NAMES), st.sampled_from(NAMES), st.floats(0, 1))
def test_one_score_a_row_is_the_column_of_the_last_class(first: str, last: str, score: float) -> None:
    assume(first != last)
    for positive in (first, last):
        columns = interpret(BINARY, [[1 - score, score]], 1, [first, last], positive)
        assert columns == interpret(BINARY, [score], 1, [first, last], positive, SCORES)
