"""The latency sketch: every percentile within 1 %, and merging in any order."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelops_pipelines.core.metrics.latency_sketch import bucket, merge, percentile

LATENCIES = st.lists(st.floats(0.001, 100_000), min_size=1, max_size=200)
SKETCHES = st.lists(st.dictionaries(st.integers(-350, 600), st.integers(1, 1000), max_size=8), max_size=4)


def sketch(values: list[float]) -> dict[int, int]:
    return merge({bucket(value): 1} for value in values)


@given(LATENCIES, st.sampled_from([0.0, 0.01, 0.5, 0.9, 0.95, 0.99, 1.0]))
@settings(deadline=None)
def test_any_percentile_is_within_one_percent_of_the_exact_nearest_rank(values: list[float], share: float) -> None:
    exact = sorted(values)[max(1, math.ceil(share * len(values))) - 1]
    found = percentile(sketch(values), share)
    assert found is not None
    assert abs(found - exact) <= 0.01 * exact * (1 + 1e-9)


@given(SKETCHES, SKETCHES, SKETCHES)
@settings(deadline=None)
def test_merging_is_associative_and_commutative(
    a: list[dict[int, int]], b: list[dict[int, int]], c: list[dict[int, int]]
) -> None:
    whole = merge([*a, *b, *c])
    assert whole == merge([merge([*a, *b]), merge(c)]) == merge([merge(a), merge([*b, *c])]) == merge([*c, *b, *a])


@given(LATENCIES, LATENCIES)
@settings(deadline=None)
def test_merged_sketches_are_the_sketch_of_all_values(a: list[float], b: list[float]) -> None:
    assert sketch(a + b) == merge([sketch(a), sketch(b)])


def test_nothing_has_no_percentile_and_merges_to_nothing() -> None:
    assert percentile({}, 0.5) is None
    assert {} == merge([])


@pytest.mark.parametrize("milliseconds", [0.0, -1.0, 1e-9])
def test_what_is_under_a_microsecond_counts_as_one(milliseconds: float) -> None:
    assert bucket(1e-3) == bucket(milliseconds)
