"""Whether to retrain, and the whole of a retraining."""

from modelops_pipelines.core.alerting.alerts import OPEN
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.evaluation.gate import PASS
from modelops_pipelines.core.improve.retraining_trigger import Decision, RetrainingEvidence, decide
from modelops_pipelines.operations.improve.evaluate import evaluate
from modelops_pipelines.operations.improve.train import train
from modelops_pipelines.operations.improve.training_sets import build_training_set
from modelops_pipelines.store.state.deployments import ModelVersion
from modelops_pipelines.store.state.gates import Gate
from modelops_pipelines.store.state.training_sets import TrainingSet
from modelops_pipelines.store.stores import Stores

SIGNALS = ("drift", "quality")


def decide_retraining(stores: Stores, spec: EndpointSpec) -> Decision:
    """Return whether to start retraining now; a refusal says its numbers. Reads the state database only."""
    if spec.retraining is None or not spec.retraining.automatic:
        return Decision(start=False, reason="automatic retraining is not configured")
    if stores.deployments.desired(spec.name).champion is None:
        return Decision(start=False, reason="nothing is live yet")
    progress = stores.ingest_progress.of(spec.name)
    sets, past = stores.training_sets.of(spec.name), stores.retrainings.of(spec.name)
    labels_seen = max((known.labels_seen for known in sets), default=0)
    evidence = RetrainingEvidence(
        signals=[alert.rule for alert in stores.alerts.find(spec.name, OPEN) if alert.rule.startswith(SIGNALS)],
        new_labels=progress.labels - labels_seen,
        watermark=progress.watermark,
        last_watermark=past[-1].watermark if past else None,
    )
    rules = spec.retraining
    return decide(evidence, min_new_labels=rules.min_new_labels, cooldown=rules.cooldown)


def start_retraining(stores: Stores, spec: EndpointSpec, reason: str) -> TrainingSet:
    """Write down that a retraining starts, and freeze its training set."""
    progress = stores.ingest_progress.of(spec.name)
    stores.retrainings.start(spec.name, progress.watermark, reason, stores.now())
    return build_training_set(stores, spec)


def train_candidate(stores: Stores, spec: EndpointSpec) -> ModelVersion:
    """Train on the newest training set and write down what came of it."""
    record = stores.training_sets.of(spec.name)[-1]
    version = train(stores, spec, record)
    stores.retrainings.finish(spec.name, record.content_hash, version.version)
    return version


def retrain(stores: Stores, spec: EndpointSpec, reason: str) -> Gate:
    """Run a whole retraining: training set, candidate, verdict. What is live does not change."""
    start_retraining(stores, spec, reason)
    return evaluate(stores, spec, train_candidate(stores, spec).version)


def waiting_for_promotion(stores: Stores, spec: EndpointSpec) -> Gate | None:
    """Return the newest verdict when it passed and its version may be promoted without a person; else None.

    A verdict counts only against the champion that is live, and under the gate's settings as they are.
    """
    gates = stores.gates.of(spec.name)
    if not spec.promotion.automatic or not gates:
        return None
    newest, champion = gates[-1], stores.deployments.desired(spec.name).champion
    tried = {event.to_version for event in stores.deployments.events(spec.name)}
    passed = (newest.verdict, newest.champion, newest.gate_hash) == (PASS, champion, spec.gate.hash)
    return newest if passed and newest.version not in tried else None
