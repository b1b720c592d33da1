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

QUARTER, LEAST_GAIN = 0.25, 0.1
"""A candidate under this share of the lowest relative loss so far is held, if it gains at least LEAST_GAIN: a champion
that is nearly perfect leaves only noise to gain. Half is what ten times the data brought on an easy task."""
LAST, LEAST_EARLIER, RATIO, LEAST_IMPROVEMENT = 6, 3, 2.5, 0.03
"""Of the last LAST verdicts, at least LEAST_EARLIER, the largest improvement times RATIO is the limit of the next one;
it is never under LEAST_IMPROVEMENT. On the flights' year ordinary retrainings improve by at most 2 % of the loss, and
those that remember the evaluation rows by 5 to 13 %."""
COLUMN_SHARE = 0.7
"""A column that alone has less than this share of the lowest relative loss so far is suspicious."""
TELLS, LEAST_TOLD = 0.3, 0.05
"""A group of a column's values tells the outcome when its mean alone has less than TELLS of a constant's loss. A column
whose such groups gain LEAST_TOLD on the champion, in relative loss, is suspicious."""
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
        constant: Floats = means[groups]
        return log_loss(constant, values) if self.scored else squared_error(constant, values)

    def _wrong(self, groups: Ints, known: NDArray[np.bool_]) -> Floats:
        classes, codes = np.unique(self.values, return_inverse=True)
        counts = np.zeros((int(groups.max()) + 1, len(classes)))
        np.add.at(counts, (groups[known], codes[known]), 1)
        overall = int(np.bincount(codes[known], minlength=len(classes)).argmax())
        chosen = np.where(counts.sum(axis=1) > 0, counts.argmax(axis=1), overall)
        wrong: Floats = (chosen[groups] != codes).astype(np.float64)
        return wrong


@dataclass(frozen=True)
class Column:
    """A column, and the relative loss of predicting from it alone.

    ``gain`` is the loss that the values which tell the outcome would take from the champion, and ``rows`` their share
    of the rows.
    """

    name: str
    relative_loss: float
    gain: float
    rows: float

    @property
    def rank(self) -> tuple[float, float]:
        """The order of suspicion."""
        return self.gain, -self.relative_loss


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

    It is held when its relative loss is under a quarter of the lowest that a champion had on a regime or in an earlier
    verdict; when it improves on the best champion several times as much as the candidates before it; when one column
    alone predicts far better than any champion did; or when some values of a column tell an outcome that the champion
    did not know. Where no champion was better than a constant prediction, only what is nearly perfect is held.
    """
    unit = judged.truth.constant_losses(judged.regimes)
    if not unit.sum() > 0:
        return Plausibility((), {})
    candidate, champion = (float(losses.sum() / unit.sum()) for losses in (judged.candidate, judged.champion))
    best = _best(judged, unit, champion)
    column = _most_telling(judged, unit, best)
    numbers = {
        "champion_relative_loss": champion,
        "candidate_relative_loss": candidate,
        "best_relative_loss": best,
        "relative_improvement": _improvement(judged.past, champion, candidate),
        "telling_column": column.name if column else None,
        "telling_column_relative_loss": column.relative_loss if column else None,
        "telling_column_gain": column.gain if column else None,
    }
    reasons = [*_too_good(candidate, best), *_telling_column(column, best)]
    if best < NO_SKILL and not reasons:
        reasons = _out_of_line(_improvement(judged.past, champion, candidate), judged.past)
    return Plausibility(tuple(reasons), numbers)


def _best(judged: Judged, unit: Floats, champion: float) -> float:
    """Return the lowest relative loss of a champion on a regime or in an earlier verdict; at most 1."""
    masks = [judged.regimes == number for number in judged.enough]
    of_regimes = [float(judged.champion[mask].sum() / unit[mask].sum()) for mask in masks if unit[mask].sum() > 0]
    return min(1.0, champion, *of_regimes, *_past(judged.past, "champion_relative_loss"))


def _past(past: Sequence[Mapping[str, Any]], name: str) -> list[float]:
    return [float(numbers[name]) for numbers in past if isinstance(numbers.get(name), float)]


def _improvement(past: Sequence[Mapping[str, Any]], champion: float, candidate: float) -> float:
    """Return the share of the loss that the candidate takes from the best champion, the present one or an earlier one.

    So repairing a champion that drift has spoilt is no large improvement.
    """
    return 1 - candidate / max(min(champion, *_past(past, "champion_relative_loss"), 1.0), 1e-12)


def _too_good(candidate: float, best: float) -> list[str]:
    if best - candidate <= LEAST_GAIN or candidate >= (QUARTER * best if best < NO_SKILL else NEAR_ZERO):
        return []
    shown = f"its loss is {candidate:.3f} of that of a constant prediction; no champion was under {best:.3f}"
    return [f"the candidate is too good: {shown}"]


def _out_of_line(improvement: float, past: Sequence[Mapping[str, Any]]) -> list[str]:
    """Compare the improvement with those of the last verdicts, without those that were held."""
    earlier = _past([numbers for numbers in past if not numbers.get("held")], "relative_improvement")[-LAST:]
    if len(earlier) < LEAST_EARLIER or improvement <= max(RATIO * max(map(abs, earlier)), LEAST_IMPROVEMENT):
        return []
    shown = f"it takes {improvement:.1%} from the loss of the best champion"
    return [f"the candidate is too good: {shown}; the last {len(earlier)} took at most {max(map(abs, earlier)):.1%}"]


def _telling_column(column: Column | None, best: float) -> list[str]:
    if column is None:
        return []
    known = best < NO_SKILL
    if column.relative_loss < (COLUMN_SHARE * best if known else OUTCOME) and best - column.relative_loss > LEAST_GAIN:
        shown = f"its loss is {column.relative_loss:.3f} of that of a constant prediction, against {best:.3f}"
        alone = f"column {column.name!r} alone predicts the label far better than any champion did"
        return [f"{alone}: {shown}; it may hold the outcome"]
    if known and column.gain > LEAST_TOLD:
        told = f"column {column.name!r} tells the outcome of {column.rows:.0%} of the rows, unknown to the champion"
        return [
            f"{told}: that is worth {column.gain:.3f} of the loss of a constant prediction; it may hold the outcome"
        ]
    return []


def _most_telling(judged: Judged, unit: Floats, best: float) -> Column | None:
    """Return the column whose values tell most that the champion did not know, else that predicts best alone."""
    found = [_column(judged, unit, best, name) for name in judged.columns]
    return max(found, key=lambda one: one.rank, default=None)


def _column(judged: Judged, unit: Floats, best: float, name: str) -> Column:
    """Measure a column by the means of its groups, fitted on every second day and used on the others.

    The champion's loss in a group counts as at most ``best`` of a constant's: a champion that drift has spoilt says
    nothing of what could be known.
    """
    groups = column_groups(judged.columns[name])
    _, order = np.unique(judged.days, return_inverse=True)
    even = order % 2 == 0
    fitted = [judged.truth.constant_losses(groups, mask) for mask in (~even, even)]
    losses = np.where(even, fitted[0], fitted[1])
    own, old, constant = (np.bincount(groups, weights=one) for one in (losses, judged.champion, unit))
    tells = own < TELLS * constant
    gained = np.maximum(np.minimum(old, best * constant) - own, 0.0)[tells].sum()
    rows = float(np.bincount(groups)[tells].sum() / len(groups))
    return Column(name, float(losses.sum() / unit.sum()), float(gained / unit.sum()), rows)


def column_groups(values: NDArray[Any]) -> Ints:
    """Return the number of each value's group: ranges with equally many numbers, or the most frequent texts.

    Missing values are group 0. At most ``GROUPS`` and two more.
    """
    if values.dtype.kind in "fiub":
        numbers = values.astype(np.float64)
        known = np.isfinite(numbers)
        levels = np.linspace(0, 1, GROUPS + 1)[1:-1]
        edges: Floats = np.unique(np.quantile(numbers[known], levels)) if known.any() else np.empty(0)
        return np.where(known, 1 + np.searchsorted(edges, numbers, side="left"), 0).astype(np.int64)
    texts = np.array(["" if value is None else str(value) for value in values], dtype=str)
    names, codes, counts = np.unique(texts, return_inverse=True, return_counts=True)
    rank = np.empty(len(names), np.int64)
    rank[np.argsort(-counts, kind="stable")] = np.arange(1, len(names) + 1)
    return np.where(texts == "", 0, np.minimum(rank, GROUPS + 1)[codes]).astype(np.int64)
