"""Evidently's default drift tests, computed from profiles: the same test and verdict for each column.

Taken from the source of Evidently 0.7.23 (``legacy/calculations/stattests``, ``legacy/calculations/data_drift``).
Like Evidently, it ignores missing values: nulls and infinities are dropped first.
"""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import ge, le, lt

import numpy as np

from modelops_pipelines.core.drift.distances import (
    Statistic,
    atoms,
    chi_square,
    jensen_shannon,
    kolmogorov_smirnov,
    missing_share,
    two_proportion_z,
    wasserstein,
)
from modelops_pipelines.core.drift.fixed_thresholds import ColumnVerdict
from modelops_pipelines.core.profiles.profile import ColumnBins, Profile, merge

SMALL = 1000
"""Values of the reference up to which Evidently tests; above it measures distances."""
FEW = 5
"""Distinct values up to which Evidently treats numbers as categories."""
EXACT = 10_000
"""Values per side up to which ``scipy.stats.ks_2samp`` computes exact p-values."""
TWO = 2
DISTANCE, LEVEL = 0.1, 0.05
ROUNDING = 1e-12
"""Share of a column's squares that is within the rounding error of its sums."""


def judge_evidently(current: Mapping[str, Profile], reference: Mapping[str, Profile]) -> list[ColumnVerdict]:
    """Judge every column of either side, by name, as Evidently's DataDriftPreset does by default.

    With n values present in the reference, and the distinct values of both sides together:

    - n <= 1000, numeric, more than 5 distinct: ``kolmogorov_smirnov_p`` <= 0.05;
    - n <= 1000, else: ``chi_square``, or ``two_proportion_z`` with at most 2 distinct, p-value < 0.05;
    - n > 1000, numeric, more than 5 distinct: ``wasserstein`` >= 0.1;
    - n > 1000, else: ``jensen_shannon`` >= 0.1 over the categories or distinct values.

    ``drifted`` is None when Evidently raises (a side without values, a missing column) and for text, which it judges by
    training a classifier on the texts. Close to a threshold a numeric verdict may differ, within the bounds in the
    statistics' docstrings. The kind is that of the profile; Evidently guesses it from each window unless it is set.
    Raises SchemaError for a column with two bins.
    """
    names = sorted({**current, **reference})
    return [_judge(name, current.get(name), reference.get(name)) for name in names]


def kolmogorov_smirnov_p(current: Profile, reference: Profile) -> Statistic:
    """P-value (0 .. 1) of the two-sided Kolmogorov-Smirnov test, exact up to 10,000 values per side (as scipy's).

    Profiles give the distance only within its bound: the true p-value is in ``value + bound .. value``,
    where ``bound`` is 0 or negative; ``value`` is within a tenth above it nine times in ten. Beyond 10,000 values it is
    Smirnov's asymptotic p-value (Simard and L'Ecuyer 2011). Raises SchemaError for profiles of different bins.
    """
    found = kolmogorov_smirnov(current, reference)
    if found.value is None:
        return found
    most = _ks_p(current, reference, found.value, (0, 0))
    if not found.bound:
        return Statistic(most)
    furthest = found.value + found.bound
    least = min(_ks_p(current, reference, furthest, shift) for shift in ((0, 1), (1, 0)))
    return Statistic(most, bound=min(0.0, least - most))


def as_categories(current: Profile, reference: Profile) -> tuple[Profile, Profile] | None:
    """Return both sides with one category per value if a numeric column has at most FEW values, else None.

    All bins have one value each when the values do not vary inside bins: their squares then equal those computed from
    the bins' sums. Two new values in one bin count as many values, so Evidently may differ there.
    """
    both = merge(current, reference)
    counts, sums = np.asarray(both.counts, np.float64), np.asarray(both.sums)
    held = np.flatnonzero(counts)
    within = both.squares - float(np.sum(sums[held] ** 2 / counts[held]))
    if len(held) > FEW or within > ROUNDING * both.squares:
        return None
    bins = ColumnBins(both.bins.name, "categorical", (), tuple(map(str, held)), 0.0)
    a, b = (Profile(bins, tuple(p.counts[i] for i in held), nulls=p.missing) for p in (current, reference))
    return a, b


@dataclass(frozen=True)
class _Test:
    """A statistic, its threshold, and the comparison that means drift."""

    statistic: Callable[[Profile, Profile], Statistic]
    threshold: float
    drifts: Callable[[float, float], bool]


_NUMBERS = {True: _Test(kolmogorov_smirnov_p, LEVEL, le), False: _Test(wasserstein, DISTANCE, ge)}
_TWO = {True: _Test(two_proportion_z, LEVEL, lt), False: _Test(jensen_shannon, DISTANCE, ge)}
_MORE = {True: _Test(chi_square, LEVEL, lt), False: _Test(jensen_shannon, DISTANCE, ge)}


def _judge(name: str, current: Profile | None, reference: Profile | None) -> ColumnVerdict:
    if current and reference:
        either: Profile | None = reference
        test, *sides = _choose(current, reference)
        found = _measured(test, *sides)
    else:
        either = current or reference
        test = _NUMBERS[False] if either and either.bins.kind == "numeric" else _MORE[False]
        found = Statistic(None, f"missing in the {'reference' if current else 'window'}")
    return ColumnVerdict(
        column=name,
        kind=either.bins.kind if either else "numeric",
        statistic=test.statistic.__name__,
        value=found.value,
        threshold=test.threshold,
        drifted=None if found.value is None else bool(test.drifts(found.value, test.threshold)),
        n=current.n if current else 0,
        n_reference=reference.n if reference else 0,
        missing=missing_share(current),
        missing_reference=missing_share(reference),
        reason=found.reason or _describe_uncertainty(test, found),
    )


def _choose(current: Profile, reference: Profile) -> tuple[_Test, Profile, Profile]:
    """Return Evidently's default test, and the two sides as its inputs."""
    small = reference.present <= SMALL
    sides: tuple[Profile, Profile] | None = (current, reference)
    if reference.bins.kind == "numeric":
        sides = as_categories(current, reference)
    if sides is None:
        return _NUMBERS[small], current, reference
    tests = _MORE if _categories(*sides) > TWO else _TWO
    return tests[small], *sides


def _categories(current: Profile, reference: Profile) -> int:
    both = merge(current, reference)
    rest = both.other - sum(both.new.values())
    return sum(count > 0 for count in (*both.counts, rest)) + len(both.new)


def _measured(test: _Test, current: Profile, reference: Profile) -> Statistic:
    if reference.bins.kind == "text":
        return Statistic(
            None, "Evidently judges text by training a classifier on the texts, which profiles do not keep"
        )
    return test.statistic(current, reference)


def _describe_uncertainty(test: _Test, found: Statistic) -> str | None:
    """Return a reason if the profiles are too coarse for the verdict, else None."""
    if found.value is None or test.statistic is not kolmogorov_smirnov_p:
        return None
    furthest = found.value + found.bound
    if test.drifts(furthest, test.threshold) == test.drifts(found.value, test.threshold):
        return None
    return f"the p-value is between {furthest:.3g} and {found.value:.3g}: the exact value needs the rows"


def _ks_p(current: Profile, reference: Profile, distance: float, shift: tuple[int, int]) -> float:
    """Return scipy's p-value of this distance, from ranks in place of the values.

    Inside a bin with several values, ``shift`` puts one side's values first, for the largest possible distance.
    """
    from scipy.stats import ks_2samp, kstwo

    n, m = current.present, reference.present
    if max(n, m) > EXACT:
        return float(kstwo.sf(distance, round(n * m / (n + m))))
    inside = ~atoms(reference.bins)
    placed = zip((current, reference), shift, strict=True)
    ranks = [np.repeat(2 * np.arange(len(p.counts)) + by * inside, p.counts) for p, by in placed]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # scipy falls back on the asymptotic p-value, as in Evidently
        return float(ks_2samp(*ranks).pvalue)
