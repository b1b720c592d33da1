"""Ranking of drifted columns, and the range of normal values: small distances, large p-values."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

P_VALUES = frozenset({"kolmogorov_smirnov_p", "chi_square", "two_proportion_z"})
"""Statistics that indicate drift below their threshold."""
_LEVELS = {"low": 1, "medium": 2, "high": 3}


def by_drift(verdicts: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return rows of the drift table: drifted ones first, then by severity, then by how far beyond the threshold."""
    return sorted(verdicts, key=lambda r: (not r["drifted"], -_LEVELS.get(r["severity"], 0), -excess(r), r["column"]))


def newest_and_worst_first(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return rows of the drift table: the newest window first, within a window the columns that drifted most."""
    return sorted(map(dict, by_drift(rows)), key=lambda row: row["window_start"], reverse=True)


def excess(row: Mapping[str, Any]) -> float:
    """Return value / threshold, or threshold / value for p-values.

    It is 1 at the threshold and more beyond it; -1 when nothing was measured.
    """
    value, threshold = row["value"], row["threshold"]
    if value is None:
        return -1.0
    if row["statistic"] in P_VALUES:
        return float(threshold / value) if value else math.inf
    return float(value / threshold if threshold else value)


def ordinary_range(row: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """Return the lower and upper limit of normal values, None without a limit; both None without a threshold."""
    threshold = row["threshold"]
    return (threshold, None) if row["statistic"] in P_VALUES else (None, threshold)
