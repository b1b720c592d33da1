"""Distances between two profiles with the same bins, each with its formula and source.

No rows or thresholds here: ``fixed_thresholds.py`` judges. The statistics raise SchemaError for profiles with
different bins. For any data (no rows, all null, a constant, one row, new categories) they return a number, or None
with the reason; never NaN. "Cells" are the bins between the reference's deciles for a
numeric column; the categories, new ones too; or the buckets of a text's words.
"""

import math
from collections.abc import Container, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from modelops_pipelines.core.profiles.profile import ColumnBins, Floats, Kind, Profile, merge, require_same_bins

MINIMUM_SPREAD = 0.001  # Evidently's floor under the standard deviation that norms the Wasserstein distance
MINIMUM_SHARE = 1e-4  # Evidently's share for an empty cell, unless the side has a smaller one
ALL_KINDS: tuple[Kind, ...] = ("numeric", "categorical", "text")


@dataclass(frozen=True)
class Statistic:
    """A number, or None and the reason. The true value is in ``value .. value + bound``."""

    value: float | None
    reason: str | None = None
    bound: float = 0.0


def psi(current: Profile, reference: Profile) -> Statistic:
    """Sum (p - q) ln(p / q) over the cells, 0 or more: the population stability index, in nats.

    Symmetric in its sides (Siddiqi, Credit Risk Scorecards, 2006). An empty cell counts as 1e-4, or as a
    millionth of the side's least share if that is no more (Evidently).
    """
    if reason := _undefined(current, reference):
        return Statistic(None, reason)
    p, q = (_filled(cells / cells.sum()) for cells in _cells(current, reference))
    return Statistic(float(np.sum((p - q) * np.log(p / q))))


def jensen_shannon(current: Profile, reference: Profile) -> Statistic:
    """Jensen-Shannon distance over the cells, 0 .. sqrt(ln 2), symmetric in its sides.

    The root of the divergence (KL(p | m) + KL(q | m)) / 2 in nats, m = (p + q) / 2 (Lin 1991; the root is a
    metric: Endres and Schindelin 2003).
    """
    if reason := _undefined(current, reference):
        return Statistic(None, reason)
    p, q = (cells / cells.sum() for cells in _cells(current, reference))
    middle = (p + q) / 2
    divergence = (_relative_entropy(p, middle) + _relative_entropy(q, middle)) / 2
    return Statistic(math.sqrt(max(0.0, divergence)))


def kolmogorov_smirnov(current: Profile, reference: Profile) -> Statistic:
    """Greatest distance of a numeric column's two distribution functions, sup |F - G|, 0 .. 1 (Smirnov 1939).

    ``value`` is the greatest at an edge. Inside a bin F and G stay between their values at its edges; that
    gives ``bound``. A bin with only one float has no inside.
    """
    if reason := _undefined(current, reference, {"numeric"}):
        return Statistic(None, reason)
    f, g = (np.cumsum(p.counts) / p.present for p in (current, reference))
    before_f, before_g = (np.append(0.0, steps[:-1]) for steps in (f, g))
    apart = float(np.max(np.abs(f - g)))
    inside = ~atoms(reference.bins)
    furthest = float(np.max(np.maximum(f - before_g, g - before_f), where=inside, initial=0.0))
    return Statistic(apart, bound=max(0.0, furthest - apart))


def wasserstein(current: Profile, reference: Profile) -> Statistic:
    """Earth mover's distance of a numeric column, in standard deviations of the reference (0.001 at least).

    It is the integral of |F - G| (Vallender 1974), 0 or more: the sum over bins of |integral of F - G|, where
    the sums in a bin give its integral exactly, open tails too: over (l, r] the integral of F is F(l) (r - l) +
    sum of (r - x) / n. It is too low only when F - G changes its sign inside a bin: with 50 to 50,000 values
    per side by up to 0.004 for a normal column, and by up to 0.02 for a log-normal one, whose last bins are wide.
    """
    if reason := _undefined(current, reference, {"numeric"}):
        return Statistic(None, reason)
    difference = _integrals(current) - _integrals(reference)
    spread = max(reference.std or 0.0, MINIMUM_SPREAD)
    return Statistic(float(np.sum(np.abs(difference))) / spread)


def chi_square(current: Profile, reference: Profile) -> Statistic:
    """P-value (0 .. 1) of Pearson's test (1900) that the current cells follow the reference's shares.

    Q((k - 1) / 2, sum (observed - expected)^2 / expected / 2) of k cells, Q the regularised upper incomplete
    gamma function. The reference is taken as exact: expected = reference scaled to the current count, as
    ``scipy.stats.chisquare``. A cell that the reference lacks gives 0; a single cell on both sides gives 1.
    Not for text, whose words are not independent.
    """
    if reason := _undefined(current, reference, {"numeric", "categorical"}):
        return Statistic(None, reason)
    from scipy.special import gammaincc

    observed, cells = _cells(current, reference)
    expected = cells * (observed.sum() / cells.sum())
    if len(cells) == 1 or not expected.all():
        return Statistic(1.0 if len(cells) == 1 else 0.0)
    statistic = np.sum((observed - expected) ** 2 / expected)
    return Statistic(float(gammaincc((len(cells) - 1) / 2, statistic / 2)))


def two_proportion_z(current: Profile, reference: Profile) -> Statistic:
    """P-value (0 .. 1) of the two-sided test that both sides hold the first of two categories equally often.

    z = (p - q) / sqrt(r (1 - r) (1 / n + 1 / m)) with the pooled share r; p-value = erfc(|z| / sqrt 2) (Fleiss,
    Statistical Methods for Rates and Proportions). Symmetric in its sides and in the two categories. One
    category on both sides gives 1; with three or more there is no value.
    """
    if reason := _undefined(current, reference, {"numeric", "categorical"}):
        return Statistic(None, reason)
    observed, cells = _cells(current, reference)
    if len(cells) == 1:
        return Statistic(1.0)
    if len(cells) != 2:  # noqa: PLR2004 -- the test's own name
        return Statistic(None, f"{len(cells)} categories, but the test is for two")
    n, m = observed.sum(), cells.sum()
    pooled = (observed[0] + cells[0]) / (n + m)
    z = (observed[0] / n - cells[0] / m) / math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    return Statistic(math.erfc(abs(z) / math.sqrt(2)))


def missing_shift(current: Profile, reference: Profile) -> Statistic:
    """Share of missing values (null or infinite) minus that of the reference, -1 .. 1."""
    require_same_bins(current, reference)
    now, then = missing_share(current), missing_share(reference)
    if now is None or then is None:
        return Statistic(None, f"no rows: {current.n} current, {reference.n} of the reference")
    return Statistic(now - then)


def words_by_chance(current: Profile, reference: Profile) -> float:
    """Return the approximate expectation of ``jensen_shannon`` squared for n and m words of equal distribution.

    (k - 1) (1 / n + 1 / m) / 8 nats with k cells: the divergence is chi-square over 8 to first order. The true value is
    lower when most words are rare, and higher when the words of a text are correlated.
    """
    observed, cells = _cells(current, reference)
    return float((len(cells) - 1) * (1 / observed.sum() + 1 / cells.sum()) / 8)


def missing_share(p: Profile | None) -> float | None:
    """Share of rows that are null or infinite, 0 .. 1; None without rows."""
    return p.missing / p.n if p and p.n else None


def atoms(bins: ColumnBins) -> npt.NDArray[np.bool_]:
    """Whether each of a numeric column's bins, of shape (k,), contains only one float."""
    edges = np.asarray(bins.edges)
    return np.asarray(np.append(-np.inf, edges) >= np.nextafter(np.append(edges, np.inf), -np.inf))


def _undefined(current: Profile, reference: Profile, kinds: Container[Kind] = ALL_KINDS) -> str | None:
    """Return why there is no statistic of the distribution, or None."""
    require_same_bins(current, reference)
    bins = reference.bins
    if bins.kind not in kinds:
        return f"the statistic is not defined for column {bins.name!r}, which is {bins.kind}"
    if not (current.present and reference.present):
        sides = (f"{p.n} rows, {p.missing} of them missing" for p in (current, reference))
        return "no values to compare: " + " against ".join(sides)
    if bins.kind == "numeric" and not bins.edges:
        return f"the bins of {bins.name!r} were fitted without values"
    return None


def _cells(current: Profile, reference: Profile) -> tuple[Floats, Floats]:
    """Count the cells on both sides, of shape (k,), without those that are empty on both."""
    bins = reference.bins
    if bins.kind == "numeric":
        starts = np.append(0, np.searchsorted(bins.edges, bins.deciles) + 1)
        a, b = (np.add.reduceat(np.asarray(p.counts, np.float64), starts) for p in (current, reference))
    elif bins.kind == "text":
        a, b = (np.asarray(p.counts, np.float64) for p in (current, reference))
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
