"""Two versions' losses on the same rows: the numbers behind the gate's verdict."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelops_pipelines.core.gate import FAIL, NOT_ENOUGH, PASS, GateConfig, GateResult

Floats = NDArray[np.float64]


def log_loss(score: Floats, label: Floats) -> Floats:
    """Return each row's log-loss in nats, the score (probability of the label 1) clipped at 1e-15."""
    p = np.clip(score, 1e-15, 1 - 1e-15)
    return -(label * np.log(p) + (1 - label) * np.log(1 - p))


def squared_error(prediction: Floats, label: Floats) -> Floats:
    """Return each row's squared error."""
    return (prediction - label) ** 2


def judge(champion: Floats, candidate: Floats, days: NDArray[Any], config: GateConfig) -> GateResult:
    """Compare two versions' losses on the same rows (three arrays of one length), in blocks of days.

    The lower bound is the (1 - confidence) quantile of the mean paired difference over bootstrap draws of whole
    days (Kuensch 1989): rows of one day share their weather, so they are not independent evidence.
    """
    names, day_of = np.unique(days, return_inverse=True)
    if len(champion) < config.min_rows or len(names) < config.min_days:
        reason = (
            f"{len(champion)} labelled rows on {len(names)} evaluation days, "
            f"of {config.min_rows} rows and {config.min_days} days that it takes"
        )
        return GateResult(NOT_ENOUGH, reason, len(champion), len(names), *_means(champion, candidate), None)
    bound = _lower_bound(champion - candidate, day_of, len(names), config)
    means = _means(champion, candidate)
    better = bound > 0
    comparison = "above" if better else "not above"
    reason = f"improvement {means[2]:.5f} a row, lower bound {bound:.5f} {comparison} 0 over {len(names)} days"
    return GateResult(PASS if better else FAIL, reason, len(champion), len(names), *means, bound)


def _means(champion: Floats, candidate: Floats) -> tuple[float | None, float | None, float | None]:
    if not len(champion):
        return None, None, None
    old, new = float(champion.mean()), float(candidate.mean())
    return old, new, old - new


def _lower_bound(difference: Floats, day_of: NDArray[Any], days: int, config: GateConfig) -> float:
    sums = np.bincount(day_of, weights=difference, minlength=days)
    counts = np.bincount(day_of, minlength=days)
    draws = np.random.default_rng(config.seed).integers(0, days, size=(config.draws, days))
    means = sums[draws].sum(axis=1) / counts[draws].sum(axis=1)
    return float(np.quantile(means, 1 - config.confidence))
