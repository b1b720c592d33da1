"""Who stands in the line of champions, and to which of them a rollback returns."""

import pytest

from modelops_pipelines.core.errors import ConflictError
from modelops_pipelines.core.release.desired_state import (
    CHALLENGER,
    DesiredState,
    Variant,
    rollback_target,
    variants_of,
)
from modelops_pipelines.core.release.event_log import champions
from tests.fakes.endpoint_history import Endpoint, canary, event


def test_a_version_rolled_back_from_is_not_returned_to_even_when_it_reigned_twice() -> None:
    endpoint = Endpoint()
    for version in ("1", "2", "3", "2"):
        endpoint.deploy(version)
    assert ["3", "1"] == [endpoint.roll_back(), endpoint.roll_back()]
    with pytest.raises(ConflictError):
        endpoint.roll_back()


def test_a_rollback_withdraws_the_challenger_first() -> None:
    endpoint = Endpoint()
    endpoint.deploy("1")
    endpoint.deploy("2")
    endpoint.deploy("3", 10)
    assert ["2", "1"] == [endpoint.roll_back(), endpoint.roll_back()]


def test_only_who_had_the_whole_traffic_stands_in_the_line_of_champions() -> None:
    shares = [("1", {}), ("2", {"share": 99}), ("3", {"share": 100}), ("3", {"share": 100}), ("1", {"share": 100})]
    line = champions(
        [event(n, to_version=version, evidence=evidence) for n, (version, evidence) in enumerate(shares, 1)]
    )
    assert ("1", "3", "1") == line


def test_a_rollback_to_a_version_that_the_history_does_not_know_leaves_it_as_the_line() -> None:
    assert ("9",) == champions([event(1, to_version="1"), event(2, to_version="9", action="rollback")])


def test_a_rollback_asked_for_goes_before_the_challenger_and_refuses_the_present_champion() -> None:
    assert rollback_target(canary(10), ("3", "1"), "3") == "3"
    with pytest.raises(
        ConflictError, match=r"Version 1 is not an earlier champion of endpoint 'e' \(earlier champions: 3, 4\)"
    ):
        rollback_target(canary(10), ("3", "4", "1"), "1")
    with pytest.raises(ConflictError, match=r"earlier champions: none"):
        rollback_target(canary(10), ("1",), "1")


def test_without_a_challenger_the_line_is_walked_back_by_one() -> None:
    state = DesiredState("e", 3, variants_of("3"))
    assert rollback_target(state, ("1", "2", "3")) == "2"
    assert rollback_target(state, ("1", "3")) == "1"
    with pytest.raises(ConflictError, match="no earlier champion to roll back to"):
        rollback_target(state, ("3",))


def test_a_challenger_without_a_champion_is_no_reason_to_return_to_nothing() -> None:
    alone = DesiredState("e", 1, (Variant("2", CHALLENGER, 100),))
    assert rollback_target(alone, ("1", "2")) == "1"
