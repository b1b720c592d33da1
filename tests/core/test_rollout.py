"""Deploy, promote and roll back in any order keep their promises; the split of traffic is fair and sticky."""

import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from modelops_pipelines.core.errors import ConflictError
from modelops_pipelines.core.rollout import (
    CHAMPION,
    DesiredState,
    Event,
    Variant,
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
        event = Event(**at, action=action, from_version=self.state.champion, to_version=version, generation=generation, evidence={"share": share} if action != "rollback" else {})
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
