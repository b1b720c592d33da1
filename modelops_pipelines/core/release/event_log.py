"""The event log of endpoints: a hash chain, and the state at any moment. No clock, no store."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import groupby
from typing import Any, Literal

from modelops_pipelines.core.release.desired_state import ACTIVE, WHOLE, DesiredState, Variant, variants_of
from modelops_pipelines.core.windows import text

GENESIS = "0" * 64
DEPLOY, PROMOTE, ROLLBACK, WITHDRAW, DELETE = "deploy", "promote", "rollback", "withdraw", "delete"
UNDO = "undo"
START = "start"
"""The undo of a rollback: what the rollback removed serves again."""
REPLACE_FRAME = "replace first frame"
"""Another frame of a user's became the one that later training sets start from. It changes nothing that serves."""
_GROWING = (DEPLOY, PROMOTE)
_RELEASES = (*_GROWING, ROLLBACK, UNDO, WITHDRAW, DELETE)


@dataclass(frozen=True)
class Event:
    """One change, sealed by the hash of the event before it.

    ``evidence`` has the numbers behind the change and, since release 0.3, under ``live`` the status and variants of the
    endpoint after it.
    """

    number: int
    endpoint: str
    at: datetime
    actor: str
    action: str
    from_version: str | None
    to_version: str
    generation: int
    reason: str
    evidence: Mapping[str, object] = field(default_factory=dict)
    previous_hash: str = GENESIS

    @property
    def hash(self) -> str:
        """SHA-256 over the event's canonical JSON, the previous hash included."""
        body = {**self.__dict__, "at": text(self.at), "evidence": dict(self.evidence)}
        return hashlib.sha256(json.dumps(body, sort_keys=True, ensure_ascii=True).encode()).hexdigest()

    @property
    def share(self) -> int:
        """The share of the traffic (percent) that the version was given."""
        return int(str(self.evidence.get("share", WHOLE)))

    @property
    def gate(self) -> Literal["passed", "forced"] | None:
        """Whether a release passed the gate or was forced past it; None where the gate was not asked."""
        forced = self.evidence.get("forced")
        return None if forced is None else "forced" if forced else "passed"


@dataclass(frozen=True)
class _Line:
    """The line of champions, and the rollbacks that can be undone, each with the line before it.

    ``undoable_before`` is what could be undone before the newest release: a release that is reverted restores it.
    """

    champions: tuple[str, ...] = ()
    undoable: tuple[tuple[Event, tuple[str, ...]], ...] = ()
    undoable_before: tuple[tuple[Event, tuple[str, ...]], ...] = ()

    def after(self, event: Event) -> "_Line":
        """Return the line after the event."""
        line, undoable = self.champions, self.undoable
        if event.action == ROLLBACK:
            back = tuple(_line_up_to(line, event.to_version))
            if is_revert(event):
                return _Line(back, self.undoable_before, self.undoable_before)
            return _Line(back, (*undoable, (event, line)), undoable)
        if event.action == UNDO and undoable:
            return _Line(undoable[-1][1], undoable[:-1], undoable)
        if event.action in (DELETE, WITHDRAW):
            return _Line((), (), undoable)
        if event.action in _GROWING:
            joins = event.share == WHOLE and line[-1:] != (event.to_version,)
            return _Line((*line, event.to_version) if joins else line, (), undoable)
        return self


def champions(events: Iterable[Event]) -> tuple[str, ...]:
    """Return the line of champions that a rollback goes back along, the current one last.

    A version that was rolled back leaves the line: a second rollback never returns to it, unless the first is undone.
    The line starts anew after a delete, and after the withdrawal of the only version.
    """
    return _line_of(events).champions


def undoable_rollback(events: Iterable[Event]) -> Event | None:
    """Return the rollback that an undo would undo: the newest release, unless it was undone already; None without one.

    After two rollbacks in a row, the second is undone first, then the first. Reverts of failed deployments are none.
    """
    undoable = _line_of(events).undoable
    return undoable[-1][0] if undoable else None


def is_revert(event: Event) -> bool:
    """Return whether the event is the automatic revert of a deployment that no worker could serve."""
    return event.action == ROLLBACK and bool(event.evidence.get("automatic")) and "guard" not in event.evidence


def guard_withdrawal(events: Sequence[Event], version: str) -> Event | None:
    """Return the newest rollback of the version by a guard, None without one."""
    withdrawn = (
        event
        for event in reversed(events)
        if event.action == ROLLBACK and "guard" in event.evidence and event.evidence.get("withdrawn") == version
    )
    return next(withdrawn, None)


def served_versions(events: Iterable[Event]) -> set[str]:
    """Return the versions that serve or served; not those of deployments that were reverted, which answered nobody."""
    releases = [event for event in events if event.action in _RELEASES]
    return {
        event.to_version
        for event, after in zip(releases, [*releases, None][1:], strict=True)
        if event.action in (*_GROWING, ROLLBACK, UNDO) and not _reverts(after, event)
    }


def _reverts(event: Event | None, before: Event) -> bool:
    """Return whether an event is the automatic revert of the one before it."""
    automatic = event is not None and bool(event.evidence.get("automatic")) and "guard" not in event.evidence
    return automatic and event is not None and event.evidence.get("withdrawn") == before.to_version


def _line_of(events: Iterable[Event]) -> _Line:
    line = _Line()
    for event in events:
        line = line.after(event)
    return line


@dataclass(frozen=True)
class ChampionPeriod:
    """A period of a champion: its version and start, and the actor, action and reason of the change."""

    version: str
    since: datetime
    actor: str
    action: str
    reason: str


def champion_periods(events: Iterable[Event]) -> tuple[ChampionPeriod, ...]:
    """Return all champions in order, those that were rolled back too, the current one last."""
    found: list[ChampionPeriod] = []
    for event in events:
        whole = event.action == ROLLBACK or (event.action in (*_GROWING, UNDO) and event.share == WHOLE)
        if whole and (not found or found[-1].version != event.to_version):
            found.append(ChampionPeriod(event.to_version, event.at, event.actor, event.action, event.reason))
    return tuple(found)


@dataclass(frozen=True)
class Placement:
    """The place of a version on its endpoint: its role and share (percent), and the events that gave it each."""

    role: str
    share: int
    by: Event
    share_by: Event


def placement(events: Sequence[Event], version: str) -> Placement | None:
    """Return the place that a version has after an endpoint's events; None when it has none."""
    found: Placement | None = None
    state = DesiredState("")
    for event in events:
        state = _after(state, event)
        mine = next((one for one in state.variants if one.version == version), None)
        if mine is None:
            found = None
        elif found is None or found.role != mine.role:
            found = Placement(mine.role, mine.share, event, event)
        elif found.share != mine.share:
            found = replace(found, share=mine.share, share_by=event)
    return found


def last_release(events: Sequence[Event]) -> Event | None:
    """Return the newest event that deployed or removed a version; later notes do not count."""
    return next((event for event in reversed(events) if event.action in _RELEASES), None)


def replacement(events: Sequence[Event], champion: str | None) -> Event | None:
    """Return the release by which this champion replaced another one, to which a rollback could return; else None."""
    last = last_release(events)
    if last is None or last.action not in (*_GROWING, UNDO) or last.to_version != champion or last.share != WHOLE:
        return None
    return last if last.from_version not in (None, champion) else None


def live_at(endpoint: str, events: Iterable[Event], moment: datetime) -> DesiredState:
    """Return the endpoint's state at a moment, from its events in order; generation 0 before the first."""
    state = DesiredState(endpoint)
    for event in events:
        if event.at > moment:
            break
        state = _after(state, event)
    return state


def state_before(event: Event, events: Sequence[Event]) -> DesiredState:
    """Return the endpoint's state before one of its events."""
    state = DesiredState(event.endpoint)
    for earlier in events:
        if earlier.number >= event.number:
            break
        state = _after(state, earlier)
    return state


def describe_state(state: DesiredState) -> dict[str, Any]:
    """Return the form of a state in an event's evidence, under ``live``."""
    return {"status": state.status, "variants": [[v.version, v.role, v.share] for v in state.variants]}


def _after(state: DesiredState, event: Event) -> DesiredState:
    live: Any = event.evidence.get("live")
    if live is not None:
        variants = tuple(Variant(*one) for one in live["variants"])
        return DesiredState(event.endpoint, event.generation, variants, live["status"])
    if event.action == ROLLBACK or (event.action in _GROWING and event.share == WHOLE):
        return DesiredState(event.endpoint, event.generation, variants_of(event.to_version), ACTIVE)
    if event.action in _GROWING:
        variants = variants_of(str(event.from_version), event.to_version, event.share)
        return DesiredState(event.endpoint, event.generation, variants, ACTIVE)
    return state


def _line_up_to(line: Sequence[str], to_version: str) -> list[str]:
    """Return the line up to the version's last place, without the versions that came after it."""
    back = list(line)
    while back and back[-1] != to_version:
        back.pop()
    kept = [version for version in back if version not in line[len(back) :]] or [to_version]
    return [version for version, _ in groupby(kept)]


def broken_link(events: Iterable[tuple[Event, str]], head: str | None = None) -> int | None:
    """Return the number of the first event whose hash or link is wrong, or None when the chain is intact.

    ``head`` is the hash of the newest event, stored elsewhere: with it, removed events at the end are found too.
    """
    previous, expected = GENESIS, 1
    for event, seal in events:
        if event.number != expected or event.previous_hash != previous or event.hash != seal:
            return expected
        previous, expected = seal, expected + 1
    return expected if head not in (None, previous) else None
