"""Decides whether to retrain, and runs the steps of a retraining: used by the CLI, the job and the assets.

A step's record is stored before the next step starts, so that Dagster can run each as an asset of its own.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from modelops_pipelines.core.alerting.alerts import OPEN
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ConflictError
from modelops_pipelines.core.evaluation.gate import held_reasons, table_of
from modelops_pipelines.core.improve.retraining_trigger import (
    NO_PREDICTIONS,
    NO_SIGNAL,
    Decision,
    RetrainingEvidence,
    decide,
)
from modelops_pipelines.core.release.admission import Admission, refusal
from modelops_pipelines.operations.improve.champions import check_challenges
from modelops_pipelines.operations.improve.evaluate import evaluate
from modelops_pipelines.operations.improve.train import train
from modelops_pipelines.operations.improve.training_sets import build_training_set
from modelops_pipelines.store.settings import is_server
from modelops_pipelines.store.state.improve.gates import Gate
from modelops_pipelines.store.state.improve.training_sets import TrainingSet
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from modelops_pipelines.store.stores import Stores

NO_VERSION = "no version is live yet"
SIGNALS = ("drift", "quality")
TRAINING_SET, CANDIDATE, EVALUATION = "training_set", "candidate", "evaluation"
Record = TypeVar("Record", TrainingSet, ModelVersion, Gate)


@dataclass(frozen=True)
class Step(Generic[Record]):
    """A completed step of a retraining: the asset that it materialised, its record, and its metadata."""

    asset: str
    record: Record
    numbers: Mapping[str, Any]


def decide_retraining(stores: Stores, spec: EndpointSpec) -> Decision:
    """Return whether to start retraining now; a refusal gives its numbers. Reads the state database only."""
    if spec.retraining is None or not spec.retraining.automatic:
        return Decision(start=False, reason="automatic retraining is not configured")
    if stores.deployments.desired(spec.name).champion is None:
        return Decision(start=False, reason=NO_VERSION)
    progress = stores.ingest_progress.of(spec.name)
    sets, past = stores.training_sets.of(spec.name), stores.retrainings.of(spec.name)
    labels_seen = max((known.labels_seen for known in sets), default=0)
    evidence = RetrainingEvidence(
        signals=_signals(stores, spec),
        new_labels=progress.labels - labels_seen,
        watermark=progress.watermark,
        last_watermark=past[-1].watermark if past else None,
    )
    rules = spec.retraining
    return decide(evidence, min_new_labels=rules.min_new_labels, cooldown=rules.cooldown)


def decide_retrainings(stores: Stores, specs: Sequence[EndpointSpec]) -> Iterator[tuple[EndpointSpec, Decision]]:
    """Yield each endpoint with the decision of ``decide_retraining``; one without a signal costs no read of its own."""
    progress = stores.ingest_progress.all()
    live = {state.endpoint for state in stores.deployments.all_desired() if state.champion is not None}
    signalled = {alert.endpoint for alert in stores.alerts.find(None, OPEN) if alert.kind in SIGNALS}
    for spec in specs:
        automatic = spec.retraining is not None and spec.retraining.automatic
        known = progress.get(spec.name)
        if automatic and spec.name in live and known is not None and known.watermark and spec.name not in signalled:
            yield spec, Decision(start=False, reason=NO_SIGNAL)
        elif automatic and spec.name not in live:
            yield spec, Decision(start=False, reason=NO_VERSION)
        elif automatic and known is None:
            yield spec, Decision(start=False, reason=NO_PREDICTIONS)
        else:
            yield spec, decide_retraining(stores, spec)


def _signals(stores: Stores, spec: EndpointSpec) -> list[str]:
    """Return the rules with an open drift or quality alert; an alert of a rule that the YAML dropped is no signal."""
    rules = {rule.name for rule in spec.alerts}
    opened = stores.alerts.find(spec.name, OPEN)
    return [alert.rule for alert in opened if alert.kind in SIGNALS and alert.rule in rules]


def retrain(stores: Stores, spec: EndpointSpec, reason: str) -> Iterator[Step[Any]]:
    """Run a whole retraining, one step per iteration: training set, candidate, verdict. What is live does not change.

    The last step's record is the ``Gate``.
    """
    yield freeze_training_set(stores, spec, reason)
    candidate = train_candidate(stores, spec)
    yield candidate
    yield evaluate_candidate(stores, spec, candidate.record.version)


def freeze_training_set(stores: Stores, spec: EndpointSpec, reason: str) -> Step[TrainingSet]:
    """Record that a retraining starts, and freeze its training set."""
    progress = stores.ingest_progress.of(spec.name)
    stores.retrainings.start(spec.name, progress.watermark, reason, stores.now())
    frozen = build_training_set(stores, spec)
    numbers = {
        "row_count": frozen.rows,
        "content_hash": frozen.content_hash,
        "base_hash": frozen.base_hash or "none: this set is a base",
        "labels_seen": frozen.labels_seen,
        "watermark": str(frozen.watermark),
    }
    return Step(TRAINING_SET, frozen, numbers)


def train_candidate(stores: Stores, spec: EndpointSpec) -> Step[ModelVersion]:
    """Train on the newest training set and record the resulting version.

    Raises ConflictError when the endpoint has no training set.
    """
    sets = stores.training_sets.of(spec.name)
    if not sets:
        raise ConflictError(f"Endpoint {spec.name!r} has no training set to train on", _remedy(spec, [TRAINING_SET]))
    version = train(stores, spec, sets[-1])
    stores.retrainings.finish(spec.name, sets[-1].content_hash, version.version)
    settings = stores.settings
    own = f"http://{settings.host}:{settings.mlflow_port}"
    url = settings.registry_uri.rstrip("/") if is_server(settings.registry_uri) else own
    numbers = {
        "version": version.version,
        "model": f"{url}/#/models/{quote(version.model_name, safe='')}/versions/{version.version}",
        "run_id": version.run_id,
        "training_set": version.training_set,
    }
    return Step(CANDIDATE, version, numbers)


def evaluate_candidate(stores: Stores, spec: EndpointSpec, version: str | None = None) -> Step[Gate]:
    """Judge a version against the champion; without one, the version that the latest retraining trained.

    Raises ConflictError when the latest retraining trained no version, and what ``evaluate`` raises.
    """
    gate = evaluate(stores, spec, version or _newest_candidate(stores, spec))
    parts = {"regimes", "slices"}
    numbers = {
        **{name: value for name, value in gate.numbers.items() if value is not None and name not in parts},
        "judged": table_of(gate.numbers),
        "verdict": gate.verdict,
        "champion": gate.champion,
        "version": gate.version,
    }
    return Step(EVALUATION, gate, numbers)


def evaluate_version(stores: Stores, spec: EndpointSpec, version: str) -> Step[Gate]:
    """Judge any registered version against the champion.

    Raises ConflictError for the champion itself, and what ``evaluate`` raises.
    """
    check_challenges(stores, spec, version)
    return evaluate_candidate(stores, spec, version)


def _newest_candidate(stores: Stores, spec: EndpointSpec) -> str:
    past = stores.retrainings.of(spec.name)
    version = past[-1].version if past else None
    if version is None:
        why = "its latest retraining trained no version" if past else "it was never retrained"
        message = f"Endpoint {spec.name!r} has no candidate to evaluate: {why}"
        other = f"for a version that is registered already: modelops evaluate {spec.name} VERSION"
        raise ConflictError(message, f"{_remedy(spec, [TRAINING_SET, CANDIDATE])}; {other}")
    return version


def _remedy(spec: EndpointSpec, assets: Sequence[str]) -> str:
    """Return the remedy: materialise the assets of the steps before, or run all the steps."""
    named = " and ".join(f"{spec.name}/{asset}" for asset in assets)
    return f"Materialise {named} first, or run the whole retraining: modelops retrain {spec.name}"


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
