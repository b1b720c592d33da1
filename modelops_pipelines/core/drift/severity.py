"""Severity of a drifted column: the size of the change times the column's importance. Never a p-value."""

from collections.abc import Mapping

ANSWER_WEIGHT = 2.0
"""Weight of the prediction and score columns, relative to an average feature's 1."""
LEVELS = ((10.0, "high"), (3.0, "medium"), (0.0, "low"))
"""Lower limit of each level. 10 is half a standard deviation in a feature of average importance."""


def weight_of(column: str, importance: Mapping[str, float]) -> float:
    """Return the column's importance relative to the average feature's; 1 if unknown."""
    if column in {"prediction", "score"}:
        return ANSWER_WEIGHT
    return importance[column] * len(importance) if column in importance else 1.0


def severity_of(column: str, effect: float | None, importance: Mapping[str, float], *, drifted: bool | None) -> str:
    """Return none, low, medium or high.

    ``effect`` is the distance in units of the smallest relevant one (0.05 standard deviations, or 2 points of missing
    values); the harm is effect times ``weight_of``. A drift of unknown effect is low.
    """
    if not drifted:
        return "none"
    if effect is None:
        return "low"
    harm = effect * weight_of(column, importance)
    return next(name for least, name in LEVELS if harm >= least)
