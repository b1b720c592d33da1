"""When to retrain: a signal, enough new labels, cool-down, budget, failures before. Reasons have their numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from modelops_pipelines.core.durations import format_duration
from modelops_pipelines.core.endpoints.improvement import Retraining
from modelops_pipelines.core.windows import text

QUALITY, HARMFUL_DRIFT, AGE = "quality", "harmful_drift", "age"
NO_PREDICTIONS = "the log has no predictions yet"
NO_SIGNAL = "no drift or quality alert is open"
MOST_FAILURES = 5
"""Retrainings in a row that failed, after which a person has to start the next one."""


@dataclass(frozen=True)
class Signal:
    """What speaks for a retraining: an open alert, or the champion's age.

    ``name`` is the alert's rule, or ``age``. ``holds`` False: the drift does no harm; None: that is not judged yet.
    ``why`` says so with the numbers.
    """

    name: str
    kind: str
    holds: bool | None = True
    why: str = ""
    alert: int | None = None
    numbers: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RetrainingEvidence:
    """The inputs of the decision. Times are event times, so that replays work too.

    ``runs`` and ``minutes`` are what was spent within the budget's time. ``failures`` are the kinds of failure of the
    latest retrainings in a row that failed, oldest first.
    """

    signals: Sequence[Signal]
    new_labels: int
    watermark: datetime | None
    last_watermark: datetime | None
    runs: int = 0
    minutes: float = 0.0
    failures: Sequence[str] = ()


@dataclass(frozen=True)
class Decision:
    """Whether to start, with the reason and all its numbers."""

    start: bool
    reason: str
    numbers: Mapping[str, Any] = field(default_factory=dict)


def decide(evidence: RetrainingEvidence, rules: Retraining) -> Decision:
    """Return whether to start retraining now. A drift whose harm is not judged yet counts as harmful."""
    refusal = _refusal(evidence, rules)
    holding = ", ".join(_named(signal) for signal in evidence.signals if signal.holds is not False)
    started = f"{holding}; {evidence.new_labels} new labels (at least {rules.min_new_labels})"
    return Decision(refusal is None, refusal or started, _numbers(evidence, rules))


def age_signal(trained_until: datetime, watermark: datetime, max_age: timedelta) -> Signal | None:
    """Return the signal that the champion is too old: newest data against the newest that it was trained on."""
    age = watermark - trained_until
    if age <= max_age:
        return None
    days = age / timedelta(days=1)
    why = f"champion's data ends {days:.0f} days ago, limit {format_duration(max_age)}"
    return Signal(AGE, AGE, why=why, numbers={"age_days": round(days, 2)})


def _refusal(evidence: RetrainingEvidence, rules: Retraining) -> str | None:
    if evidence.watermark is None:
        return NO_PREDICTIONS
    holding = [signal for signal in evidence.signals if signal.holds is not False]
    if not holding:
        harmless = [f"{signal.name} does no harm: {signal.why}" for signal in evidence.signals]
        return "; ".join(harmless) or NO_SIGNAL
    why = _lack(evidence, evidence.watermark, rules)
    return None if why is None else f"signal {', '.join(signal.name for signal in holding)}, but {why}"


def _lack(evidence: RetrainingEvidence, watermark: datetime, rules: Retraining) -> str | None:
    """Return what stands against a retraining for which a signal speaks."""
    if evidence.new_labels < rules.min_new_labels:
        return f"only {evidence.new_labels} of {rules.min_new_labels} required new labels"
    last = evidence.last_watermark
    if len(evidence.failures) >= MOST_FAILURES:
        return f"{_failed(evidence.failures)}: a person has to start the next one"
    if last is not None and watermark - last < rules.cooldown:
        return f"in cool-down until {text(last + rules.cooldown)} (watermark {text(watermark)})"
    if last is not None and evidence.failures:
        ready = last + rules.cooldown * 2 ** len(evidence.failures)
        if watermark < ready:
            return f"{_failed(evidence.failures)}: not again before {text(ready)} (watermark {text(watermark)})"
    return _spent(evidence, rules)


def _spent(evidence: RetrainingEvidence, rules: Retraining) -> str | None:
    over = f"in {format_duration(rules.budget_over)}"
    if evidence.runs >= rules.runs:
        return f"the budget is spent: {evidence.runs} of {rules.runs} retrainings {over}"
    if evidence.minutes >= rules.minutes:
        return f"the budget is spent: {evidence.minutes:.1f} of {rules.minutes:g} minutes of training {over}"
    return None


def _failed(failures: Sequence[str]) -> str:
    return f"{len(failures)} retraining(s) in a row failed (latest: {failures[-1]})"


def _named(signal: Signal) -> str:
    return f"{signal.name} ({signal.why})" if signal.why else signal.name


def _numbers(evidence: RetrainingEvidence, rules: Retraining) -> dict[str, Any]:
    """Return all numbers of a decision, as JSON has them."""
    last, watermark = evidence.last_watermark, evidence.watermark
    return {
        "signals": [asdict(signal) for signal in evidence.signals],
        "new_labels": evidence.new_labels,
        "min_new_labels": rules.min_new_labels,
        "watermark": None if watermark is None else text(watermark),
        "last_watermark": None if last is None else text(last),
        "cooldown": format_duration(rules.cooldown),
        "runs": evidence.runs,
        "most_runs": rules.runs,
        "minutes": round(evidence.minutes, 3),
        "most_minutes": rules.minutes,
        "budget_over": format_duration(rules.budget_over),
        "failures": list(evidence.failures),
    }
