"""Sequential tests of a challenger against a champion, valid at any time and with any stopping rule.

Two kinds: counts of bad events (errors, slow answers) are tested by an e-process with an exact level; mean losses by an
asymptotic confidence sequence. Counts in, verdicts out. Only ``math`` is imported, because the gateway and a sensor
load this.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

PASS, FAIL, INCONCLUSIVE = "pass", "fail", "inconclusive"

FEWEST_ROWS = 100
"""Rows that an interval needs of each arm: the mean of fewer skewed losses is not close to normal."""


def _prior() -> tuple[tuple[float, float], ...]:
    """Return (r, weight) of the mixture over the relative risk: half the weight around 2, the rest even up to 1000.

    The points are evenly spaced in log r from 1.2, 24 of them, so that no r is further than 16 % from one.
    """
    logs = [math.log(1.2) + k * math.log(1000 / 1.2) / 23 for k in range(24)]
    around = [math.exp(-0.5 * ((x - math.log(2)) / 0.35) ** 2) for x in logs]
    weights = [0.5 * one / math.fsum(around) + 0.5 / len(logs) for one in around]
    return tuple((math.exp(x), weight) for x, weight in zip(logs, weights, strict=True))


_PRIOR = _prior()


@dataclass(frozen=True)
class Step:
    """Bad events and requests of both arms while the challenger's share of the requests was constant.

    Events belong to the step in which their request was assigned an arm.
    """

    share: float
    challenger: int
    champion: int
    challenger_requests: int = 0
    champion_requests: int = 0

    @property
    def excess(self) -> float | None:
        """The challenger's rate of bad events minus the champion's; None unless both had a request."""
        if not self.challenger_requests or not self.champion_requests:
            return None
        return self.challenger / self.challenger_requests - self.champion / self.champion_requests


def log_evidence(challenger: int, champion: int, share: float) -> float:
    """Return log E (nats) for these counts of bad events: ``log_evidence_of`` one step."""
    return log_evidence_of([Step(share, challenger, champion)])


def log_evidence_of(steps: Iterable[Step]) -> float:
    """Return log E (nats), the evidence that the challenger has more bad events than its share; 0 without any.

    E = sum over r of w(r) prod over steps of q^a (1 - q)^b / (s^a (1 - s)^b), with q / (1 - q) = r s / (1 - s),
    a and b the bad events of challenger and champion, s the share. That is r^a / (1 + s (r - 1))^(a + b).

    If each request is assigned an arm by chance, independently of all others, and the challenger is no worse, a
    bad event is the challenger's with a probability of at most s, whatever the base rate and however it moves.
    Then each factor's expectation is at most 1 for every r > 1, and E, a mixture of supermartingales that start
    at 1, passes 1 / alpha ever with a probability of at most alpha (Ville 1939). The share may change between
    steps, for it is known before the event; r is one for all steps, so that a new step costs no evidence.
    Where callers, not requests, are assigned an arm, and one caller may have many bad events, count callers: each
    by the first bad event of the trial. Source: Robbins' mixtures (1970);
    Turner, Ly and Gruenwald, "Generic e-variables for exact sequential k-sample tests". Raises ValueError
    for a share that is not between 0 and 1 and for negative counts.
    """
    counted = list(steps)
    for one in counted:
        _check(one)
    logs = [
        math.log(weight)
        + math.fsum(
            one.challenger * math.log(r) - (one.challenger + one.champion) * math.log1p(one.share * (r - 1))
            for one in counted
        )
        for r, weight in _PRIOR
    ]
    top = max(logs)
    return top + math.log(math.fsum(math.exp(one - top) for one in logs))


def _check(step: Step) -> None:
    if not 0 < step.share < 1:
        message = f"The share {step.share:g} is not between 0 and 1"
        raise ValueError(message)
    if min(step.challenger, step.champion) < 0:
        message = f"The counts of bad events, {step.challenger} and {step.champion}, must not be negative"
        raise ValueError(message)


@dataclass(frozen=True)
class EventsVerdict:
    """Whether the challenger has too many bad events: FAIL or INCONCLUSIVE. The test never passes a challenger.

    ``excess`` is the challenger's rate minus the champion's (-1 .. 1), None when an arm had no request.
    """

    verdict: str
    reason: str
    log_evidence: float
    excess: float | None


@dataclass(frozen=True)
class EventsGuard:
    """Fails a challenger at evidence of 1 / ``alpha`` and an excess of at least ``least`` bad events per request."""

    alpha: float = 0.01
    least: float = 0.005

    def judge(self, steps: Sequence[Step], events: Sequence[Step] | None = None) -> EventsVerdict:
        """Judge all steps of a trial so far; a challenger that is not worse ever fails with probability <= ``alpha``.

        ``events`` are the same bad events by the probability that each was the challenger's, where that is known better
        than by the steps' shares.
        The excess is the mean of the steps' excesses, each weighted by the challenger's requests in it, so that a base
        rate that changed between steps does not count as a difference. Raises as ``log_evidence_of``.
        """
        found, needed = log_evidence_of(steps if events is None else events), -math.log(self.alpha)
        excess = excess_of(steps)
        if excess is None:
            reason = "one version has no requests yet"
        else:
            evidence = f"evidence {math.exp(min(found, 700)):.3g} of {1 / self.alpha:.3g} required"
            reason = f"{excess:+.2%} bad events per request (threshold {self.least:.2%}); {evidence}"
        fails = excess is not None and excess >= self.least and found >= needed
        return EventsVerdict(FAIL if fails else INCONCLUSIVE, reason, found, excess)


def excess_of(steps: Iterable[Step]) -> float | None:
    """Return the mean of the steps' excesses, weighted by the challenger's requests; None if no step has both arms."""
    excesses = [(one.challenger_requests, one.excess) for one in steps if one.excess is not None]
    total = sum(requests for requests, _ in excesses)
    return math.fsum(requests * excess for requests, excess in excesses) / total if total else None


@dataclass(frozen=True)
class Moments:
    """One arm's losses: how many rows, their mean, and the variance of that mean (in squared units of the loss).

    When callers, not requests, are assigned an arm, a caller's rows form a cluster: use ``of_clusters``, and ``rows``
    counts callers. ``merged`` is for independent rows.
    """

    rows: int
    mean: float
    variance: float

    @classmethod
    def of(cls, rows: int, total: float, squares: float) -> "Moments":
        """Return the moments of independent rows from their number, sum and sum of squares.

        mean = sum / n, variance = (squares - sum^2 / n) / (n - 1) / n; 0 for fewer than two rows. Rounding is as
        large as 1e-16 of mean^2 / n.
        """
        if rows < 1:
            return cls(0, 0.0, 0.0)
        mean = total / rows
        spread = max(0.0, squares - total * mean) if math.isfinite(squares) else math.nan
        return cls(rows, mean, spread / (rows - 1) / rows if rows > 1 else 0.0)

    @classmethod
    def of_clusters(
        cls, clusters: int, rows: int, total: float, squares: float, products: float, sizes: float
    ) -> "Moments":
        """Return the moments of rows in clusters, each with m rows whose losses add up to s.

        mean = sum s / sum m; variance = K / (K - 1) sum (s - mean m)^2 / (sum m)^2 over the K ``clusters``, the
        cluster-robust one of a ratio (Cochran 1977, 6.3). ``rows`` is sum m, ``total`` sum s, ``squares`` sum s^2,
        ``products`` sum s m and ``sizes`` sum m^2. A cluster is all rows of a caller since the trial began.
        """
        if clusters < 1 or rows < 1:
            return cls(0, 0.0, 0.0)
        mean = total / rows
        spread = squares - 2 * mean * products + mean**2 * sizes
        spread = max(0.0, spread) if math.isfinite(spread) else math.nan
        return cls(clusters, mean, spread * clusters / (clusters - 1) / rows**2 if clusters > 1 else 0.0)

    def merged(self, other: "Moments") -> "Moments":
        """Return the moments of both sets of rows together; the order does not matter (Chan et al. 1979)."""
        rows = self.rows + other.rows
        if not self.rows or not other.rows:
            return self if self.rows else other
        apart = other.mean - self.mean
        mean = self.mean + apart * other.rows / rows
        squares = self.squared_deviations + other.squared_deviations + apart**2 * self.rows * other.rows / rows
        return Moments(rows, mean, squares / (rows - 1) / rows)

    @property
    def row_variance(self) -> float:
        """Variance of a row; for clusters, what it would be if their rows were independent."""
        return self.rows * self.variance

    @property
    def squared_deviations(self) -> float:
        """Sum of the rows' squared deviations from their mean."""
        return self.row_variance * (self.rows - 1)


Stratum: TypeAlias = tuple[Moments, Moments]
"""The challenger's and the champion's moments of a time in which the share of the requests was constant."""


@dataclass(frozen=True)
class Interval:
    """The challenger's mean minus the champion's, and its interval, which is valid at any time."""

    estimate: float
    lower: float
    upper: float


def too_little(challenger: Moments, champion: Moments, fewest: int = FEWEST_ROWS) -> str | None:
    """Return why there is no interval yet; None if there is one."""
    numbers = (challenger.mean, challenger.variance, champion.mean, champion.variance)
    if not all(math.isfinite(number) for number in numbers):
        return "a loss is not finite"
    if min(challenger.rows, champion.rows) < max(2, fewest):
        rows = f"{challenger.rows} rows of the challenger and {champion.rows} of the champion"
        return f"{rows}, but {max(2, fewest)} of each are required"
    if max(challenger.variance, champion.variance) <= 0:
        return "the losses of both versions have no variance, so there is no interval"
    return None


def difference(
    challenger: Moments, champion: Moments, *, planned: int, alpha: float = 0.05, fewest: int = FEWEST_ROWS
) -> Interval | None:
    """Return the confidence sequence of the mean difference: ``difference_of`` one stratum."""
    return difference_of([(challenger, champion)], planned=planned, alpha=alpha, fewest=fewest)


def difference_of(
    strata: Iterable[Stratum], *, planned: int, alpha: float = 0.05, fewest: int = FEWEST_ROWS
) -> Interval | None:
    """Return the confidence sequence of the mean difference; None when ``too_little`` has a reason.

    half-width = sqrt(V) sqrt(2 (n rho^2 + 1) / (n^2 rho^2) log(sqrt(n rho^2 + 1) / alpha)), n the rows of both arms,
    V = n (variance of the one mean + of the other), rho^2 = (-2 log alpha + log(1 - 2 log alpha)) / planned, by
    which the interval is tightest at ``planned`` rows of both arms: fix it before the first judgement. A plan ten times
    off costs width, not validity. From ``fewest`` rows per arm on, the probability that the interval ever misses the
    true difference tends to at most alpha. Source: Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas,
    "Time-uniform central limit theory and asymptotic confidence sequences", Theorem 2.2.

    Why V: the theorem is for the mean of one sequence. A request with arm Z (1 for the challenger, with probability
    p) and loss Y counts as f = m1 - m0 + Z (Y - m1) / p - (1 - Z) (Y - m0) / (1 - p), the paper's AIPW form of
    a randomised experiment with no covariates, m1 and m0 the arms' means. With p = n1 / n the mean of f is
    m1 - m0, and its variance s1^2 / p + s0^2 / (1 - p) = n (s1^2 / n1 + s0^2 / n0) = V.

    A stratum is a time in which the share was constant. If the share grows while losses change, the arms' plain means
    differ for that reason alone; f uses each stratum's p, m1 and m0, so that differences and V / n are those of the
    strata, weighted by their parts of the rows, n_k / n and its square. A stratum without rows of both arms is ignored.

    An arm's variance is at least that of the rows of both arms together: otherwise the interval of a small arm that has
    not had one of its rare large losses yet would be too narrow. Raises ValueError unless 0 < alpha < 1 and
    planned >= 1.
    """
    if not 0 < alpha < 1 or planned < 1:
        message = f"alpha {alpha:g} must be between 0 and 1, and the planned rows, {planned}, at least 1"
        raise ValueError(message)
    usable = _with_both_arms(strata)
    if too_little(*_merged(usable), fewest):
        return None
    rows = sum(one.rows + other.rows for one, other in usable)
    parts = [((one.rows + other.rows) / rows, one, other) for one, other in usable]
    estimate = math.fsum(part * (one.mean - other.mean) for part, one, other in parts)
    variance = math.fsum(part**2 * _variance(one, other) for part, one, other in parts)
    scaled = rows * (-2 * math.log(alpha) + math.log1p(-2 * math.log(alpha))) / planned
    half = math.sqrt(variance * 2 * (scaled + 1) / scaled * math.log(math.sqrt(scaled + 1) / alpha))
    return Interval(estimate, estimate - half, estimate + half)


def _with_both_arms(strata: Iterable[Stratum]) -> list[Stratum]:
    return [(one, other) for one, other in strata if one.rows and other.rows]


def _merged(strata: Iterable[Stratum]) -> Stratum:
    whole = (Moments.of(0, 0.0, 0.0), Moments.of(0, 0.0, 0.0))
    for one, other in strata:
        whole = (whole[0].merged(one), whole[1].merged(other))
    return whole


def _variance(challenger: Moments, champion: Moments) -> float:
    """Return the variance of the difference of two means; each arm's row variance is at least the pooled one."""
    arms = (challenger, champion)
    pooled = math.fsum(one.rows * one.row_variance for one in arms) / sum(one.rows for one in arms)
    return math.fsum(max(one.row_variance, pooled) / one.rows for one in arms)


@dataclass(frozen=True)
class QualityVerdict:
    """Whether the challenger's loss is higher than the champion's: PASS, FAIL or INCONCLUSIVE, with its interval."""

    verdict: str
    reason: str
    interval: Interval | None


def judge_quality(
    challenger: Moments,
    champion: Moments,
    *,
    planned: int,
    tolerance: float = 0.0,
    alpha: float = 0.05,
    fewest: int = FEWEST_ROWS,
) -> QualityVerdict:
    """Judge losses at any time, for a constant share: ``judge_quality_of`` one stratum."""
    pair = (challenger, champion)
    return judge_quality_of([pair], planned=planned, tolerance=tolerance, alpha=alpha, fewest=fewest)


def judge_quality_of(
    strata: Iterable[Stratum],
    *,
    planned: int,
    tolerance: float = 0.0,
    alpha: float = 0.05,
    fewest: int = FEWEST_ROWS,
) -> QualityVerdict:
    """Judge losses at any time: FAIL if worse than the champion by over ``tolerance``, PASS if non-inferior.

    FAIL when the interval's lower end > tolerance, PASS when its upper end < tolerance, else
    INCONCLUSIVE. Arguments and errors as of ``difference_of``.
    """
    strata = list(strata)
    interval = difference_of(strata, planned=planned, alpha=alpha, fewest=fewest)
    if interval is None:
        why = too_little(*_merged(strata), fewest) or too_little(*_merged(_with_both_arms(strata)), fewest)
        return QualityVerdict(INCONCLUSIVE, why or "", None)
    challenger, champion = _merged(_with_both_arms(strata))
    verdict = INCONCLUSIVE
    if interval.lower > tolerance:
        verdict = FAIL
    elif interval.upper < tolerance:
        verdict = PASS
    span = f"{interval.lower:+.5f} to {interval.upper:+.5f}"
    rows = f"{challenger.rows} and {champion.rows} rows"
    reason = f"loss {interval.estimate:+.5f} per row (interval {span}, tolerance {tolerance:g}, {rows})"
    return QualityVerdict(verdict, reason, interval)
