"""Asks the gate's records whether a version may take traffic from the champion; promote, deploy and aliases use it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.release.admission import Admission, Refusal, refusal, refusal_error, require_reason
from modelops_pipelines.core.release.desired_state import DesiredState
from modelops_pipelines.core.release.event_log import champions, guard_withdrawal
from modelops_pipelines.core.windows import text
from modelops_pipelines.store.state.improve.gates import Gate
from modelops_pipelines.store.stores import Stores


def admit(
    stores: Stores, spec: EndpointSpec, state: DesiredState, version: str, *, reason: str, force: bool
) -> dict[str, Any]:
    """Return the evidence by which the version takes traffic from the champion, for the history.

    ``verdict`` is the newest verdict on the version, None without one; ``gate`` has the numbers of one that lets it in;
    ``forced`` says that it does not, and ``refused`` why. Raises GateError without ``force``, InputError for force
    without a reason.
    """
    require_reason(reason, force=force)
    newest = stores.gates.newest(spec.name, version)
    asked, refused = _ask(stores, spec, state, version, newest)
    if refused is None and newest is not None:
        return {"forced": False, "gate": dict(newest.numbers), "verdict": _described(newest)}
    if refused is not None and not force:
        raise refusal_error(asked, refused)
    why = refused.reason if refused is not None else ""
    return {"forced": True, "refused": why, "verdict": None if newest is None else _described(newest)}


def refusal_of(stores: Stores, spec: EndpointSpec, state: DesiredState, version: str) -> Refusal | None:
    """Return why the gate would not let the version take traffic from the champion of ``state``; None when it would."""
    return _ask(stores, spec, state, version, stores.gates.newest(spec.name, version))[1]


def is_covered(stores: Stores, spec: EndpointSpec, version: str, evidence: Any) -> bool:
    """Return whether the force in an event's evidence still holds: no newer verdict than the one that it overrode."""
    newest, known = stores.gates.newest(spec.name, version), evidence.get("verdict")
    return bool(evidence.get("forced")) and (None if newest is None else _described(newest)) == known


def forced_note(evidence: Mapping[str, Any]) -> str:
    """Return in words that a change was forced past the gate, and why the gate refused; empty when it was not."""
    return f"forced past the gate: {evidence['refused']}" if evidence.get("forced") else ""


def _ask(
    stores: Stores, spec: EndpointSpec, state: DesiredState, version: str, newest: Gate | None
) -> tuple[Admission, Refusal | None]:
    events = stores.deployments.events(spec.name)
    asked = Admission(
        endpoint=spec.name,
        version=version,
        champion=state.champion,
        gate_hash=spec.gate.hash,
        max_age=spec.gate.max_age,
        now=stores.now(),
        newest=None if newest is None else newest.as_verdict,
        withdrawn=guard_withdrawal(events, version),
    )
    found = refusal(asked)
    if found is not None and version in champions(events)[:-1]:
        back = f"It is an earlier champion, so a rollback needs no gate: modelops rollback {spec.name} --to {version}"
        found = replace(found, remedy=f"{back}. {found.remedy}")
    return asked, found


def _described(gate: Gate) -> dict[str, Any]:
    """Return which verdict it is, for an event's evidence; its numbers stand beside it."""
    names = ("verdict", "champion", "gate_hash", "data_hash")
    return {**{name: getattr(gate, name) for name in names}, "at": text(gate.at)}
