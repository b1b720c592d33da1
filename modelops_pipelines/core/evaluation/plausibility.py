"""Whether a candidate is too good to be true: its loss beside what the champion ever reached, and single columns.

Losses are compared as shares of the loss of a constant prediction that knows the mean of each regime: 1 is no better
than that, 0 is perfect. So a month with few positives, in which every loss is low, is not a month of good predictions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelops_pipelines.core.evaluation.paired_comparison import log_loss, squared_error

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

HALF = 0.5
"""A candidate with less than this share of the lowest relative loss so far is held."""
LEAST_GAIN = 0.1
"""Gain in relative loss under which nothing is held: a champion that is nearly perfect leaves only noise to gain."""
PAST_GAINS, GAIN_RATIO = 3, 4.0
"""From so many earlier verdicts on, a gain of GAIN_RATIO times the largest of them is out of line."""
COLUMN_SHARE = 0.9
"""A column that alone has less than this share of the lowest relative loss so far is suspicious."""
NO_SKILL, NEAR_ZERO, OUTCOME = 0.98, 0.05, 0.1
"""Where no champion was under NO_SKILL, nothing is known of what can be reached: then a candidate under NEAR_ZERO, or a
column under OUTCOME, is held. So an ordinary model may replace a champion that never was better than a constant."""
GROUPS, PRIOR_ROWS = 64, 5.0
"""A column is cut into so many groups; a group's mean counts as if so many rows had the overall mean."""


@dataclass(frozen=True, eq=False)
class Truth:
    """The labels of the evaluation rows: 0 and 1 (``scored``), numbers, or texts, whose loss is 1 for a wrong class."""

    values: NDArray[Any]
    scored: bool

    def constant_losses(self, groups: Ints, train: NDArray[np.bool_] | None = None) -> Floats:
        """Return each row's loss when its group's mean (or most frequent class) is predicted.

        With ``train`` the means are those of the rows in that mask.
        """
        known = np.ones(len(self.values), bool) if train is None else train
        if self.values.dtype.kind not in "fiub":
            return self._wrong(groups, known)
        prior = 0.0 if train is None else PRIOR_ROWS
        values = self.values.astype(np.float64)
        counts = np.bincount(groups[known], minlength=int(groups.max()) + 1)
        sums = np.bincount(groups[known], weights=values[known], minlength=len(counts))
        overall = float(values[known].mean())
        means = (sums + prior * overall) / np.maximum(counts + prior, 1e-12)
        means = np.where(counts + prior > 0, means, overall)
        return log_loss(means[groups], values) if self.scored else squared_error(means[groups], values)

    def _wrong(self, groups: Ints, known: NDArray[np.bool_]) -> Floats:
        classes, codes = np.unique(self.values, return_inverse=True)
        counts = np.zeros((int(groups.max()) + 1, len(classes)))
        np.add.at(counts, (groups[known], codes[known]), 1)
        overall = int(np.bincount(codes[known], minlength=len(classes)).argmax())
        chosen = np.where(counts.sum(axis=1) > 0, counts.argmax(axis=1), overall)
        return (chosen[groups] != codes).astype(np.float64)


@dataclass(frozen=True)
class Column:
    """A column and the relative loss of predicting from it alone."""

    name: str
    relative_loss: float


@dataclass(frozen=True, eq=False)
class Judged:
    """What a candidate's plausibility is judged by.

    ``regimes`` numbers each row's regime, and ``enough`` are the numbers of those with enough rows to be judged.
    ``days`` is each row's day. ``columns`` has the candidate's inputs. ``past`` has the numbers of the endpoint's
    earlier verdicts.
    """

    champion: Floats
    candidate: Floats
    truth: Truth
    regimes: Ints
    enough: Sequence[int]
    days: Ints
    columns: Mapping[str, NDArray[Any]]
    past: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class Plausibility:
    """Reasons to hold a candidate, which are sentences with their numbers, and every number by its name."""

    reasons: tuple[str, ...]
    numbers: Mapping[str, float | str | None]


def judge_plausibility(judged: Judged) -> Plausibility:
    """Return why the candidate is too good to be promoted without a person; no reasons for an ordinary candidate.

    It is held when its relative loss is under half of the lowest that a champion had on a regime or in an earlier
    verdict; when it gains several times as much on that as any earlier candidate; or when one column alone predicts
    better than any champion did. A gain under ``LEAST_GAIN`` is never held. Where no champion was better than a
    constant prediction, only what is nearly perfect is held.
    """
    unit = judged.truth.constant_losses(judged.regimes)
    if not unit.sum() > 0:
        return Plausibility((), {})
    candidate, champion = (float(losses.sum() / unit.sum()) for losses in (judged.candidate, judged.champion))
    best = _best(judged, unit, champion)
    column = _best_column(judged, unit)
    numbers = {
        "champion_relative_loss": champion,
        "candidate_relative_loss": candidate,
        "best_relative_loss": best,
        "gain_on_best": best - candidate,
        "best_column": column.name if column else None,
        "best_column_relative_loss": column.relative_loss if column else None,
    }
    reasons = [*_too_good(candidate, best, judged.past), *_telling_column(column, best)]
    return Plausibility(tuple(reasons), numbers)


def _best(judged: Judged, unit: Floats, champion: float) -> float:
    """Return the lowest relative loss of a champion on a regime or in an earlier verdict; at most 1."""
    masks = [judged.regimes == number for number in judged.enough]
    of_regimes = [float(judged.champion[mask].sum() / unit[mask].sum()) for mask in masks if unit[mask].sum() > 0]
    return min(1.0, champion, *of_regimes, *_past(judged.past, "champion_relative_loss"))


def _past(past: Sequence[Mapping[str, Any]], name: str) -> list[float]:
    return [float(numbers[name]) for numbers in past if isinstance(numbers.get(name), float)]


def _too_good(candidate: float, best: float, past: Sequence[Mapping[str, Any]]) -> list[str]:
    gain = best - candidate
    if gain <= LEAST_GAIN:
        return []
    known = best < NO_SKILL
    shown = f"its loss is {candidate:.3f} of that of a constant prediction; no champion was under {best:.3f}"
    if candidate < (HALF * best if known else NEAR_ZERO):
        return [f"the candidate is too good: {shown}"]
    gains = [abs(one) for one in _past([numbers for numbers in past if not numbers.get("held")], "gain_on_best")]
    if known and len(gains) >= PAST_GAINS and gain > GAIN_RATIO * max(gains):
        return [
            f"the candidate is too good: {shown}, and {len(gains)} earlier candidates gained at most {max(gains):.3f}"
        ]
    return []


def _telling_column(column: Column | None, best: float) -> list[str]:
    limit = COLUMN_SHARE * best if best < NO_SKILL else OUTCOME
    if column is None or column.relative_loss >= limit or best - column.relative_loss <= LEAST_GAIN:
        return []
    reason = (
        f"column {column.name!r} alone predicts the label better than any champion did: its loss is "
        f"{column.relative_loss:.3f} of that of a constant prediction, against {best:.3f}; it may hold the outcome"
    )
    return [reason]


def _best_column(judged: Judged, unit: Floats) -> Column | None:
    """Return the column that predicts the label best when used alone, by its loss on rows it was not fitted on."""
    found = [Column(name, _relative(judged, unit, values)) for name, values in judged.columns.items()]
    return min(found, key=lambda one: one.relative_loss, default=None)


def _relative(judged: Judged, unit: Floats, values: NDArray[Any]) -> float:
    """Return the relative loss of the means of a column's groups, fitted on every second day and used on the others."""
    groups = column_groups(values)
    _, order = np.unique(judged.days, return_inverse=True)
    even = order % 2 == 0
    losses = np.where(even, judged.truth.constant_losses(groups, ~even), judged.truth.constant_losses(groups, even))
    return float(losses.sum() / unit.sum())


def column_groups(values: NDArray[Any]) -> Ints:
    """Return the number of each value's group: ranges with equally many numbers, or the most frequent texts.

    Missing values are group 0. At most ``GROUPS`` and two more.
    """
    if values.dtype.kind in "fiub":
        numbers = values.astype(np.float64)
        known = np.isfinite(numbers)
        edges = np.unique(np.quantile(numbers[known], np.linspace(0, 1, GROUPS + 1)[1:-1])) if known.any() else []
        return np.where(known, 1 + np.searchsorted(edges, numbers, side="left"), 0).astype(np.int64)
    texts = np.array(["" if value is None else str(value) for value in values], dtype=str)
    names, codes, counts = np.unique(texts, return_inverse=True, return_counts=True)
    rank = np.empty(len(names), np.int64)
    rank[np.argsort(-counts, kind="stable")] = np.arange(1, len(names) + 1)
    return np.where(texts == "", 0, np.minimum(rank, GROUPS + 1)[codes]).astype(np.int64)
