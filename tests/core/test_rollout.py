"""Deploy, promote and roll back in any order keep their promises; the split of traffic is fair and sticky."""

import hashlib
import random
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from modelops_pipelines.core.errors import ConflictError
from modelops_pipelines.core.rollout import (
    CHALLENGER,
    CHAMPION,
    GENESIS,
    DesiredState,
    Event,
    Variant,
    broken_link,
    champions,
    deploy,
    next_share,
    rollback_target,
    route,
    variants_of,
)

NOW = datetime(2026, 3, 1, tzinfo=UTC)
VERSIONS = st.sampled_from(["1", "2", "3", "4"])
STEPS = (5, 25, 50, 100)


@dataclass
class Endpoint:
    """A desired state with its history, changed as operations/releases.py changes it."""

    state: DesiredState = field(default_factory=lambda: DesiredState("e"))
    events: list[Event] = field(default_factory=list)

    @property
    def line(self) -> tuple[str, ...]:
        return champions(self.events)

    def apply(self, action: str, version: str, variants: tuple[Variant, ...], share: int) -> None:
        generation = self.state.generation + 1
        at = {"number": generation, "endpoint": "e", "at": NOW, "actor": "me", "reason": ""}
        event = Event(
            **at,
            action=action,
            from_version=self.state.champion,
            to_version=version,
            generation=generation,
            evidence={"share": share} if action != "rollback" else {},
        )
        self.state = DesiredState("e", generation, variants)
        self.events.append(event)

    def deploy(self, version: str, share: int = 100) -> None:
        variants = deploy(self.state, version, share)
        if variants != self.state.variants:
            self.apply("deploy", version, variants, share)

    def promote(self, version: str) -> None:
        share = next_share(self.state, version, STEPS)
        self.apply("promote", version, deploy(self.state, version, share), share)

    def roll_back(self, to: str | None = None) -> str:
        target = rollback_target(self.state, self.line, to)
        self.apply("rollback", target, variants_of(target), 100)
        return target


class AnyHistory(RuleBasedStateMachine):
    """A random walk over all that can be done to an endpoint."""

    def __init__(self) -> None:
        super().__init__()
        self.endpoint = Endpoint()
        self.bad: set[str] = set()

    @rule(version=VERSIONS)
    def deploy_whole(self, version: str) -> None:
        self.endpoint.deploy(version)
        self.bad.discard(version)

    @rule(version=VERSIONS, share=st.integers(1, 99))
    def deploy_beside(self, version: str, share: int) -> None:
        if self.endpoint.state.champion in (None, version):
            with pytest.raises(ConflictError):
                self.endpoint.deploy(version, share)
        else:
            self.endpoint.deploy(version, share)

    @precondition(lambda self: self.endpoint.state.champion)
    @rule(version=VERSIONS)
    def promote_one_step(self, version: str) -> None:
        if version != self.endpoint.state.champion:
            self.endpoint.promote(version)
            if self.endpoint.state.champion == version:
                self.bad.discard(version)

    @precondition(lambda self: self.endpoint.state.champion)
    @rule(version=VERSIONS)
    def promote_and_roll_back(self, version: str) -> None:
        before = self.endpoint.state.champion
        if version == before or before in self.bad:
            return
        while self.endpoint.state.champion != version:
            self.endpoint.promote(version)
        assert before == self.endpoint.roll_back()
        assert variants_of(str(before)) == self.endpoint.state.variants
        self.bad.add(version)

    @precondition(lambda self: self.endpoint.state.variants)
    @rule()
    def roll_back(self) -> None:
        state, line = self.endpoint.state, self.endpoint.line
        if state.challenger is None and len(line) < 2:
            with pytest.raises(ConflictError, match="no earlier champion"):
                self.endpoint.roll_back()
            return
        target = self.endpoint.roll_back()
        assert target not in self.bad
        if state.challenger is None:
            assert target != state.champion
            self.bad.add(str(state.champion))

    @precondition(lambda self: len(self.endpoint.line) > 1)
    @rule(data=st.data())
    def roll_back_to_a_champion_asked_for(self, data: st.DataObject) -> None:
        line = self.endpoint.line
        to = data.draw(st.sampled_from(line[:-1]))
        last = len(line) - 1 - line[::-1].index(to)
        assert to == self.endpoint.roll_back(to)
        self.bad |= set(line[last + 1 :])

    @rule()
    def roll_back_to_a_version_that_was_never_champion(self) -> None:
        with pytest.raises(ConflictError, match="no earlier champion"):
            rollback_target(self.endpoint.state, self.endpoint.line, "99")

    @invariant()
    def one_champion_at_any_time(self) -> None:
        roles = Counter(variant.role for variant in self.endpoint.state.variants)
        assert roles[CHAMPION] == bool(self.endpoint.events)
        assert len({v.version for v in self.endpoint.state.variants}) == len(self.endpoint.state.variants)

    @invariant()
    def shares_sum_to_100(self) -> None:
        if self.endpoint.events:
            assert sum(variant.share for variant in self.endpoint.state.variants) == 100

    @invariant()
    def the_line_ends_with_the_champion_and_never_repeats_one(self) -> None:
        line = self.endpoint.line
        assert line[-1:] == ((self.endpoint.state.champion,) if self.endpoint.events else ())
        assert all(a != b for a, b in pairwise(line))


AnyHistory.TestCase.settings = settings(max_examples=150, stateful_step_count=20, deadline=None, database=None)
test_any_history_keeps_the_promises_of_a_rollback = AnyHistory.TestCase


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
    with pytest.raises(ConflictError, match="impossible"):
        deploy(DesiredState("e", 1, variants_of("1")), "2", share)


@pytest.mark.parametrize("share", [5, 25, 50, 90])
def test_the_split_is_within_half_a_point_at_100_000_callers(share: int) -> None:
    variants = variants_of("1", "2", share)
    hits = sum(route(variants, f"user-{n}".encode()).version == "2" for n in range(100_000))
    assert abs(hits / 1000 - share) < 0.5


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
    assert variants_of("2") == deploy(state, "2") == deploy(state, "2", 100)
    assert variants_of("1", "2", 1) == deploy(state, "2", 1)
    assert variants_of("1", "2", 99) == deploy(state, "2", 99)


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
        ConflictError, match=r"Version 1 is no earlier champion of endpoint 'e' \(earlier champions: 3, 4\)"
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


def test_an_events_seal_is_the_hash_of_its_canonical_json() -> None:
    sealed = event(3, evidence={"b": 1, "a": "Zoë"})
    body = (
        '{"action": "deploy", "actor": "me", "at": "2026-03-01T00:00:00Z", "endpoint": "e", '
        '"evidence": {"a": "Zo\\u00eb", "b": 1}, "from_version": null, "generation": 3, "number": 3, '
        f'"previous_hash": "{GENESIS}", "reason": "", "to_version": "1"}}'
    )
    assert hashlib.sha256(body.encode()).hexdigest() == sealed.hash
    assert "0" * 64 == GENESIS


def test_a_whole_chain_holds_and_each_way_to_break_it_is_found_where_it_broke() -> None:
    chain = sealed_chain(4)
    (first, seal), (second, seal_2), *rest = chain
    assert broken_link(chain) is None
    assert broken_link([]) is None
    assert broken_link([(first, "f" * 64), *chain[1:]]) == 1
    assert broken_link([(replace(first, actor="another"), seal), *chain[1:]]) == 1
    assert broken_link(chain[1:]) == 1
    assert broken_link([chain[0], *rest]) == 2
    renumbered = replace(second, number=5)
    assert broken_link([(first, seal), (renumbered, renumbered.hash)]) == 2
    unlinked = replace(second, previous_hash=GENESIS)
    assert broken_link([(first, seal), (unlinked, unlinked.hash)]) == 2
    assert broken_link([*chain[:2], *reversed(rest)]) == 3
    assert broken_link([*chain[:3], (chain[3][0], seal_2)]) == 4


def canary(share: int) -> DesiredState:
    return DesiredState("e", 2, variants_of("1", "2", share))


def event(number: int, **values: Any) -> Event:
    at: dict[str, Any] = {
        "number": number,
        "endpoint": "e",
        "at": NOW,
        "actor": "me",
        "reason": "",
        "generation": number,
    }
    return Event(**{**at, "action": "deploy", "from_version": None, "to_version": "1", **values})


def sealed_chain(length: int) -> list[tuple[Event, str]]:
    chain: list[tuple[Event, str]] = []
    for number in range(1, length + 1):
        linked = event(number, previous_hash=chain[-1][1] if chain else GENESIS)
        chain.append((linked, linked.hash))
    return chain
