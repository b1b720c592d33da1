"""Columns are ordered by how far out they are, whether small values of their statistic are far out or large ones."""

from itertools import pairwise
from typing import Any

import pytest

from modelops_pipelines.core.drift.evidently import judge_evidently
from modelops_pipelines.core.drift.ranking import P_VALUES, by_drift, excess, ordinary_range
from modelops_pipelines.core.profiles.profile import fit_bins, profile


def row(column: str, value: float | None, statistic: str = "wasserstein", threshold: float = 0.1, **more: Any) -> Any:
    drifted = None if value is None else (value < threshold) == (statistic in P_VALUES)
    found = {"column": column, "value": value, "threshold": threshold, "statistic": statistic, "drifted": drifted}
    return found | {"severity": "low" if drifted else "none"} | more


@pytest.mark.parametrize("statistic", sorted(P_VALUES))
def test_the_smallest_p_value_comes_first(statistic: str) -> None:
    values = {"barely": 0.049, "surely": 1e-30, "not": 0.5, "nearly": 0.051, "beyond floats": 0.0}
    rows = [row(name, value, statistic, 0.05) for name, value in values.items()]
    names = [found["column"] for found in by_drift([*rows, row("unknown", None, statistic, 0.05)])]
    assert ["beyond floats", "surely", "barely", "nearly", "not", "unknown"] == names


def test_the_greatest_distance_comes_first_and_the_severe_before_it() -> None:
    rows = [row("far", 0.9), row("near", 0.05), row("severe", 0.2, severity="high"), row("none", None)]
    assert ["severe", "far", "near", "none"] == [found["column"] for found in by_drift(rows)]


def test_at_the_threshold_both_directions_are_one() -> None:
    assert (1.0, 1.0) == (excess(row("a", 0.1)), excess(row("b", 0.05, "chi_square", 0.05)))


def test_the_ordinary_lies_below_a_distances_threshold_and_above_a_p_values() -> None:
    assert (None, 0.1) == ordinary_range(row("a", 0.3))
    assert (0.05, None) == ordinary_range(row("b", 0.3, "two_proportion_z", 0.05))


@pytest.mark.parametrize(
    ("reference", "shifts", "kind"),
    [
        ([n / 7 for n in range(900)], [0, 5, 30, 60], "numeric"),
        (["a", "b", "c"] * 300, [0, 30, 60, 90], "categorical"),
        (["a", "b"] * 450, [0, 60, 120, 240], "categorical"),
        ([n / 7 for n in range(2000)], [0, 30, 60, 90], "numeric"),
        (["a", "b", "c"] * 500, [0, 150, 300, 600], "categorical"),
    ],
)
def test_what_moved_further_comes_first_by_every_test_of_evidently(reference: Any, shifts: Any, kind: Any) -> None:
    bins = fit_bins("x", reference, kind)
    then, found = profile(reference, bins), []
    for shift in shifts:
        now = [n + shift for n in reference] if kind == "numeric" else [*reference[shift:], *["a"] * shift]
        found += [vars(one) | {"severity": None} for one in judge_evidently({"x": profile(now, bins)}, {"x": then})]
    assert all(excess(near) < excess(far) for near, far in pairwise(found)), [one["value"] for one in found]
    low, high = ordinary_range(found[-1])
    assert not (low or 0.0) <= found[-1]["value"] <= (high or 1.0)
