"""Which of a day's predictions are worth a person's judgement, and how much: one strength for each reason.

A random sample for an estimate of quality: ``sampling``. All strengths are from 0 to below 1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
DISAGREEING, COSTLY, UNCERTAIN = "disagreeing", "costly", "uncertain"
FLAGGED, RANDOM = "flagged", "random"
LIMITED = (DISAGREEING, COSTLY, UNCERTAIN)
"""The reasons of which each day has at most ``per_day`` together; a prediction is put in for the first that holds."""
BANDS: Mapping[str, int] = {FLAGGED: 4, RANDOM: 3, DISAGREEING: 2, COSTLY: 1, UNCERTAIN: 0}
"""An item's priority is its reason's band plus its strength: a person asked for the flagged; the estimate needs all of
the random ones."""
FAR = 0.5
"""Standard deviations of the day's predictions from which two numbers disagree."""
_TINY = 1e-15


@dataclass(frozen=True)
class Pool:
    """A day's answered predictions, a value for each in every column; None where there is none.

    Values are classes as text, or numbers for a regression. ``score`` is the probability of the positive class, with
    more than two classes that of the predicted class. ``corrected`` is the newest correction by a caller, ``shadow``
    another version's answer; ``complaints`` counts feedback with a thumb down or a rating of at most 2.
    """

    task: str
    prediction: Sequence[Any]
    score: Sequence[float | None]
    label: Sequence[Any]
    corrected: Sequence[Any]
    complaints: Sequence[int]
    shadow: Sequence[Any]
    positive: str = "1"

    def __len__(self) -> int:
        """Return the number of predictions."""
        return len(self.prediction)


@dataclass(frozen=True, eq=False)
class Strengths:
    """How strongly each prediction of a pool is wanted for a reason, NaN where it is not, and why none is."""

    values: Floats
    reason: str | None = None


@dataclass(frozen=True)
class Choice:
    """A prediction chosen from a pool: its place there, the reason, and the item's priority."""

    place: int
    reason: str
    priority: float


def strengths(pool: Pool, reason: str) -> Strengths:
    """Return the strengths for one of ``LIMITED``."""
    found = {DISAGREEING: _disagreeing, COSTLY: _costly, UNCERTAIN: _uncertain}[reason](pool)
    if isinstance(found, str):
        return Strengths(np.full(len(pool), np.nan), found)
    return Strengths(found, None if np.isfinite(found).any() else f"no prediction is {reason}")


def choose(found: Mapping[str, Strengths], most: int, taken: Sequence[int] = ()) -> list[Choice]:
    """Return at most ``most`` predictions: the reasons take turns, each its strongest that is not ``taken`` yet."""
    enough = most + len(set(taken)) + len(found) * most
    orders = {reason: _strongest(one.values, enough) for reason, one in found.items()}
    chosen: list[Choice] = []
    seen = set(taken)
    while len(chosen) < most and any(orders.values()):
        for reason in [one for one, order in orders.items() if order]:
            place = orders[reason].pop(0)
            if place in seen:
                continue
            seen.add(place)
            chosen.append(Choice(place, reason, priority(reason, float(found[reason].values[place]))))
    return chosen[:most]


def priority(reason: str, strength: float = 0.0) -> float:
    """Return an item's priority: the higher the sooner."""
    return BANDS[reason] + strength


def _strongest(values: Floats, most: int) -> list[int]:
    """Return the places of the wanted predictions, the strongest first; of equals the first in the pool."""
    order = np.argsort(-values, kind="stable")  # NaN comes last
    return [int(place) for place in order[: min(most, int(np.isfinite(values).sum()))]]


def _disagreeing(pool: Pool) -> Floats | str:
    """Return how far others are from the prediction: for classes how many of three voices, for numbers the distance.

    The voices are the caller's correction or complaint, another version's answer, and a label that the caller's
    correction contradicts. Numbers disagree from ``FAR`` standard deviations of the day's predictions on.
    """
    if pool.task == "regression":
        predicted = _numbers(pool.prediction)
        unit = _spread(predicted)
        distances = [_numbers(others) - predicted for others in (pool.corrected, pool.shadow)]
        distances.append(_numbers(pool.corrected) - _numbers(pool.label))
        with np.errstate(invalid="ignore"):
            far = np.fmax.reduce([np.abs(one) / unit for one in distances])
            far = np.where(far >= FAR, far, np.nan)
        complained = np.where(np.asarray(pool.complaints) > 0, FAR, np.nan)
        return _squashed(np.fmax(far, complained))
    answered, corrected = _texts(pool.prediction), _texts(pool.corrected)
    votes = (_differ(corrected, answered) | (np.asarray(pool.complaints) > 0)).astype(np.float64)
    votes += _differ(_texts(pool.shadow), answered)
    votes += _differ(corrected, _texts(pool.label))
    return _squashed(np.where(votes > 0, votes, np.nan))


def _uncertain(pool: Pool) -> Floats | str:
    """Return 1 minus twice the distance of a binary score from 0.5; of several classes, 1 minus the score.

    Least confidence (B. Settles, Active Learning Literature Survey, 2009, 3.1). A regression has no score: there it is
    the distance from another version's answer, where a shadow gave one.
    """
    if pool.task == "regression":
        predicted = _numbers(pool.prediction)
        distance = np.abs(_numbers(pool.shadow) - predicted) / _spread(predicted)
        none = "a regression has no score, and no shadow answered its predictions"
        return _squashed(distance) if np.isfinite(distance).any() else none
    score = _numbers(pool.score)
    if not np.isfinite(score).any():
        return "the model gives no scores"
    if pool.task == "binary_classification":
        score = 0.5 + np.abs(score - 0.5)
        return np.asarray(np.clip(2 - 2 * score, 0, 1 - _TINY), np.float64)
    return np.asarray(np.clip(1 - score, 0, 1 - _TINY), np.float64)


def _costly(pool: Pool) -> Floats | str:
    """Return the loss given the label: log-loss of a score, the distance of a number, 1 for a wrong class.

    Of several classes the score is that of the predicted one; the true class had at most the rest, so that a wrong
    prediction lost at least -ln(1 - score). A right class, or number, costs nothing and is not wanted.
    """
    if all(value is None for value in pool.label):
        return "no prediction has a label"
    if pool.task == "regression":
        distance = np.abs(_numbers(pool.prediction) - _numbers(pool.label)) / _spread(_numbers(pool.prediction))
        return _squashed(np.where(distance > 0, distance, np.nan))
    wrong = _differ(_texts(pool.label), _texts(pool.prediction))
    score = _numbers(pool.score)
    if pool.task == "binary_classification":
        true = np.where(_texts(pool.label) == pool.positive, score, 1 - score)
    else:
        true = 1 - score
    loss = np.where(np.isfinite(score), -np.log(np.clip(true, _TINY, 1)), 1.0)
    return _squashed(np.where(wrong, loss, np.nan))


def _numbers(values: Sequence[Any]) -> Floats:
    return np.array([np.nan if value is None else value for value in values], np.float64)


def _texts(values: Sequence[Any]) -> NDArray[np.object_]:
    found = np.empty(len(values), object)
    found[:] = values
    return found


def _differ(one: NDArray[np.object_], other: NDArray[np.object_]) -> NDArray[np.bool_]:
    """Return where both have a value, and not the same."""
    known = np.array([a is not None and b is not None for a, b in zip(one, other, strict=True)], bool)
    different: NDArray[np.bool_] = np.asarray(one != other, bool)
    return np.asarray(known & different, bool)


def _spread(values: Floats) -> float:
    """Return the standard deviation of the values, at least so much that one can divide by it."""
    known = values[np.isfinite(values)]
    return max(float(np.std(known)), _TINY) if len(known) else 1.0


def _squashed(values: Floats) -> Floats:
    """Return positive numbers as x / (1 + x): from 0 to below 1, in the same order; NaN stays."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.minimum(values / (1 + values), 1 - _TINY), np.float64)
