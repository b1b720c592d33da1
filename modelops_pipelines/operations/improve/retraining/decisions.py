"""Decides whether to retrain an endpoint, and keeps the latest decision of each with its numbers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from modelops_pipelines.core.alerting.alerts import OPEN, Alert
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.improve.retraining.trigger import (
    HARMFUL_DRIFT,
    NO_PREDICTIONS,
    NO_SIGNAL,
    QUALITY,
    Decision,
    RetrainingEvidence,
    Signal,
    age_signal,
    decide,
)
from modelops_pipelines.core.windows import text
from modelops_pipelines.store.state.improve.retraining_decisions import RetrainingDecision
from modelops_pipelines.store.state.improve.retrainings import Retraining as PastRetraining
from modelops_pipelines.store.stores import Stores

NO_VERSION = "no version is live yet"
NOT_CONFIGURED = "automatic retraining is not configured"
SIGNAL_OF = {"quality": QUALITY, "drift": HARMFUL_DRIFT}
"""The signal that an open alert of this kind is, or may be."""
ESTIMATED = "estimated_quality"
JUDGED_FOR = timedelta(minutes=10)
"""How long the judgement on a drift's harm is used again while no new data comes: a tick reads the lake rarely."""


def decide_retraining(stores: Stores, spec: EndpointSpec) -> Decision:
    """Return whether to start retraining now; a refusal gives its numbers.

    Reads the state database; and the lake, for the harm of a drift, only where that alone is left to be decided and was
    not judged on the same data before.
    """
    if spec.retraining is None or not spec.retraining.automatic:
        return Decision(start=False, reason=NOT_CONFIGURED)
    if stores.deployments.desired(spec.name).champion is None:
        return Decision(start=False, reason=NO_VERSION)
    evidence, rules = _evidence(stores, spec), spec.retraining
    decision = decide(evidence, rules)
    if decision.start and not any(signal.holds for signal in evidence.signals):
        decision = decide(_with_harm(stores, spec, evidence), rules)
    return decision


def decide_retrainings(stores: Stores, specs: Sequence[EndpointSpec]) -> Iterator[tuple[EndpointSpec, Decision]]:
    """Yield each endpoint with the decision of ``decide_retraining``; one without a signal costs no read of its own."""
    progress = stores.ingest_progress.all()
    live = {state.endpoint for state in stores.deployments.all_desired() if state.champion is not None}
    signalled = {alert.endpoint for alert in stores.alerts.find(None, OPEN) if alert.kind in SIGNAL_OF}
    before = stores.retraining_decisions.all()
    for spec in specs:
        rules, known = spec.retraining, progress.get(spec.name)
        automatic = rules is not None and rules.automatic
        ages = rules is not None and rules.max_age is not None
        if automatic and spec.name in live and known and known.watermark and not ages and spec.name not in signalled:
            decision = Decision(start=False, reason=NO_SIGNAL)
        elif automatic and spec.name not in live:
            decision = Decision(start=False, reason=NO_VERSION)
        elif automatic and known is None:
            decision = Decision(start=False, reason=NO_PREDICTIONS)
        else:
            decision = decide_retraining(stores, spec)
        if automatic:
            _keep(stores, spec, decision, before.get(spec.name))
        yield spec, decision


def _keep(stores: Stores, spec: EndpointSpec, decision: Decision, before: RetrainingDecision | None) -> None:
    """Record a decision that differs from the one before."""
    parts = (decision.start, decision.reason, dict(decision.numbers))
    if before is None or (before.start, before.reason, dict(before.numbers)) != parts:
        stores.retraining_decisions.record(RetrainingDecision(spec.name, stores.now(), *parts))


def _evidence(stores: Stores, spec: EndpointSpec) -> RetrainingEvidence:
    progress, past = stores.ingest_progress.of(spec.name), stores.retrainings.of(spec.name)
    labels_seen = max((known.labels_seen for known in stores.training_sets.of(spec.name)), default=0)
    signals = [] if progress.watermark is None else _signals(stores, spec, progress.watermark)
    runs, minutes = _spent(stores, spec, past, progress.watermark)
    return RetrainingEvidence(
        signals=signals,
        new_labels=progress.labels - labels_seen,
        watermark=progress.watermark,
        last_watermark=past[-1].watermark if past else None,
        runs=runs,
        minutes=minutes,
        failures=_failures(past),
    )


def _signals(stores: Stores, spec: EndpointSpec, watermark: datetime) -> list[Signal]:
    """Return what speaks for a retraining; an alert of a rule that the YAML dropped does not."""
    rules = spec.retraining
    wanted = () if rules is None else rules.signals
    names = {rule.name for rule in spec.alerts}
    opened = [alert for alert in stores.alerts.find(spec.name, OPEN) if alert.rule in names]
    estimated = next((alert for alert in opened if alert.kind == ESTIMATED), None)
    signals = [
        _signal(alert, estimated) for alert in opened if alert.kind in SIGNAL_OF and SIGNAL_OF[alert.kind] in wanted
    ]
    if rules is None or rules.max_age is None or "age" not in wanted:
        return signals
    aged = age_signal(_trained_until(stores, spec, watermark), watermark, rules.max_age)
    return signals if aged is None else [*signals, aged]


def _signal(alert: Alert, estimated: Alert | None) -> Signal:
    """Return the signal of an alert; a drift is harmful at once where a rule on the estimated quality fails too."""
    kind = SIGNAL_OF[alert.kind]
    if kind == QUALITY:
        return Signal(alert.rule, kind, alert=alert.id, numbers={"message": alert.message})
    why = "" if estimated is None else f"with the alert {estimated.rule}"
    holds = None if estimated is None else True
    return Signal(alert.rule, kind, holds, why, alert.id, {"message": alert.message})


def _trained_until(stores: Stores, spec: EndpointSpec, watermark: datetime) -> datetime:
    """Return the event time until which the champion's training set reaches; of a first version, its registration."""
    champion = stores.deployments.desired(spec.name).champion
    version = None if champion is None else stores.deployments.version(spec.model_name, champion)
    if version is None:
        return watermark
    sets = {one.content_hash: one for one in stores.training_sets.of(spec.name)}
    record = sets.get(version.training_set or "")
    return version.registered_at if record is None or record.watermark is None else record.watermark


def _spent(
    stores: Stores, spec: EndpointSpec, past: Sequence[PastRetraining], watermark: datetime | None
) -> tuple[int, float]:
    """Return the retrainings within the budget's time, whoever started them, and their minutes of training."""
    if spec.retraining is None or watermark is None:
        return 0, 0.0
    since = watermark - spec.retraining.budget_over
    recent = [one.id for one in past if one.watermark is None or one.watermark > since]
    return len(recent), stores.training_runs.seconds_of(recent) / 60 if recent else 0.0


def _failures(past: Sequence[PastRetraining]) -> list[str]:
    """Return the kinds of failure of the latest retrainings in a row that failed."""
    kinds: list[str] = []
    for one in reversed(past):
        if one.failure is None:
            break
        kinds.insert(0, one.failure)
    return kinds


def _with_harm(stores: Stores, spec: EndpointSpec, evidence: RetrainingEvidence) -> RetrainingEvidence:
    """Return the evidence with the harm of its drifts judged; what was just judged on the same data is taken over."""
    known, signals = _judged_before(stores, spec, evidence), []
    for signal in evidence.signals:
        if signal.holds is None:
            signals.append(known.get(signal.alert) or _judged(stores, spec, signal, evidence.watermark))
        else:
            signals.append(signal)
    return replace(evidence, signals=signals)


def _judged_before(stores: Stores, spec: EndpointSpec, evidence: RetrainingEvidence) -> Mapping[int | None, Signal]:
    """Return the drifts by alert that were judged on the same data, less than JUDGED_FOR ago: tables may come later."""
    before = stores.retraining_decisions.of(spec.name)
    watermark = None if evidence.watermark is None else text(evidence.watermark)
    basis = (watermark, evidence.new_labels)
    if before is None or (before.numbers.get("watermark"), before.numbers.get("new_labels")) != basis:
        return {}
    found = [Signal(**one) for one in before.numbers.get("signals", [])]
    recent = text(stores.now() - JUDGED_FOR)
    return {one.alert: one for one in found if one.holds is not None and one.numbers.get("judged_at", "") > recent}


def _judged(stores: Stores, spec: EndpointSpec, signal: Signal, watermark: datetime | None) -> Signal:
    from modelops_pipelines.operations.improve.retraining.drift_harm import drift_harm  # imports Arrow

    alert = None if signal.alert is None else stores.alerts.get(signal.alert)
    if alert is None or watermark is None:
        return replace(signal, holds=False, why="its alert is no longer there")
    harm = drift_harm(stores, spec, alert, watermark)
    numbers = {**signal.numbers, **harm.numbers, "judged_at": text(stores.now())}
    return replace(signal, holds=harm.harmful, why=harm.why, numbers=numbers)
