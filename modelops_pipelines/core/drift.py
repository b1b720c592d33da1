"""How far two profiles of the same bins lie apart, and whether that is drift by fixed thresholds.

Nothing here sees rows. Other methods join ``judge_fixed`` as functions: profiles in, ``ColumnVerdict`` out.

The statistics raise SchemaError for profiles of different bins. For anything that the data may hold (no rows,
all null, a constant, one row, unseen categories) they give a number, or None with the reason; never NaN.
"Cells" are the bins between the reference's deciles for a numeric column, else the categories, new ones too.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from modelops_pipelines.core.profiles import Floats, Kind, Profile, merge, require_same_bins

MINIMUM_SPREAD = 0.001  # Evidently's floor under the standard deviation that norms the Wasserstein distance
MINIMUM_SHARE = 1e-4  # Evidently's share for an empty cell, unless the side has a smaller one


@dataclass(frozen=True)
class Statistic:
    """A number, or None and why there is none. The true value lies in ``value .. value + bound``."""

    value: float | None
    reason: str | None = None
    bound: float = 0.0


@dataclass(frozen=True)
class ColumnVerdict:
    """What one column's profiles say.

    ``drifted`` is None when there is too little to judge by, and ``reason`` says what was missing; it also
    says why a column drifted. ``n`` counts rows; ``missing`` is the share of them that are null or infinite.
    """

    column: str
    kind: Kind
    statistic: str
    value: float | None
    threshold: float
    drifted: bool | None
    n: int
    n_reference: int
    missing: float | None
    missing_reference: float | None
    reason: str | None


@dataclass(frozen=True)
class _Limits:
    minimum: int
    numeric: float
    categorical: float
    missing: float


def psi(current: Profile, reference: Profile) -> Statistic:
    """Sum (p - q) ln(p / q) over the cells: the population stability index, in nats.

    An empty cell counts as 1e-4, or a millionth of the side's least share if that is no more (Evidently).
    """
    if reason := _undefined(current, reference):
        return Statistic(None, reason)
    p, q = (_filled(cells / cells.sum()) for cells in _cells(current, reference))
    return Statistic(float(np.sum((p - q) * np.log(p / q))))


def jensen_shannon(current: Profile, reference: Profile) -> Statistic:
    """Jensen-Shannon distance over the cells, 0 .. sqrt(ln 2): root of the divergence in nats."""
    if reason := _undefined(current, reference):
        return Statistic(None, reason)
    p, q = (cells / cells.sum() for cells in _cells(current, reference))
    middle = (p + q) / 2
    divergence = (_relative_entropy(p, middle) + _relative_entropy(q, middle)) / 2
    return Statistic(math.sqrt(max(0.0, divergence)))


def kolmogorov_smirnov(current: Profile, reference: Profile) -> Statistic:
    """Greatest distance of a numeric column's two distribution functions, 0 .. 1.

    ``value`` is the greatest at an edge. Inside a bin F and G stay between their values at its edges; that
    gives ``bound``. A bin that holds one float has no inside.
    """
    if reason := _undefined(current, reference, numeric=True):
        return Statistic(None, reason)
    f, g = (np.cumsum(p.counts) / p.present for p in (current, reference))
    before_f, before_g = (np.append(0.0, steps[:-1]) for steps in (f, g))
    edges = np.asarray(reference.bins.edges)
    inside = np.append(-np.inf, edges) < np.nextafter(np.append(edges, np.inf), -np.inf)
    apart = float(np.max(np.abs(f - g)))
    furthest = float(np.max(np.maximum(f - before_g, g - before_f), where=inside, initial=0.0))
    return Statistic(apart, bound=max(0.0, furthest - apart))


def wasserstein(current: Profile, reference: Profile) -> Statistic:
    """Earth mover's distance of a numeric column, in standard deviations of the reference (0.001 at least).

    The sum over bins of |integral of F - G|, where the sums in a bin give its integral exactly, open
    tails too: over (l, r] the integral of F is F(l) (r - l) + sum of (r - x) / n. Below the truth only where
    F - G changes its sign inside a bin.
    """
    if reason := _undefined(current, reference, numeric=True):
        return Statistic(None, reason)
    difference = _integrals(current) - _integrals(reference)
    spread = max(reference.std or 0.0, MINIMUM_SPREAD)
    return Statistic(float(np.sum(np.abs(difference))) / spread)


def chi_square(current: Profile, reference: Profile) -> Statistic:
    """P-value (0 .. 1) of Pearson's test that the current cells follow the reference's shares.

    The reference is taken as exact: expected = reference scaled to the current count, as
    ``scipy.stats.chisquare``. A cell that the reference lacks gives 0; a single cell on both sides gives 1.
    """
    if reason := _undefined(current, reference):
        return Statistic(None, reason)
    observed, cells = _cells(current, reference)
    expected = cells * (observed.sum() / cells.sum())
    if not expected.all():
        return Statistic(0.0)
    return Statistic(chi_square_tail(float(np.sum((observed - expected) ** 2 / expected)), len(cells) - 1))


def missing_shift(current: Profile, reference: Profile) -> Statistic:
    """Share of missing values (null or infinite) now less that of the reference, -1 .. 1."""
    require_same_bins(current, reference)
    now, then = _missing_share(current), _missing_share(reference)
    if now is None or then is None:
        return Statistic(None, f"no rows: {current.n} current, {reference.n} of the reference")
    return Statistic(now - then)


def judge_fixed(
    current: Mapping[str, Profile],
    reference: Mapping[str, Profile],
    *,
    minimum: int = 500,
    numeric_threshold: float = 0.1,
    categorical_threshold: float = 0.1,
    missing_threshold: float = 0.05,
) -> list[ColumnVerdict]:
    """Judge every column of either side, by name: ``wasserstein``, or ``jensen_shannon`` if categorical.

    A column drifted when its statistic reaches its threshold, or its missing share moved by more than
    ``missing_threshold``. With under ``minimum`` rows on a side nothing is judged; with under ``minimum``
    values present only the missing share is. Raises SchemaError for a column with two bins.
    """
    limits = _Limits(minimum, numeric_threshold, categorical_threshold, missing_threshold)
    kinds = sorted((name, either.bins.kind) for name, either in {**current, **reference}.items())
    return [_judge(name, kind, current.get(name), reference.get(name), limits) for name, kind in kinds]


def share_drifted(verdicts: Sequence[ColumnVerdict]) -> float | None:
    """Share of the judged columns that drifted, 0 .. 1; None when none could be judged."""
    judged = [verdict.drifted for verdict in verdicts if verdict.drifted is not None]
    return sum(judged) / len(judged) if judged else None


def chi_square_tail(statistic: float, degrees: int) -> float:
    """P(X >= statistic >= 0) of the chi-square distribution: Q(degrees / 2, statistic / 2).

    Q is the regularised upper incomplete gamma function, by its series or its continued fraction (Lentz),
    whichever converges (Press et al., Numerical Recipes, 3rd edition, section 6.2). Within 1e-10 of scipy.
    """
    a, x = degrees / 2, statistic / 2
    if x <= 0 or a == 0:
        return 1.0
    scale = math.exp(a * math.log(x) - x - math.lgamma(a))
    if x < a + 1:
        return max(0.0, 1 - scale * _lower_series(a, x))
    return min(1.0, scale * _upper_fraction(a, x))


def _lower_series(a: float, x: float) -> float:
    term = total = 1 / a
    while term > total * 1e-16:
        a += 1
        term *= x / a
        total += term
    return total


def _upper_fraction(a: float, x: float) -> float:
    b = x + 1 - a
    c, d = math.inf, 1 / b
    total = d
    for i in range(1, 10_000):
        numerator = i * (a - i)
        b += 2
        d = 1 / (b + numerator * d)
        c = b + numerator / c
        total *= c * d
        if math.isclose(c * d, 1, rel_tol=1e-15):
            break
    return total


def _undefined(current: Profile, reference: Profile, *, numeric: bool = False) -> str | None:
    """Why no statistic of the distribution exists, if so."""
    require_same_bins(current, reference)
    bins = reference.bins
    if numeric and bins.kind != "numeric":
        return f"column {bins.name!r} is categorical"
    if not (current.present and reference.present):
        sides = (f"{p.n} rows, {p.missing} of them missing" for p in (current, reference))
        return "no value to compare: " + " against ".join(sides)
    if bins.kind == "numeric" and not bins.edges:
        return f"the bins of {bins.name!r} were fitted on no value"
    return None


def _cells(current: Profile, reference: Profile) -> tuple[Floats, Floats]:
    """Count the cells on both sides, of shape (k,), without those that are empty on both."""
    bins = reference.bins
    if bins.kind == "numeric":
        starts = np.append(0, np.searchsorted(bins.edges, bins.deciles) + 1)
        a, b = (np.add.reduceat(np.asarray(p.counts, np.float64), starts) for p in (current, reference))
    else:
        new = merge(current, reference).new  # names whose count is exact on both sides
        a, b = (_categories(p, new) for p in (current, reference))
    filled = (a + b) > 0
    return a[filled], b[filled]


def _categories(p: Profile, new: Mapping[str, int]) -> Floats:
    named = [p.new.get(name, 0) for name in new]
    return np.asarray([*p.counts, *named, p.other - sum(named)], np.float64)


def _filled(shares: Floats) -> Floats:
    smallest = float(shares[shares > 0].min())
    empty = smallest / 1e6 if smallest <= MINIMUM_SHARE else MINIMUM_SHARE
    return np.where(shares == 0, empty, shares)


def _relative_entropy(p: Floats, q: Floats) -> float:
    return float(np.sum(p[p > 0] * np.log(p[p > 0] / q[p > 0])))


def _integrals(p: Profile) -> Floats:
    """Integrate F over each bin, the two tails first; over the upper one F - 1, the same in a difference."""
    counts, sums = (np.asarray(each) / p.present for each in (p.counts, p.sums))
    right = np.asarray(p.bins.edges) - p.bins.centre
    before = np.append(0.0, np.cumsum(counts)[:-1])
    inner = before[1:-1] * np.diff(right) + counts[1:-1] * right[1:] - sums[1:-1]
    tails = counts[[0, -1]] * right[[0, -1]] - sums[[0, -1]]
    return np.concatenate([tails, inner])


def _missing_share(p: Profile | None) -> float | None:
    return p.missing / p.n if p and p.n else None


def _judge(name: str, kind: Kind, current: Profile | None, reference: Profile | None, limits: _Limits) -> ColumnVerdict:
    threshold = limits.numeric if kind == "numeric" else limits.categorical
    statistic = wasserstein if kind == "numeric" else jensen_shannon
    if current and reference:
        found = statistic(current, reference)
        drifted, reason = _decide(current, reference, found, threshold, limits)
    else:
        found = Statistic(None, f"absent from the {'reference' if current else 'current'} side")
        drifted, reason = None, found.reason
    return ColumnVerdict(
        column=name,
        kind=kind,
        statistic=statistic.__name__,
        value=found.value,
        threshold=threshold,
        drifted=drifted,
        n=current.n if current else 0,
        n_reference=reference.n if reference else 0,
        missing=_missing_share(current),
        missing_reference=_missing_share(reference),
        reason=reason,
    )


def _decide(
    current: Profile, reference: Profile, found: Statistic, threshold: float, limits: _Limits
) -> tuple[bool | None, str | None]:
    """Whether the column drifted, and why (not); the missing share first, as it needs no values."""
    few = f"{limits.minimum} are needed on each side"
    if min(current.n, reference.n) < limits.minimum:
        return None, f"{current.n} rows against {reference.n} of the reference: {few}"
    shift = missing_shift(current, reference).value or 0.0
    if abs(shift) > limits.missing:
        return True, f"the missing share moved by {shift:+.4g}, more than {limits.missing:g}"
    if found.value is None:
        return None, found.reason
    if min(current.present, reference.present) < limits.minimum:
        return None, f"{current.present} values against {reference.present} of the reference: {few}"
    if found.value >= threshold:
        return True, f"the distance {found.value:.4g} reaches {threshold:g}"
    return False, None
