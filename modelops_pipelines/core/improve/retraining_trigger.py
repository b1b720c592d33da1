"""When to retrain: a signal, enough new labels, and time since the last attempt. Each refusal says its numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from modelops_pipelines.core.windows import text


@dataclass(frozen=True)
class RetrainingEvidence:
    """What the decision rests on. Times are event times: the data's clock, which a replay shares."""

    signals: Sequence[str]
    new_labels: int
    watermark: datetime | None
    last_watermark: datetime | None


@dataclass(frozen=True)
class Decision:
    """Start or not, with the reason in words and numbers."""

    start: bool
    reason: str


def decide(evidence: RetrainingEvidence, *, min_new_labels: int, cooldown: timedelta) -> Decision:
    """Return whether to start retraining now."""
    if evidence.watermark is None:
        return Decision(start=False, reason="no prediction is in the log yet")
    if not evidence.signals:
        return Decision(start=False, reason="no drift or quality alert is open")
    signals = ", ".join(evidence.signals)
    if evidence.new_labels < min_new_labels:
        return Decision(
            start=False,
            reason=f"signal {signals}, but {evidence.new_labels} new labels of the {min_new_labels} that it takes",
        )
    if evidence.last_watermark is not None and evidence.watermark - evidence.last_watermark < cooldown:
        ready = text(evidence.last_watermark + cooldown)
        return Decision(
            start=False,
            reason=f"signal {signals}, but cooling down: data reaches {text(evidence.watermark)}, next from {ready}",
        )
    return Decision(start=True, reason=f"{signals}; {evidence.new_labels} new labels (at least {min_new_labels})")
