"""Moments of losses by row and by cluster: they merge in any order, and repeated rows are no more evidence."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops_pipelines.core.release.sequential_tests import Moments

losses = st.lists(st.floats(-1000, 1000), max_size=30)


def moments(values):
    return Moments.of(len(values), math.fsum(values), math.fsum(value**2 for value in values))


@given(losses, losses, losses)
def test_moments_merge_in_any_order_to_those_of_all_rows(one, two, three):
    a, b, c = moments(one), moments(two), moments(three)
    values = np.array([*one, *two, *three])
    left, right, turned = a.merged(b).merged(c), a.merged(b.merged(c)), c.merged(a).merged(b)
    variance = values.var(ddof=1) / len(values) if len(values) > 1 else 0.0
    for found in (left, right, turned):
        assert found.rows == len(values)
        assert found.mean == pytest.approx(values.mean() if len(values) else 0.0, abs=1e-9)
        assert found.variance == pytest.approx(variance, rel=1e-6, abs=1e-6)


def test_moments_of_no_row_and_of_one_have_no_variance():
    assert Moments.of(0, 0.0, 0.0) == Moments(0, 0.0, 0.0)
    assert Moments.of(1, 3.0, 9.0) == Moments(1, 3.0, 0.0)


clusters = st.lists(st.lists(st.floats(-100, 100), min_size=1, max_size=5), min_size=2, max_size=20)


def of_clusters(told):
    sizes, sums = np.array([len(one) for one in told], float), np.array([math.fsum(one) for one in told])
    return Moments.of_clusters(
        len(told), int(sizes.sum()), sums.sum(), (sums**2).sum(), (sums * sizes).sum(), (sizes**2).sum()
    )


@given(clusters)
def test_the_variance_of_clusters_is_that_of_their_totals_about_the_common_mean(told):
    rows, found = [loss for one in told for loss in one], of_clusters(told)
    residuals = [math.fsum(one) - len(one) * np.mean(rows) for one in told]
    expected = len(told) / (len(told) - 1) * np.sum(np.square(residuals)) / len(rows) ** 2
    assert (found.rows, found.mean) == (len(told), pytest.approx(np.mean(rows), abs=1e-9))
    assert found.variance == pytest.approx(expected, rel=1e-6, abs=1e-6)


@given(losses)
def test_clusters_of_one_row_are_independent_rows(values):
    one, other = of_clusters([[value] for value in values]), moments(values)
    assert (one.rows, one.mean) == (other.rows, pytest.approx(other.mean))
    assert one.variance == pytest.approx(other.variance, rel=1e-6, abs=1e-6)


def test_rows_that_repeat_within_a_cluster_are_no_more_evidence():
    values = [0.0, 1.0, 2.0, 5.0] * 50
    assert of_clusters([[value] * 10 for value in values]).variance == pytest.approx(moments(values).variance)


def test_clusters_that_are_none_or_no_number_are_told_apart():
    assert Moments.of_clusters(0, 0, 0.0, 0.0, 0.0, 0.0) == Moments(0, 0.0, 0.0)
    assert Moments.of_clusters(1, 5, 2.0, 4.0, 10.0, 25.0) == Moments(1, 0.4, 0.0)
    assert math.isnan(Moments.of_clusters(2, 5, 2.0, math.nan, 10.0, 25.0).variance)


def test_rounding_never_makes_a_variance_negative():
    assert Moments.of(3, 0.3, 0.03).variance >= 0
