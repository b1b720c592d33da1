"""Quantiles of sorted values are numpy's, to the last bit."""

import math
from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops_pipelines.core.profiles.quantiles import Ordered, median, quantiles

pytestmark = pytest.mark.filterwarnings("error")

finite = st.lists(st.floats(-1e140, 1e140) | st.integers(-3, 3).map(float), min_size=1, max_size=60)
shares = st.lists(st.floats(0, 1), min_size=1, max_size=20)


@given(finite, shares)
def test_quantiles_of_rising_values_are_numpys_to_the_last_bit(values, wanted):
    expected = np.quantile(values, wanted)
    assert quantiles(np.sort(values), np.asarray(wanted)).tolist() == expected.tolist()


@given(finite)
def test_the_median_is_numpys(values):
    assert median(np.sort(values)) == np.median(values)


def test_nulls_infinities_and_what_is_too_large_are_counted_apart():
    values = [3.0, math.nan, -math.inf, 1.0, 1e200, -1e141, math.nan, math.inf, -1e140]
    ordered = Ordered.of(np.asarray(values), 1e140)
    found = ordered.binned(np.asarray([0.0]), 0.0)
    assert ordered.finite.tolist() == [-1e140, 1.0, 3.0]
    assert (found.counts.tolist(), found.infinities.tolist(), found.nulls.tolist()) == ([[1, 2]], [4], [2])
    assert (found.minimum.tolist(), found.maximum.tolist()) == ([-1e140], [3.0])


def test_each_bin_starts_behind_the_edge_that_it_does_not_hold():
    found = Ordered.of(np.asarray([1.0, 2.0, 2.0, 3.0]), 1e140).binned(np.asarray([1.0, 2.5]), 1.0)
    assert (found.counts.tolist(), found.sums.tolist()) == ([[1, 2, 1]], [[0.0, 2.0, 2.0]])


def test_each_piece_is_counted_by_itself_and_an_empty_one_has_no_extremes():
    found = Ordered.of(np.asarray([5.0, 1.0, math.nan, 2.0]), 1e140, [0, 2, 2, 4]).binned(np.asarray([3.0]), 0.0)
    assert found.counts.tolist() == [[1, 1], [0, 0], [1, 0]]
    assert (found.squares.tolist(), found.nulls.tolist()) == ([26.0, 0.0, 4.0], [0, 0, 1])
    assert np.isnan(found.minimum[1])
    assert np.isnan(found.maximum[1])


@given(st.lists(finite, min_size=1, max_size=4))
def test_pieces_side_by_side_are_what_they_are_alone_to_the_last_bit(pieces):
    edges, bounds = np.asarray([-1.0, 0.5, 2.0]), [0, *accumulate(map(len, pieces))]
    together = Ordered.of(np.concatenate([np.asarray(piece) for piece in pieces]), 1e140, bounds).binned(edges, 0.5)
    for place, piece in enumerate(pieces):
        alone = Ordered.of(np.asarray(piece), 1e140).binned(edges, 0.5)
        for name in ("counts", "sums", "squares", "minimum", "maximum", "infinities", "nulls"):
            assert getattr(together, name)[place].tolist() == getattr(alone, name)[0].tolist()
