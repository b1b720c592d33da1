"""Two versions' losses on the same rows: the numbers behind the gate's verdict."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelops_pipelines.core.evaluation.gate import FAIL, NOT_ENOUGH, PASS, WORSE, GateConfig, GateResult, Part
from modelops_pipelines.core.evaluation.sanity_checks import Answered, check_candidate

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Rows:
    """The evaluation rows: each one's day (as an ordinal), and its value of each segment.

    ``positives`` is 1 where the label is the positive class and 0 elsewhere, None where the versions give no scores.
    """

    days: Ints
    positives: Floats | None = None
    segments: Mapping[str, NDArray[Any]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class _Pair:
    """Both versions' losses on some rows, and the days of these."""

    champion: Floats
    candidate: Floats
    days: Ints

    def where(self, mask: NDArray[np.bool_]) -> "_Pair":
        return _Pair(self.champion[mask], self.candidate[mask], self.days[mask])

    @property
    def difference(self) -> Floats:
        return self.champion - self.candidate

    @property
    def count(self) -> int:
        """Days."""
        return len(np.unique(self.days))

    def enough(self, rows: int, days: int) -> bool:
        return len(self.days) >= rows and self.count >= days


def log_loss(score: Floats, label: Floats) -> Floats:
    """Return each row's log-loss in nats, the score (probability of the label 1) clipped at 1e-15."""
    p = np.clip(score, 1e-15, 1 - 1e-15)
    return -(label * np.log(p) + (1 - label) * np.log(1 - p))


def squared_error(prediction: Floats, label: Floats) -> Floats:
    """Return each row's squared error."""
    return (prediction - label) ** 2


def judge(champion: Answered, candidate: Answered, rows: Rows, config: GateConfig) -> GateResult:
    """Compare two versions' losses on the same rows, in blocks of days.

    What disqualifies the candidate by itself (``gate_checks``) fails it on any number of rows. Otherwise it takes
    rows, days and regimes enough, and then no regime and no slice that is worse beyond doubt, and an improvement
    above 0 whose lower bound is above the limit: the (1 - confidence) quantile of the mean paired difference over
    bootstrap draws of whole days (Kuensch 1989), for rows of one day share their weather and are not independent
    evidence.
    """
    checked = check_candidate(champion, candidate, rows.positives, config)
    faults, pair = checked.faults, _Pair(champion.losses, candidate.losses, rows.days)
    result = GateResult(FAIL, "; ".join(faults), len(rows.days), pair.count, measured=checked.numbers)
    if candidate.fault is not None or checked.not_finite:
        return result
    result = _with_losses(result, pair, rows, config)
    missing = _missing_evidence(result, config)
    if missing:
        return result if faults else replace(result, verdict=NOT_ENOUGH, reason=missing)
    bound = float(np.quantile(_bootstrap_means(pair, config), 1 - config.confidence))
    result = replace(result, lower_bound=bound, limit=0.0 - config.margin * float(pair.champion.mean()))
    faults = [*faults, *_describe_worse_parts(result)]
    told, better = _describe_improvement(result)
    return replace(result, verdict=PASS if better and not faults else FAIL, reason="; ".join([*faults, told]))


def _with_losses(result: GateResult, pair: _Pair, rows: Rows, config: GateConfig) -> GateResult:
    """Return the result with the losses of all rows, of the regimes and of the slices."""
    if not len(pair.days):
        return result
    old, new = float(pair.champion.mean()), float(pair.candidate.mean())
    return replace(
        result,
        champion_loss=old,
        candidate_loss=new,
        improvement=old - new,
        regimes=_regimes(pair, config),
        slices=_slices(pair, rows.segments, config),
    )


def _missing_evidence(result: GateResult, config: GateConfig) -> str:
    """Return which evidence is missing, with its numbers; empty when there is enough."""
    told = []
    if result.rows < config.min_rows or result.days < config.min_days:
        told.append(
            f"{result.rows} labelled rows on {result.days} evaluation days, "
            f"of {config.min_rows} rows and {config.min_days} days that it takes"
        )
    judged = sum(part.upper_bound is not None for part in result.regimes)
    if judged < config.min_regimes:
        told.append(
            f"{judged} regimes ({config.regime_days} days, of which at least {config.regime_min_days} evaluation days "
            f"with {config.regime_min_rows} rows), of {config.min_regimes} that it takes"
        )
    return "; ".join(told)


def _describe_worse_parts(result: GateResult) -> Iterator[str]:
    for kind, parts in (("regime", result.regimes), ("slice", result.slices)):
        yield from (f"worse in {kind} {part.sentence}" for part in parts if part.verdict == WORSE)


def _describe_improvement(result: GateResult) -> tuple[str, bool]:
    """Return the comparison of all rows in words, and whether the candidate has passed it."""
    improvement, bound, limit = result.improvement or 0.0, result.lower_bound or 0.0, result.limit or 0.0
    told = (
        f"improvement {improvement:.5f} a row{'' if improvement > 0 else ' not above 0'}, lower bound {bound:.5f} "
        f"{'above' if bound > limit else 'not above'} {f'{limit:.5f}' if limit else '0'} over {result.days} days"
    )
    return told, improvement > 0 and bound > limit


def _regimes(pair: _Pair, config: GateConfig) -> tuple[Part, ...]:
    """Return the regimes that have any row, in their order; those with too little are shown and not judged."""
    first = int(pair.days.min())
    number = (pair.days - first) // config.regime_days
    found = {_span(first, int(n), config.regime_days): pair.where(number == n) for n in np.unique(number)}
    judged = [name for name, one in found.items() if one.enough(config.regime_min_rows, config.regime_min_days)]
    return tuple(_part(name, one, config, len(judged) if name in judged else None) for name, one in found.items())


def _span(first: int, number: int, length: int) -> str:
    start = date.fromordinal(first) + timedelta(days=number * length)
    return f"{start} to {start + timedelta(days=length - 1)}"


def _slices(pair: _Pair, segments: Mapping[str, NDArray[Any]], config: GateConfig) -> tuple[Part, ...]:
    """Return the largest slices that have rows and days enough, the largest first."""
    found = {}
    for name, values in segments.items():
        known, counts = np.unique(values, return_counts=True)
        for value in known[counts >= config.slice_min_rows]:
            found[f"{name}={value}"] = pair.where(values == value)
    enough = {name: one for name, one in found.items() if one.enough(config.slice_min_rows, config.regime_min_days)}
    chosen: Sequence[str] = sorted(enough, key=lambda name: (-len(enough[name].days), name))[: config.max_slices]
    return tuple(_part(name, enough[name], config, len(chosen), config.slice_tolerance) for name in chosen)


def _part(name: str, pair: _Pair, config: GateConfig, parts: int | None, tolerance: float = 0.0) -> Part:
    """Return a part of the rows; it has a bound when it is one of so many ``parts`` that are judged."""
    old, new = float(pair.champion.mean()), float(pair.candidate.mean())
    bound = None if parts is None else _upper_bound(pair, parts, config)
    return Part(name, len(pair.days), pair.count, old, new, old - new, bound, 0.0 - tolerance * old)


def _upper_bound(pair: _Pair, parts: int, config: GateConfig) -> float:
    """Return the upper bound of the improvement, at a level that all ``parts`` hold together (Bonferroni).

    A bootstrap of a handful of days is too sure of itself: its distance from the mean is widened as Student's t is
    wider than the normal distribution (as Hesterberg 2015 expands the percentile interval).
    """
    from scipy.special import ndtri, stdtrit

    level, count = 1 - (1 - config.confidence) / parts, pair.count
    widening = sqrt(count / (count - 1)) * float(stdtrit(count - 1, level) / ndtri(level))
    mean = float(pair.difference.mean())
    return mean + widening * (float(np.quantile(_bootstrap_means(pair, config), level)) - mean)


def _bootstrap_means(pair: _Pair, config: GateConfig) -> Floats:
    """Return the mean difference of each bootstrap draw of whole days."""
    names, day_of = np.unique(pair.days, return_inverse=True)
    sums, counts = np.bincount(day_of, weights=pair.difference), np.bincount(day_of)
    draws = np.random.default_rng(config.seed).integers(0, len(names), size=(config.draws, len(names)))
    means: Floats = sums[draws].sum(axis=1) / counts[draws].sum(axis=1)
    return means
