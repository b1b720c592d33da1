"""An endpoint with its history, and canaries, without a store: for tests of the rules alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from modelops_pipelines.core.errors import ConflictError
from modelops_pipelines.core.release.deployment_states import Stage, stage_of
from modelops_pipelines.core.release.desired_state import (
    DesiredState,
    delete,
    deploy,
    next_share,
    restore_variants,
    roll_back,
    rollback_target,
    undo_rollback,
    variants_of,
)
from modelops_pipelines.core.release.event_log import (
    Event,
    champions,
    describe_state,
    state_before,
    undoable_rollback,
)

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
STEPS = (5, 25, 50, 100)


@dataclass
class Endpoint:
    """A desired state with its history, changed as operations/release/commands.py changes it."""

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

    def apply(
        self,
        action: str,
        version: str,
        after: DesiredState | None,
        share: int = 100,
        evidence: Mapping[str, Any] | None = None,
    ) -> None:
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
            evidence={"share": share, "live": describe_state(after), **(evidence or {})},
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

    def undo(self) -> str | None:
        """Undo the newest rollback; None where there is none."""
        rollback = undoable_rollback(self.events)
        if rollback is None:
            return None
        before, champion = state_before(rollback, self.events), self.state.champion
        returned = str(before.champion if before.champion != champion else before.challenger)
        share = 100 if before.champion != champion else before.share_of(returned)
        self.apply("undo", returned, undo_rollback(self.state, before), share)
        return returned

    def revert(self) -> None:
        """Restore the variants before the newest change, as when no worker can serve it."""
        before = state_before(self.events[-1], self.events)
        after = restore_variants(self.state, before.variants)
        self.apply("rollback", str(after.champion), after, evidence={"automatic": True})

    def delete(self) -> None:
        self.apply("delete", "", delete(self.state))

    def stage(self, version: str) -> Stage:
        return stage_of(version, [self.state], archived=version in self.archived, proven=version in self.line)


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
