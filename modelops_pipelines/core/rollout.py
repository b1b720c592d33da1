"""Which version answers, and how that may change. Pure: no clock, no store."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby

from modelops_pipelines.core.errors import ConflictError
from modelops_pipelines.core.windows import text

CHAMPION, CHALLENGER = "champion", "challenger"
WHOLE = 100
GENESIS = "0" * 64


@dataclass(frozen=True)
class Variant:
    """A version with its role and its share of the traffic in percent."""

    version: str
    role: str
    share: int


@dataclass(frozen=True)
class DesiredState:
    """What an endpoint should serve; generation 0 is an endpoint that never served."""

    endpoint: str
    generation: int = 0
    variants: tuple[Variant, ...] = ()

    def by_role(self, role: str) -> str | None:
        """Return the version in that role, or None."""
        return next((v.version for v in self.variants if v.role == role), None)

    @property
    def champion(self) -> str | None:
        """The version that answers whatever no challenger answers."""
        return self.by_role(CHAMPION)

    @property
    def challenger(self) -> str | None:
        """The version on trial, if any."""
        return self.by_role(CHALLENGER)


@dataclass(frozen=True)
class Event:
    """One change of a desired state, sealed by the hash of the event before it."""

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


def champions(events: Iterable[Event]) -> tuple[str, ...]:
    """Return the line of champions that a rollback walks back, the present one last.

    A version that was rolled back has left the line: rolling back twice never returns to it.
    """
    line: list[str] = []
    for event in events:
        if event.action == "rollback":
            line = _withdrawn(line, event.to_version)
        elif dict(event.evidence).get("share", WHOLE) == WHOLE and line[-1:] != [event.to_version]:
            line.append(event.to_version)
    return tuple(line)


@dataclass(frozen=True)
class Reign:
    """A version that was the champion from some moment on, and who made it that, how and why."""

    version: str
    since: datetime
    actor: str
    action: str
    reason: str


def reigns(events: Iterable[Event]) -> tuple[Reign, ...]:
    """Return the champions as they followed each other, also those that were rolled back, the present one last."""
    found: list[Reign] = []
    for event in events:
        whole = event.action == "rollback" or dict(event.evidence).get("share", WHOLE) == WHOLE
        if whole and (not found or found[-1].version != event.to_version):
            found.append(Reign(event.to_version, event.at, event.actor, event.action, event.reason))
    return tuple(found)


def _withdrawn(line: Sequence[str], to_version: str) -> list[str]:
    """Return the line up to the version's last reign, without the versions that came after it, wherever they stand."""
    back = list(line)
    while back and back[-1] != to_version:
        back.pop()
    kept = [version for version in back if version not in line[len(back) :]] or [to_version]
    return [version for version, _ in groupby(kept)]


def variants_of(champion: str, challenger: str | None = None, share: int = 0) -> tuple[Variant, ...]:
    """Return the variants of a champion and, with a share under 100, a challenger beside it."""
    if challenger is None or not share:
        return (Variant(champion, CHAMPION, WHOLE),)
    return (Variant(champion, CHAMPION, WHOLE - share), Variant(challenger, CHALLENGER, share))


def deploy(state: DesiredState, version: str, share: int = WHOLE) -> tuple[Variant, ...]:
    """Return the variants after a deploy; with a share under 100 the version becomes the challenger."""
    if not 0 < share <= WHOLE:
        raise ConflictError(f"A share of {share} % is impossible", "Give a whole number from 1 to 100")
    if share == WHOLE:
        return variants_of(version)
    if state.champion is None or state.champion == version:
        raise ConflictError(
            f"Endpoint {state.endpoint!r} has no other champion to share its traffic with version {version}",
            "Deploy it with the whole traffic first: leave --share out",
        )
    return variants_of(state.champion, version, share)


def next_share(state: DesiredState, version: str, steps: Sequence[int]) -> int:
    """Return the share that a promotion of the version goes to next: its plan's next step."""
    current = next((v.share for v in state.variants if v.version == version and v.role == CHALLENGER), 0)
    return next((step for step in steps if step > current), WHOLE)


def rollback_target(state: DesiredState, line: Sequence[str], to: str | None = None) -> str:
    """Return the champion that a rollback returns to; raises ConflictError when there is none.

    A challenger on trial is what gets withdrawn first. Otherwise the line of champions is walked back by one, or
    to the version asked for.
    """
    if to is not None and to not in line[:-1]:
        earlier = ", ".join(line[:-1]) or "none"
        raise ConflictError(
            f"Version {to} is no earlier champion of endpoint {state.endpoint!r} (earlier champions: {earlier})",
            "Name one of these, or deploy the version instead",
        )
    if to is not None:
        return to
    if state.challenger is not None and state.champion is not None:
        return state.champion
    if len(line) < 2:  # noqa: PLR2004 - the present champion and one before it
        raise ConflictError(
            f"Endpoint {state.endpoint!r} has no earlier champion to roll back to",
            "Deploy a version instead: modelops deploy ENDPOINT VERSION",
        )
    return line[-2]


def route(variants: Sequence[Variant], sticky: bytes) -> Variant:
    """Return the variant for a caller: the same caller gets the same variant while shares stand still.

    The first four bytes of SHA-256(sticky), scaled to 0..100, pick by cumulative share.
    """
    if len(variants) == 1:
        return variants[0]
    point = int.from_bytes(hashlib.sha256(sticky).digest()[:4], "big") / 2**32 * WHOLE
    edge = 0
    for variant in variants[::-1]:
        edge += variant.share
        if point < edge:
            return variant
    return variants[0]


def broken_link(events: Iterable[tuple[Event, str]]) -> int | None:
    """Return the number of the first event whose seal or link does not hold, or None when the chain is whole."""
    previous, expected = GENESIS, 1
    for event, seal in events:
        if event.number != expected or event.previous_hash != previous or event.hash != seal:
            return expected
        previous, expected = seal, expected + 1
    return None
