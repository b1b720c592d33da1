"""What the release page shows of an endpoint."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ConflictError, ModelOpsError, RegistryError
from modelops_pipelines.core.evaluation.gate import PASS, describe_verdict, table_of
from modelops_pipelines.core.release.desired_state import ACTIVE, STOPPED, DesiredState
from modelops_pipelines.core.release.event_log import Event, champion_periods, live_at, undoable_rollback
from modelops_pipelines.core.windows import text
from modelops_pipelines.gateway.access.keyring import Caller
from modelops_pipelines.gateway.worker.state_follower import Serving
from modelops_pipelines.operations.release.endpoint_status import status_of
from modelops_pipelines.operations.reports.gate_chart import gate_chart
from modelops_pipelines.store.state.improve.gates import Gate
from modelops_pipelines.store.stores import Stores

VERSIONS, EVENTS, VERDICTS, TESTS, REIGNS = 50, 30, 10, 10, 20
"""How many of each are shown, the newest first."""
FAILURES = 5
"""Failed cases of a test run that are shown."""


def release_facts(stores: Stores, serving: Serving, spec: EndpointSpec, caller: Caller) -> dict[str, Any]:
    """Return everything on the page that the caller may see, from the state and the registry, without the lake."""
    state, events = stores.deployments.desired(spec.name), stores.deployments.events(spec.name)
    gates = {gate.version: gate for gate in stores.gates.of(spec.name)}  # oldest first: the newest of a version stays
    versions, fault = _versions(stores, spec, caller)
    return {
        "spec": spec,
        "state": state,
        "status": status_of(stores, spec, state),
        "failure": serving.failure(spec.name),
        "is_active": state.status == ACTIVE and state.champion is not None,
        "is_stopped": state.status == STOPPED,
        "versions": [_with_gate(one, gates.get(str(one["version"])), state) for one in versions],
        "registry_fault": fault,
        "gate": _gate(gates, state, versions),
        "rollback": _preview(stores, spec, state),
        "may_undo": undoable_rollback(events) is not None,
        "trials": _trials(stores, spec),
        "experiment": _experiment(stores, spec),
        "shadow": _shadow(stores, spec, state),
        "tests": _tests(stores, spec),
        "events": [_event(event) for event in reversed(events[-EVENTS:])],
        "reigns": [vars(one) for one in champion_periods(events)[: -REIGNS - 1 : -1]],
        "steps": spec.promotion.steps,
    }


def _versions(stores: Stores, spec: EndpointSpec, caller: Caller) -> tuple[Sequence[Mapping[str, Any]], str | None]:
    """Return the newest versions, and why those in MLflow are not among them; None where they are."""
    from modelops_pipelines.operations.release.commands import stages
    from modelops_pipelines.operations.release.listing import versions_page

    try:
        return versions_page(stores, spec, None, None, VERSIONS, caller.sees_some).items, None
    except (RegistryError, ConflictError) as error:
        known, stage_of = stores.deployments.versions(spec.model_name), stages(stores, spec, caller.sees_some)
        shown = ("version", "registered_at", "training_set", "run_id")
        recorded = [
            {**{name: getattr(one, name) for name in shown}, "description": "", "stage": stage_of[one.version]}
            for one in known
        ]
        return sorted(recorded, key=lambda one: int(one["version"]), reverse=True)[:VERSIONS], error.message


def _with_gate(version: Mapping[str, Any], gate: Gate | None, state: DesiredState) -> dict[str, Any]:
    number = str(version["version"])
    role = next((variant.role for variant in state.variants if variant.version == number), "")
    verdict = None if gate is None else {"passed": gate.verdict == PASS, "at": gate.at, "said": _said(gate)}
    return {**version, "version": number, "role": role, "gate": verdict}


def _said(gate: Gate) -> str:
    return describe_verdict(gate.verdict, gate.numbers)


def _gate(
    gates: Mapping[str, Gate], state: DesiredState, versions: Sequence[Mapping[str, Any]]
) -> dict[str, Any] | None:
    """Return the verdict that matters now: that on the version on trial, else on the newest that was judged."""
    wanted = [state.challenger, *(str(one["version"]) for one in versions), *gates]
    gate = next((gates[version] for version in wanted if version is not None and version in gates), None)
    if gate is None:
        return None
    title = f"Version {gate.version} against {gate.champion or 'no champion'}"
    rows = [row for row in table_of(gate.numbers) if row["rows"] is not None]
    return {
        "version": gate.version,
        "champion": gate.champion,
        "at": gate.at,
        "said": _said(gate),
        "passed": gate.verdict == PASS,
        "chart": gate_chart(gate.numbers, title),
        "rows": rows,
    }


def _preview(stores: Stores, spec: EndpointSpec, state: DesiredState) -> dict[str, str]:
    """Return what a rollback would do, or why there is none; both empty before the first deployment."""
    from modelops_pipelines.operations.release.commands import roll_back

    if not state.generation:
        return {"would": "", "cannot": ""}
    try:
        return {"would": roll_back(stores, spec, actor="", reason="", dry_run=True).sentence, "cannot": ""}
    except ModelOpsError as error:
        return {"would": "", "cannot": error.message}


def _trials(stores: Stores, spec: EndpointSpec) -> list[dict[str, Any]]:
    found = stores.trials.of(spec.name)[: -VERDICTS - 1 : -1]
    return [{**asdict(one), "reason": one.numbers.get("reason"), "guards": _guards(one.numbers)} for one in found]


def _guards(numbers: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the guards' parts of a verdict, with the interval of each that has one."""
    found = []
    for name, part in numbers.items():
        if isinstance(part, Mapping) and "verdict" in part:
            found.append({"guard": name, **{k: part.get(k) for k in ("verdict", "reason", "lower", "upper")}})
    return found


def _experiment(stores: Stores, spec: EndpointSpec) -> dict[str, Any] | None:
    """Return the newest A/B test that has not ended, with its result so far; None without one."""
    from modelops_pipelines.operations.release.trials.ab_tests import running_result

    running = stores.trials.running(spec.name)
    if running is None:
        return None
    result = running_result(stores, spec)
    return {**asdict(running), "result": None if result is None else result.describe()}


def _shadow(stores: Stores, spec: EndpointSpec, state: DesiredState) -> dict[str, Any] | None:
    from modelops_pipelines.operations.release.trials.shadow import shadow_summary

    return None if state.shadow is None else shadow_summary(stores, spec)


def _tests(stores: Stores, spec: EndpointSpec) -> list[dict[str, Any]]:
    found = stores.version_tests.of(spec.name)[: -TESTS - 1 : -1]
    return [{**asdict(one), "failed": one.failed, "failures": list(one.failures)[:FAILURES]} for one in found]


def _event(event: Event) -> dict[str, Any]:
    names = ("number", "at", "actor", "action", "from_version", "to_version", "generation", "reason", "gate")
    return {name: getattr(event, name) for name in names}


def past_state(stores: Stores, spec: EndpointSpec, at: Any) -> dict[str, Any]:
    """Return what was live at a moment: status, generation and variants."""
    found = live_at(spec.name, stores.deployments.events(spec.name), at)
    served = ", ".join(f"version {one.version} ({one.role}, {one.share} %)" for one in found.variants)
    return {"at": text(at), "status": found.status, "generation": found.generation, "served": served or "nothing"}
