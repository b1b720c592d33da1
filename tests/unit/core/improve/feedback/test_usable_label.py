"""Which label feedback gives its prediction, and how it is written."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops_pipelines.core.errors import ConflictError, InputError
from modelops_pipelines.core.improve.feedback.usable_label import label_of, label_text


@pytest.mark.parametrize(
    ("given_label", "corrected", "thumbs", "prediction", "expected"),
    [
        ("a", "b", "up", "c", "a"),
        (None, "b", "up", "c", "b"),
        (None, "b", "down", "c", "b"),
        (None, None, "up", "c", "c"),
        (None, None, "up", 2.5, 2.5),
        (0, "b", None, "c", 0),
        (None, 0.0, None, 1.0, 0.0),
    ],
)
def test_the_label_given_counts_before_the_corrected_one_and_that_before_the_praised_prediction(
    given_label: Any, corrected: Any, thumbs: str | None, prediction: Any, expected: Any
) -> None:
    assert expected == label_of(given_label, corrected, thumbs, prediction)


@pytest.mark.parametrize(("thumbs", "prediction"), [(None, "c"), ("down", "c"), ("up", None)])
def test_feedback_without_a_truth_gives_no_label(thumbs: str | None, prediction: Any) -> None:
    with pytest.raises(ConflictError) as error:
        label_of(None, None, thumbs, prediction)
    assert "Give the true label" in error.value.remedy


@pytest.mark.parametrize(("label", "text"), [(True, "1"), (1.0, "1"), ("1", "1"), (0, "0")])
def test_a_class_has_its_own_spelling(label: Any, text: str) -> None:
    assert text == label_text(label, "binary_classification", ["0", "1"])


def test_any_class_is_taken_while_the_classes_are_unknown_and_none_beside_the_known_ones() -> None:
    assert "maybe" == label_text("maybe", "multiclass", [])
    with pytest.raises(InputError, match="'maybe' is not a class of the model"):
        label_text("maybe", "multiclass", ["no", "yes"])
    with pytest.raises(InputError, match="is not a class"):
        label_text(float("nan"), "multiclass", [])


@given(number=st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_read_back_as_it_was(number: float) -> None:
    assert number == float(label_text(number, "regression", []))
    assert number == float(label_text(repr(number), "regression", []))
