"""When to retrain: an open alert, enough new labels, and the cool-down. Each reason has the numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from modelops_pipelines.core.windows import text

NO_PREDICTIONS = "the log has no predictions yet"
NO_SIGNAL = "no drift or quality alert is open"


@dataclass(frozen=True)
class RetrainingEvidence:
    """The inputs of the decision. Times are event times, so that replays work too."""

    signals: Sequence[str]
    new_labels: int
    watermark: datetime | None
    last_watermark: datetime | None


@dataclass(frozen=True)
class Decision:
    """Whether to start, with the reason and its numbers."""

    start: bool
    reason: str


def decide(evidence: RetrainingEvidence, *, min_new_labels: int, cooldown: timedelta) -> Decision:
    """Return whether to start retraining now."""
    if evidence.watermark is None:
        return Decision(start=False, reason=NO_PREDICTIONS)
    if not evidence.signals:
        return Decision(start=False, reason=NO_SIGNAL)
    signals = ", ".join(evidence.signals)
    if evidence.new_labels < min_new_labels:
        return Decision(
            start=False,
            reason=f"signal {signals}, but only {evidence.new_labels} of {min_new_labels} required new labels",
        )
    if evidence.last_watermark is not None and evidence.watermark - evidence.last_watermark < cooldown:
        ready = text(evidence.last_watermark + cooldown)
        return Decision(
            start=False,
            reason=f"signal {signals}, but in cool-down until {ready} (watermark {text(evidence.watermark)})",
        )
    return Decision(start=True, reason=f"{signals}; {evidence.new_labels} new labels (at least {min_new_labels})")
