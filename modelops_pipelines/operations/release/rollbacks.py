"""Undoes a rollback, and says what a rollback or its undo is about: which version, when and why it left."""

import json
from collections.abc import Sequence
from itertools import pairwise

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ConflictError, GateError, InputError
from modelops_pipelines.core.release import desired_state
from modelops_pipelines.core.release.admission import is_readable
from modelops_pipelines.core.release.desired_state import WHOLE, DesiredState
from modelops_pipelines.core.release.event_log import (
    UNDO,
    Event,
    champion_periods,
    state_before,
    undoable_rollback,
)
from modelops_pipelines.core.windows import text
from modelops_pipelines.operations.release.apply import Change, ChangeRequest, change
from modelops_pipelines.operations.release.plan import Plan
from modelops_pipelines.store.stores import Stores


def undo_rollback(
    stores: Stores, spec: EndpointSpec, *, actor: str, reason: str, force: bool = False, dry_run: bool = False
) -> Change:
    """Have the versions that the newest rollback removed serve again, with the shares that they had.

    Needs no gate: they were let in before. What a guard rolled back needs ``force``, and the error has the guard's
    numbers. Raises InputError without a reason, ConflictError when the newest release is no rollback or a version is
    archived, GateError.
    """
    if not is_readable(reason) and not dry_run:
        raise InputError("The undo of a rollback requires a reason, which the history keeps", "Add it: --reason TEXT")

    def decide(state: DesiredState) -> Plan | None:
        events = stores.deployments.events(spec.name)
        rollback = undoable_rollback(events)
        if rollback is None:
            raise ConflictError(
                f"The newest release of endpoint {spec.name!r} is no rollback, so there is nothing to undo",
                f"See what was released: modelops history {spec.name}; roll back: modelops rollback {spec.name}",
            )
        is_guards = "guard" in rollback.evidence
        if is_guards and not force and not dry_run:
            raise _guards_error(spec, rollback)
        before = state_before(rollback, events)
        after = desired_state.undo_rollback(state, before)
        returned = before.champion if before.champion != state.champion else before.challenger
        share = WHOLE if before.champion != state.champion else before.share_of(str(returned))
        forced = {"forced": True} if is_guards else {}  # no gate is asked
        evidence = {"share": share, "undoes": rollback.number, **forced}
        return Plan(UNDO, after, str(returned), share, evidence, note=why_it_left(rollback))

    return change(stores, spec, decide, ChangeRequest(actor, reason, dry_run=dry_run))


def why_it_left(rollback: Event) -> str:
    """Return which version a rollback removed, when, by whom and why, with the guard's numbers."""
    said = f": {rollback.reason}" if rollback.reason else ", without a reason"
    left = f"version {rollback.evidence.get('withdrawn')} was rolled back on {text(rollback.at)} by {rollback.actor}"
    if "guard" not in rollback.evidence:
        return left + said
    numbers = json.dumps(rollback.evidence.get("numbers", {}), sort_keys=True)
    return f"{left}{said} (guard {rollback.evidence['guard']!r}, numbers {numbers}); its undo needs --force"


def why_it_was_replaced(events: Sequence[Event], target: str) -> str:
    """Return when and by which change an earlier champion was replaced; empty when it never was."""
    periods = champion_periods(events)
    replaced = [later for one, later in pairwise(periods) if one.version == target]
    if not replaced:
        return ""
    by = replaced[-1]
    change = f"{by.actor} made the {by.action} to {by.version}" + (f": {by.reason}" if by.reason else "")
    return f"version {target} was champion until {text(by.since)}, when {change}"


def offer_of_undo(events: Sequence[Event], endpoint: str) -> str | None:
    """Return what an undo of the newest rollback would do, and its command; None when there is none to undo."""
    rollback = undoable_rollback(events)
    if rollback is None:
        return None
    return f"{endpoint}: {why_it_left(rollback)}. To return to it: {undo_command(rollback)}"


def undo_command(rollback: Event) -> str:
    """Return the command that undoes this rollback."""
    force = " --force" if "guard" in rollback.evidence else ""
    return f"modelops rollback {rollback.endpoint} --undo{force} --reason TEXT"


def _guards_error(spec: EndpointSpec, rollback: Event) -> GateError:
    return GateError(
        f"A guard made the newest rollback of endpoint {spec.name!r}: {why_it_left(rollback)}",
        f"Look at its numbers, then force the undo, with a reason: {undo_command(rollback)}",
    )
