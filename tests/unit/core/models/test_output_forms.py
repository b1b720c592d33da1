"""An array of rows is read from whatever it is wrapped in; everything else is named."""

from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from modelops_pipelines.core.errors import PredictionError
from modelops_pipelines.core.models.output_forms import as_rows

CLASSES = ("no", "yes")


@pytest.mark.parametrize(
    ("output", "rows"),
    [
        (np.array([1.5, 2.5]), [1.5, 2.5]),
        ([1.5, 2.5], [1.5, 2.5]),
        ((1.5, 2.5), [1.5, 2.5]),
        (pd.Series([1.5, 2.5], index=[7, 3]), [1.5, 2.5]),
        (pd.Series([1, 2], dtype="Int64"), [1, 2]),
        (pd.Series(["a", "b"], dtype="category"), ["a", "b"]),
        (pd.DataFrame({"price": [1.5, 2.5]}), [[1.5], [2.5]]),
        ({"price": [1.5, 2.5]}, [1.5, 2.5]),
        ({"price": pd.Series([1.5, 2.5])}, [1.5, 2.5]),
        ([[1, 2], [3, 4]], [[1, 2], [3, 4]]),
        ([1, "a"], [1, "a"]),
        ([np.float32(0.5), np.True_], [0.5, 1.0]),
        (np.array([np.float32(0.5), np.True_], dtype=object), [0.5, True]),
        (np.array([1.5, 2.5], dtype=np.longdouble), [1.5, 2.5]),
        ([True, False], [True, False]),
    ],
)
def test_an_array_of_rows_is_read_from_its_wrapping(output: Any, rows: list[Any]) -> None:
    found = as_rows(output, 2).tolist()
    assert rows == found
    assert [type(value) for value in np.ravel(np.array(rows, dtype=object))] == [
        type(value) for value in np.ravel(np.array(found, dtype=object))
    ]


def test_columns_named_by_the_classes_get_their_order_and_unnamed_ones_keep_theirs() -> None:
    named = pd.DataFrame({"yes": [0.75], "no": [0.25]})
    assert [[0.25, 0.75]] == as_rows(named, 1, CLASSES).tolist()
    assert [[0.75, 0.25]] == as_rows(named.set_axis([0, 1], axis=1), 1, CLASSES).tolist()
    assert [[0.25, 0.75]] == as_rows(pd.DataFrame({True: [0.75], False: [0.25]}), 1, ("0", "1")).tolist()


@pytest.mark.parametrize(
    ("columns", "advice", "wrong"),
    [
        ({"no": [0.25, 1.0], "yes": [0.75, 0.0]}, "classes: ['no', 'yes']", "alone"),
        ({"label": ["no", "yes"], "probability": [0.25, 0.75]}, "one of these columns, or the probability", "classes:"),
        ({"label": [0, 1], "probability": [0.25, 0.75]}, "let the model return it alone", "classes:"),
        ({"low": [1.0, 2.0], "high": [3.0, 4.0]}, "signature=infer_signature", "classes:"),
    ],
)
def test_columns_of_unknown_meaning_are_refused_with_what_they_can_be(
    columns: dict[str, list[object]], advice: str, wrong: str
) -> None:
    with pytest.raises(PredictionError, match=f"the columns {', '.join(columns)}") as refused:
        as_rows(pd.DataFrame(columns), 2)
    assert advice in refused.value.remedy
    assert wrong not in refused.value.remedy


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (None, "nothing (None) for 2 rows"),
        ((value for value in [1.0, 2.0]), "a generator for 2 rows"),
        ({}, "an empty dict for 2 rows"),
        ({"a": [1, 2], "b": [1, 2]}, "a dict with the keys a, b for 2 rows"),
        ({str(number): [1, 2] for number in range(12)}, "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more"),
        ({"a": None}, "nothing (None) for 2 rows"),
        (pd.DataFrame({"a": [1, 2], "b": [1, 2]}), "columns a, b instead of no, yes"),
        (0.5, "a float for 2 rows"),
        (np.float64(0.5), "a float64 for 2 rows"),
        ("ab", "a str for 2 rows"),
        (b"ab", "a bytes for 2 rows"),
        ({1, 2}, "a set for 2 rows"),
        ([1.0], "an array of shape (1,) for 2 rows"),
        ([[1.0], [1.0, 2.0]], "a list that is no array (ValueError) for 2 rows"),
        (np.zeros((2, 2, 2)), "an array of shape (2, 2, 2) for 2 rows"),
        (np.ma.masked_array([1.0, 2.0], mask=[True, False]), "a masked array for 2 rows"),
        (np.array([1 + 1j, 2]), "a value of type complex128"),
        (np.array([b"a", b"b"]), "a value of type bytes"),
        (pd.Series(pd.to_datetime(["2026-01-01"] * 2)), "a value of type datetime64"),
        ([None, 1.0], "a value of type null (None)"),
        ([Decimal(1), Decimal(2)], "a value of type Decimal"),
        ([{"price": 1}, {"price": 2}], "a value of type dict"),
    ],
)
def test_every_other_form_is_refused_by_its_name(output: Any, said: str) -> None:
    with pytest.raises(PredictionError) as refused:
        as_rows(output, 2, CLASSES)
    assert said in refused.value.message
    assert refused.value.remedy.startswith("Let the model return ")
