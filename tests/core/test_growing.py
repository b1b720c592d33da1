"""A growing stack: adding rows batch by batch is merging their profiles, to the last bit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops_pipelines.core.growing import GrowingStack
from modelops_pipelines.core.profiles import empty, fit_bins, merge, profile
from modelops_pipelines.core.stacks import Stack
from tests.core.test_profiles import COLUMNS, KINDS

pytestmark = pytest.mark.filterwarnings("error")
WINDOWS = 3


@given(COLUMNS, st.lists(st.tuples(st.integers(0, WINDOWS - 1), COLUMNS), max_size=6))
def test_adding_batches_to_windows_is_merging_their_profiles(reference, batches):
    kind, values = reference
    bins = fit_bins("x", values, kind)
    grown, expected = GrowingStack(bins, WINDOWS), [empty(bins)] * WINDOWS
    for window, (other, batch) in batches:
        if other == kind:
            grown.add(window, batch)
            expected[window] = merge(expected[window], profile(batch, bins))
    stack = grown.stack(range(WINDOWS))
    assert expected == [stack.take([window]).total() for window in range(WINDOWS)]


@pytest.mark.parametrize("kind", KINDS)
def test_windows_that_no_row_was_added_to_are_empty_and_come_in_the_order_asked_for(kind):
    bins = fit_bins("x", {"numeric": [1.0, 2.0], "categorical": ["a"], "text": ["a b"]}[kind], kind)
    grown = GrowingStack(bins, WINDOWS)
    grown.add(2, [3.0] if kind == "numeric" else ["new"])
    found = grown.stack([2, 0])
    expected = Stack.of(bins, [profile([3.0] if kind == "numeric" else ["new"], bins), empty(bins)])
    assert [expected.take([i]).total() for i in (0, 1)] == [found.take([i]).total() for i in (0, 1)]
