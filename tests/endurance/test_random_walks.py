"""Whatever is done to an endpoint in whatever order, the promises hold."""

from collections import Counter
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from modelops_pipelines.core.errors import ConflictError
from modelops_pipelines.core.release import desired_state as rollout
from modelops_pipelines.core.release.deployment_states import ARCHIVED, PRODUCTION, STAGE_MOVES, Stage
from modelops_pipelines.core.release.desired_state import (
    CHALLENGER,
    CHAMPION,
    SHADOW,
    DesiredState,
    rollback_target,
    variants_of,
)
from modelops_pipelines.core.release.event_log import champions, live_at, state_before, undoable_rollback
from tests.fakes.endpoint_history import NOW, SECOND, Endpoint

NAMES = ("1", "2", "3", "4")
VERSIONS = st.sampled_from(NAMES)
SHARES = st.integers(1, 99)
STEPS_A_WALK = 50


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
    def undo_the_newest_rollback(self) -> None:
        rollback = undoable_rollback(self.endpoint.events)
        if rollback is None:
            assert self.endpoint.undo() is None
            return
        before = state_before(rollback, self.endpoint.events)
        answering = tuple(variant for variant in before.variants if variant.role != SHADOW)
        kept = (self.endpoint.state.status, answering)
        shadow = self.endpoint.state.shadow
        if not self.endpoint.archived.isdisjoint(variant.version for variant in answering):
            with pytest.raises(ConflictError, match="archived"):
                self.endpoint.undo()
            return
        self.endpoint.undo()
        state = self.endpoint.state
        assert kept == (state.status, tuple(variant for variant in state.variants if variant.role != SHADOW))
        assert shadow in (state.shadow, state.champion, state.challenger)
        assert champions([e for e in self.endpoint.events if e.number < rollback.number]) == self.endpoint.line
        self.bad -= set(self.endpoint.line)

    @rule()
    def roll_back_to_a_version_that_was_never_champion(self) -> None:
        with pytest.raises(ConflictError, match="not an earlier champion"):
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
        with pytest.raises(ConflictError, match="serves no version"):
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
            with pytest.raises(ConflictError, match="is live on"):
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
