"""One key's, user's or author's share of the new labels."""

from hypothesis import given
from hypothesis import strategies as st

from modelops_pipelines.core.improve.guards.shares import Suppliers, share_of_one

EVEN = {"a": 100, "b": 100, "c": 100}


def test_a_key_that_floods_is_refused_with_its_share_and_limit() -> None:
    result = share_of_one([Suppliers("key", {"a": 50, "b": 50, "flood": 300}, EVEN)])
    assert result.passed is False
    assert "one key supplied 75.0 % of 400 new labels (at most 50.0 %)" == result.message
    assert "flood" == result.numbers["key"]["largest"]


def test_a_service_that_always_sent_most_labels_may_go_on() -> None:
    before = {"service": 950, "a": 25, "b": 25}
    assert share_of_one([Suppliers("key", {"service": 960, "a": 20, "b": 20}, before)]).passed is True
    assert share_of_one([Suppliers("key", {"service": 20, "a": 960, "b": 20}, before)]).passed is False


def test_two_keys_are_not_several() -> None:
    assert share_of_one([Suppliers("key", {"a": 990, "b": 10}, {})]).passed is None


def test_a_person_has_a_smaller_limit_than_a_key() -> None:
    now = {"a": 400, "b": 300, "c": 300}
    assert share_of_one([Suppliers("key", now, {})]).passed is True
    assert share_of_one([Suppliers("author", now, {})]).passed is False


def test_few_labels_prove_nothing() -> None:
    result = share_of_one([Suppliers("key", {"a": 40, "b": 1, "c": 1}, {})])
    assert (None, 42) == (result.passed, result.numbers["key"]["labels"])


@given(st.integers(3, 30), st.integers(20, 200))
def test_equal_shares_always_pass(suppliers: int, each: int) -> None:
    now = {str(number): each for number in range(suppliers)}
    assert share_of_one([Suppliers("key", now, {})]).passed is not False


def test_unknown_suppliers_are_not_counted() -> None:
    of = Suppliers.counted("key", ["a", None, "a", "b"], [None])
    assert ({"a": 2, "b": 1}, {}) == (dict(of.now), dict(of.before))
