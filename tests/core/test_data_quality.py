"""What has not been there in the days before: values beyond, unknown categories, gaps."""

import numpy as np
import pytest

from modelops_pipelines.core.data_quality import oddities
from modelops_pipelines.core.profiles import ColumnBins, fit_bins, profile
from modelops_pipelines.core.stacks import Stack

pytestmark = pytest.mark.filterwarnings("error")
RNG = np.random.default_rng(1)
WARM = [RNG.normal(70, 5, 200) for _ in range(24)]
NUMBER = fit_bins("temp", np.concatenate(WARM), "numeric")
WORD = fit_bins("carrier", ["AA"] * 50 + ["DL"] * 50, "categorical")


def hours(bins: ColumnBins, *parts: object) -> Stack:
    return Stack.of(bins, [profile(part, bins) for part in parts])  # type: ignore[arg-type]


def found(values: object, history: Stack) -> list[tuple[str, float]]:
    column = history.bins.name
    return [(one.channel, round(one.value, 2)) for one in oddities(column, values, history)]  # type: ignore[arg-type]


def test_a_unit_that_changed_lies_beyond_and_a_warm_day_does_not() -> None:
    history = hours(NUMBER, *WARM)
    assert found((WARM[0] - 32) * 5 / 9, history) == [("range", 1.0)]
    assert found(WARM[0] + 6, history) == []


def test_the_reason_says_the_range_and_where_the_values_are() -> None:
    [one] = oddities("temp", np.full(100, 20.0), hours(NUMBER, np.array([50.0, 90.0])))
    assert one.reason == "temp: 100% lie beyond 50 to 90, the range of the days before (median now 20)"


def test_a_few_wild_values_are_not_told() -> None:
    wild = np.append(WARM[0], [1e9] * 150)
    assert found(wild, hours(NUMBER, *WARM)) == []


def test_a_renamed_category_is_told_and_one_that_was_new_before_is_not() -> None:
    history = hours(WORD, ["AA"] * 50 + ["B6"], ["DL"] * 50)
    assert found({"Delta": 30, "AA": 70}, history) == [("category", 0.3)]
    assert found({"B6": 30, "AA": 70}, history) == []
    assert found({"Delta": 9, "AA": 91}, history) == []


def test_more_categories_than_have_names_say_nothing_of_new_ones() -> None:
    history = hours(WORD, [f"id-{n}" for n in range(200)])
    assert found({"id-900": 100}, history) == []


def test_gaps_are_told_when_no_hour_before_had_them() -> None:
    gappy = np.append(WARM[0][:100], [np.nan] * 100)
    assert found(gappy, hours(NUMBER, *WARM)) == [("missing", 0.5)]
    assert found(gappy, hours(NUMBER, *WARM, gappy)) == []
    assert found({None: 60, "AA": 40}, hours(WORD, ["AA"] * 50)) == [("missing", 0.6)]


@pytest.mark.parametrize(
    "values", [np.array([]), np.full(10, 1e9), np.full(100, np.nan), np.full(100, np.inf), np.full(100, 70.0)]
)
@pytest.mark.parametrize("past", [[], [np.array([])], [np.full(60, np.nan)]])
def test_nothing_to_compare_is_not_odd(values: np.ndarray, past: list[np.ndarray]) -> None:
    assert found(values, hours(NUMBER, *past)) == []


def test_an_empty_chunk_of_words_is_not_odd() -> None:
    assert found({}, hours(WORD, ["AA"] * 50)) == []
    assert found({"AA": 100}, hours(WORD)) == []
