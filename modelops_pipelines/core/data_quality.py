"""Whether a handful of requests is unlike anything of the days before: what a broken unit or a renamed category is.

No chance is computed: a hundred rows are too few to judge a distribution by, and weather, campaigns and nights make
odd hundreds every week. What is looked for has not been there in a month: values beyond all its values, categories
that it did not know, gaps that it did not have.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from modelops_pipelines.core.profiles import LARGEST
from modelops_pipelines.core.stacks import Stack
from modelops_pipelines.core.tallies import tally

Channel: TypeAlias = Literal["range", "category", "missing"]

MARGIN = 0.15
"""How far beyond the days' least and greatest value a value may lie, in parts of the distance between them."""
BEYOND = 0.5
"""Share of the values that must lie beyond."""
UNKNOWN = 0.1
"""Share of the values that must be of categories that the days did not know."""
GAPS = 0.25
"""How much greater than in any hour of the days the share of missing values must be."""
FEWEST = 50
"""Values that a share takes."""


@dataclass(frozen=True)
class Oddity:
    """What of a column is unlike the days before: ``value`` (a share, 0 .. 1) and ``reason``, in words."""

    column: str
    channel: Channel
    value: float
    reason: str


def oddities(column: str, values: npt.NDArray[np.float64] | Mapping[Any, int], history: Stack) -> list[Oddity]:
    """Return all that is unlike the days before in a column.

    ``values`` are numbers of shape (n,) with NaN for null, or strings (None for null) with their counts;
    ``history`` are the column's hours of the days before. Free text has gaps only.
    """
    if isinstance(values, Mapping):
        counted, missing = tally(values, column)
        n = counted.total() + missing
        found = _unknown(column, counted, history) if history.bins.kind == "categorical" else None
    else:
        usable = values[np.abs(values) <= LARGEST]
        n, missing = values.size, values.size - usable.size
        found = _beyond(column, usable, history)
    return [one for one in (found, _gaps(column, missing, n, history)) if one]


def _beyond(column: str, values: npt.NDArray[np.float64], history: Stack) -> Oddity | None:
    if values.size < FEWEST or not history.present.sum():
        return None
    low, high = float(np.nanmin(history.minimum)), float(np.nanmax(history.maximum))
    room = MARGIN * (high - low)
    share = float(np.mean((values < low - room) | (values > high + room)))
    if share < BEYOND:
        return None
    middle = float(np.median(values))
    told = f"{share:.0%} lie beyond {low:.4g} to {high:.4g}, the range of the days before (median now {middle:.4g})"
    return Oddity(column, "range", share, f"{column}: {told}")


def _unknown(column: str, counted: Mapping[str, int], history: Stack) -> Oddity | None:
    """Compare with what the days knew by name; days with more categories than have names say nothing."""
    total = sum(counted.values())
    named = {name for one in history.new for name in one}
    if (
        total < FEWEST
        or not history.present.sum()
        or history.other.sum() > sum(sum(one.values()) for one in history.new)
    ):
        return None
    known = named | {name for name, n in zip(history.bins.categories, history.counts.sum(axis=0), strict=True) if n}
    strange = {name: n for name, n in counted.items() if name not in known}
    share = sum(strange.values()) / total
    if share < UNKNOWN:
        return None
    most = max(strange, key=lambda name: (strange[name], name))
    told = f"{share:.0%} are of categories that the days before did not have, such as {most[:40]!r}"
    return Oddity(column, "category", share, f"{column}: {told}")


def _gaps(column: str, missing: int, n: int, history: Stack) -> Oddity | None:
    filled = history.n > 0
    if n < FEWEST or not filled.any():
        return None
    usual, share = float(np.max(history.missing[filled] / history.n[filled])), missing / n
    if share < usual + GAPS:
        return None
    return Oddity(column, "missing", share, f"{column}: {share:.0%} are missing, at most {usual:.0%} an hour before")
