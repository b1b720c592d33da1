"""Whatever is done to an endpoint in whatever order, the promises hold; the split of traffic is fair and sticky."""

import hashlib
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from modelops_pipelines.core import rollout
from modelops_pipelines.core.errors import ConflictError
from modelops_pipelines.core.history import Event, champions, described, live_at
from modelops_pipelines.core.lifecycle import ARCHIVED, PRODUCTION, STAGE_MOVES, Stage, stage_of
from modelops_pipelines.core.rollout import (
    CHALLENGER,
    CHAMPION,
    SHADOW,
    DesiredState,
    Variant,
    deploy,
    next_share,
    roll_back,
    rollback_target,
    route,
    variants_of,
)

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
NAMES = ("1", "2", "3", "4")
VERSIONS = st.sampled_from(NAMES)
SHARES = st.integers(1, 99)
STEPS = (5, 25, 50, 100)
STEPS_A_WALK = 50


@dataclass
class Endpoint:
    """A desired state with its history, changed as operations/releases.py changes it."""

    state: DesiredState = field(default_factory=lambda: DesiredState("e"))
    events: list[Event] = field(default_factory=list)
    past: list[DesiredState] = field(default_factory=list)
    archived: set[str] = field(default_factory=set)

    @property
    def line(self) -> tuple[str, ...]:
        return champions(self.events)

    @property
    def is_live(self) -> bool:
        return self.state.champion is not None

    def apply(self, action: str, version: str, after: DesiredState | None, share: int = 100) -> None:
        if after is None or (after.variants, after.status) == (self.state.variants, self.state.status):
            return
        if any(variant.version in self.archived for variant in after.variants):
            raise ConflictError("archived", "restore it")
        at = {"number": len(self.events) + 1, "endpoint": "e", "actor": "me", "reason": ""}
        event = Event(
            **at,
            at=NOW + len(self.events) * SECOND,
            action=action,
            from_version=self.state.champion,
            to_version=version,
            generation=after.generation,
            evidence={"share": share, "live": described(after)},
        )
        assert after.generation == self.state.generation + 1
        self.state = after
        self.events.append(event)
        self.past.append(after)

    def deploy(self, version: str, share: int = 100) -> None:
        self.apply("deploy", version, deploy(self.state, version, share), share)

    def promote(self, version: str) -> None:
        share = next_share(self.state, version, STEPS)
        self.apply("promote", version, deploy(self.state, version, share), share)

    def roll_back(self, to: str | None = None) -> str:
        target = rollback_target(self.state, self.line, to, self.archived)
        self.apply("rollback", target, roll_back(self.state, target))
        return target

    def stage(self, version: str) -> Stage:
        return stage_of(version, [self.state], archived=version in self.archived, proven=version in self.line)


class AnyHistory(RuleBasedStateMachine):
    """A random walk over all that can be done to an endpoint."""

    def __init__(self) -> None:
        super().__init__()
        self.endpoint = Endpoint()
        self.bad: set[str] = set()
        self.stages: dict[str, Stage] = {name: self.endpoint.stage(name) for name in NAMES}

    def _refused(self, version: str) -> bool:
        return self.endpoint.state.status == rollout.STOPPED or version in self.endpoint.archived

    @rule(version=VERSIONS)
    def deploy_whole(self, version: str) -> None:
        if self._refused(version) and variants_of(version) != self.endpoint.state.variants:
            with pytest.raises(ConflictError):
                self.endpoint.deploy(version)
        elif not self._refused(version):
            self.endpoint.deploy(version)
            self.bad.discard(version)

    @rule(version=VERSIONS, share=SHARES)
    def deploy_beside(self, version: str, share: int) -> None:
        if self._refused(version) or self.endpoint.state.champion in (None, version):
            with pytest.raises(ConflictError):
                self.endpoint.deploy(version, share)
        else:
            self.endpoint.deploy(version, share)

    @precondition(lambda self: self.endpoint.is_live)
    @rule(version=VERSIONS)
    def promote_one_step(self, version: str) -> None:
        if version != self.endpoint.state.champion and not self._refused(version):
            self.endpoint.promote(version)
            if self.endpoint.state.champion == version:
                self.bad.discard(version)

    @precondition(lambda self: self.endpoint.is_live)
    @rule(version=VERSIONS)
    def promote_and_roll_back(self, version: str) -> None:
        before = self.endpoint.state.champion
        if version == before or before in self.bad or self._refused(version):
            return
        while self.endpoint.state.champion != version:
            self.endpoint.promote(version)
        assert before == self.endpoint.roll_back()
        assert variants_of(str(before)) == self.endpoint.state.answering
        self.bad.add(version)

    @precondition(lambda self: self.endpoint.state.variants)
    @rule()
    def roll_back(self) -> None:
        state, line = self.endpoint.state, self.endpoint.line
        earlier = [v for v in line[:-1] if v not in self.endpoint.archived and v != state.champion]
        if state.challenger is None and not earlier:
            with pytest.raises(ConflictError, match="no earlier champion"):
                self.endpoint.roll_back()
            return
        target = self.endpoint.roll_back()
        assert target not in self.bad
        assert self.endpoint.state.status == state.status
        if state.challenger is None:
            assert target != state.champion
            self.bad.add(str(state.champion))
            self.bad |= set(line[len(line) - line[::-1].index(target) :])

    @precondition(lambda self: len(self.endpoint.line) > 1)
    @rule(data=st.data())
    def roll_back_to_a_champion_asked_for(self, data: st.DataObject) -> None:
        line = self.endpoint.line
        to = data.draw(st.sampled_from(line[:-1]))
        if to in self.endpoint.archived:
            with pytest.raises(ConflictError, match="is archived"):
                self.endpoint.roll_back(to)
            return
        last = len(line) - 1 - line[::-1].index(to)
        assert to == self.endpoint.roll_back(to)
        self.bad |= set(line[last + 1 :]) - {to}

    @rule()
    def roll_back_to_a_version_that_was_never_champion(self) -> None:
        with pytest.raises(ConflictError, match="no earlier champion"):
            rollback_target(self.endpoint.state, self.endpoint.line, "99")

    @precondition(lambda self: self.endpoint.is_live)
    @rule()
    def stop_and_perhaps_start(self) -> None:
        before = self.endpoint.state
        if before.status == rollout.STOPPED:
            self.endpoint.apply("start", "", rollout.start(before))
            assert self.endpoint.state.answering
        else:
            self.endpoint.apply("stop", "", rollout.stop(before))
            assert not self.endpoint.state.answering
        assert before.variants == self.endpoint.state.variants

    @precondition(lambda self: not self.endpoint.is_live)
    @rule(move=st.sampled_from([rollout.stop, rollout.start]))
    def what_serves_nothing_is_neither_stopped_nor_started(
        self, move: Callable[[DesiredState], DesiredState | None]
    ) -> None:
        with pytest.raises(ConflictError, match="serves nothing"):
            move(self.endpoint.state)

    @precondition(lambda self: len(self.endpoint.events) % 7 == 6)
    @rule()
    def delete(self) -> None:
        self.endpoint.apply("delete", "", rollout.delete(self.endpoint.state))
        assert rollout.delete(self.endpoint.state) is None
        assert self.endpoint.line == ()
        self.bad.clear()

    @precondition(lambda self: self.endpoint.is_live)
    @rule(version=VERSIONS)
    def shadow(self, version: str) -> None:
        state = self.endpoint.state
        if version in (state.champion, state.challenger):
            with pytest.raises(ConflictError, match="answers on"):
                rollout.shadow(state, version)
        elif version not in self.endpoint.archived:
            self.endpoint.apply("shadow", version, rollout.shadow(state, version))
            assert self.endpoint.state.answering == state.answering

    @rule()
    def end_the_shadow(self) -> None:
        self.endpoint.apply("end shadow", "", rollout.without_shadow(self.endpoint.state))
        assert self.endpoint.state.shadow is None

    @rule(version=VERSIONS)
    def archive_or_restore(self, version: str) -> None:
        if version in self.endpoint.archived:
            self.endpoint.archived.discard(version)
        elif version not in {variant.version for variant in self.endpoint.state.variants}:
            self.endpoint.archived.add(version)

    @rule(data=st.data())
    def the_history_tells_what_was_live_at_any_moment(self, data: st.DataObject) -> None:
        if self.endpoint.events:
            at = data.draw(st.integers(0, len(self.endpoint.events) - 1))
            found = live_at("e", self.endpoint.events, NOW + at * SECOND + SECOND / 2)
            assert self.endpoint.past[at] == found

    @invariant()
    def one_champion_at_any_time(self) -> None:
        roles = Counter(variant.role for variant in self.endpoint.state.variants)
        assert roles[CHAMPION] <= 1
        assert roles[CHAMPION] == bool(self.endpoint.state.variants)
        assert max(roles[CHALLENGER], roles[SHADOW]) <= 1
        assert len(self.endpoint.state.variants) == len({v.version for v in self.endpoint.state.variants})

    @invariant()
    def shares_sum_to_100(self) -> None:
        if self.endpoint.state.answering:
            assert sum(variant.share for variant in self.endpoint.state.answering) == 100

    @invariant()
    def the_line_ends_with_the_champion_and_never_repeats_one(self) -> None:
        line = self.endpoint.line
        assert line[-1:] == ((self.endpoint.state.champion,) if self.endpoint.is_live else ())
        assert all(a != b for a, b in pairwise(line))

    @invariant()
    def what_is_archived_never_serves(self) -> None:
        assert self.endpoint.archived.isdisjoint(variant.version for variant in self.endpoint.state.variants)

    @invariant()
    def no_stage_follows_one_that_it_may_not(self) -> None:
        now = {name: self.endpoint.stage(name) for name in NAMES}
        for name, stage in now.items():
            assert stage == self.stages[name] or stage in STAGE_MOVES[self.stages[name]]
            assert (stage == PRODUCTION) == (name == self.endpoint.state.champion)
            assert (stage == ARCHIVED) == (name in self.endpoint.archived)
        self.stages = now


def test_any_history_keeps_the_promises(request: pytest.FixtureRequest) -> None:
    walks = max(1, request.config.getoption("--steps") // STEPS_A_WALK)
    options = settings(max_examples=walks, stateful_step_count=STEPS_A_WALK, deadline=None, database=None)
    run_state_machine_as_test(AnyHistory, settings=options)  # type: ignore[no-untyped-call]


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
