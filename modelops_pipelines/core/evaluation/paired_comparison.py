"""The paired comparison of two versions' losses on the same rows, on which the gate's verdict is based."""

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
    """The evaluation rows: each row's day (as an ordinal) and its value of each segment.

    ``positives`` is 1 for labels of the positive class, else 0; None when the versions return no scores.
    """

    days: Ints
    positives: Floats | None = None
    segments: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def where(self, mask: NDArray[np.bool_]) -> "Rows":
        """Return some of the rows."""
        positives = None if self.positives is None else self.positives[mask]
        return Rows(self.days[mask], positives, {name: values[mask] for name, values in self.segments.items()})


@dataclass(frozen=True, eq=False)
class _Pair:
    """Both versions' losses on some rows, and the days of the rows."""

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


def judge(champion: Answered, candidate: Answered, rows: Rows, config: GateConfig, comparisons: int = 1) -> GateResult:
    """Compare two versions' losses on the same rows, in blocks of days.

    A failed sanity check (``sanity_checks``) fails the candidate on any number of rows. Otherwise a verdict needs
    enough rows, days and regimes. To pass, no regime and no slice may be significantly worse, and the improvement must
    be above 0 with its lower bound above the limit: the (1 - confidence) quantile of the mean paired difference over
    bootstrap draws of whole days (Kuensch 1989), because rows of one day are correlated. Of several candidates that are
    compared for one place, each needs the quantile (1 - confidence) / ``comparisons`` (Bonferroni), so that the best of
    them passes by chance no more often than one alone would. What fails a candidate is not weakened by their number.
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
    bound = float(np.quantile(_bootstrap_means(pair, config), (1 - config.confidence) / comparisons))
    result = replace(result, lower_bound=bound, limit=0.0 - config.margin * float(pair.champion.mean()))
    faults = [*faults, *_describe_worse_parts(result)]
    improvement, better = _describe_improvement(result)
    return replace(result, verdict=PASS if better and not faults else FAIL, reason="; ".join([*faults, improvement]))


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
    """Describe the missing data with its numbers; empty when there is enough."""
    missing = []
    if result.rows < config.min_rows or result.days < config.min_days:
        missing.append(
            f"{result.rows} labelled rows on {result.days} evaluation days, "
            f"but {config.min_rows} rows and {config.min_days} days are required"
        )
    judged = sum(part.upper_bound is not None for part in result.regimes)
    if judged < config.min_regimes:
        missing.append(
            f"{judged} regimes ({config.regime_days} days, of which at least {config.regime_min_days} evaluation days "
            f"with {config.regime_min_rows} rows), but {config.min_regimes} are required"
        )
    return "; ".join(missing)


def _describe_worse_parts(result: GateResult) -> Iterator[str]:
    for kind, parts in (("regime", result.regimes), ("slice", result.slices)):
        yield from (f"worse in {kind} {part.sentence}" for part in parts if part.verdict == WORSE)


def _describe_improvement(result: GateResult) -> tuple[str, bool]:
    """Describe the comparison on all rows, and return whether the candidate passed it."""
    improvement, bound, limit = result.improvement or 0.0, result.lower_bound or 0.0, result.limit or 0.0
    described = (
        f"improvement {improvement:.5f} per row{'' if improvement > 0 else ' (not above 0)'}, lower bound {bound:.5f} "
        f"{'above' if bound > limit else 'not above'} {f'{limit:.5f}' if limit else '0'} over {result.days} days"
    )
    return described, improvement > 0 and bound > limit


def _regimes(pair: _Pair, config: GateConfig) -> tuple[Part, ...]:
    """Return the regimes that have rows, in order; those with too few rows or days are shown but not judged."""
    first = int(pair.days.min())
    number = (pair.days - first) // config.regime_days
    found = {_span(first, int(n), config.regime_days): pair.where(number == n) for n in np.unique(number)}
    judged = [name for name, one in found.items() if one.enough(config.regime_min_rows, config.regime_min_days)]
    return tuple(_part(name, one, config, len(judged) if name in judged else None) for name, one in found.items())


def _span(first: int, number: int, length: int) -> str:
    start = date.fromordinal(first) + timedelta(days=number * length)
    return f"{start} to {start + timedelta(days=length - 1)}"


def _slices(pair: _Pair, segments: Mapping[str, NDArray[Any]], config: GateConfig) -> tuple[Part, ...]:
    """Return the largest slices with enough rows and days, the largest first."""
    found = {}
    for name, values in segments.items():
        known, counts = np.unique(values, return_counts=True)
        for value in known[counts >= config.slice_min_rows]:
            found[f"{name}={value}"] = pair.where(values == value)
    enough = {name: one for name, one in found.items() if one.enough(config.slice_min_rows, config.regime_min_days)}
    chosen: Sequence[str] = sorted(enough, key=lambda name: (-len(enough[name].days), name))[: config.max_slices]
    return tuple(_part(name, enough[name], config, len(chosen), config.slice_tolerance) for name in chosen)


def _part(name: str, pair: _Pair, config: GateConfig, parts: int | None, tolerance: float = 0.0) -> Part:
    """Return a part of the rows, with a bound when it is one of the ``parts`` that are judged."""
    old, new = float(pair.champion.mean()), float(pair.candidate.mean())
    bound = None if parts is None else _upper_bound(pair, parts, config)
    return Part(name, len(pair.days), pair.count, old, new, old - new, bound, 0.0 - tolerance * old)


def _upper_bound(pair: _Pair, parts: int, config: GateConfig) -> float:
    """Return the upper bound of the improvement, with Bonferroni's correction for the number of ``parts``.

    A bootstrap of few days gives an interval that is too narrow: its distance from the mean is widened by the ratio of
    the quantiles of Student's t and the normal distribution (Hesterberg 2015, expanded percentile interval).
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
