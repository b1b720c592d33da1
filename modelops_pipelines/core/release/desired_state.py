"""The desired state of an endpoint, and its changes. No clock, no store. Past changes: ``event_log``."""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Literal

from modelops_pipelines.core.errors import ConflictError

CHAMPION, CHALLENGER, SHADOW = "champion", "challenger", "shadow"
WHOLE = 100

EndpointStatus = Literal["active", "stopped", "deleted"]
ACTIVE: Final = "active"
STOPPED: Final = "stopped"
DELETED: Final = "deleted"


@dataclass(frozen=True)
class Variant:
    """A version with its role and share in percent: of the traffic, or for a shadow of the compared requests."""

    version: str
    role: str
    share: int


@dataclass(frozen=True)
class DesiredState:
    """What an endpoint should serve; generation 0 is an endpoint that never served.

    A stopped endpoint keeps its variants and starts with them again; ``since`` is when the state was written, None if
    unknown.
    """

    endpoint: str
    generation: int = 0
    variants: tuple[Variant, ...] = ()
    status: EndpointStatus = ACTIVE
    since: datetime | None = field(default=None, compare=False)

    def by_role(self, role: str) -> str | None:
        """Return the version in that role, or None."""
        return next((v.version for v in self.variants if v.role == role), None)

    @property
    def champion(self) -> str | None:
        """The version that answers all requests that no challenger answers."""
        return self.by_role(CHAMPION)

    @property
    def challenger(self) -> str | None:
        """The version on trial, if any."""
        return self.by_role(CHALLENGER)

    @property
    def shadow(self) -> str | None:
        """The version whose answers are compared and never returned, if any."""
        return self.by_role(SHADOW)

    @property
    def answering(self) -> tuple[Variant, ...]:
        """The variants that answer callers; none when the endpoint is stopped."""
        return tuple(v for v in self.variants if v.role != SHADOW) if self.status == ACTIVE else ()

    def choose(self, sticky: bytes) -> Variant:
        """Return the variant that answers this caller.

        The callers of a challenger depend on endpoint and challenger, so that no caller is in every canary.
        """
        answering = self.answering
        return route(answering, f"{self.endpoint}/{self.challenger}/".encode() + sticky)

    def share_of(self, version: str) -> int:
        """Return the challenger's share when the version is the challenger, else 0."""
        return next((v.share for v in self.variants if (v.version, v.role) == (version, CHALLENGER)), 0)


def variants_of(champion: str, challenger: str | None = None, share: int = 0) -> tuple[Variant, ...]:
    """Return the variants of a champion and, with a share under 100, a challenger."""
    if challenger is None or not share:
        return (Variant(champion, CHAMPION, WHOLE),)
    return (Variant(champion, CHAMPION, WHOLE - share), Variant(challenger, CHALLENGER, share))


def deploy(state: DesiredState, version: str, share: int = WHOLE) -> DesiredState:
    """Return the state after a deploy; with a share under 100 the version becomes the challenger.

    A shadow stays, unless it is the version that goes live. Raises ConflictError for an invalid share, without another
    champion to share the traffic with, and on a stopped endpoint.
    """
    if not 0 < share <= WHOLE:
        raise ConflictError(f"The share {share} % is not from 1 to 100", "Use a whole number from 1 to 100")
    if state.status == STOPPED:
        raise _stopped(state)
    if share < WHOLE and state.champion in (None, version):
        raise ConflictError(
            f"Endpoint {state.endpoint!r} has no other champion to share the traffic with version {version}",
            "Deploy a version with all traffic first: leave --share out",
        )
    live = variants_of(version) if share == WHOLE else variants_of(str(state.champion), version, share)
    return _next(state, live)


def roll_back(state: DesiredState, target: str) -> DesiredState:
    """Return the state with the target as the only answering version; a stopped endpoint stays stopped."""
    return _next(state, variants_of(target))


def undo_rollback(state: DesiredState, before: DesiredState) -> DesiredState:
    """Return the state with the champion and challenger from before a rollback; a stopped endpoint stays stopped."""
    return _next(state, tuple(v for v in before.variants if v.role != SHADOW))


def restore_variants(state: DesiredState, before: Sequence[Variant]) -> DesiredState:
    """Return the state with the variants from before a failed change."""
    return replace(state, variants=tuple(before), generation=state.generation + 1)


def stop(state: DesiredState) -> DesiredState | None:
    """Return the stopped state, None if it is stopped already; raises ConflictError if nothing serves."""
    if state.status == STOPPED:
        return None
    require_champion(state, "stop")
    return replace(state, status=STOPPED, generation=state.generation + 1)


def start(state: DesiredState) -> DesiredState | None:
    """Return the state with the variants from before the stop, None if it is not stopped."""
    require_champion(state, "start")
    return replace(state, status=ACTIVE, generation=state.generation + 1) if state.status == STOPPED else None


def delete(state: DesiredState) -> DesiredState | None:
    """Return the deleted state, None if it is deleted already; history and logs stay."""
    if state.status == DELETED:
        return None
    return replace(state, status=DELETED, variants=(), generation=state.generation + 1)


def shadow(state: DesiredState, version: str, share: int = WHOLE) -> DesiredState:
    """Return the state with the version as its shadow, replacing another; raises ConflictError if it is live."""
    if not 0 < share <= WHOLE:
        raise ConflictError(f"The share {share} % is not from 1 to 100", "Use a whole number from 1 to 100")
    require_champion(state, "shadow")
    if version in {v.version for v in state.variants if v.role != SHADOW}:
        raise ConflictError(
            f"Version {version} is live on endpoint {state.endpoint!r} and cannot be its shadow",
            "Name a version that is not live",
        )
    live = tuple(v for v in state.variants if v.role != SHADOW)
    return replace(state, variants=(*live, Variant(version, SHADOW, share)), generation=state.generation + 1)


def without_shadow(state: DesiredState) -> DesiredState | None:
    """Return the state without a shadow, None if it has none."""
    if state.shadow is None:
        return None
    live = tuple(v for v in state.variants if v.role != SHADOW)
    return replace(state, variants=live, generation=state.generation + 1)


def same_trial(before: DesiredState, after: DesiredState) -> bool:
    """Return whether both states have the same champion and the same challenger."""
    pair = (before.champion, before.challenger)
    return None not in pair and pair == (after.champion, after.challenger)


def next_share(state: DesiredState, version: str, steps: Sequence[int]) -> int:
    """Return the next share of a promotion: the first step above the version's current share."""
    return next((step for step in steps if step > state.share_of(version)), WHOLE)


def rollback_target(
    state: DesiredState, line: Sequence[str], to: str | None = None, archived: Collection[str] = ()
) -> str:
    """Return the champion that a rollback returns to; raises ConflictError when there is none.

    A rollback withdraws a challenger on trial first. Otherwise it goes back by one in the line of champions, or to the
    requested version. Archived versions are skipped.
    """
    past = [version for version in line[:-1] if version not in archived]
    if to is not None and to not in past:
        problem = "is archived" if to in archived else f"is not an earlier champion of endpoint {state.endpoint!r}"
        raise ConflictError(
            f"Version {to} {problem} (earlier champions: {', '.join(past) or 'none'})",
            "Use one of these, or deploy the version instead",
        )
    if to is not None:
        return to
    if state.challenger is not None and state.champion is not None:
        return state.champion
    others = [version for version in past if version != state.champion]
    if not others:
        raise ConflictError(
            f"Endpoint {state.endpoint!r} has no earlier champion to roll back to",
            "Deploy a version instead: modelops deploy ENDPOINT VERSION",
        )
    return others[-1]


def route(variants: Sequence[Variant], sticky: bytes) -> Variant:
    """Return the variant for a caller: the same caller gets the same variant while the shares do not change.

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


def _next(state: DesiredState, live: tuple[Variant, ...]) -> DesiredState:
    """Return the next state with these answering variants, and the shadow unless it is one of them."""
    names = {variant.version for variant in live}
    kept = tuple(v for v in state.variants if v.role == SHADOW and v.version not in names)
    status: EndpointStatus = ACTIVE if state.status == DELETED else state.status
    return DesiredState(state.endpoint, state.generation + 1, (*live, *kept), status)


def require_champion(state: DesiredState, verb: str) -> None:
    """Raise ConflictError for an endpoint that serves no version; ``verb`` is what was to be done."""
    if state.champion is None:
        raise ConflictError(
            f"Endpoint {state.endpoint!r} serves no version, so there is nothing to {verb}",
            f"Deploy a version first: modelops deploy {state.endpoint} VERSION",
        )


def _stopped(state: DesiredState) -> ConflictError:
    return ConflictError(
        f"Endpoint {state.endpoint!r} is stopped", f"Start it first: modelops endpoint start {state.endpoint}"
    )
