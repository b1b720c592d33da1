"""Tests of a challenger against a champion that may be looked at after every request, and ended at any look.

Two kinds: bad events (errors, slow answers), which are counted, by an e-process whose level is exact; and
losses, which have a mean, by an asymptotic confidence sequence. No rows, no clock, no traffic: counts in,
verdicts out. Only ``math`` is imported, for the gateway and a sensor load this.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

PASS, FAIL, INCONCLUSIVE = "pass", "fail", "inconclusive"

FEWEST_ROWS = 100
"""Rows that each arm must have before an interval is told: a mean of fewer skewed losses is not yet normal."""


def _prior() -> tuple[tuple[float, float], ...]:
    """Return (r, weight) of the mixture over the relative risk: a half around 2, the rest even up to 1000.

    The points are evenly spaced in log r from 1.2, 24 of them, so that no r is further than 16 % from one.
    """
    logs = [math.log(1.2) + k * math.log(1000 / 1.2) / 23 for k in range(24)]
    around = [math.exp(-0.5 * ((x - math.log(2)) / 0.35) ** 2) for x in logs]
    weights = [0.5 * one / math.fsum(around) + 0.5 / len(logs) for one in around]
    return tuple((math.exp(x), weight) for x, weight in zip(logs, weights, strict=True))


_PRIOR = _prior()


@dataclass(frozen=True)
class Step:
    """Bad events and requests of both arms while the challenger's share of the requests stayed the same.

    Events belong to the step in which their request was assigned an arm.
    """

    share: float
    challenger: int
    champion: int
    challenger_requests: int = 0
    champion_requests: int = 0

    @property
    def excess(self) -> float | None:
        """The challenger's rate of bad events less the champion's; None unless both had a request."""
        if not self.challenger_requests or not self.champion_requests:
            return None
        return self.challenger / self.challenger_requests - self.champion / self.champion_requests


def log_evidence(challenger: int, champion: int, share: float) -> float:
    """Return log E (nats) after so many bad events of each arm: ``log_evidence_of`` one step."""
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
    told = list(steps)
    for one in told:
        _check(one)
    logs = [
        math.log(weight)
        + math.fsum(
            one.challenger * math.log(r) - (one.challenger + one.champion) * math.log1p(one.share * (r - 1))
            for one in told
        )
        for r, weight in _PRIOR
    ]
    top = max(logs)
    return top + math.log(math.fsum(math.exp(one - top) for one in logs))


def _check(step: Step) -> None:
    if not 0 < step.share < 1:
        message = f"a share of {step.share:g} is not between 0 and 1"
        raise ValueError(message)
    if min(step.challenger, step.champion) < 0:
        message = f"{step.challenger} and {step.champion} bad events: counts are never negative"
        raise ValueError(message)


@dataclass(frozen=True)
class EventsVerdict:
    """Whether the challenger has too many bad events: FAIL or INCONCLUSIVE; that it has few enough no test says.

    ``excess`` is the challenger's rate less the champion's (0 .. 1), None where an arm had no request.
    """

    verdict: str
    reason: str
    log_evidence: float
    excess: float | None


@dataclass(frozen=True)
class EventsGuard:
    """What fails a challenger: evidence of 1 / ``alpha`` and an excess of at least ``least`` bad events a request."""

    alpha: float = 0.01
    least: float = 0.005

    def judge(self, steps: Sequence[Step]) -> EventsVerdict:
        """Judge all steps of a trial so far; the chance that a challenger no worse ever fails is at most ``alpha``.

        The excess is the mean of the steps' excesses, each weighed by the challenger's requests in it, so that a
        base rate that moved between steps is not taken for a difference. Raises as ``log_evidence_of``.
        """
        found, needed = log_evidence_of(steps), -math.log(self.alpha)
        excess = _excess(steps)
        if excess is None:
            reason = "an arm has no request yet"
        else:
            evidence = f"evidence {math.exp(min(found, 700)):.3g} of {1 / self.alpha:.3g} needed"
            reason = f"{excess:+.2%} bad events a request, {self.least:.2%} matter; {evidence}"
        fails = excess is not None and excess >= self.least and found >= needed
        return EventsVerdict(FAIL if fails else INCONCLUSIVE, reason, found, excess)


def _excess(steps: Iterable[Step]) -> float | None:
    told = [(one.challenger_requests, one.excess) for one in steps if one.excess is not None]
    total = sum(requests for requests, _ in told)
    return math.fsum(requests * excess for requests, excess in told) / total if total else None


@dataclass(frozen=True)
class Moments:
    """One arm's losses: how many rows, their mean, and the variance of that mean (in squared units of the loss).

    Where callers, not requests, are assigned an arm, their rows go together: then ``of_clusters``, and ``rows``
    counts callers. ``merged`` is for rows that are independent.
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
        """Return the moments of rows that go together in clusters, each with m rows whose losses add up to s.

        mean = sum s / sum m; variance = K / (K - 1) sum (s - mean m)^2 / (sum m)^2 over the K ``clusters``, the
        cluster-robust one of a ratio (Cochran 1977, 6.3). ``rows`` is sum m, ``total`` sum s, ``squares`` sum s^2,
        ``products`` sum s m and ``sizes`` sum m^2. A cluster is all that a caller did since the trial began.
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
        """Variance of a row, or what it would be if rows that go together were independent."""
        return self.rows * self.variance

    @property
    def squared_deviations(self) -> float:
        """Sum of the rows' squared deviations from their mean."""
        return self.row_variance * (self.rows - 1)


Stratum: TypeAlias = tuple[Moments, Moments]
"""The challenger's and the champion's moments of a time in which the share of the requests stayed the same."""


@dataclass(frozen=True)
class Interval:
    """The challenger's mean less the champion's, and the interval that covers it at all looks at once."""

    estimate: float
    lower: float
    upper: float


def too_little(challenger: Moments, champion: Moments, fewest: int = FEWEST_ROWS) -> str | None:
    """Return why no interval can be told yet; None if one can."""
    numbers = (challenger.mean, challenger.variance, champion.mean, champion.variance)
    if not all(math.isfinite(number) for number in numbers):
        return "a loss is no finite number"
    if min(challenger.rows, champion.rows) < max(2, fewest):
        arms = f"{challenger.rows} rows of the challenger and {champion.rows} of the champion"
        return f"{arms}, of {max(2, fewest)} each that an interval takes"
    if max(challenger.variance, champion.variance) <= 0:
        return "every loss of either version is the same: there is nothing to measure a difference by"
    return None


def difference(
    challenger: Moments, champion: Moments, *, planned: int, alpha: float = 0.05, fewest: int = FEWEST_ROWS
) -> Interval | None:
    """Return the confidence sequence of the mean difference at this look: ``difference_of`` one stratum."""
    return difference_of([(challenger, champion)], planned=planned, alpha=alpha, fewest=fewest)


def difference_of(
    strata: Iterable[Stratum], *, planned: int, alpha: float = 0.05, fewest: int = FEWEST_ROWS
) -> Interval | None:
    """Return the confidence sequence of the mean difference at this look; None where ``too_little`` says why.

    half-width = sqrt(V) sqrt(2 (n rho^2 + 1) / (n^2 rho^2) log(sqrt(n rho^2 + 1) / alpha)), n the rows of both arms,
    V = n (variance of the one mean + of the other), rho^2 = (-2 log alpha + log(1 - 2 log alpha)) / planned, by
    which the interval is tightest at ``planned`` rows of both arms: to be fixed before the first look. A plan ten
    times off costs width, not validity. Over all looks, from ``fewest`` rows an arm on, the interval misses the truth
    ever with a probability that tends to at most alpha. Source: Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas,
    "Time-uniform central limit theory and asymptotic confidence sequences", Theorem 2.2.

    Why V: the theorem is for the mean of one sequence. A request with arm Z (1 for the challenger, with probability
    p) and loss Y counts as f = m1 - m0 + Z (Y - m1) / p - (1 - Z) (Y - m0) / (1 - p), the paper's AIPW form of
    a randomised experiment with no covariates, m1 and m0 the arms' means. With p = n1 / n the mean of f is
    m1 - m0, and its variance s1^2 / p + s0^2 / (1 - p) = n (s1^2 / n1 + s0^2 / n0) = V.

    A stratum is a time in which the share stayed the same. With a share that grows while losses move, the arms' plain
    means lie apart for no other reason; f has each stratum's own p, m1 and m0, so that differences and V / n are
    the strata's, weighed by their parts of the rows, n_k / n and its square. A stratum without an arm is left out.

    An arm's variance is taken as no less than that of the rows of both arms together: a small arm that has not yet
    had one of its rare large losses would otherwise look certain. Raises ValueError unless 0 < alpha < 1 and
    planned >= 1.
    """
    if not 0 < alpha < 1 or planned < 1:
        message = f"alpha {alpha:g} must be between 0 and 1, and the planned rows, {planned}, at least 1"
        raise ValueError(message)
    told = _with_both_arms(strata)
    if too_little(*_merged(told), fewest):
        return None
    rows = sum(one.rows + other.rows for one, other in told)
    parts = [((one.rows + other.rows) / rows, one, other) for one, other in told]
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
    """Return the variance of the difference of two means, no arm's rows varying less than both arms' do."""
    arms = (challenger, champion)
    pooled = math.fsum(one.rows * one.row_variance for one in arms) / sum(one.rows for one in arms)
    return math.fsum(max(one.row_variance, pooled) / one.rows for one in arms)


@dataclass(frozen=True)
class QualityVerdict:
    """Whether the challenger loses more than the champion: PASS, FAIL or INCONCLUSIVE, with what it rests on."""

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
    """Judge losses at any look, the share being what it always was: ``judge_quality_of`` one stratum."""
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
    """Judge losses at any look: FAIL if worse than the champion by more than ``tolerance``, PASS if surely by less.

    FAIL when the interval's lower end > tolerance, PASS when its upper end < tolerance (non-inferior), else
    INCONCLUSIVE. Arguments and errors as of ``difference_of``.
    """
    told = list(strata)
    interval = difference_of(told, planned=planned, alpha=alpha, fewest=fewest)
    if interval is None:
        why = too_little(*_merged(told), fewest) or too_little(*_merged(_with_both_arms(told)), fewest)
        return QualityVerdict(INCONCLUSIVE, why or "", None)
    challenger, champion = _merged(_with_both_arms(told))
    verdict = INCONCLUSIVE
    if interval.lower > tolerance:
        verdict = FAIL
    elif interval.upper < tolerance:
        verdict = PASS
    span = f"{interval.lower:+.5f} to {interval.upper:+.5f}"
    rows = f"{challenger.rows} and {champion.rows} rows"
    reason = f"loss {interval.estimate:+.5f} a row, {span} at all looks, tolerance {tolerance:g}, {rows}"
    return QualityVerdict(verdict, reason, interval)
