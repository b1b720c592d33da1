"""Which shares are possible and which comes next; the split of traffic is fair and sticky."""

import hashlib
import random

import pytest

from modelops_pipelines.core.errors import ConflictError
from modelops_pipelines.core.release.desired_state import (
    CHALLENGER,
    CHAMPION,
    DesiredState,
    Variant,
    deploy,
    next_share,
    route,
    variants_of,
)
from tests.fakes.endpoint_history import STEPS, Endpoint, canary


def test_a_canary_grows_step_by_step_and_ends_as_champion() -> None:
    endpoint = Endpoint()
    endpoint.deploy("1")
    shares = []
    while endpoint.state.champion != "2":
        endpoint.promote("2")
        shares.append(endpoint.events[-1].evidence["share"])
    assert list(STEPS) == shares
    assert ("1", "2") == endpoint.line


@pytest.mark.parametrize("share", [-1, 0, 101])
def test_an_impossible_share_is_refused(share: int) -> None:
    with pytest.raises(ConflictError, match="is not from 1 to 100"):
        deploy(DesiredState("e", 1, variants_of("1")), "2", share)


@pytest.mark.parametrize("share", [5, 25, 50, 90])
def test_the_split_is_within_half_a_point_at_100_000_callers(share: int) -> None:
    variants = variants_of("1", "2", share)
    hits = sum(route(variants, f"user-{n}".encode()).version == "2" for n in range(100_000))
    assert abs(hits / 1000 - share) < 0.5


@pytest.mark.parametrize("share", [5, 50])
def test_which_callers_are_the_canary_depends_on_endpoint_and_challenger_and_sticks(share: int) -> None:
    callers = [f"user-{n}".encode() for n in range(100_000)]
    taken = {}
    for endpoint, version in (("e", "2"), ("e", "3"), ("f", "2")):
        state = DesiredState(endpoint, 1, variants_of("1", version, share))
        chosen = [state.choose(caller).version == version for caller in callers]
        assert abs(sum(chosen) / 1000 - share) < 0.5
        assert chosen[:1000] == [state.choose(caller).version == version for caller in callers[:1000]]
        taken[endpoint, version] = chosen
    for other in (("e", "3"), ("f", "2")):
        both = sum(a and b for a, b in zip(taken["e", "2"], taken[other], strict=True))
        assert abs(both / 1000 - share**2 / 100) < 0.5


def test_a_caller_keeps_its_variant_and_a_growing_canary_only_adds_callers() -> None:
    callers = [random.Random(n).randbytes(8) for n in range(2_000)]
    seen: set[bytes] = set()
    for share in (5, 25, 50, 99):
        variants = variants_of("1", "2", share)
        now = {caller for caller in callers if route(variants, caller).version == "2"}
        assert now == {caller for caller in callers if route(variants, caller).version == "2"}
        assert seen <= now
        seen = now


def test_a_lone_champion_answers_everyone() -> None:
    assert {"1"} == {route(variants_of("1"), bytes([n])).version for n in range(256)}


def test_a_caller_beyond_all_shares_gets_the_champion() -> None:
    assert route((Variant("1", CHAMPION, 0), Variant("2", CHALLENGER, 0)), b"anyone").version == "1"


def test_which_callers_a_canary_takes_first_never_moves() -> None:
    points = {
        name: int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) * 100 / 2**32 for name in map(str, range(500))
    }
    for share in (5, 50):
        taken = {name for name in points if route(variants_of("1", "2", share), name.encode()).version == "2"}
        assert {name for name, point in points.items() if point < share} == taken


def test_variants_are_a_lone_champion_or_two_that_share_the_whole() -> None:
    assert (Variant("1", CHAMPION, 100),) == variants_of("1") == variants_of("1", "2") == variants_of("1", None, 30)
    assert (Variant("1", CHAMPION, 99), Variant("2", CHALLENGER, 1)) == variants_of("1", "2", 1)


def test_an_endpoint_that_never_served_has_no_champion_and_no_generation() -> None:
    state = DesiredState("e")
    assert (0, (), None, None) == (state.generation, state.variants, state.champion, state.challenger)
    assert ("1", "2") == (canary(30).champion, canary(30).challenger)


def test_the_whole_traffic_and_the_smallest_share_are_possible() -> None:
    state = DesiredState("e", 1, variants_of("1"))
    assert variants_of("2") == deploy(state, "2").variants == deploy(state, "2", 100).variants
    assert variants_of("1", "2", 1) == deploy(state, "2", 1).variants
    assert variants_of("1", "2", 99) == deploy(state, "2", 99).variants


@pytest.mark.parametrize("state", [DesiredState("e"), DesiredState("e", 1, variants_of("2"))])
def test_a_share_needs_another_champion_to_share_with(state: DesiredState) -> None:
    with pytest.raises(ConflictError, match="no other champion"):
        deploy(state, "2", 50)


@pytest.mark.parametrize(("share", "expected"), [(1, 5), (5, 25), (24, 25), (25, 50), (50, 100), (99, 100)])
def test_a_promotion_goes_to_the_plans_next_step(share: int, expected: int) -> None:
    assert expected == next_share(canary(share), "2", STEPS)


def test_a_version_that_is_no_challenger_begins_at_the_first_step() -> None:
    assert next_share(canary(50), "3", STEPS) == 5
    assert next_share(canary(50), "1", STEPS) == 5


def test_a_plan_may_begin_at_one_percent() -> None:
    assert next_share(canary(50), "3", (1, 50, 100)) == 1


def test_a_plan_that_ends_before_the_whole_is_completed_by_the_whole() -> None:
    assert next_share(canary(10), "2", (5, 10)) == 100
