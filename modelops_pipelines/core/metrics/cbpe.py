"""Quality of a binary classifier estimated from scores, before labels arrive: confidence-based performance estimation.

CBPE (Kivimaki and others, 2025, arXiv 2505.05295; computed as NannyML does, from expected counts): scores are
calibrated on earlier labels, and each new prediction counts as correct with its calibrated probability. This assumes
that the calibration stays valid: the estimate reflects changes of the inputs, but not concept drift.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Self

import numpy as np

from modelops_pipelines.core.metrics.score_histogram import BINS, SCORE_MIDDLES, Floats, auc, score_bins

METRICS = ("auc", "log_loss", "brier", "accuracy", "precision", "recall", "f1")
MINIMUM_LABELLED = 1000
"""The fewest labelled rows of a calibration."""
_CLIP = 1e-15


@dataclass(frozen=True, eq=False)
class AnswerCounts:
    """Scored predictions per score bin, each array of shape (BINS,).

    ``positive`` and ``negative`` count predictions by class, ``scores`` and ``squares`` are sums of the score and of
    its square, ``logs`` and ``rest_logs`` sums of ln(score) and ln(1 - score), clipped at 1e-15.
    """

    positive: Floats
    negative: Floats
    scores: Floats
    squares: Floats
    logs: Floats
    rest_logs: Floats

    @classmethod
    def of(cls, scores: Floats, answers: Floats) -> Self:
        """Count rows: two arrays of one length, the scores (0 to 1) and whether the positive class is predicted."""
        logs, rest_logs = np.log(np.maximum(scores, _CLIP)), np.log(np.maximum(1 - scores, _CLIP))
        values = (answers, 1 - answers, scores, scores**2, logs, rest_logs)
        bins = score_bins(scores)
        return cls(*(np.bincount(bins, value, BINS).astype(np.float64) for value in values))

    @classmethod
    def read(cls, bins: Floats, sums: Mapping[str, Floats]) -> Self:
        """Read the sums of these bins (each bin once); ``sums`` has an array of their length for each field."""
        filled = {field.name: np.zeros(BINS) for field in fields(cls)}
        for name, values in filled.items():
            values[bins.astype(np.intp)] = sums[name]
        return cls(**filled)

    @property
    def scored(self) -> int:
        """The number of predictions."""
        return int(self.positive.sum() + self.negative.sum())


@dataclass(frozen=True)
class Estimate:
    """The metrics of ``METRICS``, None where undefined, and why; ``reason`` is None when all are defined."""

    values: Mapping[str, float | None]
    reason: str | None


def calibrate(positives: Floats, negatives: Floats) -> Floats | None:
    """Return the probability of the positive class per bin, of shape (BINS,), from labelled counts per bin.

    Isotonic regression of the share of positives on the score (Zadrozny and Elkan 2002), weighted by rows; bins
    without rows are interpolated linearly. None for fewer than MINIMUM_LABELLED rows, or labels of one class only.
    """
    counts = positives + negatives
    if counts.sum() < MINIMUM_LABELLED or not positives.any() or not negatives.any():
        return None
    known = counts > 0
    fitted = _rising(positives[known] / counts[known], counts[known])
    return np.asarray(np.interp(SCORE_MIDDLES, SCORE_MIDDLES[known], fitted), np.float64)


def _rising(values: Floats, weights: Floats) -> Floats:
    """Return the nearest values that never fall, by weighted squares: neighbours that fall are pooled to their mean.

    Here and not from scikit-learn, whose import takes longer than all that monitoring does.
    """
    pools: list[tuple[float, float, int]] = []  # mean, weight, number of values
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        mean, total, count = value, weight, 1
        while pools and pools[-1][0] >= mean:
            before, of, more = pools.pop()
            mean, total, count = (before * of + mean * total) / (of + total), of + total, count + more
        pools.append((mean, total, count))
    return np.repeat([mean for mean, _, _ in pools], [count for _, _, count in pools])


def why_not_calibrated(positives: Floats, negatives: Floats) -> str:
    """Return why ``calibrate`` gives None for these counts."""
    labelled = int(positives.sum() + negatives.sum())
    if labelled < MINIMUM_LABELLED:
        return f"the calibration needs {MINIMUM_LABELLED} earlier rows with score and label, and there are {labelled}"
    return "the earlier labels have one class only"


def estimate(answers: AnswerCounts, chance: Floats) -> Estimate:
    """Return the expected metrics of the predictions, given the probability of the positive class per bin."""
    hits, misses = float(answers.positive @ chance), float(answers.negative @ chance)
    false = float(answers.positive @ (1 - chance))
    n, count = float(answers.scored), answers.positive + answers.negative
    rest = 1 - chance
    values = {
        "auc": auc(count * chance, count * rest),
        "log_loss": _ratio(-float(answers.logs @ chance + answers.rest_logs @ rest), n),
        "brier": _ratio(float(answers.squares.sum() - 2 * answers.scores @ chance + count @ chance), n),
        "accuracy": _ratio(hits + float(answers.negative @ rest), n),
        "precision": _ratio(hits, hits + false),
        "recall": _ratio(hits, hits + misses),
        "f1": _ratio(2 * hits, 2 * hits + false + misses),
    }
    return Estimate(values, _reason(values, n))


def no_estimate(reason: str) -> Estimate:
    """Return an estimate without values."""
    return Estimate(dict.fromkeys(METRICS), reason)


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _reason(values: Mapping[str, float | None], n: float) -> str | None:
    if not n:
        return "no row has a score"
    reasons = {
        "auc": "auc is undefined: only one class is expected",
        "precision": "precision is undefined: no prediction is positive",
        "recall": "recall is undefined: no positive label is expected",
        "f1": "f1 is undefined: no positive prediction or label is expected",
    }
    return "; ".join(why for name, why in reasons.items() if values[name] is None) or None
