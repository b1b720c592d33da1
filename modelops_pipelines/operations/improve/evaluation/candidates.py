"""Judges candidates, and finds those whose newest verdict lets them be promoted without a person."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import inf

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ConflictError
from modelops_pipelines.core.evaluation.gate import FAIL, NOT_ENOUGH, PASS, held_reasons, table_of
from modelops_pipelines.core.release.admission import Admission, refusal
from modelops_pipelines.operations.improve.evaluation.champions import check_challenges
from modelops_pipelines.operations.improve.evaluation.evaluate import evaluate
from modelops_pipelines.operations.improve.steps import CANDIDATE, EVALUATION, TRAINING_SET, Step, steps_remedy, why_url
from modelops_pipelines.store.state.improve.gates import Gate
from modelops_pipelines.store.stores import Stores


def evaluate_candidate(stores: Stores, spec: EndpointSpec, version: str | None = None) -> Step[Gate]:
    """Judge a version against the champion; without one, those that the latest retraining trained.

    Of several that competed the best is returned, and is the retraining's version: of those that passed, the one with
    the smallest loss, else of all. Its verdict is recorded last, so that it is the endpoint's newest.

    Raises ConflictError when the latest retraining trained no version, and what ``evaluate`` raises.
    """
    if version is not None:
        return _step(stores, spec, evaluate(stores, spec, version))
    names = _newest_candidates(stores, spec)
    gates = [evaluate(stores, spec, one) for one in names]
    if len(gates) == 1:
        return _step(stores, spec, gates[0])
    best = min(gates, key=_rank)
    _record_competition(stores, spec, names, gates, best)
    return _step(stores, spec, best)


def _step(stores: Stores, spec: EndpointSpec, gate: Gate) -> Step[Gate]:
    parts, judged = {"regimes", "slices"}, stores.deployments.version(spec.model_name, gate.version)
    numbers = {
        **{name: value for name, value in gate.numbers.items() if value is not None and name not in parts},
        "judged": table_of(gate.numbers),
        "verdict": gate.verdict,
        "champion": gate.champion,
        "version": gate.version,
        "training_set": judged.training_set if judged else None,
        "why": why_url(stores, spec, gate.version),
    }
    return Step(EVALUATION, gate, numbers)


def _rank(gate: Gate) -> tuple[int, float, int]:
    """Return the order of verdicts on rivals, the best first; equal ones in the order of their versions."""
    loss = gate.numbers.get("candidate_loss")
    number = int(gate.version) if gate.version.isdigit() else 0
    return ((PASS, NOT_ENOUGH, FAIL).index(gate.verdict), loss if isinstance(loss, float) else inf, number)


def _record_competition(
    stores: Stores, spec: EndpointSpec, names: Mapping[str, str], gates: Sequence[Gate], best: Gate
) -> None:
    """Record with the retraining which candidate won, and why each of the others lost."""
    table = []
    for gate in gates:
        loss, reason = gate.numbers.get("candidate_loss"), gate.numbers.get("reason")
        lost = None if gate is best else _why_lost(gate, best)
        row = {"candidate": names[gate.version], "version": gate.version, "verdict": gate.verdict, "loss": loss}
        table.append({**row, "lower_bound": gate.numbers.get("lower_bound"), "reason": reason, "lost": lost})
    stores.gates.record(best)
    past = stores.retrainings.latest(spec.name)
    stores.retrainings.add_evidence(spec.name, {"candidates": table})
    if past is not None and past.training_set is not None:
        stores.retrainings.finish(spec.name, past.training_set, best.version)


def _why_lost(gate: Gate, best: Gate) -> str:
    if gate.verdict != best.verdict:
        return f"{gate.verdict}, and version {best.version} is {best.verdict}"
    losses = [one.numbers.get("candidate_loss") for one in (gate, best)]
    shown = ["unknown" if loss is None else f"{loss:.5f}" for loss in losses]
    return f"loss {shown[0]} per row, and version {best.version} has {shown[1]}"


def evaluate_version(stores: Stores, spec: EndpointSpec, version: str) -> Step[Gate]:
    """Judge any registered version against the champion.

    Raises ConflictError for the champion itself, and what ``evaluate`` raises.
    """
    check_challenges(stores, spec, version)
    return evaluate_candidate(stores, spec, version)


def _newest_candidates(stores: Stores, spec: EndpointSpec) -> dict[str, str]:
    """Return the versions of the latest retraining, each with the name of its candidate."""
    past = stores.retrainings.latest(spec.name)
    if past is None or past.version is None:
        why = "it was never retrained" if past is None else "its latest retraining trained no version"
        message = f"Endpoint {spec.name!r} has no candidate to evaluate: {why}"
        other = f"for a version that is registered already: modelops evaluate {spec.name} VERSION"
        raise ConflictError(message, f"{steps_remedy(spec, [TRAINING_SET, CANDIDATE])}; {other}")
    runs = stores.training_runs.of_retraining(past.id)
    trained = {run.version: run.candidate for run in runs if run.version is not None}
    return trained or {past.version: past.version}


def with_untried_pass(stores: Stores, specs: Sequence[EndpointSpec]) -> list[EndpointSpec]:
    """Return the endpoints that may have something to promote: their newest verdict is a pass of an untried version."""
    passed = stores.gates.passed_last()
    automatic = [spec for spec in specs if spec.promotion.automatic and spec.name in passed]
    tried = stores.deployments.deployed_versions(spec.name for spec in automatic)
    return [spec for spec in automatic if passed[spec.name] not in tried[spec.name]]


def promotable_gate(stores: Stores, spec: EndpointSpec) -> Gate | None:
    """Return the newest verdict when it lets its version be promoted automatically; else None.

    It has to let the version in by the same rule as a promotion by hand, so that a pass which waits for a person is not
    promoted, and the version was not deployed before.
    """
    passed = _untried_pass(stores, spec)
    return None if passed is None or held_reasons(passed.numbers) else passed


def held_gate(stores: Stores, spec: EndpointSpec) -> Gate | None:
    """Return the newest verdict when it passed, would be promoted automatically, and waits for a person; else None."""
    passed = _untried_pass(stores, spec)
    return passed if passed is not None and held_reasons(passed.numbers) else None


def _untried_pass(stores: Stores, spec: EndpointSpec) -> Gate | None:
    gates = stores.gates.of(spec.name)
    if not spec.promotion.automatic or not gates:
        return None
    newest, champion = gates[-1], stores.deployments.desired(spec.name).champion
    events = stores.deployments.events(spec.name)
    asked = Admission(
        endpoint=spec.name,
        version=newest.version,
        champion=champion,
        gate_hash=spec.gate.hash,
        max_age=spec.gate.max_age,
        now=stores.now(),
        newest=replace(newest.as_verdict, held=()),
    )
    is_tried = newest.version in {event.to_version for event in events}
    return newest if refusal(asked) is None and not is_tried else None
