"""A growing stack: adding rows batch by batch is merging their profiles, to the last bit."""

from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops_pipelines.core.errors import SchemaError
from modelops_pipelines.core.profiles.accumulator import ProfileAccumulator
from modelops_pipelines.core.profiles.categorical import Coded
from modelops_pipelines.core.profiles.profile import empty, fit_bins, merge, profile
from modelops_pipelines.core.profiles.profile_stack import Stack
from tests.unit.core.profiles.columns import COLUMNS, KINDS

pytestmark = pytest.mark.filterwarnings("error")
WINDOWS = 3
PARTS = st.lists(COLUMNS, min_size=WINDOWS, max_size=WINDOWS)
"""Rows for each window of a batch; those that are not of the column's kind are left out."""


@given(COLUMNS, st.lists(PARTS, max_size=4))
def test_adding_batches_to_windows_is_merging_their_profiles(reference, batches):
    kind, values = reference
    bins = fit_bins("x", values, kind)
    grown, expected = ProfileAccumulator(bins, WINDOWS), [empty(bins)] * WINDOWS
    for batch in batches:
        parts = {window: part for window, (other, part) in enumerate(batch) if other == kind}
        add(grown, parts)
        for window, part in parts.items():
            expected[window] = merge(expected[window], profile(part, bins))
    stack = grown.stack(range(WINDOWS))
    assert expected == [stack.take([window]).total() for window in range(WINDOWS)]


@pytest.mark.parametrize("kind", KINDS)
def test_windows_that_no_row_was_added_to_are_empty_and_come_in_the_order_asked_for(kind):
    bins = fit_bins("x", {"numeric": [1.0, 2.0], "categorical": ["a"], "text": ["a b"]}[kind], kind)
    grown = ProfileAccumulator(bins, WINDOWS)
    add(grown, {2: [3.0] if kind == "numeric" else ["new"]})
    found = grown.stack([2, 0])
    expected = Stack.of(bins, [profile([3.0] if kind == "numeric" else ["new"], bins), empty(bins)])
    assert [expected.take([i]).total() for i in (0, 1)] == [found.take([i]).total() for i in (0, 1)]


@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_another_kind_are_refused(kind):
    bins = fit_bins("age", {"numeric": [1.0, 2.0], "categorical": ["a"], "text": ["a b"]}[kind], kind)
    of_another = coded(["a"]) if kind == "numeric" else np.ones(1)
    with pytest.raises(SchemaError, match=f"'age' is {kind} in its reference, but its rows contain"):
        ProfileAccumulator(bins, 1).add([0], [0, 1], of_another)


def add(grown, parts):
    """Add each window's rows, all in one call."""
    rows = [value for part in parts.values() for value in part]
    bounds = [0, *accumulate(len(part) for part in parts.values())]
    numbers = grown.bins.kind == "numeric"
    grown.add(list(parts), bounds, np.array(rows, np.float64) if numbers else coded(rows))


def coded(rows):
    names = sorted({row for row in rows if row is not None}, reverse=True)
    return Coded(np.array([-1 if row is None else names.index(row) for row in rows], np.intp), tuple(names))
