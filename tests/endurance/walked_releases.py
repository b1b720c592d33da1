"""A walk over everything that changes what is live, on real stores, which keeps its own account of what is allowed."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import AcknowledgementError, ConflictError, GateError, InputError
from modelops_pipelines.core.evaluation.gate import FAIL, NOT_ENOUGH, PASS, GateConfig
from modelops_pipelines.core.release.deployment_states import DEPLOYING, LIVE, MOVES, PENDING, STATUSES, Status
from modelops_pipelines.core.release.event_log import Event
from modelops_pipelines.core.release.guards import Verdict
from modelops_pipelines.operations.release import commands
from modelops_pipelines.operations.release.alias_sync import reconcile
from modelops_pipelines.operations.release.rollbacks import undo_rollback
from modelops_pipelines.operations.release.trials.ab_tests import apply_decision, start_experiment
from modelops_pipelines.operations.release.trials.canary import promote_next_step, running_test
from modelops_pipelines.operations.release.trials.withdraw import withdraw_version
from modelops_pipelines.store.state.improve.gates import Gate
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from modelops_pipelines.store.stores import Stores
from tests.fakes.registry import AliasRegistry

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
NAMES = ("1", "2", "3", "4")
SETTINGS = (GateConfig(), GateConfig(), GateConfig(margin=0.0))
REASONS = ("a reason", "a reason", "", " ")
GUARD_FAILED = Verdict("fail", "errors", "2 % more errors", {"excess": 0.02})
GUARD_PASSED = Verdict("pass", "all", "no guard failed", {})
REFUSALS = (ConflictError, InputError, AcknowledgementError)


def _reachable(status: Status) -> set[Status]:
    return {status}.union(*map(_reachable, MOVES[status]))


REACHABLE = {status: _reachable(status) for status in STATUSES}


class WalkedStores(Stores):
    """Real stores whose clock a walk sets, and whose registry knows aliases only."""

    moment = NOW

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.registry = AliasRegistry()  # type: ignore[assignment, misc]

    def now(self) -> datetime:
        """Return the time."""
        return self.moment


@dataclass(frozen=True)
class Judged:
    """A verdict, as the walk remembers it."""

    champion: str | None
    settings: str
    verdict: str
    at: datetime


class Walk:
    """One endpoint, what was done to it, and what may be done to it by the walk's own account."""

    def __init__(self, stores: WalkedStores, spec: EndpointSpec, number: int, ways: Counter[str]) -> None:
        self.stores, self.chance, self.ways = stores, random.Random(number), ways
        self.spec = replace(spec, name=f"walk_{number}", model_name=f"walked-{number}")
        self.ledger: dict[str, list[Judged]] = {name: [] for name in NAMES}
        self.withdrawn: dict[str, datetime] = {}
        self.forced_start: tuple[str, int] | None = None
        self.champion: str | None = None
        self.past: set[str] = set()
        self.seen = 0
        self.statuses: dict[str, Status] = {}
        self.forces, self.reason = False, ""
        self.done: list[str] = []
        for name in NAMES:
            known = ModelVersion(self.spec.model_name, name, "/nowhere", {"x": "float"}, None, None, None, NOW)
            stores.deployments.record_version(known)

    # What is allowed, by the walk's own account

    def holds(self, version: str, champion: str | None) -> bool:
        """Return whether the newest verdict on the version lets it take the champion's place now."""
        if not self.ledger[version] or champion is None:
            return False
        newest = self.ledger[version][-1]
        age = self.stores.moment - newest.at
        fits = (newest.champion, newest.settings, newest.verdict) == (champion, self.spec.gate.hash, PASS)
        guarded = self.withdrawn.get(version)
        return fits and timedelta() <= age <= self.spec.gate.max_age and (guarded is None or guarded < newest.at)

    def way_of(self, event: Event, champion: str | None, share: int) -> str:
        """Return by which way the event gave its version traffic from the champion; raises AssertionError."""
        version, evidence = event.to_version, event.evidence
        if event.action in ("rollback", "undo"):
            assert champion in self.past, "a way back to a version that never was champion"
            return "back"
        if self.champion is None:
            return "first"
        if self.holds(version, self.champion):
            assert evidence["forced"] is False, "said to be forced, though the gate lets it in"
            return "verdict" if share == 100 else "verdict, a step"
        covered = self.forced_start == (version, len(self.ledger[version])) and event.actor == "canary driver"
        assert self.forces or covered, "neither a verdict that counts now nor force"
        assert event.reason.strip(), "force without a reason"
        assert evidence["forced"] is True, "force that the history does not show"
        assert evidence["refused"], "force that the history does not explain"
        return "force" if share == 100 else "force, a step"

    def check(self) -> None:
        """Account for every new event: each champion came by an allowed way, and each step of a promotion too."""
        events = self.stores.deployments.events(self.spec.name)
        for event in events[self.seen :]:
            self.seen += 1
            live: Any = event.evidence["live"]
            champion = next((version for version, role, _ in live["variants"] if role == "champion"), None)
            replaced = champion not in (None, self.champion)
            if replaced or (event.action == "promote" and event.share < 100):
                self.ways[self.way_of(event, champion, event.share)] += 1
            if event.action == "promote" and event.evidence.get("forced"):
                self.forced_start = (event.to_version, len(self.ledger[event.to_version]))
            elif event.action in ("deploy", "promote", "rollback", "undo", "delete"):
                self.forced_start = None
            if "guard" in event.evidence:
                self.withdrawn[str(event.evidence["withdrawn"])] = event.at
            if event.action == "undo":
                undone = next(one for one in events if one.number == event.evidence["undoes"])
                assert event.reason.strip(), "an undo without a reason"
                assert self.forces or "guard" not in undone.evidence, "the undo of a guard's rollback without force"
            self.champion = champion
            self.past = self.past | {champion} if champion else set()

    def check_deployments(self) -> None:
        """Account for every recorded deployment: it moved as its states allow, and none is left half-way.

        No gateway runs, so a deployment in force may stay on its way: no worker has served it.
        """
        recorded = self.stores.deployments.attempts([self.spec.name], limit=10_000)
        for one in recorded:
            before = self.statuses.get(one.deployment_id, PENDING)
            assert one.status in REACHABLE[before], f"a deployment went from {before} to {one.status}"
            self.statuses[one.deployment_id] = one.status
        state = self.stores.deployments.desired(self.spec.name)
        current = {one.version for one in recorded if one.status in (PENDING, DEPLOYING, LIVE)}
        answering = {one.version for one in state.variants}
        assert current <= answering, "a deployment is said to be in force, and its version does not answer"

    # What is done

    def next_step(self) -> str:
        """Draw what to do; where nothing answers, half the time what changes that, or the walk would stand still."""
        if self.chance.random() < 0.5:
            if self.stores.deployments.desired(self.spec.name).status == "stopped":
                return "stop_or_start"
            if self.champion is None:
                return "deploy"
        return self.chance.choices(list(STEPS), WEIGHTS)[0]

    def step(self) -> None:
        """Do one thing at random, and account for it."""
        self.stores.moment += self.chance.choice((1, 60, 3600, 30_000)) * timedelta(seconds=1)
        version = self.chance.choice(NAMES)
        self.forces, self.reason = self.chance.random() < 0.2, self.chance.choice(REASONS)
        name = self.next_step()
        act = STEPS[name]
        self.done.append(f"{name} {version} force={self.forces} reason={self.reason!r}")
        could = act in (Walk.promote, Walk.deploy) and self.holds(version, self.champion) and not self.forces
        try:
            act(self, version)
        except GateError as error:
            self.ways["refused"] += 1
            if could:
                raise AssertionError("the gate refused what it should let in") from error
        except REFUSALS:
            self.ways["not possible"] += 1
        self.check()
        self.check_deployments()

    @property
    def who(self) -> dict[str, Any]:
        return {"actor": "ann", "reason": self.reason}

    def judge(self, version: str) -> None:
        """Judge the version: usually against the present champion, now, by the present settings."""
        roll = self.chance.random
        champion = self.champion if roll() < 0.8 else self.chance.choice(NAMES)
        gate = self.spec.gate if roll() < 0.85 else self.chance.choice(SETTINGS)
        at = self.stores.moment if roll() < 0.7 else self.stores.moment - self.chance.randrange(30) * DAY
        self.record(version, champion, gate, at)

    def record(self, version: str, champion: str | None, gate: GateConfig, at: datetime) -> Gate:
        verdict = self.chance.choice((PASS, PASS, PASS, FAIL, NOT_ENOUGH))
        rows = f"rows {self.chance.randrange(4)}"
        judged = Gate(self.spec.name, version, champion, rows, gate.hash, verdict, {"reason": "its numbers"}, at)
        self.stores.gates.record(judged)
        self.ledger[version].append(Judged(champion, gate.hash, verdict, at))
        return judged

    def evaluate(self, _: Stores, spec: EndpointSpec, version: str) -> Gate:
        return self.record(version, self.champion, spec.gate, self.stores.moment)

    def deploy(self, version: str) -> None:
        commands.deploy(self.stores, self.spec, version, force=self.forces, **self.who)

    def deploy_beside(self, version: str) -> None:
        share = self.chance.choice((1, 50, 99))
        commands.deploy(self.stores, self.spec, version, share=share, force=self.forces, **self.who)

    def deploy_with_a_key(self, version: str) -> None:
        commands.deploy(self.stores, self.spec, version, key=f"key-{version}", force=self.forces, **self.who)

    def deploy_what_no_worker_can_load(self, version: str) -> None:
        state = self.stores.deployments.desired(self.spec.name)
        if state.champion == version:
            return
        generation = state.generation + 1
        self.stores.deployments.heartbeat("worker", "http://w", self.stores.moment)
        self.stores.deployments.acknowledge("worker", self.spec.name, generation, "no file", self.stores.moment)
        try:
            self.deploy(version)
        finally:
            self.stores.deployments.leave("worker")

    def promote(self, version: str) -> None:
        commands.promote(self.stores, self.spec, version, force=self.forces, **self.who)

    def advance(self, _: str) -> None:
        state = self.stores.deployments.desired(self.spec.name)
        self.stores.moment += self.spec.promotion.soak
        if state.challenger is not None and state.status == "active":
            promote_next_step(self.stores, self.spec, state, GUARD_PASSED)

    def guard_fails(self, _: str) -> None:
        state = self.stores.deployments.desired(self.spec.name)
        version = state.challenger or state.champion
        if version is not None:
            withdraw_version(self.stores, self.spec, state, version, GUARD_FAILED, actor="watchdog")

    def roll_back(self, version: str) -> None:
        to = version if self.chance.random() < 0.3 else None
        commands.roll_back(self.stores, self.spec, to=to, **self.who)

    def undo(self, _: str) -> None:
        undo_rollback(self.stores, self.spec, force=self.forces, **self.who)

    def move_the_alias(self, version: str) -> None:
        promotion = replace(self.spec.promotion, aliases=self.chance.choice(("adopt", "adopt", "report")))
        commands.sync_registry(self.stores, self.spec)
        self.stores.registry.set_aliases(self.spec.model_name, {"champion": version})
        source = f"{self.spec.name} {len(self.done)}"
        self.forces = False
        reconcile(self.stores, replace(self.spec, promotion=promotion), source, self.evaluate)

    def ab_test(self, version: str) -> None:
        running = running_test(self.stores, self.spec)
        if running is None:
            name = f"{self.spec.name} {len(self.done)}"
            start_experiment(self.stores, self.spec, version, name=name, **self.who)
        else:
            decision: Any = self.chance.choice(("promote", "promote", "keep"))
            apply_decision(self.stores, self.spec, running, decision, force=self.forces, **self.who)
            self.stores.trials.end(replace(running, ended_at=self.stores.moment, decision=decision))

    def stop_or_start(self, _: str) -> None:
        state = self.stores.deployments.desired(self.spec.name)
        (commands.start if state.status == "stopped" else commands.stop)(self.stores, self.spec, **self.who)

    def delete(self, _: str) -> None:
        commands.delete(self.stores, self.spec, **self.who)

    def archive_or_restore(self, version: str) -> None:
        change = self.chance.choice((commands.archive, commands.restore, commands.restore))
        change(self.stores, self.spec, version, **self.who)

    def shadow(self, version: str) -> None:
        commands.shadow(self.stores, self.spec, version, **self.who)

    def change_the_settings(self, _: str) -> None:
        self.spec = replace(self.spec, gate=self.chance.choice(SETTINGS))


STEPS: dict[str, Callable[[Walk, str], None]] = {
    name: act for name, act in vars(Walk).items() if name in {
        "judge", "deploy", "deploy_beside", "deploy_with_a_key", "deploy_what_no_worker_can_load", "promote", "advance",
        "guard_fails", "roll_back", "undo", "move_the_alias", "ab_test", "stop_or_start", "delete",
        "archive_or_restore", "shadow", "change_the_settings",
    }
}  # fmt: skip
_WEIGHT = {
    "judge": 10,
    "promote": 8,
    "deploy": 6,
    "advance": 5,
    "roll_back": 3,
    "undo": 3,
    "stop_or_start": 1,
    "delete": 0.5,
}
WEIGHTS = [_WEIGHT.get(name, 1.5) for name in STEPS]
